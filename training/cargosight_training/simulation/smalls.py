"""Small metal: buckles, zip pulls, coins, keys, chains. Lengths in mm, the long side along x."""

import numpy as np

from cargosight_training.simulation import materials as m
from cargosight_training.simulation.canvas import Pen
from cargosight_training.simulation.shapes import (
    arc,
    ellipse,
    profile,
    rectangle,
    rounded,
    smooth,
    strip,
    wander,
)

Rng = np.random.Generator


def buckle(pen: Pen, rng: Rng, width: float, height: float) -> None:
    """A frame buckle or a rectangular ring of metal."""
    metal = (m.ZINC, m.STEEL, m.BRASS)[rng.integers(3)]
    bar = rng.uniform(2, 4.5)
    pen.wire(rounded(width, height, rng.uniform(2, height / 2)), metal, bar, closed=True)
    if rng.random() < 0.6:
        pen.wire(np.array([[-width * 0.5, 0.0], [width * 0.5, 0.0]]), metal, bar * 0.8)


def ring_clip(pen: Pen, rng: Rng) -> None:
    """A snap hook, D-ring or key ring."""
    size = rng.uniform(10, 30)
    metal = (m.ZINC, m.STEEL, m.BRASS)[rng.integers(3)]
    if rng.random() < 0.5:
        pen.wire(ellipse(size, size * rng.uniform(0.5, 1), 20), metal, rng.uniform(2.5, 4.5), closed=True)
        return
    hook = np.array(
        [
            [0, 0],
            [size * 0.6, size * 0.3],
            [size * 1.2, 0],
            [size * 0.6, -size * 0.3],
            [0.2 * size, -size * 0.2],
        ]
    )
    pen.wire(smooth(hook, closed=False), metal, 4)
    pen.body(rounded(size * 0.7, size * 0.28, 3, x=-size * 0.35), metal, 6, edge=2)
    pen.wire(ellipse(size * 0.6, size * 0.7, 16, -size * 0.95), metal, 3.5, closed=True)


def zip_pull(pen: Pen, rng: Rng) -> None:
    """A zip slider with its puller."""
    metal = m.ZINC if rng.random() < 0.8 else m.BRASS
    pen.body(rounded(11, 8, 3), metal, 3.5, edge=1.5)
    length = rng.uniform(16, 34)
    tongue = rounded(length, 7, 2, x=length / 2 + 5)
    pen.body(tongue, metal, 1.8, holes=[rounded(length * 0.5, 3.4, 1.5, x=length / 2 + 8)])


def coins(pen: Pen, rng: Rng) -> None:
    """A few coins, loose or stacked."""
    for _ in range(int(rng.integers(1, 8))):
        size = rng.uniform(17, 27)
        x, y = rng.normal(0, 16, 2)
        pen.body(
            ellipse(size, size * rng.uniform(0.3, 1), 18, x, y),
            (m.COPPER, m.BRASS, m.STEEL)[rng.integers(3)],
            1.8,
        )


def keys(pen: Pen, rng: Rng) -> None:
    """A bunch of keys."""
    pen.wire(ellipse(26, 26, 18), m.STEEL, 2.5, closed=True)
    for angle in rng.uniform(0, 6.3, int(rng.integers(2, 6))):
        key = pen.at(13 * np.cos(angle), 13 * np.sin(angle), angle)
        key.body(ellipse(24, 22, 16, 11), m.BRASS, 2.2, holes=[ellipse(6, 6, 10, 5)])
        teeth = [(20, -4), (52, -4), (52, 1), (47, 3), (43, 0.5), (39, 3), (34, 1), (30, 4), (20, 4)]
        key.body(np.array(teeth, dtype=np.float64), m.BRASS, 2.2)


