"""Guns, cartridges, batons, handcuffs, slingshots and firecrackers. Lengths in mm, the long side along x."""

import numpy as np

from cargosight_training.simulation import materials as m
from cargosight_training.simulation.canvas import Pen
from cargosight_training.simulation.shapes import (
    Points,
    arc,
    dashes,
    ellipse,
    moved,
    profile,
    rectangle,
    rounded,
    smooth,
    wander,
)
from cargosight_training.simulation.vessels import round_cell

Rng = np.random.Generator


def gun(pen: Pen, rng: Rng) -> None:
    """A pistol, a revolver, or now and then a long gun."""
    kinds = (pistol, revolver, _rifle)
    kinds[rng.choice(3, p=[0.55, 0.33, 0.12])](pen, rng)


def pistol(pen: Pen, rng: Rng) -> None:
    """A self-loading pistol with its magazine."""
    length, height = rng.uniform(150, 210), rng.uniform(22, 30)
    grip_length, lean = rng.uniform(72, 100), rng.uniform(0.12, 0.38)
    back = -length / 2
    pen = pen.at(0, -25)
    slide = np.array(
        [[back, -height / 2], [length / 2, -height / 2], [length / 2, height * 0.3], [back, height * 0.3]]
    )
    pen.vessel(slide, m.STEEL, rng.uniform(1.2, 3.2), rng.uniform(22, 27), edge=4)
    pen.wire(np.array([[back + 40, -height * 0.1], [length / 2, -height * 0.1]]), m.STEEL, 14, hollow=9)
    pen.wire(np.array([[back + 60, height * 0.3], [length / 2 - 8, height * 0.3]]), m.STEEL, 7)
    polymer = rng.random() < 0.5
    frame, wall = (m.ABS, 4.0) if polymer else (m.STEEL, 1.6)
    pen.body(
        rectangle(length * 0.85, height * 0.4, back * 0.1, height * 0.45), frame, 16 if polymer else 7, edge=3
    )
    grip = np.array([[0, 0], [rng.uniform(44, 54), 0], [46, grip_length], [4, grip_length]])
    grip[2:, 0] -= lean * grip_length
    grip += (back + 8, height * 0.3)
    pen.vessel(smooth(grip, closed=True, rounds=1), frame, wall, 30, edge=9)
    magazine = (grip - grip.mean(axis=0)) * (0.68, 0.96) + grip.mean(axis=0)
    pen.vessel(magazine, m.STEEL, 1.0, 20, edge=3)
    rounds = np.linspace(0.05, rng.uniform(0.3, 0.9), int(rng.integers(3, 11)))
    spine = grip[:2].mean(axis=0) + rounds[:, None] * (grip[2:].mean(axis=0) - grip[:2].mean(axis=0))
    pen.wires([np.array([[x - 11, y + 2], [x + 11, y - 2]]) for x, y in spine], m.BRASS, 7, hollow=4)
    guard = smooth(
        np.array(
            [
                [back + 52, height * 0.5],
                [back + 58, height * 1.45],
                [back + 92, height * 1.4],
                [back + 98, height * 0.5],
            ]
        ),
        closed=False,
    )
    pen.wire(guard, frame, 6)
    pen.wire(arc(16, 0.4, 1.7, 6, x=back + 62, y=height * 0.55), m.STEEL, 5)
    pen.body(rounded(30, height * 0.5, 4, x=back + 5, y=-height * 0.1), m.STEEL, 10, edge=4)
    pen.dots(np.array([[back + 30, height * 0.4], [back + 80, height * 0.4]]), m.STEEL, 6, 22)


