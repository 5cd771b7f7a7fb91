"""A cargo scan as the rest of the cargo rooms read it: transmission, or grey that stands for it, 1 for air.

The scan stays as it came. Here its polarity and air level are found, what is burnt into it is masked and filled for
the analysis, and what its detector got wrong is listed, each with how sure it is.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.detector_faults import DetectorFaults, find_faults, mended
from cargosight_inference.scans.markings import inpainted
from cargosight_inference.scans.scan import Polarity, Scan
from cargosight_models.errors import UsageError

Meaning = Literal["transmission", "stands_for_transmission", "palette"]

HABIT = 0.5
"""Sureness of a polarity that nothing in the scan tells: air is usually bright."""

_EDGE = 50  # a border is a fiftieth of the height
_SURE_BRIGHT, _SURE_DARK = 0.6, 0.2  # of the range from the darkest to the brightest per cent
_AIR_WINDOW = 0.04
_LEAST_AIR_LEVEL = 0.4  # of full scale: air darker than that is hardly air
_HUE_OF_BLUE = 120.0  # in OpenCV's half degrees
_LEAST_SATURATION = 0.3
_NOISE_SAMPLES, _LEVEL_SAMPLES = 400_000, 100_000
_LEAST_REDUCED = 400  # rows and columns that are left
_THIN = (0.4, 0.96)  # transmission of the parts from which noise is taken


@dataclass(frozen=True, eq=False)
class Reduced:
    """A radiograph in means of square blocks of pixels, for what needs no finer ones.

    Attributes:
        plane: float32 (H // factor, W // factor, C) as the radiograph's; what is left of the scan at its right and
            lower edge, less than a block, is not in it.
        factor: pixels along the side of a block; 1 for a scan with fewer than 800 rows or columns.
        noise: standard deviation of a block of air, of pixels that err independently.
    """

    plane: npt.NDArray[np.float32]
    factor: int
    noise: float


@dataclass(frozen=True, eq=False)
class Radiograph:
    """A cargo scan, ready to be measured.

    Attributes:
        scan: where it comes from, untouched.
        plane: float32 (H, W, C) in [0, 1], 1 = air, channel 0 the more penetrating energy. Read-only; burnt-in lines
            are filled from around them.
        meaning: `transmission`; `stands_for_transmission` where a vendor tone-mapped the grey, so that order and edges
            hold but no areal density does; `palette` where even the order is guessed from a palette's hues.
        polarity: of the source.
        polarity_sureness: in [0, 1]; `HABIT` is a habit, not a finding.
        air_level: what air had in the source, on its own scale from 0 to 1, before it became 1; exactly 1 for
            transmission, which the reader has divided by its air level.
        air_sureness: in [0, 1]; low where no border shows air, so that the brightest load stood in for it.
        noise: standard deviation of a pixel of air, channel 0; 0 where it cannot be told.
        markings: bool (H, W), burnt-in lines and captions. Read-only.
        faults: of the detector.
        corrected: whether stripes and lines that do not answer were mended in the plane.
        notes: one sentence each on what was found or assumed.
    """

    scan: Scan
    plane: npt.NDArray[np.float32]
    meaning: Meaning
    polarity: Polarity
    polarity_sureness: float
    air_level: float
    air_sureness: float
    noise: float
    markings: npt.NDArray[np.bool_]
    faults: DetectorFaults
    corrected: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = self.plane.shape
        if self.plane.dtype != np.float32 or len(shape) != 3 or shape[2] not in (1, 2):
            raise ValueError(
                f"a radiograph's plane is {self.plane.dtype} {shape}; expected float32 (H, W, 1 or 2)"
            )
        if shape[:2] != (self.scan.height, self.scan.width) or self.markings.shape != shape[:2]:
            raise ValueError(
                f"a radiograph's plane is {shape}, its markings {self.markings.shape}; expected those of its scan, "
                f"{self.scan.height} x {self.scan.width}"
            )
        low, high = float(self.plane.min()), float(self.plane.max())
        if not (low >= 0.0 and high <= 1.0):  # also false for NaN
            raise ValueError(f"a radiograph's plane spans {low} to {high}; expected [0, 1] with 1 for air")
        sure = (self.polarity_sureness, self.air_sureness)
        if self.meaning not in get_args(Meaning) or not all(0.0 <= value <= 1.0 for value in sure):
            raise ValueError(
                f"a radiograph means {self.meaning!r}, sure to {sure}; expected a meaning, [0, 1]"
            )
        for name in ("plane", "markings"):
            view = getattr(self, name).view()
            view.flags.writeable = False
            object.__setattr__(self, name, view)

    @property
    def height(self) -> int:
        """Height in scan pixels."""
        return self.scan.height

    @property
    def width(self) -> int:
        """Width in scan pixels."""
        return self.scan.width

    @cached_property
    def reduced(self) -> Reduced:
        """The radiograph at 400 to 800 rows or columns, whichever are fewer; as it is where it has fewer than 800."""
        factor = max(1, min(self.height, self.width) // _LEAST_REDUCED)
        if factor == 1:
            return Reduced(self.plane, 1, self.noise)
        height, width = self.height // factor, self.width // factor
        planes = np.empty((self.plane.shape[2], height, width), dtype=np.float32)
        for channel, small in enumerate(planes):
            whole = self.plane[: height * factor, : width * factor, channel]
            cv2.resize(whole, (width, height), dst=small, interpolation=cv2.INTER_AREA)
        return Reduced(planes.transpose(1, 2, 0), factor, self.noise / factor)

    @property
    def is_transmission(self) -> bool:
        """Whether areal densities may be computed from the plane."""
        return self.meaning == "transmission"


def radiograph_of(scan: Scan) -> Radiograph:
    """Read a cargo scan.

    Raises:
        UsageError: the scan's subject is not cargo.
    """
    if scan.subject != "cargo":
        raise UsageError(
            f"the scan's subject is {scan.subject}; radiographs are read of cargo: read it with subject cargo"
        )
    markings = np.zeros((scan.height, scan.width), np.bool_) if scan.markings is None else scan.markings
    meaning, raw, notes = _raw_plane(scan)
    polarity, polarity_sureness = _polarity(raw[:, :, 0], scan, meaning)
    if polarity == "air_dark" and meaning != "transmission":
        raw = np.float32(1.0) - raw
    plane = inpainted(raw, markings)
    air_level, air_sureness = _air_level(plane[:, :, 0], meaning)
    if air_level != 1.0:
        np.divide(plane, np.float32(air_level), out=plane)  # of grey or a palette: no array but ours
        np.minimum(plane, np.float32(1.0), out=plane)
    faults = find_faults(plane[:, :, 0])
    if meaning != "transmission":  # whose reader has said so
        notes += (_how_read(scan, polarity, polarity_sureness, air_level),)
    if air_sureness < 0.5:
        notes += ("no border shows air: the brightest part of the load stands in for it",)
    if markings.any():
        notes += (f"burnt-in lines on {markings.mean():.1%} of the pixels are filled from around them",)
    return Radiograph(
        scan, plane, meaning, polarity, polarity_sureness, air_level, air_sureness, noise_in_air(plane[:, :, 0]),
        markings, faults, notes=notes + faults.sentences,
    )  # fmt: skip


def corrected(radiograph: Radiograph) -> Radiograph:
    """Return it with stripes evened out and detectors that do not answer interpolated; the scan stays.

    Raises:
        UsageError: so much is dead that interpolation would invent the image.
    """
    if radiograph.corrected or not (radiograph.faults.rows or radiograph.faults.columns):
        return replace(radiograph, corrected=True)
    plane = mended(radiograph.plane, radiograph.faults)
    note = f"{len(radiograph.faults.rows)} rows and {len(radiograph.faults.columns)} columns were mended"
    return replace(radiograph, plane=plane, corrected=True, notes=(*radiograph.notes, note))


def _raw_plane(scan: Scan) -> tuple[Meaning, npt.NDArray[np.float32], tuple[str, ...]]:
    if scan.kind == "transmission":
        return "transmission", scan.pixels, ()
    if scan.kind == "display_grey":
        grey = scan.pixels[:, :, None].astype(np.float32)
        np.divide(grey, np.float32(255.0), out=grey)
        return "stands_for_transmission", grey, ("grey was tone-mapped: it only stands for transmission",)
    return "palette", _order_of_palette(scan.pixels)[:, :, None], ("pseudo-colour: its order is guessed",)


def _order_of_palette(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return (H, W) in [0, 1], 1 for air, guessed from a palette that shades from air to opaque.

    Where air is white, brightness is the order. Where it is blue, the palette runs through green, yellow and red to
    black, and hue and brightness together are.
    """
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV).astype(np.float32)
    hue, saturation, value = hsv[:, :, 0], hsv[:, :, 1] / 255.0, hsv[:, :, 2] / 255.0
    top = slice(0, max(1, rgb.shape[0] // _EDGE))
    if float(np.median(saturation[top])) < _LEAST_SATURATION:
        return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), dtype=np.float32) / np.float32(255.0)
    ordered = np.minimum(hue / np.float32(_HUE_OF_BLUE), np.float32(1.0))
    ordered = np.where(hue > _HUE_OF_BLUE + 20.0, 0.0, ordered)  # magenta and red beyond it: the other end
    blue = (hue > 0.9 * _HUE_OF_BLUE) & (ordered > 0.0) & (value > 0.35)
    value = np.where(blue, 1.0, value)  # the palette called jet ends in a darker blue
    return np.asarray(value * (np.float32(0.25) + np.float32(0.75) * ordered), dtype=np.float32)


