"""Threat image projection: against exact simulation, and that nothing projected is nothing changed."""

import hashlib
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    CELLULOSE,
    COCAINE,
    CONCRETE,
    EXPLOSIVE,
    LEAD,
    POLYETHYLENE,
    STEEL,
    URANIUM,
    WATER,
)
from cargosight_inference.scans.beams import linac
from cargosight_inference.scans.projection import Signature, darkened, darkening, project
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import UsageError

THREATS = [EXPLOSIVE, CELLULOSE, COCAINE, ALUMINIUM, STEEL, LEAD, URANIUM]
LOADS = [5.0, 20.0, 40.0, 60.0]
BACKGROUNDS = [STEEL, CELLULOSE, WATER, POLYETHYLENE, ALUMINIUM, CONCRETE]
STEEL_MM = np.array([0.0, 10.0, 30.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0])


@lru_cache(maxsize=64)
def equivalent(beam, background):
    """Areal densities of a background that leave as much as 0 to 300 mm of steel."""
    left = beam.transmission({STEEL: (0.1 * STEEL.density * STEEL_MM).astype(np.float32)})
    loads = np.linspace(0.0, 1200.0, 6000).astype(np.float32)
    depths = -np.log(beam.transmission({background: loads}))
    return np.interp(-np.log(left), depths, loads).astype(np.float32)


def disc(load=10.0, size=40, material=STEEL):
    rows, columns = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    return Signature("disc", {material: (load * (rows**2 + columns**2 < 0.8)).astype(np.float32)}, 4.0)


def container(level=0.3, noise=0.01, shape=(120, 160), channels=2, seed=0):
    random = np.random.default_rng(seed)
    pixels = level * (1.0 + noise * random.standard_normal((*shape, channels)))
    return Scan.in_memory(np.clip(pixels, 0.0, 1.0).astype(np.float32), kind="transmission", subject="cargo")


def errors(beams, background, threat, load, factors):
    """Relative errors (h, C) of `factors(signal, loads)` behind what is as opaque as 0 to 300 mm of steel."""
    behind = equivalent(beams[0], background)
    signal = np.stack([beam.transmission({background: behind}) for beam in beams], axis=-1)
    extra = np.full_like(behind, load)
    both = {background: behind + extra} if threat == background else {background: behind, threat: extra}
    exact = np.stack([beam.transmission(both) for beam in beams], axis=-1)
    return np.abs(factors(signal, {threat: extra}) / exact - 1.0)


def by_single_energies(beams):
    """`darkening` of each channel without the other."""

    def projected(signal, loads):
        parts = [signal[:, c] * darkening(beam, signal[:, c], loads) for c, beam in enumerate(beams)]
        return np.stack(parts, axis=-1)

    return projected


def by_both_energies(beams):
    """`darkened`, with even cargo of each thickness around the threat."""

    def projected(signal, loads):
        found = []
        for here, pixel in enumerate(signal):
            even = np.broadcast_to(pixel, (9, 9, pixel.size)).copy()
            plate = {material: np.full((9, 9), load[here], np.float32) for material, load in loads.items()}
            found.append(darkened(even, plate, beams)[4, 4])
        return np.array(found)

    return projected


def by_plain_multiplication(beams):
    def projected(signal, loads):
        return signal * np.stack([beam.transmission(loads) for beam in beams], axis=-1)

    return projected


PAIRS = [(6.0, 4.0), (9.0, 6.0)]
BOUND = 0.08
"""For loads up to 60 g/cm2 of any of `THREATS` behind any of `BACKGROUNDS` as opaque as 0 to 300 mm of steel."""


@pytest.mark.parametrize("energies", PAIRS)
@pytest.mark.parametrize("background", BACKGROUNDS, ids=lambda found: found.name)
@pytest.mark.parametrize("way", [by_single_energies, by_both_energies])
def test_within_eight_per_cent_of_exact_simulation(energies, background, way):
    beams = tuple(linac(energy) for energy in energies)
    for threat in THREATS:
        for load in LOADS:
            found = errors(beams, background, threat, load, way(beams))
            assert found.max() < BOUND, (threat.name, load)


@pytest.mark.parametrize("background", BACKGROUNDS, ids=lambda found: found.name)
def test_plain_multiplication_would_be_wrong(background):
    beams = tuple(linac(energy) for energy in (6.0, 4.0))
    found = errors(beams, background, EXPLOSIVE, 40.0, by_plain_multiplication(beams))
    assert found.max() > 2 * BOUND


@pytest.mark.parametrize("energies", PAIRS)
@pytest.mark.parametrize("background", BACKGROUNDS, ids=lambda found: found.name)
def test_two_energies_come_closer_where_they_tell_the_background(energies, background):
    """From 25 mm of steel, or as opaque, to where 0.8 % of the softer beam passes: 60 g/cm2 within 1 %."""
    beams = tuple(linac(energy) for energy in energies)
    behind = equivalent(beams[0], background)
    soft = beams[1].transmission({background: behind})
    told = (STEEL_MM >= 50.0) & (soft > 0.008)
    assert told.sum() >= 2
    for threat in THREATS:
        found = errors(beams, background, threat, 60.0, by_both_energies(beams))
        assert found[told].max() < 0.01, threat.name


