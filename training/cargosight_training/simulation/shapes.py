"""Outlines and paths in millimetres: float64 arrays (N, 2) of x, y, each centred near the origin."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
_CORNERS = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])


def moved(points: Points, x: float, y: float, angle: float = 0.0) -> Points:
    """Return `points` turned by `angle` (radians, x towards y) and then shifted by (x, y)."""
    cos, sin = np.cos(angle), np.sin(angle)
    turned: Points = points @ np.array([[cos, sin], [-sin, cos]]) + np.array((x, y))
    return turned


def rectangle(width: float, height: float, x: float = 0.0, y: float = 0.0) -> Points:
    """Return the four corners of a rectangle centred at (x, y)."""
    half = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) * (width / 2, height / 2)
    outline: Points = half + np.array((x, y))
    return outline


def arc(
    radius: float, start: float, stop: float, count: int = 16, *, x: float = 0.0, y: float = 0.0
) -> Points:
    """Return `count` points on a circle around (x, y) from angle `start` to `stop` in radians."""
    angles = np.linspace(start, stop, count)
    return np.column_stack([x + radius * np.cos(angles), y + radius * np.sin(angles)])


def ellipse(width: float, height: float, count: int = 28, x: float = 0.0, y: float = 0.0) -> Points:
    """Return an ellipse of the given full axes, centred at (x, y)."""
    angles = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    return np.column_stack([x + width / 2 * np.cos(angles), y + height / 2 * np.sin(angles)])


def rounded(
    width: float, height: float, radius: float, *, x: float = 0.0, y: float = 0.0, count: int = 6
) -> Points:
    """Return a rectangle with round corners of `radius`, cut to half the shorter side, centred at (x, y)."""
    radius = min(radius, width / 2, height / 2)
    centres = np.repeat(_CORNERS * (width / 2 - radius, height / 2 - radius), count, axis=0)
    outline: Points = radius * _unit_circle(count) + centres + np.array((x, y))
    return outline


@lru_cache(maxsize=8)
def _unit_circle(count: int) -> Points:
    """Return a unit circle in four quarters of `count` points each, both ends of each included."""
    quarter = np.linspace(0.0, np.pi / 2, count)
    angles = (np.arange(4)[:, None] * np.pi / 2 + quarter).ravel()
    return np.column_stack([np.cos(angles), np.sin(angles)])


def smooth(points: Points | Sequence[tuple[float, float]], *, closed: bool, rounds: int = 2) -> Points:
    """Return `points` with their corners cut `rounds` times (Chaikin's scheme); each doubles their number."""
    path: Points = np.asarray(points, dtype=np.float64)
    for _ in range(rounds):
        following = np.roll(path, -1, axis=0) if closed else path[1:]
        first = path if closed else path[:-1]
        cut = np.empty((2 * len(first), 2))
        cut[0::2] = 0.75 * first + 0.25 * following
        cut[1::2] = 0.25 * first + 0.75 * following
        path = cut if closed else np.concatenate([path[:1], cut, path[-1:]])
    return path


def blob(
    rng: np.random.Generator, width: float, height: float, *, rough: float = 0.2, count: int = 9
) -> Points:
    """Return a smooth irregular closed outline about `width` x `height`; `rough` is the relative wobble."""
    angles = np.linspace(0.0, 2 * np.pi, count, endpoint=False) + rng.uniform(-0.25, 0.25, count)
    radii = 1.0 + rng.uniform(-rough, rough, count)
    return smooth(
        np.column_stack([width / 2 * np.cos(angles), height / 2 * np.sin(angles)]) * radii[:, None],
        closed=True,
        rounds=3,
    )


def wobbly(rng: np.random.Generator, outline: Points, amount: float) -> Points:
    """Return a closed outline whose points are pushed in and out by about `amount` mm, as of soft walls."""
    angles = np.linspace(0.0, 2 * np.pi, len(outline), endpoint=False)
    waves = sum(rng.normal(0.0, 1.0 / k) * np.cos(k * angles + rng.uniform(0.0, 6.3)) for k in range(2, 9))
    radius = np.maximum(np.hypot(*outline.T), 1e-6)
    pushed: Points = outline * (1.0 + amount * waves / radius)[:, None]
    return pushed


def profile(stations: Sequence[tuple[float, float]], *, rounds: int = 0) -> Points:
    """Return the outline of a body of revolution along x from (x, radius) stations, smoothed if asked."""
    side = smooth(np.asarray(stations, dtype=np.float64), closed=False, rounds=rounds)
    return np.concatenate([side, side[::-1] * (1.0, -1.0)])


def strip(path: Points, width: float | Points) -> Points:
    """Return the outline of a band of `width` (one number, or one for each point) along an open path."""
    along = np.gradient(path, axis=0)
    normal = np.column_stack([-along[:, 1], along[:, 0]]) / np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    half = np.broadcast_to(np.asarray(width, dtype=np.float64) / 2, len(path))[:, None]
    return np.concatenate([path + normal * half, (path - normal * half)[::-1]])


def wander(
    rng: np.random.Generator, start: tuple[float, float], *, step: float, count: int, bend: float
) -> Points:
    """Return a smooth walk of `count` steps of `step` mm whose heading turns by about `bend` rad a step."""
    turn = rng.normal(0.0, bend, count)
    heading = rng.uniform(0.0, 2 * np.pi) + np.cumsum(0.6 * turn + 0.4 * np.roll(turn, 1))
    steps = np.column_stack([np.cos(heading), np.sin(heading)]) * step
    return smooth(np.vstack([start, start + np.cumsum(steps, axis=0)]), closed=False)


def coil(rng: np.random.Generator, radius: float, turns: float, *, jitter: float = 0.15) -> Points:
    """Return a loosely wound cable: `turns` loops of about `radius` mm, a little displaced."""
    angles = np.linspace(0.0, 2 * np.pi * turns, max(int(turns * 14), 8)) + rng.uniform(0.0, 6.3)
    knots = int(turns) + 2
    drift = np.interp(angles, np.linspace(angles[0], angles[-1], knots), rng.normal(0.0, jitter, knots))
    squeeze = rng.uniform(0.45, 1.0)
    radii = radius * (1.0 + drift)
    path = np.column_stack([radii * np.cos(angles), squeeze * radii * np.sin(angles)])
    shift = np.column_stack(
        [
            np.interp(
                angles, np.linspace(angles[0], angles[-1], knots), rng.normal(0.0, jitter * radius, knots)
            )
            for _ in range(2)
        ]
    )
    outline: Points = path + shift
    return outline


def dashes(path: Points, period: float, fraction: float) -> list[Points]:
    """Return straight pieces that cover `fraction` of each `period` mm along a path: the teeth of a zip."""
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    starts = np.arange(0.0, lengths[-1], period)
    ends = starts + period * fraction
    pieces = [
        np.column_stack([np.interp(at, lengths, path[:, i]) for i in range(2)]) for at in (starts, ends)
    ]
    return [np.vstack(pair) for pair in zip(*pieces, strict=True)]
