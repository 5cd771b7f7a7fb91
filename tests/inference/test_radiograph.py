"""A cargo scan as a radiograph: 1 for air, its polarity, air level, meaning, and corrections on request."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cargosight_inference.scans.attenuation import CELLULOSE
from cargosight_inference.scans.container import locate_container
from cargosight_inference.scans.load_state import estimate_load
from cargosight_inference.scans.material import classify_materials, draw_materials
from cargosight_inference.scans.penetration import measure_penetration
from cargosight_inference.scans.position import container_length
from cargosight_inference.scans.radiograph import corrected, radiograph_of
from cargosight_inference.scans.readers import ReadOptions, read_scan, read_scan_bytes
from cargosight_inference.scans.scan import Scan
from cargosight_inference.scans.shielding import dense_regions
from cargosight_models.errors import UsageError
from tests.made import radiographs, scans

GOODS = (radiographs.Block(100, 150, 500, 290, CELLULOSE, 60.0),)


def test_display_grey_only_stands_for_transmission():
    found = radiograph_of(radiographs.grey(GOODS, air=230))
    assert found.meaning == "stands_for_transmission"
    assert not found.is_transmission
    assert found.plane.dtype == np.float32
    assert found.plane.shape == (radiographs.HEIGHT, radiographs.WIDTH, 1)
    assert found.air_level == pytest.approx(230 / 255, abs=0.01)
    assert float(np.median(found.plane[: radiographs.ROOF])) > 0.98
    assert found.air_sureness > 0.9
    assert found.polarity == "air_bright"
    assert found.polarity_sureness > 0.9


def test_dark_air_is_turned_over():
    bright = radiographs.grey(GOODS)
    dark = Scan.in_memory(255 - bright.pixels, kind="display_grey", subject="cargo")
    found = radiograph_of(dark)
    assert found.polarity == "air_dark"
    assert found.polarity_sureness > 0.6
    assert np.abs(found.plane - radiograph_of(bright).plane).max() < 0.1
    assert radiograph_of(replace(dark, polarity="air_dark")).polarity_sureness == 1.0


def test_a_flat_picture_keeps_the_habit():
    flat = Scan.in_memory(np.full((60, 90), 120, np.uint8), kind="display_grey", subject="cargo")
    assert (radiograph_of(flat).polarity, radiograph_of(flat).polarity_sureness) == ("air_bright", 0.5)


def test_a_polarity_that_was_given_is_kept(tmp_path):
    dark = 255 - radiographs.grey(GOODS).pixels
    flat = np.full((60, 90), 120, np.uint8)
    for name, pixels in (("dark", dark), ("flat", flat)):
        path = tmp_path / f"{name}.png"
        cv2.imwrite(str(path), pixels)
        for polarity in ("air_bright", "air_dark"):
            found = radiograph_of(read_scan(path, ReadOptions(subject="cargo", polarity=polarity)))
            assert (found.polarity, found.polarity_sureness) == (polarity, 1.0)


def test_what_was_found_of_a_vendors_grey_is_said():
    bright = radiographs.grey(GOODS, air=230)
    dark = Scan.in_memory(255 - bright.pixels, kind="display_grey", subject="cargo")
    flat = Scan.in_memory(np.full((60, 90), 120, np.uint8), kind="display_grey", subject="cargo")
    said = [
        " ".join(radiograph_of(scan).notes)
        for scan in (bright, dark, replace(dark, polarity="air_dark"), flat)
    ]
    assert "polarity air_bright found" in said[0]
    assert "polarity air_dark found" in said[1]
    assert "polarity air_dark as given" in said[2]
    assert "polarity air_bright assumed" in said[3]
    assert all("air level 23" in text for text in said[:3])
    assert "polarity" not in " ".join(
        radiograph_of(radiographs.dual_energy(GOODS)).notes
    )  # its reader said so


def test_transmission_stays_as_it_is():
    scan = radiographs.dual_energy(GOODS)
    found = radiograph_of(scan)
    assert found.is_transmission
    np.testing.assert_array_equal(found.plane, scan.pixels)
    assert found.noise == pytest.approx(0.01, rel=0.3)  # 10,000 counts
    assert not found.plane.flags.writeable


def test_burnt_in_lines_are_filled_for_the_analysis_alone():
    rgb = radiographs.marked(GOODS)
    scan = read_scan_bytes(cv2.imencode(".png", rgb[:, :, ::-1])[1].tobytes(), ReadOptions(subject="cargo"))
    found = radiograph_of(scan)
    clean = radiograph_of(radiographs.grey(GOODS))
    assert found.markings.any()
    assert np.abs(found.plane - clean.plane).mean() < 0.01
    assert any("filled from around them" in note for note in found.notes)
    assert scan.pixels[101, 300] < 100  # the scan still shows its line


@pytest.mark.parametrize("palette", [cv2.COLORMAP_JET, None])
def test_pseudo_colour_is_recognised_and_its_order_guessed(palette):
    grey = radiographs.grey_pixels(GOODS)
    rgb = scans.colour() if palette is None else cv2.applyColorMap(255 - grey, palette)[:, :, ::-1].copy()
    found = radiograph_of(Scan.in_memory(rgb, kind="pseudocolour", subject="cargo"))
    assert found.meaning == "palette"
    assert any("guessed" in note for note in found.notes)
    if palette is not None:
        assert found.plane[5, 300] >= found.plane[100, 300] > found.plane[200, 300]


def test_corrections_come_only_when_asked():
    pixels = radiographs.grey_pixels(GOODS)
    pixels[200] = 0
    scan = Scan.in_memory(pixels, kind="display_grey", subject="cargo")
    found = radiograph_of(scan)
    assert found.faults.dead_rows == (200,)
    assert float(found.plane[200].max()) == 0.0
    better = corrected(found)
    assert better.corrected
    assert not found.corrected
    assert float(better.plane[200].min()) > 0.0
    assert "were mended" in better.notes[-1]
    assert corrected(better) is not None
    assert float(found.scan.pixels[200].max()) == 0


def test_only_cargo_is_read():
    with pytest.raises(UsageError, match="subject is baggage"):
        radiograph_of(replace(radiographs.grey(), subject="baggage"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"plane": np.ones((4, 4, 1), np.float32)}, "expected those of its scan"),
        ({"plane": np.ones((4, 4), np.float32)}, r"expected float32 \(H, W, 1 or 2\)"),
        ({"plane": np.full((radiographs.HEIGHT, radiographs.WIDTH, 1), 1.5, np.float32)}, "spans"),
        ({"meaning": "grey"}, "expected a meaning"),
        ({"polarity_sureness": 2.0}, r"expected a meaning, \[0, 1\]"),
    ],
)
def test_a_radiograph_is_checked(change, message):
    with pytest.raises(ValueError, match=message):
        replace(radiograph_of(radiographs.grey()), **change)


def test_markings_fit_their_scan():
    with pytest.raises(ValueError, match="the markings of a scan"):
        replace(radiographs.grey(), markings=np.zeros((3, 3), np.bool_))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (12, 13), (40, 700)])
@pytest.mark.parametrize("kind", ["display_grey", "transmission"])
def test_pictures_of_any_shape_go_through_the_whole_room(shape, kind):
    """A batch has such pictures too, and each of them must get its result."""
    noise = np.random.default_rng(0).random(shape)
    pixels = (noise * 255).astype(np.uint8)
    if kind == "transmission":
        pixels = np.stack([noise, noise**1.2], axis=2).astype(np.float32)
    radiograph = radiograph_of(Scan.in_memory(pixels, kind=kind, subject="cargo"))
    container = locate_container(radiograph)
    assert 0.0 <= measure_penetration(radiograph, container).opaque_fraction <= 1.0
    assert isinstance(dense_regions(radiograph, container), tuple)
    assert estimate_load(radiograph, container).state in ("empty", "loaded", "unsure")
    assert container_length(radiograph, container).confidence <= 1.0
    if kind == "transmission":
        assert draw_materials(radiograph.scan, classify_materials(radiograph, container).map).shape == (
            *shape,
            3,
        )
