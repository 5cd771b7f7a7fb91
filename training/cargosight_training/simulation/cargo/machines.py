"""Machines and vehicles of work seen from the side, as they stand in containers. Lengths in mm, upright."""

import numpy as np

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    COPPER,
    IRON,
    LEAD,
    POLYETHYLENE,
    RUBBER,
    STEEL,
)
from cargosight_training.simulation.canvas import Pen
from cargosight_training.simulation.cargo.drawing import PLASTIC, WINDING, WOOD, Rng, cylinder, packed
from cargosight_training.simulation.shapes import (
    ellipse,
    moved,
    profile,
    rectangle,
    rounded,
    smooth,
)


def engine(
    pen: Pen, rng: Rng, length: float, height: float, depth: float, *, cylinders: int | None = None
) -> None:
    """Draw an engine: block, head, sump, pistons, crankshaft and pulleys; 3 to 6 cylinders unless told."""
    metal = ALUMINIUM if rng.random() < 0.55 else IRON
    solid = 0.42 if metal == ALUMINIUM else 0.22  # how much of the outline's chord is metal
    block = rounded(length, height * 0.55, 12)
    pen.vessel(block, metal, 8, depth * 0.75, edge=0.16 * height)
    cylinders = int(rng.integers(3, 7)) if cylinders is None else cylinders
    bore = min(length / cylinders * 0.82, 90.0)
    for index in range(cylinders):
        x = (index - (cylinders - 1) / 2) * length / cylinders
        hole = rectangle(bore, height * 0.42, x, -height * 0.03)
        pen.body(rectangle(bore + 18, height * 0.5, x), metal, depth * solid, edge=4, holes=[hole])
        piston = rectangle(bore * 0.9, bore * 0.6, x, height * rng.uniform(-0.15, 0.1))
        pen.body(piston, ALUMINIUM, bore * 0.5, edge=bore * 0.4)
        pen.wire(np.array([[x, 0.0], [x, height * 0.3]]), STEEL, 20)
    pen.wire(np.array([[-length * 0.52, height * 0.3], [length * 0.55, height * 0.3]]), STEEL, 52)
    counter = rectangle(length / cylinders * 0.35, height * 0.2, 0, height * 0.32)
    for index in range(cylinders):
        pen.body(moved(counter, (index - (cylinders - 1) / 2) * length / cylinders, 0), IRON, 70, edge=8)
    head = rounded(length * 0.98, height * 0.22, 8, y=-height * 0.36)
    pen.body(head, ALUMINIUM, depth * 0.3, edge=8)
    for x in np.linspace(-0.44, 0.44, 2 * cylinders):
        pen.wire(np.array([[x * length, -height * 0.48], [x * length, -height * 0.28]]), STEEL, 9)
    pen.vessel(rounded(length * 0.8, height * 0.2, 10, y=height * 0.44), ALUMINIUM, 4, depth * 0.7, edge=8)
    for y, size in ((0.3, 0.16), (-0.2, 0.11), (0.02, 0.09)):
        wheel = ellipse(height * size * 0.4, height * size * 2, 24, -length * 0.55, height * y)
        pen.body(wheel, STEEL, height * size, edge=6)
    alternator = pen.at(-length * 0.3, -height * 0.05)
    alternator.body(ellipse(height * 0.26, height * 0.26), WINDING, 60, edge=20)


