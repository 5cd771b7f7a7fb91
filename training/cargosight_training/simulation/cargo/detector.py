"""From areal density to the counts of a linac scanner, with what real ones do wrong."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.attenuation import Material
from cargosight_inference.scans.beams import Beam, Plane
from cargosight_training.simulation.fields import smooth_noise

Rng = np.random.Generator
Counts = npt.NDArray[np.uint16]
FULL_SCALE = 65535
_CHUNK = 48  # rows handled at once, so that the work stays in the cache
_PLAIN = 60.0  # photons from which the normal approximation of Poisson noise is good


@dataclass(frozen=True)
class Exposure:
    """One scanner on one day.

    Attributes:
        megavolts: of both channels, the more penetrating first.
        photons: effective count of a pixel in air of the first channel.
        low_share: photons of the second channel relative to the first.
        air: counts in air of each channel, of 65,535.
        blur: deviation of the point spread in pixels.
        scatter: share of the mean signal around a pixel that is scattered into it.
        dark: what is taken off every pixel as the dark signal, relative to air; part of it is scatter.
        floor: signal that reaches every pixel however thick the load, relative to air.
        pulse: relative deviation of the dose from column to column.
        drift: relative deviation of the slow drift of the dose.
        gains: relative deviation of the gain from row to row.
        offsets: deviation of the offset from row to row in counts.
        electronic: deviation of the electronic noise in counts.
        blocks: deviation in counts of an offset common to blocks of pixels, as lossy storage leaves it; 0 for none.
        blank_rows: rows without a detector at the lower edge.
        dead: how many columns, rows and single pixels are dead or saturated, on average.
    """

    megavolts: tuple[float, float]
    photons: float
    low_share: float
    air: tuple[float, float]
    blur: float
    scatter: float
    floor: float
    dark: float
    pulse: float
    drift: float
    gains: float
    offsets: float
    electronic: float
    blocks: float
    blank_rows: int
    dead: float

    @property
    def opaque(self) -> float:
        """Transmission below which nothing is told from noise, scatter and offset."""
        return max(3.0 / self.photons, 2.0 * self.floor, (self.electronic + self.blocks) / self.air[0])


def choose_exposure(
    rng: Rng, pairs: tuple[tuple[float, float], ...], photons: tuple[float, float]
) -> Exposure:
    """Return an exposure of random quality; the ranges hold what five real truck scans show and somewhat more."""
    level = rng.uniform(51_000, 58_000)
    floor = float(np.exp(rng.uniform(np.log(5e-5), np.log(9e-4))))
    return Exposure(
        megavolts=pairs[int(rng.integers(len(pairs)))],
        photons=float(np.exp(rng.uniform(*np.log(photons)))),
        low_share=float(rng.uniform(0.5, 0.9)),
        air=(level, level * float(rng.uniform(0.97, 1.01))),
        blur=float(rng.uniform(0.45, 0.95)),
        scatter=float(rng.uniform(0.002, 0.012)),
        floor=floor,
        dark=floor * float(rng.uniform(0.3, 1.1)),
        pulse=float(rng.uniform(0.001, 0.008)),
        drift=float(rng.uniform(0.001, 0.012)),
        gains=float(rng.uniform(0.001, 0.010)),
        offsets=float(rng.uniform(0.5, 7.0)),
        electronic=float(rng.uniform(2.0, 22.0)),
        blocks=float(rng.uniform(2.0, 14.0) * rng.integers(2)),
        blank_rows=int(rng.integers(1, 15) * (rng.random() < 0.75)),
        dead=float(rng.choice([0.0, 0.2, 1.0])),
    )


def transmitted(beam: Beam, loads: dict[Material, Plane]) -> Plane:
    """Return the noise-free transmission of a beam through `loads` in g/cm2, as `Beam.transmission` does.

    Rows are handled a few at a time, which is faster on a large scan.
    """
    shape = next(iter(loads.values())).shape
    found = np.empty(shape, dtype=np.float32)
    for start in range(0, shape[0], _CHUNK):
        rows = slice(start, start + _CHUNK)
        held = {material: plane[rows] for material, plane in loads.items() if plane[rows].any()}
        found[rows] = beam.transmission(held) if held else np.float32(1.0)
    return found


def wobbled(loads: dict[Material, Plane], rng: Rng, amount: float) -> dict[Material, Plane]:
    """Return loads whose columns are shifted up and down by parts of a pixel: the road is not even.

    Args:
        loads: (H, W) g/cm2.
        rng: source of randomness.
        amount: deviation of the shift in pixels.
    """
    height, width = next(iter(loads.values())).shape
    slow = smooth_noise(rng, 1, width, 160.0)[0] + np.float32(0.25) * smooth_noise(rng, 1, width, 14.0)[0]
    shift = np.clip(slow * np.float32(amount), -3.0, 3.0)
    x = np.broadcast_to(np.arange(width, dtype=np.float32), (height, width))
    y = np.arange(height, dtype=np.float32)[:, None] + shift[None, :]
    first, second = cv2.convertMaps(np.ascontiguousarray(x), y.astype(np.float32), cv2.CV_16SC2)
    return {
        material: np.asarray(
            cv2.remap(plane, first, second, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
            dtype=np.float32,
        )
        for material, plane in loads.items()
    }


def expose(signal: Plane, exposure: Exposure, channel: int, rng: Rng, faults: Rng) -> Counts:
    """Return the counts (H, W) of one channel.

    Args:
        signal: noise-free transmission (H, W).
        exposure: the scanner.
        channel: 0 or 1.
        rng: source of the noise.
        faults: source of what is wrong with the detector; the same numbers for both channels give the same faults.
    """
    height, width = signal.shape
    seen = np.asarray(cv2.GaussianBlur(signal, (0, 0), exposure.blur), dtype=np.float32)
    small = cv2.resize(seen, (max(width // 16, 1), max(height // 16, 1)), interpolation=cv2.INTER_AREA)
    around = cv2.resize(cv2.GaussianBlur(small, (0, 0), 3.0), (width, height), interpolation=cv2.INTER_LINEAR)
    seen += np.float32(exposure.scatter) * np.asarray(around, dtype=np.float32) * (np.float32(1.0) - seen)
    seen += np.float32(exposure.floor)
    dose = (
        1.0
        + exposure.pulse * rng.standard_normal(width)
        + exposure.drift * smooth_noise(rng, 1, width, 300.0)[0]
    )
    seen *= dose.astype(np.float32)
    photons = exposure.photons * (1.0 if channel == 0 else exposure.low_share)
    counts = _poisson(seen, np.float32(photons), rng)
    air = np.float32(exposure.air[channel])
    gains = faults.standard_normal((height, 1), dtype=np.float32) * np.float32(exposure.gains) + np.float32(
        1.0
    )
    counts *= gains * (air / np.float32(photons))
    counts += faults.standard_normal((height, 1), dtype=np.float32) * np.float32(exposure.offsets)
    counts -= np.float32(exposure.dark) * air
    counts += np.float32(exposure.electronic) * rng.standard_normal(counts.shape, dtype=np.float32)
    if exposure.blocks > 0.0:
        counts += _blocks(seen, exposure.blocks, rng)
    np.clip(np.rint(counts), 0, FULL_SCALE, out=counts)
    found = counts.astype(np.uint16)
    _break(found, exposure, faults)
    return found


def _poisson(mean: Plane, photons: np.float32, rng: Rng) -> Plane:
    """Return photons around mean * photons: exact where few are expected, by the normal approximation elsewhere."""
    (rare,) = rng.spawn(1)  # it draws as many numbers as it likes and leaves what comes after alone
    counts: Plane = mean * photons
    few = counts < _PLAIN
    thin = counts[few]
    noise = rng.standard_normal(counts.shape, dtype=np.float32)
    noise *= np.sqrt(counts)
    counts += noise
    counts[few] = rare.poisson(thin)
    return counts


def _blocks(seen: Plane, deviation: float, rng: Rng) -> Plane:
    """Return an offset of blocks of 16 x 8 pixels where hardly anything arrives."""
    height, width = seen.shape
    coarse = rng.standard_normal((height // 16 + 1, width // 8 + 1), dtype=np.float32) * np.float32(deviation)
    full = np.repeat(np.repeat(coarse, 16, axis=0), 8, axis=1)[:height, :width]
    found: Plane = np.where(seen < np.float32(0.01), full, np.float32(0.0))
    return found


def _break(counts: Counts, exposure: Exposure, faults: Rng) -> None:
    height, width = counts.shape
    for _ in range(min(int(faults.poisson(exposure.dead)), 3)):
        counts[:, int(faults.integers(width))] = 0 if faults.random() < 0.5 else FULL_SCALE
    for _ in range(min(int(faults.poisson(0.3 * exposure.dead)), 2)):
        counts[int(faults.integers(height))] = 0 if faults.random() < 0.4 else FULL_SCALE
    for _ in range(int(faults.poisson(2.0 * exposure.dead))):  # a pixel that fails now and then
        row = int(faults.integers(height))
        counts[row, int(faults.integers(1, 16)) :: int(faults.integers(16, 64))] = 0
    share = 0.0002 * exposure.dead
    bad = faults.integers(0, counts.size, int(share * counts.size))
    counts.reshape(-1)[bad] = np.where(faults.random(bad.size) < 0.5, 0, FULL_SCALE)
    if exposure.blank_rows:
        counts[-exposure.blank_rows :] = 0
