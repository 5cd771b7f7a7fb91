"""Lighters, cans, bottles, cells: hollow bodies, filled. Lengths in mm, the long side along x."""

from collections.abc import Callable

import numpy as np

from cargosight_training.simulation import materials as m
from cargosight_training.simulation.canvas import Pen
from cargosight_training.simulation.materials import Material
from cargosight_training.simulation.shapes import (
    Points,
    coil,
    ellipse,
    moved,
    profile,
    rectangle,
    rounded,
    smooth,
)

Rng = np.random.Generator


def leaning(stations: list[tuple[float, float]], tilt: float) -> tuple[Points, Points, Points]:
    """Return the silhouette of a body of revolution that leans by `tilt` radians, and its ends as ellipses.

    Args:
        stations: (x, radius) along the axis.
        tilt: 0 lies flat, pi/2 stands on end.
    """
    cos, sin = np.cos(tilt), np.sin(tilt)
    side = np.array([(x * cos, radius) for x, radius in stations])
    (x0, r0), (x1, r1) = side[0], side[-1]
    angles = np.linspace(np.pi / 2, -np.pi / 2, 9)[1:-1]
    cap = np.column_stack([x1 + r1 * sin * np.cos(angles), r1 * np.sin(angles)])
    base = np.column_stack([x0 - r0 * sin * np.cos(angles), -r0 * np.sin(angles)])
    outline = np.concatenate([side, cap, side[::-1] * (1.0, -1.0), base])
    return outline, ellipse(2 * r0 * sin, 2 * r0, 24, x0), ellipse(2 * r1 * sin, 2 * r1, 24, x1)


def _tilt(rng: Rng) -> float:
    return float(np.clip(abs(rng.normal(0.0, 0.4)), 0.0, 1.15))


def lighter(pen: Pen, rng: Rng) -> None:
    """A disposable gas lighter, or a petrol one of steel."""
    if rng.random() < 0.15:
        width, length = rng.uniform(34, 38), rng.uniform(52, 58)
        pen.vessel(rounded(length, width, 4), m.STEEL, 0.8, 13, edge=3, content=m.CLOTH, level=0.8)
        pen.vessel(rounded(length * 0.38, width * 0.8, 2, x=length * 0.28), m.STEEL, 0.7, 11, edge=2)
        pen.dots(np.array([[length * 0.2, width * 0.2]]), m.STEEL, 8, 6)
        return
    length, width, depth = rng.uniform(68, 84), rng.uniform(18, 26), rng.uniform(10, 14)
    end = length / 2
    outline = rounded(length * 0.8, width, width * 0.3, x=-length * 0.1)
    pen.vessel(
        outline,
        m.ABS,
        rng.uniform(1.2, 2.0),
        depth,
        edge=depth / 2,
        content=m.FUEL,
        level=rng.uniform(0.2, 0.9),
    )
    pen.body(rectangle(length * 0.5, 1.6, -length * 0.1, 0), m.ABS, depth)
    hood = rounded(rng.uniform(14, 19), width * 0.92, 2, x=end - 12)
    pen.vessel(hood, m.STEEL, rng.uniform(0.4, 0.7), depth, edge=3)
    side = rng.choice([-1.0, 1.0])
    if rng.random() < 0.6:
        pen.body(ellipse(8.5, 7.5, 14, end - 8, side * width * 0.22), m.STEEL, 6.5, edge=2)
        pen.wire(np.array([[end - 12, side * width * 0.22], [end - 32, side * width * 0.22]]), m.STEEL, 2.4)
    else:
        pen.body(rounded(26, 6, 1, x=end - 24, y=side * width * 0.22), m.ZINC, 4.5, edge=2)
        pen.wire(np.array([[end - 10, side * width * 0.22], [end - 2, -side * width * 0.15]]), m.COPPER, 1.0)
    pen.body(rounded(15, 5, 1, x=end - 16, y=-side * width * 0.2), m.BRASS, 4.5, edge=2)
    pen.body(rounded(9, width * 0.35, 2, x=end - 4, y=-side * width * 0.22), m.ZINC, 3.5, edge=2)
    pen.wire(np.array([[end - 24, -side * width * 0.2], [-end * 0.75, -side * width * 0.1]]), m.PLASTIC, 2.5)


