"""Findings: what a model found in one scan, in columns, and how network outputs become findings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from cargosight_inference.preprocess import NetworkInput
from cargosight_inference.suppression import suppress_per_class
from cargosight_inference.tiles import answers_for
from cargosight_models.contract import Contract
from cargosight_models.errors import ContractError
from cargosight_models.geometry import BoolArray, FloatArray, as_boxes, box_areas

ANOMALY = "anomaly"
"""The label of a place that is unlike normal cargo and belongs to no class."""
DENSE_REGION = "dense_region"
"""The label of a dense compact region: possible shielding, and as possibly an engine or a coil."""
UNLIKE_DECLARED = "unlike_declared"
"""The label of a scan that is atypical of the heading it was declared as."""

FindingKind = Literal["item", "anomaly", "dense", "declared"]
KINDS: tuple[FindingKind, ...] = get_args(FindingKind)
"""Known items; what is unlike normal cargo; dense compact regions; what contradicts the declaration."""
LABELS: Mapping[FindingKind, tuple[str, ...]] = {
    "anomaly": (ANOMALY,),
    "dense": (DENSE_REGION,),
    "declared": ("declared_empty_looks_loaded", "declared_loaded_looks_empty", UNLIKE_DECLARED),
}
"""The labels of each kind but `item`, whose labels are the classes of the model."""


@dataclass(frozen=True, eq=False)
class Findings:
    """Findings of one scan by falling score, one row each in every column.

    Attributes:
        boxes: float32 (N, 4), x1, y1, x2, y2 in scan pixels (pixel edges).
        scores: float32 (N,) in [0, 1].
        class_ids: int32 (N,), an index into the labels of its kind: `class_names` of an item, `LABELS` of any other.
        kinds: int8 (N,), an index into `KINDS`.
        class_names: of the model, by class id.
    """

    boxes: FloatArray
    scores: FloatArray
    class_ids: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.int8]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        count = len(as_boxes(self.boxes))
        columns = (
            ("boxes", self.boxes, np.float32, (count, 4)),
            ("scores", self.scores, np.float32, (count,)),
            ("class_ids", self.class_ids, np.int32, (count,)),
            ("kinds", self.kinds, np.int8, (count,)),
        )
        for name, column, dtype, shape in columns:
            if column.dtype != dtype or column.shape != shape:
                raise ValueError(
                    f"findings have {name} of {column.dtype} {column.shape}; "
                    f"expected {np.dtype(dtype)} {shape}"
                )
        if count == 0:
            return
        if not (self.scores.min() >= 0.0 and self.scores.max() <= 1.0):  # also false for NaN
            raise ValueError(
                f"scores span {self.scores.min()} to {self.scores.max()}; expected numbers in [0, 1]"
            )
        if (self.scores[1:] > self.scores[:-1]).any():
            raise ValueError("findings are not sorted; expected them by falling score")
        if self.kinds.min() < 0 or self.kinds.max() >= len(KINDS):
            raise ValueError(
                f"kinds are {sorted(set(self.kinds.tolist()))}; expected 0 to {len(KINDS) - 1}: {', '.join(KINDS)}"
            )
        labels = np.array([len(self._labels_of(kind)) for kind in KINDS])[self.kinds]
        wrong = np.flatnonzero((self.class_ids < 0) | (self.class_ids >= labels))
        if wrong.size:
            kind = KINDS[int(self.kinds[wrong[0]])]
            raise ValueError(
                f"a finding of kind {kind} has the class id {self.class_ids[wrong[0]]}; expected one of its labels, "
                f"0 to {labels[wrong[0]] - 1}"
            )

    @classmethod
    def of_items(
        cls,
        boxes: FloatArray,
        scores: FloatArray,
        class_ids: npt.NDArray[np.int32],
        class_names: tuple[str, ...],
    ) -> "Findings":
        """Return findings of known items alone; the columns are as above."""
        return cls(boxes, scores, class_ids, np.zeros(len(scores), dtype=np.int8), class_names)

    @classmethod
    def empty(cls, class_names: tuple[str, ...]) -> "Findings":
        """Return no findings of a model with these classes."""
        none = np.empty(0, dtype=np.float32)
        return cls.of_items(none.reshape(0, 4), none, np.empty(0, dtype=np.int32), class_names)

    def __len__(self) -> int:
        return len(self.scores)

    def _labels_of(self, kind: FindingKind) -> tuple[str, ...]:
        return self.class_names if kind == "item" else LABELS[kind]

    @property
    def labels(self) -> tuple[str, ...]:
        """Class name of every item, the label of every other finding."""
        return tuple(
            self._labels_of(kind)[class_id]
            for class_id, kind in zip(self.class_ids.tolist(), self.kind_names, strict=True)
        )

    @property
    def kind_names(self) -> tuple[FindingKind, ...]:
        """Kind of every finding."""
        return tuple(KINDS[kind] for kind in self.kinds.tolist())

    def of_kind(self, kind: FindingKind) -> BoolArray:
        """Return which findings are of a kind, bool (N,)."""
        found: BoolArray = self.kinds == KINDS.index(kind)
        return found

    def select(self, rows: npt.NDArray[Any] | slice) -> "Findings":
        """Return some of the findings.

        Args:
            rows: a slice, bool (N,), or rising indices.
        """
        return Findings(
            self.boxes[rows], self.scores[rows], self.class_ids[rows], self.kinds[rows], self.class_names
        )

    def above(self, thresholds: npt.ArrayLike) -> "Findings":
        """Return the items at or above their class's threshold, and whatever is no item: that has none.

        Args:
            thresholds: (C,) in [0, 1], or one number for all classes.
        """
        limits = np.broadcast_to(np.asarray(thresholds, dtype=np.float32), (len(self.class_names),))
        items = self.of_kind("item")
        keep = ~items
        keep[items] = self.scores[items] >= limits[self.class_ids[items]]
        return self.select(keep)

    def joined(self, label: str, boxes: npt.ArrayLike, scores: npt.ArrayLike) -> "Findings":
        """Return these findings together with others that are no items, by falling score.

        Args:
            label: of the others, one of `LABELS`, which also says their kind.
            boxes: (M, 4) in scan pixels.
            scores: (M,) in [0, 1].

        Raises:
            ValueError: no such label.
        """
        kind = next((kind for kind, labels in LABELS.items() if label in labels), None)
        if kind is None:
            known = ", ".join(name for labels in LABELS.values() for name in labels)
            raise ValueError(f"the label of what is no item is {label!r}; expected one of {known}")
        more = np.asarray(scores, dtype=np.float32)
        merged = np.concatenate([self.scores, more])
        order = np.argsort(-merged, kind="stable")
        ids = np.full(len(more), LABELS[kind].index(label), dtype=np.int32)
        kinds = np.full(len(more), KINDS.index(kind), dtype=np.int8)
        return Findings(
            np.concatenate([self.boxes, np.asarray(boxes, dtype=np.float32).reshape(-1, 4)])[order],
            merged[order],
            np.concatenate([self.class_ids, ids])[order],
            np.concatenate([self.kinds, kinds])[order],
            self.class_names,
        )

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a JSON-ready row each: `label`, `kind` (of `KINDS`), `score`, `box` in scan pixels."""
        for label, kind, score, box in zip(
            self.labels, self.kind_names, self.scores.tolist(), self.boxes.tolist(), strict=True
        ):
            yield {
                "label": label,
                "kind": kind,
                "score": round(score, 6),
                "box": [round(edge, 2) for edge in box],
            }