def revolver(pen: Pen, rng: Rng) -> None:
    """A revolver."""
    barrel = rng.uniform(50, 150)
    pen = pen.at(-barrel * 0.4, -15)
    pen.wire(np.array([[10, -8.0], [20 + barrel, -8.0]]), m.STEEL, 17, hollow=9)
    if rng.random() < 0.7:
        pen.wire(np.array([[10, 4.0], [10 + barrel * 0.8, 4.0]]), m.STEEL, 8)
    pen.vessel(rounded(42, 38, 7, x=-8, y=-2), m.STEEL, rng.uniform(2, 4), 38, edge=17)
    chambers = [np.array([[-28.0, y], [12.0, y]]) for y in (-14.0, -1.0, 12.0)]
    pen.wires(chambers, m.BRASS, 9, hollow=5)
    frame = [
        (14, -20),
        (14, -14),
        (-30, -22),
        (-46, -20),
        (-52, 2),
        (-38, 24),
        (-22, 26),
        (10, 20),
        (14, 14),
        (20, 14),
        (22, -20),
    ]
    hole = rounded(42, 36, 5, x=-8, y=-2)
    pen.body(np.array(frame, dtype=np.float64), m.STEEL, rng.uniform(5, 12), edge=3, holes=[hole])
    grip = [(-34, 10), (-52, 0), (-66, 40), (-84, 78), (-58, 88), (-44, 50)]
    pen.body(smooth(np.array(grip), closed=True, rounds=1), (m.WOOD, m.RUBBER)[rng.integers(2)], 32, edge=12)
    pen.body(
        smooth(np.array(grip) * (0.95, 0.92) - (2, -3), closed=True, rounds=1),
        m.STEEL,
        5,
        edge=2,
        holes=[ellipse(11, 34, 16, -61, 52)],
    )
    pen.wire(smooth(np.array([[-34, 24], [-28, 50], [2, 48], [8, 20]]), closed=False), m.STEEL, 6)
    pen.wire(arc(17, 0.3, 1.7, 6, x=-24, y=22), m.STEEL, 5)
    pen.body(
        smooth(np.array([[-44, -18], [-58, -34], [-66, -32], [-54, -8]]), closed=True, rounds=1), m.STEEL, 8
    )
    pen.body(rectangle(7, 6, 14 + barrel, -19), m.STEEL, 4)


def _rifle(pen: Pen, rng: Rng) -> None:
    length = rng.uniform(380, 620)
    front, back = length / 2, -length / 2
    pen.wire(np.array([[0.0, -6.0], [front, -6.0]]), m.STEEL, 15, hollow=8)
    pen.vessel(rounded(length * 0.33, 42, 6, x=-0.04 * length), m.STEEL, 4, 32, edge=8)
    pen.wire(np.array([[-0.15 * length, -5.0], [0.1 * length, -5.0]]), m.STEEL, 16)
    pen.body(
        profile([(0.14 * length, 19), (0.35 * length, 15)]), (m.WOOD, m.ABS)[rng.integers(2)], 40, edge=14
    )
    stock = [(back, -22), (back, 50), (back + 20, 48), (-0.17 * length, 14), (-0.17 * length, -14)]
    hollow = (
        [np.array([[back + 20, -5], [back + 22, 28], [-0.24 * length, 6], [-0.24 * length, -4]])]
        if rng.random() < 0.5
        else []
    )
    pen.body(
        smooth(np.array(stock), closed=True, rounds=1),
        (m.WOOD, m.ABS)[rng.integers(2)],
        35,
        edge=12,
        holes=hollow,
    )
    sweep = rng.uniform(0.0, 35.0)
    box = np.array([[0, 18], [38, 18], [40 + sweep, 115], [4 + sweep, 120]])
    box = moved(box, 0.01 * length, 0)
    pen.vessel(smooth(box, closed=True, rounds=1), m.STEEL, 1.3, 24, edge=5)
    pen.wires(
        [
            np.array([[x, y], [x + 32, y - 3]])
            for x, y in zip(np.linspace(0, sweep, 9) + 0.01 * length, np.linspace(25, 105, 9), strict=True)
        ],
        m.BRASS,
        8,
        hollow=5,
    )
    grip = np.array(
        [
            [-0.15 * length, 18],
            [-0.15 * length + 32, 18],
            [-0.15 * length + 12, 90],
            [-0.15 * length - 18, 84],
        ]
    )
    pen.body(smooth(grip, closed=True, rounds=1), m.ABS, 28, edge=9)
    pen.wire(arc(20, 0.2, 2.9, 9, x=-0.07 * length, y=20), m.STEEL, 5)
    pen.body(rectangle(5, 26, front - 20, -20), m.STEEL, 6)


def bullet(pen: Pen, rng: Rng) -> None:
    """A cartridge, from a 9 mm round to a large rifle round."""
    calibre = rng.choice([9.0, 11.0, 14.0, 20.0], p=[0.35, 0.25, 0.2, 0.2])
    length = calibre * rng.uniform(3.2, 6.5)
    radius, case = calibre / 2, length * rng.uniform(0.58, 0.7)
    back = -length / 2
    neck = radius * rng.uniform(0.7, 1.0)
    body = [(back, radius), (back + 0.8 * case, radius), (back + 0.88 * case, neck), (back + case, neck)]
    pen.vessel(profile(body), m.BRASS, radius * rng.uniform(0.1, 0.2), calibre, edge=radius, content=m.POWDER)
    pen.body(
        rectangle(radius * 0.7, calibre * 1.06, back + radius * 0.35, 0), m.BRASS, calibre * 0.9, edge=radius
    )
    tip = [
        (back + case * 0.85, neck * 0.92),
        (back + case * 1.1, neck * 0.9),
        (length / 2 - 0.1 * case, neck * 0.45),
        (length / 2, 0.3),
    ]
    core = (m.LEAD, m.STEEL)[rng.integers(2)]
    pen.body(profile(tip, rounds=1), core, calibre * 0.85, edge=neck)


