"""Electronics and cables. Lengths in mm, the long side along x."""

import cv2
import numpy as np

from cargosight_training.simulation import materials as m
from cargosight_training.simulation.canvas import Pen, Plane
from cargosight_training.simulation.shapes import (
    coil,
    ellipse,
    rectangle,
    rounded,
    smooth,
    wander,
)

Rng = np.random.Generator


def board(pen: Pen, rng: Rng, width: float, height: float, parts: int) -> None:
    """A populated circuit board: tracks, chips, capacitors, connectors."""
    columns, rows = max(int(width), 8), max(int(height), 8)
    copper: Plane = np.full((rows, columns), 0.03, dtype=np.float32)
    for _ in range(parts // 2):
        x, y = int(rng.integers(0, columns)), int(rng.integers(0, rows))
        reach = int(rng.integers(-60, 60))
        end = (x + reach, y) if rng.random() < 0.5 else (x, y + reach)
        cv2.line(copper, (x, y), end, 0.12, 1)
    xs, ys = rng.integers(0, columns, parts), rng.integers(0, rows, parts)
    sizes = np.exp(rng.normal(1.1, 0.75, (parts, 2)))
    loads = np.exp(rng.normal(-1.4, 0.8, parts))
    for x, y, (w, h), load in zip(xs.tolist(), ys.tolist(), sizes.tolist(), loads.tolist(), strict=True):
        cv2.rectangle(copper, (x, y), (int(x + w), int(y + h)), min(load, 1.6), cv2.FILLED)
    for _ in range(parts // 25):
        x, y = int(rng.integers(0, columns)), int(rng.integers(0, rows))
        side, pitch = int(rng.integers(8, 22)), int(rng.integers(2, 4))
        cv2.rectangle(copper, (x, y), (x + side, y + side), 0.2, cv2.FILLED)
        copper[y : y + side : pitch, x : x + side : pitch] += 0.45
    pen.raster(copper, 1.0, m.COPPER)
    pen.body(rectangle(width, height), m.BOARD, 1.3)


def laptop(pen: Pen, rng: Rng) -> tuple[float, float, float, float]:
    """A laptop or tablet computer without its cells.

    Returns:
        x, y, width, height in mm of the bay where the cells lie.
    """
    width, height = rng.uniform(270, 360), rng.uniform(190, 245)
    metal = rng.random() < 0.5
    pen.vessel(rounded(width, height, 9), m.ALUMINIUM if metal else m.ABS, 1.0 if metal else 1.8, 20, edge=4)
    pen.body(rounded(width * 0.95, height * 0.93, 4), m.GLASS, 1.4)
    pen.body(rounded(width * 0.96, height * 0.94, 4), m.ALUMINIUM, rng.uniform(0.3, 1.0))
    main = (width * rng.uniform(0.55, 0.92), height * rng.uniform(0.38, 0.52))
    board(pen.at(0.5 * (width * 0.94 - main[0]) * rng.choice([-1.0, 1.0]), -height * 0.23), rng, *main, 190)
    for x in rng.choice([-1.0, 1.0], int(rng.integers(1, 3)), replace=False) * width * 0.33:
        fan = pen.at(float(x), -height * 0.25)
        fan.wire(ellipse(46, 46), m.ABS, 3, closed=True)
        fan.body(ellipse(18, 18), m.STEEL, 4, edge=3)
        fan.wire(np.array([[0.0, 0.0], [rng.uniform(-90, 90), -25.0]]), m.COPPER, 4, hollow=2.6)
    keyboard = np.zeros((int(height * 0.42), int(width * 0.86)), dtype=np.float32)
    keyboard[::18], keyboard[:, ::19] = 0.25, 0.25
    pen.at(0, -height * 0.1).raster(keyboard, 1.0, m.STEEL)
    screws = np.array([[x, y] for x in (-0.46, 0.0, 0.46) for y in (-0.45, 0.45)]) * (width, height)
    pen.dots(screws, m.STEEL, 4, 4)
    for x in (-0.35, 0.35):
        pen.body(rounded(40, 9, 3, x=x * width, y=-height * 0.48), m.ZINC, 4, edge=2)
    return 0.0, height * 0.29, width * rng.uniform(0.45, 0.8), height * rng.uniform(0.26, 0.36)


def laptop_cells(pen: Pen, rng: Rng, width: float, height: float) -> None:
    """The cell pack of a laptop, round or flat cells, `width` x `height`."""
    count = int(rng.integers(3, 7))
    flat = rng.random() < 0.6
    for i in range(count):
        x = (i + 0.5) / count * width - width / 2
        if flat:
            pen.body(rounded(width / count - 3, height, 2, x=x), m.CELL, rng.uniform(4.5, 5.0), edge=1.5)
        else:
            cell = rounded(width / count - 2, height, 2, x=x)
            pen.vessel(cell, m.STEEL, 0.3, 10, edge=6, content=m.CELL, level=0.8)
    pen.body(rounded(width + 4, height + 6, 2), m.ABS, 1.0)
    pen.body(rectangle(width * 0.9, 5, 0, -height / 2 - 4), m.BOARD, 1.5)


def phone(pen: Pen, rng: Rng) -> None:
    """A mobile phone or a remote control."""
    length, width = rng.uniform(130, 165), rng.uniform(62, 78)
    pen.body(rounded(length, width, 9), m.GLASS, 2.0)
    pen.vessel(rounded(length, width, 9), m.ALUMINIUM, 1.6, 8, edge=3)
    pen.body(rounded(length * 0.5, width * 0.6, 2, x=-length * 0.06), m.CELL, 3.0)
    board(pen.at(length * 0.33, 0), rng, length * 0.26, width * 0.85, 26)
    pen.dots(np.array([[length * 0.4, -width * 0.3], [length * 0.4, -width * 0.1]]), m.STEEL, 8, 2.0)
    pen.body(rounded(12, 16, 2, x=-length * 0.44), m.STEEL, 1.5)


def gadget(pen: Pen, rng: Rng) -> None:
    """A small device: a board and a motor or coil in a plastic case."""
    length, width = rng.uniform(60, 170), rng.uniform(35, 95)
    pen.vessel(rounded(length, width, 8), m.ABS, 2.2, 35, edge=8)
    board(
        pen.at(rng.uniform(-0.1, 0.1) * length, 0),
        rng,
        length * 0.75,
        width * 0.75,
        int(rng.integers(18, 60)),
    )
    if rng.random() < 0.6:
        pen.vessel(ellipse(26, 26, 20, length * 0.2, 0), m.STEEL, 1.2, 18, edge=4)
        pen.wire(ellipse(16, 16, 20, length * 0.2, 0), m.COPPER, 2.5, closed=True)
    pen.dots(
        np.array([[sx * length * 0.43, sy * width * 0.4] for sx in (-1, 1) for sy in (-1, 1)]),
        m.STEEL,
        3.5,
        8,
    )


def charger(pen: Pen, rng: Rng) -> None:
    """A mains adapter with its cable."""
    length, width = rng.uniform(45, 110), rng.uniform(32, 52)
    pen.vessel(rounded(length, width, 5), m.ABS, 2.2, 28, edge=5)
    board(pen, rng, length * 0.85, width * 0.8, 30)
    pen.body(rounded(24, 22, 2, x=-length * 0.12), m.COPPER, 3.5, edge=3)
    pen.body(rounded(26, 12, 5, x=length * 0.25, y=width * 0.2), m.ALUMINIUM, 14, edge=6)
    pins = [np.array([[-length / 2, y], [-length / 2 - 18, y]]) for y in (-8.0, 8.0)]
    pen.wires(pins, m.BRASS, 4.5)
    cable(pen.at(length / 2 + 30, rng.uniform(-20, 20)), rng)


def cable(pen: Pen, rng: Rng) -> None:
    """A wound or loose cable with plugs."""
    if rng.random() < 0.6:
        path = coil(rng, rng.uniform(25, 75), rng.uniform(1.5, 5.5))
    else:
        path = wander(rng, (0, 0), step=38, count=int(rng.integers(8, 22)), bend=0.65)
    path = smooth(path, closed=False, rounds=1)
    thick = rng.uniform(2.6, 6.5)
    pieces = np.array_split(path, max(len(path) // 26, 1))
    for i, piece in enumerate(pieces):
        # Joined end to start, so that loops that cross add up but the cable has no gap.
        joined = piece if i == 0 else np.vstack([pieces[i - 1][-1:], piece])
        pen.wire(joined, m.PVC, thick)
        pen.wire(joined, m.COPPER, thick * rng.uniform(0.25, 0.35))
    for (x, y), (nx, ny) in ((path[0], path[1]), (path[-1], path[-2])):
        plug = pen.at(float(x), float(y), float(np.arctan2(y - ny, x - nx)))
        plug.body(rounded(24, 11, 3, x=10), m.PVC, 7, edge=2)
        plug.vessel(rectangle(16, 9, 24, 0), m.STEEL, 0.7, 6, edge=1)


def earphones(pen: Pen, rng: Rng) -> None:
    """Earphones: a thin cable with two small magnets."""
    path = wander(rng, (0, 0), step=26, count=int(rng.integers(16, 30)), bend=0.8)
    pen.wire(path, m.PVC, 1.8)
    pen.wire(path, m.COPPER, 0.7)
    for x, y in (path[0], path[-1]):
        pen.dots(np.array([[x, y]]), m.ABS, 14, 8)
        pen.dots(np.array([[x, y]]), m.STEEL, 8, 4)


def camera(pen: Pen, rng: Rng) -> None:
    """A camera: a lens of glass rings, a board, a motor."""
    length = rng.uniform(95, 145)
    height = length * rng.uniform(0.6, 0.75)
    pen.vessel(rounded(length, height, 8), m.ABS, 3.0, 45, edge=8)
    board(pen, rng, length * 0.8, height * 0.75, 60)
    lens = pen.at(rng.uniform(-0.15, 0.15) * length, 0)
    for size in (0.8, 0.65, 0.45):
        ring = ellipse(height * size, height * size)
        lens.wire(ring, m.ALUMINIUM if size > 0.5 else m.STEEL, 4, closed=True)
        lens.body(ring, m.GLASS, 4, edge=height * size / 2)


def hair_dryer(pen: Pen, rng: Rng) -> None:
    """A hair dryer or fan: a motor, a heating coil, a grip, a cable."""
    pen.vessel(rounded(190, 85, 30), m.ABS, 2.4, 80, edge=35)
    pen.vessel(ellipse(42, 42, 20, -40, 0), m.STEEL, 1.6, 40, edge=6)
    pen.wire(ellipse(30, 30, 20, -40, 0), m.COPPER, 6, closed=True)
    turns = np.linspace(0, 60, 150)
    pen.wire(np.column_stack([20 + turns, 26 * np.sin(turns * 1.6)]), m.STEEL, 1.2)
    grip = pen.at(-30, 40, float(rng.uniform(1.2, 1.9)))
    grip.vessel(rounded(130, 38, 14, x=60), m.ABS, 2.2, 36, edge=15)
    grip.body(rounded(30, 18, 2, x=40), m.BRASS, 3)
    cable(grip.at(150, 0), rng)


def disc_drive(pen: Pen, rng: Rng) -> None:
    """A hard disc, a radio module, a tin of metal parts."""
    pen.body(rounded(147, 101, 4), m.ALUMINIUM, rng.uniform(8, 14), edge=3)
    pen.body(ellipse(92, 92, 30, 18, 0), m.ALUMINIUM, 5)
    pen.body(ellipse(30, 30, 20, 18, 0), m.STEEL, 9, edge=3)
    pen.body(rounded(34, 40, 5, x=-48, y=-22), m.STEEL, 12, edge=3)
    pen.wire(np.array([[-48.0, -22.0], [0.0, 8.0]]), m.ALUMINIUM, 8)
