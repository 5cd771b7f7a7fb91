"""The container model that is shipped: its samples, large scans, and threats that it never saw."""

import json
from pathlib import Path
from typing import Any

import pytest

import cargosight_inference
from tests.acceptance.bundled import require_bundled
from tests.acceptance.processes import cargosight

pytestmark = pytest.mark.acceptance

NAME = "container"
SAMPLES = Path(cargosight_inference.__file__).parent / "samples" / "cargo"
MOST_MB = 400.0
LEAST_AUROC = 0.8
"""Of the map, threats of visibility 5 or more beside clean scans; a map of chance has 0.5."""


@pytest.fixture(scope="module", autouse=True)
def _bundled() -> None:
    require_bundled(NAME)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    place = tmp_path_factory.mktemp("samples")
    run = cargosight("inspect", SAMPLES, "--subject", "cargo", "--json", "--out", "out", cwd=place)
    found = [json.loads(line) for line in run.lines]
    assert len(list((place / "out").glob("*.overlay.png"))) == len(found)
    return {Path(one["path"]).name: one for one in found}


def test_every_sample_gives_an_inspection_of_this_model(samples: dict[str, dict[str, Any]]) -> None:
    assert set(samples) == {path.name for path in SAMPLES.iterdir()}
    for one in samples.values():
        assert one["decision"] in ("clear", "refer")
        assert one["model"] == NAME
        assert one["fingerprint"] == require_bundled(NAME).sha256


def test_the_empty_container_is_told_from_the_loaded_ones(samples: dict[str, dict[str, Any]]) -> None:
    assert samples["chassis-empty.jpg"]["load_state"] == "empty"
    assert samples["chassis-shielded-source.jpg"]["load_state"] == "loaded"
    assert samples["rail-box-batteries.jpg"]["load_state"] == "loaded"


def test_projected_threats_stand_out_on_scans_that_nobody_has_seen(tmp_path: Path) -> None:
    """Simulated clean scans of a seed of their own; the figures on them are in no card."""
    words = ("simulate", "container", "--count", "9", "--seed", "31337", "--threat-share", "0")
    cargosight(*words, "--format", "jpeg", "--out", "sim", cwd=tmp_path)
    words = ("evaluate", NAME, "--data", "sim/container.json", "--projections", "--threats", "3")
    found = json.loads(cargosight(*words, "--samples", "0", "--json", cwd=tmp_path, timeout=900.0).text)
    assert found["origin"] == "projected" and found["clean_scans_are"] == "simulated"
    assert found["threats_placed"] >= 9
    for point in found["points"]:
        assert point["nothing"] == point["nothing_clean"]
    seen = [found["maps"][f"{kind}, visibility >= 5"] for kind in ("metallic", "organic")]
    assert all(one["image_auroc"] >= LEAST_AUROC for one in seen if one["with_threat"] >= 5)
    assert any(one["with_threat"] >= 5 for one in seen)


def test_a_scan_of_4000_by_1200_pixels_is_inspected_in_little_memory(tmp_path: Path) -> None:
    words = ("bench", "--model", NAME, "--only", "large-scan", "--rounds", "1", "--json")
    scans = json.loads(cargosight(*words, cwd=tmp_path, timeout=900.0).text)["large_scans"]
    assert len(scans) == 2
    for scan in scans:
        assert scan["tiles"] >= 30
        assert scan["peak_mb"] < MOST_MB, scan["name"]
