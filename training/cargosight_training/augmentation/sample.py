"""The value that travels through augmentation: a picture, its boxes, and which classes are labelled where."""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_models.geometry import Affine, BoolArray, FloatArray, IndexArray, box_areas, clip_boxes
from cargosight_models.labels import LabelledRegions

Picture = npt.NDArray[Any]

MIN_VISIBLE = 0.3
"""A box of which less is left after cropping is dropped, and what is left of it is unknown."""
MIN_SIDE = 4.0
"""A box with a shorter side in pixels after scaling is dropped, and its place is unknown."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One training picture.

    Attributes:
        picture: (H, W, 3) uint8, or float32 in [0, 1].
        boxes: (N, 4) float32 in pixels of the picture.
        class_ids: (N,) int64.
        regions: which classes are labelled where.
        unusual: (H / 8, W / 8) float32: 1 unusual, 0 usual, below 0 unknown; None where nobody knows.
        harmless: (M, 4) float32 in pixels, where look-alikes of threats lie; None is nowhere.
    """

    picture: Picture
    boxes: FloatArray
    class_ids: IndexArray
    regions: LabelledRegions
    unusual: FloatArray | None = None
    harmless: FloatArray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.picture.shape[1], self.picture.shape[0]


def whole(picture: Picture, boxes: FloatArray, class_ids: IndexArray, labelled: BoolArray) -> Sample:
    """A sample in which one source's label mask (C,) holds everywhere."""
    height, width = picture.shape[:2]
    regions = LabelledRegions(np.array([[0, 0, width, height]], dtype=np.float32), labelled[None])
    return Sample(picture, boxes, class_ids, regions)


def warp(sample: Sample, to_canvas: Affine, width: int, height: int) -> Sample:
    """Map a sample onto a canvas of ``width`` × ``height``; what it does not cover is air (white).

    As in `preprocess`, the picture is halved by 2 × 2 means while it is at least twice too large, so that the network
    meets the same fine texture in training and in use.
    """
    white = 1.0 if sample.picture.dtype == np.float32 else 255
    source, from_source = _halved(sample.picture, to_canvas)
    # OpenCV puts the origin at the centre of the first pixel, boxes put it at its edge.
    centred = Affine.translation(0.5, 0.5).then(from_source).then(Affine.translation(-0.5, -0.5))
    picture = cv2.warpAffine(
        source, centred.matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=(white,) * 3
    )
    mapped = to_canvas.boxes(sample.boxes)
    clipped = clip_boxes(mapped, width, height)
    sides = clipped[:, 2:] - clipped[:, :2]
    kept = (box_areas(clipped) >= MIN_VISIBLE * np.maximum(box_areas(mapped), 1e-6)) & (
        sides.min(axis=1, initial=np.inf) >= MIN_SIDE
    )
    unknown = clip_boxes(to_canvas.boxes(sample.regions.unknown), width, height)
    regions = LabelledRegions(
        clip_boxes(to_canvas.boxes(sample.regions.boxes), width, height),
        sample.regions.masks,
        np.concatenate([unknown, clipped[~kept]]),
    )
    return Sample(picture, clipped[kept], sample.class_ids[kept], regions)


def _halved(picture: Picture, to_canvas: Affine) -> tuple[Picture, Affine]:
    """The picture halved as often as the map shrinks it by two or more, and the map from the result."""
    while np.hypot(*to_canvas.matrix[:, :2]).max() <= 0.5 and min(picture.shape[:2]) >= 2:
        width, height = picture.shape[1] // 2, picture.shape[0] // 2
        even = picture[
            : 2 * height, : 2 * width
        ]  # an odd last row or column is less than a pixel of the canvas
        picture = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
        to_canvas = Affine.scaling(2.0, 2.0).then(to_canvas)
    return picture, to_canvas


def paste(tiles: list[tuple[Sample, int, int]], width: int, height: int) -> Sample:
    """Lay tiles (sample, left, top) side by side on a canvas."""
    wide = any(tile.picture.dtype == np.float32 for tile, _, _ in tiles)
    canvas = np.full((height, width, 3), 1.0 if wide else 255, dtype=np.float32 if wide else np.uint8)
    boxes, class_ids, region_boxes, masks, unknown = [], [], [], [], []
    for tile, left, top in tiles:
        picture = as_float(tile.picture) if wide else tile.picture
        canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        offset = np.array([left, top, left, top], dtype=np.float32)
        boxes.append(tile.boxes + offset)
        class_ids.append(tile.class_ids)
        region_boxes.append(tile.regions.boxes + offset)
        masks.append(tile.regions.masks)
        unknown.append(tile.regions.unknown + offset)
    regions = LabelledRegions(np.concatenate(region_boxes), np.concatenate(masks), np.concatenate(unknown))
    return Sample(canvas, np.concatenate(boxes), np.concatenate(class_ids), regions)


def as_float(picture: Picture) -> Picture:
    """Float32 in [0, 1] of either picture type."""
    return picture if picture.dtype == np.float32 else picture.astype(np.float32) / np.float32(255.0)


def with_picture(sample: Sample, picture: Picture) -> Sample:
    """The same labels on a changed picture of the same size."""
    return replace(sample, picture=picture)
