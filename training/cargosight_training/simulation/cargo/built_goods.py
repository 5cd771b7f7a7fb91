"""Cargo that was built: machinery, cars, appliances, electronics, furniture, household goods."""

from collections.abc import Sequence

import numpy as np

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    CELLULOSE,
    CONCRETE,
    COPPER,
    GLASS,
    POLYETHYLENE,
    RUBBER,
    STEEL,
)
from cargosight_training.simulation.cargo.sheet import Sheet
from cargosight_training.simulation.cargo.stage import Hold, Rng
from cargosight_training.simulation.cargo.stowing import WOOD, palletised, spread_along
from cargosight_training.simulation.shapes import Points, smooth

# Side view of a car relative to its length: roof line from the front bumper to the rear one, then the sill.
_CAR = np.array(
    [[0.0, 0.08], [0.0, 0.15], [0.04, 0.20], [0.24, 0.23], [0.36, 0.33], [0.64, 0.335], [0.80, 0.24], [0.98, 0.22],
     [1.0, 0.12], [0.97, 0.07], [0.06, 0.06]]
)  # fmt: skip


def machinery(hold: Hold, rng: Rng) -> None:
    """Machines on skids or in crates: frames, housings, shafts, wheels, motors, cabinets, pipes."""
    x = hold.x0 + rng.uniform(50, 400)
    while x < hold.x1 - 700:
        long = min(rng.uniform(700, 3200), hold.x1 - x)
        tall = min(rng.uniform(500, 2100), hold.height - 60)
        first = int(rng.integers(0, 2))
        sheets = hold.sheets[first : first + int(rng.integers(2, 5))]
        machine(sheets, rng, (x, hold.floor, x + long, hold.floor + tall))
        x += long + rng.exponential(120) + 20


def machine(sheets: Sequence[Sheet], rng: Rng, box: tuple[float, float, float, float]) -> None:
    """Draw one machine of steel and castings into a box in mm."""
    x0, z0, x1, z1 = box
    long, tall = x1 - x0, z1 - z0
    crated = rng.random() < 0.35
    for sheet in sheets:
        sheet.box(x0, z0, x1, z0 + 100, CELLULOSE, sheet.load(CELLULOSE, WOOD * 0.5))
        if crated:
            sheet.frame(x0, z0, x1, z1, 25, CELLULOSE, sheet.load(CELLULOSE, WOOD * 0.8))
            sheet.box(x0, z0, x1, z1, CELLULOSE, 1.2)
        sheet.frame(x0 + 30, z0 + 100, x1 - 30, z1 - 30, rng.uniform(25, 110), STEEL, rng.uniform(6, 30))
        for _ in range(int(8 + long * tall / 90_000)):
            _part(sheet, rng, x0 + 40, z0 + 110, x1 - 40, z1 - 40)
        for _ in range(int(rng.integers(4, 16))):
            _pipe_run(sheet, rng, x0 + 40, z0 + 120, x1 - 40, z1 - 40)


def vehicles(hold: Hold, rng: Rng) -> None:
    """Cars, whole or in halves, one behind the other and now and then one over the other."""
    x = hold.x0 + rng.uniform(30, 250)
    while True:
        long = rng.uniform(3700, 4900)
        if x + long > hold.x1:
            break
        scale = rng.uniform(0.95, 1.08)
        car(hold, rng, x, hold.floor, long, long * scale)
        if hold.height > 2400 and rng.random() < 0.35:
            tilt = rng.uniform(250, 500)
            car(hold, rng, x, hold.floor + 950 + 0.2 * tilt, long, long * 0.95)
        x += long + rng.uniform(60, 500)
    spare = hold.x1 - x
    if spare > 900:
        machinery(hold.part(x, hold.x1), rng)