def quad_bike(pen: Pen, rng: Rng) -> None:
    """A quad bike: four fat tyres, a small engine, racks."""
    wheel, base = rng.uniform(520, 640), rng.uniform(1120, 1300)
    ground = 480.0
    hub = ground - wheel / 2
    for x in (-base / 2, base / 2):
        at = pen.at(x, hub).behind(2)
        rim = wheel * 0.46
        at.body(ellipse(wheel, wheel, 40), RUBBER, 75, edge=wheel * 0.2, holes=[ellipse(rim, rim, 30)])
        at.body(ellipse(rim, rim, 30), STEEL, 6)
        at.body(ellipse(rim * 0.4, rim * 0.4), STEEL, 60, edge=12)
        pen.wire(np.array([[x, hub], [x * 0.8, -40.0]]), STEEL, 38, hollow=20)
    for path in (
        [(-base / 2, 80), (-280, 260), (300, 260), (base / 2, 60)],
        [(-base / 2, -60), (base / 2, -60)],
    ):
        pen.behind(2).wire(smooth(np.array(path, dtype=np.float64), closed=False), STEEL, 32, hollow=27)
    engine(pen.at(0, 90), rng, 300, 340, 240, cylinders=1)
    fender = smooth(np.array([[-base * 0.75, 0.0], [-base / 2, -190], [-200, -170], [0, -250], [200, -200],
                              [base / 2, -200], [base * 0.75, -30]]), closed=False)  # fmt: skip
    pen.wire(fender, PLASTIC, 60, hollow=40)
    pen.body(rounded(560, 110, 40, x=180, y=-270), packed(POLYETHYLENE, 0.1), 260, edge=40)
    for x in (-base * 0.55, base * 0.55):
        pen.wires(
            [np.array([[x - 260, -260.0 + d], [x + 260, -260.0 + d]]) for d in (0, 30)], STEEL, 18, hollow=14
        )
    pen.wires(
        [np.array([[-320.0, -240.0], [-220.0, -450.0]]), np.array([[-220.0, -450.0], [-120.0, -440.0]])],
        STEEL,
        28,
    )


def forklift(pen: Pen, rng: Rng) -> None:
    """A small forklift truck: mast, counterweight, battery or engine."""
    tall = rng.uniform(1900, 2100)
    ground = tall / 2
    small, large = 420.0, 560.0
    for x, size in ((-520.0, large), (620.0, small)):
        at = pen.at(x, ground - size / 2).behind(2)
        at.body(ellipse(size, size, 40), RUBBER, 140, edge=8, holes=[ellipse(size * 0.55, size * 0.55)])
        at.body(ellipse(size * 0.55, size * 0.55), STEEL, 40, edge=10)
    weight = [
        (480, ground - 950),
        (900, ground - 880),
        (1000, ground - 500),
        (940, ground - 250),
        (480, ground - 300),
    ]
    pen.body(smooth(np.array(weight), closed=True, rounds=1), IRON, rng.uniform(300, 480), edge=60)
    if rng.random() < 0.5:
        pen.body(
            rounded(820, 560, 10, x=0, y=ground - 620), packed(LEAD, 2.6), 400, edge=5
        )  # lead-acid battery
    else:
        engine(pen.at(120, ground - 620), rng, 560, 520, 420)
    pen.vessel(rounded(1250, 520, 30, x=60, y=ground - 500), STEEL, 6, 900, edge=10)
    for x in (-700.0, -640.0):
        pen.behind(2).body(rectangle(42, tall - 60, x, 0), STEEL, 45, edge=10)
    pen.wire(np.array([[-670.0, ground - 100], [-670.0, -ground + 150]]), STEEL, 60, hollow=40)
    pen.wires(
        [np.array([[-720.0, y], [-600.0, y]]) for y in np.linspace(-ground + 120, ground - 250, 4)], STEEL, 70
    )
    pen.behind(2).body(rectangle(950, 42, -1180, ground - 70), STEEL, 100, edge=12)
    pen.body(rectangle(60, 480, -740, ground - 290), STEEL, 120, edge=10)
    for path in ([(-420, ground - 800), (-330, -ground + 60), (560, -ground + 40), (620, ground - 900)],):
        pen.behind(2).wire(np.array(path, dtype=np.float64), STEEL, 60, hollow=50)
    pen.body(rounded(420, 120, 40, x=220, y=ground - 960), packed(POLYETHYLENE, 0.2), 450, edge=30)


def engine_on_pallet(pen: Pen, rng: Rng) -> None:
    """An engine with its gearbox on a wooden pallet."""
    length, height = rng.uniform(500, 900), rng.uniform(480, 750)
    engine(pen.at(-60, -height / 2), rng, length, height, rng.uniform(380, 560))
    box = profile(
        [
            (length / 2 - 60, height * 0.33),
            (length / 2 + 120, height * 0.2),
            (length / 2 + 330, height * 0.12),
        ]
    )
    pen.vessel(moved(box, 0, -height * 0.35), ALUMINIUM, 9, 320, edge=height * 0.2)
    for x, size in ((40.0, 0.4), (170.0, 0.28), (250.0, 0.2)):
        gear = ellipse(50, height * size, 24, length / 2 + x, -height * 0.35)
        pen.body(gear, STEEL, height * size * 0.6, edge=20)
    pallet(pen.at(60, height * 0.02 + 75), length + 500)