def lighter_fuel(pen: Pen, rng: Rng) -> None:
    """A tin of lighter petrol, or a slim gas canister with a filling nozzle."""
    if rng.random() < 0.5:
        length, width, depth = rng.uniform(95, 130), rng.uniform(48, 62), rng.uniform(24, 32)
        pen.vessel(
            rounded(length, width, 9), m.STEEL, 0.3, depth, edge=12, content=m.FUEL, level=rng.uniform(0.3, 1)
        )
        for end in (-1, 1):
            pen.body(rectangle(2.5, width, end * length / 2, 0), m.STEEL, 3.0)
        pen.body(rounded(20, 22, 3, x=length / 2 + 9), m.ABS, 18, edge=8)
        return
    length, radius = rng.uniform(105, 180), rng.uniform(17, 24)
    top = length / 2 * np.cos(_can(pen, rng, length, radius, wall=m.STEEL, wall_mm=0.4, content=m.FUEL))
    pen.body(profile([(top + 2, 6), (top + 22, 3)]), m.PLASTIC, 7, edge=3)


def _can(
    pen: Pen, rng: Rng, length: float, radius: float, *, wall: Material, wall_mm: float, content: Material
) -> float:
    """Draw a pressure can; return its tilt in radians."""
    tilt = _tilt(rng)
    half = length / 2
    shoulder = rng.uniform(0.4, 0.85) * radius
    stations = [
        (-half, radius),
        (half - shoulder, radius),
        (half - 0.4 * shoulder, 0.8 * radius),
        (half, 0.42 * radius),
    ]
    outline, base, top = leaning(stations, tilt)
    level = rng.uniform(0.3, 0.95)
    pen.vessel(
        outline, wall, wall_mm, 2 * radius / max(np.cos(tilt), 0.5), edge=radius, content=content, level=level
    )
    thick = 2.2 if wall is m.STEEL else 3.5
    pen.wire(base, wall, thick, closed=True)
    pen.wire(
        ellipse(2 * radius * max(np.sin(tilt), 0.04), 2 * radius, 24, (half - shoulder) * np.cos(tilt)),
        wall,
        thick * 0.6,
        closed=True,
    )
    pen.wire(top, wall, thick, closed=True)
    if np.sin(tilt) < 0.35:
        bowl = np.array([[-half, -radius], [-half + 0.3 * radius, 0], [-half, radius]])
        pen.wire(smooth(bowl * (np.cos(tilt), 1), closed=False), wall, 1.6)
    end = half * np.cos(tilt)
    pen.body(rounded(16, 9, 2, x=end - 5), m.ZINC if rng.random() < 0.3 else m.ABS, 8, edge=3)
    pen.wire(moved(coil(rng, 3.0, 3, jitter=0.02), end - 8, 0), m.STEEL, 0.8)
    pen.wire(
        smooth(
            np.array([[end - 12, 0], [0, radius * 0.2], [-half * 0.9 * np.cos(tilt), -radius * 0.3]]),
            closed=False,
        ),
        m.PLASTIC,
        3.0,
    )
    return tilt


def pressure_can(pen: Pen, rng: Rng) -> None:
    """A spray can of aluminium or tinplate, with or without its cap."""
    length, radius = rng.uniform(95, 235), rng.uniform(17, 33)
    wall, wall_mm = (
        (m.ALUMINIUM, rng.uniform(0.4, 0.8)) if rng.random() < 0.55 else (m.STEEL, rng.uniform(0.18, 0.3))
    )
    content = (m.ALCOHOL, m.WATER, m.FUEL, m.CREAM)[rng.integers(4)]
    tilt = _can(pen, rng, length, radius, wall=wall, wall_mm=wall_mm, content=content)
    end = length / 2 * np.cos(tilt)
    if rng.random() < 0.6:
        pen.vessel(
            rounded(rng.uniform(22, 45), 2 * radius * rng.uniform(0.75, 1), 6, x=end),
            m.PLASTIC,
            1.2,
            2 * radius,
            edge=radius * 0.8,
        )
    else:
        pen.body(rounded(11, 12, 2, x=end + 7), m.PLASTIC, 12, edge=5)