def car(hold: Hold, rng: Rng, x: float, z: float, long: float, tall: float) -> None:
    """Draw a car whose tyres stand on height z."""
    flip = rng.random() < 0.5
    inner = hold.sheets[1:-1] if len(hold.sheets) > 2 else hold.sheets
    shell = _placed(smooth(_CAR, closed=True, rounds=1), x, z, long, tall, flip)
    for sheet in (inner[0], inner[-1]):
        sheet.polygon(shell, STEEL, rng.uniform(0.9, 1.6))
        sheet.line(shell, 35, STEEL, rng.uniform(5, 12), closed=True)
        for share in (0.42, 0.63):  # pillars and door edges
            sheet.line(
                _placed(np.array([[share, 0.08], [share + 0.01, 0.32]]), x, z, long, tall, flip),
                60,
                STEEL,
                4.0,
            )
        window = np.array([[0.29, 0.225], [0.38, 0.315], [0.62, 0.318], [0.75, 0.235]])
        sheet.polygon(_placed(window, x, z, long, tall, flip), GLASS, 1.2)
    for sheet in inner:
        for a, b in ((0.08, 0.30), (0.30, 0.92)):
            sheet.line(_placed(np.array([[a, 0.085], [b, 0.085]]), x, z, long, tall, flip), 110, STEEL, 9.0)
        engine = _placed(
            np.array([[0.06, 0.07], [0.06, 0.17], [0.20, 0.18], [0.24, 0.12], [0.21, 0.06]]),
            x,
            z,
            long,
            tall,
            flip,
        )
        sheet.polygon(engine, ALUMINIUM, rng.uniform(15, 35))
        (left, low), (right, high) = engine.min(axis=0).tolist(), engine.max(axis=0).tolist()
        for _ in range(14):
            _part(sheet, rng, left, low, right, high, heavy=1.5)
        for share in (0.42, 0.60):
            seat = np.array(
                [[share, 0.10], [share + 0.08, 0.10], [share + 0.12, 0.26], [share + 0.09, 0.265]]
            )
            sheet.polygon(_placed(seat, x, z, long, tall, flip), POLYETHYLENE, rng.uniform(1.5, 3.5))
            sheet.line(_placed(seat, x, z, long, tall, flip), 15, STEEL, 8.0, closed=True)
        exhaust = _placed(np.array([[0.25, 0.06], [0.75, 0.065], [0.9, 0.08]]), x, z, long, tall, flip)
        sheet.line(exhaust, 60, STEEL, 4.0)
        tank = _placed(
            np.array([[0.74, 0.07], [0.74, 0.12], [0.86, 0.12], [0.86, 0.07]]), x, z, long, tall, flip
        )
        sheet.polygon(tank, POLYETHYLENE, rng.uniform(3, 12))
    for share in (0.17, 0.80):
        at = x + long * (1 - share if flip else share)
        for sheet in (inner[0], inner[-1]):
            wheel(sheet, rng, at, z + 310, 620, 20.0)


def wheel(sheet: Sheet, rng: Rng, x: float, z: float, outer: float, wide_cm: float) -> None:
    """Draw a wheel with its rim, disc and hub, its middle at x, z."""
    sheet.ring(x, z, outer, outer * 0.62, RUBBER, wide_cm * 0.25)
    sheet.ring(x, z, outer, outer * 0.88, RUBBER, wide_cm * 0.75)
    sheet.ring(x, z, outer * 0.66, outer * 0.58, STEEL, wide_cm * 0.7)
    sheet.ring(x, z, outer * 0.6, 0, STEEL, rng.uniform(3, 7))
    sheet.ring(x, z, outer * 0.42, outer * 0.18, STEEL, wide_cm * 1.2)
    sheet.ring(x, z, outer * 0.16, 0, STEEL, wide_cm * 4.0)


def appliances(hold: Hold, rng: Rng) -> None:
    """Washing machines, refrigerators, cookers, air conditioners in their cartons."""
    kind = int(rng.integers(3))
    wide = (600.0, rng.uniform(560, 760), rng.uniform(700, 950))[kind]
    tall = (870.0, rng.uniform(1400, 1900), rng.uniform(500, 750))[kind]
    for sheets in hold.rows(len(hold.sheets)):
        base = hold.floor
        places = spread_along(rng, hold, wide, 12)
        while base + tall < hold.ceiling:
            for x0, x1 in places:
                for sheet in sheets:
                    (_washer, _refrigerator, _conditioner)[kind](sheet, rng, (x0, base, x1, base + tall))
            base += tall + 8


