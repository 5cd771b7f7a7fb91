"""What a linac's beam is made of, and what is left of it behind a load.

The spectrum on the axis of a thick tungsten target: the electrons slow down by collision and radiation and are
scattered out of the axis, and at every depth they radiate with Schiff's cross-section integrated over angles
(Koch and Motz, Rev. Mod. Phys. 31 (1959) 920, formula 3BS(e)); collision losses after Berger and Seltzer with the
density effect of Sternheimer, radiation losses from the same cross-section, multiple scattering after Rossi and
Greisen. The composition of slowing down and scattering follows Findlay, Nucl. Instrum. Methods A 276 (1989) 598.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.attenuation import CADMIUM_TUNGSTATE, COPPER, TUNGSTEN, Material, Spectrum
from cargosight_models.errors import UsageError

Plane = npt.NDArray[np.float32]

ENERGIES = 28
"""Energies that stand for a spectrum: at 4, 6 and 9 MV, -ln T of iron up to 40 cm differs by 0.11 % or less from that
of all 399, of polyethylene (to 400 g/cm2) and lead (to 200) by 0.34 %."""

_REST = 0.51099895  # MeV, an electron's
_RADIUS = 2.8179403e-13  # cm, an electron's
_AVOGADRO = 6.02214076e23
_FINE = 1.0 / 137.035999
_Z, _A = 74, 183.84  # tungsten
_EXCITATION = 727e-6  # MeV
_DENSITY_EFFECT = (5.4059, 0.2167, 3.4960, 0.15509, 2.8447)  # C, x0, x1, a, m of tungsten
_RADIATION_LENGTH = 6.76  # g/cm2, tungsten
_SCATTERING = 21.2  # MeV, Rossi and Greisen
_TARGET = 2.0  # g/cm2 of tungsten, 1 mm
_FILTER = 4.5  # g/cm2 of copper, 5 mm: the target's back and the windows
_DETECTOR = 23.7  # g/cm2 of cadmium tungstate, 30 mm
_LEAST_MEV = 0.05
_FINE_STEPS = 400
_LEAST_MV, _MOST_MV = 1.0, 25.0


@dataclass(frozen=True, eq=False)
class Beam:
    """What a detector would measure of a beam in air, by photon energy.

    Attributes:
        megavolts: accelerating voltage in MV.
        energies: (N,) MeV, rising.
        weights: (N,) shares of the signal in air; they sum to 1.
    """

    megavolts: float
    energies: Spectrum
    weights: Spectrum

    def __post_init__(self) -> None:
        if not (self.energies.shape == self.weights.shape and np.all(np.diff(self.energies) > 0.0)):
            raise ValueError(
                f"energies {self.energies.shape} and weights {self.weights.shape}; expected equal, rising"
            )
        if not (np.all(self.weights >= 0.0) and abs(float(self.weights.sum()) - 1.0) < 1e-9):
            raise ValueError(
                f"the weights of a beam sum to {self.weights.sum()}; expected shares that sum to 1"
            )

    def attenuation(self, material: Material) -> Spectrum:
        """Return (N,) cm2/g at the beam's energies."""
        return material.attenuation(self.energies)

    def transmission(self, loads: dict[Material, Plane]) -> Plane:
        """Return the share of the signal in air that passes, in [0, 1] (Beer and Lambert, energy by energy).

        Args:
            loads: areal density in g/cm2 of each material, all of one shape.
        """
        if not loads:
            raise UsageError("no material in the beam; give at least one, of areal density 0 for air")
        shape = next(iter(loads.values())).shape
        passed = np.zeros(shape, dtype=np.float32)
        part = np.empty(shape, dtype=np.float32)
        for index, weight in enumerate(self.weights.tolist()):
            left = self._left(loads, index, part)
            left *= np.float32(weight)
            passed += left
        return passed

    def darkening(self, before: dict[Material, Plane], loads: dict[Material, Plane]) -> Plane:
        """Return what `loads` leave of the signal that passes `before`, in [0, 1]; 1 to the last bit where they are 0.

        Args:
            before: areal density in g/cm2 of each material that is there already.
            loads: of each that comes into the beam, of the same shape.
        """
        shape = next(iter(before.values())).shape
        passed, both = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        part = np.empty(shape, dtype=np.float32)
        for index, weight in enumerate(self.weights.tolist()):
            left = self._left(before, index, part)
            left *= np.float32(weight)
            passed += left
            left *= self._left(loads, index, part)
            both += left
        found: Plane = both / passed
        return found

    def _left(self, loads: dict[Material, Plane], index: int, part: Plane) -> Plane:
        """Return the share of the photons of one energy that passes; `part` is room to work in."""
        depth = np.zeros_like(part)
        for material, load in loads.items():
            np.multiply(load, np.float32(_coefficients(self, material)[index]), out=part)
            depth -= part
        if depth.size:  # OpenCV takes no empty array
            flat = depth.reshape(-1)  # a view, of one axis, which OpenCV works on in place
            cv2.exp(flat, flat)  # right to 3e-7, at a third of the time of numpy's
        return depth


