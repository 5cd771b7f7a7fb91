"""Knives, scissors and hand tools: flat steel with handles. Lengths in mm, the long side along x."""

import numpy as np

from cargosight_training.simulation import materials as m
from cargosight_training.simulation.canvas import Pen
from cargosight_training.simulation.shapes import (
    Points,
    arc,
    ellipse,
    profile,
    rectangle,
    rounded,
    smooth,
    strip,
)

Rng = np.random.Generator


def knife(pen: Pen, rng: Rng) -> None:
    """A kitchen, folding, utility or table knife, or a dagger."""
    kinds = (_kitchen_knife, _folding_knife, _utility_knife, _table_knife, _dagger)
    kinds[rng.choice(len(kinds), p=[0.38, 0.25, 0.15, 0.07, 0.15])](pen, rng)


def _blade(rng: Rng, length: float, width: float) -> Points:
    """Return a single-edged blade from x = 0 to `length`, spine at negative y."""
    point, belly = rng.uniform(-0.45, 0.25), rng.uniform(0.45, 0.85)
    edge = [(0, 0.5), (belly, 0.5), (0.5 * belly + 0.5, 0.28), (1.0, point)]
    spine = [(rng.uniform(0.75, 0.95), -0.45), (0.3, -0.5), (0, -0.5)]
    return smooth(np.array(edge + spine) * (length, width), closed=False, rounds=2)


def _handle(pen: Pen, rng: Rng, length: float, width: float) -> None:
    """A handle from x = -length to 0."""
    swell = rng.uniform(0.0, 0.2)
    half = width / 2
    stations = [(-length, half * (1 + swell)), (-0.6 * length, half * (1 - swell)), (-2.0, half)]
    outline = profile(stations, rounds=2)
    grip = (m.ABS, m.WOOD, m.RUBBER, m.STAINLESS)[rng.choice(4, p=[0.5, 0.2, 0.2, 0.1])]
    depth = 3.5 if grip is m.STAINLESS else rng.uniform(12, 20)
    pen.body(outline, grip, depth, edge=width * 0.45)
    if rng.random() < 0.7:
        pen.body(
            strip(np.array([[-0.95 * length, 0.0], [4.0, 0.0]]), width * rng.uniform(0.3, 0.95)),
            m.STEEL,
            rng.uniform(1.2, 2.5),
        )
    if rng.random() < 0.6:
        spots = np.array([[x * length, 0.0] for x in np.linspace(-0.85, -0.15, int(rng.integers(2, 4)))])
        pen.dots(spots, m.BRASS, 5.0, 10.0)


def _kitchen_knife(pen: Pen, rng: Rng) -> None:
    length, width = rng.uniform(95, 210), rng.uniform(17, 42)
    pen = pen.at(-0.25 * length, 0)
    pen.body(_blade(rng, length, width), m.STAINLESS, rng.uniform(1.5, 3.0), edge=width * 0.6, bevelled=True)
    _handle(pen, rng, rng.uniform(90, 125), min(width * 0.8, rng.uniform(18, 26)))


def _folding_knife(pen: Pen, rng: Rng) -> None:
    length, width = rng.uniform(60, 100), rng.uniform(14, 26)
    grip, half = length * rng.uniform(1.15, 1.35), width * 0.62
    stations = [(-grip, half * 0.75), (-0.7 * grip, half), (-0.35 * grip, half * 0.85), (4.0, half * 0.9)]
    outline = profile(stations, rounds=2)
    pen.body(outline, (m.ABS, m.WOOD, m.ALUMINIUM)[rng.integers(3)], rng.uniform(7, 12), edge=half * 0.7)
    holes = (
        [ellipse(4, 4, 10, x, 0) for x in np.linspace(-0.75, -0.25, 4) * grip] if rng.random() < 0.4 else []
    )
    pen.body(outline, m.STAINLESS, rng.uniform(1.6, 3.0), holes=holes)
    angle = 0.0 if rng.random() < 0.6 else (np.pi if rng.random() < 0.6 else rng.uniform(0.3, 2.6))
    pen.at(0, 0, angle).body(
        _blade(rng, length, width), m.STEEL, rng.uniform(2.0, 3.5), edge=width * 0.5, bevelled=True
    )
    pen.dots(np.array([[0.0, 0.0], [-0.9 * grip, 0.0]]), m.STEEL, 6.0, 8.0)
    pen.body(strip(np.array([[-0.75 * grip, -half * 0.7], [-0.1 * grip, -half * 0.7]]), 2.5), m.STEEL, 5.0)


