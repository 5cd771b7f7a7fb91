"""Cargo scans from file to inspection: tiles, the map of the unusual, penetration and load state."""

import numpy as np
import pytest

from cargosight_inference.commands.inspect import describe
from cargosight_inference.inspector import Inspector
from cargosight_inference.policy import Policy
from cargosight_inference.scans.scan import Scan
from cargosight_models.contract import InputContract
from tests.made.models import blob_contract, make_blob_model

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


def test_bags_have_no_load_state(tmp_path):
    path = make_blob_model(tmp_path / "bags.onnx")
    pixels = np.full((128, 192, 3), 255, np.uint8)
    found = Inspector(path, threshold=1.0).inspect(
        Scan.in_memory(pixels, kind="pseudocolour", subject="baggage")
    )
    assert (found.opaque_fraction, found.load_state, found.cargo_box) == (None, None, None)
