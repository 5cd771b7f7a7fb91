"""Findings: what a model found in one scan, in columns, and how network outputs become findings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cargosight_inference.preprocess import NetworkInput
from cargosight_inference.suppression import suppress_per_class
from cargosight_inference.tiles import answers_for
from cargosight_models.contract import Contract
from cargosight_models.errors import ContractError
from cargosight_models.geometry import BoolArray, FloatArray, as_boxes, box_areas

ANOMALY = "anomaly"
"""The label of a finding that belongs to no class."""


@dataclass(frozen=True, eq=False)
class Findings:
    """Findings of one scan by falling score, one row each in every column.

    Attributes:
        boxes: float32 (N, 4), x1, y1, x2, y2 in scan pixels (pixel edges).
        scores: float32 (N,) in [0, 1].
        class_ids: int32 (N,), an index into `class_names`; -1 for an anomaly.
        is_anomaly: bool (N,): found as unusual, not as a known item.
        class_names: of the model, by class id.
    """

    boxes: FloatArray
    scores: FloatArray
    class_ids: npt.NDArray[np.int32]
    is_anomaly: BoolArray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        count = len(as_boxes(self.boxes))
        columns = (
            ("boxes", self.boxes, np.float32, (count, 4)),
            ("scores", self.scores, np.float32, (count,)),
            ("class_ids", self.class_ids, np.int32, (count,)),
            ("is_anomaly", self.is_anomaly, np.bool_, (count,)),
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
        known = ~self.is_anomaly
        ids = self.class_ids
        if (ids[known] < 0).any() or (ids >= len(self.class_names)).any() or (ids[~known] != -1).any():
            raise ValueError(
                f"class ids are {sorted(set(ids.tolist()))}; expected 0 to {len(self.class_names) - 1}, "
                "and -1 for exactly the anomalies"
            )

    @classmethod
    def empty(cls, class_names: tuple[str, ...]) -> "Findings":
        """Return no findings of a model with these classes."""
        return cls(
            boxes=np.empty((0, 4), dtype=np.float32),
            scores=np.empty(0, dtype=np.float32),
            class_ids=np.empty(0, dtype=np.int32),
            is_anomaly=np.empty(0, dtype=np.bool_),
            class_names=class_names,
        )

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class name of every finding, `anomaly` for those without a class."""
        return tuple(
            ANOMALY if unusual else self.class_names[class_id]
            for class_id, unusual in zip(self.class_ids.tolist(), self.is_anomaly.tolist(), strict=True)
        )

    def above(self, thresholds: npt.ArrayLike) -> "Findings":
        """Return the findings at or above their class's threshold; anomalies have none and stay.

        Args:
            thresholds: (C,) in [0, 1], or one number for all classes.
        """
        limits = np.broadcast_to(np.asarray(thresholds, dtype=np.float32), (len(self.class_names),))
        keep = self.is_anomaly.copy()
        known = ~self.is_anomaly
        keep[known] = self.scores[known] >= limits[self.class_ids[known]]
        return Findings(
            self.boxes[keep], self.scores[keep], self.class_ids[keep], self.is_anomaly[keep], self.class_names
        )

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield a JSON-ready row each: `label`, `kind` (`item`, `anomaly`), `score`, `box` in scan pixels."""
        for label, unusual, score, box in zip(
            self.labels, self.is_anomaly.tolist(), self.scores.tolist(), self.boxes.tolist(), strict=True
        ):
            yield {
                "label": label,
                "kind": "anomaly" if unusual else "item",
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
    return Findings(
        boxes=on_scan[rows],
        scores=near_scores[rows, class_ids],
        class_ids=class_ids.astype(np.int32),
        is_anomaly=np.zeros(len(rows), dtype=np.bool_),
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
