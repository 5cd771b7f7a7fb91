"""Does the model file compute what the network computes? Torch against ONNX Runtime, location by location."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch

from cargosight_inference.preprocess import Tiles, preprocess
from cargosight_inference.scans.scan import Scan
from cargosight_inference.session import Session
from cargosight_models.contract import Contract, InputContract
from cargosight_models.errors import ExportError
from cargosight_models.geometry import FloatArray, IndexArray
from cargosight_models.networks.detector import Detector
from cargosight_training.export.graph import ANOMALY_MAP, EMBEDDING, INNER, INPUT, OUTPUTS
from cargosight_training.simulation.baggage import BagSettings, simulate_bag

_OTHER_SHAPE = (96, 160)
"""A shape that is hardly ever among the contract's: the graph must follow any."""
_MOST_TILES = 4
"""Of one scan: a truck has some fifty, which torch holds all at once, and they try out nothing that four do not."""


@dataclass(frozen=True)
class Tolerances:
    """How far the two may be apart.

    Logits are compared beside scores: where a class is silent its scores are all next to nothing, and so is any
    difference between them.

    Attributes:
        box: pixels of the input by which an edge may differ.
        box_share: of the box's longer side by which an edge may differ beside that, since distances are
            exponentials.
        score: by which a score may differ.
        logit: by which a logit may differ.
        logit_share: of the logit itself by which it may differ beside that.
        embedding_share: of the longest number of an embedding by which any of its numbers may differ.
    """

    box: float = 0.02
    box_share: float = 2e-4
    score: float = 1e-4
    logit: float = 1e-3
    logit_share: float = 2e-4
    embedding_share: float = 1e-4


@dataclass(frozen=True)
class Deviation:
    """How far the two were apart, at most.

    Attributes:
        box: in pixels of the input.
        score: in [0, 1].
        logit: in logits.
        inputs: how many tensors were compared.
    """

    box: float
    score: float
    logit: float
    inputs: int


def parity_inputs(wanted: InputContract, scans: Sequence[Scan], *, seed: int = 0) -> list[FloatArray]:
    """Return tensors that try a graph out.

    Args:
        wanted: of the model.
        scans: real or made ones; each goes through preprocess.
        seed: of the random tensors.

    Returns:
        float32 (N, 3, H, W) in [0, 1]: every scan at every one of the contract's shapes, of one in many tiles four
        from all over it; all scans as one batch of three, and random values at a shape outside of the contract, at
        batch 1 and 3.
    """
    tensors = [
        _some_tiles(preprocess(scan, replace(wanted, shapes=(shape,))).tiles)
        for shape in wanted.shapes
        for scan in scans
    ]
    last = tensors[-len(scans) :]
    tensors.append(np.concatenate([last[index % len(last)] for index in range(3)]))
    generator = np.random.default_rng(seed)
    for batch in (1, 3):
        tensors.append(generator.random((batch, 3, *_OTHER_SHAPE), dtype=np.float32))
    return tensors


def _some_tiles(tiles: Tiles) -> FloatArray:
    count = tiles.shape[0]
    places = np.linspace(0, count - 1, min(_MOST_TILES, count)).astype(int)
    return np.stack([tiles[place] for place in places.tolist()])


def simulated_scans(contract: Contract, count: int = 2) -> list[Scan]:
    """Return simulated bags in a kind that the model reads, for a check that needs no data."""
    settings = BagSettings(size=(480, 360), grey_share=0.0)
    bags = [simulate_bag(0, index, settings) for index in range(count)]
    if contract.input.colour == "rgb":
        return [Scan.in_memory(bag.picture, kind="pseudocolour", subject=contract.subject) for bag in bags]
    return [Scan.in_memory(bag.transmission, kind="transmission", subject=contract.subject) for bag in bags]