def _utility_knife(pen: Pen, rng: Rng) -> None:
    length, width = rng.uniform(125, 165), rng.uniform(18, 32)
    pen.vessel(rounded(length, width, 7), m.ABS, 2.5, rng.uniform(10, 16), edge=7)
    pen.body(
        rounded(length * 0.95, width * 0.55, 3),
        m.STEEL,
        rng.uniform(0.6, 1.5),
        holes=[rounded(length * 0.6, width * 0.2, 2)],
    )
    out = rng.uniform(0, 55)
    blade = np.array([[-30, -5], [length / 2 + out, -5], [length / 2 + out - 9, 5], [-30, 5]]) * (
        1,
        width / 24,
    )
    pen.body(blade, m.STEEL, 0.6)
    pen.wires(
        [np.array([[x, -5.0], [x - 5, 5.0]]) for x in np.arange(0, length / 2 + out - 8, 7)], m.STEEL, 0.4
    )
    pen.body(rectangle(14, 9, rng.uniform(-10, 40), 0), m.ABS, 10)


def _table_knife(pen: Pen, rng: Rng) -> None:
    length = rng.uniform(190, 230)
    stations = [(-0.5, 4), (-0.48, 9), (-0.1, 6), (0.0, 5), (0.08, 9), (0.4, 10), (0.5, 4)]
    outline = profile([(x * length, r) for x, r in stations], rounds=2)
    pen.body(outline, m.STAINLESS, rng.uniform(2.0, 3.2), edge=5)
    pen.body(rounded(length * 0.42, 14, 7, x=-0.29 * length), m.STAINLESS, rng.uniform(1.5, 4), edge=6)


def _dagger(pen: Pen, rng: Rng) -> None:
    length, width = rng.uniform(95, 180), rng.uniform(18, 32)
    blade = profile([(0, width / 2), (0.65 * length, width * 0.45), (length, 0.4)], rounds=1)
    pen = pen.at(-0.25 * length, 0)
    pen.body(blade, m.STEEL, rng.uniform(3, 5), edge=width / 2, bevelled=True)
    pen.body(rounded(7, width * 1.6, 3), m.STEEL, 10, edge=3)
    _handle(pen, rng, rng.uniform(85, 120), width * 0.9)
    if rng.random() < 0.4:
        pen.vessel(rounded(length * 1.06, width * 1.4, 9, x=length / 2), m.LEATHER, 2.5, 12, edge=6)