@lru_cache(maxsize=256)
def _coefficients(beam: Beam, material: Material) -> Spectrum:
    return beam.attenuation(material)


@lru_cache(maxsize=16)
def linac(megavolts: float) -> Beam:
    """Return the beam of a linac, as a scintillator of 30 mm cadmium tungstate that adds up energy measures it.

    Raises:
        UsageError: the voltage is not from 1 to 25 MV.
    """
    if not _LEAST_MV <= megavolts <= _MOST_MV:
        raise UsageError(f"a linac of {megavolts:g} MV; expected {_LEAST_MV:g} to {_MOST_MV:g}")
    fine = np.linspace(_LEAST_MEV, megavolts, _FINE_STEPS)[:-1]
    signal = photon_spectrum(megavolts, fine) * fine
    signal *= 1.0 - np.exp(-CADMIUM_TUNGSTATE.absorption(fine) * _DETECTOR)
    edges = np.geomspace(_LEAST_MEV, megavolts, ENERGIES + 1)
    bins = np.clip(np.searchsorted(edges, fine, side="right") - 1, 0, ENERGIES - 1)
    weights = np.bincount(bins, signal, ENERGIES)
    held = weights > 0.0
    energies = np.bincount(bins, signal * fine, ENERGIES)[held] / weights[held]
    return Beam(megavolts, energies, weights[held] / weights.sum())


def photon_spectrum(megavolts: float, energies: Spectrum) -> Spectrum:
    """Return photons on the axis per MeV, in any unit, at energies in MeV, behind the target and its windows."""
    steps = np.linspace(max(0.1, _LEAST_MEV), megavolts, 300)[::-1]
    kept = np.zeros(energies.shape)
    spread = depth = 0.0  # square of the angle, and g/cm2
    self_filter = TUNGSTEN.attenuation(energies)
    for kinetic in steps.tolist():
        layer = (steps[0] - steps[1]) / (_collision_loss(kinetic) + _radiation_loss(kinetic))
        momentum = np.sqrt(kinetic * (kinetic + 2.0 * _REST))
        beta = momentum / (kinetic + _REST)
        spread += (_SCATTERING / (momentum * beta)) ** 2 * layer / _RADIATION_LENGTH
        depth += layer
        forward = layer / (spread + (_REST / (kinetic + _REST)) ** 2)
        below = energies < 0.999 * kinetic
        behind = np.exp(-self_filter[below] * max(_TARGET - depth, 0.0))
        kept[below] += forward * schiff(kinetic, energies[below]) * behind
    return kept * np.exp(-COPPER.attenuation(energies) * _FILTER)


def schiff(kinetic: float, energies: Spectrum) -> Spectrum:
    """Return the bremsstrahlung cross-section of tungsten in cm2/MeV an atom (Koch and Motz, 3BS(e)).

    Args:
        kinetic: energy of the electron in MeV.
        energies: of the photons in MeV, below `kinetic`.
    """
    before = (kinetic + _REST) / _REST
    photon = energies / _REST
    after = before - photon
    root = _Z ** (1.0 / 3.0)
    b = 2.0 * before * after * root / (111.0 * photon)
    log_m = -np.log((photon / (2.0 * before * after)) ** 2 + (root / 111.0) ** 2)
    arc = np.arctan(b)
    share = after / before
    first = (1.0 + share**2 - 2.0 / 3.0 * share) * (log_m + 1.0 - 2.0 / b * arc)
    second = share * (
        2.0 / b**2 * np.log1p(b**2) + 4.0 * (2.0 - b**2) / (3.0 * b**3) * arc - 8.0 / (3.0 * b**2) + 2.0 / 9.0
    )
    found: Spectrum = 2.0 * _Z**2 * _RADIUS**2 * _FINE / energies * np.maximum(first + second, 0.0)
    return found


def _collision_loss(kinetic: float) -> float:
    """MeV cm2/g (Berger and Seltzer; ESTAR gives 1.016 at 1 MeV)."""
    tau = kinetic / _REST
    gamma = tau + 1.0
    beta2 = 1.0 - 1.0 / gamma**2
    c, x0, x1, a, m = _DENSITY_EFFECT
    x = float(np.log10(np.sqrt(beta2) * gamma))
    density = 0.0 if x < x0 else 4.6052 * x - c + a * max(x1 - x, 0.0) ** m
    shape = 1.0 - beta2 + (tau**2 / 8.0 - (2.0 * tau + 1.0) * np.log(2.0)) / gamma**2
    log = np.log(tau**2 * (tau + 2.0) / (2.0 * (_EXCITATION / _REST) ** 2))
    return float(0.153537 * _Z / _A / beta2 * (log + shape - density))


def _radiation_loss(kinetic: float) -> float:
    """MeV cm2/g, from the cross-section itself."""
    photons = np.linspace(1e-3, 0.9999, 200) * kinetic
    return float(_AVOGADRO / _A * np.trapezoid(photons * schiff(kinetic, photons), photons))
