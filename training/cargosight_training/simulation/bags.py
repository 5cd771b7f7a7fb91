"""Bags: the shell, frame, wheels, straps and fittings around the contents. Lengths in mm."""

from dataclasses import dataclass

import numpy as np

from cargosight_training.simulation import materials as m
from cargosight_training.simulation.canvas import Pen
from cargosight_training.simulation.goods import Fabrics
from cargosight_training.simulation.shapes import (
    Points,
    blob,
    dashes,
    ellipse,
    rectangle,
    rounded,
    smooth,
    strip,
    wander,
    wobbly,
)
from cargosight_training.simulation.smalls import buckle, chain, ring_clip, zip_pull

Rng = np.random.Generator


@dataclass(frozen=True)
class Bag:
    """The room in a bag.

    Attributes:
        kind: suitcase, backpack, handbag, case or sack.
        width: of the room along x, mm.
        height: of the room along y, mm.
        clothes: how many garments are usual in it.
    """

    kind: str
    width: float
    height: float
    clothes: float

    def __post_init__(self) -> None:
        if not (self.width > 0.0 and self.height > 0.0):
            raise ValueError(f"a bag has a room of {self.width} x {self.height} mm; expected positive sizes")


_SIZES = {
    "suitcase": ((450, 640), (330, 430), 5.0),
    "backpack": ((380, 500), (280, 350), 2.5),
    "handbag": ((260, 400), (190, 300), 0.8),
    "case": ((360, 460), (260, 340), 1.2),
    "sack": ((280, 420), (220, 330), 1.2),
}
_ODDS = {"suitcase": 0.3, "backpack": 0.32, "handbag": 0.16, "case": 0.12, "sack": 0.1}


def choose_bag(rng: Rng) -> Bag:
    """Return a bag of random kind and size."""
    kind = str(rng.choice(list(_ODDS), p=list(_ODDS.values())))
    wide, high, clothes = _SIZES[kind]
    return Bag(kind, float(rng.uniform(*wide)), float(rng.uniform(*high)), clothes)


def draw_bag(pen: Pen, rng: Rng, bag: Bag, fabrics: Fabrics) -> None:
    """Draw the shell and fittings of `bag` around the pen's origin."""
    builders = {
        "suitcase": _suitcase,
        "backpack": _backpack,
        "handbag": _handbag,
        "case": _case,
        "sack": _sack,
    }
    builders[bag.kind](pen, rng, bag, fabrics)


def _zip(pen: Pen, rng: Rng, path: Points) -> None:
    metal = rng.random() < 0.35
    if metal:
        pen.wires(dashes(path, 2.6, 0.5), m.BRASS if rng.random() < 0.5 else m.ZINC, rng.uniform(1.4, 3.0))
    else:
        pen.wire(path, m.PLASTIC, rng.uniform(3, 6))
    pen.wire(path, m.WEBBING, 9)
    for _ in range(int(rng.integers(1, 3))):
        x, y = path[int(rng.integers(0, len(path)))]
        zip_pull(pen.at(float(x), float(y), rng.uniform(0, 6.3)), rng)


def _walls(pen: Pen, rng: Rng, outline: Points, fabrics: Fabrics) -> None:
    """Cloth of both faces, the seams around, and a few seams across."""
    pen.field(outline, m.CLOTH, fabrics.cut(fabrics.cloth, rng, rng.uniform(3, 10)))
    for inset in rng.uniform(0.86, 1.0, int(rng.integers(3, 8))):
        seam = wobbly(rng, outline * inset, rng.uniform(1, 9)) + rng.normal(0, 3, 2)
        material = (m.WEBBING, m.PVC, m.PLASTIC)[rng.choice(3, p=[0.4, 0.35, 0.25])]
        pen.wire(seam, material, rng.uniform(0.8, 4.5), closed=True)


