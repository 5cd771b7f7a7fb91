"""Mass attenuation against NIST's tables (X-Ray Mass Attenuation Coefficients, NISTIR 5632)."""

import pytest

from cargosight_inference.scans.attenuation import (
    IRON,
    LEAD,
    MATERIALS,
    POLYETHYLENE,
    STEEL,
    URANIUM,
    WATER,
    Material,
)
from cargosight_models.errors import UsageError


@pytest.mark.parametrize(
    ("material", "energy", "nist"),
    [
        (IRON, 1.0, 0.05995),
        (IRON, 6.0, 0.03057),
        (LEAD, 0.1, 5.549),
        (LEAD, 1.0, 0.07102),
        (WATER, 0.1, 0.1707),
        (WATER, 1.0, 0.07072),
    ],
)
def test_nist_values(material, energy, nist):
    assert float(material.attenuation(energy)) == pytest.approx(nist, rel=0.006)


def test_energy_absorption_is_the_smaller_part():
    for energy in (0.1, 1.0, 6.0):
        assert 0.1 < float(WATER.absorption(energy) / WATER.attenuation(energy)) < 1.0


def test_a_mixture_lies_between_its_elements():
    carbon = Material("carbon", 2.2, (("C", 1.0),))
    hydrogen = Material("hydrogen", 0.1, (("H", 1.0),))
    low, high = sorted(float(m.attenuation(1.0)) for m in (carbon, hydrogen))
    assert low < float(POLYETHYLENE.attenuation(1.0)) < high


def test_materials_are_told_apart_by_their_effective_number():
    order = [POLYETHYLENE, WATER, MATERIALS["aluminium"], STEEL, MATERIALS["tin"], LEAD, URANIUM]
    numbers = [material.effective_number for material in order]
    assert numbers == sorted(numbers)
    assert MATERIALS["aluminium"].effective_number == pytest.approx(13.0)


def test_every_material_is_found_by_its_name():
    assert all(MATERIALS[name].name == name for name in MATERIALS)


@pytest.mark.parametrize("energy", [0.0, 0.0005, 60.0])
def test_energies_beyond_the_tables_are_refused(energy):
    with pytest.raises(UsageError, match="MeV; expected"):
        WATER.attenuation(energy)


@pytest.mark.parametrize(
    ("density", "fractions"), [(0.0, (("C", 1.0),)), (1.0, (("C", 0.9),)), (1.0, (("Xx", 1.0),))]
)
def test_materials_that_cannot_be(density, fractions):
    with pytest.raises(ValueError, match="expected a density above 0"):
        Material("odd", density, fractions)
