"""How hard the beam is behind cargo whose material nobody says.

What an object takes from a beam depends on which photons the cargo before it has left, and at megavolts wood leaves
harder ones than as opaque a load of steel does. A signal alone gives a thickness only of a given material. Two
energies tell more: the ratio of the two ln T is greater behind organic cargo than behind steel, and places the
background on a line of mixtures from iron to polyethylene, called its kind, 0 to 1. Where the ratio tells nothing, or
the scan has one energy, the kind is `UNTOLD`.

Lead is taken for iron. Its ratio lies below iron's by as little as scatter and the edges of steel bring that down:
steel coils simulated with scatter at 6 and 4 MV would be read as lead in most places that less than 0.7 % passes.
"""

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.attenuation import IRON, POLYETHYLENE, Material
from cargosight_inference.scans.beams import Beam, Plane

UNTOLD = 0.4
"""Kind of a background that is not told.

With it a signal behind steel comes out as much too high as one behind polyethylene too low: by 7.4 and 7.6 % at most,
for 60 g/cm2 behind 0 to 300 mm of steel or as much polyethylene as is as opaque, at 4, 6 and 9 MV.
"""

_DEEPEST = 12.0  # -ln T, a count in 160,000
_DEPTH_STEPS = 1200
_KIND_STEPS = 17
_MOST_LOAD = 1000.0  # g/cm2, beyond what any beam tells from nothing
_LOAD_STEPS = 1000

_BLOCK = 4  # pixels of a side that are averaged before a logarithm is taken
_WINDOW = 7  # blocks of a side over which ratios are averaged; one pixel's is all noise
_THIN = (0.5, 1.0)  # -ln T; below the first, an air level a little wrong moves ratios from steel to wood
_DARK = (0.004, 0.008)  # transmission of the softer beam; below the first, scatter and dark level fill it in
_FIRM = 0.03  # weight of `UNTOLD` beside a full window's 1
_LEAST_GAP = 0.01  # between the two ratios, for anything to be told


def kinds(signal: npt.NDArray[np.float32], beams: tuple[Beam, ...]) -> Plane:
    """Return the kind in [0, 1] of the background at each pixel (h, w), even over some thirty pixels.

    Args:
        signal: transmission (h, w, C), C one or two.
        beams: of the C channels.
    """
    height, width = signal.shape[:2]
    if len(beams) != 2:
        return np.full((height, width), UNTOLD, dtype=np.float32)
    size = (max(1, round(width / _BLOCK)), max(1, round(height / _BLOCK)))
    hard, soft = sorted(range(2), key=lambda channel: -beams[channel].megavolts)
    bright, dim = (
        _plane(cv2.resize(np.ascontiguousarray(signal[:, :, channel]), size, interpolation=cv2.INTER_AREA))
        for channel in (hard, soft)
    )
    first, second = _depth(bright), _depth(dim)
    weight = _ramp(first, _THIN) * _ramp(dim, _DARK)
    window = (_WINDOW, _WINDOW)
    total, upper, lower = (
        _plane(cv2.blur(plane, window)) for plane in (weight, weight * second, weight * first)
    )
    ratio, depth = upper / np.maximum(lower, 1e-6), lower / np.maximum(total, 1e-6)
    told = _kind(_plane(ratio), _plane(depth), beams[hard], beams[soft])
    found = (total * told + np.float32(_FIRM * UNTOLD)) / (total + np.float32(_FIRM))
    return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def background(beam: Beam, signal: Plane, kind: Plane) -> dict[Material, Plane]:
    """Return g/cm2 of the mixture of a kind that leaves `signal` (in [0, 1]) of the beam; none from 1 on.

    Args:
        beam: of the signal.
        signal: any shape.
        kind: in [0, 1], of the same shape: the share by mass of polyethylene in iron.
    """
    table = _loads(beam)
    place = _depth(signal) * np.float32((_DEPTH_STEPS - 1) / _DEEPEST)
    column = np.minimum(place.astype(np.intp), _DEPTH_STEPS - 2)
    step = kind * np.float32(_KIND_STEPS - 1)
    row = np.minimum(step.astype(np.intp), _KIND_STEPS - 2)
    along, across = place - column.astype(np.float32), step - row.astype(np.float32)
    cell = row * _DEPTH_STEPS + column
    near = table.take(cell) * (1 - along) + table.take(cell + 1) * along
    cell += _DEPTH_STEPS
    far = table.take(cell) * (1 - along) + table.take(cell + 1) * along
    load: Plane = near + (far - near) * across
    return {IRON: load * (1 - kind), POLYETHYLENE: load * kind}


def _plane(values: npt.ArrayLike) -> Plane:
    return np.asarray(values, dtype=np.float32)


def _depth(signal: Plane) -> Plane:
    found: Plane = -np.log(np.clip(signal, np.float32(np.exp(-_DEEPEST)), np.float32(1.0)))
    return found


def _ramp(values: Plane, ends: tuple[float, float]) -> Plane:
    return _plane(np.clip((values - np.float32(ends[0])) / np.float32(ends[1] - ends[0]), 0.0, 1.0))


def _kind(ratio: Plane, depth: Plane, hard: Beam, soft: Beam) -> Plane:
    """Return the kind that a ratio ln T(soft) / ln T(hard) stands for at a depth -ln T(hard)."""
    depths, iron, organic = _ratios(hard, soft)
    low, high = (np.interp(depth, depths, curve).astype(np.float32) for curve in (iron, organic))
    gap = high - low
    found = np.clip((ratio - low) / np.maximum(gap, np.float32(_LEAST_GAP)), 0.0, 1.0)
    return _plane(np.where(gap < _LEAST_GAP, np.float32(UNTOLD), found))


@lru_cache(maxsize=16)
def _ratios(hard: Beam, soft: Beam) -> tuple[npt.NDArray[np.float64], ...]:
    """Return depths of the harder beam and the ratios of iron and of polyethylene there."""
    loads = np.linspace(0.0, _MOST_LOAD, _LOAD_STEPS)[1:]
    depths = np.linspace(0.05, _DEEPEST, 240)
    curves = []
    for kind in (0.0, 1.0):
        first, second = (_depths(beam, kind, loads) for beam in (hard, soft))
        curves.append(np.interp(depths, first, second / first))
    return depths, *curves


@lru_cache(maxsize=16)
def _loads(beam: Beam) -> Plane:
    """Return the g/cm2 that leave exp(-d) of a beam, (kinds, d) in even steps of 0 to 1 and 0 to `_DEEPEST`, flat."""
    loads = np.linspace(0.0, _MOST_LOAD, _LOAD_STEPS)
    depths = np.linspace(0.0, _DEEPEST, _DEPTH_STEPS)
    rows = [
        np.interp(depths, _depths(beam, kind, loads), loads)
        for kind in np.linspace(0.0, 1.0, _KIND_STEPS).tolist()
    ]
    return np.concatenate(rows).astype(np.float32)


def _depths(beam: Beam, kind: float, loads: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return -ln T of a beam behind loads (g/cm2) of the mixture of a kind."""
    mixed = (1.0 - kind) * beam.attenuation(IRON) + kind * beam.attenuation(POLYETHYLENE)
    found: npt.NDArray[np.float64] = -np.log(np.exp(-np.outer(loads, mixed)) @ beam.weights)
    return found
