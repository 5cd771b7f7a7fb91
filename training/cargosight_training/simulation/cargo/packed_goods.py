"""Cargo in units: sacks, drums, bales, cartons, crates, bottles, meat, tiles."""

import itertools
from collections.abc import Sequence

import numpy as np

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    CELLULOSE,
    CERAMIC,
    CONCRETE,
    FLESH,
    GLASS,
    POLYETHYLENE,
    STEEL,
    WATER,
    Material,
)
from cargosight_training.simulation.cargo.sheet import Sheet
from cargosight_training.simulation.cargo.stage import Hold, Rng
from cargosight_training.simulation.cargo.stowing import WOOD, fallen, palletised, spread_along, tumbled


def sacks(hold: Hold, rng: Rng) -> None:
    """Sacks of rice, sugar, coffee, polymer or cement, on pallets or stowed loose up to any height."""
    material, filled = _choice(
        rng, ((CELLULOSE, 0.5), (CELLULOSE, 0.4), (POLYETHYLENE, 0.55), (CONCRETE, 0.55))
    )
    thick, long = rng.uniform(110, 190), rng.uniform(380, 800)

    def layers(sheets: Sequence[Sheet], rng: Rng, x0: float, z0: float, x1: float, z1: float) -> None:
        for sheet in sheets:
            _layers(sheet, rng, (x0, z0, x1, z1), material, sheet.load(material, filled), long, thick)

    if rng.random() < 0.6:
        palletised(hold, rng, layers, width=rng.uniform(1000, 1300), height=(1000, 2100), tiers=2)
        tumbled(hold, rng, material, filled, long)
        return
    level = rng.uniform(0.5, 0.97) * hold.height
    for row in hold.rows(len(hold.sheets)):
        x0, x1 = hold.x0 + rng.uniform(0, 150), hold.x1 - rng.uniform(0, 900)
        layers(row, rng, x0, hold.floor, max(x1, x0 + 500), hold.floor + level * rng.uniform(0.9, 1.05))
    tumbled(hold, rng, material, filled, long)


def big_bags(hold: Hold, rng: Rng) -> None:
    """Woven bags of a cubic metre, bulging, with a slack top."""
    material, filled = _choice(rng, ((POLYETHYLENE, 0.55), (CELLULOSE, 0.5), (CERAMIC, 0.5), (CONCRETE, 0.5)))
    tall = min(rng.uniform(1300, 2200), hold.height - 50)
    for sheets in hold.rows(2):
        for x0, x1 in spread_along(rng, hold, rng.uniform(900, 1150), 30.0):
            height = tall * rng.uniform(0.88, 1.06)
            for k, sheet in enumerate(sheets):
                areal = sheet.load(material, filled * rng.uniform(0.92, 1.05))
                middle = 0.5 * (x0 + x1) + rng.normal(0, 15)
                z = hold.floor + height / 2 - 30 * k
                sheet.lump(middle, z, (x1 - x0) * 1.03, height * 1.02, material, areal, power=5.0, flat=2.5)
                loop = np.array(
                    [[x0 + 80, height / 2 - 40], [middle, height / 2 + 130], [x1 - 80, height / 2 - 40]]
                )
                sheet.line(loop + np.array([0.0, z]), 15, POLYETHYLENE, 1.5)


def drums(hold: Hold, rng: Rng) -> None:
    """Steel or plastic drums of 200 litres in one to three tiers, with rolling hoops and a head space."""
    steel = rng.random() < 0.7
    content = _choice(rng, ((WATER, 1.0), (WATER, 0.85), (POLYETHYLENE, 0.95)))
    filled = rng.uniform(0.85, 0.97)
    tiers = 1 + int(hold.height > 1900 and rng.random() < 0.75)
    wide, tall = 590.0, 885.0
    for sheets in hold.rows(4):
        start = rng.uniform(0.0, 250.0)
        places = spread_along(rng, hold.part(hold.x0 + start, hold.x1), wide, 8.0)
        base, gone = hold.floor, set[float]()
        for _ in range(tiers):
            for x0, x1 in places:
                if x0 in gone:  # nothing stands on what lies
                    continue
                if rng.random() < 0.02:  # it has fallen over and is seen from its end
                    for sheet in sheets:
                        sheet.ring(
                            0.5 * (x0 + x1), base + wide / 2, wide, 0.0, content[0], sheet.load(*content)
                        )
                    gone.add(x0)
                    continue
                for sheet in sheets:
                    _drum(
                        sheet,
                        (x0, base, x1, base + tall),
                        content,
                        filled * rng.uniform(0.97, 1.02),
                        steel=steel,
                    )
            base += tall
            for sheet in sheets:
                sheet.box(
                    hold.x0 + start,
                    base,
                    hold.x1 - 200,
                    base + 20,
                    CELLULOSE,
                    sheet.load(CELLULOSE, WOOD) * 0.5,
                )
            base += 20