def pallet(pen: Pen, width: float) -> None:
    """Draw an empty wooden pallet seen from its side."""
    pen.body(rectangle(width, 22, 0, -61), WOOD, 1000)
    pen.body(rectangle(width, 22, 0, 61), WOOD, 330)
    for x in (-0.45, 0.0, 0.45):
        pen.body(rectangle(100, 100, x * width), WOOD, 330)


def electric_motor(pen: Pen, rng: Rng) -> None:
    """An electric motor with foot and fins, or the pump that it drives beside it."""
    radius = float(np.exp(rng.uniform(np.log(60), np.log(190))))
    length = radius * rng.uniform(2.6, 3.6)
    wall = max(5.0, radius * 0.07)
    cylinder(pen, IRON, 2 * radius, length, bore=2 * (radius - wall), bore_length=length - 2 * wall)
    cylinder(pen, packed(IRON, 7.3), 1.74 * radius, length * 0.5, bore=0.5 * radius)  # stator and rotor
    for x in (-0.32, 0.32):
        cylinder(pen.at(x * length, 0), WINDING, 1.6 * radius, length * 0.12, bore=radius)
    pen.wire(np.array([[-length * 0.55, 0.0], [length * 0.7, 0.0]]), STEEL, radius * 0.35)
    fins = np.linspace(-0.9, 0.9, 11) * radius
    pen.wires([np.array([[-length * 0.42, y], [length * 0.42, y]]) for y in fins], IRON, 4)
    pen.body(rectangle(length * 0.6, radius * 0.2, 0, radius * 1.15), IRON, radius * 1.4, edge=4)
    pen.vessel(rounded(length * 0.3, radius * 0.45, 6, y=-radius * 1.2), ALUMINIUM, 4, radius, edge=6)
    if rng.random() < 0.45:
        volute = pen.at(length * 0.5 + radius * 0.8, 0)
        volute.vessel(rounded(radius * 1.1, radius * 2.5, 30), IRON, 8, 2.4 * radius, edge=radius * 0.5)
        volute.body(rectangle(radius * 0.35, radius * 1.6), IRON, radius * 0.8, edge=8)
        volute.vessel(
            rectangle(radius * 0.7, radius, 0, -radius * 1.5), IRON, 8, radius * 0.7, edge=radius * 0.35
        )


def transformer(pen: Pen, rng: Rng) -> None:
    """A transformer: a laminated core with three limbs and their windings, or a coil on a core of two."""
    size = float(np.exp(rng.uniform(np.log(90), np.log(450))))
    limbs = 3 if rng.random() < 0.6 else 2
    depth, yoke = size * rng.uniform(0.22, 0.4), size * 0.18
    wide = size * (1.2 if limbs == 3 else 0.9)
    for y in (-1, 1):
        pen.body(rectangle(wide, yoke, 0, y * (size - yoke) / 2), IRON, depth)
    for index in range(limbs):
        x = (index - (limbs - 1) / 2) * (wide - yoke) / max(limbs - 1, 1)
        pen.body(rectangle(yoke, size - 2 * yoke, x), IRON, depth)
        pen.body(rectangle(yoke * 1.9, (size - 2 * yoke) * 0.92, x), WINDING, depth * 0.85, edge=yoke * 0.4,
                 holes=[rectangle(yoke, size - 2 * yoke, x)])  # fmt: skip
        pen.body(rectangle(yoke, (size - 2 * yoke) * 0.92, x), WINDING, depth * 0.35)
    bars = [np.array([[-wide * 0.5, y * size * 0.5], [wide * 0.5, y * size * 0.5]]) for y in (-0.9, 0.9)]
    pen.wires(bars, STEEL, 8 + size / 40)
    leads = np.column_stack([np.linspace(-0.3, 0.3, 4) * wide, np.full(4, -size * 0.5)])
    pen.wires([np.array([p, p - (0, size * 0.15)]) for p in leads], COPPER, 4 + size / 80)
