"""A source in its shield: a dense cask with a cavity. Lengths in mm.

Casks of industrial radiography hold some 15 kg of depleted uranium; transport casks of lead in a steel jacket go from a
lunchbox to a drum (typical of IAEA SSR-6 type A and B packages).
"""

import numpy as np

from cargosight_inference.scans.attenuation import IRON, LEAD, STEEL, TUNGSTEN, URANIUM, Material
from cargosight_training.simulation.canvas import Pen
from cargosight_training.simulation.cargo.drawing import Rng, cylinder, hollow_box
from cargosight_training.simulation.shapes import arc, ellipse, rectangle, rounded, smooth

_SMALLEST, _LARGEST = 60.0, 600.0
_COSTLY = 220.0  # of uranium or tungsten there are only small ones


def shielded_source(pen: Pen, rng: Rng) -> None:
    """A cask from the size of a fist to that of a drum: a cylinder, a ball or a box."""
    size = float(np.exp(rng.uniform(np.log(_SMALLEST), np.log(_LARGEST))))
    choices, odds = (LEAD, STEEL, IRON, URANIUM, TUNGSTEN), (0.5, 0.12, 0.08, 0.18, 0.12)
    material: Material = choices[rng.choice(5, p=odds)]
    if material in (URANIUM, TUNGSTEN):
        size = min(size, rng.uniform(_SMALLEST, _COSTLY))
    kinds = (_cylinder, _cylinder_end, _ball, _box)
    kinds[rng.choice(4, p=[0.5, 0.15, 0.2, 0.15])](pen, rng, size, material)


def _cavity(pen: Pen, rng: Rng, space: float) -> None:
    """Draw the capsule that lies in a cavity `space` wide."""
    length = min(space * 1.2, rng.uniform(10, 40))
    pen.vessel(rounded(min(space * 0.6, 9.0), length, 2), STEEL, 1.2, min(space * 0.6, 9.0), edge=3)


def _cylinder(pen: Pen, rng: Rng, size: float, material: Material) -> None:
    width = size * rng.uniform(0.5, 0.9)
    radius, jacket = width / 2, rng.uniform(1.5, 2.0 + size / 60)
    wall = radius * rng.uniform(0.4, 0.85)
    axis = pen.at(0, 0, np.pi / 2)
    cylinder(axis, material, width, size, bore=2 * (radius - wall), bore_length=size - 2 * wall)
    cylinder(axis, STEEL, width + 2 * jacket, size + 2 * jacket, bore=width, bore_length=size)
    _cavity(pen, rng, 2 * (radius - wall))
    seam = size * rng.uniform(0.25, 0.4)
    pen.body(rounded(width + 0.18 * size, 0.05 * size + 4, 2, y=-seam), STEEL, 0.4 * width, edge=4)  # flange
    bolts = np.column_stack([np.linspace(-0.5, 0.5, 5) * (width + 0.1 * size), np.full(5, -seam)])
    half = np.array((0.0, 0.05 * size))
    pen.wires([np.array([b - half, b + half]) for b in bolts], STEEL, 3 + size / 40)
    if rng.random() < 0.7:
        handle = arc(0.3 * width, np.pi, 2 * np.pi, 9, y=-size / 2 - jacket)
        pen.wire(handle, STEEL, 5 + size / 60)
    if rng.random() < 0.5:
        foot = rectangle(width * 1.25, 6 + size / 50, 0, size / 2 + jacket)
        pen.body(foot, STEEL, 0.5 * width)


def _cylinder_end(pen: Pen, rng: Rng, size: float, material: Material) -> None:
    """Draw a cylinder seen along its axis, where the chord is the same all over but in the cavity."""
    radius = size * rng.uniform(0.3, 0.5)
    length, hole = size * rng.uniform(0.6, 1.0), radius * rng.uniform(0.2, 0.5)
    pen.body(ellipse(2 * radius, 2 * radius, 48), material, length * 0.4)
    pen.body(ellipse(2 * radius, 2 * radius, 48), material, length * 0.6, holes=[ellipse(2 * hole, 2 * hole)])
    pen.vessel(ellipse(2 * radius + 8, 2 * radius + 8, 48), STEEL, 4, length + 8, edge=4)
    centres = arc(radius * 0.85, 0, 2 * np.pi, 9)[:-1]
    pen.dots(centres, STEEL, 4 + size / 40, 20)
    _cavity(pen, rng, 2 * hole)


def _ball(pen: Pen, rng: Rng, size: float, material: Material) -> None:
    radius = size * rng.uniform(0.32, 0.48)
    wall, jacket = radius * rng.uniform(0.45, 0.85), rng.uniform(1.5, 5.0)
    pen.vessel(ellipse(2 * radius, 2 * radius, 48), material, wall, 2 * radius, edge=radius)
    across = 2 * (radius + jacket)
    pen.vessel(ellipse(across, across, 48), STEEL, jacket, across, edge=across / 2)
    _cavity(pen, rng, 2 * (radius - wall))
    pen.body(rectangle(0.35 * radius, 0.5 * radius, 0, -radius - 0.15 * radius), STEEL, 0.35 * radius, edge=3)
    if rng.random() < 0.6:  # in a drum or crate
        frame = rectangle(2.3 * radius, 2.5 * radius)
        pen.wire(frame, STEEL, 5 + size / 80, closed=True, hollow=3)
        pen.wires([frame[[0, 2]], frame[[1, 3]]], STEEL, 4 + size / 100, hollow=2)


def _box(pen: Pen, rng: Rng, size: float, material: Material) -> None:
    """Draw a projector for radiography: a case with an S-shaped tube through dense matter, or a block with a hole."""
    width, height = size, size * rng.uniform(0.45, 0.8)
    depth = height * rng.uniform(0.7, 1.1)
    core = rounded(width * 0.62, height * 0.62, 0.2 * height)
    tube = np.array([[-0.6 * width, 0.0], [-0.15 * width, 0], [-0.05 * width, 0.1 * height],
                     [0.1 * width, -0.1 * height], [0.2 * width, 0], [0.6 * width, 0]])  # fmt: skip
    pen.vessel(core, material, 0.3 * height, depth * 0.62, edge=0.28 * height)
    pen.wire(smooth(tube, closed=False), STEEL, max(7.0, size / 25), hollow=max(4.5, size / 40))
    hollow_box(pen, width, height, depth, wall=rng.uniform(1.5, 3.5), material=STEEL)
    for x in (-0.5, 0.5):
        pen.body(rounded(0.06 * width + 8, height * 1.08, 4, x=x * width), STEEL, depth * 0.25, edge=4)
    grip = np.array([[-0.3 * width, -height / 2], [-0.25 * width, -height * 0.75], [0.25 * width, -height * 0.75],
                     [0.3 * width, -height / 2]])  # fmt: skip
    pen.wire(grip, STEEL, 10 + size / 60, hollow=7)
