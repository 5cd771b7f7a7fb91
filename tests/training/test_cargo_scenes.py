"""Every kind of cargo and vehicle draws something of about the right weight."""

import numpy as np
import pytest

from cargosight_training.simulation.cargo import EMPTY, FAMILIES, VEHICLES
from cargosight_training.simulation.cargo.scenes import compose
from cargosight_training.simulation.cargo.stage import Hold, Stage, hold_between

_PITCH = 12.0
_TONNES: dict[str, tuple[float, float]] = {  # of 12 m of hold; roads allow about 28, and nobody weighs scrap
    "sacks": (6, 75), "big bags": (8, 70), "drums": (8, 45), "bales": (3, 40), "cartons": (1.5, 35),
    "fruit": (5, 35), "bottles": (3, 45), "meat": (5, 60), "tiles": (8, 90), "rolls": (5, 65),
    "coils": (5, 120), "tyres": (1, 35), "timber": (5, 55), "pipes": (4, 150), "scrap": (5, 130),
    "grain": (5, 70), "machinery": (2, 90), "vehicles": (1, 25), "appliances": (1.5, 45),
    "electronics": (1.5, 30), "furniture": (1, 35), "household": (1, 40),
}  # fmt: skip


def _loaded(name: str, seed: int) -> tuple[Stage, Hold]:
    stage = Stage(12_400.0, 4200.0, _PITCH)
    hold = hold_between(stage, 200.0, 12_200.0, 1300.0, 3700.0)
    FAMILIES[name](hold, np.random.default_rng(seed))
    return stage, hold


def test_every_family_has_bounds_here() -> None:
    assert set(_TONNES) == set(FAMILIES)
    assert len(FAMILIES) >= 12


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_weighs_what_it_should(name: str) -> None:
    tonnes = []
    for seed in range(3):
        stage, _ = _loaded(name, seed)
        grams = sum(float(plane.sum()) for sheet in stage.sheets for plane in sheet.planes.values())
        assert all(plane.min() >= 0.0 for sheet in stage.sheets for plane in sheet.planes.values())
        tonnes.append(grams * (_PITCH / 10) ** 2 / 1e6)
    low, high = _TONNES[name]
    assert low < float(np.median(tonnes)) < high, tonnes


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_lies_in_the_hold(name: str) -> None:
    stage, hold = _loaded(name, 5)
    hold.cut()
    rows, columns = hold.sheets[0].cells(hold.x0, hold.floor, hold.x1, hold.ceiling)
    for sheet in stage.sheets:
        for plane in sheet.planes.values():
            filled = np.argwhere(plane > 0.0)
            if len(filled):
                assert filled[:, 0].min() >= rows.start
                assert filled[:, 0].max() < rows.stop
                assert filled[:, 1].min() >= columns.start
                assert filled[:, 1].max() < columns.stop


@pytest.mark.parametrize("name", VEHICLES)
def test_every_vehicle_draws_a_scene_that_fits_its_scan(name: str) -> None:
    scene = compose(np.random.default_rng(3), name, (*FAMILIES,), empty_share=0.0, pitch=(12.0, 12.0))
    loads = scene.stage.loads(scene.fan)
    total = np.sum(list(loads.values()), axis=0)
    height, width = total.shape
    assert (height, width) == (scene.fan.rows, scene.stage.size[1])
    assert 120 < width < 3500
    assert total[0].max() == 0.0  # air above, else there is no air level
    assert (total > 1.0).mean() > 0.15
    assert scene.vehicle == name


def test_an_empty_hold_is_lighter_than_a_full_one() -> None:
    for name in ("container 20", "truck", "rail box"):
        empty, full = (
            compose(np.random.default_rng(8), name, ("sacks",), empty_share=share, pitch=(12.0, 12.0))
            for share in (1.0, 0.0)
        )
        assert empty.families == (EMPTY,)
        assert full.families == ("sacks",)
        weights = [
            sum(float(plane.sum()) for sheet in scene.stage.sheets for plane in sheet.planes.values())
            for scene in (empty, full)
        ]
        assert weights[1] > 1.3 * weights[0], name
