"""Bodies that hold cargo: dry and refrigerated containers, open ones, box trucks and covered rail cars.

Dimensions and plate thicknesses follow ISO 668 and ISO 1496-1 and the drawings of container makers, to about 10 %.
"""

from dataclasses import dataclass

import numpy as np

from cargosight_inference.scans.attenuation import ALUMINIUM, CELLULOSE, POLYETHYLENE, RUBBER, STEEL
from cargosight_inference.scans.beams import Plane
from cargosight_training.simulation.cargo.sheet import Sheet
from cargosight_training.simulation.cargo.stage import INSIDE, Hold, Rng, Stage, hold_between

STEEL_WIDTH = INSIDE / 10 * STEEL.density
"""g/cm2 of solid steel across the whole inside."""
_WALL = 6.0  # depth in mm of a layer that stands for a wall


@dataclass(frozen=True)
class Body:
    """What surrounds a hold.

    Attributes:
        x0: left outer end, mm.
        x1: right outer end, mm.
        bottom: height of its underside, mm.
        top: height of its roof, mm.
    """

    x0: float
    x1: float
    bottom: float
    top: float


def dry_container(stage: Stage, rng: Rng, body: Body, *, open_top: bool = False) -> Hold:
    """Draw a container of corrugated steel and return its hold; the doors are on either side."""
    near, far = _walls(stage)
    full = stage.sheet(-INSIDE / 2, INSIDE / 2)
    floor = body.bottom + 168.0
    plate = rng.uniform(0.14, 0.20) * STEEL.density
    for wall in (near, far):
        _corrugated(wall, rng, body, floor, plate)
        _rails(wall, rng, body)
    if not open_top:
        _roof(full, rng, body)
    _underfloor(full, rng, body, floor)
    _ends(stage, rng, body, floor)
    _trifles(near, far, rng, body, floor)
    return hold_between(stage, body.x0 + 120, body.x1 - 120, floor, body.top - 110)


def reefer(stage: Stage, rng: Rng, body: Body) -> Hold:
    """Draw a refrigerated container: foam between thin sheets, a floor of aluminium T bars, a machine at one end."""
    near, far = _walls(stage)
    full = stage.sheet(-INSIDE / 2, INSIDE / 2)
    floor = body.bottom + 230.0
    for wall in (near, far):
        wall.box(body.x0, body.bottom, body.x1, body.top, POLYETHYLENE, 0.45)
        wall.box(body.x0, body.bottom, body.x1, body.top, ALUMINIUM, rng.uniform(0.5, 0.9))
        for x in np.arange(body.x0 + 300, body.x1, rng.uniform(560, 640)).tolist():
            wall.box(x, body.bottom, x + 40, body.top, STEEL, rng.uniform(1.0, 2.2))
        _rails(wall, rng, body)
    full.box(body.x0, body.top - 90, body.x1, body.top, POLYETHYLENE, INSIDE / 10 * 0.045)
    full.box(body.x0, body.top - 2, body.x1, body.top, ALUMINIUM, INSIDE / 10 * ALUMINIUM.density)
    full.box(body.x0, floor - 5, body.x1, floor, ALUMINIUM, INSIDE / 10 * ALUMINIUM.density * 0.6)
    full.box(body.x0, floor - 63, body.x1, floor - 5, ALUMINIUM, INSIDE / 10 * ALUMINIUM.density * 0.13)
    _underfloor(full, rng, body, floor - 60, wood=False)
    _ends(stage, rng, body, floor)
    machine = body.x0 + 60
    _machine_end(stage, rng, machine, body)
    return hold_between(stage, machine + 560, body.x1 - 130, floor, body.top - 240, INSIDE - 60)


