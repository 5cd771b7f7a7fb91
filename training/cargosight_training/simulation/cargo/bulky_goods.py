"""Cargo in the rough: rolls, coils, tyres, timber, pipes, scrap, grain."""

import numpy as np

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    CELLULOSE,
    CERAMIC,
    COPPER,
    POLYETHYLENE,
    RUBBER,
    STEEL,
)
from cargosight_training.simulation.cargo.sheet import Sheet
from cargosight_training.simulation.cargo.stage import Hold, Rng
from cargosight_training.simulation.cargo.stowing import WOOD, spread_along
from cargosight_training.simulation.fields import smooth_noise


def rolls(hold: Hold, rng: Rng) -> None:
    """Rolls of paper or film, standing on end in tiers."""
    material = CELLULOSE if rng.random() < 0.7 else POLYETHYLENE
    wide, tall = rng.uniform(750, 1250), rng.uniform(600, 1400)
    filled = rng.uniform(0.45, 0.62) if material is CELLULOSE else rng.uniform(0.7, 0.95)
    (chance,) = rng.spawn(1)
    for number, sheets in enumerate(hold.rows(2)):
        base, gone = hold.floor, set[float]()
        places = spread_along(rng, hold.part(hold.x0 + 0.4 * wide * (number % 2), hold.x1), wide, 12.0)
        while base + tall < hold.ceiling - 30:
            for x0, x1 in places:
                if x0 in gone:  # nothing stands on what lies
                    continue
                if wide < tall and chance.random() < 0.03:  # it has fallen over and is seen from its end
                    for sheet in sheets:
                        sheet.ring(
                            0.5 * (x0 + x1),
                            base + wide / 2,
                            wide,
                            90.0,
                            material,
                            sheet.load(material, filled),
                        )
                    gone.add(x0)
                    continue
                for sheet in sheets:
                    areal = sheet.load(material, filled)
                    sheet.lump(
                        0.5 * (x0 + x1), base + tall / 2, x1 - x0, tall, material, areal, power=14.0, flat=1.2
                    )
                    sheet.box(
                        0.5 * (x0 + x1) - 45, base, 0.5 * (x0 + x1) + 45, base + tall, material, -0.12 * areal
                    )
            base += tall + rng.uniform(2, 12)
            if rng.random() < 0.35:
                break
    _no_less_than_nothing(hold)


def coils(hold: Hold, rng: Rng) -> None:
    """Coils of steel sheet or wire, or cable drums, in cradles of wood: low and opaque."""
    cable = rng.random() < 0.4
    wide = rng.uniform(700, 1500)
    gap = rng.uniform(20, 400)
    for sheets in hold.rows(1 if wide > 1100 else 2):
        for x0, x1 in spread_along(rng, hold, wide, gap):
            middle, z = 0.5 * (x0 + x1), hold.floor + 90 + wide / 2
            eye = wide * rng.uniform(0.32, 0.5)
            for sheet in sheets:
                if cable:
                    sheet.ring(middle, z, wide, 0, CELLULOSE, sheet.load(CELLULOSE, WOOD * 0.2))
                    sheet.ring(
                        middle, z, wide * 0.86, eye, COPPER, sheet.load(COPPER, rng.uniform(0.06, 0.16))
                    )
                    sheet.ring(middle, z, wide * 0.86, eye, POLYETHYLENE, sheet.load(POLYETHYLENE, 0.3))
                else:
                    sheet.ring(middle, z, wide, eye, STEEL, sheet.load(STEEL, rng.uniform(0.35, 0.75)))
                for side in (-0.32, 0.32):
                    x = middle + side * wide
                    wedge = np.array([[x - 130, hold.floor], [x + 130, hold.floor], [x, hold.floor + 150]])
                    sheet.polygon(wedge, CELLULOSE, sheet.load(CELLULOSE, WOOD * 0.5))


def tyres(hold: Hold, rng: Rng) -> None:
    """Tyres, laced one over the other or standing, hundreds of them."""
    outer = rng.uniform(560, 1050)
    thick = outer * rng.uniform(0.26, 0.36)
    level = rng.uniform(0.6, 0.98) * hold.height
    lying = rng.random() < 0.5
    for sheet in hold.sheets:
        for z in np.arange(
            hold.floor, hold.floor + level - 0.5 * thick, thick if lying else outer * 0.62
        ).tolist():
            for x in np.arange(
                hold.x0 + outer / 2, hold.x1 - outer / 2, outer * rng.uniform(0.5, 1.0)
            ).tolist():
                at = x + rng.normal(0, 30)
                if lying:
                    _lying_tyre(sheet, rng, at, z + thick / 2, outer, thick)
                else:
                    _standing_tyre(sheet, rng, at, min(z + outer / 2, hold.ceiling - outer / 2), outer)