def _suitcase(pen: Pen, rng: Rng, bag: Bag, fabrics: Fabrics) -> None:
    width, height = bag.width, bag.height
    hard = rng.random() < 0.6
    outline = rounded(width + 20, height + 20, rng.uniform(28, 60))
    if hard:
        pen.vessel(outline, m.ABS, rng.uniform(1.8, 3.0), rng.uniform(60, 110), edge=rng.uniform(12, 30))
        if rng.random() < 0.7:
            grooves = np.linspace(-0.42, 0.42, int(rng.integers(7, 16))) * height
            bars = [np.array([[-0.46 * width, y], [0.46 * width, y]]) for y in grooves]
            pen.wires(bars, m.ABS, rng.uniform(2, 4))
    else:
        _walls(pen, rng, outline, fabrics)
    pen.field(outline * 0.95, m.WEBBING, fabrics.cut(fabrics.cloth, rng, 0.7))
    _zip(pen, rng, np.vstack([outline, outline[:1]]) * 0.985)
    if rng.random() < 0.5:
        frame = rounded(width, height, 30)
        pen.wire(frame, m.STEEL if rng.random() < 0.3 else m.ALUMINIUM, rng.uniform(1.2, 3), closed=True)
    offset, gauge = height * rng.uniform(0.12, 0.24), rng.uniform(16, 26)
    rod, wall = (m.ALUMINIUM, rng.uniform(1.2, 2.2)) if rng.random() < 0.75 else (m.STEEL, 0.8)
    for y in (-offset, offset):
        pen.vessel(rectangle(width * 0.94, gauge, 0, y), rod, wall, 18, edge=2.5)
        pen.vessel(rectangle(width * 0.75, gauge * 0.7, width * 0.09, y), rod, wall, 13, edge=2.0)
        pen.body(rounded(34, gauge * 1.8, 4, x=-0.46 * width, y=y), m.ABS, 24, edge=5)
        pen.dots(
            np.array([[x * width, y + s * gauge * 0.7] for x in (-0.44, 0.44) for s in (-1, 1)]),
            m.STEEL,
            5,
            12,
        )
    pen.body(rounded(26, 2 * offset + gauge, 8, x=0.49 * width), m.ABS, 18, edge=7)
    for y in (-0.42 * height, 0.42 * height):
        _wheel(pen.at(-width / 2 - 22, y, rng.normal(0, 0.3)), rng)
        if rng.random() < 0.6:
            pen.body(rounded(40, 40, 14, x=0.47 * width, y=y), m.ABS, 10, edge=4)
    grip = smooth(
        np.array(
            [[-65, height / 2 + 8], [-50, height / 2 + 34], [50, height / 2 + 34], [65, height / 2 + 8]]
        ),
        closed=False,
    )
    pen.wire(grip, m.RUBBER, 14)
    pen.wire(grip, m.STEEL, 2.5)
    screws = rng.uniform(-0.47, 0.47, (int(rng.integers(6, 18)), 2)) * (width, height)
    pen.dots(screws, m.STEEL, 4.5, 8)


def _wheel(pen: Pen, rng: Rng) -> None:
    size = rng.uniform(38, 55)
    if rng.random() < 0.5:
        pen.body(rounded(size, 20, 6), m.RUBBER, size * 0.8, edge=7)
        pen.body(rounded(size, 20, 6, y=24), m.RUBBER, size * 0.8, edge=7)
        pen.wire(np.array([[0.0, -14.0], [0.0, 40.0]]), m.STEEL, 6)
    else:
        pen.vessel(ellipse(size, size), m.RUBBER, 9, 22, edge=6)
        pen.dots(np.zeros((1, 2)), m.STEEL, 10, 24)
        pen.body(rounded(size * 1.4, size * 0.8, 9, x=size * 0.4), m.ABS, 12, edge=5)
    pen.wire(np.array([[0.0, 0.0], [size * 0.8, 0.0]]), m.STEEL, 7)