def box_truck(stage: Stage, rng: Rng, body: Body) -> Hold:
    """Draw a truck or trailer body of plywood, aluminium or tarpaulin on posts."""
    near, far = _walls(stage)
    full = stage.sheet(-INSIDE / 2, INSIDE / 2)
    floor = body.bottom + 140.0
    curtain = rng.random() < 0.5
    step = rng.uniform(1900, 3300) if curtain else rng.uniform(500, 650)
    for wall in (near, far):
        if curtain:
            wall.box(body.x0, floor, body.x1, body.top, POLYETHYLENE, rng.uniform(0.06, 0.12))
            for z in np.arange(floor + 400, body.top - 300, 480).tolist():
                wall.box(body.x0, z, body.x1, z + 100, ALUMINIUM, rng.uniform(0.5, 0.9))
        else:
            wall.box(body.x0, floor, body.x1, body.top, CELLULOSE, rng.uniform(0.5, 1.3))
            wall.box(body.x0, floor, body.x1, body.top, ALUMINIUM, rng.uniform(0.2, 0.6))
        for x in np.arange(body.x0 + rng.uniform(0, step), body.x1, step).tolist():
            post = 90.0 if curtain else 35.0
            wall.frame(x, floor, x + post, body.top, 5.0, STEEL, 40.0)
            wall.box(x, floor, x + post, body.top, STEEL, rng.uniform(2.0, 5.0))
        _rails(wall, rng, body)
    full.box(body.x0, body.top - 3, body.x1, body.top, ALUMINIUM, INSIDE / 10 * ALUMINIUM.density * 0.5)
    for x in np.arange(body.x0, body.x1, rng.uniform(600, 1500)).tolist():
        full.box(x, body.top - 45, x + 40, body.top - 5, ALUMINIUM, INSIDE / 10 * ALUMINIUM.density * 0.2)
    _underfloor(full, rng, body, floor)
    for x in (body.x0, body.x1 - 50):
        full.box(x, floor, x + 50, body.top, ALUMINIUM, INSIDE / 10 * rng.uniform(0.2, 0.4))
        for wall in (near, far):
            wall.box(x, body.bottom, x + 50, body.top, STEEL, rng.uniform(6, 14))
    _trifles(near, far, rng, body, floor)
    return hold_between(stage, body.x0 + 70, body.x1 - 70, floor, body.top - 80)


def rail_box(stage: Stage, rng: Rng, body: Body) -> Hold:
    """Draw a covered rail car: plates with pressed ribs, heavy posts, a sliding door in the middle."""
    near, far = _walls(stage)
    full = stage.sheet(-INSIDE / 2, INSIDE / 2)
    floor = body.bottom + 190.0
    middle = 0.5 * (body.x0 + body.x1)
    for wall in (near, far):
        wall.box(body.x0, body.bottom, body.x1, body.top, STEEL, rng.uniform(1.6, 2.6))
        for x in np.linspace(body.x0, body.x1 - 80, int(rng.integers(9, 15))).tolist():
            wall.box(x, body.bottom, x + 80, body.top, STEEL, rng.uniform(4, 7))
        for z in np.arange(floor + 250, body.top - 200, rng.uniform(280, 420)).tolist():
            wall.box(body.x0, z, body.x1, z + 60, STEEL, rng.uniform(0.6, 1.5))
        shift = rng.uniform(-300, 300)
        wall.frame(middle - 1300 + shift, floor - 60, middle + 1300 + shift, body.top - 150, 70, STEEL, 6.0)
        _rails(wall, rng, body)
    full.box(body.x0, body.top - 2, body.x1, body.top, STEEL, STEEL_WIDTH)
    _underfloor(full, rng, body, floor, step=rng.uniform(500, 900), height=170.0)
    for x in (body.x0, body.x1 - 60):
        full.box(x, floor, x + 60, body.top, STEEL, STEEL_WIDTH * rng.uniform(0.05, 0.09))
    return hold_between(stage, body.x0 + 90, body.x1 - 90, floor, body.top - 130)


def _walls(stage: Stage) -> tuple[Sheet, Sheet]:
    edge = INSIDE / 2 + 20.0
    return stage.sheet(-edge - _WALL, -edge), stage.sheet(edge, edge + _WALL)


def corrugation(rng: Rng, columns: int, pitch: float, period: float, gain: float) -> Plane:
    """Return (columns,) the chord through a sheet folded every `period` mm relative to a flat one.

    A fold's flanks are oblique to the beam, hence longer by `gain`; the bends themselves show as fine lines.
    """
    place = (np.arange(columns) * pitch / period + rng.uniform()) % 1.0
    flank = ((place > 0.25) & (place < 0.5)) | (place > 0.75)
    phase = place % 0.25
    bend = np.minimum(phase, 0.25 - phase) * period < 0.8 * pitch
    uneven = 1.0 + 0.02 * rng.standard_normal(columns)
    found: Plane = ((1.0 + gain * flank + 0.6 * gain * bend) * uneven).astype(np.float32)
    return found


def _corrugated(wall: Sheet, rng: Rng, body: Body, floor: float, plate: float) -> None:
    rows, columns = wall.cells(body.x0 + 60, floor, body.x1 - 60, body.top - 60)
    profile = corrugation(
        rng, columns.stop - columns.start, wall.pitch, rng.uniform(270, 285), rng.uniform(0.12, 0.35)
    )
    wall.plane(STEEL)[rows, columns] += profile * np.float32(plate)
    # The last panels at both ends are of thicker plate.
    for x0, x1 in ((body.x0, body.x0 + rng.uniform(250, 1200)), (body.x1 - rng.uniform(250, 1200), body.x1)):
        wall.box(x0, floor, x1, body.top, STEEL, plate * rng.uniform(0.1, 0.35))


