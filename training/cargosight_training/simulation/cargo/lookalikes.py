"""Benign goods that look like threats: tools, weights, spare parts, and things in regular packs. Lengths in mm."""

import numpy as np

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    CELLULOSE,
    CERAMIC,
    COPPER,
    FAT,
    IRON,
    LEAD,
    RUBBER,
    STEEL,
    WATER,
)
from cargosight_training.simulation import materials as baggage
from cargosight_training.simulation.canvas import Pen
from cargosight_training.simulation.cargo.drawing import (
    CARDBOARD,
    PLASTIC,
    WINDING,
    WOOD,
    Rng,
    cylinder,
    hollow_box,
    packed,
    stacked,
)
from cargosight_training.simulation.cargo.hidden_vehicle import tyre
from cargosight_training.simulation.cargo.threat_packs import counted, seen_from
from cargosight_training.simulation.goods import shoe
from cargosight_training.simulation.shapes import arc, ellipse, moved, profile, rectangle, rounded, smooth
from cargosight_training.simulation.vessels import round_cell

_PAPER = packed(CELLULOSE, 0.8)


def power_drills(pen: Pen, rng: Rng) -> None:
    """One to four cordless drills, whose outline is a pistol's."""
    count = 1 if rng.random() < 0.6 else int(rng.integers(2, 5))
    for index in range(count):
        at = pen.at((index % 2 - (count > 1) / 2) * 230, (index // 2 - (count > 2) / 2) * 240)
        _drill(at, rng)


def _drill(pen: Pen, rng: Rng) -> None:
    length, fat = rng.uniform(150, 195), rng.uniform(56, 68)
    pen = pen.at(-10, -60)
    pen.vessel(rounded(length, fat, 18), PLASTIC, 3, fat, edge=fat / 2)
    pen.body(rounded(62, fat * 0.68, 6, x=-length * 0.26), IRON, fat * 0.35, edge=fat * 0.2)
    pen.body(rectangle(40, fat * 0.6, -length * 0.26), WINDING, fat * 0.25, edge=fat * 0.2)
    pen.body(rounded(52, fat * 0.66, 5, x=length * 0.22), STEEL, fat * 0.3, edge=fat * 0.25)  # gears
    chuck = profile([(length * 0.48, 19), (length * 0.48 + 32, 20), (length * 0.48 + 48, 9)])
    pen.body(chuck, STEEL, 30, edge=17)
    if rng.random() < 0.5:
        bit = rng.uniform(50, 120)
        pen.wire(
            np.array([[length * 0.48 + 40, 0.0], [length * 0.48 + 40 + bit, 0.0]]), STEEL, rng.uniform(4, 9)
        )
    grip = np.array([[-30.0, fat * 0.45], [14, fat * 0.45], [4, 140], [-44, 140]])
    pen.vessel(smooth(grip, closed=True, rounds=1), PLASTIC, 3, 36, edge=14)
    pen.body(rounded(20, 34, 4, x=4, y=fat * 0.7), COPPER, 8, edge=3)
    pen.vessel(rounded(112, 52, 8, x=-16, y=164), PLASTIC, 2.5, 74, edge=6)
    for x in (-50, -28, -6, 16):
        round_cell(pen.at(x, 164, np.pi / 2).behind(2), 42, 18, lithium=True)


def tool_bundle(pen: Pen, rng: Rng) -> None:
    """Wrenches, spanners, hammers and bars side by side, as in a roll or a box."""
    makers = (_pipe_wrench, _spanner, _hammer, _bar)
    count = int(rng.integers(1, 7))
    for index in range(count):
        y = (index - (count - 1) / 2) * rng.uniform(45, 70)
        at = pen.at(rng.normal(0, 18), y, rng.normal(0.0, 0.06) + np.pi * int(rng.integers(2)))
        makers[rng.choice(4, p=[0.35, 0.3, 0.2, 0.15])](at, rng)


def _pipe_wrench(pen: Pen, rng: Rng) -> None:
    length, thick = rng.uniform(220, 420), rng.uniform(13, 19)
    pen.body(
        rounded(length, thick * 1.6, 8, x=-20),
        STEEL,
        thick,
        edge=5,
        holes=[rounded(length * 0.5, 8, 4, x=-50)],
    )
    jaw = np.array([[length * 0.36, 14], [length * 0.36, -16], [length * 0.5, -40], [length * 0.56, -38],
                    [length * 0.5, 2], [length * 0.52, 16]])  # fmt: skip
    pen.body(jaw, STEEL, thick * 1.2, edge=4)
    pen.body(moved(rounded(24, 75, 5), length * 0.46, -12, 0.15), STEEL, thick, edge=4)
    pen.wire(np.array([[length * 0.3, -6.0], [length * 0.44, -6.0]]), STEEL, 24)


def _spanner(pen: Pen, rng: Rng) -> None:
    length, size = rng.uniform(180, 380), rng.uniform(15, 32)
    pen.body(rounded(length, size * 0.75, 5), STEEL, size * 0.3, edge=3)
    for side in (-1, 1):
        end = ellipse(size * 2.1, size * 1.9, 24, side * length / 2, 0)
        mouth = (
            rectangle(size, size, side * (length / 2 + size * 0.4))
            if side > 0
            else ellipse(size, size, 6, -length / 2, 0)
        )
        pen.body(end, STEEL, size * 0.45, edge=3, holes=[mouth])


def _hammer(pen: Pen, rng: Rng) -> None:
    length, head = rng.uniform(250, 380), rng.uniform(90, 140)
    pen.body(rounded(length, 28, 9, x=-20), WOOD, 24, edge=9)
    pen.body(rounded(30, head, 4, x=length / 2 - 20), STEEL, 30, edge=5)


def _bar(pen: Pen, rng: Rng) -> None:
    length = rng.uniform(300, 600)
    path = np.array([[-length / 2, 0.0], [length / 2 - 60, 0], [length / 2 - 20, -20], [length / 2, -50]])
    pen.wire(smooth(path, closed=False), STEEL, rng.uniform(14, 24))


def counterweights(pen: Pen, rng: Rng) -> None:
    """Cast-iron or lead weights: dumbbells, disc weights, blocks of a lift, wheel weights in a box."""
    size, kind = rng.uniform(90, 260), rng.random()
    metal = IRON if rng.random() < 0.8 else LEAD
    if kind < 0.35:
        pen.wire(np.array([[-size * 0.6, 0.0], [size * 0.6, 0.0]]), STEEL, 30)
        for x in (-0.5, 0.5):
            cylinder(pen.at(x * size, 0), metal, size * rng.uniform(0.55, 0.65), size * 0.28)
    elif kind < 0.65:
        count, hole = int(rng.integers(1, 5)), ellipse(30, 30)
        for _ in range(count):
            disc = ellipse(size, size, 40)
            at = pen.at(rng.normal(0, 3), rng.normal(0, 3))
            at.body(disc, metal, 22, holes=[hole])
            at.body(disc, metal, 14, holes=[ellipse(size * 0.8, size * 0.8, 40)])
    else:
        thick = rng.uniform(25, 60)
        grid = (int(rng.integers(1, 3)), int(rng.integers(1, 6)))

        def block(at: Pen) -> None:
            at.body(rounded(size, thick, 3), metal, rng.uniform(0.9, 1.1) * size * 0.4, edge=3)

        stacked(pen, rng, block, grid=grid, step=(size + 6, thick + 3), jitter=2.0)


def car_parts(pen: Pen, rng: Rng) -> None:
    """Brake discs, wheels, dampers, exhausts and gear wheels in a heap."""
    for _ in range(int(rng.integers(3, 9))):
        at = pen.at(rng.normal(0, 170), rng.normal(0, 120), rng.uniform(0, 2 * np.pi))
        kind = rng.random()
        if kind < 0.3:
            size = rng.uniform(230, 330)
            at.body(ellipse(size, size, 40), IRON, 12, holes=[ellipse(size * 0.5, size * 0.5)])
            at.body(ellipse(size * 0.5, size * 0.5), IRON, 7, holes=[ellipse(65, 65)])
        elif kind < 0.45:
            tyre(at, rng, rng.uniform(540, 640), 180, count=1)
        elif kind < 0.7:
            at.wire(np.array([[-240.0, 0.0], [60.0, 0.0]]), STEEL, 50, hollow=42)
            at.wire(np.array([[60.0, 0.0], [260.0, 0.0]]), STEEL, 20)
            spring = np.column_stack([np.linspace(-100, 200, 14), 50 * np.tile([-1.0, 1.0], 7)])
            at.wire(spring, STEEL, 12)
        elif kind < 0.85:
            size = rng.uniform(70, 180)
            at.body(ellipse(size, size, 40), STEEL, 28, edge=4, holes=[ellipse(size * 0.3, size * 0.3)])
        else:
            at.vessel(rounded(380, 150, 60), STEEL, 2, 150, edge=60)
            at.wire(np.array([[-420.0, 0.0], [-190.0, 0.0]]), STEEL, 50, hollow=46)


def books(pen: Pen, rng: Rng) -> None:
    """Books or reams of paper in boxes."""
    length, width, depth = (
        (297, 210, 52) if rng.random() < 0.5 else (rng.uniform(180, 300), rng.uniform(120, 220), 28)
    )
    across, down, along = seen_from(rng, length, width, depth)
    columns, rows, layers = counted(rng, (4, 9, 4), 80)

    def book(at: Pen) -> None:
        at.body(rectangle(across * rng.uniform(0.92, 1.0), down), _PAPER, along, edge=1.0)
        at.vessel(rectangle(across, down + 1), CARDBOARD, 1.5, along, edge=1.0)

    stacked(pen, rng, book, grid=(columns, rows), step=(across + 2, down + 2), layers=layers, jitter=2.0)
    box = (columns * (across + 2) + 14, rows * (down + 2) + 14, layers * along + 8)
    hollow_box(pen, *box, wall=4, material=CARDBOARD)


def tea_and_soap(pen: Pen, rng: Rng) -> None:
    """Pressed tea, coffee, sugar or soap in bricks of a quarter to a whole kilogram."""
    matter = (packed(CELLULOSE, 0.55), packed(FAT, 1.02), packed(CELLULOSE, 0.9))[rng.integers(3)]
    length, width, depth = rng.uniform(80, 220), rng.uniform(60, 130), rng.uniform(30, 60)
    across, down, along = seen_from(rng, length, width, depth)
    columns, rows, layers = counted(rng, (8, 8, 6), 400)

    def brick(at: Pen) -> None:
        at.body(rounded(across, down, 7), matter, along, edge=5)
        at.vessel(rounded(across + 1, down + 1, 6), CARDBOARD, 0.6, along, edge=4)

    stacked(pen, rng, brick, grid=(columns, rows), step=(across + 3, down + 3), layers=layers, jitter=1.5)


def tiles(pen: Pen, rng: Rng) -> None:
    """Ceramic tiles on edge in cartons, with gaps between the cartons."""
    side, thick = rng.uniform(150, 600), rng.uniform(7, 11)
    count = int(rng.integers(6, 14))
    columns, rows, layers = counted(rng, (4, 3, 2), 14)

    def carton(at: Pen) -> None:
        for index in range(count):
            x = (index - (count - 1) / 2) * (thick + 0.6)
            at.body(rectangle(thick, side, x), CERAMIC, side)
        hollow_box(at, count * (thick + 0.6) + 6, side + 6, side + 6, wall=2.5, material=CARDBOARD)

    step = (count * (thick + 0.6) + 9, side + 9)
    stacked(pen, rng, carton, grid=(columns, rows), step=step, layers=layers, jitter=1.5)


def shoe_boxes(pen: Pen, rng: Rng) -> None:
    """Shoe boxes, two shoes in each."""
    columns, rows, layers = counted(rng, (4, 5, 3), 40)

    def box(at: Pen) -> None:
        hollow_box(at, 320, 118, 190, wall=1.6, material=CARDBOARD)
        at.body(rectangle(320, 30, 0, -46), CARDBOARD, 3.2)  # the lid over both sides
        at = at.at(0, 6, np.pi * int(rng.integers(2)), 0.92)
        shoe(at, rng)

    stacked(pen, rng, box, grid=(columns, rows), step=(323, 121), layers=layers, jitter=2.0)


def biscuits(pen: Pen, rng: Rng) -> None:
    """Biscuits or crisps in foil in cartons."""
    length, height = rng.uniform(150, 260), rng.uniform(50, 75)
    columns, rows, layers = counted(rng, (4, 10, 5), 300)
    round_ones = packed(CELLULOSE, rng.uniform(0.35, 0.6))
    discs = int(length / 7)

    def roll(at: Pen) -> None:
        cylinder(at, round_ones, height, length)
        x = np.linspace(-0.5, 0.5, discs) * length
        at.wires([np.array([[a, -height * 0.45], [a, height * 0.45]]) for a in x], round_ones, 3.0)
        hollow_box(at, length + 12, height + 1, height, wall=0.06, material=ALUMINIUM)

    stacked(pen, rng, roll, grid=(columns, rows), step=(length + 14, height + 2), layers=layers, jitter=1.5)
    box = (columns * (length + 14) + 8, rows * (height + 2) + 8, layers * height)
    hollow_box(pen, *box, wall=4, material=CARDBOARD)


def car_batteries(pen: Pen, rng: Rng) -> None:
    """Lead-acid batteries, one or a shelf of them."""
    width, height, depth = rng.uniform(200, 350), rng.uniform(160, 200), 175.0
    columns, rows, layers = counted(rng, (4, 3, 2), 14)

    def battery(at: Pen) -> None:
        at.vessel(rounded(width, height, 4), PLASTIC, 4, depth, edge=4, content=WATER, level=0.35)
        for x in (np.arange(6) - 2.5) * width / 6:
            at.body(rectangle(width / 6 - 5, height * 0.62, x, height * 0.06), packed(LEAD, 3.2), depth - 20)
            at.body(rectangle(width / 12, 12, x, -height * 0.33), LEAD, 40, edge=3)
        at.wire(np.array([[-width * 0.42, -height * 0.34], [width * 0.42, -height * 0.34]]), LEAD, 11)
        for x in (-0.4, 0.4):
            at.body(rectangle(16, 20, x * width, -height / 2 - 8), LEAD, 16, edge=7)

    stacked(pen, rng, battery, grid=(columns, rows), step=(width + 5, height + 30), layers=layers, jitter=1.5)


def tin_cans(pen: Pen, rng: Rng) -> None:
    """Full tins in trays."""
    diameter, height = rng.uniform(60, 105), rng.uniform(40, 125)
    columns, rows, layers = counted(rng, (8, 6, 6), 250)
    food = (WATER, packed(CELLULOSE, 0.95), FAT)[rng.integers(3)]

    def tin(at: Pen) -> None:
        standing = at.at(0, 0, np.pi / 2)
        cylinder(standing, STEEL, diameter, height, bore=diameter - 0.5, bore_length=height - 0.6)
        cylinder(standing, food, diameter - 0.5, height * 0.95)
        for y in (-height / 2, height / 2):  # the folded rims
            at.body(rectangle(diameter, 2.4, 0, y), STEEL, 2.0)

    stacked(pen, rng, tin, grid=(columns, rows), step=(diameter + 1, height + 4), layers=layers, jitter=0.6)


def flasks_and_rollers(pen: Pen, rng: Rng) -> None:
    """Round things of steel with a hollow: bearings, rollers, gas bottles, valves."""
    size, kind = rng.uniform(70, 320), rng.random()
    if kind < 0.35:
        pen.body(ellipse(size, size, 40), STEEL, size * 0.3, holes=[ellipse(size * 0.82, size * 0.82, 40)])
        pen.body(
            ellipse(size * 0.62, size * 0.62, 40),
            STEEL,
            size * 0.3,
            holes=[ellipse(size * 0.45, size * 0.45)],
        )
        ring = arc(size * 0.36, 0, 2 * np.pi, 15)[:-1]
        pen.dots(ring, STEEL, size * 0.09, size * 0.09 * 0.7)
    elif kind < 0.65:
        bottle = profile(
            [(-size, size * 0.25), (size * 0.7, size * 0.25), (size * 0.9, size * 0.1), (size, size * 0.08)]
        )
        pen.vessel(bottle, STEEL, rng.uniform(3, 7), size * 0.5, edge=size * 0.25)
        pen.body(rectangle(30, 40, size + 16), packed(COPPER, 8.4), 25, edge=8)
    else:
        pen.vessel(rectangle(size, size * 0.5), RUBBER, size * 0.06, size * 0.5, edge=size * 0.25)
        pen.vessel(rectangle(size, size * 0.38), STEEL, 8, size * 0.38, edge=size * 0.19)
        pen.wire(np.array([[-size * 0.7, 0.0], [size * 0.7, 0.0]]), STEEL, 30)


def appliances(pen: Pen, rng: Rng) -> None:
    """Small electric goods in rows of cartons: boards, windings and plastic."""
    columns, rows, layers = counted(rng, (3, 3, 2), 12)

    width, height, shell = rng.uniform(180, 300), rng.uniform(150, 260), rng.uniform(15, 60)
    motor, side = rng.uniform(40, 90), rng.choice([-1.0, 1.0])
    place = (side * rng.uniform(0.1, 0.25) * width, rng.uniform(-0.2, 0.2) * height)

    def carton(at: Pen) -> None:
        hollow_box(at, width, height, 200, wall=3, material=CARDBOARD)
        at.vessel(rounded(width * 0.8, height * 0.75, shell), PLASTIC, 2.5, 150, edge=30)
        at.body(ellipse(motor, motor, x=place[0], y=place[1]), IRON, motor * 0.3, edge=8)
        at.body(ellipse(motor * 0.8, motor * 0.8, x=place[0], y=place[1]), WINDING, motor * 0.2, edge=8)
        at.body(rectangle(width * 0.3, height * 0.3, -place[0]), baggage.BOARD, 3.2)
        at.body(rounded(width * 0.55, 20, 5, y=height * 0.28), PLASTIC, 60)

    stacked(pen, rng, carton, grid=(columns, rows), step=(width + 3, height + 3), layers=layers, jitter=2.0)
