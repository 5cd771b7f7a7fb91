"""Random thickness maps over a whole canvas: crumpled cloth, creases, grain."""

import cv2
import numpy as np

from cargosight_training.simulation.canvas import Plane

Rng = np.random.Generator


def smooth_noise(rng: Rng, height: int, width: int, cell: float, *, stretch: float = 1.0) -> Plane:
    """Return smooth noise (height, width), mean 0, deviation about 0.7, features about `cell` pixels large.

    `stretch` makes them longer along x.
    """
    rows = max(int(height / cell), 1) + 3
    columns = max(int(width / (cell * stretch)), 1) + 3
    knots = rng.standard_normal((rows, columns), dtype=np.float32)
    size = (int(columns * cell * stretch) + 1, int(rows * cell) + 1)
    plane: Plane = np.asarray(cv2.resize(knots, size, interpolation=cv2.INTER_CUBIC), np.float32)
    return np.ascontiguousarray(plane[:height, :width])


def cloth(rng: Rng, height: int, width: int, scale: float) -> Plane:
    """Return crumpled cloth (height, width): thickness relative to its mean, with creases and folded edges.

    A crease is where a smooth field passes zero, so that creases are long thin curves, as seams and hems are.

    Args:
        rng: source of randomness.
        height: rows.
        width: columns.
        scale: pixels per millimetre.
    """
    # Half the resolution is finer than a crease, at a quarter of the cost.
    rows, columns, scale = (height + 1) // 2, (width + 1) // 2, scale / 2
    slow = smooth_noise(rng, rows, columns, 70 * scale)
    layer = smooth_noise(rng, rows, columns, 40 * scale, stretch=1.5)
    fine = smooth_noise(rng, rows, columns, 13 * scale)
    grain = smooth_noise(rng, rows, columns, 4 * scale)
    plane = np.float32(1.0) + np.float32(0.25) * slow + np.float32(0.15) * fine + np.float32(0.12) * grain
    # A second layer of cloth begins where the field passes zero.
    plane += np.clip(layer * np.float32(12.0), np.float32(0.0), np.float32(0.45))
    creases = (
        (layer + np.float32(0.25) * fine, 22.0, 1.4),
        (slow + np.float32(0.22) * layer - np.float32(0.3), 30.0, 1.3),
        (slow - np.float32(0.3) * layer + np.float32(0.4), 33.0, 1.2),
        (fine + np.float32(0.6) * layer + np.float32(0.9), 10.0, 0.6),
    )
    for field, sharp, weight in creases:
        # A bell around zero, made of products since exp would be a fifth of the whole bag's time.
        bell = np.square(field * np.float32(sharp)) + np.float32(1.0)
        plane += np.float32(weight) / np.square(bell)
    full = cv2.resize(
        np.maximum(plane, np.float32(0.08)), (2 * columns, 2 * rows), interpolation=cv2.INTER_LINEAR
    )
    return np.ascontiguousarray(np.asarray(full, np.float32)[:height, :width])


def grains(rng: Rng, height: int, width: int, cell: float) -> Plane:
    """Return a heap of grains (height, width), mean about 1: rice, nuts, sweets."""
    noise = smooth_noise(rng, height, width, cell)
    heap: Plane = np.clip(np.float32(1.0) + np.float32(0.6) * np.abs(noise) - np.float32(0.3), 0.1, 3.0)
    return heap
