"""What carries a body: chassis, tractors, rail bogies and tank cars; and what is flown: pallets and ULDs."""

import itertools

import numpy as np

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    CELLULOSE,
    COPPER,
    FLESH,
    GLASS,
    IRON,
    POLYETHYLENE,
    RUBBER,
    STEEL,
    WATER,
)
from cargosight_training.simulation.cargo.bodies import Body
from cargosight_training.simulation.cargo.built_goods import wheel
from cargosight_training.simulation.cargo.stage import Hold, Rng, Stage, hold_between
from cargosight_training.simulation.shapes import smooth

# Side views of a tractor's cab relative to its length and height, nose to the left.
_FLAT_NOSE = np.array(
    [[0.02, 0.0], [0.0, 0.35], [0.06, 0.72], [0.16, 0.98], [0.9, 1.0], [0.98, 0.9], [0.98, 0.0]]
)
_LONG_NOSE = np.array(
    [
        [0.0, 0.05],
        [0.0, 0.36],
        [0.05, 0.44],
        [0.38, 0.52],
        [0.48, 0.84],
        [0.56, 1.0],
        [0.98, 1.0],
        [0.98, 0.0],
    ]
)
_RAIL_TOP = 150.0  # mm, of the rails above the scan's lower edge


def chassis(stage: Stage, rng: Rng, x0: float, x1: float, deck: float, *, legs: bool = True) -> None:
    """Draw a semi-trailer's frame below height `deck`: two beams, cross-members, axles, wheels, landing gear."""
    near, far = stage.sheet(-560, -420), stage.sheet(420, 560)
    full = stage.sheet(-1100.0, 1100.0)
    holes = rng.random() < 0.4
    for beam in (near, far):
        tall = rng.uniform(260, 420)
        beam.box(x0, deck - tall, x1, deck, STEEL, rng.uniform(4, 7))
        for z in (deck - tall, deck - 14):
            beam.box(x0, z, x1, z + 14, STEEL, 14 * STEEL.density)
        if holes:
            for x in np.arange(x0 + 100, x1 - 100, 150).tolist():
                beam.box(x, deck - 110, x + 75, deck - 30, STEEL, 45)
    for x in np.arange(x0 + 300, x1 - 200, rng.uniform(900, 1900)).tolist():
        full.box(x, deck - 180, x + 80, deck - 20, STEEL, rng.uniform(40, 120))
    for x in (x0 + 60, x1 - 160):
        full.box(x, deck - 160, x + 100, deck, STEEL, rng.uniform(150, 400))
    axles = int(rng.integers(2, 4))
    last = x1 - rng.uniform(700, 1600)
    for k in range(axles):
        axle(stage, rng, last - 1310 * k)
    if legs:
        _landing_gear(stage, rng, x0 + rng.uniform(2300, 3000), deck)
    _underbody(stage, rng, x0, x1, deck)


def axle(stage: Stage, rng: Rng, x: float, *, outer: float = 1000.0, twin: bool = True) -> None:
    """Draw an axle with its wheels, brakes and springs."""
    for sheet in (stage.sheet(-1150, -650), stage.sheet(650, 1150)):
        for _ in range(2 if twin else 1):
            wheel(sheet, rng, x + rng.normal(0, 4), outer / 2, outer, 26.0)
    full = stage.sheet(-1100.0, 1100.0)
    full.ring(x, outer / 2, 150, 110, STEEL, 180 * STEEL.density)
    full.lump(x + 330, outer / 2 + 120, 240, 330, RUBBER, 25, power=4.0)
    angles = np.linspace(0.15, 0.85, 9) * np.pi
    guard = np.column_stack([x + 0.58 * outer * np.cos(angles), outer / 2 + 0.58 * outer * np.sin(angles)])
    if rng.random() < 0.6:
        full.line(guard, 12, POLYETHYLENE, 45)
    full.line(np.array([[x, outer / 2], [x - 480, outer / 2 + 260]]), 90, STEEL, rng.uniform(20, 60))
    full.box(x - 420, outer / 2 + 70, x + 420, outer / 2 + 130, STEEL, 110)