def electronics(hold: Hold, rng: Rng) -> None:
    """Cartons of electronic goods: screens, boxes with boards, transformers and batteries, on pallets."""
    size = (rng.uniform(140, 520), rng.uniform(90, 380))
    metal = rng.uniform(2, 18)

    def stack(sheets: Sequence[Sheet], rng: Rng, x0: float, z0: float, x1: float, z1: float) -> None:
        for sheet in sheets:
            for z in np.arange(z0, z1 - 0.6 * size[1], size[1]).tolist():
                for x in np.arange(x0, x1 - 0.6 * size[0], size[0]).tolist():
                    end, top = min(x + size[0] - 4, x1), min(z + size[1] - 3, z1)
                    sheet.box(x, z, end, top, POLYETHYLENE, sheet.load(POLYETHYLENE, rng.uniform(0.07, 0.3)))
                    sheet.frame(x, z, end, top, 5, CELLULOSE, 0.35 * sheet.depth_cm)
                    sheet.frame(x + 25, z + 22, end - 25, top - 22, 4, STEEL, rng.uniform(3, 9))
                    sheet.box(x + 30, z + 30, end - 30, z + 36, COPPER, metal)
                    at = x + rng.uniform(0.25, 0.7) * size[0]
                    sheet.box(at, z + 35, at + 0.16 * size[0], z + 35 + 0.25 * size[1], STEEL, metal * 2)

    palletised(hold, rng, stack, width=rng.uniform(800, 1220), height=(900, 2000), tiers=2)


def furniture(hold: Hold, rng: Rng) -> None:
    """Furniture, set and piled as it fits: cabinets, tables, chairs, sofas, mattresses, flat packs."""
    for sheet in hold.sheets:
        x = hold.x0 + rng.uniform(0, 100)
        while x < hold.x1 - 300:
            long = min(rng.uniform(350, 2100), hold.x1 - x)
            z = hold.floor
            while z < hold.ceiling - 350:
                tall = min(rng.uniform(350, 1300), hold.ceiling - z)
                _piece(sheet, rng, x, z, x + long * rng.uniform(0.8, 1.0), z + tall * 0.97)
                z += tall
                if rng.random() < 0.15:
                    break
            x += long + rng.exponential(25)


def household(hold: Hold, rng: Rng) -> None:
    """Personal effects: furniture, cartons, bicycles, appliances, tools, tyres, all sorts."""
    furniture(hold, rng)
    for sheet in hold.sheets:
        for _ in range(int(hold.length / 350)):
            x, z = (
                rng.uniform(hold.x0 + 250, hold.x1 - 250),
                rng.uniform(hold.floor + 100, hold.ceiling - 300),
            )
            kind = rng.integers(5)
            if kind == 0:
                _bicycle(sheet, rng, x, z)
            elif kind == 1:
                sheet.lump(
                    x,
                    z,
                    rng.uniform(150, 500),
                    rng.uniform(150, 400),
                    CELLULOSE,
                    rng.uniform(2, 14),
                    power=3.0,
                )
            elif kind == 2:
                sheet.lump(
                    x, z, rng.uniform(80, 300), rng.uniform(80, 250), STEEL, rng.uniform(2, 25), power=5.0
                )
            elif kind == 3:
                _part(sheet, rng, x - 200, z - 100, x + 200, z + 250)
            else:
                sheet.ring(x, z, rng.uniform(150, 650), rng.uniform(80, 140), RUBBER, rng.uniform(2, 8))


def _placed(outline: Points, x: float, z: float, long: float, tall: float, flip: bool) -> Points:
    across = 1.0 - outline[:, 0] if flip else outline[:, 0]
    return np.column_stack([x + across * long, z + outline[:, 1] * tall])


