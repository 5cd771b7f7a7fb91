"""Cargo scans from file to inspection: tiles, the map of the unusual, penetration and load state."""

import json
from dataclasses import replace
from threading import Event

import cv2
import numpy as np
import pytest

from cargosight_inference import cli
from cargosight_inference.commands.inspect import describe
from cargosight_inference.inputs import expand
from cargosight_inference.inspector import Inspector
from cargosight_inference.overlay import draw_overlay
from cargosight_inference.policy import Policy
from cargosight_inference.scans.attenuation import CELLULOSE, LEAD
from cargosight_inference.scans.scan import Scan
from cargosight_models.contract import InputContract
from tests.made import radiographs
from tests.made.models import blob_contract, make_blob_model
from tests.made.radiographs import Block

RADIOGRAPH = InputContract(shapes=((128, 192),), colour="radiograph", resize="tiles", overlap=32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    contract = blob_contract(subject="cargo", kinds=("transmission", "display_grey"), input=RADIOGRAPH)
    return make_blob_model(tmp_path_factory.mktemp("cargo") / "cargo.onnx", contract=contract)


def box_on_the_road(load: float | None, *, width=600, height=240, channels=2):
    """A thin-walled box between air, with a load up to half its height."""
    random = np.random.default_rng(0)
    pixels = np.ones((height, width, channels), np.float32)
    pixels[30:200, 40:560] = 0.85
    for edge in (slice(28, 34), slice(196, 204)):
        pixels[edge, 38:562] = 0.3
    for edge in (slice(36, 44), slice(556, 564)):
        pixels[28:204, edge] = 0.3
    if load is not None:
        pixels[90:197, 60:500] = load
    noise = random.standard_normal(pixels.shape).astype(np.float32) * np.float32(0.01) * np.sqrt(pixels)
    pixels = np.clip(pixels + noise, 0.0, 1.0).astype(np.float32)
    return Scan.in_memory(pixels, kind="transmission", subject="cargo")


def test_an_opaque_load_refers_and_says_why(model):
    inspector = Inspector(model, threshold=1.0)
    found = inspector.inspect(box_on_the_road(0.0))
    assert found.opaque_fraction > 0.3
    assert found.decision == "refer"
    assert any("could not be penetrated" in reason for reason in found.reasons)
    assert found.load_state == "loaded"
    assert f"loaded, {found.opaque_fraction:.0%} not penetrated" in describe(found)
    x1, _, x2, _ = found.cargo_box
    assert abs(x1 - 40) < 25
    assert abs(x2 - 560) < 25
    relaxed = Inspector(model, threshold=1.0, policy=Policy(refer_classes=("blue",), refer_opaque_above=1.0))
    assert relaxed.inspect(box_on_the_road(0.0)).decision == "clear"


def test_a_thin_load_is_clear_and_its_state_is_told(model):
    found = Inspector(model, threshold=1.0).inspect(box_on_the_road(0.3))
    assert found.decision == "clear"
    assert found.opaque_fraction == 0.0
    assert found.load_state in ("loaded", "unsure")
    assert 0.0 <= found.load_chance <= 1.0
    facts = found.to_dict()
    assert facts["load_state"] == found.load_state
    assert len(facts["cargo_box"]) == 4


def test_a_scan_in_memory_of_unknown_subject_is_what_the_model_inspects(model):
    known = box_on_the_road(0.3)
    unknown = Scan.in_memory(known.pixels, kind="transmission", subject="unknown")
    inspector = Inspector(model, threshold=1.0)
    found = inspector.inspect(unknown)
    assert (found.error, found.subject) == (None, "cargo")
    assert found.load_chance == inspector.inspect(known).load_chance


def containers(make, *blocks, **changes):
    return replace(make(tuple(blocks)), **changes)


SHIELD = Block(400, 200, 440, 240, LEAD, 60.0)
GOODS = Block(80, 120, 800, 295, CELLULOSE, 30.0)


@pytest.mark.parametrize("make", [radiographs.dual_energy, radiographs.grey])
def test_a_dense_compact_region_is_a_finding_that_does_not_refer(model, make):
    found = Inspector(model, threshold=1.0).inspect(containers(make, GOODS, SHIELD))
    assert found.findings.labels == ("dense_region",)
    assert found.findings.boxes[0].tolist() == pytest.approx([400, 200, 440, 240], abs=4)
    assert found.decision == "clear"
    strict = Inspector(model, threshold=1.0, policy=Policy(refer_dense_regions=True))
    assert strict.inspect(containers(make, GOODS, SHIELD)).decision == "refer"


def test_findings_of_cargo_say_where_along_the_container(model):
    inspector = Inspector(model, threshold=1.0)
    found = inspector.inspect(containers(radiographs.grey, GOODS, SHIELD))
    share = (420 - found.cargo_box[0]) / (found.cargo_box[2] - found.cargo_box[0])
    (row,) = found.to_dict()["findings"]
    assert row["position"] == {"share": pytest.approx(share, abs=0.01), "metres": None}
    assert f"dense_region {row['score']:.2f} at {share:.0%}" in describe(found)
    pitch = (12_192 / (radiographs.RIGHT - radiographs.LEFT), 8.0)
    known = inspector.inspect(containers(radiographs.grey, GOODS, SHIELD, pixel_pitch_mm=pitch))
    (row,) = known.to_dict()["findings"]
    assert known.container_length_m == pytest.approx(12.192)
    assert row["position"]["metres"] == pytest.approx(12.192 * share, abs=0.2)
    assert f"at {row['position']['metres']:.1f} m" in describe(known)


def test_two_energies_tell_materials_and_one_does_not(model):
    inspector = Inspector(model, threshold=1.0)
    found = inspector.inspect(containers(radiographs.dual_energy, GOODS))
    shares = found.to_dict()["materials"]
    assert list(shares) == ["organic", "light_metal", "heavy_metal", "thin_or_unknown", "opaque"]
    assert sum(shares.values()) == pytest.approx(1.0, abs=0.001)
    assert shares["organic"] == max(share for name, share in shares.items() if name != "thin_or_unknown")
    assert found.material_map.shape == (radiographs.HEIGHT, radiographs.WIDTH)
    assert inspector.inspect(containers(radiographs.grey, GOODS)).to_dict()["materials"] is None


def test_what_could_not_be_penetrated_is_listed(model):
    found = Inspector(model, threshold=1.0).inspect(box_on_the_road(0.0))
    (box,) = found.to_dict()["opaque_regions"]
    assert box == pytest.approx([60, 90, 500, 197], abs=12)
    assert found.opaque_cells[100:190, 80:480].mean() > 0.95


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (900, 23), (24, 25), (60, 90), (830, 810)])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0, None])
@pytest.mark.parametrize("kind", ["transmission", "single", "display_grey", "pseudocolour"])
def test_every_scan_gives_one_inspection(model, shape, level, kind):
    noise = np.random.default_rng(0).random(shape) if level is None else np.full(shape, level)
    if kind in ("transmission", "single"):
        pixels = np.repeat(noise[:, :, None], 2 if kind == "transmission" else 1, axis=2).astype(np.float32)
    else:
        pixels = (noise * 255).astype(np.uint8)
        pixels = np.repeat(pixels[:, :, None], 3, axis=2) if kind == "pseudocolour" else pixels
    scan = Scan.in_memory(pixels, kind="transmission" if kind == "single" else kind, subject="cargo")
    found = Inspector(model, threshold=1.0).inspect(scan)
    if min(shape) < 24:
        assert found.decision == "unreadable"
        assert "expected 24 or more on a side" in found.error
        return
    assert found.decision in ("clear", "refer")
    assert json.dumps(found.to_dict(), allow_nan=False)
    assert draw_overlay(scan, found).shape[2] == 3
    assert (found.materials is not None) == (kind == "transmission")


