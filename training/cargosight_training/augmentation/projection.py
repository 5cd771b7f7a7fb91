"""Multiplicative projection of cut-out items into bags, and of nothing, as its own counter-example.

Transmissions multiply (Beer–Lambert), so an item seen through a bag darkens it by a factor. On pseudo-colour the
product is an approximation, which is why projected items only train and never count in a figure on real scans.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_models.geometry import FloatArray, iou_matrix
from cargosight_models.labels import LabelledRegions
from cargosight_training.augmentation.sample import Picture, Sample, as_float

MARGIN = 0.08
"""Share of the box's sides that is cut out around it."""
HIDDEN = 0.3
"""Share of an annotated item that a projected one may cover at most."""


@dataclass(frozen=True)
class Cutout:
    """An annotated item that may be cut out: position of its picture, box in that picture, class."""

    position: int
    box: tuple[float, float, float, float]
    class_id: int


def find_cutouts(boxes: list[FloatArray], class_ids: list[npt.NDArray[np.int64]]) -> list[Cutout]:
    """Items with no part of another annotated box in what would be cut out, by picture position."""
    found = []
    for position, (own, ids) in enumerate(zip(boxes, class_ids, strict=True)):
        reach = np.array([_with_margin(box) for box in own.tolist()], dtype=np.float32).reshape(-1, 4)
        others = iou_matrix(reach, own) > 0.0
        for row in np.flatnonzero(others.sum(axis=1) == 1):  # it meets itself alone
            x1, y1, x2, y2 = (float(v) for v in own[row])
            if min(x2 - x1, y2 - y1) >= 12:
                found.append(Cutout(position, (x1, y1, x2, y2), int(ids[row])))
    return found


def _with_margin(box: Sequence[float]) -> tuple[float, float, float, float]:
    """What is cut out for a box, rounded outwards to whole pixels."""
    x1, y1, x2, y2 = box
    dx, dy = MARGIN * (x2 - x1) + 1.0, MARGIN * (y2 - y1) + 1.0
    return x1 - dx, y1 - dy, x2 + dx, y2 + dy


@dataclass(frozen=True, eq=False)
class Imprint:
    """What an item does to the light behind it.

    Attributes:
        factor: (h, w, 3) float32 in (0, 1], by which it darkens what is behind it; 1 where it is not.
        box: x1, y1, x2, y2 of the item in pixels of ``factor``.
    """

    factor: FloatArray
    box: tuple[float, float, float, float]

    def turned(self, quarters: int, *, mirrored: bool) -> "Imprint":
        """Turned counter-clockwise by quarter turns, then mirrored left to right."""
        factor, (x1, y1, x2, y2) = self.factor, self.box
        for _ in range(quarters):
            width = factor.shape[1]
            factor, (x1, y1, x2, y2) = np.rot90(factor), (y1, width - x2, y2, width - x1)
        if mirrored:
            width = factor.shape[1]
            factor, (x1, x2) = factor[:, ::-1], (width - x2, width - x1)
        return Imprint(np.ascontiguousarray(factor), (x1, y1, x2, y2))

    def resized(self, width: int, height: int) -> "Imprint":
        """Brought to another size in pixels."""
        # What is absorbed is resized, not the factor: weights that sum to 1 but for the last digit would make
        # something of nothing, and a factor of 1 must stay exactly 1.
        absorbed = cv2.resize(1.0 - self.factor, (width, height), interpolation=cv2.INTER_AREA)
        sx, sy = width / self.factor.shape[1], height / self.factor.shape[0]
        x1, y1, x2, y2 = self.box
        factor = (1.0 - absorbed).astype(np.float32, copy=False)
        return Imprint(factor, (x1 * sx, y1 * sy, x2 * sx, y2 * sy))


def attenuation(picture: Picture, box: tuple[float, float, float, float]) -> Imprint | None:
    """What lies in a box of a picture, cut out with a margin.

    The level around the item is taken for its background (median of a frame around the box); where the picture is
    brighter than that the factor is 1. It fades to 1 at the edges, so that no seam is left. None where the frame
    itself is too dark to tell the item from it.
    """
    height, width = picture.shape[:2]
    dx, dy = MARGIN * (box[2] - box[0]), MARGIN * (box[3] - box[1])
    left, top = max(0, int(box[0] - dx)), max(0, int(box[1] - dy))
    right, bottom = min(width, int(np.ceil(box[2] + dx))), min(height, int(np.ceil(box[3] + dy)))
    crop = as_float(picture[top:bottom, left:right])
    if min(crop.shape[:2]) < 8:
        return None
    frame = np.concatenate(
        [
            crop[:2].reshape(-1, 3),
            crop[-2:].reshape(-1, 3),
            crop[:, :2].reshape(-1, 3),
            crop[:, -2:].reshape(-1, 3),
        ]
    )
    level = np.median(frame, axis=0)
    if level.min() < 0.35:
        return None
    factor = np.clip(crop / level, 0.02, 1.0)
    fade = np.outer(_ramp(crop.shape[0], dy), _ramp(crop.shape[1], dx))[:, :, None]
    inside = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
    return Imprint((1.0 - fade * (1.0 - factor)).astype(np.float32), inside)


def project(picture: Picture, factor: FloatArray, left: int, top: int) -> Picture:
    """Multiply a factor (h, w, 3) into a picture, in its own type; a factor of 1 changes nothing."""
    out = picture.copy()
    target = out[top : top + factor.shape[0], left : left + factor.shape[1]]
    if picture.dtype == np.uint8:
        target[:] = np.rint(target * factor).astype(np.uint8)
    else:
        target *= factor
    return out