def _part(sheet: Sheet, rng: Rng, x0: float, z0: float, x1: float, z1: float, *, heavy: float = 1.0) -> None:
    wide, tall = rng.uniform(0.06, 0.45) * (x1 - x0), rng.uniform(0.06, 0.45) * (z1 - z0)
    x, z = rng.uniform(x0 + wide / 2, x1 - wide / 2), rng.uniform(z0 + tall / 2, z1 - tall / 2)
    areal = float(np.exp(rng.uniform(np.log(3.0), np.log(70.0)))) * heavy
    material = (STEEL, STEEL, STEEL, ALUMINIUM, COPPER)[int(rng.integers(5))]
    kind = rng.integers(5)
    if kind == 0:
        sheet.box(x - wide / 2, z - tall / 2, x + wide / 2, z + tall / 2, material, areal * 0.5)
    elif kind == 1:
        sheet.frame(
            x - wide / 2, z - tall / 2, x + wide / 2, z + tall / 2, rng.uniform(5, 30), material, areal
        )
    elif kind == 2:
        side = min(wide, tall)
        sheet.ring(x, z, side, side * rng.uniform(0.0, 0.7), material, areal)
        sheet.ring(x, z, side * 0.25, 0, STEEL, areal * 2)
    elif kind == 3:
        sheet.lump(x, z, wide, tall, material, areal, power=float(rng.choice([2.0, 4.0, 8.0])))
    else:
        sheet.rod(
            x - wide / 4,
            z - tall / 2,
            x + wide / 4,
            z + tall / 2,
            material,
            areal,
            hollow=rng.uniform(0, 0.8),
        )


def _pipe_run(sheet: Sheet, rng: Rng, x0: float, z0: float, x1: float, z1: float) -> None:
    points = [(rng.uniform(x0, x1), rng.uniform(z0, z1))]
    for k in range(int(rng.integers(1, 5))):
        x, z = points[-1]
        points.append((rng.uniform(x0, x1), z) if k % 2 else (x, rng.uniform(z0, z1)))
    sheet.line(np.array(points), rng.uniform(8, 70), STEEL, rng.uniform(3, 20))


def _washer(sheet: Sheet, rng: Rng, box: tuple[float, float, float, float]) -> None:
    x0, z0, x1, z1 = box
    x, z = 0.5 * (x0 + x1), z0 + 0.52 * (z1 - z0)
    sheet.frame(x0, z0, x1, z1, 12, POLYETHYLENE, 2.0)
    sheet.frame(x0 + 15, z0 + 15, x1 - 15, z1 - 15, 3, STEEL, sheet.depth_cm * STEEL.density * 0.5)
    sheet.ring(x, z, 510, 470, POLYETHYLENE, 22)
    sheet.ring(x, z, 470, 0, STEEL, 1.2)
    sheet.ring(x, z, 470, 462, STEEL, 30 * STEEL.density * 0.3)
    sheet.box(x - 200, z1 - 160, x + 200, z1 - 70, CONCRETE, rng.uniform(30, 55))
    sheet.lump(x + rng.normal(0, 25), z0 + 130, 170, 130, STEEL, rng.uniform(50, 90), power=4.0)
    sheet.lump(x, z - 40, 120, 120, STEEL, 30)


def _refrigerator(sheet: Sheet, rng: Rng, box: tuple[float, float, float, float]) -> None:
    x0, z0, x1, z1 = box
    sheet.frame(x0, z0, x1, z1, 55, POLYETHYLENE, sheet.depth_cm * 0.06)
    sheet.box(x0 + 8, z0 + 8, x1 - 8, z1 - 8, STEEL, 0.9)
    sheet.lump(x1 - 170, z0 + 130, 190, 180, STEEL, rng.uniform(40, 75), power=3.0)
    for z in np.linspace(z0 + 350, z1 - 150, 5).tolist():
        sheet.box(x0 + 60, z, x1 - 60, z + 6, GLASS, sheet.depth_cm * 1.6)
    for z in np.linspace(z0 + 250, z1 - 250, 13).tolist():
        sheet.box(x1 - 30, z, x1 - 12, z + 6, STEEL, 14)


