"""Static int8: what is quantised, what stays, and when it is kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.preprocess import preprocess
from cargosight_inference.session import Session
from cargosight_models.errors import DataSetError, ExportError
from cargosight_training.datasets.coco import read_coco
from cargosight_training.evaluation.accuracy import Accuracy
from cargosight_training.evaluation.intervals import Rate
from cargosight_training.export.quantise import Comparison, compare, quantise, time_both
from cargosight_training.export.suppression import compare_suppression
from tests.made import scans as made
from tests.made.datasets import MadeSource, make_dataset
from tests.made.exports import exported
from tests.made.models import blob_contract, make_blob_model


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8")
    drawn = (made.scan(kind, seed=seed) for seed in range(3) for kind in ("pseudocolour", "display_grey"))
    return quantise(exported()[1], drawn, folder / "tiny.onnx")


def test_an_int8_file_says_so_and_differs_in_nothing_else(int8: Path) -> None:
    assert Session(int8).contract == replace(Session(exported()[1]).contract, precision="int8")
    assert [entry.name for entry in int8.parent.iterdir()] == [int8.name]


def test_first_and_last_layers_and_decoding_stay_in_full_precision(int8: Path) -> None:
    model = onnx.load(int8)
    quantised = {o for node in model.graph.node if node.op_type == "DequantizeLinear" for o in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    last = [n for n in convolutions if any(part in n.input[1] for part in ("class_out", "box_out"))]
    assert len(last) == 6  # two for each of three levels
    # The stem reads the picture, the next stage's depthwise filter its half: both halve it again.
    first = [n for n in convolutions if any(part in n.input[1] for part in ("stem", "body.0.0.depthwise"))]
    assert len(first) == 2
    for node in convolutions:
        assert (node.input[1] in quantised) == (node not in last and node not in first), node.name
    behind = {name for node in last for name in node.output}
    for node in model.graph.node:
        if not behind.isdisjoint(node.input):
            assert node.op_type != "QuantizeLinear", node.name
            behind.update(node.output)
    assert {"boxes", "scores"} <= behind
    assert [(o.domain, o.version >= 17) for o in model.opset_import] == [("", True)]


def test_weights_are_quantised_by_channel_within_seven_bits(int8: Path) -> None:
    model = onnx.load(int8)
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    weights = [v for v in tensors.values() if v.dtype == np.int8 and v.ndim == 4]
    assert len(weights) > 50
    assert all(np.abs(v.astype(int)).max() <= 64 for v in weights)
    scales = [
        tensors[node.input[1]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and tensors.get(node.input[0], np.empty(0)).ndim == 4
    ]
    assert all(scale.ndim == 1 for scale in scales)
    assert any(len(scale) > 1 for scale in scales)


def test_int8_finds_about_the_same(int8: Path) -> None:
    contract = Session(exported()[1]).contract
    tensor = preprocess(made.scan(seed=9), contract.input).tensor
    full, coarse = (Session(path).run(tensor)["scores"].max(axis=2)[0] for path in (exported()[1], int8))
    assert np.abs(full - coarse).mean() < 0.1
    assert full.std() > 0.01


def test_only_fp32_files_are_quantised(int8: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is int8; expected an fp32 model"):
        quantise(int8, [made.scan()], tmp_path / "again.onnx")


def test_scans_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no scans to calibrate on"):
        quantise(exported()[1], [], tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_without_a_head_is_refused(tmp_path: Path) -> None:
    source = make_blob_model(tmp_path / "blobs.onnx")
    with pytest.raises(ExportError, match="no layers of a detector's head"):
        quantise(source, [made.scan()], tmp_path / "x.onnx")


def accuracy(map50: float, found: int | None = 600) -> Accuracy:
    if found is None:
        return Accuracy(map50, None, None, 1000)
    return Accuracy(map50, Rate(found, 1000), Rate(5, 100), 1000)


@pytest.mark.parametrize(
    ("fp32", "int8", "ratio", "keeps"),
    [
        (accuracy(0.600), accuracy(0.598), 0.6, True),
        (accuracy(0.600), accuracy(0.640), 0.6, True),
        (accuracy(0.600), accuracy(0.5951), 0.99, True),
        (accuracy(0.600), accuracy(0.594), 0.6, False),
        (accuracy(0.600), accuracy(0.600), 1.0, False),
        (accuracy(0.600), accuracy(0.600), 1.3, False),
        (accuracy(0.600), accuracy(0.600, 591), 0.6, True),
        (accuracy(0.600), accuracy(0.600, 590), 0.6, False),
        (accuracy(0.600), accuracy(0.600, 700), 0.6, True),
        (accuracy(0.600, None), accuracy(0.600, None), 0.6, False),
    ],
)
def test_int8_is_kept_where_it_is_good_and_faster(
    fp32: Accuracy, int8: Accuracy, ratio: float, keeps: bool
) -> None:
    found = Comparison((fp32, int8), Spread.of([ratio]))
    assert found.keeps_int8 == keeps
    sentence = found.sentence()
    assert sentence.startswith("int8 is kept" if keeps else "fp32 stays")
    assert f"{fp32.map50:.4f} in fp32 and {int8.map50:.4f} in int8" in sentence
    assert f"{ratio:.2f} of the CPU-time" in sentence
    if int8.detected is None:
        assert "no detection rate" in sentence
    else:
        assert f"600 and {int8.detected.count} of 1000 boxes found" in sentence


def test_a_file_compared_with_itself(tmp_path: Path) -> None:
    data = read_coco(make_dataset(tmp_path, (MadeSource("site", images=3, clean=0.0),)))
    seen: list[tuple[int, int]] = []
    found = compare(
        exported()[1], exported()[1], data, rounds=3, progress=lambda done, total: seen.append((done, total))
    )
    assert found.accuracy[0] == found.accuracy[1]
    assert 0.0 <= found.accuracy[0].map50 <= 1.0
    assert found.ratio.count == 3
    assert seen == [(done, 6) for done in range(1, 7)]


def test_data_without_boxes_measures_nothing(tmp_path: Path) -> None:
    data = read_coco(make_dataset(tmp_path, (MadeSource("site", images=2, clean=1.0),)))
    with pytest.raises(DataSetError, match="no loss of accuracy can be measured"):
        compare(exported()[1], exported()[1], data, rounds=1)


def test_times_are_taken_in_turn(int8: Path) -> None:
    found = time_both(exported()[1], int8, rounds=5)
    assert found.count == 5
    assert 0.0 < found.lowest <= found.median <= found.highest


@pytest.mark.parametrize("threshold", [0.001, 0.5])
def test_suppression_on_host_and_in_graph_find_the_same(threshold: float) -> None:
    (row,) = compare_suppression(exported()[1], [made.scan(seed=1)], thresholds=(threshold,), rounds=2)
    assert row.threshold == threshold
    assert row.ratio.count == 2
    assert row.host_ms.median > 0.0
    # They may differ by what is cut at the border of the scan.
    assert abs(row.findings[0] - row.findings[1]) <= 0.1 * row.findings[0]


def test_a_graph_that_suppresses_is_not_compared(tmp_path: Path) -> None:
    suppression = replace(blob_contract().suppression, where="graph")
    path = make_blob_model(tmp_path / "blobs.onnx", contract=blob_contract(suppression=suppression))
    with pytest.raises(ExportError, match="in its graph already"):
        compare_suppression(path, [made.scan()], rounds=1)
