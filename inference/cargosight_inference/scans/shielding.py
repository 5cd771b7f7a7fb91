"""Dense compact things in a load: what could be a shield, and is worth a look wherever it lies.

A candidate is much denser than its surroundings, compact, and ends sharply. Engines, counterweights and coils are like
that as well: this is a list to look through, never an alarm by itself.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.container import Container
from cargosight_inference.scans.radiograph import Radiograph

Plane = npt.NDArray[np.float32]

_DEEPEST = 6.0  # -ln T, beyond which darker is not denser
_EXTRA = 0.8  # of ln T above the surroundings, 26 mm of steel at 6 MV
_AROUND = 0.22  # side of the surroundings, share of the box's height
_SIZES = (2e-4, 0.03)  # of the box's area
_LEAST_COMPACT, _LEAST_FILL = 0.35, 0.5
_SHARP = 0.6  # of ln T over four pixels, from which an edge is sharp
_MOST = 20
LEAST_SCORE = 0.5
"""Score from which a region is reported. A made block of 40 x 40 pixels among goods has 0.41 at 30 g/cm2 of steel,
0.63 at 60 and 0.82 at 120. On clean scans the mean number of regions is 0.02 of 61 loaded containers and 0 of 56 empty
ones (real grey; at 0.4 they would be 0.28 and 0.05), 0.14 of 7 trucks with their engines, 0 of 5 real ones of two
energies, and 0.74 of 27 simulated ones, whose loads are denser."""


@dataclass(frozen=True)
class DenseRegion:
    """A dense compact part of a load.

    Attributes:
        box: x1, y1, x2, y2 in scan pixels.
        score: in [0, 1]: how much it stands out, how compact and how sharp it is.
        extra: of -ln T above its surroundings.
        compactness: area over that of a disc of the same outline, in [0, 1].
        sharpness: share of its outline that is sharp.
    """

    box: tuple[float, float, float, float]
    score: float
    extra: float
    compactness: float
    sharpness: float


def dense_regions(
    radiograph: Radiograph, container: Container, least_score: float = LEAST_SCORE
) -> tuple[DenseRegion, ...]:
    """Return the dense compact regions inside the cargo box, the highest score first, at most twenty.

    Args:
        radiograph: one whose grey is ordered by density.
        container: its cargo box.
        least_score: in [0, 1]; lower ones are not reported.
    """
    factor = radiograph.reduced.factor
    x1, y1, x2, y2 = (round(value / factor) for value in container.box)
    plane = radiograph.reduced.plane[y1:y2, x1:x2, 0]
    if min(plane.shape) < 16:
        return ()
    depth = -np.log(np.maximum(cv2.medianBlur(np.ascontiguousarray(plane), 3), np.float32(np.exp(-_DEEPEST))))
    around = _surroundings(depth, max(9, round(_AROUND * len(depth)) | 1))
    extra = np.asarray(depth - around, dtype=np.float32)
    steep = _steepness(depth)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (extra > _EXTRA).astype(np.uint8), connectivity=4
    )
    found = []
    for label in range(1, count):
        left, top, width, height, area = stats[label].tolist()
        if not _SIZES[0] * depth.size <= area <= _SIZES[1] * depth.size:
            continue
        rows, columns = slice(top, top + height), slice(left, left + width)
        region = _judged(labels[rows, columns] == label, extra[rows, columns], steep[rows, columns])
        if region is not None and region[0] >= least_score:
            x, y = float(factor * (x1 + left)), float(factor * (y1 + top))
            box = (x, y, x + float(factor * width), y + float(factor * height))
            found.append(DenseRegion(box, *region))
    return tuple(sorted(found, key=lambda region: -region.score)[:_MOST])


def _surroundings(depth: Plane, side: int) -> Plane:
    """Return the depth around each pixel: an opening, which removes what is smaller than `side`, smoothed."""
    scale = max(1, side // 24)
    small = cv2.resize(depth, None, fx=1.0 / scale, fy=1.0 / scale, interpolation=cv2.INTER_AREA)
    size = max(3, side // scale | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    opened = cv2.morphologyEx(small, cv2.MORPH_OPEN, disc, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(opened, depth.shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _steepness(depth: Plane) -> Plane:
    """Return by how much depth changes within four pixels around each."""
    window = np.ones((5, 5), np.uint8)
    return np.asarray(cv2.dilate(depth, window) - cv2.erode(depth, window), dtype=np.float32)


def _judged(
    mask: npt.NDArray[np.bool_], extra: Plane, steep: Plane
) -> tuple[float, float, float, float] | None:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=len)
    length, area = cv2.arcLength(outline, True), float(mask.sum())
    compactness = min(1.0, 4.0 * np.pi * area / max(length, 1.0) ** 2)
    (_, (width, height), _) = cv2.minAreaRect(outline)
    fill = area / max((width + 1.0) * (height + 1.0), 1.0)
    if compactness < _LEAST_COMPACT or fill < _LEAST_FILL:
        return None
    edge = outline[:, 0]
    sharpness = float((steep[edge[:, 1], edge[:, 0]] >= _SHARP).mean())
    stands_out = float(np.median(extra[mask]))
    strength = 1.0 - float(np.exp(-stands_out / 2.0))
    return float(strength * compactness**0.5 * sharpness), stands_out, compactness, sharpness