def _roof(full: Sheet, rng: Rng, body: Body) -> None:
    rows, columns = full.cells(body.x0 + 150, body.top - 26, body.x1 - 150, body.top - 20)
    profile = corrugation(
        rng, columns.stop - columns.start, full.pitch, rng.uniform(200, 420), rng.uniform(0.1, 0.3)
    )
    thick = 0.2 / (0.1 * full.pitch * max(rows.stop - rows.start, 1))  # share of those rows that is plate
    full.plane(STEEL)[rows, columns] += profile * np.float32(STEEL_WIDTH * thick)
    for x0, x1 in ((body.x0, body.x0 + rng.uniform(280, 650)), (body.x1 - rng.uniform(280, 650), body.x1)):
        full.box(x0, body.top - 23, x1, body.top - 20, STEEL, STEEL_WIDTH)


def _rails(wall: Sheet, rng: Rng, body: Body) -> None:
    """The square tube along the roof and the channel along the floor, of one side."""
    side = rng.uniform(55, 65)
    wall.box(body.x0, body.top - side, body.x1, body.top, STEEL, 4.5)
    wall.frame(body.x0, body.top - side, body.x1, body.top, 4.0, STEEL, side / 10 * STEEL.density)
    wall.box(body.x0, body.bottom, body.x1, body.bottom + 158, STEEL, 3.5)
    for z in (body.bottom, body.bottom + 152):
        wall.box(body.x0, z, body.x1, z + 4.5, STEEL, 3.0 * STEEL.density)


def _underfloor(
    full: Sheet,
    rng: Rng,
    body: Body,
    floor: float,
    *,
    wood: bool = True,
    step: float = 0.0,
    height: float = 122.0,
) -> None:
    if wood:
        full.box(body.x0 + 80, floor - 28, body.x1 - 80, floor, CELLULOSE, INSIDE / 10 * 0.72)
        for x in np.arange(body.x0 + 80, body.x1 - 80, rng.uniform(1100, 1300)).tolist():
            full.box(x, floor - 28, x + 4, floor, STEEL, STEEL_WIDTH * 0.3)
    step = step or rng.uniform(260, 310)
    smear = abs(rng.normal(0.0, 25.0)) + 6.0  # mm; a member is seldom exactly along the beam
    top = floor - 28
    for x in np.arange(body.x0 + 150, body.x1 - 150, step).tolist():
        at = x + rng.normal(0.0, 6.0)
        full.box(at, top - height, at + 4 + smear, top, STEEL, STEEL_WIDTH * 4.0 / (4.0 + smear))
        for z in (top - height, top - 4):
            full.box(at, z, at + 45 + smear, z + 4, STEEL, STEEL_WIDTH * 45.0 / (45.0 + smear))
    for share in (0.37, 0.63) if rng.random() < 0.6 else ():
        at = body.x0 + share * (body.x1 - body.x0)
        full.frame(at - 180, body.bottom, at + 180, body.bottom + 115, 6, STEEL, STEEL_WIDTH)
    if body.x1 - body.x0 > 11_000 and rng.random() < 0.6:
        full.box(body.x0 + 200, floor - 40, body.x0 + 3400, floor - 34, STEEL, STEEL_WIDTH * 0.45)


def _ends(stage: Stage, rng: Rng, body: Body, floor: float) -> None:
    """Corner posts and castings, the front wall and the doors."""
    edge = INSIDE / 2 + 20.0
    full = stage.sheet(-INSIDE / 2, INSIDE / 2)
    doors_right = bool(rng.random() < 0.5)
    for left in (True, False):
        is_door = left != doors_right
        inner, outer = (body.x0, body.x0 + 178.0) if left else (body.x1 - 178.0, body.x1)
        post = (inner, inner + 150) if left else (outer - 150, outer)
        for corner in (stage.sheet(-edge - 80, -edge + 80), stage.sheet(edge - 80, edge + 80)):
            corner.box(post[0], body.bottom, post[1], body.top, STEEL, rng.uniform(7, 12))
            shade = post[0] if left else post[1] - 50
            corner.box(shade, body.bottom, shade + 50, body.top, STEEL, rng.uniform(10, 25))
            for z in (body.bottom, body.top - 118):
                corner.box(inner, z, outer, z + 118, STEEL, 60)
                hole = corner.plane(STEEL)
                rows, columns = corner.cells(inner + 55, z + 30, outer - 55, z + 88)
                hole[rows, columns] *= np.float32(0.3)
        wall = (body.x0 + 30, body.x0 + 76) if left else (body.x1 - 76, body.x1 - 30)
        full.box(*_rect(wall, floor, body.top), STEEL, STEEL_WIDTH * rng.uniform(0.04, 0.06))
        full.box(post[0], body.top - 110, post[1], body.top - 10, STEEL, STEEL_WIDTH * 0.07)
        full.box(post[0], body.bottom, post[1], floor - 10, STEEL, STEEL_WIDTH * 0.07)
        if is_door:
            _door(stage, rng, body, floor, left=left)