def spray_bottle(pen: Pen, rng: Rng) -> None:
    """A perfume, pump or trigger spray bottle."""
    length, width = rng.uniform(70, 190), rng.uniform(28, 62)
    glass = rng.random() < 0.3 and length < 120
    half = length / 2
    neck = rng.uniform(8, 13)
    flat = rng.uniform(0.6, 1.0)
    body = [(-half, width * 0.46), (half - width * 0.35, width / 2), (half - 5, neck), (half, neck)]
    outline = profile(body, rounds=1)
    wall, wall_mm = (m.GLASS, rng.uniform(2, 4)) if glass else (m.PLASTIC, rng.uniform(0.9, 1.6))
    content = (m.WATER, m.ALCOHOL, m.CREAM)[rng.integers(3)]
    pen.vessel(
        outline,
        wall,
        wall_mm,
        width * flat,
        edge=width * flat / 2,
        content=content,
        level=rng.uniform(0.3, 1),
    )
    pen.body(rounded(20, neck * 2.5, 3, x=half + 6), m.PLASTIC, neck * 2.2, edge=neck * 0.8)
    pen.body(rounded(26, neck * 0.9, 2, x=half - 6), m.PLASTIC, neck, edge=3)
    spring = np.column_stack([np.linspace(half - 14, half + 4, 30), 3.2 * np.sin(np.linspace(0, 38, 30))])
    pen.wire(spring, m.STEEL, 0.9)
    pen.dots(np.array([[half - 19, 0.0]]), m.STEEL, 5, 4)
    pen.wire(
        smooth(np.array([[half - 20, 0], [0, width * 0.1], [-half * 0.92, -width * 0.25]]), closed=False),
        m.PLASTIC,
        2.5,
    )
    if rng.random() < 0.35 and length > 110:
        head = [
            (half + 12, -12),
            (half + 38, -14),
            (half + 44, 42),
            (half + 30, 46),
            (half + 26, 14),
            (half + 12, 12),
        ]
        pen.vessel(smooth(np.array(head), closed=True, rounds=1), m.PLASTIC, 2.0, 20, edge=8)
        pen.wire(
            smooth(np.array([[half + 14, 14], [half + 8, 40], [half + 14, 52]]), closed=False), m.PLASTIC, 7
        )
    else:
        pen.body(rounded(13, neck * 2, 3, x=half + 20), m.PLASTIC, 13, edge=5)


def nail_polish(pen: Pen, rng: Rng) -> None:
    """A small thick-walled bottle with its brush in the cap."""
    size, wide = rng.uniform(28, 40), rng.uniform(0.75, 1.15)
    kind = rng.integers(3)
    if kind == 0:
        outline = rounded(size, size * wide, 4)
    elif kind == 1:
        outline = ellipse(size, size * wide)
    else:
        outline = profile(
            [(-size / 2, size * 0.5 * wide), (size * 0.2, size * 0.4 * wide), (size / 2, 7)], rounds=1
        )
    depth = size * rng.uniform(0.6, 0.9)
    pen.vessel(
        outline,
        m.GLASS,
        rng.uniform(2.5, 4),
        depth,
        edge=depth * 0.4,
        content=m.PASTE,
        level=rng.uniform(0.4, 1),
    )
    pen.body(rounded(10, 14, 1, x=size / 2 + 3), m.GLASS, 9, edge=4)
    cap = rng.uniform(30, 46)
    pen.vessel(profile([(size / 2 + 2, 8.5), (size / 2 + cap, 6.5)]), m.ABS, 1.6, 16, edge=7)
    pen.wire(np.array([[size / 2 + 8, 0.0], [-size * 0.3, 0.0]]), m.PLASTIC, 3)
    pen.dots(rng.uniform(-0.3, 0.3, (2, 2)) * size, m.STEEL, 4.5, 4)


def battery(pen: Pen, rng: Rng) -> None:
    """Round cells alone or in a pack, a flat camera or tool pack, or a 9 V block."""
    kind = rng.choice(4, p=[0.45, 0.2, 0.23, 0.12])
    if kind in (0, 1):
        length, diameter = ((50.5, 14.5), (44.5, 10.5), (65.0, 18.4), (61.5, 34.0))[
            rng.choice(4, p=[0.45, 0.2, 0.25, 0.1])
        ]
        for i in range(1 if kind == 0 else int(rng.integers(2, 5))):
            y = i * diameter * 1.03
            round_cell(pen.at(0, y, np.pi * float(rng.integers(2))), length, diameter, lithium=length == 65.0)
        return
    if kind == 2:
        width, length, depth = rng.uniform(28, 45), rng.uniform(38, 70), rng.uniform(6, 16)
        pen.vessel(rounded(length, width, 3), m.ABS, 1.2, depth, edge=2)
        cells = int(rng.integers(1, 3))
        for i in range(cells):
            y = (i - (cells - 1) / 2) * (width - 4) / cells
            pen.body(rounded(length * 0.82, (width - 6) / cells, 2, x=-2, y=y), m.CELL, depth - 3, edge=1.5)
        pen.body(rectangle(4, width * 0.8, length / 2 - 5, 0), m.BOARD, 4)
        pen.dots(np.array([[length / 2 - 2, y] for y in np.linspace(-0.3, 0.3, 4) * width]), m.COPPER, 3, 1)
        return
    pen.vessel(rounded(44, 26, 2), m.STEEL, 0.5, 17, edge=2)
    pen.wires([np.array([[-19.0, y], [17.0, y]]) for y in (-8.5, 0.0, 8.5)], m.ALKALINE, 7.6)
    pen.dots(np.array([[23.0, -6.0], [23.0, 6.0]]), m.STEEL, 6, 5)


