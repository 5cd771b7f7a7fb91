"""From transmission to steel-equivalent areal density, as a table for whoever reads a picture."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.attenuation import STEEL
from cargosight_inference.scans.beams import Beam, linac
from cargosight_inference.scans.projection import DEFAULT_MEGAVOLTS
from cargosight_inference.scans.scan import Scan

_FULL = 65535.0
_ROWS = 128
_MOST_LOAD, _LOAD_STEPS = 1000.0, 2000  # g/cm2 of steel; 6 MV reach -ln T of 30 there
_TUBE_MEV = 0.1
"""Effective energy of the more penetrating half of a sandwich detector at 160 kV; see `scans.pseudocolour`."""


def areal_density_table(scan: Scan) -> dict[str, Any] | None:
    """Return the steel that leaves so much of the more penetrating beam.

    Between two rows, areal density is linear in the logarithm of transmission, to 0.1 % or 0.01 g/cm2. What passes less
    than the last row is below a count of 16 bits.

    Returns:
        `material`, `assumed` (of the beam, a sentence), `transmission` (falling from 1) and `g_cm2` (rising from 0);
        None of a scan that is no transmission, or whose subject is unknown.
    """
    if scan.kind != "transmission" or scan.subject == "unknown":
        return None
    return _table(None if scan.energies_mv is None else scan.energies_mv[0], cargo=scan.subject == "cargo")


@lru_cache(maxsize=16)
def _table(megavolts: float | None, *, cargo: bool) -> dict[str, Any]:
    depths = np.linspace(0.0, np.log(_FULL), _ROWS)
    if cargo or megavolts is not None:
        voltage = DEFAULT_MEGAVOLTS[0] if megavolts is None else megavolts
        known = "the scan does not say its energies" if megavolts is None else "as the scan says"
        assumed = f"the beam of a linac at {voltage:g} MV ({known}), in narrow geometry, without scatter"
        loads = _steel(linac(voltage), depths)
    else:
        assumed = (
            "photons of 100 keV, as in the more penetrating half of a detector at 160 kV (the scan does not say its "
            "energies); a tube's beam hardens, so that thick steel is more than that"
        )
        loads = depths / float(STEEL.attenuation([_TUBE_MEV])[0])
    return {
        "material": "steel",
        "assumed": assumed,
        "transmission": [float(f"{value:.6g}") for value in np.exp(-depths)],
        "g_cm2": [round(value, 4) for value in loads.tolist()],
    }


def _steel(beam: Beam, depths: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the g/cm2 of steel that leave exp(-depths) of a beam."""
    loads = np.linspace(0.0, _MOST_LOAD, _LOAD_STEPS)
    reached = -np.log(np.exp(-np.outer(loads, beam.attenuation(STEEL))) @ beam.weights)
    return np.interp(depths, reached, loads)