def glasses(pen: Pen, rng: Rng) -> None:
    """Spectacles, sometimes in a case."""
    metal = m.STEEL if rng.random() < 0.5 else m.ABS
    width = 1.6 if metal is m.STEEL else 4.0
    for side in (-1, 1):
        lens = ellipse(50, rng.uniform(30, 44), 22, side * 34)
        pen.wire(lens, metal, width, closed=True)
        pen.body(lens, m.ABS, 2.2)
        pen.wire(
            np.array([[side * 60.0, -4], [side * 30.0, 10 + side * 4], [side * -50.0, 12 + side * 5]]),
            metal,
            width,
        )
    pen.wire(arc(10, 3.6, 5.8, 8, y=3), metal, width)
    if rng.random() < 0.5:
        case = (m.STEEL, 0.5) if rng.random() < 0.4 else (m.ABS, 2.0)
        pen.vessel(rounded(165, 68, 32), case[0], case[1], 44, edge=22)


def pens(pen: Pen, rng: Rng) -> None:
    """Pens and pencils, side by side."""
    for _ in range(int(rng.integers(1, 7))):
        one = pen.at(rng.normal(0, 9), rng.normal(0, 14), rng.normal(0, 0.15))
        one.vessel(rounded(142, 9, 3), m.ABS, 1.2, 9, edge=4)
        one.wire(np.array([[-50.0, 0.0], [66.0, 0.0]]), m.BRASS if rng.random() < 0.5 else m.PLASTIC, 2.0)
        one.body(profile([(62, 3.2), (71, 0.8)]), m.BRASS, 4)
        if rng.random() < 0.6:
            one.wire(np.array([[-68.0, 4.5], [-30.0, 5.5]]), m.STEEL, 1.6)
            one.wire(np.array([[50.0, 0.0], [62.0, 0.0]]), m.STEEL, 3.0, hollow=2.0)


def cutlery(pen: Pen, rng: Rng) -> None:
    """A spoon or fork."""
    outline = profile([(-95, 7), (-40, 3.5), (30, 3.0), (45, 5)], rounds=1)
    pen.body(outline, m.STAINLESS, 2.2)
    if rng.random() < 0.5:
        pen.body(ellipse(62, 40, 22, 72), m.STAINLESS, 1.8, edge=2)
    else:
        tines = [np.array([[50.0, y], [95.0, y]]) for y in (-9, -3, 3, 9)]
        pen.body(rounded(26, 24, 8, x=50), m.STAINLESS, 2.0)
        pen.wires(tines, m.STAINLESS, 3.0)


def chain(pen: Pen, rng: Rng) -> None:
    """A metal chain: jewellery or the strap of a bag."""
    path = wander(rng, (0, 0), step=22, count=int(rng.integers(10, 26)), bend=0.7)
    metal = (m.BRASS, m.STEEL, m.COPPER)[rng.integers(3)]
    size = rng.uniform(2.0, 7.0)
    pen.dots(path[:: max(round(size / 4), 1)], metal, size, size * 0.6)
    pen.wire(path, metal, max(size * 0.35, 0.8))


def screwdriver(pen: Pen, rng: Rng) -> None:
    """A screwdriver or a similar rod with a grip."""
    shaft = rng.uniform(60, 140)
    pen.body(rectangle(shaft, 6, shaft / 2, 0), m.STEEL, 6, edge=3)
    pen.body(profile([(-95, 10), (-70, 15), (-20, 14), (0, 8)], rounds=2), m.ABS, 28, edge=13)


def watch(pen: Pen, rng: Rng) -> None:
    """A wrist watch with its strap."""
    pen.vessel(ellipse(40, 40), m.STEEL, 0.7, 11, edge=5, content=m.BRASS, level=0.04)
    pen.dots(rng.normal(0, 6, (7, 2)), m.BRASS, 5, 1.5)
    link = m.STEEL if rng.random() < 0.5 else m.LEATHER
    path = smooth(
        np.array([[18, 0], [55, 15], [70, 60], [30, 95], [-30, 95], [-70, 60], [-55, 15], [-18, 0]]),
        closed=False,
    )
    pen.body(strip(path, 18), link, 2.5)
