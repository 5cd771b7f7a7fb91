"""Which background a beam was hardened by: read from two energies, steady in noise, and midway where nothing tells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.scans.attenuation import ALUMINIUM, CELLULOSE, IRON, POLYETHYLENE, STEEL
from cargosight_inference.scans.beams import linac
from cargosight_inference.scans.hardening import UNTOLD, background, kinds

BEAMS = (linac(6.0), linac(4.0))


def even(material, load, shape=(64, 64), beams=BEAMS):
    plane = np.full(shape, load, np.float32)
    return np.stack([beam.transmission({material: plane}) for beam in beams], axis=-1)


@pytest.mark.parametrize("energies", [(6.0, 4.0), (9.0, 6.0), (4.0, 6.0)])
def test_two_energies_tell_steel_from_organic_cargo(energies):
    beams = tuple(linac(energy) for energy in energies)
    found = [
        float(kinds(even(material, 60.0, beams=beams), beams).mean())
        for material in (STEEL, ALUMINIUM, CELLULOSE, POLYETHYLENE)
    ]
    assert found == sorted(found)
    assert found[0] < 0.05
    assert 0.3 < found[1] < 0.8
    assert found[2] > 0.8
    assert found[3] > 0.95


def test_nothing_is_told_by_one_energy_or_where_cargo_is_thin_or_dark():
    for signal, beams in (
        (even(STEEL, 60.0)[:, :, :1], BEAMS[:1]),
        (even(STEEL, 2.0), BEAMS),
        (even(STEEL, 230.0), BEAMS),
        (np.zeros((64, 64, 2), np.float32), BEAMS),
        (np.ones((64, 64, 2), np.float32), BEAMS),
        (even(STEEL, 60.0), (linac(6.0), linac(5.98))),
    ):
        np.testing.assert_allclose(kinds(signal, beams), UNTOLD, atol=1e-6)


@pytest.mark.parametrize("load", [20.0, 60.0, 90.0])
def test_noise_does_not_make_it_flicker(load):
    """With 2,000 photons in air, the noisiest scans known; a single pixel's ratio would say anything from 0 to 1."""
    random = np.random.default_rng(5)
    clean = even(STEEL, load, (200, 200))
    noisy = (random.poisson(clean * 2e3) / 2e3).astype(np.float32)
    found = kinds(noisy, BEAMS)
    assert found.std() < 0.15
    assert np.abs(np.diff(found, axis=1)).max() < 0.1
    assert found.mean() == pytest.approx(float(kinds(clean, BEAMS).mean()), abs=0.1)


def test_the_kind_follows_the_cargo_from_one_side_to_the_other():
    signal = even(STEEL, 60.0, (80, 160))
    signal[:, 80:] = even(POLYETHYLENE, 60.0, (80, 80))
    found = kinds(signal, BEAMS)
    assert found[:, :50].max() < 0.1
    assert found[:, 110:].min() > 0.9


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_window_of_any_size_and_content_has_kinds_of_its_size(height, width, seed):
    signal = np.random.default_rng(seed).uniform(0.0, 1.0, (height, width, 2)).astype(np.float32)
    found = kinds(signal, BEAMS)
    assert found.shape == (height, width)
    assert found.dtype == np.float32
    assert ((found >= 0.0) & (found <= 1.0)).all()


@given(st.floats(0.0, 1.0), st.floats(1e-5, 1.0))
def test_a_background_leaves_the_signal_that_it_was_read_from(kind, level):
    signal, share = np.full(1, level, np.float32), np.full(1, kind, np.float32)
    loads = background(BEAMS[0], signal, share)
    assert float(BEAMS[0].transmission(loads)[0]) == pytest.approx(level, rel=3e-3)
    total = float(loads[IRON][0] + loads[POLYETHYLENE][0])
    assert float(loads[POLYETHYLENE][0]) == pytest.approx(kind * total, abs=1e-4)
