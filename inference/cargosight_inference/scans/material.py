"""What a load is made of, piece by piece, from transmission at two energies.

Never by pixel: one pixel's noise hides the few per cent by which the ratio of two attenuations differs from organic
matter to steel. Pieces of some hundred pixels are averaged, and a piece is named only as surely as its own scatter, the
scan's anchor and the distance between the curves allow. Lead and uranium cannot be told from steel and count as heavy
metal; where steel and organic matter lie behind one another, the mean is seen.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.blocks import expanded
from cargosight_inference.scans.container import Container
from cargosight_inference.scans.material_curves import (
    CLASSES,
    SmoothedDepths,
    SteelAnchor,
    anchored_on_steel,
    energies_of,
    expected_ratio,
    smoothed_depths,
    smoothing,
)
from cargosight_inference.scans.penetration import Penetration, measure_penetration, noise_floor
from cargosight_inference.scans.radiograph import Radiograph
from cargosight_inference.scans.scan import Scan
from cargosight_inference.scans.segments import Labels, sums, superpixels

Doubles = npt.NDArray[np.float64]

MATERIAL_CLASSES = ("organic", "light_metal", "heavy_metal", "thin_or_unknown", "opaque")
"""The classes, in the order of their numbers."""
ORGANIC, LIGHT_METAL, HEAVY_METAL, THIN, OPAQUE = range(5)

_COLOURS = np.array(
    [[245, 150, 40], [70, 170, 80], [60, 110, 215], [170, 170, 170], [70, 0, 0]], dtype=np.float32
)  # orange, green, blue, grey, dark red
_LEAST_DEPTH = 0.3  # -ln T: thinner, the curves of light and heavy lie within the noise of a piece
_ABOVE_FLOOR = 4.0  # times the noise floor: below, offsets of the detector bend the ratio
_LEAST_PIXELS = 80  # flat ones
_SIDE = 28  # pixels, of a piece
_LEAST_COLUMNS = 40
_WELL_SEEN = 3.0  # -ln T up to which columns are compared
_SYSTEMATIC = 0.006  # of the ratio: what is left of curves and anchor
_UNANCHORED = 0.03  # of the ratio, where no steel was found to anchor the scan on
_LEAST_CONFIDENCE = 0.6
_MOST_OPAQUE = 0.5


@dataclass(frozen=True, eq=False)
class Materials:
    """The pieces of a scan and what they are made of.

    Attributes:
        labels: int32 (h, w), the piece of each block of the reduced radiograph, 0 to N - 1. Read-only.
        classes: int8 (N,), indices into `MATERIAL_CLASSES`.
        confidence: (N,) in [0, 1], of the named class; 0 for thin, unknown and opaque ones.
        ratios: (N,) anchored ratio R of each piece, NaN where it cannot be measured.
        depths: (N,) -ln T of the more penetrating channel.
        blocks: (N,) blocks of each piece that lie in the cargo box; in the whole scan where none was found.
        anchor: how the scan was brought onto the curves.
    """

    labels: Labels
    classes: npt.NDArray[np.int8]
    confidence: Doubles
    ratios: Doubles
    depths: Doubles
    blocks: Doubles
    anchor: SteelAnchor

    def __post_init__(self) -> None:
        count = len(self.classes)
        rows = (self.confidence, self.ratios, self.depths, self.blocks)
        if any(row.shape != (count,) for row in rows) or int(self.labels.max()) >= count:
            raise ValueError(
                f"{count} classes for {int(self.labels.max()) + 1} pieces; expected one row for each"
            )
        view = self.labels.view()
        view.flags.writeable = False
        object.__setattr__(self, "labels", view)

    @property
    def map(self) -> npt.NDArray[np.uint8]:
        """Class of each block, uint8 (h, w), indices into `MATERIAL_CLASSES`."""
        return self.classes.astype(np.uint8)[self.labels]

    def share(self, name: str) -> float:
        """Return the share of a class in the area of the cargo box."""
        of_class = self.blocks[self.classes == MATERIAL_CLASSES.index(name)]
        return float(of_class.sum() / max(float(self.blocks.sum()), 1.0))


def has_materials(radiograph: Radiograph) -> bool:
    """Return whether materials can be read of a radiograph: of transmission at two energies."""
    return radiograph.is_transmission and radiograph.plane.shape[2] == 2


def classify_materials(
    radiograph: Radiograph, container: Container, penetration: Penetration | None = None
) -> Materials:
    """Name the material of every piece of a dual-energy radiograph.

    Args:
        radiograph: transmission at two energies.
        container: its cargo box.
        penetration: of the same, where it was measured already.

    Raises:
        UsageError: the radiograph is no transmission at two energies.
    """
    energies_of(radiograph)
    factor = radiograph.reduced.factor
    smoothed = smoothed_depths(radiograph)
    anchor = anchored_on_steel(radiograph, container, smoothed)
    labels = superpixels(radiograph.reduced.plane[:, :, 0], _SIDE // factor, smoothing(factor))
    blocks = np.maximum(sums(labels), 1.0)
    depths, measured, error, flat = _measured(smoothed, labels, factor)
    ratios = measured / anchor.factor
    error = np.hypot(error, _SYSTEMATIC if anchor.confidence > 0.0 else _UNANCHORED)
    classes, confidence = _named(depths, ratios, error, anchor.energies)
    cells = (penetration or measure_penetration(radiograph, container)).cells
    opaque = sums(labels, cells.astype(np.float32)) / blocks > _MOST_OPAQUE
    deepest = -np.log(_ABOVE_FLOOR * noise_floor(radiograph))
    unknown = (depths < _LEAST_DEPTH) | (flat < _LEAST_PIXELS / factor**2) | (depths * measured > deepest)
    unknown |= confidence < _LEAST_CONFIDENCE
    classes[unknown], classes[opaque] = THIN, OPAQUE
    confidence[unknown | opaque] = 0.0
    ratios[(depths < _LEAST_DEPTH) | opaque] = np.nan
    x1, y1, x2, y2 = (round(edge / factor) for edge in container.box)
    inside = labels[y1:y2, x1:x2]
    if inside.size:
        blocks = np.bincount(inside.ravel(), minlength=len(blocks)).astype(np.float64)
    return Materials(labels, classes, confidence, ratios, depths, blocks, anchor)


def _measured(
    smoothed: SmoothedDepths, labels: Labels, factor: int
) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Return depth, ratio, the ratio's standard error, and the number of flat blocks of each piece.

    The error comes from the scatter of ln T(low) - R ln T(high): a slope within a piece moves both logarithms along R
    and adds nothing; noise and different materials do. Columns are pulses of the source, one for each energy, whose
    doses differ: that moves all pixels of a column together, and a piece errs by its few columns, not its many pixels.
    """
    high, low, flat = smoothed
    weight = flat.astype(np.float32)
    count = sums(labels, weight)
    safe = np.maximum(count, 1.0)
    depths, low_depths = sums(labels, high * weight) / safe, sums(labels, low * weight) / safe
    ratios = low_depths / np.maximum(depths, 1e-6)
    off = (low - ratios.astype(np.float32)[labels] * high) * weight
    variance = np.maximum(sums(labels, off * off) / safe - (sums(labels, off) / safe) ** 2, 0.0)
    across = np.arange(labels.shape[1], dtype=np.float32)[None] * weight
    middle = sums(labels, across) / safe
    width = np.sqrt(12.0 * np.maximum(sums(labels, across * across) / safe - middle**2, 0.0))
    columns = np.maximum(width / smoothing(factor), 1.0)
    variance_of_pulses = _scatter_of_columns(off, weight * (high < _WELL_SEEN)) ** 2 / columns
    independent = np.maximum(count / smoothing(factor) ** 2, 1.0)
    scatter = np.sqrt(variance / independent + variance_of_pulses)
    return depths, ratios, scatter / np.maximum(depths, 1e-6), count


