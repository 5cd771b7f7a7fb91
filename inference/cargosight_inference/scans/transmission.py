"""From raw detector counts to transmission, once and in one place.

Transmission is counts over the counts in air. The air level is not in the file, so that it is estimated: real
linac scans of trucks show air well below full scale, drifting from scan to scan, with saturated columns
above it, 2 to 13 % zero pixels below it and as little as one pixel in a hundred that sees air at all.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.polarity import polarity_by_noise
from cargosight_inference.scans.scan import Polarity
from cargosight_models.errors import ScanError

_MOST_SAMPLES = 1_000_000
_WINDOW = 0.05
_DARK = 0.15
_BRIGHT = 0.6
_MOST_DRIFT = 1.5  # of the true air level over the one that is given
_DOUBTED = 0.15  # share by which a given level and what the scan shows may differ unremarked
_LOADED, _LEAST_LOADED, _MOSTLY = (0.05, 0.6), 1000, 0.7  # transmission, pixels, share of them


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Transmission and how it was found.

    Attributes:
        pixels: (H, W, C) float32 in [0, 1], 1 for air.
        polarity: of the counts.
        air_level: counts in air of the first channel, as given or found.
        assumptions: one sentence each.
    """

    pixels: npt.NDArray[np.float32]
    polarity: Polarity
    air_level: float
    assumptions: tuple[str, ...]


def counts_to_transmission(
    channels: tuple[npt.NDArray[np.uint16], ...],
    *,
    air_level: float | None = None,
    polarity: Polarity | None = None,
    zero_is_white: bool = False,
    by_noise: bool = True,
) -> Calibrated:
    """Divide raw counts by their air level.

    Args:
        channels: one or two arrays (H, W) uint16 of equal shape, the more penetrating energy first.
        air_level: counts in air when known, for every channel; after inversion for dark air.
        polarity: whether air has many counts or few; None to find out.
        zero_is_white: whether the file asks for small numbers to be shown bright, which decides when the
            pixels do not.
        by_noise: whether noise may tell the polarity, which holds for the few photons of a cargo scan.

    Raises:
        ScanError: no pixel, or hardly any, has counts, so that there is no air level, or the one that is given is far
            too low.
    """
    notes: list[str] = []
    if polarity is None:
        polarity, note = find_polarity(channels[0], zero_is_white=zero_is_white, by_noise=by_noise)
        notes.append(note)
    else:
        notes.append(f"polarity {polarity} as given")
    height, width = channels[0].shape
    # One channel lies behind the other: whoever measures one of them reads no more than that one.
    planes = np.empty((len(channels), height, width), dtype=np.float32)
    pixels = planes.transpose(1, 2, 0)
    levels: list[float] = []
    for index, raw in enumerate(channels):
        counts = raw
        if polarity == "air_dark":
            full = _full_scale(raw)
            counts = np.subtract(np.uint16(full), raw)
            notes.append(f"channel {index} turned over at its full scale of {full} counts")
        if air_level is None:
            level = estimate_air_level(counts)
            notes.append(f"air level of channel {index} estimated at {level:.0f} counts")
        else:
            level = air_level
            _check_level(counts, level)
            notes.append(f"air level of channel {index} as given, {level:g} counts{_doubt(counts, level)}")
        levels.append(level)
        plane = planes[index]
        np.copyto(plane, counts)  # a third of the time of multiplying from one type into the other
        np.multiply(plane, np.float32(1.0 / level), out=plane)
        np.minimum(plane, np.float32(1.0), out=plane)
    if len(channels) == 2:
        notes.extend(_order_doubted(planes))
    return Calibrated(pixels, polarity, levels[0], tuple(notes))


def _check_level(counts: npt.NDArray[np.uint16], level: float) -> None:
    """Refuse an air level that would make air of the load: nothing is brighter than air, but for what it drifts."""
    middle = float(np.median(_sample(counts)))
    if middle > _MOST_DRIFT * level:
        raise ScanError(
            f"the air level is given as {level:g} counts, but half of the pixels have {middle:.0f} or more; expected "
            "the counts where nothing is in the beam: correct it, or leave it out to have it found"
        )


def _doubt(counts: npt.NDArray[np.uint16], level: float) -> str:
    """Return what speaks against a given air level, nothing where the scan shows about the same."""
    try:
        shown = estimate_air_level(counts)
    except ScanError:  # hardly a pixel has counts: nothing to compare with
        return ""
    if abs(shown / level - 1.0) <= _DOUBTED:
        return ""
    return f"; the brightest of the scan has about {shown:.0f}: check it where that is air"