def tractor(stage: Stage, rng: Rng, x0: float, long: float) -> None:
    """Draw a tractor whose nose is at x0, with its driver's space, engine, tanks and fifth wheel."""
    conventional = rng.random() < 0.3
    cab_long = min(long * (0.62 if conventional else 0.42), 4200.0)
    tall, bottom = rng.uniform(2300, 2900), 800.0
    outline = smooth(_LONG_NOSE if conventional else _FLAT_NOSE, closed=True, rounds=1) * (cab_long, tall) + (
        x0,
        bottom,
    )
    sides = (stage.sheet(-1180, -1120), stage.sheet(1120, 1180))
    for side in sides:
        side.polygon(outline, STEEL, rng.uniform(0.8, 1.4))
        side.line(outline, 60, STEEL, rng.uniform(6, 14), closed=True)
        glass = np.array([[0.12, 0.5], [0.2, 0.85], [0.45, 0.85], [0.45, 0.5]])
        if conventional:
            glass = glass * (0.6, 1.0) + (0.46, 0.0)
        side.polygon(glass * (cab_long, tall) + (x0, bottom), GLASS, 1.3)
    full = stage.sheet(-1100.0, 1100.0)
    full.line(outline, 25, STEEL, rng.uniform(60, 140), closed=True)
    _engine(stage, rng, x0 + (0.12 if conventional else 0.25) * cab_long, bottom)
    _driver(stage, rng, x0 + (0.62 if conventional else 0.35) * cab_long, bottom + 420, tall)
    for beam in (stage.sheet(-480, -380), stage.sheet(380, 480)):
        beam.box(x0 + 300, 720, x0 + long, 1000, STEEL, 9)
        for z in (720, 988):
            beam.box(x0 + 300, z, x0 + long, z + 12, STEEL, 8 * STEEL.density)
    tank = x0 + cab_long + rng.uniform(0, 200)
    for side in (stage.sheet(-1150, -650), stage.sheet(650, 1150)):
        side.lump(tank + 450, 720, 950, 560, WATER, rng.uniform(10, 40), power=6.0, flat=2.0)
        side.frame(tank, 440, tank + 900, 1000, 8, ALUMINIUM, 60)
    full.polygon(
        np.array([[-1500, 1030], [-600, 1030], [-500, 1120], [-1500, 1120]]) + np.array([x0 + long, 0.0]),
        STEEL,
        90,
    )
    axle(stage, rng, x0 + (0.2 if conventional else 0.24) * cab_long + 550, twin=False)
    for k in range(int(rng.integers(1, 3))):
        axle(stage, rng, x0 + long - 1000 + 1350 * k - 600)


def bogies(stage: Stage, rng: Rng, x0: float, x1: float, deck: float) -> None:
    """Draw a rail car's bogies, sill, couplers and brake gear, and the rails."""
    full = stage.sheet(-1100.0, 1100.0)
    for rail in (stage.sheet(-790, -720), stage.sheet(720, 790)):
        rail.box(0, _RAIL_TOP - 150, stage.length, _RAIL_TOP, STEEL, 12)
        rail.box(0, _RAIL_TOP - 40, stage.length, _RAIL_TOP, STEEL, 40)
    full.box(x0, deck - 340, x1, deck - 40, STEEL, rng.uniform(12, 26))
    for z in (deck - 340, deck - 55):
        full.box(x0, z, x1, z + 15, STEEL, 45 * STEEL.density)
    for x in (x0 + 1900, x1 - 1900):
        for side in (stage.sheet(-1150, -650), stage.sheet(650, 1150)):
            for shift in (-900, 900):
                side.ring(x + shift, _RAIL_TOP + 460, 920, 800, IRON, 13 * IRON.density)
                side.ring(x + shift, _RAIL_TOP + 460, 900, 0, IRON, 2.5 * IRON.density)
                side.box(x + shift - 150, _RAIL_TOP + 330, x + shift + 150, _RAIL_TOP + 600, IRON, 170)
            frame = np.array([[-1150, 520], [-700, 620], [700, 620], [1150, 520], [500, 250], [-500, 250]])
            side.polygon(frame + np.array([x, _RAIL_TOP]), IRON, rng.uniform(50, 90))
            for k in range(4):
                side.ring(x - 180 + 120 * k, _RAIL_TOP + 420, 110, 70, IRON, 80)
        full.box(x - 200, deck - 420, x + 200, deck - 250, IRON, 400)
        for shift in (-900, 900):
            full.ring(x + shift, _RAIL_TOP + 460, 170, 0, IRON, 140 * IRON.density)
    for x, sign in ((x0, -1), (x1, 1)):
        full.box(min(x, x + 500 * sign), deck - 260, max(x, x + 500 * sign), deck - 60, IRON, 160)
    _underbody(stage, rng, x0 + 3300, x1 - 3300, deck)