def test_two_energies_of_cargo_get_a_picture_of_materials(model, tmp_path):
    pages = [
        np.rint(radiographs.transmission((GOODS,))[:, :, channel] * 50_000).astype(np.uint16)
        for channel in (0, 1)
    ]
    scan, out = tmp_path / "truck.tif", tmp_path / "out"
    cv2.imwritemulti(str(scan), pages)
    cv2.imwrite(str(tmp_path / "grey.png"), radiographs.grey_pixels((GOODS,)))
    assert cli.main(
        ["inspect", str(tmp_path), "--model", str(model), "--threshold", "1", "--out", str(out)]
    ) in (0, 3)
    assert sorted(path.name for path in out.glob("*.png")) == [
        "grey.overlay.png", "truck.materials.png", "truck.overlay.png",
    ]  # fmt: skip
    drawn = cv2.imread(str(out / "truck.materials.png"))
    assert drawn.shape == (radiographs.HEIGHT, radiographs.WIDTH, 3)
    blue, green, red = drawn[150:280, 100:780].mean(axis=(0, 1)).tolist()
    assert red > green > blue  # organic is orange
    scan.write_bytes(b"broken")
    assert cli.main(["inspect", str(scan), "--model", str(model), "--threshold", "1", "--out", str(out)]) == 3
    assert not (out / "truck.materials.png").exists()