def check_gives_findings(contract: Contract) -> None:
    """Refuse a model without the outputs that findings are made of, since every scan would be `clear`.

    Raises:
        ContractError: it gives no boxes with scores.
    """
    if "scores" not in contract.outputs:
        raise ContractError(
            f"the model {contract.name} gives {', '.join(contract.outputs)}; expected boxes with scores: this version "
            "makes findings of nothing else, and every scan would look clear; choose another model, or upgrade "
            "cargosight"
        )


def decode_findings(
    outputs: Mapping[str, npt.NDArray[Any]],
    contract: Contract,
    network_input: NetworkInput,
    thresholds: FloatArray,
) -> Findings:
    """Turn the network's outputs for one scan into findings.

    Boxes are mapped back and clipped to the scan first, so that suppression sees what is reported; boxes of
    no area, such as those in the padding, are dropped. A location may give a finding in several classes.
    Raising a threshold only takes findings of its class away: what is found at the lowest thresholds and
    reaches higher ones is what is found at those, which is what choosing thresholds from it rests on.

    Args:
        outputs: `boxes` float32 (T, K, 4) in pixels of each of T tiles and `scores` float32 (T, K, C) in [0, 1].
        contract: of the model that made them.
        network_input: what the model was given.
        thresholds: (C,); a finding's score is at or above its class's threshold and the contract's score
            floor.

    Raises:
        ContractError: no scores, outputs of a wrong shape, numbers that are not finite, or scores outside
            [0, 1]: a scan must never look clear because the arithmetic failed.
    """
    check_gives_findings(contract)
    boxes, scores = _checked(outputs, contract, len(network_input.views))
    suppression = contract.suppression
    limits = np.maximum(thresholds, np.float32(suppression.score_floor))
    found = []
    for tile in range(len(network_input.views)):
        near = (scores[tile] >= limits).any(axis=1)
        found.append(
            _on_scan(boxes[tile][near], scores[tile][near], network_input, tile, contract.input.overlap)
        )
    on_scan = np.concatenate([part for part, _ in found])
    near_scores = np.concatenate([part for _, part in found])
    if len(on_scan) == 0:
        return Findings.empty(contract.classes)
    # A graph that has suppressed left nothing to drop: an IoU is never above 1.
    iou = suppression.iou if suppression.where == "host" else 1.0
    rows, class_ids = suppress_per_class(on_scan, near_scores, limits, iou, most=suppression.max_per_class)
    return Findings.of_items(
        boxes=on_scan[rows],
        scores=near_scores[rows, class_ids],
        class_ids=class_ids.astype(np.int32),
        class_names=contract.classes,
    )