def tank_car(stage: Stage, rng: Rng, body: Body) -> tuple[Hold, float]:
    """Draw a tank with its manhole; return it as a hold, with the share of its height that is filled."""
    long, tall = body.x1 - body.x0, body.top - body.bottom
    middle, z = 0.5 * (body.x0 + body.x1), 0.5 * (body.bottom + body.top)
    content = (WATER, POLYETHYLENE)[int(rng.integers(2))]
    level = float(rng.choice([0.0, rng.uniform(0.3, 0.97)], p=[0.25, 0.75]))
    surface = body.bottom + level * tall
    # What is in it, cut into slabs: each is as tall as the circle at its depth.
    edges = np.linspace(-tall / 2, tall / 2, 11).tolist()
    for near, far in itertools.pairwise(edges):
        half = float(np.sqrt((tall / 2) ** 2 - (0.5 * (near + far)) ** 2))
        sheet = stage.sheet(near, far)
        sheet.lump(middle, z, long, 2 * half, content, sheet.load(content), power=8.0, flat=6.0)
        rows, columns = sheet.cells(body.x0, surface, body.x1, body.top + 200)
        sheet.plane(content)[rows, columns] = 0.0
    # A circle seen from afar is nearly the same from any height, so that the shell is drawn in the middle plane.
    shell = stage.sheet(-30.0, 30.0)
    rows, columns = shell.cells(body.x0 + 60, body.bottom, body.x1 - 60, body.top)
    up = shell.top - (np.arange(rows.start, rows.stop) + 0.5) * shell.pitch - z
    outer, inner = (
        2 * np.sqrt(np.maximum(radius**2 - up**2, 0.0))
        for radius in (tall / 2, tall / 2 - rng.uniform(6, 11))
    )
    chord = ((outer - inner) / 10.0 * STEEL.density).astype(np.float32)
    shell.plane(STEEL)[rows, columns] += chord[:, None]
    for x in (body.x0 + 60, body.x1 - 60):
        shell.lump(x, z, 300, tall, STEEL, rng.uniform(60, 120), power=3.0)
    for x in np.linspace(body.x0 + 60, body.x1 - 60, int(rng.integers(4, 8))).tolist()[1:-1]:  # the seams
        shell.box(x, body.bottom, x + 12, body.top, STEEL, rng.uniform(1, 4))
    full = stage.sheet(-400.0, 400.0)
    full.frame(middle - 280, body.top - 20, middle + 280, body.top + 190, 14, STEEL, 45)
    for _ in range(7):
        x = middle + rng.normal(0, 500)
        full.rod(x, body.top, x + 90, body.top + rng.uniform(120, 300), STEEL, 30)
    full.line(np.array([[middle + 700, body.top + 60], [middle + 900, body.bottom]]), 40, STEEL, 5)
    for x in (body.x0 + 1400, body.x1 - 1400):
        full.box(x - 250, body.bottom - 120, x + 250, body.bottom + 160, STEEL, 80)
    hold = hold_between(stage, body.x0 + 200, body.x1 - 200, body.bottom + 60, body.top - 60, tall * 0.8)
    return hold, level


def flat_deck(stage: Stage, rng: Rng, body: Body) -> Hold:
    """Draw a flat car or flat bed with stakes and headboards and return the room above it."""
    full = stage.sheet(-1100.0, 1100.0)
    full.box(body.x0, body.bottom, body.x1, body.bottom + 60, CELLULOSE, 220 * 0.7)
    full.box(body.x0, body.bottom, body.x1, body.bottom + 8, STEEL, 220 * STEEL.density * 0.4)
    high = rng.uniform(300, 1200)
    for wall in (stage.sheet(-1210, -1190), stage.sheet(1190, 1210)):
        for x in np.arange(body.x0 + 200, body.x1 - 100, rng.uniform(1100, 2300)).tolist():
            wall.box(x, body.bottom, x + 80, body.bottom + high, STEEL, 12)
        wall.box(body.x0, body.bottom - 150, body.x1, body.bottom + 60, STEEL, 8)
    for x in (body.x0, body.x1 - 60):
        full.box(x, body.bottom, x + 60, body.bottom + rng.uniform(300, 1300), STEEL, rng.uniform(60, 200))
    return hold_between(stage, body.x0 + 80, body.x1 - 80, body.bottom + 60, body.top)