def baton(pen: Pen, rng: Rng) -> None:
    """A telescopic steel baton or an electric one."""
    if rng.random() < 0.45:
        length, radius = rng.uniform(160, 260), rng.uniform(11, 15)
        pen.vessel(rounded(length, 2 * radius, 5), m.STEEL, 1.6, 2 * radius, edge=radius)
        pen.body(rounded(length * 0.6, 2 * radius + 5, 8, x=-length * 0.2), m.RUBBER, 2 * radius, edge=radius)
        for size, reach in ((0.72, rng.uniform(0.9, 1.9)), (0.5, rng.uniform(0.8, 2.6))):
            tube = rectangle(length * 0.9, 2 * radius * size, length * (reach - 0.95) * 0.5, 0)
            pen.vessel(tube, m.STEEL, 1.5, 2 * radius * size, edge=radius * size)
        pen.body(rounded(12, 2 * radius + 3, 4, x=-length / 2), m.STEEL, 20, edge=8)
        return
    length, radius = rng.uniform(170, 400), rng.uniform(17, 25)
    pen.vessel(rounded(length, 2 * radius, 8), m.ABS, 3.0, 2 * radius, edge=radius)
    cells = int(rng.integers(2, 4))
    for i in range(cells):
        round_cell(pen.at(-length / 2 + 45 + i * 52, 0), 50, radius * 1.3)
    coil_at = -length / 2 + 60 + cells * 52
    pen.body(rounded(38, radius * 1.4, 3, x=coil_at), m.COPPER, radius * 0.5, edge=6)
    pen.body(rectangle(length * 0.3, radius * 1.2, length * 0.22, 0), m.BOARD, 1.6)
    parts = np.column_stack([rng.uniform(0.08, 0.36, 9) * length, rng.uniform(-0.5, 0.5, 9) * radius])
    pen.dots(parts, m.COPPER, 6, 3)
    for y in (-radius * 0.6, radius * 0.6):
        pen.wire(np.array([[length * 0.3, y], [length / 2 + 12, y]]), m.STEEL, 5)
    pen.wire(
        smooth(
            np.array([[-length * 0.3, 0], [0, radius * 0.7], [length * 0.4, -radius * 0.5]]), closed=False
        ),
        m.COPPER,
        1.2,
    )


def handcuffs(pen: Pen, rng: Rng) -> None:
    """Two cuffs on a chain or a hinge."""
    radius = rng.uniform(29, 36)
    if rng.random() < 0.35:
        spread, angles = radius * rng.uniform(0.5, 1.3), rng.uniform(0, 6.3, 2)
    else:
        spread, angles = radius + rng.uniform(14, 34), rng.normal(0.0, 0.35, 2)
    thick = rng.uniform(8, 12)
    for side, angle in ((1.0, angles[0]), (-1.0, angles[1] + np.pi)):
        cuff = pen.at(side * spread, rng.normal(0, 5), angle)
        cuff.body(
            ellipse(2 * radius, 1.75 * radius),
            m.STEEL,
            thick,
            edge=3,
            holes=[ellipse(2 * radius - 17, 1.75 * radius - 17)],
        )
        lock = smooth(
            np.array(
                [
                    [-radius * 1.25, -13],
                    [-radius * 0.55, -radius * 0.72],
                    [-radius * 0.3, 0],
                    [-radius * 0.55, radius * 0.72],
                    [-radius * 1.25, 13],
                ]
            ),
            closed=True,
            rounds=1,
        )
        cuff.body(lock, m.STEEL, thick * 0.9, edge=3, holes=[ellipse(6, 6, 10, -radius * 0.85, 6)])
        teeth = arc(radius - 6, -0.9, 0.9, 16)
        cuff.wires(dashes(teeth, 4.0, 0.5), m.STEEL, 3)
    if spread > radius:
        for x in np.linspace(-1, 1, 4) * (spread - radius * 1.2 + 6):
            pen.at(x, 0, rng.uniform(-0.6, 0.6)).wire(ellipse(17, 10, 14), m.STEEL, 4, closed=True)