def scissors(pen: Pen, rng: Rng) -> None:
    """Household, nail or surgical scissors, open by a random angle."""
    blade = rng.uniform(45, 115)
    width, ring = blade * rng.uniform(0.13, 0.2), blade * rng.uniform(0.2, 0.3)
    reach = blade * rng.uniform(0.55, 1.1)
    opening = rng.uniform(0.02, 0.5)
    steel_rings = rng.random() < 0.45
    thick = rng.uniform(1.6, 3.2)
    for side in (1.0, -1.0):
        half = pen.at(0, 0, side * opening / 2)
        edge = np.array(
            [
                [-0.08 * blade, -0.5],
                [0.5 * blade, -0.5],
                [blade, 0.1],
                [0.55 * blade, 0.5],
                [-0.08 * blade, 0.6],
            ]
        )
        half.body(
            smooth(edge * (1, width * side), closed=True, rounds=1),
            m.STAINLESS,
            thick,
            edge=width * 0.6,
            bevelled=True,
        )
        centre = (-reach, -side * ring * 0.5)
        shank = np.array(
            [[0.0, 0.0], [-0.4 * reach, -side * width * 0.1], [-reach + ring * 0.8, centre[1] * 0.9]]
        )
        half.body(
            strip(smooth(shank, closed=False), width * 0.6), m.STAINLESS, thick * 1.2, edge=width * 0.25
        )
        loop = ellipse(ring * rng.uniform(1.5, 2.1), ring * rng.uniform(1.0, 1.3), 24, *centre)
        if steel_rings:
            half.wire(loop, m.STAINLESS, rng.uniform(3.0, 4.5), closed=True)
        else:
            half.wire(loop, m.ABS, rng.uniform(7, 10), closed=True)
            half.wire(shank[1:], m.ABS, rng.uniform(8, 11))
    pen.dots(np.zeros((1, 2)), m.STEEL, rng.uniform(5, 8), 4.0)


def hammer(pen: Pen, rng: Rng) -> None:
    """A claw, ball-peen or club hammer."""
    length, head = rng.uniform(220, 330), rng.uniform(85, 135)
    grip, depth = ((m.WOOD, 26.0), (m.ABS, 24.0), (m.STEEL, 9.0))[rng.choice(3, p=[0.45, 0.3, 0.25])]
    start, width = -0.5 * length, rng.uniform(20, 32)
    end = 0.5 * length
    pen.body(
        profile([(start, width * 0.45), (start + 0.3 * length, width * 0.55), (end, width * 0.36)], rounds=2),
        grip,
        depth,
        edge=width * 0.4,
    )
    if grip is not m.WOOD or rng.random() < 0.4:
        pen.body(
            profile([(start, width * 0.6), (start + 0.4 * length, width * 0.55)], rounds=0),
            m.RUBBER,
            30,
            edge=9,
        )
    at = pen.at(end, 0)
    kind = rng.random()
    face, size = head * 0.42, rng.uniform(22, 34)
    if kind < 0.65:
        claw = [
            (-13, -face),
            (13, -face),
            (11, -face * 0.75),
            (9, -8),
            (12, 10),
            (4, head * 0.38),
            (-14, head * 0.6),
            (-20, head * 0.58),
            (-6, head * 0.3),
            (-13, 6),
            (-9, -8),
            (-11, -face * 0.75),
        ]
        at.body(smooth(np.array(claw), closed=True, rounds=1), m.STEEL, size, edge=8)
    elif kind < 0.85:
        at.body(
            profile(
                [(-face, 13), (-face * 0.6, 14), (-10, 9), (10, 9), (face * 0.6, 12), (face, 6)], rounds=1
            )[:, ::-1],
            m.STEEL,
            size,
            edge=10,
        )
    else:
        at.body(rounded(size * 1.2, head * 0.9, 5), m.STEEL, size * 1.2, edge=5)
    at.body(rounded(22, 26, 4), m.STEEL, size * 0.5, edge=4)


def _jaw(radius: float, gap: float) -> Points:
    """Return an open-ended wrench head around the origin, its jaw opening towards +x."""
    span = np.arcsin(min(gap / radius, 0.9))
    outer = arc(radius, span, 2 * np.pi - span, 28)
    floor = arc(gap, np.pi * 1.42, np.pi * 0.58, 8, x=0.12 * radius)
    return np.concatenate([outer, floor])


