"""Signatures of threats: they weigh what such things weigh, and are the same for the same numbers."""

import numpy as np
import pytest

from cargosight_inference.scans.attenuation import COPPER, LEAD, MATERIALS, STEEL, URANIUM
from cargosight_models.geometry import Affine
from cargosight_training.simulation import materials as baggage
from cargosight_training.simulation.canvas import Canvas, Pen
from cargosight_training.simulation.cargo.drawing import (
    Pose,
    Sheet,
    cylinder,
    drawn,
    hollow_box,
    mass_kg,
    parts_of,
)
from cargosight_training.simulation.cargo.hidden_vehicle import car, motorcycle
from cargosight_training.simulation.cargo.threat_packs import banknotes, brick, carton
from cargosight_training.simulation.cargo.threat_weapons import handgun, rifle
from cargosight_training.simulation.cargo.threats import LOOKALIKES, THREATS

FAMILIES = {**THREATS, **LOOKALIKES}
MASSES = {  # kg, from one piece to the largest lot
    "handgun": (0.4, 12), "rifle": (2.5, 24), "ammunition": (0.3, 80), "explosives_charge": (0.3, 50),
    "shielded_source": (0.3, 1600), "brick_packs": (0.8, 260), "cash": (0.3, 60), "cigarettes": (0.2, 220),
    "batteries": (0.1, 300), "hidden_vehicle": (80, 1900), "power_drills": (1, 8), "tool_bundle": (0.1, 12),
    "electric_motor": (5, 500), "transformer": (1, 300), "counterweights": (0.5, 200),
    "bearings_and_bottles": (0.3, 60),
    "car_parts": (2, 130), "books": (0.4, 260), "tea_and_soap": (0.1, 450), "tiles": (2, 1400),
    "shoe_boxes": (0.4, 50), "biscuits": (0.1, 120), "car_batteries": (9, 330), "tin_cans": (0.1, 260),
    "appliances": (0.5, 60), "engine_on_pallet": (90, 450), "work_vehicle": (80, 2600),
}  # fmt: skip


def pen_on(sheet, scale=1.0):
    return Pen(
        sheet, Affine.scaling(scale, scale).then(Affine.translation(sheet.width / 2, sheet.height / 2))
    )


def single(paint, seed, reach=(800, 800), **settings):
    return drawn("piece", paint, np.random.default_rng(seed), 2.0, reach=reach, fine_mm=2.0, **settings)


