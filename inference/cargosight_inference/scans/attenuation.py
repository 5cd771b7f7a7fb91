"""How materials weaken megavolt X-rays.

Mass attenuation and energy absorption come from `mucoeff` (Boone and Chavez, Medical Physics 23 (1996) 1997),
whose totals lie within 0.6 % of NIST's tables; a compound's are the sums over its mass fractions (the mixture
rule).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from cargosight_models.errors import UsageError

Spectrum = npt.NDArray[np.float64]

_NUMBERS: Mapping[str, int] = MappingProxyType(
    {
        "H": 1, "C": 6, "N": 7, "O": 8, "Na": 11, "Al": 13, "Si": 14, "P": 15, "S": 16, "Cl": 17, "K": 19, "Ca": 20,
        "Cr": 24, "Mn": 25, "Fe": 26, "Ni": 28, "Cu": 29, "Zn": 30, "Cd": 48, "Sn": 50, "W": 74, "Pb": 82, "U": 92,
    }
)  # fmt: skip
_LEAST_MEV, _MOST_MEV = 0.001, 50.0  # what the tables hold


@dataclass(frozen=True)
class Material:
    """One material.

    Attributes:
        name: what it is called here.
        density: g/cm3 of the solid or liquid; goods as packed are lighter, by their filling.
        fractions: (element, mass fraction) pairs; the fractions sum to 1.
    """

    name: str
    density: float
    fractions: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        total = sum(part for _, part in self.fractions)
        unknown = [element for element, _ in self.fractions if element not in _NUMBERS]
        if not self.density > 0.0 or abs(total - 1.0) > 1e-6 or unknown:
            raise ValueError(
                f"the material {self.name!r} has density {self.density}, fractions that sum to {total:g} and the "
                f"unknown elements {unknown}; expected a density above 0, a sum of 1 and elements of "
                f"{', '.join(_NUMBERS)}"
            )

    @cached_property
    def effective_number(self) -> float:
        """Electrons a gram, weighted as pair production does: sum of w Z**2 / A over that of w Z / A."""
        from mucoeff import Flag, mu

        charge = square = 0.0
        for element, part in self.fractions:
            number = _NUMBERS[element]
            mass = float(np.squeeze(mu(Flag.ATOMIC_MASS, number)))
            charge += part * number / mass
            square += part * number**2 / mass
        return square / charge

    def attenuation(self, energies: npt.ArrayLike) -> Spectrum:
        """Return the mass attenuation with coherent scattering in cm2/g at energies in MeV."""
        return _mixed(self.fractions, energies, absorbed=False)

    def absorption(self, energies: npt.ArrayLike) -> Spectrum:
        """Return the mass energy absorption in cm2/g at energies in MeV: what a detector keeps of the energy."""
        return _mixed(self.fractions, energies, absorbed=True)


def _mixed(fractions: tuple[tuple[str, float], ...], energies: npt.ArrayLike, *, absorbed: bool) -> Spectrum:
    from mucoeff import Flag, mu  # 0.1 s, which an inspection does not need

    mev = np.asarray(energies, dtype=np.float64)
    if mev.size and not (mev.min() >= _LEAST_MEV and mev.max() <= _MOST_MEV):
        raise UsageError(
            f"photon energies from {mev.min():g} to {mev.max():g} MeV; expected {_LEAST_MEV:g} to {_MOST_MEV:g}"
        )
    flag = Flag.MU_EN_TOT if absorbed else Flag.MU_TOT
    total = np.zeros(mev.shape)
    for element, part in fractions:
        total += part * np.reshape(mu(flag, _NUMBERS[element], mev.ravel() * 1000.0), mev.shape)
    return total


def _material(name: str, density: float, **fractions: float) -> Material:
    total = sum(fractions.values())
    return Material(name, density, tuple((element, part / total) for element, part in fractions.items()))


# Densities and compositions: NIST's table of compounds where it has them, otherwise typical of the goods to 10 %.
POLYETHYLENE = _material("polyethylene", 0.94, H=0.1437, C=0.8563)
WATER = _material("water", 1.0, H=0.1119, O=0.8881)
CELLULOSE = _material("cellulose", 1.5, H=0.0622, C=0.4444, O=0.4934)  # wood, paper, cotton, tobacco
FLESH = _material("flesh", 1.04, H=0.102, C=0.143, N=0.034, O=0.708, P=0.003, S=0.003, Cl=0.003, K=0.004)
FAT = _material("fat", 0.92, H=0.12, C=0.77, O=0.11)
RUBBER = _material("rubber", 1.15, H=0.095, C=0.845, S=0.02, Zn=0.02, O=0.02)
PVC = _material("PVC", 1.38, H=0.0484, C=0.3844, Cl=0.5672)
EXPLOSIVE = _material("explosive", 1.65, H=0.0272, C=0.1622, N=0.3784, O=0.4322)  # RDX
COCAINE = _material("cocaine hydrochloride", 1.2, H=0.0653, C=0.6009, N=0.0412, O=0.1883, Cl=0.1043)
CERAMIC = _material("ceramic", 2.3, O=0.50, Si=0.30, Al=0.14, K=0.03, Ca=0.03)
GLASS = _material("glass", 2.5, O=0.46, Si=0.337, Na=0.096, Ca=0.107)
CONCRETE = _material(
    "concrete", 2.3, H=0.0222, C=0.0025, O=0.5749, Na=0.0152, Al=0.02, Si=0.3046, K=0.01, Ca=0.0506
)
ALUMINIUM = _material("aluminium", 2.70, Al=1.0)
STEEL = _material("steel", 7.85, Fe=0.985, C=0.003, Mn=0.012)
IRON = _material("iron", 7.87, Fe=1.0)
COPPER = _material("copper", 8.96, Cu=1.0)
BRASS = _material("brass", 8.5, Cu=0.63, Zn=0.37)
TIN = _material("tin", 7.31, Sn=1.0)
LEAD = _material("lead", 11.35, Pb=1.0)
TUNGSTEN = _material("tungsten", 19.3, W=1.0)
URANIUM = _material("uranium", 18.95, U=1.0)
CADMIUM_TUNGSTATE = _material("cadmium tungstate", 7.9, Cd=0.312, W=0.510, O=0.178)

MATERIALS: Mapping[str, Material] = MappingProxyType(
    {
        found.name: found
        for found in (
            POLYETHYLENE, WATER, CELLULOSE, FLESH, FAT, RUBBER, PVC, EXPLOSIVE, COCAINE, CERAMIC, GLASS, CONCRETE,
            ALUMINIUM, STEEL, IRON, COPPER, BRASS, TIN, LEAD, TUNGSTEN, URANIUM,
        )
    }
)  # fmt: skip
"""What scenes and threat signatures are made of, by name."""
