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

    Equal scores may be chosen in another order, so candidates are compared with the network's values at the
    locations that the graph itself says it chose; that it chose the best is checked apart.

    Args:
        detector: with the weights that were written: folded, and rounded where the file holds them so.
        path: of the model file.
        inputs: float32 (N, 3, H, W) in [0, 1].
        tolerances: the default ones when None.

    Raises:
        ExportError: something differs by more than the tolerances; the message says what and by how much.
    """
    limits = tolerances or Tolerances()
    session, chosen_name = _open(path)
    worst = Deviation(0.0, 0.0, 0)
    for tensor in inputs:
        boxes, scores, chosen = session.run(["boxes", "scores", chosen_name], {"image": tensor})
        with torch.inference_mode():
            logits, all_boxes = detector(torch.from_numpy(tensor))
        found = _compare(
            (boxes, scores, chosen), (all_boxes.numpy(), logits.sigmoid().numpy()), limits, tensor.shape
        )
        worst = Deviation(max(worst.box, found.box), max(worst.score, found.score), worst.inputs + 1)
    return worst


def _open(path: Path) -> tuple[onnxruntime.InferenceSession, str]:
    """Open a file with one more output, the locations that its one `TopK` chose."""
    model = onnx.load(path)
    choosers = [node for node in model.graph.node if node.op_type == "TopK"]
    if len(choosers) != 1:
        raise ExportError(
            f"{path.name} has {len(choosers)} TopK nodes; expected the one that picks candidates"
        )
    chosen: str = choosers[0].output[1]
    info = onnx.helper.make_tensor_value_info(chosen, onnx.TensorProto.INT64, ["batch", "candidates"])
    model.graph.output.append(info)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]), chosen


def _compare(
    found: tuple[FloatArray, FloatArray, IndexArray],
    expected: tuple[FloatArray, FloatArray],
    limits: Tolerances,
    shape: tuple[int, ...],
) -> Deviation:
    """Compare one batch: (N, K, 4), (N, K, C), (N, K) against (N, A, 4) and (N, A, C)."""
    boxes, scores, chosen = found
    all_boxes, all_scores = expected
    where = f"on an input of {shape[0]} x {shape[2]} x {shape[3]}"
    wanted_boxes = np.take_along_axis(all_boxes, chosen[:, :, None], axis=1)
    wanted_scores = np.take_along_axis(all_scores, chosen[:, :, None], axis=1)
    if boxes.shape != wanted_boxes.shape or scores.shape != wanted_scores.shape:
        raise ExportError(
            f"the graph gives boxes {boxes.shape} and scores {scores.shape} {where}; expected "
            f"{wanted_boxes.shape} and {wanted_scores.shape}"
        )
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise ExportError(f"the graph gives numbers that are not finite {where}")
    sides = (wanted_boxes[..., 2:] - wanted_boxes[..., :2]).max(axis=2, keepdims=True)
    box_error = np.abs(boxes - wanted_boxes)
    score_error = float(np.abs(scores - wanted_scores).max())
    if (box_error > limits.box + limits.box_share * sides).any() or score_error > limits.score:
        raise ExportError(
            f"the graph differs from the network {where}: boxes by up to {box_error.max():.4g} px, scores by up "
            f"to {score_error:.2g}; allowed are {limits.box:g} px and {limits.box_share:g} of a box's side, and "
            f"{limits.score:g}"
        )
    _check_choice(all_scores.max(axis=2), chosen, limits.score, where)
    return Deviation(float(box_error.max()), score_error, 1)


def _check_choice(best: FloatArray, chosen: IndexArray, tolerance: float, where: str) -> None:
    """Refuse a choice that repeats a location or leaves out a better one; `best` is (N, A)."""
    for scan, places in zip(best, chosen, strict=True):
        others = np.delete(scan, places)
        repeats = len(np.unique(places)) != len(places)
        if repeats or (others.size and others.max() > scan[places].min() + tolerance):
            raise ExportError(f"the graph does not choose the locations of the best scores {where}")
