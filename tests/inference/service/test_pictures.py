"""Pictures on disk: levels, tiles, descriptions, and what is left after a kill."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.scans.attenuation import STEEL
from cargosight_inference.scans.beams import linac
from cargosight_inference.scans.readers import ReadOptions, read_scan_bytes
from cargosight_inference.scans.scan import Scan
from cargosight_inference.service import pictures
from cargosight_inference.service.pictures import read_description, read_tile, write_picture
from cargosight_models.errors import NoSuchTile
from tests.made import radiographs, scans

KINDS = ["pseudocolour", "display_grey", "transmission"]


def wide_scan(kind: str = "transmission", *, width=1300, height=601, channels=2) -> Scan:
    """Noise: every pixel counts in every mean."""
    random = np.random.default_rng(5)
    if kind == "transmission":
        pixels = random.random((height, width, channels)).astype(np.float32)
    else:
        shape = (height, width, 3) if kind == "pseudocolour" else (height, width)
        pixels = random.integers(0, 256, shape).astype(np.uint8)
    return Scan.in_memory(pixels, kind=kind, subject="cargo")


def stored(scan: Scan) -> np.ndarray:
    """Level 0 as whole numbers (H, W, C)."""
    pixels = scan.pixels if scan.pixels.ndim == 3 else scan.pixels[:, :, None]
    return np.rint(pixels * np.float32(65535)).astype(np.int64) if scan.kind == "transmission" else pixels


def level_of(scan: Scan, level: int) -> np.ndarray:
    """What a level has to be, straight from the scan: means of blocks, half up."""
    whole, side = stored(scan).astype(np.int64), 1 << level
    rows, columns = np.arange(0, scan.height, side), np.arange(0, scan.width, side)
    total = np.add.reduceat(np.add.reduceat(whole, rows, axis=0), columns, axis=1)
    counts = [np.diff(edges, append=length) for edges, length in ((rows, scan.height), (columns, scan.width))]
    count = np.multiply.outer(*counts)[:, :, None]
    return (2 * total + count) // (2 * count)


def assembled(folder, described, level: int) -> np.ndarray:
    """Put the cores of all tiles of a level together."""
    facts = described["levels"][level]
    whole = np.full((facts["height"], facts["width"], described["channels"]), -1, dtype=np.int64)
    for row in range(facts["rows"]):
        for column in range(facts["columns"]):
            core = tile(folder, described, level, column, row)[16:-16, 16:-16]
            whole[row * 512 : row * 512 + len(core), column * 512 : column * 512 + core.shape[1]] = core
    return whole


def tile(folder, described, level: int, column: int, row: int) -> np.ndarray:
    facts = described["levels"][level]
    shape = (
        min(512, facts["height"] - 512 * row) + 32,
        min(512, facts["width"] - 512 * column) + 32,
        described["channels"],
    )
    dtype = "<u2" if described["type"] == "uint16" else "u1"
    return np.frombuffer(read_tile(folder, level, column, row), dtype=dtype).reshape(shape)


@pytest.mark.parametrize("kind", KINDS)
def test_every_level_is_the_mean_of_the_scan_itself(tmp_path, kind):
    scan = wide_scan(kind)
    described = write_picture(scan, tmp_path / "picture")
    sizes = [(level["width"], level["height"]) for level in described["levels"]]
    assert sizes == [(1300, 601), (650, 301), (325, 151)]
    assert [(level["columns"], level["rows"]) for level in described["levels"]] == [(3, 2), (2, 1), (1, 1)]
    for level in range(3):
        assert np.array_equal(assembled(tmp_path / "picture", described, level), level_of(scan, level))


@settings(max_examples=12, deadline=None)
@given(
    width=st.integers(1, 1100), height=st.integers(1, 40), upright=st.booleans(), value=st.integers(0, 255)
)
def test_any_size(tmp_path_factory, width, height, upright, value):
    folder = tmp_path_factory.mktemp("any") / "picture"
    shape = (width, height) if upright else (height, width)
    scan = Scan.in_memory(np.full(shape, value, np.uint8), kind="display_grey", subject="baggage")
    described = write_picture(scan, folder)
    last = described["levels"][-1]
    assert max(last["width"], last["height"]) <= 512
    for level in range(len(described["levels"])):
        assert (assembled(folder, described, level) == value).all()


def test_a_tile_has_its_neighbours_around_it_and_the_edge_beyond_the_scan(tmp_path):
    scan = wide_scan()
    described = write_picture(scan, tmp_path / "picture")
    padded = np.pad(stored(scan), ((16, 16), (16, 16), (0, 0)), mode="edge")
    for row in range(2):
        for column in range(3):
            found = tile(tmp_path / "picture", described, 0, column, row)
            rows = slice(512 * row, 512 * row + len(found))
            columns = slice(512 * column, 512 * column + found.shape[1])
            assert np.array_equal(found, padded[rows, columns])


def test_the_description(tmp_path):
    options = ReadOptions(subject="baggage", pixel_pitch_mm=(1.5, 2.0))
    scan = read_scan_bytes(scans.encoded("tiff dual"), options, "scan.tif")
    described = write_picture(scan, tmp_path / "a" / "picture")
    assert read_description(tmp_path / "a" / "picture") == described
    assert json.loads(json.dumps(described)) == described
    expected = {
        "version": 1,
        "width": 160,
        "height": 120,
        "kind": "transmission",
        "channels": 2,
        "type": "uint16",
        "subject": "baggage",
        "tile": 512,
        "apron": 16,
        "levels": [{"width": 160, "height": 120, "columns": 1, "rows": 1}],
        "pixel_pitch_mm": [1.5, 2.0],
        "energies_mv": None,
        "polarity": "air_bright",
        "assumptions": list(scan.assumptions),
    }
    assert {name: described[name] for name in expected} == expected
    assert described["air_level"] == pytest.approx(54_000, rel=0.01)
    assert described["brightest"] == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("kind", ["pseudocolour", "display_grey"])
def test_nothing_physical_is_said_of_a_vendors_picture(tmp_path, kind):
    described = write_picture(scans.scan(kind), tmp_path / "picture")
    assert described["areal_density"] is None
    assert described["air_level"] is None
    assert described["type"] == "uint8"
    assert described["channels"] == (3 if kind == "pseudocolour" else 1)


def test_the_brightest_is_the_ninety_ninth_percentile_of_the_first_channel(tmp_path):
    pixels = np.full((100, 100, 2), 0.25, np.float32)
    pixels[:, :, 1] = 1.0
    pixels[0, :99, 0] = 0.9  # saturated columns
    scan = Scan.in_memory(pixels, kind="transmission", subject="cargo")
    assert write_picture(scan, tmp_path / "a")["brightest"] == pytest.approx(0.25, abs=1e-4)
    pixels[1, :2, 0] = 0.9
    scan = Scan.in_memory(pixels, kind="transmission", subject="cargo")
    assert write_picture(scan, tmp_path / "b")["brightest"] == pytest.approx(0.9, abs=1e-4)


class TestArealDensity:
    def table(self, tmp_path, scan):
        return write_picture(scan, tmp_path / "picture")["areal_density"]

    def test_cargo_is_read_with_the_usual_linac(self, tmp_path):
        table = self.table(tmp_path, radiographs.dual_energy())
        assert table["material"] == "steel"
        assert "linac at 6 MV (the scan does not say its energies)" in table["assumed"]
        self.check(table, 6.0)

    def test_stated_energies_are_used(self, tmp_path):
        table = self.table(tmp_path, replace(radiographs.dual_energy(), energies_mv=(9.0, 6.0)))
        assert "9 MV (as the scan says)" in table["assumed"]
        self.check(table, 9.0)

    def check(self, table, megavolts):
        """A plate comes out as thick as it is, between the rows, too."""
        assert (np.diff(table["transmission"]) < 0).all()
        assert (np.diff(table["g_cm2"]) > 0).all()
        assert (table["transmission"][0], table["g_cm2"][0]) == (1.0, 0.0)
        plates = np.geomspace(0.5, 250.0, 60).astype(np.float32)
        passed = linac(megavolts).transmission({STEEL: plates})
        depths = -np.log(table["transmission"])
        assert np.interp(-np.log(passed), depths, table["g_cm2"]) == pytest.approx(plates, rel=1e-3, abs=0.01)

    def test_a_bag_is_read_with_one_energy_of_a_tube(self, tmp_path):
        table = self.table(tmp_path, scans.scan("transmission", "baggage"))
        assert "100 keV" in table["assumed"]
        half = np.interp(0.5, table["transmission"][::-1], table["g_cm2"][::-1])
        assert half == pytest.approx(np.log(2) / 0.37, rel=0.02)  # iron has 0.3717 cm2/g there

    def test_nothing_is_assumed_of_an_unknown_subject(self, tmp_path):
        assert self.table(tmp_path, scans.scan("transmission", "unknown")) is None


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("missing") / "picture"
    write_picture(wide_scan(), folder)
    return folder


class TestMissing:
    @pytest.mark.parametrize("place", [(3, 0, 0), (-1, 0, 0), (10**30, 0, 0)])
    def test_levels(self, picture, place):
        with pytest.raises(NoSuchTile, match=f"there is no level {place[0]} of this picture"):
            read_tile(picture, *place)

    @pytest.mark.parametrize("place", [(0, 3, 0), (0, 0, 2), (0, -1, 0), (0, 0, -1), (1, 2, 0)])
    def test_tiles(self, picture, place):
        with pytest.raises(NoSuchTile, match=f"no tile in column {place[1]} and row {place[2]}"):
            read_tile(picture, *place)

    def test_pictures(self, tmp_path):
        for read in (lambda folder: read_tile(folder, 0, 0, 0), read_description):
            with pytest.raises(NoSuchTile, match="there is no picture of this scan") as caught:
                read(tmp_path / "none")
            assert str(tmp_path) not in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"nothing", "half"])
    def test_what_was_damaged_on_disk(self, tmp_path, content):
        write_picture(scans.scan(), tmp_path / "picture")
        level = tmp_path / "picture" / "level-0.npy"
        level.write_bytes(level.read_bytes()[:5000] if content == "half" else content)
        (tmp_path / "picture" / "description.json").write_bytes(b"{")
        with pytest.raises(NoSuchTile, match="level 0 of this picture is damaged"):
            read_tile(tmp_path / "picture", 0, 0, 0)
        with pytest.raises(NoSuchTile, match="the picture of this scan is damaged"):
            read_description(tmp_path / "picture")


class TestAgain:
    def test_the_same_picture_is_kept(self, tmp_path):
        first = write_picture(scans.scan(), tmp_path / "picture")
        before = (tmp_path / "picture").stat()
        assert write_picture(scans.scan(), tmp_path / "picture") == first
        assert (tmp_path / "picture").stat().st_ino == before.st_ino

    @pytest.mark.parametrize("harm", ["other scan", "level lost", "level cut", "no picture"])
    def test_anything_else_is_replaced(self, tmp_path, harm):
        folder = tmp_path / "picture"
        write_picture(scans.scan("display_grey") if harm == "other scan" else scans.scan(), folder)
        level = folder / "level-0.npy"
        if harm == "level lost":
            level.unlink()
        elif harm == "level cut":
            level.write_bytes(level.read_bytes()[:500])
        elif harm == "no picture":
            (folder / "description.json").write_bytes(b"[]")
        described = write_picture(scans.scan(), folder)
        assert np.array_equal(assembled(folder, described, 0), scans.scan().pixels)
        assert [path.name for path in tmp_path.iterdir()] == ["picture"]

    def test_what_kills_left_is_cleared_away(self, tmp_path):
        for name in (".picture.part", ".picture.former"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "level-0.npy").write_bytes(b"half")
        write_picture(scans.scan(), tmp_path / "picture")
        assert [path.name for path in tmp_path.iterdir()] == ["picture"]

    def test_a_failure_leaves_the_former_picture(self, tmp_path, monkeypatch):
        folder = tmp_path / "picture"
        described = write_picture(scans.scan(), folder)

        def full(file: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(pictures, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write_picture(scans.scan("display_grey"), folder)
        assert read_description(folder) == described
        assert [path.name for path in tmp_path.iterdir()] == ["picture"]


FOREVER = """
import itertools, sys
from pathlib import Path
from cargosight_inference.service.pictures import write_picture
from tests.made import scans
made = [scans.scan(kind, height=900, width=1300) for kind in ("display_grey", "transmission")]
for number in itertools.count():
    write_picture(made[number % 2], Path(sys.argv[1]))
    if number == 0:
        print("begun", flush=True)
"""


def test_a_kill_leaves_no_part_of_a_picture(tmp_path):
    """Either picture, or for the moment between two renames none."""
    folder = tmp_path / "picture"
    sizes = {"display_grey": 1, "transmission": 2}
    for attempt in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", FOREVER, str(folder)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == b"begun\n"
            time.sleep(0.013 * attempt)
            process.send_signal(signal.SIGKILL)
        if not folder.exists():
            continue
        described = read_description(folder)
        assert described["channels"] == sizes[described["kind"]]
        for level in range(len(described["levels"])):
            assert (assembled(folder, described, level) >= 0).all()
