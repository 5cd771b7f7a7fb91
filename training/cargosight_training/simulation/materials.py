"""Materials of baggage and how they weaken X-rays at the simulator's two energies.

A baggage scanner runs its tube at 140-160 kV and separates the beam into a low and a high channel. Each
channel is treated as one effective energy, so that Beer-Lambert holds exactly: 60 keV and 100 keV. The mass
attenuation coefficients of the elements are the totals with coherent scattering of NIST XCOM (Berger,
Hubbell et al., NIST Standard Reference Database 8) at these two energies; a compound's are the sums over
its mass fractions (the mixture rule). The compositions are typical of each kind of goods, to about 10 %.
"""

from collections.abc import Mapping
from dataclasses import dataclass

HIGH_KEV = 100.0
LOW_KEV = 60.0

# Element: mass attenuation in cm2/g at (100 keV, 60 keV).
_ELEMENTS: Mapping[str, tuple[float, float]] = {
    "H": (0.2944, 0.3260),
    "C": (0.1514, 0.1753),
    "N": (0.1529, 0.1817),
    "O": (0.1551, 0.1907),
    "Na": (0.1585, 0.2268),
    "Al": (0.1704, 0.2778),
    "Si": (0.1835, 0.3207),
    "S": (0.2020, 0.4053),
    "Cl": (0.2050, 0.4395),
    "K": (0.2345, 0.5679),
    "Ca": (0.2571, 0.6579),
    "Cr": (0.3166, 0.9640),
    "Mn": (0.3366, 1.0597),
    "Fe": (0.3718, 1.2050),
    "Co": (0.3950, 1.3140),
    "Ni": (0.4439, 1.5111),
    "Cu": (0.4585, 1.5926),
    "Zn": (0.4974, 1.7606),
    "Pb": (5.5491, 5.0197),
}


@dataclass(frozen=True)
class Material:
    """One material.

    Attributes:
        name: what it is called here.
        density: g/cm3, of the bulk as packed (a ball of cloth is mostly air).
        high: mass attenuation at 100 keV, cm2/g.
        low: mass attenuation at 60 keV, cm2/g.
    """

    name: str
    density: float
    high: float
    low: float

    def __post_init__(self) -> None:
        if not (self.density > 0.0 and self.high > 0.0 and self.low > 0.0):
            raise ValueError(
                f"the material {self.name!r} has density {self.density} and attenuation {self.high} and "
                f"{self.low}; expected positive numbers"
            )

    @property
    def ratio(self) -> float:
        """Low over high attenuation: about 1.2 for organic matter, 1.6 for aluminium, 3.2 for steel."""
        return self.low / self.high


def mixture(name: str, density: float, fractions: Mapping[str, float]) -> Material:
    """Return a material from mass fractions of elements; they are scaled to sum to 1.

    Raises:
        KeyError: an element that the table lacks.
    """
    total = sum(fractions.values())
    high = sum(_ELEMENTS[element][0] * part for element, part in fractions.items()) / total
    low = sum(_ELEMENTS[element][1] * part for element, part in fractions.items()) / total
    return Material(name, density, high, low)


# Organic: ratios 1.14 to 1.25.
PLASTIC = mixture("polyethylene", 0.95, {"C": 85.6, "H": 14.4})
ABS = mixture("ABS", 1.05, {"C": 85.3, "H": 8.1, "N": 6.6})
CLOTH = mixture("cotton", 0.25, {"C": 44.4, "H": 6.2, "O": 49.4})
WEBBING = mixture("nylon", 0.7, {"C": 63.7, "H": 9.8, "N": 12.4, "O": 14.1})
LEATHER = mixture("leather", 0.9, {"C": 49, "H": 7, "N": 16, "O": 25, "S": 2, "Cl": 1})
WOOD = mixture("wood", 0.65, {"C": 50, "H": 6, "O": 44})
WATER = mixture("water", 1.0, {"H": 11.2, "O": 88.8})
ALCOHOL = mixture("ethanol", 0.79, {"C": 52.1, "H": 13.1, "O": 34.7})
FUEL = mixture("butane", 0.58, {"C": 82.7, "H": 17.3})
FOOD = mixture("sugar and starch", 0.9, {"C": 42.1, "H": 6.5, "O": 51.4})
CREAM = mixture("lotion", 1.0, {"C": 22, "H": 11, "O": 67})
FOAM = mixture("foam", 0.08, {"C": 64, "H": 7, "N": 9, "O": 20})

# Mixed: 1.3 to 2.6.
RUBBER = mixture("filled rubber", 1.2, {"C": 72, "H": 9, "S": 3, "Ca": 8, "O": 8})
PAPER = mixture("coated paper", 0.85, {"C": 37, "H": 5, "O": 49, "Ca": 9})
PASTE = mixture("toothpaste", 1.3, {"H": 6, "C": 15, "O": 55, "Ca": 14, "Si": 8, "Na": 2})
GLASS = mixture("soda-lime glass", 2.5, {"O": 46, "Si": 33.7, "Na": 9.6, "Ca": 10.7})
ALUMINIUM = mixture("aluminium", 2.7, {"Al": 100})
PVC = mixture("plasticised PVC", 1.35, {"C": 48, "H": 6.5, "Cl": 38, "Ca": 4, "O": 3.5})
POWDER = mixture("pyrotechnic powder", 1.3, {"K": 29, "N": 10, "O": 37, "C": 12, "S": 9, "Al": 3})
CERAMIC = mixture("earthenware", 2.2, {"O": 49, "Si": 30, "Al": 13, "K": 3, "Ca": 5})
BOARD = mixture("circuit board", 1.9, {"O": 33, "Si": 18, "Ca": 11, "C": 22, "H": 2.5, "Al": 3, "Cu": 10.5})
CELL = mixture("lithium-ion cell", 2.2, {"Co": 18, "O": 17, "C": 34, "Cu": 9, "Al": 15, "H": 4, "Fe": 3})

# Metals: 2.9 and more, but for lead, whose K edge (88 keV) lies between both energies.
ALKALINE = mixture("alkaline cell", 2.9, {"Mn": 25, "O": 22, "Zn": 17, "Fe": 22, "H": 2, "K": 5, "C": 7})
STEEL = mixture("steel", 7.85, {"Fe": 98.5, "Mn": 1.0, "C": 0.5})
STAINLESS = mixture("stainless steel", 7.9, {"Fe": 71, "Cr": 18, "Ni": 9, "Mn": 2})
COPPER = mixture("copper", 8.9, {"Cu": 100})
BRASS = mixture("brass", 8.5, {"Cu": 65, "Zn": 35})
ZINC = mixture("zinc alloy", 6.7, {"Zn": 95.5, "Al": 4, "Cu": 0.5})
LEAD = mixture("lead", 11.3, {"Pb": 100})
