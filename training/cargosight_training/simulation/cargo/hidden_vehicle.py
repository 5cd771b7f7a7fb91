"""Cars and motorcycles seen from the side, as they are hidden in containers. Lengths in mm, wheels down."""

import numpy as np

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    GLASS,
    IRON,
    LEAD,
    POLYETHYLENE,
    RUBBER,
    STEEL,
    WATER,
)
from cargosight_training.simulation.canvas import Pen
from cargosight_training.simulation.cargo.drawing import PLASTIC, Rng, packed
from cargosight_training.simulation.cargo.machines import engine
from cargosight_training.simulation.shapes import (
    Points,
    arc,
    ellipse,
    moved,
    rectangle,
    rounded,
    smooth,
    strip,
)

CAR_REACH = (2500.0, 1100.0)
"""How far from the middle a car may reach sidewards, and up or down."""
_FOAM = packed(POLYETHYLENE, 0.06)
_PETROL = packed(POLYETHYLENE, 0.75)


def hidden_vehicle(pen: Pen, rng: Rng) -> None:
    """A car or a motorcycle."""
    (car if rng.random() < 0.6 else motorcycle)(pen, rng)


def tyre(pen: Pen, rng: Rng, diameter: float, width: float, *, count: int = 2, spokes: int = 0) -> None:
    """Draw wheels seen along their axle, `count` one behind the other; with `spokes` those of a motorcycle."""
    rim = diameter * (0.64 if spokes == 0 else 0.74)
    many = pen.behind(count)
    many.body(
        ellipse(diameter, diameter, 48),
        RUBBER,
        width * 0.42,
        edge=0.06 * diameter,
        holes=[ellipse(rim, rim, 48)],
    )
    many.body(
        ellipse(diameter, diameter, 48), RUBBER, 18, holes=[ellipse(diameter - 34, diameter - 34, 48)]
    )  # tread
    many.wire(arc(rim / 2, 0, 2 * np.pi, 40), STEEL, 5)  # bead wires
    light = spokes > 0 or rng.random() < 0.6
    metal, gauge = (ALUMINIUM, 14.0) if light else (STEEL, 5.0)
    many.body(ellipse(rim, rim, 48), metal, width * 0.25, holes=[ellipse(rim * 0.9, rim * 0.9, 48)])
    if spokes:
        angles = rng.uniform(0, 1) + np.linspace(0, 2 * np.pi, spokes, endpoint=False)
        ends = np.column_stack([np.cos(angles), np.sin(angles)])
        many.wires([np.array([0.06 * diameter * e, 0.46 * rim * e]) for e in ends], STEEL, 3.5)
    else:
        count_arms = int(rng.integers(5, 11))
        angles = rng.uniform(0, 1) + np.linspace(0, 2 * np.pi, count_arms, endpoint=False)
        for angle in angles.tolist():
            arm = rectangle(rim * 0.36, rim * 0.9 / count_arms, rim * 0.27)
            many.body(moved(arm, 0, 0, angle), metal, gauge, edge=3)
    many.body(ellipse(rim * 0.3, rim * 0.3), STEEL, width * 0.25, edge=6)  # hub
    disc = rim * (0.62 if not spokes else 0.5)
    many.body(ellipse(disc, disc, 40), IRON, 14 if not spokes else 5, holes=[ellipse(disc * 0.4, disc * 0.4)])


