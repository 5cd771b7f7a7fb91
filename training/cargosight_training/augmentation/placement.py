"""Geometry of training samples: flips, turns, scale, position, and mosaics of four."""

from collections.abc import Callable

import numpy as np

from cargosight_models.geometry import Affine
from cargosight_training.augmentation.sample import Sample, paste, warp
from cargosight_training.config import AugmentConfig


def place(
    sample: Sample, width: int, height: int, rng: np.random.Generator, settings: AugmentConfig, *, zoom: float
) -> Sample:
    """Flip, turn, scale and move a sample onto a canvas.

    Args:
        sample: any size.
        width: of the canvas in pixels.
        height: of the canvas in pixels.
        rng: source of chance.
        settings: probabilities and ranges.
        zoom: scale relative to the one at which the whole sample just fits the canvas.
    """
    source_width, source_height = sample.size
    turns = int(rng.integers(1, 4)) if rng.random() < settings.quarter_turn else 0
    angle = rng.uniform(-settings.angle, settings.angle) if rng.random() < 0.3 else 0.0
    flips = [-1.0 if rng.random() < settings.flip else 1.0 for _ in range(2)]
    upright = (source_height, source_width) if turns % 2 else (source_width, source_height)
    scale = zoom * min(width / upright[0], height / upright[1])
    # Little wider or narrower: scanners differ in belt speed.
    stretch = np.exp(rng.uniform(-0.12, 0.12))
    linear = (
        Affine.translation(-source_width / 2, -source_height / 2)
        .then(Affine.scaling(flips[0], flips[1]))
        .then(_rotation(90.0 * turns + angle))
        .then(Affine.scaling(scale * stretch, scale / stretch))
    )
    # A sample larger than the canvas slides until its edge meets the canvas's, a smaller one stays inside it; corners
    # that a small angle lifts out are not counted.
    shown = (upright[0] * scale * stretch, upright[1] * scale / stretch)
    room = [abs(c - s) / 2 for c, s in zip((width, height), shown, strict=True)]
    shift = Affine.translation(
        width / 2 + rng.uniform(-room[0], room[0]), height / 2 + rng.uniform(-room[1], room[1])
    )
    return warp(sample, linear.then(shift), width, height)


def mosaic(
    draw: Callable[[], Sample], size: int, rng: np.random.Generator, settings: AugmentConfig
) -> Sample:
    """Four samples around a random centre, each with the label mask of its own source."""
    cx, cy = (round(size * rng.uniform(0.35, 0.65)) for _ in range(2))
    corners = [(0, 0, cx, cy), (cx, 0, size, cy), (0, cy, cx, size), (cx, cy, size, size)]
    tiles = []
    for left, top, right, bottom in corners:
        zoom = rng.uniform(1.0, 2.0)
        tile = place(draw(), right - left, bottom - top, rng, settings, zoom=zoom)
        tiles.append((tile, left, top))
    return paste(tiles, size, size)


def _rotation(degrees: float) -> Affine:
    if degrees % 90.0 == 0.0:  # exact, so that quarter turns move no box by a rounding error
        cos, sin = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(degrees // 90) % 4]
    else:
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return Affine(np.array([[cos, -sin, 0.0], [sin, cos, 0.0]]))
