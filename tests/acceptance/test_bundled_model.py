"""The model that is shipped: whole, honest about its data, and the same answer however it is asked."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cargosight_inference
from cargosight_inference import Inspection, Inspector, ThreadPolicy
from cargosight_models.contract import Contract
from tests.acceptance.bundled import FOLDER, NAME, require_bundled
from tests.acceptance.processes import cargosight

pytestmark = pytest.mark.acceptance

SAMPLES = sorted((Path(cargosight_inference.__file__).parent / "samples" / "baggage").iterdir())
POINTS = {"pfa=0.01", "pfa=0.05", "pfa=0.1"}
LARGEST_BYTES = 12_000_000
LOW = 0.05
"""A threshold that lets some dozens of findings through, so that there is something to compare."""


@pytest.fixture(scope="module", autouse=True)
def _bundled() -> None:
    require_bundled()


@pytest.fixture(scope="module")
def inspector() -> Inspector:
    return Inspector(NAME, threshold=LOW)


@pytest.fixture(scope="module")
def one_by_one(inspector: Inspector) -> list[Inspection]:
    return [inspector.inspect(path) for path in SAMPLES]


@pytest.fixture(scope="module")
def contract(inspector: Inspector) -> Contract:
    return inspector.contract


def test_verify_finds_it_in_order(tmp_path: Path) -> None:
    text = cargosight("models", "verify", NAME, cwd=tmp_path).text
    assert f"matches {NAME}.sha256" in text
    assert "3, bound to this file" in text
    assert text.endswith(f"{NAME} is in order")


def test_it_is_small_enough_to_ship() -> None:
    assert (FOLDER / f"{NAME}.onnx").stat().st_size < LARGEST_BYTES


def test_its_operating_points_are_measured_and_bound_to_it(contract: Contract) -> None:
    model = require_bundled()
    assert model.sidecar is not None
    assert model.sidecar.fingerprint == model.sha256
    assert {point.name for point in model.sidecar.operating_points} == POINTS
    assert model.sidecar.default in POINTS
    for point in model.sidecar.operating_points:
        assert set(point.thresholds) == set(contract.classes)
        assert point.wanted_pfa == float(point.name.removeprefix("pfa="))
        assert point.measured["clean_scans"]["of"] > 0
        assert point.data


def test_stricter_points_have_higher_thresholds() -> None:
    sidecar = require_bundled().sidecar
    assert sidecar is not None
    strict, middle, loose = (sidecar.point(name).thresholds for name in sorted(POINTS))
    for name in strict:
        assert strict[name] >= middle[name] >= loose[name], name


@pytest.mark.parametrize("paper", ["card.md", "TERMS.md"])
def test_its_papers_name_every_source_and_how_many_scans(paper: str, contract: Contract) -> None:
    text = (FOLDER / paper).read_text(encoding="utf-8")
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


def test_its_terms_are_those_in_the_file(contract: Contract) -> None:
    text = (FOLDER / "TERMS.md").read_text(encoding="utf-8")
    assert "Apache-2.0" in text
    assert "research and evaluation" in text
    for data in contract.training_data:
        (row,) = re.findall(rf"^\| {re.escape(data.source)}(?![\w-]).*$", text, re.MULTILINE)
        assert data.terms.partition(" (")[0] in row


def test_its_card_names_every_class_and_what_it_was_measured_with(contract: Contract) -> None:
    text = (FOLDER / "card.md").read_text(encoding="utf-8")
    for name in contract.classes:
        assert name in text
    for word in ("cargosight evaluate", "mAP50", "limits", "TERMS.md"):
        assert word in text


def test_every_sample_gives_an_inspection(tmp_path: Path) -> None:
    run = cargosight("inspect", SAMPLES[0].parent, "--model", NAME, "--json", "--out", "out", cwd=tmp_path)
    found = [json.loads(line) for line in run.lines]
    assert sorted(one["path"] for one in found) == [str(path) for path in SAMPLES]
    for one in found:
        assert one["decision"] in ("clear", "refer")
        assert one["model"] == NAME
        assert one["fingerprint"] == require_bundled().sha256
        assert one["operating_point"] in POINTS
    assert len(list((tmp_path / "out").glob("*.overlay.png"))) == len(SAMPLES)


def test_a_stricter_point_refers_no_more(tmp_path: Path) -> None:
    counts = []
    for point in sorted(POINTS):
        words = ("inspect", SAMPLES[0].parent, "--model", NAME, "--json", "--operating-point", point)
        counts.append(
            sum(len(json.loads(line)["findings"]) for line in cargosight(*words, cwd=tmp_path).lines)
        )
    assert counts == sorted(counts)


def test_each_in_a_process_of_its_own_as_all_in_one(tmp_path: Path) -> None:
    """Nothing is left behind by the scan before."""
    words = ("inspect", "--model", NAME, "--json", "--threshold", str(LOW))
    together = cargosight(*words, *SAMPLES, cwd=tmp_path).lines
    alone = [cargosight(*words, path, cwd=tmp_path).lines[0] for path in SAMPLES]
    assert [untimed(line) for line in alone] == [untimed(line) for line in together]


def untimed(line: bytes) -> dict[str, Any]:
    return {key: value for key, value in json.loads(line).items() if key != "timings_ms"}


@pytest.mark.parametrize(("decoders", "queue"), [(1, 4), (2, 8), (3, 1)])
def test_streamed_together_as_one_by_one(
    decoders: int, queue: int, inspector: Inspector, one_by_one: list[Inspection]
) -> None:
    rounds = 3
    streamed = list(inspector.stream(SAMPLES * rounds, decoders=decoders, queue=queue))
    assert sum(len(one.findings) for one in one_by_one) > 20
    for one, other in zip(one_by_one * rounds, streamed, strict=True):
        assert one.sha256 == other.sha256
        assert np.array_equal(one.findings.boxes, other.findings.boxes)
        assert np.array_equal(one.findings.scores, other.findings.scores)
        assert np.array_equal(one.findings.class_ids, other.findings.class_ids)


def test_two_threads_as_one(one_by_one: list[Inspection]) -> None:
    two = Inspector(NAME, threshold=LOW, threads=ThreadPolicy(intra_op=2))
    for one, other in zip(one_by_one, map(two.inspect, SAMPLES), strict=True):
        assert one.findings.labels == other.findings.labels
        np.testing.assert_allclose(other.findings.scores, one.findings.scores, rtol=0.0, atol=1e-4)
        np.testing.assert_allclose(other.findings.boxes, one.findings.boxes, rtol=1e-4, atol=1e-2)
