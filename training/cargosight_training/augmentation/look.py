"""Colour rendering and image quality: what differs between scanner models and between archives.

Every operation works on uint8 and on float32 pictures alike, but for those of image quality, which are faults of 8-bit
files and are left out for 16-bit scans.
"""

import logging
import os
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_models.geometry import FloatArray
from cargosight_training.augmentation.sample import Picture, as_float
from cargosight_training.config import AugmentConfig

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # no look for newer versions at import

import albumentations

logging.getLogger("albumentations").setLevel(logging.ERROR)


class LookVariation:
    """Changes how a picture is rendered.

    Args:
        settings: probabilities.
        strength: scales them all, for a curriculum.
    """

    def __init__(self, settings: AugmentConfig, *, strength: float = 1.0) -> None:
        self._settings, self._strength = settings, strength
        self._quality = albumentations.Compose(
            [
                albumentations.OneOf(
                    [
                        albumentations.ImageCompression(quality_range=(30, 85)),
                        albumentations.GaussianBlur(blur_limit=(3, 5)),
                        albumentations.Sharpen(alpha=(0.2, 0.6)),
                        albumentations.GaussNoise(std_range=(0.01, 0.05)),
                        albumentations.Downscale(scale_range=(0.5, 0.9)),
                    ],
                    p=1.0,
                )
            ]
        )

    def vary(self, picture: Picture, rng: np.random.Generator, boxes: FloatArray) -> Picture:
        """Return a changed picture of the same shape and type, in which the items in ``boxes`` (N, 4) still show."""
        settings = self._settings

        def happens(probability: float) -> bool:
            return bool(rng.random() < probability * self._strength)

        if happens(settings.look):
            picture = _mix_colours(picture, rng)
            picture = _bend(picture, rng)
        if happens(settings.grey):
            picture = _grey(picture, rng)
        if happens(settings.background):
            picture = _tint_air(picture, rng)
        # Pictures of a few rows have no quality to lose, and lowering their resolution would leave no row.
        if happens(settings.quality) and picture.dtype == np.uint8 and min(picture.shape[:2]) >= 8:
            self._quality.set_random_seed(int(rng.integers(2**31)))
            picture = self._quality(image=picture)["image"]
        if happens(settings.border):
            picture = _border(picture, rng, boxes)
        return picture


def curve(picture: Picture, table: npt.NDArray[np.float64]) -> Picture:
    """Apply tone curves (256,) or (256, 3), values in [0, 1], to each channel."""
    if picture.dtype == np.uint8:
        levels = np.clip(np.rint(table * 255.0), 0, 255).astype(np.uint8)
        lut = levels if levels.ndim == 1 else levels.reshape(1, 256, 3)
        return cv2.LUT(picture, lut)
    grid = np.linspace(0.0, 1.0, 256)
    if table.ndim == 1:
        return np.interp(picture, grid, table).astype(np.float32)
    channels = [np.interp(picture[..., c], grid, table[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _mix_colours(picture: Picture, rng: np.random.Generator) -> Picture:
    """Mix the absorbed parts (air minus value) of the channels: hue and saturation change, air stays air."""
    mix = np.eye(3) + rng.uniform(-0.3, 0.3, (3, 3)) * rng.uniform(0.0, 1.0)
    if rng.random() < 0.1:
        mix = mix[:, rng.permutation(3)]
    mix /= np.maximum(mix.sum(axis=1, keepdims=True), 0.3)
    # out = air - mix @ (air - in) = mix @ in + air * (1 - row sums); the sums are 1, but for the one mix in a thousand
    # whose sum was under 0.3 and would have made colours explode.
    air = 1.0 if picture.dtype == np.float32 else 255.0
    return _matrix(picture, np.column_stack([mix, air * (1.0 - mix.sum(axis=1))]))


def _matrix(picture: Picture, mix: npt.NDArray[Any]) -> Picture:
    out = cv2.transform(picture, mix.astype(np.float32))
    return np.clip(out, 0.0, 1.0) if picture.dtype == np.float32 else out


def _bend(picture: Picture, rng: np.random.Generator) -> Picture:
    """A tone curve for each channel: thickness to brightness differs between scanners."""
    x = np.linspace(0.0, 1.0, 256)
    common = np.exp(rng.normal(0.0, 0.3))
    gammas = common * np.exp(rng.normal(0.0, 0.08, 3))
    low = max(0.0, rng.normal(0.0, 0.06))
    return curve(picture, np.clip(low + (1.0 - low) * x[:, None] ** gammas[None, :], 0.0, 1.0))


def _grey(picture: Picture, rng: np.random.Generator) -> Picture:
    """One grey channel from a random mix, then a contrast of its own."""
    weights = rng.dirichlet((2.0, 3.0, 2.0))
    grey = _matrix(picture, np.tile(weights, (3, 1)))
    x = np.linspace(0.0, 1.0, 256)
    black = rng.uniform(0.0, 0.25)
    return curve(grey, np.clip((x - black) / (1.0 - black), 0.0, 1.0) ** np.exp(rng.normal(0.0, 0.3)))


def _tint_air(picture: Picture, rng: np.random.Generator) -> Picture:
    """Give the air another colour, or bring a tinted one back to white."""
    x = np.linspace(0.0, 1.0, 256)
    if rng.random() < 0.35:
        air = np.percentile(as_float(picture[::4, ::4]).reshape(-1, 3), 97, axis=0)
        table = np.clip(x[:, None] / np.maximum(air, 0.3)[None, :], 0.0, 1.0)
    else:
        level = rng.uniform(0.75, 1.0)
        table = x[:, None] * np.clip(level + rng.uniform(-0.05, 0.05, 3), 0.0, 1.0)[None, :]
    return curve(picture, table)


def _border(picture: Picture, rng: np.random.Generator, boxes: FloatArray) -> Picture:
    """Bars of one grey at some edges, as screen captures and stitched archives have them, over no item in ``boxes``."""
    full = 1.0 if picture.dtype == np.float32 else 255
    value = rng.choice((0.0, 0.0, 1.0, rng.uniform())) * full
    picture = picture.copy()
    height, width = picture.shape[:2]
    free = [height, height, width, width]
    if len(boxes):
        (left, top), (right, bottom) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        free = [max(0, int(side)) for side in (top, height - bottom, left, width - right)]
    for edge in np.flatnonzero(rng.random(4) < 0.4).tolist():
        side = height if edge < 2 else width
        bar = min(int(rng.uniform(0.005, 0.06) * side), free[edge])
        if edge == 0:
            picture[:bar] = value
        elif edge == 1:
            picture[height - bar :] = value
        elif edge == 2:
            picture[:, :bar] = value
        else:
            picture[:, width - bar :] = value
    return picture
