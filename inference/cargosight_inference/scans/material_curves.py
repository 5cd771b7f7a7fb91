"""What the ratio of two attenuations should be for a material behind so much of it, and how one scan differs.

R = ln T(low) / ln T(high) falls with the atomic number at megavolts, from light to heavy. Measured ratios lie some per
cent off those of the nominal voltages, since accelerators seldom run at them and scatter fills in; when the two beams
are closer than they claim, all ratios come closer to 1 and to one another. So each scan is brought onto curves by its
own steel, of which every container has plenty in its walls, floor and chassis: the lower voltage is moved until steel
comes out right, and the other materials' curves move with it.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.attenuation import ALUMINIUM, CELLULOSE, POLYETHYLENE, STEEL, WATER, Material
from cargosight_inference.scans.beams import linac
from cargosight_inference.scans.container import Container
from cargosight_inference.scans.projection import DEFAULT_MEGAVOLTS
from cargosight_inference.scans.radiograph import Radiograph
from cargosight_models.errors import UsageError

Doubles = npt.NDArray[np.float64]
Plane = npt.NDArray[np.float32]
SmoothedDepths = tuple[Plane, Plane, npt.NDArray[np.bool_]]

CLASSES: dict[str, tuple[Material, ...]] = {
    "organic": (POLYETHYLENE, WATER, CELLULOSE),
    "light_metal": (ALUMINIUM,),
    "heavy_metal": (STEEL,),
}
"""The materials whose mean ratio stands for a class, from the greatest ratio to the least."""

_LOADS = np.geomspace(0.2, 800.0, 500).astype(np.float32)  # g/cm2
_SMOOTH = 5  # pixels that are averaged before a logarithm is taken; one alone is too noisy
_ANCHOR_DEPTHS = (0.12, 1.2)  # -ln T of sheets and beams; thicker is load, or many things at once
_WALL_SHARE = 0.25  # of the box's height under the roof, where there is more wall than load
_LEAST_ANCHOR = 1500  # pixels
_SPAN = (0.9, 1.35)  # ratios that steel may have
_BINS = 90
_HIGH_ENOUGH = (
    0.5  # of the highest peak; contaminants of steel lie above it, so that the lowest such peak is taken
)
_ROUGH = 0.12  # relative spread around a pixel beyond which it is an edge

_LEAST_LOW, _LEAST_APART, _LOW_STEP = 1.2, 0.2, 0.05  # MV, of the lower voltage
_NOISY = 2.0  # times the noise that the counts alone would have


@dataclass(frozen=True)
class SteelAnchor:
    """How one scan's ratios lie on the computed curves.

    Attributes:
        ratio: measured ratio of steel over that computed for the nominal voltages; 1 where no steel was found.
        energies: high and low voltage in MV at which steel comes out as measured.
        factor: what is still left between measured and computed ratio; measured ratios are divided by it.
        pixels: that it rests on.
        confidence: in [0, 1]: how far the anchor's ratios agree; 0 where no steel was found.
    """

    ratio: float
    energies: tuple[float, float]
    factor: float
    pixels: int
    confidence: float


def energies_of(radiograph: Radiograph) -> tuple[float, float]:
    """Return the high and low voltage in MV, the usual pair where the scan does not say.

    Raises:
        UsageError: the radiograph is no dual-energy transmission.
    """
    if not radiograph.is_transmission or radiograph.plane.shape[2] != 2:
        raise UsageError(
            f"materials are read from transmission at two energies; this radiograph is {radiograph.meaning} with "
            f"{radiograph.plane.shape[2]} channel(s)"
        )
    high, low = radiograph.scan.energies_mv or DEFAULT_MEGAVOLTS
    return float(high), float(low)


def expected_ratio(name: str, depth: Doubles | float, energies: tuple[float, float]) -> Doubles:
    """Return the ratio R of a class at a depth -ln T(high).

    Args:
        name: a key of `CLASSES`.
        depth: any shape, above 0.
        energies: high and low voltage in MV.
    """
    depths, ratios = _curve(name, energies)
    return np.interp(np.asarray(depth, dtype=np.float64), depths, ratios)


@lru_cache(maxsize=128)
def _curve(name: str, energies: tuple[float, float]) -> tuple[Doubles, Doubles]:
    """Return depth and mean ratio of a class."""
    beams = [linac(voltage) for voltage in energies]
    grid = np.linspace(0.02, 9.0, 400)
    ratios = []
    for material in CLASSES[name]:
        high, low = (-np.log(np.maximum(beam.transmission({material: _LOADS}), 1e-9)) for beam in beams)
        ratios.append(np.interp(grid, high, low / high))
    return grid, np.mean(ratios, axis=0)


def smoothing(factor: int) -> int:
    """Return the side in blocks of what is averaged, for a radiograph reduced by a factor; odd."""
    return _SMOOTH if factor == 1 else 3


def anchored_on_steel(
    radiograph: Radiograph, container: Container, depths: SmoothedDepths | None = None
) -> SteelAnchor:
    """Find a scan's own ratio of steel, over the computed one, in the walls under the roof and below the floor.

    Args:
        radiograph: at two energies.
        container: its cargo box.
        depths: of `smoothed_depths`, where they were made already.
    """
    energies = energies_of(radiograph)
    high, low, flat = smoothed_depths(radiograph) if depths is None else depths
    factor = radiograph.reduced.factor
    zone = _steel_zone(container, high.shape, factor) & flat
    zone &= (high > _ANCHOR_DEPTHS[0]) & (high < _ANCHOR_DEPTHS[1])
    count, least = int(zone.sum()), _LEAST_ANCHOR // factor**2
    if count < least:
        return SteelAnchor(1.0, energies, 1.0, count, 0.0)
    depth = high[zone].astype(np.float64)
    ratios = low[zone] / depth / expected_ratio("heavy_metal", depth, energies)
    histogram, edges = np.histogram(ratios, bins=_BINS, range=(_SPAN[0] - 0.1, _SPAN[1] - 0.1), weights=depth)
    smooth = np.convolve(histogram, [0.25, 0.5, 0.25], mode="same")
    peaks = np.flatnonzero((smooth >= np.roll(smooth, 1)) & (smooth >= np.roll(smooth, -1)))
    high_peaks = peaks[smooth[peaks] >= _HIGH_ENOUGH * smooth.max()]
    middle = 0.5 * (edges[high_peaks[0]] + edges[high_peaks[0] + 1])
    near = np.abs(ratios - middle) < 0.02
    if int(near.sum()) < least // 3:
        return SteelAnchor(1.0, energies, 1.0, count, 0.0)
    found = float(np.average(ratios[near], weights=depth[near]))
    typical = float(np.average(depth[near], weights=depth[near]))
    fitted, left = _fitted(found, typical, energies)
    return SteelAnchor(found, fitted, left, int(near.sum()), float(near.mean()))


def _fitted(ratio: float, depth: float, nominal: tuple[float, float]) -> tuple[tuple[float, float], float]:
    """Return the voltages at which steel is `ratio` times as at the nominal ones, and the factor that is left.

    The ratio falls as the lower voltage rises, so that halving finds it, in steps of 0.05 MV.
    """
    high = nominal[0]
    wanted = ratio * float(expected_ratio("heavy_metal", depth, nominal))
    grid = np.arange(max(_LEAST_LOW, 0.4 * high), high - _LEAST_APART, _LOW_STEP)
    if not grid.size:
        return nominal, ratio
    first, last = 0, grid.size - 1
    while first < last:
        middle = (first + last) // 2
        if float(expected_ratio("heavy_metal", depth, (high, float(grid[middle])))) > wanted:
            first = middle + 1
        else:
            last = middle
    fitted = (high, round(float(grid[first]), 3))
    return fitted, wanted / float(expected_ratio("heavy_metal", depth, fitted))


def smoothed_depths(radiograph: Radiograph) -> SmoothedDepths:
    """Return -ln T (h, w) of both energies, averaged over 5 x 5 pixels, and where the scan is flat enough for that.

    All three are of the reduced radiograph; where its factor is above 1, over 3 x 3 blocks.

    Across an edge the mean of transmissions is mostly the bright side's, and its logarithm tells of nothing that is
    there: half air and half steel would have a ratio near 1.
    """
    reduced = radiograph.reduced
    window = (smoothing(reduced.factor),) * 2
    first, second = (np.ascontiguousarray(reduced.plane[:, :, channel]) for channel in range(2))
    mean, low = (np.asarray(cv2.blur(plane, window), dtype=np.float32) for plane in (first, second))
    variance = np.maximum(cv2.blur(first * first, window) - mean * mean, 0.0)
    signal = np.maximum(mean, np.float32(1e-4))
    # Counts that follow Poisson's law scatter by sqrt(T), which in the dark is more than edges do in the light.
    flat = variance < (_ROUGH * signal) ** 2 + (_NOISY * reduced.noise) ** 2 * signal
    depths = [-np.log(np.maximum(plane, np.float32(1e-5))) for plane in (mean, low)]
    return depths[0], depths[1], np.asarray(flat, dtype=np.bool_)


def _steel_zone(container: Container, shape: tuple[int, ...], factor: int) -> npt.NDArray[np.bool_]:
    zone = np.zeros(shape, dtype=np.bool_)
    x1, y1, x2, y2 = (edge / factor for edge in container.box)
    columns = slice(max(0, round(x1)), round(x2))
    zone[max(0, round(y1)) : round(y1 + _WALL_SHARE * (y2 - y1)), columns] = True
    zone[min(shape[0], round(y2 + 0.01 * shape[0])) :, columns] = True
    return zone