def wrench(pen: Pen, rng: Rng) -> None:
    """An open-ended, combination or adjustable wrench."""
    length = rng.uniform(120, 270)
    radius = length * rng.uniform(0.07, 0.1)
    shank, thick = radius * rng.uniform(0.7, 1.0), rng.uniform(5, 9)
    ends = 0.5 * length - radius * 0.7
    bar = profile([(-ends, shank * 0.55), (0, shank * 0.42), (ends, shank * 0.55)])
    slot = [rounded(length * 0.5, shank * 0.35, 2)] if rng.random() < 0.3 else []
    pen.body(bar, m.STEEL, thick * 0.75, edge=2.0, holes=slot)
    kind = rng.random()
    tilt = rng.uniform(-0.3, 0.3)
    if kind < 0.7:
        pen.at(ends, 0, tilt).body(_jaw(radius, radius * rng.uniform(0.45, 0.62)), m.STEEL, thick, edge=2.0)
        other = pen.at(-ends, 0, np.pi + tilt)
        if kind < 0.4:
            other.body(_jaw(radius * 0.88, radius * rng.uniform(0.38, 0.5)), m.STEEL, thick, edge=2.0)
        else:
            inner = ellipse(radius * 1.15, radius * 1.15, 12)
            other.body(ellipse(radius * 1.8, radius * 1.8), m.STEEL, thick * 1.2, edge=2.0, holes=[inner])
        return
    big = radius * 1.35
    fixed = [
        (-1.2, -0.5),
        (-0.3, -1.0),
        (1.5, -1.05),
        (1.6, -0.6),
        (0.3, -0.35),
        (0.2, 0.5),
        (-0.2, 1.0),
        (-1.2, 0.5),
    ]
    moving = [(-0.1, 0.35), (0.3, 0.1), (1.35, 0.05), (1.4, 0.4), (0.5, 0.95), (0.0, 0.9)]
    head = pen.at(ends, 0, tilt)
    head.body(np.array(fixed) * big, m.STEEL, thick * 1.6, edge=3.0)
    head.body(np.array(moving) * big, m.STEEL, thick * 1.4, edge=3.0)
    head.body(rounded(big * 0.9, big * 0.45, 3, x=-0.1 * big, y=0.55 * big), m.STEEL, 9, edge=3)
    pen.body(
        ellipse(radius * 1.2, radius * 1.2, 20, -ends, 0),
        m.STEEL,
        thick,
        holes=[ellipse(radius * 0.6, radius * 0.6, 12, -ends, 0)],
    )


def pliers(pen: Pen, rng: Rng) -> None:
    """Combination, needle-nose or cutting pliers, more or less open."""
    length = rng.uniform(140, 215)
    nose = length * rng.choice([0.2, 0.3, 0.42])
    girth = length * rng.uniform(0.075, 0.1)
    opening = rng.uniform(0.0, 0.35)
    handles, spread = length - nose, rng.uniform(0.8, 1.5)
    for side in (1.0, -1.0):
        half = pen.at(length * 0.2, 0, side * opening / 2)
        jaw = np.array(
            [
                [0.0, -0.25],
                [nose * 0.4, 0.06],
                [nose, 0.04],
                [nose, 0.3],
                [nose * 0.4, 0.85],
                [0.0, 1.05],
                [-girth, 0.8],
            ]
        )
        half.body(
            smooth(jaw * (1, girth * side), closed=True, rounds=1), m.STEEL, rng.uniform(8, 12), edge=3.0
        )
        bow = girth * rng.uniform(1.5, 2.3)
        path = np.array([[0.0, -0.1], [-0.12, -0.75], [-0.45, -1.05], [-1.0, -spread]]) * (
            handles,
            side * bow,
        )
        path = smooth(path, closed=False)
        half.body(strip(path, girth * 0.7), m.STEEL, rng.uniform(6, 8), edge=3.0)
        grip = path[len(path) // 3 :]
        half.body(strip(grip, girth * rng.uniform(1.0, 1.4)), m.PVC, rng.uniform(10, 15), edge=girth * 0.45)
    pen.at(length * 0.2, 0).body(ellipse(girth * 1.9, girth * 1.9), m.STEEL, 10, edge=3)