def car(pen: Pen, rng: Rng) -> None:
    """A car of 3.5 to 4.8 m, of 800 to 1,500 kg."""
    pen = pen.behind(rng.uniform(1.3, 1.75))  # cables, brackets, trim and sound proofing that nobody draws
    length, high, wheel = rng.uniform(3500, 4800), rng.uniform(1380, 1640), rng.uniform(560, 680)
    ground, wide = high / 2, rng.uniform(1600, 1800)
    base = length * rng.uniform(0.58, 0.62)
    sill, belt = ground - wheel * 0.45, ground - high * 0.6
    front, back, roof = -length / 2, length / 2, ground - high
    boot = rng.random() < 0.5
    rear = (
        [(back - length * 0.2, belt), (back - length * 0.02, belt + 40)] if boot else [(back - 60, belt + 20)]
    )
    nose = [(front, belt + 250), (front + 90, belt + 60), (front + length * 0.24, belt)]
    top = [(front + length * 0.37, roof + 25), (front + length * 0.5, roof), (back - length * 0.3, roof + 15)]
    shell = [*nose, *top, *rear, (back, belt + 300), (back - 60, sill), (front + 60, sill)]
    outline = smooth(np.array(shell), closed=True, rounds=2)
    axles = (front + length * 0.19, front + length * 0.19 + base)
    arches = [ellipse(wheel * 1.15, wheel * 1.15, 40, x, ground - wheel / 2) for x in axles]
    windows = _windows(front, back, length, belt, roof)
    pen.body(
        outline, STEEL, rng.uniform(4.2, 5.6), holes=[*windows, *arches]
    )  # both sides, inner and outer panel
    # Roof, bonnet, tail and underside are seen along: a sheet of 0.8 mm as wide as the car, curved over 48 mm.
    pen.body(strip(np.vstack([outline, outline[:1]]), 48.0), STEEL, 0.8 * wide / 48.0)
    pen.body(outline, PLASTIC, rng.uniform(7, 12))  # linings on both sides, cables, carpets
    for share in (0.24, 0.78):  # bulkheads across the car
        wall = moved(
            rectangle(24, sill - belt), front + length * share, (sill + belt) / 2, rng.normal(0.0, 0.1)
        )
        pen.body(wall, STEEL, 0.9 * wide / 24.0)
    for window in windows:
        pen.body(window, GLASS, 8)
    _floor(pen, rng, (front, back), sill=sill, wide=wide, axles=axles)
    _inside(pen, rng, (front, back), (belt, sill), length)
    for x in axles:
        tyre(pen.at(x, ground - wheel / 2), rng, wheel, rng.uniform(175, 225))
    bay = front + length * 0.13
    engine(pen.at(bay, belt + (sill - belt) * 0.5), rng, rng.uniform(420, 560), rng.uniform(480, 600), 640)
    pen.body(ellipse(420, 380, 24, bay + 200, sill - 120), ALUMINIUM, 130, edge=60)  # gearbox
    pen.body(ellipse(240, 220, 24, bay + 200, sill - 110), STEEL, 65, edge=60)  # its gears
    pen.body(rounded(230, 190, 10, x=bay + length * 0.09, y=belt + 160), LEAD, 42)  # battery plates
    pen.vessel(
        rounded(60, 420, 8, x=front + 110, y=belt + 300), ALUMINIUM, 10, 600, edge=6, content=WATER, level=0.3
    )


def _windows(front: float, back: float, length: float, belt: float, roof: float) -> list[Points]:
    pillar = front + length * 0.53
    first = [(front + length * 0.29, belt - 15), (front + length * 0.39, roof + 75), (pillar - 40, roof + 65),
             (pillar - 40, belt - 15)]  # fmt: skip
    second = [(pillar + 40, belt - 15), (pillar + 40, roof + 65), (back - length * 0.3, roof + 80),
              (back - length * 0.2, belt - 15)]  # fmt: skip
    return [np.array(first), np.array(second)]


def _floor(
    pen: Pen, rng: Rng, ends: tuple[float, float], *, sill: float, wide: float, axles: tuple[float, float]
) -> None:
    front, back = ends
    long = back - front
    pen.body(
        rectangle(long * 0.8, 70, (front + back) / 2, sill - 30), STEEL, wide * 0.02, edge=20
    )  # ribbed sheet
    for y in (-50, 10):  # sills, two boxes one behind the other
        pen.body(rectangle(long * 0.5, 30, (front + back) / 2, sill + y), STEEL, 7)
    for x in (front + 50, back - 50):
        pen.body(rounded(90, 150, 20, x=x, y=sill - 160), STEEL, 45, edge=10)  # bumper beams
        pen.vessel(rounded(160, 320, 50, x=x, y=sill - 150), PLASTIC, 3, wide * 0.1, edge=20)
    for x in axles:
        pen.wire(ellipse(90, 90, 20, x, sill + 20), STEEL, 40, closed=True)
        pen.wire(np.array([[x, sill + 10], [x + 30, sill - 420]]), STEEL, 40, hollow=18)  # dampers
        spring = np.column_stack([x + 20 + 55 * np.tile([-1, 1], 5), np.linspace(sill - 60, sill - 350, 10)])
        pen.wire(spring, STEEL, 20)
    pipe = np.array(
        [[front + long * 0.2, sill + 25], [front + long * 0.5, sill + 40], [back - 120, sill + 5]]
    )
    pen.wire(pipe, STEEL, 55, hollow=51)
    pen.vessel(rounded(480, 140, 60, x=front + long * 0.82, y=sill + 10), STEEL, 2, 170, edge=60)
    tank = rounded(520, 190, 40, x=front + long * 0.66, y=sill - 110)
    fill = rng.uniform(0.05, 0.5)
    pen.vessel(tank, PLASTIC, 5, 600, edge=40, content=_PETROL, level=fill)