def test_pictures_of_materials_are_no_scans(model, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "truck.inspection.json").write_text(json.dumps({"absolute_path": "/truck.tif"}))
    for name in ("truck.materials.png", "truck.overlay.png", "other.materials.png"):
        cv2.imwrite(str(folder / name), radiographs.grey_pixels())
    assert [found.path for found in expand([str(folder)], stop=Event())] == [
        str(folder / "other.materials.png")
    ]


def test_bags_have_no_load_state(tmp_path):
    path = make_blob_model(tmp_path / "bags.onnx")
    pixels = np.full((128, 192, 3), 255, np.uint8)
    found = Inspector(path, threshold=1.0).inspect(
        Scan.in_memory(pixels, kind="pseudocolour", subject="baggage")
    )
    assert (found.opaque_fraction, found.load_state, found.cargo_box) == (None, None, None)


def test_a_dark_thing_under_the_floor_scores_less_than_one_in_the_load(model):
    def greatest(row):
        pixels = box_on_the_road(None, height=256).pixels.copy()
        pixels[row : row + 56, 280:344] = 0.05
        scan = Scan.in_memory(pixels, kind="transmission", subject="cargo")
        found = Inspector(model, threshold=0.01).inspect(scan)
        assert found.cargo_box[3] == pytest.approx(200, abs=12)
        return float(found.findings.scores.max())

    assert greatest(198) < 0.85 * greatest(88)


def test_an_opaque_container_behind_an_empty_one_refers_and_the_box_holds_both(model):
    opaque = (Block(80, 120, 820, 295, LEAD, 400.0),)
    pixels = np.hstack([radiographs.transmission(opaque)[:, 60:], radiographs.transmission()])
    found = Inspector(model, threshold=1.0).inspect(
        Scan.in_memory(pixels, kind="transmission", subject="cargo")
    )
    assert found.decision == "refer"
    assert found.opaque_fraction > 0.2
    assert found.load_state != "empty"
    assert any("2 bodies stand one behind the other" in note for note in found.assumptions)


def test_a_given_pitch_measures_what_is_of_no_usual_length(model):
    inspector = Inspector(model, threshold=1.0)
    columns = radiographs.RIGHT - radiographs.LEFT
    for metres, told in ((12.192, 12.192), (12.0, 12.192), (11.1, 11.1), (8.0, 8.0)):
        scan = containers(radiographs.grey, GOODS, pixel_pitch_mm=(metres * 1000 / columns, 8.0))
        assert inspector.inspect(scan).container_length_m == pytest.approx(told, rel=0.02)
