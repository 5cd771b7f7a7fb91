"""Harmless contents: clothes, books, shoes, food, toiletries. Lengths in mm, the long side along x."""

from dataclasses import dataclass

import numpy as np

from cargosight_training.simulation import materials as m
from cargosight_training.simulation.canvas import Pen, Plane
from cargosight_training.simulation.shapes import (
    blob,
    coil,
    ellipse,
    moved,
    profile,
    rectangle,
    rounded,
    smooth,
    strip,
    wander,
)
from cargosight_training.simulation.smalls import buckle
from cargosight_training.simulation.vessels import leaning

Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Fabrics:
    """Thickness maps that all cloth and all grain of one scene is cut from.

    Attributes:
        cloth: (H + margin, W + margin) float32, relative thickness.
        grains: the same for heaps of small things.
        margin: pixels by which a cut may be shifted.
    """

    cloth: Plane
    grains: Plane
    margin: int

    def cut(self, plane: Plane, rng: Rng, factor: float) -> Plane:
        """Return a randomly shifted and flipped cut of `plane`, times `factor` (mm)."""
        y, x = rng.integers(0, self.margin + 1, 2)
        height, width = plane.shape[0] - self.margin, plane.shape[1] - self.margin
        piece = plane[y : y + height, x : x + width]
        flips = rng.integers(0, 2, 2)
        if flips[0]:
            piece = piece[::-1]
        if flips[1]:
            piece = piece[:, ::-1]
        return piece * np.float32(factor)


def garment(pen: Pen, rng: Rng, fabrics: Fabrics, width: float, height: float) -> None:
    """A folded or crumpled garment about `width` x `height`."""
    thick = rng.uniform(6, 38)
    fold = rng.random()
    outline = rounded(width, height, 15) if fold < 0.35 else blob(rng, width, height, rough=0.28)
    material = m.CLOTH if rng.random() < 0.8 else m.LEATHER
    pen.field(
        outline, material, fabrics.cut(fabrics.cloth, rng, thick if material is m.CLOTH else thick * 0.2)
    )
    pen.wire(outline, material, rng.uniform(3, 6), closed=True)
    if rng.random() < 0.25:
        row = np.column_stack(
            [np.linspace(-0.35, 0.35, 5) * width, np.full(5, rng.uniform(-0.2, 0.2) * height)]
        )
        pen.dots(row, m.PLASTIC if rng.random() < 0.6 else m.BRASS, 9, 2.5)


def heap(pen: Pen, rng: Rng, fabrics: Fabrics) -> None:
    """A bag of nuts, rice or sweets, or powder."""
    size = rng.uniform(70, 150)
    outline = blob(rng, size, size * rng.uniform(0.5, 0.9), rough=0.15)
    pen.field(outline, m.FOOD, fabrics.cut(fabrics.grains, rng, rng.uniform(8, 30)))
    pen.wire(outline * 1.1, m.PLASTIC, 1.0, closed=True)


def book(pen: Pen, rng: Rng) -> None:
    """A book, notebook or stack of paper."""
    width, height, depth = rng.uniform(140, 290), rng.uniform(100, 205), rng.uniform(4, 36)
    pen.body(rectangle(width, height), m.PAPER, depth, edge=2.0)
    if rng.random() < 0.5:
        slant = moved(
            rectangle(width * 0.97, height * 0.95), rng.normal(0, 3), rng.normal(0, 3), rng.normal(0, 0.03)
        )
        pen.body(slant, m.PAPER, depth * 0.3)
    if rng.random() < 0.3:
        xs = np.linspace(-0.48, 0.48, 34) * width
        pen.wires([np.array([[x, -height / 2 - 4], [x + 1, -height / 2 + 6]]) for x in xs], m.STEEL, 1.0)


