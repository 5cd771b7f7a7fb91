"""Boxes and affine maps.

Boxes are float32 arrays (N, 4) of x1, y1, x2, y2 in pixel-edge coordinates: an image W pixels wide spans
0..W, the centre of its first pixel is at 0.5. A box has x2 >= x1 and y2 >= y1; its area is
(x2 - x1) * (y2 - y1), with no "+ 1" anywhere.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IndexArray = npt.NDArray[np.int64]


def as_boxes(boxes: npt.ArrayLike) -> FloatArray:
    """Return `boxes` as a checked float32 array (N, 4).

    Args:
        boxes: anything array-like of shape (N, 4); an empty sequence gives shape (0, 4).

    Raises:
        ValueError: wrong shape, a value that is not finite, or a box with x2 < x1 or y2 < y1.
    """
    array = np.asarray(boxes, dtype=np.float32)
    if array.size == 0 and array.ndim <= 2:
        return array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes have shape {array.shape}; expected (N, 4) as x1, y1, x2, y2")
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        raise ValueError(f"box {row} is {array[row].tolist()}; expected finite numbers")
    inverted = (array[:, 2] < array[:, 0]) | (array[:, 3] < array[:, 1])
    if inverted.any():
        row = int(np.flatnonzero(inverted)[0])
        raise ValueError(
            f"box {row} is {array[row].tolist()}; expected x1 <= x2 and y1 <= y2 (is it given as x, y, "
            "width, height?)"
        )
    return array


def clip_boxes(boxes: FloatArray, width: float, height: float) -> FloatArray:
    """Return `boxes` (N, 4) cut to an image of `width` x `height` pixels; one outside gets area 0."""
    limit = np.array([width, height, width, height], dtype=np.float32)
    return np.clip(boxes, np.float32(0.0), limit)


def box_areas(boxes: FloatArray) -> FloatArray:
    """Return the areas (N,) in square pixels of `boxes` (N, 4)."""
    areas: FloatArray = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return areas


def iou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return intersection over union (N, M) in [0, 1] of `a` (N, 4) with `b` (M, 4); empty boxes give 0.

    Computed in float64: areas of large scans lose the last digits in float32.
    """
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    upper = np.minimum(wide_a[:, None, 2:], wide_b[None, :, 2:])
    lower = np.maximum(wide_a[:, None, :2], wide_b[None, :, :2])
    overlap = np.clip(upper - lower, 0.0, None).prod(axis=2)
    area_a = (wide_a[:, 2:] - wide_a[:, :2]).prod(axis=1)
    area_b = (wide_b[:, 2:] - wide_b[:, :2]).prod(axis=1)
    union = area_a[:, None] + area_b[None, :] - overlap
    np.divide(overlap, union, out=overlap, where=overlap > 0.0)
    iou: FloatArray = overlap.astype(np.float32)
    return iou


def contains_points(boxes: FloatArray, points: npt.NDArray[np.floating[Any]]) -> BoolArray:
    """Return (N, P) bool: whether each of `boxes` (N, 4) contains each of `points` (P, 2) as x, y.

    Half open: the left and upper edges belong to a box, the right and lower ones do not, so that a point on
    the seam of two neighbouring regions lies in exactly one of them.
    """
    x, y = points[None, :, 0], points[None, :, 1]
    inside: BoolArray = (
        (boxes[:, 0:1] <= x) & (x < boxes[:, 2:3]) & (boxes[:, 1:2] <= y) & (y < boxes[:, 3:4])
    )
    return inside


def nms(boxes: FloatArray, scores: npt.NDArray[np.floating[Any]], iou: float) -> IndexArray:
    """Greedy non-maximum suppression of one class.

    Args:
        boxes: (N, 4).
        scores: (N,).
        iou: a box is dropped when its IoU with a kept one of higher score is above this, in [0, 1].

    Returns:
        Indices (K,) int64 of the kept boxes by falling score; equal scores keep their input order.
    """
    order = np.argsort(-scores, kind="stable").astype(np.int64)
    ordered = boxes[order].astype(np.float64)
    corner, opposite = ordered[:, :2], ordered[:, 2:]
    areas = (opposite - corner).prod(axis=1)
    alive = np.ones(len(order), dtype=np.bool_)
    for i in range(len(order) - 1):
        if not alive[i]:
            continue
        rest = slice(i + 1, None)
        sides = np.minimum(opposite[i], opposite[rest]) - np.maximum(corner[i], corner[rest])
        overlap = np.clip(sides, 0.0, None).prod(axis=1)
        # Multiplied out: no division by the zero union of two empty boxes.
        alive[rest] &= overlap <= iou * (areas[i] + areas[rest] - overlap)
    return order[alive]


@dataclass(frozen=True, eq=False)
class Affine:
    """A map of the plane: (x, y) -> matrix[:, :2] @ (x, y) + matrix[:, 2].

    Attributes:
        matrix: (2, 3) float64, finite; a read-only copy is kept.
    """

    matrix: DoubleArray

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.shape != (2, 3):
            raise ValueError(f"an affine matrix has shape {matrix.shape}; expected (2, 3)")
        if not np.isfinite(matrix).all():
            raise ValueError(f"an affine matrix is {matrix.tolist()}; expected finite numbers")
        matrix.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)

    @classmethod
    def identity(cls) -> "Affine":
        """Return the map that moves nothing."""
        return cls.scaling(1.0, 1.0)

    @classmethod
    def scaling(cls, sx: float, sy: float) -> "Affine":
        """Return the map (x, y) -> (sx * x, sy * y)."""
        return cls(np.array([[sx, 0.0, 0.0], [0.0, sy, 0.0]]))

    @classmethod
    def translation(cls, tx: float, ty: float) -> "Affine":
        """Return the map (x, y) -> (x + tx, y + ty)."""
        return cls(np.array([[1.0, 0.0, tx], [0.0, 1.0, ty]]))

    def then(self, other: "Affine") -> "Affine":
        """Return the map that applies this one first and `other` second."""
        linear = other.matrix[:, :2] @ self.matrix
        linear[:, 2] += other.matrix[:, 2]
        return Affine(linear)

    def inverse(self) -> "Affine":
        """Return the map that undoes this one.

        Raises:
            ValueError: the map flattens the plane and cannot be undone.
        """
        (a, b, tx), (c, d, ty) = self.matrix.tolist()
        determinant = a * d - b * c
        if determinant == 0.0:
            raise ValueError(f"the affine matrix {self.matrix.tolist()} is singular; it cannot be undone")
        linear = np.array([[d, -b], [-c, a]]) / determinant
        return Affine(np.column_stack([linear, -linear @ np.array([tx, ty])]))

    def points(self, points: npt.NDArray[np.floating[Any]]) -> DoubleArray:
        """Return the images (P, 2) float64 of `points` (P, 2)."""
        mapped: DoubleArray = points.astype(np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2]
        return mapped

    def boxes(self, boxes: FloatArray) -> FloatArray:
        """Return the upright bounding boxes (N, 4) float32 of the mapped corners of `boxes` (N, 4)."""
        corners = boxes.astype(np.float64)[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 2)
        mapped = self.points(corners).reshape(-1, 4, 2)
        return np.concatenate([mapped.min(axis=1), mapped.max(axis=1)], axis=1).astype(np.float32)
