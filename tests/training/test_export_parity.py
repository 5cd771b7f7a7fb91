"""A file that does not compute what its network computes is never kept."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from cargosight_inference.session import Session
from cargosight_models.contract import InputContract
from cargosight_models.errors import ExportError
from cargosight_models.networks.detector import Detector
from cargosight_training.export import detector as exporting
from cargosight_training.export.detector import export_detector
from cargosight_training.export.folding import fold_norms
from cargosight_training.export.parity import Tolerances, check_parity, parity_inputs, simulated_scans
from tests.made import scans as made
from tests.made.exports import (
    CLASSES,
    SHAPES,
    TERMS,
    export_config,
    exported,
    lively_detector,
    written_network,
)
from tests.made.models import make_blob_model

Perturb = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="module")
def network() -> Detector:
    return written_network(exported()[0])


@pytest.fixture(scope="module")
def inputs() -> list[np.ndarray]:
    scans = [made.scan(kind) for kind in ("pseudocolour", "display_grey", "transmission")]
    return parity_inputs(Session(exported()[1]).contract.input, scans)


def test_inputs_have_every_shape_and_batches_of_one_and_three(inputs: list[np.ndarray]) -> None:
    shapes = {tensor.shape for tensor in inputs}
    for height, width in SHAPES:
        assert (1, 3, height, width) in shapes
    assert (3, 3, *SHAPES[-1]) in shapes
    assert {shape[0] for shape in shapes if shape[2:] not in SHAPES} == {1, 3}
    assert all(t.dtype == np.float32 and t.min() >= 0.0 and t.max() <= 1.0 for t in inputs)


def test_the_file_equals_its_network(network: Detector, inputs: list[np.ndarray]) -> None:
    found = check_parity(network, exported()[1], inputs)
    assert found.inputs == len(inputs)
    assert found.box < 0.02
    assert found.score < 1e-4
    assert found.logit < 1e-3


def test_unrounded_weights_are_another_network(inputs: list[np.ndarray]) -> None:
    with pytest.raises(ExportError, match="differs from the network"):
        check_parity(fold_norms(exported()[0]), exported()[1], inputs)


def test_tolerances_are_kept(network: Detector, inputs: list[np.ndarray]) -> None:
    with pytest.raises(ExportError, match=r"allowed are 0 px and 0 of a box's side"):
        check_parity(network, exported()[1], inputs, Tolerances(box=0.0, box_share=0.0))
    with pytest.raises(ExportError, match=r"scores by up to .*allowed is 0$"):
        check_parity(network, exported()[1], inputs, Tolerances(score=0.0))
    with pytest.raises(ExportError, match=r"logits by up to .*allowed are 0 and 0 of a logit"):
        check_parity(network, exported()[1], inputs, Tolerances(logit=0.0, logit_share=0.0))


def test_equal_scores_may_come_in_any_order(tmp_path: Path) -> None:
    detector = lively_detector()
    with torch.no_grad():
        detector.head.class_out.weight.zero_()
    path = export_detector(detector, CLASSES, export_config(), tmp_path / "ties.onnx", TERMS)
    assert path.is_file()


def change_weight(model: onnx.ModelProto, share: float = 1.01) -> None:
    tensor = next(t for t in model.graph.initializer if "class_out.weight" in t.name)
    values = (numpy_helper.to_array(tensor) * share).astype(numpy_helper.to_array(tensor).dtype)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def shift_boxes(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "decode/half")
    tensor.CopyFrom(numpy_helper.from_array(np.float32(0.51), tensor.name))


def mistake_a_stride(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "decode/stride_32")
    tensor.CopyFrom(numpy_helper.from_array(np.float32(16), tensor.name))


def choose_the_worst(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.op_type == "TopK")
    node.attribute.append(onnx.helper.make_attribute("largest", 0))


def choose_among_the_first(model: onnx.ModelProto) -> None:
    """The chosen locations are all right, but better ones are left out."""
    node = next(node for node in model.graph.node if node.op_type == "TopK")
    position = list(model.graph.node).index(node)
    low, high, axis = (f"decode/{name}" for name in ("from", "to", "along"))
    for name, value in ((low, 0), (high, 60), (axis, 1)):
        model.graph.initializer.append(numpy_helper.from_array(np.array([value], dtype=np.int64), name))
    cut = onnx.helper.make_node("Slice", [node.input[0], low, high, axis], ["decode/first"])
    node.input[0] = "decode/first"
    model.graph.node.insert(position, cut)


def forget_the_normalisation(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.op_type == "Sub")
    for other in model.graph.node:
        other.input[:] = ["image" if name == node.output[0] else name for name in other.input]


def return_fewer_candidates(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "decode/candidates")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) - 1, tensor.name))


def return_the_best_last(model: onnx.ModelProto) -> None:
    """The right locations, in the wrong order."""
    node = next(node for node in model.graph.node if node.op_type == "TopK")
    position = list(model.graph.node).index(node)
    inputs = {"start": -1, "end": -(2**62), "axis": 1, "step": -1}
    for name, value in inputs.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array([value], dtype=np.int64), name))
    chosen, node.output[1] = node.output[1], "decode/falling"
    turn = onnx.helper.make_node("Slice", ["decode/falling", *inputs], [chosen])
    model.graph.node.insert(position + 1, turn)


PERTURBATIONS: list[Perturb] = [
    change_weight,
    shift_boxes,
    mistake_a_stride,
    choose_the_worst,
    choose_among_the_first,
    forget_the_normalisation,
    return_fewer_candidates,
    return_the_best_last,
]


@pytest.mark.parametrize("perturb", PERTURBATIONS)
def test_a_graph_that_differs_is_refused(
    network: Detector, inputs: list[np.ndarray], perturb: Perturb, tmp_path: Path
) -> None:
    model = onnx.load(exported()[1])
    perturb(model)
    onnx.save(model, tmp_path / "perturbed.onnx")
    with pytest.raises(ExportError, match="the graph"):
        check_parity(network, tmp_path / "perturbed.onnx", inputs)


def test_a_network_that_is_not_finite_is_refused(network: Detector, inputs: list[np.ndarray]) -> None:
    broken = copy.deepcopy(network)
    with torch.no_grad():
        broken.head.class_out.bias[0] = float("nan")
    with pytest.raises(ExportError, match="the network gives numbers that are not finite"):
        check_parity(broken, exported()[1], inputs)


def silence(model: onnx.ModelProto, shift: float) -> None:
    """Take the first class's logits down."""
    tensor = next(t for t in model.graph.initializer if "class_out.bias" in t.name)
    bias = numpy_helper.to_array(tensor) - np.array([shift, 0.0, 0.0], dtype=np.float32)
    tensor.CopyFrom(numpy_helper.from_array(bias, tensor.name))