def _inside(
    pen: Pen, rng: Rng, ends: tuple[float, float], heights: tuple[float, float], length: float
) -> None:
    front, _ = ends
    belt, sill = heights
    for share, width in ((0.47, 1000.0), (0.68, 1250.0)):  # front and rear seats
        x = front + length * share
        pen.body(rounded(520, 170, 60, x=x, y=sill - 190), _FOAM, width, edge=50)
        lean = moved(rounded(150, 620, 60), x + 280, sill - 480, 0.28)
        pen.body(lean, _FOAM, width, edge=40)
        frame = moved(rectangle(60, 600), x + 280, sill - 480, 0.28)
        pen.wires([frame[[0, 3]], frame[[1, 2]]], STEEL, 26, hollow=20)
        pen.wires([np.array([[x - 240, sill - 120], [x + 240, sill - 110]])], STEEL, 40, hollow=34)
        pen.body(ellipse(120, 170, 24, x + 370, belt - 130), _FOAM, width * 0.5, edge=40)
    dash = moved(rounded(330, 260, 70), front + length * 0.32, belt + 120)
    pen.vessel(dash, PLASTIC, 4, 1200, edge=60)
    pen.wire(
        np.array([[front + length * 0.32, belt + 60], [front + length * 0.36, belt + 60]]),
        STEEL,
        120,
        hollow=112,
    )
    wheel = moved(ellipse(70, 370), front + length * 0.385, belt + 90, -0.3)
    pen.wire(wheel, STEEL, 14, closed=True)
    for share in (0.42, 0.6):  # locks, winders and impact bars of the doors
        x = front + length * share + rng.normal(0, 20)
        pen.wire(np.array([[x - 320, belt + 250], [x + 330, belt + 300]]), STEEL, 45, hollow=40)
        pen.body(rounded(90, 130, 10, x=x + 330, y=belt + 130), STEEL, 20, edge=6)


def motorcycle(pen: Pen, rng: Rng) -> None:
    """A motorcycle, whole or without its front wheel."""
    base, wheel = rng.uniform(1250, 1550), rng.uniform(580, 660)
    ground = 520.0
    hub = ground - wheel / 2
    front, back = -base / 2, base / 2
    spoked = rng.random() < 0.4
    tyre(pen.at(back, hub), rng, wheel, rng.uniform(120, 180), count=1, spokes=36 if spoked else 0)
    if rng.random() < 0.8:
        tyre(pen.at(front, hub), rng, wheel, rng.uniform(90, 120), count=1, spokes=36 if spoked else 0)
    head = (front + 330, -330.0)
    pen.behind(2).wire(np.array([[front, hub], head]), STEEL, 46, hollow=36)  # fork
    pen.wires([np.array([head, (head[0] + 30, head[1] - 130)]), np.array([head, (head[0] + 190, head[1] - 120)])],
              STEEL, 25, hollow=20)  # fmt: skip
    swing = np.array([[back, hub], [70.0, 150.0]])
    pen.behind(2).wire(swing, STEEL, 45, hollow=38)
    for path in (
        [head, (-60, 250), (90, 260), (120, 100)],
        [head, (250, -190), (480, -200)],
        [(120, 100), (420, -190)],
    ):
        pen.behind(2).wire(np.array(path, dtype=np.float64), STEEL, 36, hollow=31)
    pen.wire(np.array([[back - 60, hub - 90], [330.0, -150.0]]), STEEL, 55, hollow=30)
    size = (rng.uniform(220, 330), rng.uniform(320, 430), rng.uniform(150, 260))
    engine(pen.at(-40, 110), rng, *size, cylinders=int(rng.integers(1, 3)))
    pen.body(ellipse(190, 190, 30, 90, 150), ALUMINIUM, 90, edge=20)  # gearbox
    tank = [(head[0] + 20, -360), (-60, -430), (120, -380), (160, -260), (head[0] + 40, -250)]
    fill = rng.uniform(0.0, 0.7)
    pen.vessel(smooth(np.array(tank), closed=True), STEEL, 1.5, 280, edge=70, content=_PETROL, level=fill)
    seat = smooth(np.array([(160, -280), (560, -300), (600, -230), (170, -200)]), closed=True)
    pen.body(seat, packed(POLYETHYLENE, 0.12), 240, edge=40)
    pipe = smooth(np.array([[-180.0, 120], [-200, 290], [100, 330], [300, 250]]), closed=False)
    pen.wire(pipe, STEEL, 42, hollow=38)
    pen.at(back - 130, hub - 40, -0.25).vessel(rounded(480, 120, 50), STEEL, 2.5, 120, edge=55)
    pen.body(ellipse(170, 170, 24, head[0] - 80, head[1] - 20), GLASS, 12, edge=20)
    pen.body(rounded(150, 110, 8, x=230, y=-80), LEAD, 16)
    chain = np.array([[100.0, 130], [back, hub - 30], [back, hub + 60], [100.0, 190]])
    pen.wires([chain[:2], chain[2:]], STEEL, 11)