def timber(hold: Hold, rng: Rng) -> None:
    """Sawn timber in packs with stickers between the courses, or logs."""
    if rng.random() < 0.3:
        _logs(hold, rng)
        return
    long = min(rng.uniform(2000, 4500), hold.length)
    tall = rng.uniform(450, 1000)
    board = rng.uniform(20, 55)
    filled = rng.uniform(0.4, 0.62)
    for sheets in hold.rows(2):
        for x0, x1 in spread_along(rng, hold, long, 60):
            base = hold.floor
            while base + tall < hold.ceiling - 20:
                base += 80
                for sheet in sheets:
                    _pack(sheet, rng, (x0, base, x1, base + tall), board, filled)
                base += tall
                if rng.random() < 0.15:
                    break


def pipes(hold: Hold, rng: Rng) -> None:
    """Steel pipes, bars or profiles along the vehicle: heavy, hence low, and uneven at their ends."""
    wide = rng.uniform(25, 320)
    solid = rng.uniform(0.12, 0.5)
    material = STEEL if rng.random() < 0.75 else ALUMINIUM
    level = rng.uniform(300, 1500 if solid < 0.25 else 700)
    for sheet in hold.sheets:
        for z in np.arange(hold.floor + 90, hold.floor + level, wide * 0.9).tolist():
            start = hold.x0 + rng.exponential(60) + rng.uniform(0, 0.05) * hold.length
            end = hold.x1 - rng.exponential(150) - rng.uniform(0, 0.15) * hold.length
            areal = sheet.load(material, solid * rng.uniform(0.85, 1.1))
            sheet.box(start, z, end, z + wide, material, areal * 0.6)
            for edge in (z, z + 0.85 * wide):
                sheet.box(start, edge, end, edge + 0.15 * wide, material, areal)
        for x in np.arange(hold.x0 + 400, hold.x1 - 200, rng.uniform(900, 1600)).tolist():
            sheet.box(x, hold.floor, x + 90, hold.floor + 90, CELLULOSE, sheet.load(CELLULOSE, WOOD))
            sheet.box(x, hold.floor + 90, x + 20, hold.floor + level, STEEL, 3.0)


def scrap(hold: Hold, rng: Rng) -> None:
    """Scrap metal as it was tipped: bars, plates, wheels, cans, motors."""
    surface = _heap(hold, rng, rng.uniform(0.2, 0.7))
    density = rng.uniform(0.05, 0.14)
    for sheet in hold.sheets:
        _under(hold, sheet, surface * rng.uniform(0.9, 1.05), density, rng)
        for _ in range(int(hold.length / 22)):
            x = rng.uniform(hold.x0 + 50, hold.x1 - 50)
            z = hold.floor + rng.uniform(0.0, 1.0) ** 0.5 * _at(hold, surface, x)
            _piece(sheet, rng, hold, x, z)


def grain(hold: Hold, rng: Rng) -> None:
    """Bulk: grain, ore, plastic pellets, loose down to a slope."""
    material, filled = ((CELLULOSE, 0.52), (POLYETHYLENE, 0.6), (CERAMIC, 0.62))[int(rng.integers(3))]
    level = rng.uniform(0.5, 0.9) if material is not CERAMIC else rng.uniform(0.12, 0.35)
    surface = _heap(hold, rng, level)
    for sheet in hold.sheets:
        rows, columns = sheet.cells(hold.x0, hold.floor, hold.x1, hold.ceiling)
        x = (np.arange(columns.start, columns.stop) + 0.5) * sheet.pitch
        tops = np.interp(x, np.linspace(hold.x0, hold.x1, surface.size), surface) + rng.normal(0, 25)
        z = sheet.top - (np.arange(rows.start, rows.stop) + 0.5) * sheet.pitch - hold.floor
        cover = np.clip((tops[None, :] - z[:, None]) / sheet.pitch + 0.5, 0.0, 1.0)
        sheet.plane(material)[rows, columns] += (cover * sheet.load(material, filled)).astype(np.float32)


def _lying_tyre(sheet: Sheet, rng: Rng, x: float, z: float, outer: float, thick: float) -> None:
    tilt = rng.normal(0, 0.05)
    rubber = rng.uniform(6.0, 9.5)
    for side in (-1.0, 1.0):  # the ring is thickest where the beam runs along it
        at = x + side * outer * 0.34
        sheet.lump(at, z + side * tilt * outer * 0.3, outer * 0.32, thick, RUBBER, rubber * 2.2, power=2.5)
    sheet.lump(x, z, outer, thick, RUBBER, rubber, power=4.0, flat=2.0)
    for side in (-0.4, 0.4):
        sheet.line(
            np.array([[x - outer * 0.3, z + side * thick], [x + outer * 0.3, z + side * thick + tilt * 160]]),
            8,
            STEEL,
            6.0,
        )


def _standing_tyre(sheet: Sheet, rng: Rng, x: float, z: float, outer: float) -> None:
    rubber = rng.uniform(4.0, 8.0)
    sheet.ring(x, z, outer, outer * 0.55, RUBBER, rubber)
    sheet.ring(x, z, outer, outer * 0.92, RUBBER, rubber * 1.5)
    sheet.ring(x, z, outer * 0.6, outer * 0.57, STEEL, 9.0)


