"""Does the model file compute what the network computes? Torch against ONNX Runtime, location by location."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from cargosight_inference.preprocess import preprocess
from cargosight_inference.scans.scan import Scan, Subject
from cargosight_models.contract import InputContract
from cargosight_models.errors import ExportError
from cargosight_models.geometry import FloatArray, IndexArray
from cargosight_models.networks.detector import Detector
from cargosight_training.export.graph import INNER, INPUT, OUTPUTS
from cargosight_training.simulation.baggage import BagSettings, simulate_bag

_OTHER_SHAPE = (96, 160)
"""A shape that is hardly ever among the contract's: the graph must follow any."""


@dataclass(frozen=True)
class Tolerances:
    """How far the two may be apart.

    Attributes:
        box: pixels of the input by which an edge may differ.
        box_share: of the box's longer side by which an edge may differ beside that, since distances are
            exponentials.
        score: by which a score may differ.
    """

    box: float = 0.02
    box_share: float = 2e-4
    score: float = 1e-4


@dataclass(frozen=True)
class Deviation:
    """How far the two were apart, at most.

    Attributes:
        box: in pixels of the input.
        score: in [0, 1].
        inputs: how many tensors were compared.
    """

    box: float
    score: float
    inputs: int


def parity_inputs(wanted: InputContract, scans: Sequence[Scan], *, seed: int = 0) -> list[FloatArray]:
    """Return tensors that try a graph out.

    Args:
        wanted: of the model.
        scans: real or made ones; each goes through preprocess.
        seed: of the random tensors.

    Returns:
        float32 (N, 3, H, W) in [0, 1]: every scan at every one of the contract's shapes, all scans as one batch
        of three, and random values at a shape outside of the contract, at batch 1 and 3.
    """
    tensors = [
        preprocess(scan, replace(wanted, shapes=(shape,))).tensor for shape in wanted.shapes for scan in scans
    ]
    last = tensors[-len(scans) :]
    tensors.append(np.concatenate([last[index % len(last)] for index in range(3)]))
    generator = np.random.default_rng(seed)
    for batch in (1, 3):
        tensors.append(generator.random((batch, 3, *_OTHER_SHAPE), dtype=np.float32))
    return tensors


def simulated_scans(subject: Subject, count: int = 2) -> list[Scan]:
    """Return simulated bags in pseudo-colour, for a check that needs no data."""
    settings = BagSettings(size=(480, 360), grey_share=0.0)
    return [
        Scan.in_memory(simulate_bag(0, index, settings).picture, kind="pseudocolour", subject=subject)
        for index in range(count)
    ]


def check_parity(
    detector: Detector, path: Path, inputs: Iterable[FloatArray], tolerances: Tolerances | None = None
) -> Deviation:
    """Compare a model file with its network.

    Boxes and scores are compared at every location, before the choice of candidates, then the candidates themselves
    with the network's values at the locations that the graph says it chose: equal scores may be chosen in any
    order. That it chose the best is checked apart.

    Args:
        detector: with the weights that were written: folded, and rounded where the file holds them so.
        path: of the model file.
        inputs: float32 (N, 3, H, W) in [0, 1].
        tolerances: the default ones when None.

    Raises:
        ExportError: something differs by more than the tolerances; the message says what and by how much.
    """
    limits = tolerances or Tolerances()
    session = _open(path)
    worst = Deviation(0.0, 0.0, 0)
    for tensor in inputs:
        boxes, scores, edges, raw, chosen = session.run([*OUTPUTS, *INNER], {INPUT: tensor})
        with torch.inference_mode():
            logits, expected = detector(torch.from_numpy(tensor))
        where = f"on an input of {tensor.shape[0]} x {tensor.shape[2]} x {tensor.shape[3]}"
        wanted = (expected.numpy(), logits.sigmoid().numpy())
        everywhere = (edges.transpose(0, 2, 1), torch.from_numpy(raw).sigmoid().numpy().transpose(0, 2, 1))
        _check_choice(wanted[1].max(axis=2), chosen, limits.score, where)
        for found, expected_there in (
            (everywhere, wanted),
            ((boxes, scores), tuple(np.take_along_axis(part, chosen[:, :, None], axis=1) for part in wanted)),
        ):
            box, score = _compare(found, expected_there, limits, where)
            worst = Deviation(max(worst.box, box), max(worst.score, score), worst.inputs)
        worst = replace(worst, inputs=worst.inputs + 1)
    return worst


def _open(path: Path) -> onnxruntime.InferenceSession:
    """Open a file with inner values as further outputs.

    Raises:
        ExportError: it does not have them.
    """
    model = onnx.load(path)
    made = {name for node in model.graph.node for name in node.output}
    missing = [name for name in INNER if name not in made]
    if missing:
        raise ExportError(
            f"the graph of {path.name} has no {', '.join(missing)}; expected one of `cargosight export`"
        )
    for name, kind in zip(INNER, ("FLOAT", "FLOAT", "INT64"), strict=True):
        info = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.DataType.Value(kind), None)
        model.graph.output.append(info)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _compare(
    found: tuple[FloatArray, ...], expected: tuple[FloatArray, ...], limits: Tolerances, where: str
) -> tuple[float, float]:
    """Compare boxes (N, K, 4) and scores (N, K, C); returns how far they are apart at most."""
    boxes, scores = found
    wanted_boxes, wanted_scores = expected
    if boxes.shape != wanted_boxes.shape or scores.shape != wanted_scores.shape:
        raise ExportError(
            f"the graph gives boxes {boxes.shape} and scores {scores.shape} {where}; expected "
            f"{wanted_boxes.shape} and {wanted_scores.shape}"
        )
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise ExportError(f"the graph gives numbers that are not finite {where}")
    sides = (wanted_boxes[..., 2:] - wanted_boxes[..., :2]).max(axis=2, keepdims=True)
    box_errors = np.abs(boxes - wanted_boxes)
    box_error, score_error = float(box_errors.max()), float(np.abs(scores - wanted_scores).max())
    if (box_errors > limits.box + limits.box_share * sides).any() or score_error > limits.score:
        raise ExportError(
            f"the graph differs from the network {where}: boxes by up to {box_error:.4g} px, scores by up to "
            f"{score_error:.2g}; allowed are {limits.box:g} px and {limits.box_share:g} of a box's side, and "
            f"{limits.score:g}"
        )
    return box_error, score_error


def _check_choice(best: FloatArray, chosen: IndexArray, tolerance: float, where: str) -> None:
    """Refuse a choice that repeats a location or leaves out a better one; `best` is (N, A)."""
    for scan, places in zip(best, chosen, strict=True):
        others = np.delete(scan, places)
        repeats = len(np.unique(places)) != len(places)
        if repeats or (others.size and others.max() > scan[places].min() + tolerance):
            raise ExportError(f"the graph does not choose the locations of the best scores {where}")