def _order_doubted(planes: npt.NDArray[np.float32]) -> tuple[str, ...]:
    """Return a sentence where the second channel (2, H, W) gets through loads better than the first, which is wrong."""
    step = max(1, round((planes[0].size / _MOST_SAMPLES) ** 0.5))
    first, second = planes[0, ::step, ::step], planes[1, ::step, ::step]
    loaded = (first > _LOADED[0]) & (first < _LOADED[1])
    if int(loaded.sum()) < _LEAST_LOADED:
        return ()
    more = float((second[loaded] > first[loaded]).mean())
    if more < _MOSTLY:
        return ()
    return (
        f"channel 1 gets through the load better than channel 0 in {more:.0%} of its pixels: the energies seem to be "
        "in the other order, and materials and depths are wrong until they are exchanged",
    )


def estimate_air_level(counts: npt.NDArray[np.uint16]) -> float:
    """Return the counts in air of a channel (H, W) whose air is bright.

    It starts at the 99th percentile (above it lie saturated columns, on which nothing may rest) and
    climbs from there to the mode: the median within 5 % of the level becomes the level until it stands
    still, so that noise does not push the level up as a percentile would.

    Raises:
        ScanError: 99 of 100 pixels have no counts.
    """
    histogram = np.bincount(_sample(counts), minlength=65536)
    below = np.cumsum(histogram)
    level = float(np.searchsorted(below, 0.99 * below[-1]))
    if level < 1.0:
        raise ScanError(
            "99 % of the counts are zero: no air level can be found; give one, or check the detector file"
        )
    for _ in range(100):
        low, high = int(level * (1.0 - _WINDOW)), min(int(level * (1.0 + _WINDOW)) + 1, 65535)
        start = below[low - 1] if low > 0 else 0
        middle = float(np.searchsorted(below, start + 0.5 * (below[high] - start)))
        if middle == level:
            break
        level = middle
    return max(level, 1.0)


def find_polarity(
    counts: npt.NDArray[np.uint16], *, zero_is_white: bool = False, by_noise: bool = True
) -> tuple[Polarity, str]:
    """Return whether air is bright or dark in a channel (H, W), and a sentence on how that was found.

    Air surrounds what is scanned. Detector counts are bright in air, and a loaded truck leaves a bright
    strip only on one side, so one bright border is enough for bright air; dark air needs all four borders
    dark and hardly a bright pixel among them. Before the borders, which blank rows and cut cargo can belie, noise is
    asked where `by_noise` says so: see `polarity_by_noise`.
    """
    heard = polarity_by_noise(counts) if by_noise else None
    if heard is not None:
        end = "bright" if heard == "air_bright" else "dark"
        return heard, f"polarity {heard} found: the {end} end of the scale has the noise of many photons"
    low, high = np.percentile(_sample(counts), [0.5, 99.5])
    if high > low:
        height, width = counts.shape
        edge = max(1, min(height, width) // 50)
        sides = (counts[:edge], counts[-edge:], counts[:, :edge], counts[:, -edge:])
        brightness = [(float(np.median(side)) - low) / (high - low) for side in sides]
        bright_share = max(float(np.mean(side > low + _BRIGHT * (high - low))) for side in sides)
        if max(brightness) >= _BRIGHT:
            return "air_bright", "polarity air_bright found: a border of the scan is bright"
        if max(brightness) <= _DARK and bright_share < 0.1:
            return "air_dark", "polarity air_dark found: all four borders of the scan are dark"
    if zero_is_white:
        return "air_dark", "polarity air_dark assumed: the file asks for small numbers to be shown white"
    return (
        "air_bright",
        "polarity air_bright assumed, as in detector counts: the borders of the scan do not tell",
    )


def _full_scale(counts: npt.NDArray[np.uint16]) -> int:
    """Return the full scale of a detector that reached the greatest of `counts`: 8, 10, 12, 14 or 16 bits."""
    most = int(counts.max())
    return next(full for full in (255, 1023, 4095, 16383, 65535) if most <= full)


def _sample(counts: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Return at most about a million of the pixels, flat, in even steps along both axes."""
    step = max(1, round((counts.size / _MOST_SAMPLES) ** 0.5))
    return counts[::step, ::step].ravel()
