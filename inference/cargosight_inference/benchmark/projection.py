"""What threat image projection costs: the arithmetic alone, as training calls it for each sample."""

from dataclasses import dataclass
from time import process_time

import numpy as np

from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.scans.attenuation import BRASS, POLYETHYLENE, STEEL, Material
from cargosight_inference.scans.beams import Plane, linac
from cargosight_inference.scans.projection import DEFAULT_MEGAVOLTS, darkened

SIDE = 256
"""Pixels of a side of the window."""
_CALLS = 5  # a round
_PHOTONS = 2e4


@dataclass(frozen=True)
class ProjectionTime:
    """CPU-time of one `darkened`, in milliseconds.

    Attributes:
        full: the threat fills the window, with noise of the light that is lost.
        sparse: it covers a tenth of it, as a weapon does its box.
        side: of the window in pixels.
        energies: of the scan in MV.
        materials: of the threat.
    """

    full: Spread
    sparse: Spread
    side: int
    energies: tuple[float, ...]
    materials: int


def measure_projection(rounds: int) -> ProjectionTime:
    """Project a threat of three materials into a made window, `rounds` times five."""
    random = np.random.default_rng(0)
    beams = tuple(linac(energy) for energy in DEFAULT_MEGAVOLTS)
    signal = random.uniform(0.05, 0.6, (SIDE, SIDE, len(beams))).astype(np.float32)
    full = {
        material: random.uniform(0.5, 15.0, (SIDE, SIDE)).astype(np.float32)
        for material in (STEEL, POLYETHYLENE, BRASS)
    }
    covered = random.random((SIDE, SIDE)) < 0.1
    sparse = {material: load * covered for material, load in full.items()}

    def measured(loads: dict[Material, Plane]) -> Spread:
        found = []
        for index in range(1 + rounds * _CALLS):
            started = process_time()
            darkened(signal, loads, beams, photons=_PHOTONS, rng=random)
            if index > 0:  # the first fills the tables
                found.append((process_time() - started) * 1e3)
        return Spread.of(found)

    return ProjectionTime(measured(full), measured(sparse), SIDE, DEFAULT_MEGAVOLTS, len(full))