def _conditioner(sheet: Sheet, rng: Rng, box: tuple[float, float, float, float]) -> None:
    x0, z0, x1, z1 = box
    sheet.frame(x0 + 20, z0 + 15, x1 - 20, z1 - 15, 3, STEEL, sheet.depth_cm * STEEL.density * 0.4)
    sheet.ring(x0 + 0.4 * (x1 - x0), 0.5 * (z0 + z1), 420, 380, STEEL, 8)
    sheet.ring(x0 + 0.4 * (x1 - x0), 0.5 * (z0 + z1), 90, 0, COPPER, 25)
    sheet.lump(x1 - 150, z0 + 190, 150, 290, STEEL, rng.uniform(55, 90), power=4.0)
    sheet.box(x0 + 30, z0 + 30, x0 + 60, z1 - 30, COPPER, 28)


def _piece(sheet: Sheet, rng: Rng, x0: float, z0: float, x1: float, z1: float) -> None:
    """A cabinet, a table or chairs, something upholstered, or flat packs."""
    kind = rng.integers(5)
    board = sheet.load(CELLULOSE, 0.45)
    if kind == 0:
        sheet.frame(x0, z0, x1, z1, 18, CELLULOSE, board)
        sheet.box(x0, z0, x1, z1, CELLULOSE, rng.uniform(1.0, 4.0))
        for z in np.linspace(z0, z1, int(rng.integers(3, 7))).tolist()[1:-1]:
            sheet.box(x0, z, x1, z + 18, CELLULOSE, board * 0.8)
        for z in np.linspace(z0, z1, 4).tolist()[1:]:
            sheet.box(x0 + 30, z - 60, x0 + 45, z - 20, STEEL, rng.uniform(3, 12))
    elif kind == 1:
        sheet.box(x0, z1 - 35, x1, z1, CELLULOSE, board)
        for x in (x0 + 30, x1 - 80):
            sheet.line(
                np.array([[x, z1 - 35], [x + rng.normal(0, 20), z0]]),
                rng.uniform(25, 60),
                STEEL,
                rng.uniform(2, 6),
            )
    elif kind == 2:
        sheet.lump(
            0.5 * (x0 + x1),
            0.5 * (z0 + z1),
            x1 - x0,
            z1 - z0,
            POLYETHYLENE,
            sheet.depth_cm * 0.06,
            power=6.0,
            flat=2.0,
        )
        for x in np.arange(x0 + 60, x1 - 60, 70).tolist():
            wave = np.array([[x, z0 + 40], [x + 30, 0.5 * (z0 + z1)], [x, z1 - 40]])
            sheet.line(wave, 6, STEEL, 5.0)
        sheet.frame(x0 + 20, z0, x1 - 20, z0 + 90, 30, CELLULOSE, board * 0.6)
    else:
        for z in np.arange(z0, z1 - 30, rng.uniform(60, 160)).tolist():
            sheet.box(
                x0 + rng.uniform(0, 40),
                z,
                x1 - rng.uniform(0, 40),
                z + 50,
                CELLULOSE,
                board * rng.uniform(0.5, 1.1),
            )
            sheet.box(x0 + 80, z + 12, x0 + 160, z + 30, STEEL, rng.uniform(2, 9))


def _bicycle(sheet: Sheet, rng: Rng, x: float, z: float) -> None:
    for side in (-450, 450):
        sheet.ring(x + side, z, 660, 610, RUBBER, 2.5)
        sheet.ring(x + side, z, 610, 596, ALUMINIUM, 4.0)
        sheet.ring(x + side, z, 60, 0, STEEL, 20)
    frame = np.array([[-450, 0], [0, 0], [300, 420], [-150, 420], [-450, 0]]) + np.array([x, z])
    sheet.line(frame, 32, STEEL, 3.0)
    sheet.line(np.array([[0, 0], [-170, 520]]) + np.array([x, z]), 30, STEEL, 3.0)
    sheet.line(np.array([[450, 0], [280, 520], [360, 560]]) + np.array([x, z]), 28, STEEL, 3.5)
