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
        mask: bool (H, W), opaque pixels. Read-only.
        floor: level of the plane down to which nothing is told from noise.
        opaque_fraction: opaque share of the cargo box; of the whole scan where no box was found.
        regions: the largest opaque regions in the box, at most 50, largest first.
        basis: a sentence: what the floor rests on.
    """

    mask: Mask
    floor: float
    opaque_fraction: float
    regions: tuple[OpaqueRegion, ...]
    basis: str

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_ or not 0.0 <= self.opaque_fraction <= 1.0:
            raise ValueError(
                f"an opaque mask is {self.mask.dtype} {self.mask.shape}, its fraction {self.opaque_fraction}; "
                "expected bool (H, W) and a share"
            )
        view = self.mask.view()
        view.flags.writeable = False
        object.__setattr__(self, "mask", view)


def measure_penetration(radiograph: Radiograph, container: Container) -> Penetration:
    """Find what the beam did not get through, within the cargo box."""
    if radiograph.is_transmission:
        mask, floor, basis = _by_counts(radiograph)
    else:
        mask, floor, basis = _by_black_level(radiograph.plane[:, :, 0])
    whole = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    mask = np.asarray(cv2.morphologyEx(whole, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))).astype(np.bool_)
    # Windows that reach over an edge are bright: the rim that they miss is opaque where its own pixels are.
    rim = np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((_WINDOW, _WINDOW), np.uint8))).astype(
        np.bool_
    )
    mask = mask | (rim & (radiograph.plane[:, :, 0] <= floor))
    x1, y1, x2, y2 = (round(value) for value in container.box)
    inside = mask[y1:y2, x1:x2]
    return Penetration(
        mask, floor, float(inside.mean()) if inside.size else 0.0, _regions(inside, x1, y1), basis
    )


def noise_floor(radiograph: Radiograph) -> float:
    """Return the transmission of three counts, by the noise in air; in [0.0005, 0.01]."""
    return float(np.clip(_COUNTS * radiograph.noise**2, *_FLOORS))


def _by_counts(radiograph: Radiograph) -> tuple[Mask, float, str]:
    plane = radiograph.plane[:, :, 0]
    floor = noise_floor(radiograph)
    mean, deviation = _moments(plane)
    mask = (mean < floor) | (
        (mean < _DEEP) & (mean < _LEAST_SIGNAL * deviation) & (_share_of_zeros(plane) > 0.1)
    )
    counts = 1.0 / max(radiograph.noise, 1e-4) ** 2
    return mask, floor, f"noise of {radiograph.noise:.2%} in air, about {counts:,.0f} counts"


def _by_black_level(plane: Plane) -> tuple[Mask, float, str]:
    deepest = float(np.percentile(plane[::2, ::2], 0.5))
    if deepest > _BLACK:
        return (
            np.zeros(plane.shape, np.bool_),
            deepest,
            f"nothing is darker than {deepest:.2f}: all was penetrated",
        )
    floor = deepest + _BLACK_STEPS
    mean, deviation = _moments(plane)
    return (mean <= floor) & (deviation <= _TEXTURE), floor, f"black level {deepest:.3f}, texture gone"


def _moments(plane: Plane) -> tuple[Plane, Plane]:
    """Return mean and standard deviation in the window around every pixel."""
    mean = cv2.blur(plane, (_WINDOW, _WINDOW))
    square = cv2.blur(plane * plane, (_WINDOW, _WINDOW))
    return np.asarray(mean, dtype=np.float32), np.sqrt(np.maximum(square - mean * mean, 0.0))


def _share_of_zeros(plane: Plane) -> Plane:
    return np.asarray(cv2.blur((plane <= 0.0).astype(np.float32), (_WINDOW, _WINDOW)), dtype=np.float32)


def _regions(mask: Mask, left: int, top: int) -> tuple[OpaqueRegion, ...]:
    if not mask.size:
        return ()
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    found = [
        OpaqueRegion((float(left + x), float(top + y), float(left + x + w), float(top + y + h)), int(area))
        for x, y, w, h, area in stats[1:count].tolist()
        if area >= _LEAST_PIXELS
    ]
    return tuple(sorted(found, key=lambda region: -region.pixels)[:_MOST_REGIONS])