def round_cell(pen: Pen, length: float, diameter: float, *, lithium: bool = False) -> None:
    """Draw one round cell along x, its positive end at +x."""
    radius, fill = diameter / 2, m.CELL if lithium else m.ALKALINE
    pen.vessel(
        rounded(length, diameter, 1.5),
        m.STEEL,
        0.35,
        diameter,
        edge=radius,
        content=fill,
        level=0.8 if lithium else 0.7,
    )
    pen.body(rectangle(length * 0.06, diameter, -length * 0.46, 0), m.STEEL, diameter * 0.25, edge=radius)
    pen.body(rectangle(length * 0.05, diameter * 0.9, length * 0.46, 0), m.STEEL, diameter * 0.2, edge=radius)
    pen.body(rectangle(2.4, diameter * 0.38, length / 2 + 1, 0), m.STEEL, diameter * 0.38, edge=1)
    if not lithium:
        pen.wire(np.array([[-length * 0.4, 0.0], [length * 0.25, 0.0]]), m.BRASS, 1.4)


def powerbank(pen: Pen, rng: Rng) -> None:
    """A power bank of pouch cells or of round ones."""
    length, width, depth = rng.uniform(88, 150), rng.uniform(52, 76), rng.uniform(11, 24)
    build: Callable[[Pen, Rng, float, float, float], None] = _pouches
    if rng.random() < 0.4:
        build = _rounds
        depth = 22.0
        if rng.random() < 0.25:
            width = 26.0
    shell, wall = (m.ALUMINIUM, 1.2) if rng.random() < 0.3 else (m.ABS, 2.0)
    pen.vessel(rounded(length, width, 8), shell, wall, depth, edge=min(depth / 2, 7))
    build(pen, rng, length, width, depth)
    end = length / 2
    pen.body(rectangle(16, width * 0.8, end - 12, 0), m.BOARD, 1.8)
    ports = np.linspace(-0.3, 0.3, int(rng.integers(2, 4))) * width
    for y in ports:
        pen.vessel(rectangle(13, 13.5, end - 8, y), m.STEEL, 0.4, 6, edge=1)
    chips = np.column_stack([rng.uniform(end - 20, end - 6, 10), rng.uniform(-0.38, 0.38, 10) * width])
    pen.dots(chips, m.COPPER, 3.5, 1.5)
    pen.body(rounded(7, 7, 1, x=end - 17, y=float(rng.uniform(-0.2, 0.2) * width)), m.COPPER, 3.5)


def _pouches(pen: Pen, rng: Rng, length: float, width: float, depth: float) -> None:
    room, count = length - 30, int(rng.integers(1, 3))
    for i in range(count):
        y = (i - (count - 1) / 2) * (width - 10) / count
        pen.body(rounded(room, (width - 12) / count, 2, x=-10, y=y), m.CELL, depth * 0.7, edge=1.5)
    layers = [rectangle(room - 4, 1.0, -10, y) for y in np.linspace(-0.35, 0.35, 3) * width]
    for layer in layers:
        pen.body(layer, m.COPPER, 0.3)


def _rounds(pen: Pen, rng: Rng, length: float, width: float, depth: float) -> None:
    count = max(int((width - 5) / 19.2), 1)
    for i in range(count):
        y = (i - (count - 1) / 2) * 19.2
        round_cell(pen.at(-length / 2 + 39, y, np.pi * float(rng.integers(2))), 65.0, 18.4, lithium=True)
    pen.wires(
        [
            np.array([[-length / 2 + 5, y], [-length / 2 + 5, y + 8]])
            for y in np.linspace(-0.4, 0.2, 3) * width
        ],
        m.STEEL,
        1.5,
    )
