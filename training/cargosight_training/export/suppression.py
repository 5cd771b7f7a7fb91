"""Suppression in the graph against suppression on the host: the measurement behind `Suppression.where`.

The host suppresses what reaches the thresholds in use, mostly a handful of candidates. A graph knows no
thresholds, only the score floor, which lets hundreds of candidates through, many of them in several classes.
Measured in turn (18 classes, 300 candidates, a half-trained EfficientNet-Lite0 at 416 x 416), the graph took 4.8
times the host's CPU-time at a threshold of 0.3 (1.5 to 2.1 against 0.3 to 0.4 ms a scan), 1.2 to 1.4 times at 0.05
and 1.1 to 1.3 times at the floor of 0.001, on simulated and on real bags; beside 50 ms for the network on that busy
machine. So the product suppresses on the host; `cargosight export … --compare-suppression` measures it again for
any model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnx import checker, parser

from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.findings import decode_findings
from cargosight_inference.preprocess import NetworkInput, preprocess
from cargosight_inference.scans.scan import Scan
from cargosight_inference.session import Session
from cargosight_models.contract import Contract
from cargosight_models.errors import ExportError
from cargosight_models.geometry import FloatArray
from cargosight_training.export.timing import alternate

Outputs = Mapping[str, npt.NDArray[Any]]

THRESHOLDS = (0.001, 0.05, 0.3)
"""The floor, as an evaluation has it; and what inspections use."""

_SUPPRESS = Template("""
<ir_version: 10, opset_import: ["" : 18]>
suppress (float[N, K, 4] all_boxes, float[N, K, $classes] all_scores)
    => (float[N, K, 4] boxes, float[N, K, $classes] scores)
<int64 most = {$most}, float iou = {$iou}, float floor = {$floor}> {
    by_class = Transpose <perm = [0, 2, 1]> (all_scores)
    selected = NonMaxSuppression (all_boxes, by_class, most, iou, floor)
    size = Shape (by_class)
    nothing = ConstantOfShape (size)
    kept = GatherND (by_class, selected)
    only_kept = ScatterND (nothing, selected, kept)
    scores = Transpose <perm = [0, 2, 1]> (only_kept)
    boxes = Identity (all_boxes)
}""")
"""`selected` has a row of scan, class and candidate for all that is kept; other scores become 0."""


@dataclass(frozen=True)
class SuppressionRatio:
    """How the two roads from candidates to findings compare at one threshold.

    Attributes:
        threshold: of all classes, in [0, 1].
        host_ms: CPU-milliseconds of a scan with suppression on the host.
        graph_ms: the same with suppression in the graph.
        ratio: graph over host in the same round; above 1 the host is faster.
        findings: of all scans together, by host and by graph. They differ where boxes reach over the border of
            the scan: the host clips them first, and so suppresses by what it reports.
    """

    threshold: float
    host_ms: Spread
    graph_ms: Spread
    ratio: Spread
    findings: tuple[int, int]


def compare_suppression(
    path: Path, scans: Sequence[Scan], *, thresholds: Sequence[float] = THRESHOLDS, rounds: int = 50
) -> list[SuppressionRatio]:
    """Measure both roads from a model's candidates to findings, in turn.

    The network runs once for each scan; what is measured is what differs. Suppression in the graph is ONNX's
    `NonMaxSuppression` by class in ONNX Runtime, with the settings of the contract, on one thread.

    Args:
        path: of a model file that leaves suppression to the host.
        scans: at least one.
        thresholds: of all classes.
        rounds: how often each road is taken.

    Raises:
        ExportError: the model suppresses in its graph already.
    """
    session = Session(path)
    contract = session.contract
    if contract.suppression.where == "graph":
        raise ExportError(
            f"{path} suppresses in its graph already; expected a model that leaves it to the host"
        )
    inputs = [preprocess(scan, contract.input) for scan in scans]
    found = [(session.run(one.tensor), one) for one in inputs]
    graph = suppression_graph(contract)
    return [_compare(contract, graph, found, threshold, rounds) for threshold in thresholds]


def suppression_graph(contract: Contract) -> onnxruntime.InferenceSession:
    """Return a session from `all_boxes` and `all_scores` to `boxes` and `scores` that lost ones are 0 in."""
    settings = contract.suppression
    text = _SUPPRESS.substitute(
        classes=len(contract.classes), most=settings.candidates, iou=settings.iou, floor=settings.score_floor
    )
    model = parser.parse_model(text)
    checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _compare(
    contract: Contract,
    graph: onnxruntime.InferenceSession,
    found: Sequence[tuple[Outputs, NetworkInput]],
    threshold: float,
    rounds: int,
) -> SuppressionRatio:
    limits = np.full(len(contract.classes), threshold, dtype=np.float32)
    suppressed = replace(contract, suppression=replace(contract.suppression, where="graph"))
    roads: list[Callable[[], int]] = [
        partial(_by_host, contract, found, limits),
        partial(_by_graph, suppressed, graph, found, limits),
    ]
    rows = alternate(roads, rounds)
    host, both = [row[0] / len(found) * 1e3 for row in rows], [row[1] / len(found) * 1e3 for row in rows]
    ratios = [second / first for first, second in zip(host, both, strict=True)]
    return SuppressionRatio(
        threshold, Spread.of(host), Spread.of(both), Spread.of(ratios), (roads[0](), roads[1]())
    )


def _by_host(contract: Contract, found: Sequence[tuple[Outputs, NetworkInput]], limits: FloatArray) -> int:
    return sum(len(decode_findings(outputs, contract, one, limits)) for outputs, one in found)


def _by_graph(
    contract: Contract,
    graph: onnxruntime.InferenceSession,
    found: Sequence[tuple[Outputs, NetworkInput]],
    limits: FloatArray,
) -> int:
    count = 0
    for outputs, one in found:
        feeds = {"all_boxes": outputs["boxes"], "all_scores": outputs["scores"]}
        boxes, scores = graph.run(["boxes", "scores"], feeds)
        count += len(decode_findings({"boxes": boxes, "scores": scores}, contract, one, limits))
    return count
