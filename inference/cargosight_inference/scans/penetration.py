"""What the beam did not get through: the parts of a radiograph in which nothing can be told from nothing.

In transmission a pixel's count is compared with the scan's own noise: with N counts in air the relative noise in air
is 1 / sqrt(N), and a mean below three counts, or one that its own scatter drowns, is no measurement. Tone-mapped grey
has no counts: there, opaque is where black is reached and all texture is gone.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.container import Container
from cargosight_inference.scans.radiograph import Radiograph

Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_WINDOW = 9  # pixels, side of the neighbourhood that is averaged
_COUNTS = 3.0
_LEAST_SIGNAL = 1.5  # mean over standard deviation in the window
_DEEP = 0.02  # transmission above which scatter is texture of the goods, never noise
_FLOORS = (5e-4, 0.01)  # between which the floor must lie, whatever the noise says
_BLACK = 0.06  # grey of the deepest level above which a scan shows nothing black
_BLACK_STEPS = 3.0 / 255.0  # above the deepest level
_TEXTURE = 2.5 / 255.0  # standard deviation in the window
_SAMPLED = 400  # about half as many rows or columns are looked at for the deepest level
_LEAST_PIXELS = 100
_MOST_REGIONS = 50


@dataclass(frozen=True)
class OpaqueRegion:
    """A connected opaque part.

    Attributes:
        box: x1, y1, x2, y2 in scan pixels.
        pixels: how many of its box are opaque.
    """

    box: tuple[float, float, float, float]
    pixels: int


@dataclass(frozen=True, eq=False)
class Penetration:
    """Where a scan could not be penetrated.

    Attributes:
        cells: bool (h, w), opaque blocks of the reduced radiograph. Read-only.
        floor: level of the plane down to which nothing is told from noise.
        opaque_fraction: opaque share of the cargo box; of the whole scan where no box was found.
        regions: the largest opaque regions in the box, at most 50, largest first.
        basis: a sentence: what the floor rests on.
    """

    cells: Mask
    floor: float
    opaque_fraction: float
    regions: tuple[OpaqueRegion, ...]
    basis: str

    def __post_init__(self) -> None:
        if self.cells.ndim != 2 or self.cells.dtype != np.bool_ or not 0.0 <= self.opaque_fraction <= 1.0:
            raise ValueError(
                f"opaque cells are {self.cells.dtype} {self.cells.shape}, their share {self.opaque_fraction}; "
                "expected bool (h, w) and a share"
            )
        view = self.cells.view()
        view.flags.writeable = False
        object.__setattr__(self, "cells", view)


def measure_penetration(radiograph: Radiograph, container: Container) -> Penetration:
    """Find what the beam did not get through, within the cargo box."""
    reduced = radiograph.reduced
    window = _odd(_WINDOW, reduced.factor)
    cells, floor, basis = (_by_counts if radiograph.is_transmission else _by_black_level)(radiograph, window)
    if cells.any():
        close, clear = (np.ones((_odd(side, reduced.factor),) * 2, np.uint8) for side in (5, 3))
        whole = cv2.morphologyEx(cells.astype(np.uint8), cv2.MORPH_CLOSE, close)
        opened = np.asarray(cv2.morphologyEx(whole, cv2.MORPH_OPEN, clear))
        # Windows that reach over an edge are bright: the rim that they miss is opaque where its own pixels are.
        rim = np.asarray(cv2.dilate(opened, np.ones((window, window), np.uint8)))
        cells = (opened > 0) | ((rim > 0) & (reduced.plane[:, :, 0] <= floor))
    x1, y1, x2, y2 = (round(value / reduced.factor) for value in container.box)
    inside = cells[y1:y2, x1:x2]
    regions = _regions(inside, x1, y1, reduced.factor) if inside.any() else ()
    return Penetration(cells, floor, float(inside.mean()) if inside.size else 0.0, regions, basis)


def noise_floor(radiograph: Radiograph) -> float:
    """Return the transmission of three counts, by the noise in air; in [0.0005, 0.01]."""
    return float(np.clip(_COUNTS * radiograph.noise**2, *_FLOORS))


def black_level(plane: Plane) -> float | None:
    """Return the grey (H, W) from which down a tone-mapped scan shows nothing; None where nothing in it is black."""
    deepest = _deepest(plane)
    return deepest + _BLACK_STEPS if deepest <= _BLACK else None


def _deepest(plane: Plane) -> float:
    few = 2 * max(1, min(plane.shape) // _SAMPLED)
    return float(np.percentile(plane[::few, ::few], 0.5))


def _odd(side: int, factor: int) -> int:
    """Return the odd number of blocks that is nearest to a side in pixels."""
    return 2 * round((side / factor - 1) / 2) + 1


def _by_counts(radiograph: Radiograph, window: int) -> tuple[Mask, float, str]:
    floor = noise_floor(radiograph)
    mean = _mean(radiograph.reduced.plane[:, :, 0], window)
    mask = mean < floor
    if (mean < _DEEP).any():
        zeros = _mean(_blocks(radiograph, radiograph.plane[:, :, 0] <= 0.0), window)
        mask |= (mean < _DEEP) & (mean < _LEAST_SIGNAL * _deviation(radiograph, mean, window)) & (zeros > 0.1)
    counts = 1.0 / max(radiograph.noise, 1e-4) ** 2
    return mask, floor, f"noise of {radiograph.noise:.2%} in air, about {counts:,.0f} counts"


def _by_black_level(radiograph: Radiograph, window: int) -> tuple[Mask, float, str]:
    plane = radiograph.plane[:, :, 0]
    mean = _mean(radiograph.reduced.plane[:, :, 0], window)
    floor = black_level(plane)
    if floor is None:
        deepest = _deepest(plane)
        basis = f"nothing is darker than {deepest:.2f}: all was penetrated"
        return np.zeros(mean.shape, np.bool_), deepest, basis
    mask = mean <= floor
    if mask.any():
        mask &= _deviation(radiograph, mean, window) <= _TEXTURE
    return mask, floor, f"black level {floor - _BLACK_STEPS:.3f}, texture gone"


def _mean(cells: Plane, window: int) -> Plane:
    return np.asarray(cv2.blur(np.ascontiguousarray(cells), (window, window)), dtype=np.float32)


def _deviation(radiograph: Radiograph, mean: Plane, window: int) -> Plane:
    """Return the standard deviation of the pixels, not of blocks, in the window around every block."""
    plane = radiograph.plane[:, :, 0]
    square = _mean(_blocks(radiograph, plane * plane), window)
    return np.sqrt(np.maximum(square - mean * mean, 0.0))


def _blocks(radiograph: Radiograph, values: npt.NDArray[np.generic]) -> Plane:
    """Return the means of values (H, W) over the blocks of the reduced radiograph."""
    height, width = radiograph.reduced.plane.shape[:2]
    factor = radiograph.reduced.factor
    whole = np.asarray(values[: height * factor, : width * factor], dtype=np.float32)
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)


def _regions(cells: Mask, left: int, top: int, factor: int) -> tuple[OpaqueRegion, ...]:
    count, _, stats, _ = cv2.connectedComponentsWithStats(cells.astype(np.uint8), connectivity=8)
    found = []
    for x, y, width, height, area in stats[1:count].tolist():
        x1, y1, x2, y2 = (factor * edge for edge in (left + x, top + y, left + x + width, top + y + height))
        if area * factor**2 >= _LEAST_PIXELS:
            found.append(OpaqueRegion((float(x1), float(y1), float(x2), float(y2)), int(area) * factor**2))
    return tuple(sorted(found, key=lambda region: -region.pixels)[:_MOST_REGIONS])
