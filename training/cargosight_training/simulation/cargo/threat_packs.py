"""Contraband in regular packs: bricks of narcotics or explosive, cash, cigarettes, lithium batteries. Lengths in mm."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    CELLULOSE,
    COCAINE,
    COPPER,
    EXPLOSIVE,
    POLYETHYLENE,
    STEEL,
)
from cargosight_training.simulation import materials as baggage
from cargosight_training.simulation.canvas import Pen
from cargosight_training.simulation.cargo.drawing import CARDBOARD, PLASTIC, Rng, hollow_box, packed, stacked
from cargosight_training.simulation.electronics import board
from cargosight_training.simulation.shapes import dashes, rectangle, rounded, smooth, wander

Sizes = tuple[float, float, float]
_NOTES = packed(CELLULOSE, 0.82)
_TOBACCO = packed(CELLULOSE, 0.27)
_FILTER = packed(CELLULOSE, 0.14)
_MOST_BRICKS = 250
_CELL_GRAMS_CM3 = 2.65


def seen_from(rng: Rng, length: float, width: float, depth: float) -> Sizes:
    """Return across, down and along the beam, of a box that stands or lies in any of its three ways."""
    ways = ((length, width, depth), (length, depth, width), (width, depth, length))
    return ways[rng.choice(3, p=[0.4, 0.35, 0.25])]


def counted(rng: Rng, most: tuple[int, int, int], limit: float) -> tuple[int, int, int]:
    """Return columns, rows and layers from 1 to `most`, fewer layers where they would be more than `limit` pieces."""
    columns, rows, layers = (int(np.ceil(count * rng.random() ** 1.5)) for count in most)
    return columns, rows, max(1, min(layers, int(limit / (columns * rows))))


@dataclass(frozen=True)
class Piece:
    """One pack of many.

    Attributes:
        size: across, down and along the beam in mm.
        paint: draws it around the pen.
    """

    size: Sizes
    paint: Callable[[Pen], None]


def brick(rng: Rng) -> Piece:
    """Return a pressed brick of about a kilogram, wrapped in tape."""
    mass, density = rng.uniform(0.88, 1.14), rng.uniform(1.0, 1.35)
    powder = (COCAINE, EXPLOSIVE, CELLULOSE)[rng.choice(3, p=[0.55, 0.2, 0.25])]
    length, width = rng.uniform(185, 245), rng.uniform(105, 150)
    depth = mass * 1e6 / (density * length * width)
    across, down, along = seen_from(rng, length, width, depth)
    matter, tape = packed(powder, density), rng.uniform(0.3, 0.9)

    def paint(pen: Pen) -> None:
        pen.body(rounded(across, down, 5), matter, along, edge=min(5.0, along / 3))
        wrapped = rounded(across + 2 * tape, down + 2 * tape, 5)
        pen.vessel(wrapped, POLYETHYLENE, tape, along + 2 * tape, edge=4)
        pen.body(rounded(across * 0.25, down * 0.25, 5), packed(POLYETHYLENE, 0.9), 1.5)  # the maker's seal

    return Piece((across, down, along), paint)


def brick_packs(pen: Pen, rng: Rng) -> None:
    """One brick, or a stack with some missing."""
    piece = brick(rng)
    across, down, _ = piece.size
    columns, rows, layers = counted(rng, (6, 7, 5), _MOST_BRICKS)
    missing = 0.15 if rng.random() < 0.4 else 0.0
    begun = False

    def paint(at: Pen) -> None:
        nonlocal begun
        if not begun or rng.random() >= missing:
            piece.paint(at)
        begun = True

    stacked(pen, rng, paint, grid=(columns, rows), step=(across + 3, down + 3), layers=layers, jitter=2.0)


def banknotes(rng: Rng) -> Piece:
    """Return a banded bundle of a hundred banknotes."""
    length, width, depth = rng.uniform(133, 160), rng.uniform(65, 80), rng.uniform(10.5, 13.5)
    across, down, along = seen_from(rng, length, width, depth)

    def paint(pen: Pen) -> None:
        pen.body(rounded(across, down, 1.5), _NOTES, along, edge=1.0)
        # The band goes round the notes: seen square on it is thin, along its own way it is a line.
        pen.body(rectangle(32.0 if across > 100 else 4.0, down + 0.4), CARDBOARD, 0.6)
        pen.vessel(rectangle(across + 0.6, down + 0.6), POLYETHYLENE, 0.3, along, edge=0.6)

    return Piece((across, down, along), paint)


def cash(pen: Pen, rng: Rng) -> None:
    """Banknotes in bundles, stacked as loose or as tight as they come."""
    piece = banknotes(rng)
    across, down, along = piece.size
    most = (max(1, int(560 / across)), max(1, int(380 / down)), max(1, int(320 / along)))
    columns, rows, layers = counted(rng, most, 3000)
    if columns * rows * layers < 4:
        layers = max(layers, 4)
    gap = rng.uniform(0.5, 2.5)
    step = (across + gap, down + gap)
    stacked(pen, rng, piece.paint, grid=(columns, rows), step=step, layers=layers, jitter=0.9)


def carton(rng: Rng) -> Piece:
    """Return a carton of ten packs of twenty cigarettes, seen on its five packs or on its end."""
    pack, height, depth = rng.uniform(53, 57), rng.uniform(83, 100), rng.uniform(20, 24)
    parts = 5 if rng.random() < 0.67 else 2
    across, along = (5 * pack, 2 * depth) if parts == 5 else (2 * depth, 5 * pack)

    def paint(pen: Pen) -> None:
        pen.body(rectangle(across - 4, height * 0.66, 0, height * 0.14), _TOBACCO, along - 4)
        pen.body(rectangle(across - 4, height * 0.28, 0, -height * 0.33), _FILTER, along - 4)
        hollow_box(pen, across, height, along, wall=0.6, material=CARDBOARD)
        for index in range(1, parts):  # board and foil between the packs, seen along
            x = (index / parts - 0.5) * across
            pen.body(rectangle(1.6, height - 2, x), CARDBOARD, along * 0.7)
            pen.body(rectangle(1.6, height - 2, x), ALUMINIUM, along * 0.02)
        pen.body(rectangle(across - 4, 1.6, 0, -height * 0.47), ALUMINIUM, along * 0.02)

    return Piece((across, height, along), paint)


def cigarettes(pen: Pen, rng: Rng) -> None:
    """Cartons of cigarettes, from one to several master cases of fifty."""
    piece = carton(rng)
    across, height, along = piece.size
    columns, rows, layers = counted(rng, (max(1, int(1200 / across)), 9, max(1, int(700 / along))), 750)
    step = (across + 1, height + 1)
    stacked(pen, rng, piece.paint, grid=(columns, rows), step=step, layers=layers, jitter=0.6)
    if layers > 2:  # master cases
        hollow_box(
            pen,
            columns * step[0] + 10,
            rows * step[1] + 10,
            layers * along,
            wall=4.0,
            material=CARDBOARD,
        )


def batteries(pen: Pen, rng: Rng) -> None:
    """Lithium cells in rows: round ones from the side or the end, prismatic ones, or modules of a car."""
    kinds = (_round_cells, _round_ends, _prismatic)
    kinds[rng.integers(3)](pen, rng)
    if rng.random() < 0.4:
        board(pen.at(rng.uniform(-40, 40), rng.uniform(-20, 20)), rng, 90, 30, 10)


def _cell_size(rng: Rng) -> tuple[float, float]:
    return ((18.4, 65.0), (21.2, 70.0), (26.0, 65.0), (46.0, 80.0))[rng.choice(4, p=[0.55, 0.3, 0.08, 0.07])]


def _round_cells(pen: Pen, rng: Rng) -> None:
    diameter, length = _cell_size(rng)
    columns, rows, layers = counted(rng, (20, 5, 8), 1500)
    columns, rows = max(columns, 3), max(rows, 1)
    matter = packed_cell(_CELL_GRAMS_CM3)
    x = (np.arange(columns) - (columns - 1) / 2) * (diameter + 0.8)
    y = (np.arange(rows) - (rows - 1) / 2) * (length + 6)
    apart = min(layers, 2)
    for index in range(apart):
        layer = pen.at(rng.normal(0, 1.0) + index * diameter / 2, rng.normal(0, 1.0)).behind(layers / apart)
        for b in y:
            cells = [np.array([[a, b - length / 2 + 3], [a, b + length / 2]]) for a in x]
            caps = [np.array([[a, b - length / 2], [a, b - length / 2 + 3]]) for a in x]
            layer.wires(cells, matter, diameter - 0.6)
            layer.wires(caps, STEEL, diameter * 0.7, hollow=diameter * 0.5)
            strip = rectangle(columns * (diameter + 0.8), 7, 0, b + length / 2 + 1)
            layer.body(strip, STEEL, 3, edge=1)  # nickel strip, folded
    case = (columns * (diameter + 0.8) + diameter + 6, rows * (length + 6) + 8, layers * diameter + 6)
    hollow_box(pen, *case, wall=1.6, material=PLASTIC)


def _round_ends(pen: Pen, rng: Rng) -> None:
    diameter, length = _cell_size(rng)
    columns, rows, layers = counted(rng, (24, 16, 3), 1500)
    columns, rows = max(columns, 4), max(rows, 3)
    shift = diameter / 2 if rng.random() < 0.6 else 0.0
    step = diameter + rng.uniform(0.4, 2.2)
    rise = step * (0.87 if shift else 1.0)
    centres = np.array([
        ((column - (columns - 1) / 2) * step + shift * (row % 2), (row - (rows - 1) / 2) * rise)
        for row in range(rows) for column in range(columns)
    ])  # fmt: skip
    whole = pen.behind(layers)
    whole.dots(centres, packed_cell(_CELL_GRAMS_CM3), diameter - 0.6, length * 0.93)
    whole.dots(centres, packed(POLYETHYLENE, 0.5), diameter * 0.2, 6.0)
    whole.wires(
        [np.array([[-columns * step / 2, y], [columns * step / 2, y]]) for y in np.unique(centres[:, 1])],
        STEEL,
        1.0,
    )
    case = (columns * step + diameter + 6, rows * rise + diameter, layers * length)
    hollow_box(pen, *case, wall=2.0, material=PLASTIC)


def _prismatic(pen: Pen, rng: Rng) -> None:
    """Draw prismatic or pouch cells pressed together in an aluminium frame with busbars."""
    length, height, depth = rng.uniform(95, 180), rng.uniform(80, 125), rng.uniform(8, 52)
    across, along = (depth, length) if rng.random() < 0.65 else (length, depth)
    most = (max(1, int(700 / across)), 3, max(1, int(400 / along)))
    columns, rows, layers = counted(rng, most, 200)
    matter = packed_cell(2.05)

    def cell(at: Pen) -> None:
        at.body(rounded(across - 1, height, 2), matter, along - 2, edge=min(2.0, across / 4))
        at.vessel(rounded(across - 0.4, height + 1, 2), ALUMINIUM, 0.8, along, edge=1.5)
        for x in (-across * 0.25, across * 0.25):
            at.body(rectangle(max(4.0, across * 0.12), 8, x, -height / 2 - 4), COPPER, 14, edge=2)

    stacked(pen, rng, cell, grid=(columns, rows), step=(across + 0.6, height + 16), layers=layers, jitter=0.2)
    for row in range(rows):
        y = (row - (rows - 1) / 2) * (height + 16) - height / 2 - 8
        line = np.array([[-columns * across / 2, y], [columns * across / 2, y]])
        pen.behind(layers).wires(dashes(line, 2 * across, 0.8), COPPER, 3)
    for x in (-1, 1):
        plate = rectangle(8, rows * (height + 16), x * (columns * (across + 0.6) / 2 + 4))
        pen.body(plate, ALUMINIUM, min(layers * along, 220) * 0.5)
    tail = wander(rng, (0.0, -rows * (height + 16) / 2 + 10), step=25, count=4, bend=0.5)
    pen.wire(smooth(tail, closed=False), COPPER, 5)


def packed_cell(density: float) -> baggage.Material:
    """Return the matter of lithium cells at a density in g/cm3."""
    return baggage.Material("lithium-ion cell", density, baggage.CELL.high, baggage.CELL.low)