def bales(hold: Hold, rng: Rng) -> None:
    """Pressed bales of cotton, waste paper, textiles or hay, with wires around them."""
    density = rng.uniform(0.18, 0.62) / CELLULOSE.density
    wide, tall = rng.uniform(700, 1400), rng.uniform(500, 1050)
    for sheets in hold.rows(2):
        base = hold.floor
        places, gone = spread_along(rng, hold, wide, 15.0), set[float]()
        while base + 0.8 * tall < hold.ceiling:
            for x0, x1 in places:
                if x0 in gone or (base > hold.floor and rng.random() < 0.06):
                    gone.add(x0)  # and nothing stands on what is not there
                    continue
                lift = rng.normal(0, 12)
                for sheet in sheets:
                    areal = sheet.load(CELLULOSE, density * rng.uniform(0.85, 1.12))
                    middle = 0.5 * (x0 + x1) + rng.normal(0, 10)
                    high = min(tall * rng.uniform(0.96, 1.04), hold.ceiling - base)
                    sheet.lump(
                        middle,
                        base + high / 2 + lift,
                        (x1 - x0) * 1.02,
                        high,
                        CELLULOSE,
                        areal,
                        power=7.0,
                        flat=2.0,
                    )
                    for x in np.linspace(x0 + 100, x1 - 100, 4).tolist():
                        sheet.line(np.array([[x, base], [x + rng.normal(0, 10), base + high]]), 4, STEEL, 4.0)
            base += tall
            if rng.random() < 0.12:
                break
    tumbled(hold, rng, CELLULOSE, density, wide)


def cartons(hold: Hold, rng: Rng) -> None:
    """Cartons on pallets or stowed by hand to the roof, with what most of them hold: little, and now and then metal."""
    density = float(np.exp(rng.uniform(np.log(0.12), np.log(0.62)))) / CELLULOSE.density
    size = (rng.uniform(250, 620), rng.uniform(180, 480))
    metal = rng.random() < 0.35

    def stack(sheets: Sequence[Sheet], rng: Rng, x0: float, z0: float, x1: float, z1: float) -> None:
        for sheet in sheets:
            _cartons(sheet, rng, (x0, z0, x1, z1), density, size, metal=metal)

    if rng.random() < 0.5:
        palletised(hold, rng, stack, width=rng.uniform(800, 1220), height=(1000, 2200), tiers=2)
    else:
        level = rng.uniform(0.6, 0.98) * hold.height
        for row in hold.rows(len(hold.sheets)):
            end = hold.x1 - (rng.uniform(0, 0.3) * hold.length if rng.random() < 0.4 else 0.0)
            stack(row, rng, hold.x0, hold.floor, end, hold.floor + level * rng.uniform(0.85, 1.02))
    if rng.random() < 0.5:
        fallen(hold, rng, CELLULOSE, 40 * density * CELLULOSE.density, size[0])
    tumbled(hold, rng, CELLULOSE, density, size[0])


def fruit(hold: Hold, rng: Rng) -> None:
    """Ventilated crates of fruit or vegetables, high on pallets."""
    round_mm, high = rng.uniform(55, 110), rng.uniform(150, 310)

    def crates(sheets: Sequence[Sheet], rng: Rng, x0: float, z0: float, x1: float, z1: float) -> None:
        for sheet in sheets:
            for z in np.arange(z0, z1 - high * 0.8, high).tolist():
                level = rng.uniform(0.6, 0.92) * high
                sheet.box(x0, z, x1, z + 14, CELLULOSE, sheet.load(CELLULOSE, WOOD * 0.5))
                sheet.box(x0, z + 14, x1, z + level, WATER, sheet.load(WATER, rng.uniform(0.36, 0.46)))
                for x in np.arange(x0 + round_mm / 2, x1, round_mm * 0.9).tolist():
                    sheet.lump(
                        x, z + level, round_mm, round_mm, WATER, rng.uniform(0.3, 0.7) * sheet.depth_cm
                    )
                for x in np.linspace(x0, x1 - 12, 3).tolist():
                    sheet.box(x, z, x + 12, z + high, CELLULOSE, sheet.load(CELLULOSE, WOOD * 0.6))

    palletised(hold, rng, crates, width=rng.uniform(1000, 1220), height=(1500, 2200), tiers=1)
    tumbled(hold, rng, WATER, 0.4, 600.0)