def test_there_are_as_many_lookalikes_as_threats() -> None:
    assert len(THREATS) >= 8
    assert len(LOOKALIKES) >= len(THREATS)
    assert not set(THREATS) & set(LOOKALIKES)
    assert set(FAMILIES) == set(MASSES)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_weighs_what_it_should_on_a_tight_window(family: str) -> None:
    for seed in range(12):
        signature = FAMILIES[family](np.random.default_rng(seed), 4.0)
        least, most = MASSES[family]
        assert least <= mass_kg(signature) <= most, seed
        assert signature.name == family
        assert signature.pitch_mm == 4.0
        total = sum(signature.loads.values())
        assert all(load.dtype == np.float32 and np.isfinite(load).all() for load in signature.loads.values())
        assert all(edge.any() for edge in (total[0], total[-1], total[:, 0], total[:, -1])), seed
        assert set(signature.loads) <= set(MATERIALS.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_numbers_give_the_same_thing(family: str) -> None:
    first, again, other = (FAMILIES[family](np.random.default_rng(seed), 5.0) for seed in (1, 1, 2))
    assert list(first.loads) == list(again.loads)
    for material, load in first.loads.items():
        np.testing.assert_array_equal(load, again.loads[material])
    assert first.shape != other.shape or mass_kg(first) != mass_kg(other)


@pytest.mark.parametrize(
    ("paint", "least", "most"),
    [
        (handgun, 0.4, 1.5),
        (rifle, 2.5, 6.0),
        (lambda pen, rng: brick(rng).paint(pen), 0.8, 1.2),
        (lambda pen, rng: banknotes(rng).paint(pen), 0.07, 0.15),
        (lambda pen, rng: carton(rng).paint(pen), 0.2, 0.4),
        (motorcycle, 80.0, 260.0),
    ],
)
def test_a_single_piece_weighs_what_such_a_piece_weighs(paint, least: float, most: float) -> None:
    found = [mass_kg(single(paint, seed, (1200, 1200))) for seed in range(25)]
    assert least <= min(found)
    assert max(found) <= most
    assert max(found) > 1.05 * min(found)


def test_a_car_weighs_what_a_car_weighs() -> None:
    found = [mass_kg(single(car, seed, (2500, 1100), pose=Pose("level", 0.1))) for seed in range(6)]
    assert min(found) > 700
    assert max(found) < 1900


def test_families_vary_in_size_and_mass() -> None:
    for family, build in THREATS.items():
        made = [build(np.random.default_rng(seed), 5.0) for seed in range(10)]
        assert len({signature.shape for signature in made}) > 5, family


def test_a_source_can_hide_behind_each_dense_matter() -> None:
    build = THREATS["shielded_source"]
    inside = set().union(*(build(np.random.default_rng(seed), 5.0).loads for seed in range(40)))
    assert {LEAD, URANIUM, STEEL} <= inside


def test_leaning_keeps_the_mass_and_lengthens_the_chords() -> None:
    def plate(pen, _):
        pen.body(np.array([[-50.0, -30], [50, -30], [50, 30], [-50, 30]]), STEEL, 10)

    made = [single(plate, seed, (120, 120), pose=Pose("level", 1.0)) for seed in range(20)]
    wanted = 10.0 * 6.0 * 1.0 * STEEL.density / 1000
    assert [mass_kg(signature) for signature in made] == pytest.approx([wanted] * 20, rel=0.05)
    deepest = [float(signature.loads[STEEL].max()) for signature in made]
    assert max(deepest) > 1.2 * STEEL.density


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_cylinders_and_boxes_weigh_what_they_should(scale: float) -> None:
    sheet = Sheet(400, 400)
    cylinder(pen_on(sheet, scale).at(0, 0, 0.4), LEAD, 120, 200, bore=60, bore_length=100)
    wanted = np.pi / 4 * (12**2 * 20 - 6**2 * 10) * LEAD.density / 1000
    assert mass_kg(sheet.signature("rod", 1 / scale)) == pytest.approx(wanted, rel=0.03)
    box = Sheet(400, 400)
    hollow_box(pen_on(box, scale), 200, 150, 100, wall=2.0, material=STEEL)
    wanted = 2 * (20 * 15 + 10 * (20 + 15)) * 0.2 * STEEL.density / 1000
    assert mass_kg(box.signature("box", 1 / scale)) == pytest.approx(wanted, rel=0.05)


def test_everything_of_baggage_has_a_counterpart() -> None:
    for found in vars(baggage).values():
        if isinstance(found, baggage.Material):
            assert sum(share for _, share in parts_of(found)) == pytest.approx(1.0)


def test_what_does_not_fit_is_told() -> None:
    def wide(pen, _):
        pen.wire(np.array([[-300.0, 0], [300, 0]]), STEEL, 10)

    with pytest.raises(ValueError, match="does not fit"):
        single(wide, 0, (100, 100))
    with pytest.raises(ValueError, match="nothing was drawn"):
        single(lambda pen, rng: None, 0, (100, 100))


def test_what_is_not_of_baggage_cannot_be_drawn_into_a_bag() -> None:
    canvas = Canvas(60, 60)
    with pytest.raises(TypeError, match="no attenuation at a baggage scanner's energies"):
        pen_on(canvas).wire(np.array([[-9.0, 0], [9, 0]]), COPPER, 4)
