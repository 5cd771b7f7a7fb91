"""Non-maximum suppression of all classes at once, on the host."""

import numpy as np

from cargosight_models.geometry import FloatArray, IndexArray

_ROWS_AT_ONCE = 256
"""Bounds the temporaries of the overlap matrix: 256 rows against 1,000 boxes are 2 MB each."""


def suppress_per_class(
    boxes: FloatArray, scores: FloatArray, thresholds: FloatArray, iou: float, *, most: int
) -> tuple[IndexArray, IndexArray]:
    """Greedy suppression class by class, with the result of `geometry.nms` on each.

    The overlaps of the K boxes are computed once for all classes and kept as one integer of K bits a row,
    so that dropping everything that a kept box overlaps is one operation on integers. 300 boxes with all of
    18 classes take a few milliseconds, a usual threshold leaves a handful of them.

    Args:
        boxes: (K, 4), one for each location.
        scores: (K, C) in [0, 1].
        thresholds: (C,); lower scores are no candidates.
        iou: a candidate is dropped when its IoU with a better one of its class is above this.
        most: candidates kept of each class.

    Returns:
        Box indices (M,) and class ids (M,), by falling score; equal scores by class, then by index.
    """
    passing = scores >= thresholds
    locations = np.flatnonzero(passing.any(axis=1))
    if locations.size == 0:
        empty = np.empty(0, dtype=np.int64)
        return empty, empty
    near_scores, passing = scores[locations], passing[locations]
    survivors = _survivor_bits(boxes[locations], iou)
    rows: list[int] = []
    classes: list[int] = []
    for class_id in np.flatnonzero(passing.any(axis=0)).tolist():
        candidates = np.flatnonzero(passing[:, class_id])
        order = np.argsort(-near_scores[candidates, class_id], kind="stable")
        alive = -1  # all bits set
        full = len(rows) + most
        for row in candidates[order].tolist():
            if len(rows) == full:
                break
            if alive >> row & 1:
                alive &= survivors[row]
                rows.append(row)
                classes.append(class_id)
    kept_rows, kept_classes = np.array(rows, dtype=np.int64), np.array(classes, dtype=np.int64)
    order = np.argsort(-near_scores[kept_rows, kept_classes], kind="stable")
    return locations[kept_rows[order]].astype(np.int64), kept_classes[order]


def _survivor_bits(boxes: FloatArray, iou: float) -> list[int]:
    """Return one integer for each box: bit j is set when box j does not overlap it by more than `iou`."""
    wide = boxes.astype(np.float64)
    x1, y1, x2, y2 = wide.T
    areas = (x2 - x1) * (y2 - y1)
    bits: list[int] = []
    for start in range(0, len(boxes), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        across = np.minimum(x2[part, None], x2) - np.maximum(x1[part, None], x1)
        down = np.minimum(y2[part, None], y2) - np.maximum(y1[part, None], y1)
        overlap = np.clip(across, 0.0, None) * np.clip(down, 0.0, None)
        survives = overlap <= iou * (areas[part, None] + areas - overlap)
        packed = np.packbits(survives, axis=1, bitorder="little")
        bits.extend(int.from_bytes(row.tobytes(), "little") for row in packed)
    return bits