def test_a_class_that_is_silent_everywhere_is_compared(
    network: Detector, inputs: list[np.ndarray], tmp_path: Path
) -> None:
    """Its scores are all next to nothing, so that no difference shows in them."""
    silent = copy.deepcopy(network)
    with torch.no_grad():
        silent.head.class_out.bias[0] -= 60.0
    for name, shift in (("same", 60.0), ("other", 61.0)):
        model = onnx.load(exported()[1])
        silence(model, shift)
        onnx.save(model, tmp_path / f"{name}.onnx")
    check_parity(silent, tmp_path / "same.onnx", inputs)
    with pytest.raises(ExportError, match="logits by up to 1"):
        check_parity(silent, tmp_path / "other.onnx", inputs)


def test_nothing_is_left_of_a_refused_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def perturbed(*_: object, **__: object) -> onnx.ModelProto:
        model = onnx.load(exported()[1])
        shift_boxes(model)
        return model

    monkeypatch.setattr(exporting, "build_graph", perturbed)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the file before")
    with pytest.raises(ExportError, match="boxes by up to"):
        export_detector(exported()[0], CLASSES, export_config(), path, TERMS)
    assert path.read_bytes() == b"the file before"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_graph_of_another_making_is_refused(network: Detector, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="has no decode/edges, decode/logits, decode/chosen"):
        check_parity(network, make_blob_model(tmp_path / "blobs.onnx"), [])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    detector = lively_detector()
    with torch.no_grad():
        detector.head.class_out.bias[0] = value
    with pytest.raises(ExportError, match="finite"):
        export_detector(detector, CLASSES, export_config(), tmp_path / "broken.onnx", TERMS)
    assert not list(tmp_path.iterdir())


def test_as_many_names_as_classes(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="scores 3 classes, but 2 names"):
        export_detector(exported()[0], CLASSES[:2], export_config(), tmp_path / "x.onnx", TERMS)


def test_exporting_leaves_a_network_in_training_as_it_was(tmp_path: Path) -> None:
    detector = lively_detector().train()
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    with_scans = [made.scan(height=70, width=200)]
    path = export_detector(
        detector, CLASSES, export_config(shapes=((64, 96),)), tmp_path / "a.onnx", TERMS, scans=with_scans
    )
    assert detector.training
    assert all(torch.equal(value, before[key]) for key, value in detector.state_dict().items())
    assert Session(path).contract == replace(
        Session(exported()[1]).contract,
        input=replace(Session(exported()[1]).contract.input, shapes=((64, 96),)),
    )


def test_simulated_scans_are_of_the_subject_and_of_what_the_model_reads() -> None:
    contract = Session(exported()[1]).contract
    cargo = replace(contract, subject="cargo")
    assert [(scan.kind, scan.subject) for scan in simulated_scans(cargo, 2)] == [
        ("pseudocolour", "cargo")
    ] * 2
    radiograph = InputContract(shapes=((64, 96),), colour="radiograph", resize="tiles")
    scans = simulated_scans(replace(cargo, input=radiograph), 2)
    assert [(scan.kind, scan.pixels.shape[2]) for scan in scans] == [("transmission", 2)] * 2