def shoe(pen: Pen, rng: Rng) -> None:
    """A shoe seen from above or from the side."""
    length = rng.uniform(230, 300)
    width = length * rng.uniform(0.32, 0.38)
    sole = smooth(
        np.array(
            [
                [-0.5, -0.28],
                [-0.5, 0.28],
                [-0.15, 0.3],
                [0.15, 0.45],
                [0.42, 0.4],
                [0.5, 0.0],
                [0.4, -0.42],
                [0.12, -0.5],
                [-0.2, -0.3],
            ]
        )
        * (length, width),
        closed=True,
    )
    pen.body(sole, m.RUBBER, rng.uniform(5, 14), edge=5)
    ribs = [
        np.array([[x, -0.35 * width], [x + rng.normal(0, 2), 0.35 * width]])
        for x in np.linspace(-0.4, 0.4, 15) * length
    ]
    pen.wires(ribs, m.RUBBER, 3.5)
    pen.vessel(sole * 0.97, m.LEATHER, 3.5, rng.uniform(50, 80), edge=25)
    if rng.random() < 0.4:
        pen.body(rounded(90, 13, 5, x=-0.15 * length), m.STEEL, 1.2)
    if rng.random() < 0.5:
        eyelets = np.array([[x, y] for x in np.linspace(0.0, 0.25, 5) * length for y in (-14.0, 14.0)])
        pen.dots(eyelets, m.BRASS, 5, 1.0)


def fruit(pen: Pen, rng: Rng) -> None:
    """Fruit, eggs, bread rolls: round and organic."""
    size, count = rng.uniform(28, 85), int(rng.integers(1, 8))
    depth = size * rng.uniform(0.5, 0.95)
    spread = size * 0.7 * np.sqrt(count)
    for _ in range(count):
        ball = pen.at(rng.uniform(-0.5, 0.5) * spread, rng.uniform(-0.5, 0.5) * spread, rng.uniform(0, 6))
        ball.body(ellipse(size, size * rng.uniform(0.8, 1)), m.FOOD, depth, edge=size * 0.48)


def packet(pen: Pen, rng: Rng) -> None:
    """A block of something organic: soap, chocolate, cheese, a carton."""
    width, height = rng.uniform(50, 170), rng.uniform(35, 110)
    material = (m.FOOD, m.CREAM, m.PLASTIC, m.PASTE)[rng.choice(4, p=[0.4, 0.2, 0.25, 0.15])]
    pen.body(
        rounded(width, height, rng.uniform(2, 20)), material, rng.uniform(8, 45), edge=rng.uniform(2, 15)
    )
    if rng.random() < 0.3:
        pen.vessel(rounded(width + 8, height + 8, 2), m.PAPER, 0.6, 40, edge=4)


def drink(pen: Pen, rng: Rng) -> None:
    """A drink bottle of PET or glass, or a steel flask."""
    length, radius = rng.uniform(180, 260), rng.uniform(28, 42)
    kind = rng.choice(3, p=[0.55, 0.2, 0.25])
    half = length / 2
    if kind == 2:
        tilt = float(abs(rng.normal(0, 0.3)))
        outline, base, top = leaning([(-half, radius), (half * 0.7, radius), (half, radius * 0.75)], tilt)
        pen.vessel(outline, m.STAINLESS, rng.uniform(0.4, 0.7), 2 * radius, edge=radius)
        inner, _, _ = leaning(
            [(-half + 10, radius - 6), (half * 0.7, radius - 6), (half * 0.85, radius * 0.5)], tilt
        )
        content = m.WATER if rng.random() < 0.6 else None
        pen.vessel(
            inner,
            m.STAINLESS,
            0.5,
            2 * radius - 12,
            edge=radius - 6,
            content=content,
            level=rng.uniform(0.3, 1),
        )
        pen.wire(base, m.STAINLESS, 2.0, closed=True)
        pen.wire(top, m.STAINLESS, 1.5, closed=True)
        pen.body(rounded(36, radius * 1.5, 5, x=half * np.cos(tilt)), m.ABS, radius * 0.8, edge=9)
        return
    wall, wall_mm = (m.PLASTIC, 0.7) if kind == 0 else (m.GLASS, rng.uniform(2.5, 3.5))
    neck = 12.5
    outline = profile(
        [
            (-half, radius * 0.9),
            (-half * 0.85, radius),
            (half * 0.35, radius),
            (half * 0.75, neck),
            (half, neck),
        ],
        rounds=1,
    )
    pen.vessel(outline, wall, wall_mm, 2 * radius, edge=radius, content=m.WATER, level=rng.uniform(0.0, 1.0))
    pen.vessel(rounded(17, 29, 2, x=half - 4), m.PLASTIC, 2.5, 29, edge=13)