def _logs(hold: Hold, rng: Rng) -> None:
    level = rng.uniform(0.5, 0.9) * hold.height
    for sheet in hold.sheets:
        z = hold.floor + 100.0
        while z < hold.floor + level:
            wide = rng.uniform(150, 420)
            x0 = hold.x0 + rng.uniform(0, 600)
            x1 = min(x0 + rng.uniform(0.7, 1.0) * hold.length, hold.x1)
            middle, tilt = 0.5 * (x0 + x1), rng.normal(0, 0.008)
            half = 0.5 * (x1 - x0)
            for share in (1.0, 0.8, 0.5):  # a round section in three steps
                path = np.array([[middle - half, z - tilt * half], [middle + half, z + tilt * half]])
                sheet.line(path, wide * share, CELLULOSE, sheet.load(CELLULOSE, 0.14))
            z += wide * rng.uniform(0.7, 0.95)


def _pack(
    sheet: Sheet, rng: Rng, box: tuple[float, float, float, float], board: float, filled: float
) -> None:
    x0, z0, x1, z1 = box
    areal = sheet.load(CELLULOSE, filled * 0.62)
    for z in np.arange(z0, z1 - board, board + 8).tolist():
        sheet.box(
            x0 + rng.exponential(40),
            z,
            x1 - rng.exponential(60),
            z + board,
            CELLULOSE,
            areal * rng.uniform(0.9, 1.1),
        )
    for x in np.linspace(x0 + 150, x1 - 200, 4).tolist():
        sheet.box(x, z0 - 80, x + 60, z0, CELLULOSE, sheet.load(CELLULOSE, WOOD))
        sheet.box(x, z0, x + 30, z1, CELLULOSE, areal * 0.25)
        sheet.box(x + 80, z0, x + 100, z1, STEEL, 0.9)


def _heap(hold: Hold, rng: Rng, level: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the height of a loose load above the floor in mm, in even steps along the hold."""
    count = 64
    waves = smooth_noise(rng, 1, count, 12.0)[0] + 0.4 * smooth_noise(rng, 1, count, 4.0)[0]
    slope = np.linspace(-1.0, 1.0, count) * rng.normal(0.0, 0.35)
    heap = hold.height * level * (1.0 + slope + 0.14 * waves)
    return np.asarray(np.clip(heap, 30.0, hold.height - 60.0), dtype=np.float64)


def _at(hold: Hold, surface: np.ndarray[tuple[int, ...], np.dtype[np.float64]], x: float) -> float:
    return float(np.interp(x, np.linspace(hold.x0, hold.x1, surface.size), surface))


def _under(
    hold: Hold,
    sheet: Sheet,
    surface: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    density: float,
    rng: Rng,
) -> None:
    rows, columns = sheet.cells(hold.x0, hold.floor, hold.x1, hold.ceiling)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    x = (np.arange(columns.start, columns.stop) + 0.5) * sheet.pitch
    tops = np.interp(x, np.linspace(hold.x0, hold.x1, surface.size), surface)
    z = sheet.top - (np.arange(rows.start, rows.stop) + 0.5) * sheet.pitch - hold.floor
    cells = np.abs(smooth_noise(rng, height, width, 90.0 / sheet.pitch)) + np.float32(0.4)
    cells += np.float32(0.5) * np.abs(smooth_noise(rng, height, width, 25.0 / sheet.pitch))
    edge = tops[None, :] + 110.0 * smooth_noise(rng, height, width, 120.0 / sheet.pitch)
    sheet.plane(STEEL)[rows, columns] += cells * (z[:, None] < edge) * np.float32(sheet.load(STEEL, density))


def _piece(sheet: Sheet, rng: Rng, hold: Hold, x: float, z: float) -> None:
    material = STEEL if rng.random() < 0.75 else (ALUMINIUM, COPPER, RUBBER)[int(rng.integers(3))]
    size = float(np.exp(rng.uniform(np.log(60), np.log(520))))
    z = float(np.clip(z, hold.floor + 0.3 * size, hold.ceiling - 0.3 * size))
    x = float(np.clip(x, hold.x0 + 0.5 * size, hold.x1 - 0.5 * size))
    angle = rng.uniform(0, np.pi)
    kind = rng.integers(4)
    if kind == 0:
        ends = np.array([[-0.5, 0.0], [0.5, 0.0]]) @ np.array(
            [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
        )
        sheet.line(
            ends * size * np.array([2.0, 0.6]) + np.array([x, z]),
            rng.uniform(8, 60),
            material,
            rng.uniform(5, 40),
        )
    elif kind == 1:
        sheet.ring(x, z, size * 0.6, size * rng.uniform(0.2, 0.5), material, rng.uniform(5, 60))
    elif kind == 2:
        corners = rng.normal(0, 0.3 * size, (5, 2))
        order = np.argsort(np.arctan2(corners[:, 1], corners[:, 0]))
        sheet.polygon(corners[order] + np.array([x, z]), material, rng.uniform(3, 30))
    else:
        sheet.lump(x, z, size * 0.7, size * 0.5, material, rng.uniform(10, 90), power=4.0)


def _no_less_than_nothing(hold: Hold) -> None:
    for sheet in hold.sheets:
        for plane in sheet.planes.values():
            np.maximum(plane, 0.0, out=plane)