def _backpack(pen: Pen, rng: Rng, bag: Bag, fabrics: Fabrics) -> None:
    width, height = bag.width, bag.height
    shape = np.array(
        [
            [-0.54, -0.46],
            [-0.56, 0.0],
            [-0.54, 0.46],
            [0.3, 0.53],
            [0.53, 0.3],
            [0.56, 0.0],
            [0.53, -0.3],
            [0.3, -0.53],
        ]
    )
    shape += rng.normal(0, 0.015, shape.shape)
    outline = smooth(shape * (width + 25, height + 25), closed=True, rounds=3)
    _walls(pen, rng, outline, fabrics)
    pocket = smooth(shape * (width * 0.55, height * 0.8), closed=True, rounds=3) - (0.2 * width, 0)
    _walls(pen, rng, pocket, fabrics)
    _zip(pen, rng, outline[len(outline) // 4 : -len(outline) // 5])
    if rng.random() < 0.7:
        _zip(pen, rng, pocket[len(pocket) // 3 : -len(pocket) // 4])
    pen.body(outline * (0.9, 0.82), m.FOAM, rng.uniform(8, 18), edge=4)
    if rng.random() < 0.35:
        pen.wire(outline[len(outline) // 5 : -len(outline) // 6] * 0.93, m.STEEL, rng.uniform(1, 2.5))
    for side in (-1, 1):
        start = (0.4 * width, side * height * 0.2)
        bend = np.array(
            [
                start,
                (0.1 * width, side * height * 0.55),
                (-0.35 * width, side * height * 0.62),
                (-0.5 * width, side * height * 0.35),
            ]
        )
        strap = smooth(bend + rng.normal(0, 18, bend.shape), closed=False)
        pen.body(strip(strap, 55), m.FOAM, 14)
        pen.wire(strap, m.WEBBING, 3)
        pen.body(strip(strap[len(strap) // 2 :] * (1.05, 1.03), 24), m.WEBBING, 2.5)
        _plastic_buckle(pen.at(float(strap[-2, 0]), float(strap[-2, 1]), rng.uniform(0, 3)), rng)
    handle = smooth(
        np.array([[0.5, -0.12], [0.62, -0.1], [0.62, 0.1], [0.5, 0.12]]) * (width, height), closed=False
    )
    pen.body(strip(handle, 22), m.WEBBING, 4)


def _plastic_buckle(pen: Pen, rng: Rng) -> None:
    if rng.random() < 0.55:
        pen.body(
            rounded(42, 30, 5), m.ABS, 7, edge=3, holes=[rounded(9, 20, 2, x=-11), rounded(9, 20, 2, x=10)]
        )
    else:
        buckle(pen, rng, rng.uniform(26, 42), 32)


def _handbag(pen: Pen, rng: Rng, bag: Bag, fabrics: Fabrics) -> None:
    width, height = bag.width, bag.height
    taper = rng.uniform(0.8, 1.0)
    shape = np.array([[-0.5, 0.5], [0.5, 0.5], [0.5 * taper, -0.5], [-0.5 * taper, -0.5]]) * (
        width + 16,
        height + 16,
    )
    outline = smooth(shape, closed=True, rounds=4)
    leather = rng.random() < 0.6
    if leather:
        pen.vessel(outline, m.LEATHER if rng.random() < 0.5 else m.PVC, rng.uniform(0.8, 1.6), 60, edge=14)
    _walls(pen, rng, outline, fabrics)
    _zip(
        pen,
        rng,
        np.array(
            [
                [-0.45 * taper * width, -0.44 * height],
                [0.0, -0.47 * height],
                [0.45 * taper * width, -0.44 * height],
            ]
        ),
    )
    loop = np.array([[-0.3, -0.48], [-0.25, -0.8], [0.0, -1.0], [0.25, -0.8], [0.3, -0.48]]) * (width, height)
    strap = smooth(loop + rng.normal(0, 22, loop.shape), closed=False)
    if rng.random() < 0.3:
        chain(pen.at(-0.3 * width, -0.5 * height), rng)
    else:
        pen.body(strip(strap, rng.uniform(10, 28)), m.LEATHER, 4, edge=2)
    for x in (-0.3, 0.3):
        ring_clip(pen.at(x * width, -0.47 * height, rng.uniform(0, 6)), rng)
    studs = np.array([[x, 0.47] for x in (-0.44, -0.15, 0.15, 0.44)]) * (width, height)
    pen.dots(studs, m.BRASS, 9, 3)


def _case(pen: Pen, rng: Rng, bag: Bag, fabrics: Fabrics) -> None:
    outline = rounded(bag.width + 18, bag.height + 18, rng.uniform(12, 40))
    _walls(pen, rng, outline, fabrics)
    pen.body(outline * 0.96, m.FOAM, rng.uniform(5, 15), edge=5)
    _zip(pen, rng, np.vstack([outline[-14:], outline[:14]]))
    if rng.random() < 0.6:
        handle = np.array([[-0.16, 0.5], [-0.15, 0.64], [0.15, 0.64], [0.16, 0.5]]) * (bag.width, bag.height)
        pen.body(strip(smooth(handle, closed=False), 26), m.WEBBING, 4, edge=2)
    strap = wander(rng, (0.5 * bag.width, 0.3 * bag.height), step=55, count=9, bend=0.5)
    pen.body(strip(strap, 34), m.WEBBING, 2.2)
    for x, y in (strap[0], strap[-1]):
        ring_clip(pen.at(float(x), float(y), rng.uniform(0, 6)), rng)
    buckle(pen.at(float(strap[12, 0]), float(strap[12, 1]), rng.uniform(0, 3)), rng, 34, 42)


def _sack(pen: Pen, rng: Rng, bag: Bag, fabrics: Fabrics) -> None:
    outline = blob(rng, bag.width + 40, bag.height + 40, rough=0.1, count=11)
    pen.field(outline, m.PLASTIC, fabrics.cut(fabrics.cloth, rng, rng.uniform(0.6, 2.5)))
    pen.wire(outline, m.PLASTIC, 2.5, closed=True)
    for _ in range(int(rng.integers(3, 7))):
        start = outline[int(rng.integers(0, len(outline)))]
        fold = wander(rng, (float(start[0]), float(start[1])), step=40, count=7, bend=0.25)
        pen.wire(fold, m.PLASTIC, rng.uniform(1.5, 3.5))
    if rng.random() < 0.4:
        cord = outline[: len(outline) // 2] * 1.02
        pen.wire(cord, m.WEBBING, 4)