def check_parity(
    detector: Detector, path: Path, inputs: Iterable[FloatArray], tolerances: Tolerances | None = None
) -> Deviation:
    """Compare a model file with its network.

    Boxes, logits and scores are compared at every location, before the choice of candidates, then the candidates
    themselves with the network's values at the locations that the graph says it chose: equal scores may be chosen
    in any order. That it chose the best, and as many as its contract says, is checked apart.

    Args:
        detector: with the weights that were written: folded, and rounded where the file holds them so.
        path: of the model file.
        inputs: float32 (N, 3, H, W) in [0, 1].
        tolerances: the default ones when None.

    Raises:
        ExportError: something differs by more than the tolerances or is not finite; the message says what and by
            how much.
        ContractError: the file has no contract, or its graph contradicts it.
    """
    limits = tolerances or Tolerances()
    session = _open(path)
    contract = Session(path).contract
    candidates = contract.suppression.candidates
    worst = Deviation(0.0, 0.0, 0.0, 0)
    for tensor in inputs:
        boxes, scores, edges, raw, chosen = session.run([*OUTPUTS, *INNER], {INPUT: tensor})
        with torch.inference_mode():
            wanted = detector(torch.from_numpy(tensor))
        wanted_logits, wanted_boxes = wanted.logits.numpy(), wanted.boxes.numpy()
        compare = _Comparer(
            limits, f"on an input of {tensor.shape[0]} x {tensor.shape[2]} x {tensor.shape[3]}"
        )
        logits = raw.transpose(0, 2, 1)
        logit = compare.logits(logits, wanted_logits)
        box = compare.boxes(edges.transpose(0, 2, 1), wanted_boxes)
        score = compare.scores(_sigmoid(logits), _sigmoid(wanted_logits))
        if wanted.anomaly is not None:
            (unusual,) = session.run([ANOMALY_MAP], {INPUT: tensor})
            score = max(score, compare.scores(unusual, _sigmoid(wanted.anomaly.numpy())))
        if EMBEDDING in contract.outputs:
            (looks,) = session.run([EMBEDDING], {INPUT: tensor})
            with torch.inference_mode():
                compare.embeddings(looks, detector.embedding(torch.from_numpy(tensor)).numpy())
        _check_choice(logits.max(axis=2), chosen, candidates, compare.where)
        at = chosen[:, :, None]
        chosen_box = compare.boxes(boxes, np.take_along_axis(wanted_boxes, at, axis=1))
        chosen_score = compare.scores(scores, _sigmoid(np.take_along_axis(wanted_logits, at, axis=1)))
        worst = Deviation(
            box=max(worst.box, box, chosen_box),
            score=max(worst.score, score, chosen_score),
            logit=max(worst.logit, logit),
            inputs=worst.inputs + 1,
        )
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


@dataclass(frozen=True)
class _Comparer:
    """Refuses what differs too much on one input; its methods return by how much the two differ at most."""

    limits: Tolerances
    where: str

    def boxes(self, found: FloatArray, expected: FloatArray) -> float:
        """Boxes (N, K, 4) in pixels of the input."""
        sides = (expected[..., 2:] - expected[..., :2]).max(axis=2, keepdims=True)
        box, share = self.limits.box, self.limits.box_share
        rule = f"allowed are {box:g} px and {share:g} of a box's side"
        return self._compare("boxes", found, expected, box + share * sides, rule)

    def logits(self, found: FloatArray, expected: FloatArray) -> float:
        """Logits (N, K, C)."""
        logit, share = self.limits.logit, self.limits.logit_share
        rule = f"allowed are {logit:g} and {share:g} of a logit"
        return self._compare("logits", found, expected, logit + share * np.abs(expected), rule)

    def scores(self, found: FloatArray, expected: FloatArray) -> float:
        """Scores, of any shape."""
        score = self.limits.score
        return self._compare("scores", found, expected, score, f"allowed is {score:g}")

    def embeddings(self, found: FloatArray, expected: FloatArray) -> float:
        """Embeddings (N, D)."""
        share = self.limits.embedding_share
        allowed = share * float(np.abs(expected).max())
        return self._compare(
            "embeddings", found, expected, allowed, f"allowed is {share:g} of the longest number"
        )

    def _compare(
        self,
        what: str,
        found: FloatArray,
        expected: FloatArray,
        allowed: npt.NDArray[np.floating] | float,
        rule: str,
    ) -> float:
        if found.shape != expected.shape:
            raise ExportError(
                f"the graph gives {what} of the shape {found.shape} {self.where}; expected {expected.shape}"
            )
        for side, values in (("network", expected), ("graph", found)):
            if not np.isfinite(values).all():
                raise ExportError(
                    f"the {side} gives numbers that are not finite {self.where}, among its {what}"
                )
        errors = np.abs(found - expected)
        worst = float(errors.max())
        if not (errors <= allowed).all():
            raise ExportError(
                f"the graph differs from the network {self.where}: {what} by up to {worst:.4g}; {rule}"
            )
        return worst


def _check_choice(best: FloatArray, chosen: IndexArray, candidates: int, where: str) -> None:
    """Refuse a choice of another number, one that repeats a location or leaves out a better one, and another order.

    Args:
        best: (N, A) highest logit of each location, as the graph itself has it, so that nothing is tolerated.
        chosen: (N, K) places along A.
        candidates: that the contract states.
        where: on which input, for the message.
    """
    wanted = (len(best), min(candidates, best.shape[1]))
    if chosen.shape != wanted:
        raise ExportError(
            f"the graph chooses candidates of the shape {chosen.shape} {where}; expected {wanted}, since its contract "
            f"says {candidates}"
        )
    for scan, places in zip(best, chosen, strict=True):
        others = np.delete(scan, places)
        repeats = len(np.unique(places)) != len(places)
        if repeats or (others.size and others.max() > scan[places].min()):
            raise ExportError(f"the graph does not choose the locations of the best scores {where}")
        if (np.diff(scan[places]) > 0).any():
            raise ExportError(f"the graph does not give the candidates of the best scores first {where}")


def _sigmoid(logits: FloatArray) -> FloatArray:
    scores: FloatArray = torch.from_numpy(logits).sigmoid().numpy()
    return scores
