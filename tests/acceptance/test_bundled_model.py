"""The baggage model that is shipped: the same answer however it is asked."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cargosight_inference
from cargosight_inference import Inspection, Inspector, ThreadPolicy
from tests.acceptance.bundled import NAME, require_bundled
from tests.acceptance.processes import cargosight

pytestmark = pytest.mark.acceptance

SAMPLES = sorted((Path(cargosight_inference.__file__).parent / "samples" / "baggage").iterdir())
POINTS = {"pfa=0.01", "pfa=0.05", "pfa=0.1"}
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