def slingshot(pen: Pen, rng: Rng) -> None:
    """A steel-wire slingshot with rubber bands, or a moulded fork."""
    spread, height = rng.uniform(35, 55), rng.uniform(60, 85)
    fork = [
        (spread, height),
        (spread, height * 0.45),
        (12, 0),
        (9, -25),
        (14, -height),
        (-14, -height),
        (-9, -25),
        (-12, 0),
        (-spread, height * 0.45),
        (-spread, height),
    ]
    path = smooth(np.array(fork), closed=False)
    if rng.random() < 0.7:
        pen.wire(path, m.STEEL, rng.uniform(6, 9))
        curls = [arc(6, 0, 5.5, 10, x=side * (spread - 4), y=height + 3) for side in (1, -1)]
        pen.wires(curls, m.STEEL, 6)
        if rng.random() < 0.5:
            pen.body(rounded(32, height, 12, y=-height * 0.55), m.ABS, 24, edge=12)
    else:
        _moulded_fork(pen, rng, spread, height)
    band = wander(rng, (0.0, 0.0), step=28, count=4, bend=0.5)
    for side in (1, -1):
        start = np.array([[side * spread, height]])
        pen.wire(
            smooth(
                np.vstack([start, band[-1:] * 0.6 + (side * 14, height * 1.2), [[0.0, height * 1.9]]]),
                closed=False,
            ),
            m.RUBBER,
            6,
            hollow=2,
        )
    pen.body(rounded(50, 22, 8, y=height * 1.9), m.LEATHER, 2.5)


def _moulded_fork(pen: Pen, rng: Rng, spread: float, height: float) -> None:
    outline = smooth(
        np.array(
            [
                (spread + 9, height),
                (spread + 7, 20),
                (16, -15),
                (15, -height),
                (-15, -height),
                (-16, -15),
                (-spread - 7, 20),
                (-spread - 9, height),
                (-spread + 9, height),
                (-spread + 10, 28),
                (0, 12),
                (spread - 10, 28),
                (spread - 9, height),
            ]
        ),
        closed=True,
        rounds=1,
    )
    pen.body(
        outline,
        (m.ALUMINIUM, m.STEEL, m.ABS)[rng.choice(3, p=[0.4, 0.4, 0.2])],
        rng.uniform(7, 13),
        edge=5,
    )


def firecrackers(pen: Pen, rng: Rng) -> None:
    """A braided string or a row of crackers, or a few larger tubes."""
    if rng.random() < 0.35:
        count, length, radius = int(rng.integers(2, 7)), rng.uniform(70, 180), rng.uniform(8, 14)
        for i in range(count):
            tube = pen.at(rng.normal(0, 4), (i - (count - 1) / 2) * radius * 2.1, rng.normal(0, 0.02))
            tube.vessel(rounded(length, 2 * radius, 2), m.PAPER, 2.0, 2 * radius, edge=radius)
            charge = rounded(
                length * rng.uniform(0.15, 0.4), radius * 1.5, 2, x=rng.uniform(-0.2, 0.3) * length
            )
            tube.body(charge, m.POWDER, radius * 1.5, edge=radius * 0.75)
            tube.body(
                rounded(9, radius * 1.6, 2, x=-length / 2 + 6), m.CERAMIC, radius * 1.4, edge=radius * 0.7
            )
        return
    pairs, pitch = int(rng.integers(8, 22)), rng.uniform(6.5, 9.0)
    length, radius = rng.uniform(22, 36), rng.uniform(2.4, 3.6)
    span = pairs * pitch
    angle = rng.uniform(0.25, 0.8)
    for i in range(pairs):
        x = -span / 2 + i * pitch
        for side in (1.0, -1.0):
            _cracker(
                pen.at(x, side * length * 0.4, side * (np.pi / 2 - angle) + rng.normal(0, 0.08)),
                length,
                radius,
            )
    pen.wire(np.array([[-span / 2, 0.0], [span / 2 + 25, rng.normal(0, 8)]]), m.PAPER, 3)


def _cracker(pen: Pen, length: float, radius: float) -> None:
    outline: Points = rounded(length, 2 * radius, 1)
    pen.body(outline, m.PAPER, 2 * radius, edge=radius)
    pen.body(moved(rectangle(length * 0.55, radius * 1.3), 0.1 * length, 0), m.POWDER, radius * 1.4)