def bottles(hold: Hold, rng: Rng) -> None:
    """Bottles of glass or plastic, or cans, filled, in layers on pallets."""
    wall = _choice(rng, ((GLASS, 0.30), (POLYETHYLENE, 0.06), (ALUMINIUM, 0.02)))
    wide, high = rng.uniform(62, 110), rng.uniform(120, 345)

    def layers(sheets: Sequence[Sheet], rng: Rng, x0: float, z0: float, x1: float, z1: float) -> None:
        for sheet in sheets:
            one = _bottles(sheet, rng, x1 - x0, high, wide, wall)
            for z in np.arange(z0, z1 - high, high + 6).tolist():
                sheet.box(x0, z, x1, z + 6, CELLULOSE, sheet.load(CELLULOSE, 0.4))
                for material, plane in one.items():
                    _paste(sheet, material, plane, x0 + rng.normal(0, 4), z + 6 + high)

    palletised(
        hold,
        rng,
        layers,
        width=rng.uniform(1000, 1220),
        height=(900, 1900),
        tiers=1 + int(rng.random() < 0.3),
    )


def meat(hold: Hold, rng: Rng) -> None:
    """Frozen meat or fish: cartons packed tight, or carcasses that hang from rails."""
    if rng.random() < 0.6:
        level = rng.uniform(0.75, 0.97) * hold.height
        for sheet in hold.sheets:
            end = hold.x1 - (rng.uniform(100, 1500) if rng.random() < 0.3 else rng.uniform(0, 80))
            areal = sheet.load(FLESH, rng.uniform(0.66, 0.85))
            high, wide = rng.uniform(140, 190), rng.uniform(380, 600)
            for z in np.arange(hold.floor, hold.floor + level - 100, high).tolist():
                start = hold.x0 + rng.uniform(0, 200)
                for x in np.arange(start, end - wide, wide).tolist():
                    gap = rng.exponential(4.0)
                    sheet.box(x + gap, z + 3, x + wide - 2, z + high, FLESH, areal * rng.uniform(0.9, 1.08))
        return
    for sheet in hold.sheets:
        sheet.box(hold.x0, hold.ceiling - 60, hold.x1, hold.ceiling - 45, ALUMINIUM, 12)
        for x in np.arange(hold.x0 + 150, hold.x1 - 150, rng.uniform(230, 380)).tolist():
            long = rng.uniform(0.55, 0.85) * hold.height
            middle, top = x + rng.normal(0, 40), hold.ceiling - 180
            areal = rng.uniform(22, 40)
            sheet.lump(middle, top - long * 0.4, rng.uniform(330, 460), long * 0.8, FLESH, areal, power=2.6)
            sheet.lump(middle + rng.normal(0, 40), top - long * 0.8, 260, long * 0.5, FLESH, areal * 0.6)
            sheet.line(np.array([[middle, hold.ceiling - 50], [middle, top]]), 14, STEEL, 9)


def tiles(hold: Hold, rng: Rng) -> None:
    """Tiles, bricks or stone slabs: crates that are low since they are heavy."""
    material = CERAMIC if rng.random() < 0.6 else CONCRETE
    filled = rng.uniform(0.55, 0.8)

    def crate(sheets: Sequence[Sheet], rng: Rng, x0: float, z0: float, x1: float, z1: float) -> None:
        for sheet in sheets:
            areal = sheet.load(material, filled * rng.uniform(0.93, 1.05))
            edges = np.linspace(z0, z1, max(int((z1 - z0) / 320), 1) + 1).tolist()
            for low, high in itertools.pairwise(edges):
                sheet.box(x0 + rng.uniform(0, 25), low + 4, x1 - rng.uniform(0, 25), high, material, areal)
            sheet.frame(x0 - 20, z0, x1 + 20, z1 + 30, 20, CELLULOSE, sheet.load(CELLULOSE, WOOD * 0.5))

    palletised(
        hold, rng, crate, width=rng.uniform(750, 1200), height=(450, 1000), tiers=1 + int(rng.random() < 0.5)
    )


def _choice(rng: Rng, options: Sequence[tuple[Material, float]]) -> tuple[Material, float]:
    return options[int(rng.integers(len(options)))]