def _polarity(plane: npt.NDArray[np.float32], scan: Scan, meaning: Meaning) -> tuple[Polarity, float]:
    """Return the source's polarity and how sure it is.

    Above a vehicle there is air or, cropped tightly, the light top of its box; the sides are often load. So the upper
    border decides, and a border that is neither light nor dark leaves it at what the scan says.
    """
    if meaning == "transmission" or _is_given(scan):
        return scan.polarity, 1.0
    low, high = np.percentile(_sampled(plane), [1.0, 99.0])
    if meaning == "palette" or high - low < 0.05:
        return "air_bright", HABIT
    top = (plane[: max(2, plane.shape[0] // _EDGE)] - low) / (high - low)
    brightness = float(np.median(top))
    if brightness >= _SURE_BRIGHT:
        return "air_bright", min(1.0, 0.5 + 0.5 * brightness)
    upper = float(np.median((plane[: max(1, plane.shape[0] // 4)] - low) / (high - low)))
    if brightness <= _SURE_DARK and upper <= 0.5:
        return "air_dark", min(1.0, 0.5 + 2.0 * (_SURE_DARK - brightness))
    return "air_bright", HABIT


def _is_given(scan: Scan) -> bool:
    """Return whether a caller said the polarity of an 8-bit scan; that air is dark, no reader assumes."""
    return scan.polarity_given or scan.polarity == "air_dark"


def _how_read(scan: Scan, polarity: Polarity, sureness: float, air_level: float) -> str:
    how = "found" if sureness > HABIT else "assumed, since the upper border does not tell"
    if _is_given(scan):
        how = "as given"
    return f"polarity {polarity} {how}; air level {255.0 * air_level:.0f} of 255"


def _air_level(plane: npt.NDArray[np.float32], meaning: Meaning) -> tuple[float, float]:
    """Return the level of air in [0, 1] and how sure it is air.

    Air is flat and the brightest thing there is: the level is the commonest one within a few per cent of the top of
    the histogram, and it is sure as far as one of the upper three borders shows it.
    """
    level = 1.0
    if meaning != "transmission":
        sample = _sampled(plane)
        top = float(np.percentile(sample, 99.5))
        window = sample[(sample >= top * (1.0 - _AIR_WINDOW)) & (sample <= top * (1.0 + _AIR_WINDOW))]
        level = max(float(np.median(window)) if window.size else top, 1.0 / 255.0)
    edge = max(2, min(plane.shape) // _EDGE)
    upper = plane[: max(1, plane.shape[0] // 2)]
    sides = (plane[:edge], upper[:, :edge], upper[:, -edge:])
    seen = max(float(np.mean(np.abs(side / level - 1.0) <= _AIR_WINDOW)) for side in sides)
    return level, min(1.0, 2.0 * seen) * (1.0 if level >= _LEAST_AIR_LEVEL else 0.5)


def _sampled(plane: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return about `_LEVEL_SAMPLES` of the pixels (H, W), in even steps along both axes; all of fewer."""
    step = max(1, round((plane.size / _LEVEL_SAMPLES) ** 0.5))
    return plane[::step, ::step]


def noise_in_air(plane: npt.NDArray[np.float32]) -> float:
    """Return the standard deviation that a pixel of air has, from thin parts of (H, W); 0 where there are none.

    Air itself is cut at 1, so that its noise is taken from walls and thin goods: counts that follow Poisson's law vary
    like T, and differences are divided by its root. They are taken along the rows (two neighbours have twice the
    variance), so that neither the gain of a detector element nor a slope counts; the median absolute deviation is
    0.6745 of a normal's standard deviation and does not see edges.
    """
    rows = plane[:: max(1, round(plane.size / _NOISE_SAMPLES))]
    mean = 0.5 * (rows[:, 1:] + rows[:, :-1])
    thin = (mean > _THIN[0]) & (mean < _THIN[1]) & (np.maximum(rows[:, 1:], rows[:, :-1]) < 1.0)
    differences = (rows[:, 1:] - rows[:, :-1])[thin] / np.sqrt(mean[thin])
    if differences.size < 100:
        return 0.0
    return float(np.median(np.abs(differences)) / 0.6745 / 2.0**0.5)