def air_unit(stage: Stage, rng: Rng, body: Body, *, closed: bool) -> Hold:
    """Draw an aircraft pallet under a net, or with `closed` a ULD of aluminium with its cut-off corner."""
    width = 1530.0 if closed else 2240.0
    full = stage.sheet(-width / 2, width / 2)
    full.box(
        body.x0, body.bottom - 22, body.x1, body.bottom, ALUMINIUM, width / 10 * ALUMINIUM.density * 0.45
    )
    full.frame(
        body.x0, body.bottom - 40, body.x1, body.bottom + 18, 14, ALUMINIUM, width / 10 * ALUMINIUM.density
    )
    for x in np.arange(0, stage.length, 180).tolist():  # the rollers of the conveyor
        full.ring(x, body.bottom - 110, 90, 78, STEEL, width / 10 * STEEL.density)
    for side in (stage.sheet(-width / 2 - 6, -width / 2), stage.sheet(width / 2, width / 2 + 6)):
        if closed:
            outline = np.array([[body.x0, body.bottom + 420], [body.x0 + 420, body.bottom], [body.x1, body.bottom],
                                [body.x1, body.top], [body.x0, body.top]])  # fmt: skip
            side.polygon(outline, ALUMINIUM, rng.uniform(0.4, 0.9))
            side.line(outline, 55, ALUMINIUM, 4.0, closed=True)
            for share in (0.3, 0.65):
                x = body.x0 + share * (body.x1 - body.x0)
                side.box(x, body.bottom, x + 45, body.top, ALUMINIUM, 3.0)
        else:
            side.box(body.x0, body.bottom, body.x1, body.top, POLYETHYLENE, 0.04)
            for x in np.arange(body.x0, body.x1, 260).tolist():
                top = body.top + rng.normal(0, 15)
                side.line(np.array([[x, body.bottom], [x + 130, top]]), 9, POLYETHYLENE, 0.8)
                side.line(np.array([[x + 130, body.bottom], [x, top]]), 9, POLYETHYLENE, 0.8)
                side.box(x, body.bottom - 5, x + 30, body.bottom + 40, STEEL, 7)
    if closed:
        full.box(body.x0, body.top - 3, body.x1, body.top, ALUMINIUM, width / 10 * ALUMINIUM.density)
    inset = 430.0 if closed else 20.0
    return hold_between(stage, body.x0 + inset, body.x1 - 20, body.bottom + 2, body.top - 20, width - 60)


def _landing_gear(stage: Stage, rng: Rng, x: float, deck: float) -> None:
    for leg in (stage.sheet(-700, -580), stage.sheet(580, 700)):
        leg.frame(x, 330, x + 130, deck - 100, 8, STEEL, 12 * STEEL.density)
        leg.box(x + 20, 120, x + 110, 500, STEEL, 20)
        leg.box(x - 60, 90, x + 190, 125, STEEL, 60)
    full = stage.sheet(-1100.0, 1100.0)
    full.line(np.array([[x + 60, 700], [x + 700, deck - 120]]), 60, STEEL, 12)
    full.ring(x + 60, 620 + rng.uniform(0, 120), 60, 40, STEEL, 130 * STEEL.density)