class TestProject:
    def test_the_null_projection_changes_not_one_bit(self):
        for scan in (container(), container(channels=1)):
            made = project(scan, disc().thinned(0.0), 30, 20, photons=3e4, rng=np.random.default_rng(0))
            np.testing.assert_array_equal(made.scan.pixels, scan.pixels)
            assert made.visibility == 0.0
            assert not made.mask.any()

    def test_only_the_threat_changes_and_only_darker(self):
        scan = container()
        made = project(scan, disc(), 30, 20)
        changed = (made.scan.pixels != scan.pixels).any(axis=2)
        np.testing.assert_array_equal(changed, made.mask)
        assert (made.scan.pixels <= scan.pixels).all()
        assert made.box == pytest.approx((30 + 2, 20 + 2, 70 - 2, 60 - 2), abs=1.5)
        assert made.scan.sha256 == hashlib.sha256(made.scan.pixels.tobytes()).hexdigest()
        assert "disc projected at column 30, row 20" in made.scan.assumptions

    def test_nothing_is_visible_where_a_vendor_s_grey_is_black(self):
        """Black of two or three steps without noise is no calm background: it is where the picture ends."""
        pixels = np.full((120, 160), 150, np.uint8)
        pixels[:, 80:] = 3
        pixels[:, 100:] = 2
        scan = Scan.in_memory(pixels, kind="display_grey", subject="cargo")
        assert project(scan, disc(), 110, 20).visibility == 0.0
        assert project(scan, disc(), 10, 20).visibility > 5.0

    def test_even_grey_is_known_to_a_step_and_no_better(self):
        scan = Scan.in_memory(np.full((120, 160), 51, np.uint8), kind="display_grey", subject="cargo")
        rounding = (1 / 255) / 12**0.5 / 0.2
        made = project(scan, disc(), 30, 20)
        grey = made.scan.pixels[made.mask].astype(np.float64)
        change = np.log(51 / np.maximum(grey, 1.0)).mean()
        assert made.visibility == pytest.approx(change / rounding, rel=0.1)

    def test_visibility_falls_with_clutter_and_with_the_threat(self):
        calm = project(container(noise=0.01), disc(), 30, 20).visibility
        assert calm > 5.0
        assert project(container(noise=0.1), disc(), 30, 20).visibility < 0.3 * calm
        assert project(container(noise=0.01), disc(1.0), 30, 20).visibility < 0.3 * calm

    def test_behind_opaque_cargo_it_counts_for_nothing(self):
        assert project(container(level=0.0005), disc(), 30, 20).visibility == 0.0
        assert (
            project(
                container(level=0.0005), disc(), 30, 20, photons=1e5, rng=np.random.default_rng(0)
            ).visibility
            > 0
        )

    def test_fewer_photons_are_noisier(self):
        photons = 1e4
        random = np.random.default_rng(3)
        level = 0.4
        pixels = (random.poisson(level * photons, (300, 300, 1)) / photons).astype(np.float32)
        scan = Scan.in_memory(np.minimum(pixels, 1.0), kind="transmission", subject="cargo")
        plate = Signature("plate", {STEEL: np.full((200, 200), 20.0, np.float32)}, 4.0)
        for noisy, bounds in ((True, (0.9, 1.1)), (False, (0.4, 0.8))):
            made = project(scan, plate, 50, 50, **({"photons": photons, "rng": random} if noisy else {}))
            inside = made.scan.pixels[60:240, 60:240, 0]
            share = float(inside.std() / np.sqrt(inside.mean() / photons))
            assert bounds[0] < share < bounds[1]

    def test_the_same_seed_gives_the_same_scan(self):
        first, second = (
            project(container(), disc(), 30, 20, photons=1e4, rng=np.random.default_rng(7)).scan.sha256
            for _ in range(2)
        )
        assert first == second

    @pytest.mark.parametrize("polarity", ["air_bright", "air_dark"])
    def test_display_grey_is_an_approximation_and_says_so(self, polarity):
        grey = np.full((80, 90), 200 if polarity == "air_bright" else 55, np.uint8)
        scan = Scan(grey, "display_grey", "cargo", None, "0" * 64, polarity=polarity)
        made = project(scan, disc(size=20), 30, 20)
        assert made.approximate
        assert "approximation" in made.scan.assumptions[-1]
        middle = int(made.scan.pixels[30, 40])
        assert middle < 150 if polarity == "air_bright" else middle > 105

    @settings(max_examples=40, deadline=None)
    @given(st.integers(-39, 159), st.integers(-39, 119))
    def test_what_lies_outside_is_cut_off(self, left, top):
        made = project(container(), disc(), left, top)
        x1, y1, x2, y2 = made.box
        assert 0 <= x1 <= x2 <= 160
        assert 0 <= y1 <= y2 <= 120

    def test_misuse(self):
        with pytest.raises(UsageError, match="lies outside"):
            project(container(), disc(), 160, 20)
        with pytest.raises(UsageError, match="without a random generator"):
            project(container(), disc(), 10, 20, photons=1e4)
        colour = Scan.in_memory(np.zeros((50, 50, 3), np.uint8), kind="pseudocolour", subject="baggage")
        with pytest.raises(UsageError, match="pseudo-colour"):
            project(colour, disc(), 0, 0)


class TestSignature:
    @pytest.mark.parametrize("pitch", [2.0, 3.1, 4.0, 9.0])
    def test_resizing_keeps_the_mass(self, pitch):
        before = disc(size=64)
        after = before.resized(pitch)
        mass = [float(s.loads[STEEL].sum()) * s.pitch_mm**2 for s in (before, after)]
        assert mass[1] == pytest.approx(mass[0], rel=0.03)

    def test_misuse(self):
        load = np.ones((4, 5), np.float32)
        with pytest.raises(ValueError, match="one \\(h, w\\)"):
            Signature("x", {STEEL: load, LEAD: load[:2]}, 1.0)
        with pytest.raises(ValueError, match="0 or more"):
            Signature("x", {STEEL: -load}, 1.0)
        with pytest.raises(ValueError, match="above 0"):
            Signature("x", {STEEL: load}, 0.0)