def _on_scan(
    boxes: FloatArray, scores: FloatArray, network_input: NetworkInput, tile: int, overlap: int
) -> tuple[FloatArray, FloatArray]:
    """Return boxes (M, 4) on the scan and scores (M, C) of what one tile answers for."""
    there = network_input.boxes_to_scan(boxes, tile)
    real = box_areas(there) > 0.0
    if len(network_input.views) > 1:
        scan = (network_input.scan_width, network_input.scan_height)
        real &= answers_for(there, network_input.window(tile), scan, overlap)
    return there[real], scores[real]


def _checked(
    outputs: Mapping[str, npt.NDArray[Any]], contract: Contract, tiles: int
) -> tuple[FloatArray, FloatArray]:
    """Return boxes (T, K, 4) and scores (T, K, C) of the one scan."""
    boxes, scores = outputs["boxes"], outputs["scores"]
    fits = (
        boxes.ndim == scores.ndim == 3
        and boxes.shape[0] == scores.shape[0] == tiles
        and boxes.shape[1] == scores.shape[1]
        and (boxes.shape[2], scores.shape[2]) == (4, len(contract.classes))
    )
    if not fits:
        raise ContractError(
            f"{contract.name} gave boxes {boxes.shape} and scores {scores.shape}; expected ({tiles}, K, 4) "
            f"and ({tiles}, K, {len(contract.classes)}); export the model again"
        )
    if not np.isfinite(boxes).all():
        raise ContractError(f"{contract.name} gave boxes that are not finite; export the model again")
    if scores.size and not (scores.min() >= 0.0 and scores.max() <= 1.0):  # also false for NaN
        raise ContractError(
            f"{contract.name} gave scores from {scores.min()} to {scores.max()}; expected [0, 1]; "
            "export the model again"
        )
    return boxes.astype(np.float32, copy=False), scores.astype(np.float32, copy=False)