def _underbody(stage: Stage, rng: Rng, x0: float, x1: float, deck: float) -> None:
    """Air tanks, boxes, lamps, mudguards, hoses and cables under a frame."""
    layers = [stage.sheet(y, y + 180.0) for y in (-1000.0, -250.0, 120.0, 800.0)]
    for _ in range(int((x1 - x0) / 260)):
        sheet = layers[int(rng.integers(4))]
        x, z = rng.uniform(x0, max(x1 - 600, x0 + 1)), deck - rng.uniform(120, 620)
        kind = rng.integers(5)
        if kind == 0:
            sheet.frame(
                x, z, x + rng.uniform(150, 700), z + rng.uniform(60, 260), 5, STEEL, rng.uniform(15, 90)
            )
        elif kind == 1:
            sheet.ring(x, z, rng.uniform(90, 280), rng.uniform(40, 85), STEEL, rng.uniform(8, 50))
        elif kind == 2:  # a tank for compressed air
            long = rng.uniform(300, 900)
            sheet.lump(x + long / 2, z, long, 240, STEEL, rng.uniform(4, 8), power=6.0, flat=3.0)
        elif kind == 3:
            path = np.array([[x, z], [x + rng.normal(0, 250), z + rng.uniform(-200, 200)]])
            sheet.line(path, rng.uniform(10, 70), STEEL, rng.uniform(3, 25))
        else:
            sheet.lump(x, z, rng.uniform(40, 260), rng.uniform(30, 160), STEEL, rng.uniform(4, 45), power=4.0)
    for sheet in layers:
        z = deck - rng.uniform(40, 520)
        path = np.column_stack([np.linspace(x0, x1, 14), z + rng.normal(0, 22, 14)])
        sheet.line(path, rng.uniform(10, 35), STEEL, rng.uniform(2, 7))


def _engine(stage: Stage, rng: Rng, x: float, z: float) -> None:
    for block in (stage.sheet(-380.0, -80.0), stage.sheet(-80.0, 220.0), stage.sheet(220.0, 380.0)):
        block.lump(x + 550, z + 230, 1080, 760, IRON, rng.uniform(22, 45), power=5.0, flat=2.0)
        for k in range(6):  # the cylinders
            block.rod(
                x + 90 + 155 * k, z + 180, x + 215 + 155 * k, z + 480, IRON, rng.uniform(10, 25), hollow=0.8
            )
        for _ in range(30):
            wide, tall = rng.uniform(30, 300), rng.uniform(30, 240)
            at, up = x + rng.uniform(0, 1100), z + rng.uniform(-180, 720)
            material = (STEEL, ALUMINIUM, COPPER)[int(rng.integers(3))]
            block.lump(
                at, up, wide, tall, material, rng.uniform(3, 40), power=float(rng.choice([2.0, 4.0, 8.0]))
            )
        block.ring(x - 80, z + 330, 650, 590, STEEL, 3)
        block.lump(x + 1350, z + 100, 600, 380, IRON, rng.uniform(25, 45), power=3.0)  # the gear box
    middle = stage.sheet(-380.0, 380.0)
    middle.box(x - 180, z - 50, x - 120, z + 750, ALUMINIUM, 40)  # the radiator
    middle.line(np.array([[x + 1600, z + 80], [x + 4200, z + 60]]), 110, STEEL, 12)  # the shaft


def _driver(stage: Stage, rng: Rng, x: float, floor: float, tall: float) -> None:
    """The wheel, seats and bunk; drivers get out before a scan, but not everywhere."""
    full = stage.sheet(-700.0, 700.0)
    full.box(x - 700, floor, x + 900, floor + 30, STEEL, 80)
    for seat in (stage.sheet(-800, -300), stage.sheet(300, 800)):
        seat.lump(x + 150, floor + 450, 480, 140, POLYETHYLENE, 4.0, power=5.0)
        seat.lump(x + 380, floor + 800, 150, 720, POLYETHYLENE, 4.0, power=5.0)
        seat.frame(x, floor + 60, x + 350, floor + 380, 20, STEEL, 30)
    full.line(np.array([[x - 420, floor + 450], [x - 260, floor + 830]]), 45, STEEL, 6)
    full.line(np.array([[x - 360, floor + 900], [x - 150, floor + 740]]), 30, STEEL, 14)
    full.box(x + 600, floor + 500, x + 700, floor + 620, POLYETHYLENE, 8)
    for _ in range(6):
        full.box(
            x - 560 + rng.normal(0, 60),
            floor + rng.uniform(350, 700),
            x - 420,
            floor + 750,
            COPPER,
            rng.uniform(1, 8),
        )
    if rng.random() < 0.15:
        driver = stage.sheet(-600.0, -300.0)
        driver.lump(x + 200, floor + 760, 290, 620, FLESH, 24, power=2.5)
        driver.lump(x + 190, floor + 1190, 190, 250, FLESH, 17)
        driver.lump(x, floor + 530, 520, 190, FLESH, 17, power=3.0)