def _scatter_of_columns(off: npt.NDArray[np.float32], weight: npt.NDArray[np.float32]) -> float:
    """Return the standard deviation of the mean of a column, by its median absolute deviation; 0 of too few."""
    count = weight.sum(axis=0)
    enough = count >= 0.05 * len(weight)
    if int(enough.sum()) < _LEAST_COLUMNS:
        return 0.0
    mean = (off * weight).sum(axis=0)[enough] / count[enough]
    return float(np.median(np.abs(mean)) / 0.6745)


def _named(
    depths: Doubles, ratios: Doubles, error: Doubles, energies: tuple[float, float]
) -> tuple[npt.NDArray[np.int8], Doubles]:
    """Return the likeliest class of each piece, all three being as likely before, and its probability.

    Beyond the outermost curves a piece is organic or heavy metal for certain, however far.
    """
    curves = np.stack([expected_ratio(name, depths, energies) for name in CLASSES])
    clipped = np.clip(ratios, curves.min(axis=0), curves.max(axis=0))
    logs = -0.5 * ((clipped - curves) / error) ** 2
    chance = np.exp(logs - logs.max(axis=0))
    chance /= chance.sum(axis=0)
    best = chance.argmax(axis=0)
    return best.astype(np.int8), chance.max(axis=0)


def draw_materials(scan: Scan, classes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a picture (H, W, 3) uint8 RGB in the usual colours, the denser, the darker.

    Organic is orange, light metal green, heavy metal blue, thin or unknown grey, opaque dark red.

    Args:
        scan: transmission.
        classes: (h, w), the `map` of its materials.
    """
    # The root lifts the dark, in which loads lie.
    tones = np.sqrt(np.linspace(0.0, 1.0, 256, dtype=np.float32))[:, None]
    strength = np.minimum(1.0, 1.6 * (1.0 - tones))  # air stays white
    shaded = _COLOURS[:, None] * (0.35 + 0.65 * np.minimum(1.0, 2.0 * tones))
    drawn = (1.0 - strength) * 255.0 + strength * shaded
    drawn[OPAQUE] = _COLOURS[OPAQUE]
    palette = np.rint(np.clip(drawn, 0.0, 255.0)).astype(np.uint8)  # (classes, tones, 3)
    tone = cv2.convertScaleAbs(np.ascontiguousarray(scan.pixels[:, :, 0]), alpha=255.0)
    whole = expanded(classes, scan.height, scan.width)
    picture: npt.NDArray[np.uint8] = palette[whole, tone]
    return picture