def _layers(
    sheet: Sheet,
    rng: Rng,
    box: tuple[float, float, float, float],
    material: Material,
    areal: float,
    long: float,
    thick: float,
) -> None:
    x0, z0, x1, z1 = box
    thick *= rng.uniform(0.93, 1.07)
    start = z0 - rng.uniform(0.0, 0.35) * thick
    for number, z in enumerate(np.arange(start, z1 - 0.4 * thick, thick).tolist()):
        count = max(round((x1 - x0) / long), 1)
        wide = (x1 - x0) / count
        shift = 0.35 * wide if number % 2 and count > 2 else 0.0
        for k in range(count):
            x = x0 + (k + 0.5) * wide + shift + rng.normal(0, 14)
            middle = z + thick / 2 + rng.normal(0, 6)
            sheet.lump(x, middle, wide * 1.06, thick * 1.28, material, areal, power=3.4, flat=3.0)


def _drum(
    sheet: Sheet,
    box: tuple[float, float, float, float],
    content: tuple[Material, float],
    level: float,
    *,
    steel: bool,
) -> None:
    x0, z0, x1, z1 = box
    wide = (x1 - x0) / 10.0
    deep = min(wide, sheet.depth_cm)
    material, density = content
    top = z0 + (z1 - z0) * min(level, 0.99)
    sheet.rod(x0 + 4, z0 + 8, x1 - 4, top, material, deep * material.density * density)
    wall, thick = (STEEL, 0.11) if steel else (POLYETHYLENE, 0.35)
    inner = 1.0 - 2.0 * thick / wide
    sheet.rod(x0, z0, x1, z1, wall, wide * wall.density, hollow=inner)
    for z in (z0 + 2, z1 - 12, z0 + (z1 - z0) * 0.34, z0 + (z1 - z0) * 0.66):
        sheet.rod(x0, z, x1, z + 10, wall, deep * wall.density * 0.12)


def _cartons(
    sheet: Sheet,
    rng: Rng,
    box: tuple[float, float, float, float],
    density: float,
    size: tuple[float, float],
    *,
    metal: bool,
) -> None:
    x0, z0, x1, z1 = box
    wide, high = size
    board = 0.4 * sheet.depth_cm
    for z in np.arange(z0, z1 - 0.5 * high, high).tolist():
        top = min(z + high, z1)
        start = x0 + rng.uniform(0, 0.15) * wide
        for x in np.arange(start, x1 - 0.5 * wide, wide).tolist():
            end = min(x + wide - rng.exponential(5), x1)
            inside = sheet.load(CELLULOSE, density * rng.lognormal(0, 0.3))
            fill = rng.uniform(0.7, 0.98)
            sheet.box(x + 4, z + 4, end - 4, z + (top - z) * fill, CELLULOSE, inside)
            sheet.frame(x, z, end, top, 5, CELLULOSE, board)
            if metal and rng.random() < 0.7:
                at, across = rng.uniform(0.25, 0.75), rng.uniform(0.1, 0.45) * wide
                middle = x + at * wide
                sheet.lump(
                    middle, z + 0.4 * high, across, high * rng.uniform(0.15, 0.6), STEEL,
                    rng.uniform(1, 14), power=float(rng.choice([2.0, 4.0, 8.0])),
                )  # fmt: skip


def _bottles(
    sheet: Sheet, rng: Rng, width: float, high: float, wide: float, wall: tuple[Material, float]
) -> dict[Material, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Return one layer of bottles, drawn once and used for all layers of a pallet."""
    size = (round(high / sheet.pitch) + 1, round(width / sheet.pitch) + 1)
    layer = Sheet(sheet.near, sheet.far, pitch=sheet.pitch, top=size[0] * sheet.pitch, size=size)
    material, thick = wall
    rows = sheet.depth_cm * 10.0 / wide * 0.9
    for x in np.arange(0.0, width - 0.5 * wide, wide).tolist():
        level = high * rng.uniform(0.6, 0.7)
        layer.rod(x + 2, 4, x + wide - 2, level, WATER, rows * wide / 10 * 0.95)
        layer.rod(x + 1, 0, x + wide - 1, high * 0.68, material, rows * 3.0 * thick * material.density)
        layer.rod(
            x + wide * 0.34,
            high * 0.66,
            x + wide * 0.66,
            high,
            material,
            rows * 3.0 * thick * material.density,
        )
    return layer.planes


def _paste(
    sheet: Sheet,
    material: Material,
    plane: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    x: float,
    top: float,
) -> None:
    whole = sheet.plane(material)
    row, column = round((sheet.top - top) / sheet.pitch), round(x / sheet.pitch)
    upper, left = max(row, 0), max(column, 0)
    lower, right = min(row + plane.shape[0], whole.shape[0]), min(column + plane.shape[1], whole.shape[1])
    if upper < lower and left < right:
        whole[upper:lower, left:right] += plane[upper - row : lower - row, left - column : right - column]
