"""The fan beam and the layers that it crosses."""

import numpy as np
import pytest

from cargosight_inference.scans.attenuation import CELLULOSE, STEEL
from cargosight_training.simulation.cargo.bodies import Body, dry_container
from cargosight_training.simulation.cargo.geometry import Fan, project
from cargosight_training.simulation.cargo.sheet import Sheet
from cargosight_training.simulation.cargo.stage import Stage, hold_between

FAN = Fan(height=1000.0, distance=8000.0, pitch=5.0, top=5000.0, rows=1000)


def _sheet(near: float, far: float) -> Sheet:
    return Sheet(near, far, pitch=5.0, top=5000.0, size=(1000, 200))


def test_heights_and_rows_undo_each_other_and_near_things_are_larger() -> None:
    for depth in (-1200.0, 0.0, 900.0):
        assert FAN.height_of(FAN.row_of(3000.0, depth), depth) == pytest.approx(3000.0)
    assert FAN.magnification(-1200.0) > 1.0 > FAN.magnification(1200.0)
    assert FAN.row_of(3000.0, -1200.0) < FAN.row_of(3000.0, 0.0) < FAN.row_of(3000.0, 1200.0)
    assert FAN.row_of(FAN.height, -1200.0) == pytest.approx(FAN.row_of(FAN.height, 1200.0))


def test_a_roof_is_met_obliquely_and_longer_the_lower_the_source() -> None:
    roof = _sheet(-1000.0, 1000.0)
    roof.box(0.0, 3000.0, 1000.0, 3002.0, STEEL, 200.0 * STEEL.density)
    found = project(FAN, roof.planes[STEEL], roof.near, roof.far, roof.top)
    assert found is not None
    seen = found[1][:, 50]
    # z - h = 2,000 mm is crossed by rays of slope (v - h) / d between 2,000 / 9,000 and 2,000 / 7,000.
    upper, lower = FAN.row_of(3001.0, -1000.0), FAN.row_of(3001.0, 1000.0)
    middle = int(0.5 * (upper + lower))
    slope = (FAN.top - (middle + 0.5) * FAN.pitch - FAN.height) / FAN.distance
    chord_cm = 0.2 * np.sqrt(1.0 + slope**2) / slope
    assert seen[middle] == pytest.approx(chord_cm * STEEL.density, rel=0.03)
    assert np.flatnonzero(seen)[[0, -1]] == pytest.approx([upper, lower], abs=2)


def test_a_level_ray_meets_a_box_of_its_whole_depth() -> None:
    box = _sheet(-500.0, 500.0)
    box.box(100.0, 800.0, 600.0, 1200.0, CELLULOSE, box.load(CELLULOSE))
    found = project(FAN, box.planes[CELLULOSE], box.near, box.far, box.top)
    assert found is not None
    columns, seen = found
    assert (columns.start, columns.stop) == (20, 120)
    assert seen[800, 50] == pytest.approx(100.0 * CELLULOSE.density, rel=1e-4)


def test_nothing_is_met_of_an_empty_layer() -> None:
    assert project(FAN, np.zeros((10, 10), dtype=np.float32), -1.0, 1.0, 100.0) is None


@pytest.mark.parametrize("width", [1.0, 7.0, 33.3])
def test_boxes_lines_and_frames_keep_their_mass(width: float) -> None:
    sheet = _sheet(-5.0, 5.0)
    sheet.box(200.0, 1000.0, 200.0 + width, 2000.0, STEEL, 3.0)
    assert sheet.planes[STEEL].sum() * 25.0 == pytest.approx(3.0 * width * 1000.0, rel=1e-3)
    line = _sheet(-5.0, 5.0)
    line.line(np.array([[500.0, 1000.0], [500.0, 2000.0]]), width, STEEL, 3.0)
    assert line.planes[STEEL].sum() * 25.0 == pytest.approx(3.0 * width * 1000.0, rel=0.12)
    frame = _sheet(-5.0, 5.0)
    frame.frame(100.0, 1000.0, 600.0, 1400.0, width, STEEL, 1.0)
    area = 500.0 * 400.0 - (500.0 - 2 * width) * (400.0 - 2 * width)
    assert frame.planes[STEEL].sum() * 25.0 == pytest.approx(area, rel=1e-3)


def test_round_things_have_the_mass_of_their_section() -> None:
    sheet = _sheet(-5.0, 5.0)
    sheet.ring(500.0, 2000.0, 400.0, 200.0, STEEL, 2.0)
    assert sheet.planes[STEEL].sum() * 25.0 == pytest.approx(
        2.0 * np.pi / 4 * (400.0**2 - 200.0**2), rel=0.02
    )
    rod = _sheet(-5.0, 5.0)
    rod.rod(300.0, 1000.0, 700.0, 2000.0, STEEL, 2.0)
    assert rod.planes[STEEL].sum() * 25.0 == pytest.approx(2.0 * np.pi / 4 * 400.0 * 1000.0, rel=0.02)
    ball = _sheet(-5.0, 5.0)
    ball.lump(500.0, 2000.0, 400.0, 400.0, STEEL, 2.0)
    assert ball.planes[STEEL].sum() * 25.0 == pytest.approx(2.0 * 2 / 3 * np.pi * 200.0**2, rel=0.02)


def test_what_lies_outside_a_sheet_is_cut_off() -> None:
    sheet = _sheet(-5.0, 5.0)
    sheet.box(-500.0, -100.0, 20.0, 10_000.0, STEEL, 1.0)
    sheet.ring(2000.0, 2000.0, 100.0, 0.0, STEEL, 1.0)
    sheet.polygon(np.array([[-900.0, 0.0], [-800.0, 0.0], [-800.0, 50.0]]), STEEL, 1.0)
    assert sheet.planes[STEEL].sum() == pytest.approx(4 * 1000)


def test_steel_walls_are_darker_than_the_air_beside_them() -> None:
    stage = Stage(6500.0, 4200.0, 10.0)
    dry_container(stage, np.random.default_rng(0), Body(200.0, 6258.0, 1200.0, 3800.0))
    fan = Fan(1200.0, 7000.0, 10.0, 4600.0, 420)
    loads = stage.loads(fan)
    total = sum(loads.values())
    assert isinstance(total, np.ndarray)
    wall = total[250, 100:550]
    # Two sides of 1.4 to 2 mm of steel, and rays a little oblique.
    assert 2.0 < float(np.median(wall)) < 5.0
    assert total[:, 2].sum() == 0.0


def test_a_hold_is_cut_into_layers_and_rows() -> None:
    stage = Stage(3000.0, 3000.0, 10.0)
    hold = hold_between(stage, 100.0, 2900.0, 500.0, 2500.0)
    assert len(hold.sheets) == 4
    assert [len(row) for row in hold.rows(2)] == [2, 2]
    assert hold.depth_cm == pytest.approx(235.0)
    hold.sheets[0].box(0.0, 0.0, 3000.0, 3000.0, STEEL, 1.0)
    hold.cut()
    assert hold.sheets[0].planes[STEEL].sum() == pytest.approx(280 * 200)


def test_a_fan_too_near_is_told() -> None:
    with pytest.raises(ValueError, match="a distance above 2,000 mm"):
        Fan(1000.0, 100.0, 5.0, 5000.0, 10)