def toiletry(pen: Pen, rng: Rng) -> None:
    """A tube of toothpaste or cream, a jar, a roll-on, a flat shampoo bottle."""
    kind = rng.integers(3)
    if kind == 0:
        length, width = rng.uniform(90, 170), rng.uniform(28, 48)
        tube = np.array([[-0.5, 0.5], [0.4, 0.42], [0.46, 0.2], [0.46, -0.2], [0.4, -0.42], [-0.5, -0.5]]) * (
            length,
            width,
        )
        material = m.PASTE if rng.random() < 0.5 else m.CREAM
        pen.body(tube, material, rng.uniform(10, 25), edge=width * 0.35)
        pen.body(rectangle(3, width, -length / 2, 0), m.ALUMINIUM if rng.random() < 0.3 else m.PLASTIC, 3)
        pen.vessel(rounded(18, width * 0.5, 2, x=length / 2), m.ABS, 2.0, 16, edge=7)
        return
    if kind == 1:
        radius = rng.uniform(22, 42)
        pen.vessel(
            ellipse(2 * radius, 2 * radius * rng.uniform(0.6, 1)),
            m.PLASTIC,
            3.0,
            40,
            edge=8,
            content=m.CREAM,
            level=rng.uniform(0.2, 0.8),
        )
        pen.wire(ellipse(2 * radius, 2 * radius * 0.9), m.PLASTIC, 3.0, closed=True)
        return
    length, width = rng.uniform(110, 190), rng.uniform(45, 70)
    pen.vessel(
        rounded(length, width, 14), m.PLASTIC, 1.3, 36, edge=16, content=m.CREAM, level=rng.uniform(0.2, 1)
    )
    pen.vessel(rounded(24, 28, 3, x=length / 2 + 10), m.PLASTIC, 2.0, 26, edge=11)


def belt(pen: Pen, rng: Rng) -> None:
    """A rolled or looped belt with its buckle."""
    path = coil(rng, rng.uniform(38, 60), rng.uniform(1.5, 4), jitter=0.06)
    if rng.random() < 0.4:
        path = wander(rng, (0, 0), step=45, count=10, bend=0.5)
        pen.body(strip(path, 32), m.LEATHER, 4)
    else:
        pen.wire(path, m.LEATHER, 5)
        pen.wire(moved(path, 0.8, 0.5), m.LEATHER, 9)
    x, y = path[-1]
    buckle(pen.at(float(x), float(y), rng.uniform(0, 6)), rng, 42, 50)


def umbrella(pen: Pen, rng: Rng) -> None:
    """A folded umbrella: a bundle of thin ribs around a shaft."""
    length = rng.uniform(170, 300)
    ribs = []
    for y in rng.normal(0, 13, int(rng.integers(10, 18))):
        bow = rng.normal(0, 4)
        ribs.append(
            smooth(np.array([[-length / 2, y * 0.5], [0, y + bow], [length / 2, y * 0.85]]), closed=False)
        )
    pen.wires(ribs[: len(ribs) // 2], m.STEEL, 2.0)
    pen.wires(ribs[len(ribs) // 2 :], m.STEEL, 1.6)
    pen.wire(np.array([[-length * 0.55, 0], [length * 0.5, 0]]), m.STEEL, 10, hollow=8.4)
    pen.body(rounded(length * 1.05, 50, 20), m.CLOTH, 14, edge=12)
    pen.vessel(rounded(62, 30, 10, x=-length * 0.6), m.ABS, 3.0, 30, edge=14)


def mug(pen: Pen, rng: Rng) -> None:
    """A mug, a bowl or a tin box."""
    size = rng.uniform(75, 130)
    wall = ((m.CERAMIC, 4.5), (m.STEEL, 0.35), (m.PLASTIC, 2.5), (m.GLASS, 3.0))[rng.integers(4)]
    outline = (
        ellipse(size, size * rng.uniform(0.7, 1)) if rng.random() < 0.6 else rounded(size, size * 0.7, 12)
    )
    pen.vessel(outline, wall[0], wall[1], rng.uniform(30, 80), edge=rng.uniform(4, 14))
    pen.wire(outline * 0.92, wall[0], wall[1] * 1.2, closed=True)
