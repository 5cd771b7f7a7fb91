"""The linac's beam against published simulations of one."""

import numpy as np
import pytest

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    IRON,
    LEAD,
    POLYETHYLENE,
    TIN,
    URANIUM,
    Material,
)
from cargosight_inference.scans.beams import Beam, linac, photon_spectrum
from cargosight_models.errors import UsageError

CARBON = Material("carbon", 2.2, (("C", 1.0),))


def depth(beam, material, load):
    return -float(np.log(beam.transmission({material: np.full(1, load, np.float32)})[0]))


@pytest.mark.parametrize(("megavolts", "mean"), [(6.0, 1.38), (9.0, 1.84)])
def test_mean_photon_energy(megavolts, mean):
    energies = np.linspace(0.05, megavolts, 400)[:-1]
    photons = photon_spectrum(megavolts, energies)
    assert float((photons * energies).sum() / photons.sum()) == pytest.approx(mean, rel=0.05)


@pytest.mark.parametrize(("material", "published"), [(CARBON, 3.40), (IRON, 3.84), (LEAD, 4.87)])
def test_attenuation_at_nine_megavolts(material, published):
    """Geant4, 104 g/cm2."""
    assert depth(linac(9.0), material, 104.0) == pytest.approx(published, rel=0.05)


@pytest.mark.parametrize(
    ("material", "ratio"),
    [(POLYETHYLENE, 1.229), (ALUMINIUM, 1.193), (IRON, 1.148), (TIN, 1.101), (LEAD, 1.083), (URANIUM, 1.086)],
)
def test_ratio_of_two_energies(material, ratio):
    """6 over 9 MV at 40 g/cm2."""
    assert depth(linac(6.0), material, 40.0) / depth(linac(9.0), material, 40.0) == pytest.approx(
        ratio, abs=0.01
    )


def test_few_energies_stand_for_the_whole_spectrum():
    few = linac(6.0)
    assert few.energies.size <= 28
    # The beam hardens: each layer of steel weakens it less than the one before.
    layers = np.diff([depth(few, IRON, load) for load in (0.0, 50.0, 100.0, 200.0, 300.0)])
    assert layers[0] > layers[1] > layers[2] / 2 > layers[3] / 2


def test_air_and_order_of_materials():
    beam = linac(4.0)
    random = np.random.default_rng(0)
    first, second = (random.uniform(0.0, 60.0, (5, 7)).astype(np.float32) for _ in range(2))
    both = beam.transmission({IRON: first, POLYETHYLENE: second})
    np.testing.assert_allclose(both, beam.transmission({POLYETHYLENE: second, IRON: first}), rtol=1e-5)
    assert both.dtype == np.float32
    assert float(beam.transmission({IRON: np.zeros((2, 2), np.float32)}).min()) == pytest.approx(1.0)


@pytest.mark.parametrize("megavolts", [0.0, 0.5, 40.0, float("nan")])
def test_voltages_of_no_linac(megavolts):
    with pytest.raises(UsageError, match="expected 1 to 25"):
        linac(megavolts)


def test_beams_that_cannot_be():
    with pytest.raises(ValueError, match="sum to 1"):
        Beam(1.0, np.array([0.5, 1.0]), np.array([0.5, 0.6]))
    with pytest.raises(ValueError, match="rising"):
        Beam(1.0, np.array([1.0, 0.5]), np.array([0.5, 0.5]))
    with pytest.raises(UsageError, match="no material"):
        linac(6.0).transmission({})