class ItemProjection:
    """Adds items and decoys to samples.

    Args:
        cutouts: items to project.
        picture: gives the picture at a position.
        boxes: annotated boxes of each picture.
        same_source: for a position, positions of pictures of the same source.
        classes: number of classes.
    """

    def __init__(
        self,
        cutouts: list[Cutout],
        picture: Callable[[int], Picture],
        boxes: list[FloatArray],
        same_source: Callable[[int], npt.NDArray[np.int64]],
        *,
        classes: int,
    ) -> None:
        self._picture, self._boxes, self._same_source = picture, boxes, same_source
        self._by_class = [[c for c in cutouts if c.class_id == k] for k in range(classes)]
        counts = np.array([len(c) for c in self._by_class], dtype=np.float64)
        share = np.sqrt(counts)
        self._share = share / share.sum() if share.sum() else share
        self._classes = classes

    def add_item(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Project one item; its class is labelled within its box from then on. Unchanged where no place is found."""
        if not self._share.any():
            return sample
        class_id = int(rng.choice(self._classes, p=self._share))
        item = self._by_class[class_id][int(rng.integers(len(self._by_class[class_id])))]
        placed = self._project(sample, self._picture(item.position), item.box, rng)
        if placed is None:
            return sample
        picture, box = placed
        mask = np.zeros((1, self._classes), dtype=np.bool_)
        mask[0, class_id] = True
        regions = LabelledRegions(
            np.concatenate([sample.regions.boxes, box[None]]),
            np.concatenate([sample.regions.masks, mask]),
            sample.regions.unknown,
        )
        return Sample(
            picture,
            np.concatenate([sample.boxes, box[None]]),
            np.append(sample.class_ids, np.int64(class_id)),
            regions,
        )

    def add_decoy(self, sample: Sample, position: int, rng: np.random.Generator) -> Sample:
        """Project a piece of a bag of the same source that holds no annotated item, by the same code, unlabelled.

        Whatever an item's projection leaves behind, seams and doubled texture, a decoy leaves too, so that it is no
        sign of an item.
        """
        other = int(rng.choice(self._same_source(position)))
        source = self._picture(other)
        height, width = source.shape[:2]
        w, h = (float(rng.uniform(0.08, 0.3) * side) for side in (width, height))
        x, y = float(rng.uniform(0, width - w)), float(rng.uniform(0, height - h))
        reach = np.array([_with_margin((x, y, x + w, y + h))], dtype=np.float32)
        if iou_matrix(reach, self._boxes[other]).any():
            return sample
        placed = self._project(sample, source, (x, y, x + w, y + h), rng)
        return sample if placed is None else Sample(placed[0], sample.boxes, sample.class_ids, sample.regions)

    def _project(
        self,
        sample: Sample,
        source: Picture,
        box: tuple[float, float, float, float],
        rng: np.random.Generator,
    ) -> tuple[Picture, npt.NDArray[np.float32]] | None:
        imprint = attenuation(source, box)
        if imprint is None:
            return None
        imprint = imprint.turned(int(rng.integers(4)), mirrored=bool(rng.random() < 0.5))
        scale = float(np.exp(rng.uniform(-0.3, 0.3)))
        width, height = sample.size
        rows, columns = imprint.factor.shape[:2]
        scale = min(scale, 0.8 * width / columns, 0.8 * height / rows)
        w, h = max(4, round(columns * scale)), max(4, round(rows * scale))
        if w > width or h > height:
            return None
        imprint = imprint.resized(w, h)
        for _ in range(6):
            left, top = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
            behind = float(as_float(sample.picture[top : top + h : 4, left : left + w : 4]).mean())
            window = (left, top, left + w, top + h)
            # Neither behind something opaque, nor on the empty belt, nor over an item that keeps its label.
            if 0.3 < behind < 0.97 and not _hides_one(window, sample.boxes):
                break
        else:
            return None
        placed = np.array(imprint.box, dtype=np.float32) + np.array([left, top, left, top], dtype=np.float32)
        factor = imprint.factor
        if _is_grey(sample.picture):  # colour in a grey scan would be a sure sign of an item
            factor = np.repeat(factor.mean(axis=2, keepdims=True), 3, axis=2)
        return project(sample.picture, factor, left, top), placed


def _hides_one(window: tuple[int, int, int, int], boxes: FloatArray) -> bool:
    """Whether a window covers more than HIDDEN of one of the boxes (N, 4)."""
    low = np.maximum(boxes[:, :2], window[:2])
    high = np.minimum(boxes[:, 2:], window[2:])
    covered = np.clip(high - low, 0.0, None).prod(axis=1)
    return bool((covered > HIDDEN * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)).any())


def _is_grey(picture: Picture) -> bool:
    """Whether the channels of a picture are equal, but for the rounding of a lossy file."""
    sparse = as_float(picture[::4, ::4])
    return bool((sparse.max(axis=2) - sparse.min(axis=2)).max() <= 4.0 / 255.0)


def _ramp(length: int, margin: float) -> npt.NDArray[np.float64]:
    """0 at both ends, 1 from ``margin`` (2 at least) pixels inwards."""
    distance = np.minimum(np.arange(length), np.arange(length)[::-1])
    ramp: npt.NDArray[np.float64] = np.clip(distance / max(margin, 2.0), 0.0, 1.0)
    return ramp
