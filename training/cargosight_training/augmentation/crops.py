"""From a position in a data set of radiographs to one training sample: a crop at the scan's own scale.

A container scan is far larger than what a network can be trained on at once, and it is inspected in tiles, so that
crops are what the network meets in use.
"""

from dataclasses import replace

import cv2
import numpy as np

from cargosight_models.geometry import Affine, FloatArray, IndexArray, clip_boxes
from cargosight_training.augmentation.sample import Picture, Sample, warp, whole, with_picture
from cargosight_training.augmentation.threats import ThreatInsertion
from cargosight_training.config import AugmentConfig
from cargosight_training.datasets.cache import PictureCache
from cargosight_training.datasets.records import ImageRecord

_AROUND_AN_ITEM = 0.5
"""Share of the crops of a scan with annotated items that show one of them."""


class CropRecipe:
    """Makes varied crops; each is a pure function of the position and the random generator given.

    Args:
        records: the scans.
        cache: their pictures at their own scale, as radiographs.
        settings: probabilities and ranges.
        insertion: what is projected into the crops, None for nothing.
    """

    def __init__(
        self,
        records: tuple[ImageRecord, ...],
        cache: PictureCache,
        settings: AugmentConfig,
        insertion: ThreatInsertion | None,
    ) -> None:
        self._records, self._cache = records, cache
        self._settings, self._insertion = settings, insertion

    def make(
        self, position: int, others: list[int], size: int, rng: np.random.Generator, *, strength: float
    ) -> Sample:
        """One sample of ``size`` × ``size`` pixels.

        Args:
            position: the scan to show.
            others: not used; a mosaic has no meaning at a scan's own scale.
            size: side of the square in pixels.
            rng: source of chance; the sample depends on nothing else.
            strength: in [0, 1], scales the probabilities of changes of look.
        """
        settings = self._settings
        low, high = settings.scale
        scale = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        sample = _warped(self._cut(position, size / scale, rng), size, scale, rng, settings)
        picture = sample.picture
        if not float(picture[:, :, 2].max()) > 0.5 and rng.random() < settings.grey:
            picture = picture.copy()
            picture[:, :, 1], picture[:, :, 2] = picture[:, :, 0], 1.0  # the scanner has one energy
            sample = with_picture(sample, picture)
        if self._insertion is not None:
            sample = self._insertion.insert(sample, rng)
        return with_picture(sample, _look(sample.picture, rng, settings, strength))

    def _cut(self, position: int, side: float, rng: np.random.Generator) -> Sample:
        """A window of ``side`` pixels of a scan, or the whole of it where that is smaller."""
        record = self._records[position]
        boxes = self._cache.boxes(position)
        width, height = self._cache.size(position)
        across, down = min(width, int(np.ceil(side))), min(height, int(np.ceil(side)))
        left, top = int(rng.integers(width - across + 1)), int(rng.integers(height - down + 1))
        if len(boxes) and rng.random() < _AROUND_AN_ITEM:
            x1, y1, x2, y2 = boxes[int(rng.integers(len(boxes)))].tolist()
            left = _around((x1 + x2) / 2, across, width, rng)
            top = _around((y1 + y2) / 2, down, height, rng)
        picture = self._cache.window(position, left, top, across, down)
        moved = boxes - np.array([left, top, left, top], dtype=np.float32)
        shown, ids, cut = _visible(moved, record.annotations.class_ids, across, down)
        regions = whole(picture, shown, ids, record.labelled).regions
        return Sample(picture, shown, ids, replace(regions, unknown=cut))


def _visible(
    boxes: FloatArray, class_ids: IndexArray, width: int, height: int
) -> tuple[FloatArray, IndexArray, FloatArray]:
    """Boxes of which half or more lies in the window, their classes, and the rests of the others."""
    clipped = clip_boxes(boxes, width, height)
    area = (clipped[:, 2:] - clipped[:, :2]).prod(axis=1)
    whole_area = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-6)
    kept = area >= 0.5 * whole_area
    return clipped[kept], class_ids[kept], clipped[~kept & (area > 0.0)]


def _around(middle: float, window: int, length: int, rng: np.random.Generator) -> int:
    start = middle - window * rng.uniform(0.25, 0.75)
    return int(np.clip(round(start), 0, length - window))


def _warped(
    sample: Sample, size: int, scale: float, rng: np.random.Generator, settings: AugmentConfig
) -> Sample:
    """Flip, scale and place a window on a square; what it does not cover is air."""
    width, height = sample.size
    across, down = (-1.0 if rng.random() < settings.flip else 1.0 for _ in range(2))
    shown = (width * scale, height * scale)
    free = [max(size - side, 0.0) for side in shown]
    middle = [min(side, size) / 2 + room * rng.random() for side, room in zip(shown, free, strict=True)]
    to_canvas = (
        Affine.translation(-width / 2, -height / 2)
        .then(Affine.scaling(across * scale, down * scale))
        .then(Affine.translation(*middle))
    )
    return warp(sample, to_canvas, size, size)


def _look(picture: Picture, rng: np.random.Generator, settings: AugmentConfig, strength: float) -> Picture:
    """Change how a radiograph was taken and shown: tone of a vendor's grey, noise, blur, uneven rows, 8 bits."""

    def happens(probability: float) -> bool:
        return bool(rng.random() < probability * strength)

    energies = picture[:, :, :2]
    single = bool(picture[0, 0, 2] > 0.5)
    if single and happens(settings.look):
        energies = energies ** np.float32(np.exp(rng.uniform(-0.5, 0.5)))
        low, high = rng.uniform(0.0, 0.08), rng.uniform(0.85, 1.0)
        energies = energies * np.float32(high - low) + np.float32(low)
    if happens(settings.quality):
        energies = np.asarray(cv2.GaussianBlur(energies, (0, 0), float(rng.uniform(0.3, 1.2))), np.float32)
    if happens(settings.quality):
        spread = np.float32(np.exp(rng.uniform(np.log(0.002), np.log(0.03))))
        noise = rng.standard_normal(energies.shape, dtype=np.float32)
        energies = energies + noise * spread * np.sqrt(np.maximum(energies, np.float32(0.01)))
    if happens(settings.quality):
        rows = rng.standard_normal((energies.shape[0], 1, 1), dtype=np.float32)
        energies = energies * (np.float32(1.0) + np.float32(rng.uniform(0.002, 0.02)) * rows)
    if single and happens(0.5):
        energies = np.round(energies * np.float32(255.0)) / np.float32(255.0)
    if single:
        energies = np.repeat(energies[:, :, :1], 2, axis=2)
    return np.dstack([np.clip(energies, 0.0, 1.0), picture[:, :, 2]]).astype(np.float32)
