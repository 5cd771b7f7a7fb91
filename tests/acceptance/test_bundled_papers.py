"""The models that are shipped: whole, small, bound to their operating points, and honest about their data."""

import re
from pathlib import Path

import pytest

from cargosight_inference import Inspector
from cargosight_models.catalog import BUNDLED
from cargosight_models.contract import Contract
from tests.acceptance.bundled import require_bundled
from tests.acceptance.processes import cargosight

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.parametrize("name", ["baggage", "baggage-int8", "container"]),
]

POINTS = {"pfa=0.01", "pfa=0.05", "pfa=0.1"}
LARGEST_BYTES = 12_000_000
ALSO: dict[str, set[str]] = {"baggage": set(), "baggage-int8": set(), "container": {"anomaly"}}
"""What has a threshold beside the classes."""
FIGURE = {"baggage": "mAP50", "baggage-int8": "mAP50", "container": "false alarms"}


@pytest.fixture
def contract(name: str) -> Contract:
    require_bundled(name)
    return Inspector(name).contract


def test_verify_finds_it_in_order(name: str, tmp_path: Path) -> None:
    text = cargosight("models", "verify", name, cwd=tmp_path).text
    assert f"matches {name}.sha256" in text
    assert "3, bound to this file" in text
    assert text.endswith(f"{name} is in order")


def test_it_is_small_enough_to_ship(name: str) -> None:
    assert (BUNDLED / name / f"{name}.onnx").stat().st_size < LARGEST_BYTES


def test_its_operating_points_are_measured_and_bound_to_it(name: str, contract: Contract) -> None:
    model = require_bundled(name)
    assert model.sidecar is not None
    assert model.sidecar.fingerprint == model.sha256
    assert {point.name for point in model.sidecar.operating_points} == POINTS
    assert model.sidecar.default in POINTS
    for point in model.sidecar.operating_points:
        assert set(point.thresholds) == set(contract.classes) | ALSO[name]
        assert point.wanted_pfa == float(point.name.removeprefix("pfa="))
        assert point.measured["clean_scans"]["of"] > 0
        assert point.data


def test_stricter_points_have_higher_thresholds(name: str) -> None:
    sidecar = require_bundled(name).sidecar
    assert sidecar is not None
    strict, middle, loose = (sidecar.point(name).thresholds for name in sorted(POINTS))
    for label in strict:
        assert strict[label] >= middle[label] >= loose[label], label


@pytest.mark.parametrize("paper", ["card.md", "TERMS.md"])
def test_its_papers_name_every_source_and_how_many_scans(name: str, paper: str, contract: Contract) -> None:
    text = (BUNDLED / name / paper).read_text(encoding="utf-8")
    assert contract.training_data
    for data in contract.training_data:
        row = next(
            (
                line
                for line in text.splitlines()
                if re.search(rf"(?<![\w-]){re.escape(data.source)}(?![\w-])", line)
            ),
            "",
        )
        assert f"{data.images:,}" in row, (
            f"{paper} does not say that {data.images:,} scans are of {data.source}"
        )


def test_its_terms_are_those_in_the_file(name: str, contract: Contract) -> None:
    text = (BUNDLED / name / "TERMS.md").read_text(encoding="utf-8")
    assert "Apache-2.0" in text
    assert "research and evaluation" in text
    for data in contract.training_data:
        (row,) = re.findall(rf"^\| {re.escape(data.source)}(?![\w-]).*$", text, re.MULTILINE)
        assert data.terms.partition(" (")[0] in row


def test_its_card_names_every_class_and_what_it_was_measured_with(name: str, contract: Contract) -> None:
    text = (BUNDLED / name / "card.md").read_text(encoding="utf-8")
    for word in (*contract.classes, "cargosight evaluate", FIGURE[name], "limits", "TERMS.md"):
        assert word in text