def _door(stage: Stage, rng: Rng, body: Body, floor: float, *, left: bool) -> None:
    full = stage.sheet(-INSIDE / 2, INSIDE / 2)
    outside = body.x0 - 45 if left else body.x1 + 5
    for _ in range(4):  # lock bars
        full.rod(
            outside + rng.uniform(-6, 6), floor - 90, outside + 40, body.top - 60, STEEL, 6.0, hollow=0.75
        )
    inside = body.x0 + 20 if left else body.x1 - 80
    for z in (floor + 30, body.top - 190):
        full.box(inside, z, inside + 60, z + 100, STEEL, STEEL_WIDTH * 0.08)
    full.box(inside, floor, inside + 25, body.top - 80, RUBBER, 12.0)
    edge = INSIDE / 2 + 20.0
    for corner in (stage.sheet(-edge - 80, -edge + 80), stage.sheet(edge - 80, edge + 80)):
        for z in np.linspace(floor + 200, body.top - 300, 5).tolist():
            corner.box(outside - 5, z, outside + 60, z + rng.uniform(90, 130), STEEL, rng.uniform(15, 40))
    for z in (floor - 60, body.top - 120, floor + 900, floor + 1150):
        full.box(outside - 20, z, outside + 70, z + rng.uniform(25, 70), STEEL, rng.uniform(20, 60))


def _machine_end(stage: Stage, rng: Rng, x: float, body: Body) -> None:
    full = stage.sheet(-INSIDE / 2, INSIDE / 2)
    near = stage.sheet(-600.0, -100.0)
    full.box(x, body.bottom + 200, x + 30, body.top - 100, ALUMINIUM, 60)
    full.box(x + 430, body.bottom + 300, x + 500, body.top - 100, POLYETHYLENE, 12)
    near.lump(x + 240, body.bottom + 420, 330, 420, STEEL, rng.uniform(90, 200), power=3.0, flat=2.0)
    full.box(x + 60, body.bottom + 900, x + 380, body.bottom + 1500, ALUMINIUM, 25)
    for z in np.linspace(body.bottom + 700, body.top - 300, 14).tolist():
        full.line(np.array([[x + 60, z], [x + 390, z + rng.uniform(-60, 60)]]), 12, STEEL, rng.uniform(5, 30))
    for z in (body.top - 480, body.top - 900):
        near.ring(x + 240, z, 330, 60, ALUMINIUM, rng.uniform(6, 12))
        near.ring(x + 240, z, 110, 0, STEEL, 70)
    for _ in range(10):
        z = rng.uniform(body.bottom + 250, body.top - 300)
        near.box(
            x + rng.uniform(30, 200),
            z,
            x + rng.uniform(220, 400),
            z + rng.uniform(20, 160),
            STEEL,
            rng.uniform(3, 40),
        )


def _trifles(near: Sheet, far: Sheet, rng: Rng, body: Body, floor: float) -> None:
    """Lashing rings, ventilators, marking plates, dents and patches."""
    for wall in (near, far):
        step = rng.uniform(1000, 1300)
        angles = np.linspace(0.0, np.pi, 9)
        arc = np.column_stack([32 * np.cos(angles), -45 * np.sin(angles)])
        for x in np.arange(body.x0 + rng.uniform(200, 500), body.x1 - 150, step).tolist():
            wall.line(arc + np.array([x, body.top - 60]), 10, STEEL, 8.0)
            if rng.random() < 0.7:
                wall.line(arc * np.array([1.0, -1.0]) + np.array([x, floor + 5]), 10, STEEL, 8.0)
        for _ in range(int(rng.integers(0, 4))):
            x, z = rng.uniform(body.x0 + 200, body.x1 - 500), rng.uniform(floor + 300, body.top - 400)
            wall.frame(
                x, z, x + rng.uniform(90, 420), z + rng.uniform(80, 260), 6, STEEL, rng.uniform(0.4, 2.0)
            )
        for _ in range(int(rng.integers(0, 5))):
            x, z = rng.uniform(body.x0 + 200, body.x1 - 200), rng.uniform(floor + 100, body.top - 100)
            dent = np.array([[x, z], [x + rng.normal(0, 120), z + rng.normal(0, 120)]])
            wall.line(dent, rng.uniform(3, 12), STEEL, rng.uniform(0.3, 1.5))


def _rect(columns: tuple[float, float], z0: float, z1: float) -> tuple[float, float, float, float]:
    return columns[0], z0, columns[1], z1
