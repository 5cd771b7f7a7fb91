"""Weapons for cargo: handguns loose or in bundles, rifles, ammunition, explosive charges. Lengths in mm."""

import numpy as np

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    BRASS,
    COPPER,
    EXPLOSIVE,
    LEAD,
    POLYETHYLENE,
    STEEL,
)
from cargosight_training.simulation.canvas import Pen
from cargosight_training.simulation.cargo.drawing import (
    CARDBOARD,
    PLASTIC,
    WOOD,
    Rng,
    hollow_box,
    packed,
    stacked,
)
from cargosight_training.simulation.electronics import board
from cargosight_training.simulation.shapes import (
    arc,
    moved,
    profile,
    rectangle,
    rounded,
    smooth,
    wander,
)
from cargosight_training.simulation.vessels import round_cell
from cargosight_training.simulation.weapons import pistol, revolver

_POWDER = packed(EXPLOSIVE, 0.9)
_CALIBRES = ((9.0, 19.0, 10.0), (11.4, 23.0, 9.5), (7.8, 39.0, 17.0), (5.7, 45.0, 13.0), (12.0, 54.0, 24.0))
"""Diameter and length of the case and length of the bullet beyond it: 9 mm, .45, 7.62 x 39, 5.56 x 45, 7.62 x 54."""


def handgun(pen: Pen, rng: Rng) -> None:
    """One pistol or revolver."""
    (pistol if rng.random() < 0.65 else revolver)(pen.at(0, 0, 0, rng.uniform(0.92, 1.12)), rng)


def handguns(pen: Pen, rng: Rng) -> None:
    """One handgun, or up to eight: side by side head to tail, or thrown together."""
    count = 1 if rng.random() < 0.55 else int(rng.integers(2, 9))
    if count == 1:
        handgun(pen, rng)
        return
    make = pistol if rng.random() < 0.65 else revolver
    neat, rows = rng.random() < 0.5, (count + 1) // 2
    for index in range(count):
        row, column = divmod(index, 2)
        x, y = (column - 0.5) * rng.uniform(120, 160), (row - (rows - 1) / 2) * rng.uniform(70, 95)
        angle = np.pi * (row % 2) + rng.normal(0.0, 0.05)
        if not neat:
            x, y, angle = rng.normal(0.0, 75), rng.normal(0.0, 60), rng.uniform(0.0, 2 * np.pi)
        make(pen.at(x, y, angle), rng)


def rifle(pen: Pen, rng: Rng) -> None:
    """One long gun: a self-loading rifle, a bolt-action rifle or a shotgun."""
    kinds = (_self_loader, _bolt_action, _shotgun)
    kinds[rng.choice(3, p=[0.6, 0.22, 0.18])](pen, rng)


def rifles(pen: Pen, rng: Rng) -> None:
    """One rifle, or up to four side by side."""
    count = 1 if rng.random() < 0.6 else int(rng.integers(2, 5))
    for index in range(count):
        y = (index - (count - 1) / 2) * rng.uniform(45, 110)
        side = pen.at(rng.normal(0.0, 25.0), y, rng.normal(0.0, 0.03))
        rifle(side.mirrored() if rng.random() < 0.5 else side, rng)


def _self_loader(pen: Pen, rng: Rng) -> None:
    barrel, body = rng.uniform(330, 510), rng.uniform(230, 280)
    front = body / 2 + barrel
    pen = pen.at(-0.5 * (front - 330), 0)
    pen.wire(np.array([[body * 0.2, -6.0], [front, -6.0]]), STEEL, rng.uniform(16, 19), hollow=7.6)
    pen.body(rounded(55, 32, 5, x=body * 0.42), STEEL, 26, edge=4)  # trunnion
    pen.wire(np.array([[body * 0.4, -28.0], [body * 0.5 + barrel * 0.55, -28.0]]), STEEL, 14, hollow=8)
    pen.body(rectangle(16, 46, body * 0.5 + barrel * 0.55, -15), STEEL, 16, edge=4)  # gas block
    pen.body(rectangle(6, 34, front - 18, -24), STEEL, 8)
    pen.wire(np.array([[front - 5.0, -6.0], [front + 32.0, -6.0]]), STEEL, 21, hollow=11)
    pen.vessel(rounded(body, rng.uniform(50, 62), 6), STEEL, rng.uniform(1.4, 2.2), 36, edge=6)
    pen.wire(np.array([[-body * 0.25, -12.0], [body * 0.32, -12.0]]), STEEL, rng.uniform(18, 23))  # bolt
    pen.wire(np.array([[-body * 0.5, -10.0], [-body * 0.1, -10.0]]), STEEL, 9, hollow=5)  # spring
    wooden = rng.random() < 0.5
    matter, wall = (WOOD, 14.0) if wooden else (PLASTIC, 4.0)
    guard = profile([(body * 0.52, 26), (body * 0.5 + barrel * 0.45, 21)])
    pen.vessel(moved(guard, 0, -14), matter, wall, 46, edge=16)
    _stock(pen, rng, -body / 2, wooden=wooden)
    grip = np.array(
        [[-body * 0.42, 22], [-body * 0.42 + 34, 22], [-body * 0.42 + 8, 105], [-body * 0.42 - 24, 98]]
    )
    pen.vessel(smooth(grip, closed=True, rounds=1), PLASTIC, 6, 30, edge=10)
    pen.wire(arc(22, 0.1, 3.0, 9, x=-body * 0.14, y=24), STEEL, 5)
    pen.wire(arc(14, 0.5, 1.8, 6, x=-body * 0.16, y=18), STEEL, 6)
    if rng.random() < 0.85:
        _magazine(pen.at(body * 0.2, 26), rng)
    if rng.random() < 0.3:
        _scope(pen.at(0, -58), rng)


def _stock(pen: Pen, rng: Rng, back: float, *, wooden: bool) -> None:
    length = rng.uniform(210, 270)
    if rng.random() < 0.35:  # folding, of tube and sheet
        pen.wire(np.array([[back, -12.0], [back - length, -4.0]]), STEEL, 12, hollow=8)
        pen.wire(np.array([[back, 14.0], [back - length, 62.0]]), STEEL, 12, hollow=8)
        pen.wire(np.array([[back - length, -20.0], [back - length, 78.0]]), STEEL, 18, hollow=13)
        return
    outline = [(back, -18), (back, 22), (back - 60, 30), (back - length, 88), (back - length, -16)]
    shape = smooth(np.array(outline, dtype=np.float64), closed=True, rounds=1)
    if wooden:
        pen.body(shape, WOOD, rng.uniform(32, 40), edge=14)
    else:
        pen.vessel(shape, PLASTIC, 4.0, 36, edge=12)
        pen.wire(np.array([[back, -4.0], [back - length * 0.7, -4.0]]), ALUMINIUM, 30, hollow=24)
    pen.body(rounded(7, 105, 3, x=back - length, y=36), STEEL, 30)


def _magazine(pen: Pen, rng: Rng) -> None:
    curve = rng.uniform(0.0, 0.45)
    height, width = rng.uniform(120, 220), rng.uniform(58, 68)
    spine = np.column_stack([curve * np.linspace(0, 1, 6) ** 2 * height, np.linspace(0, height, 6)])
    half = np.array((width / 2, 0.0))
    wall = np.concatenate([spine - half, (spine + half)[::-1]])
    steel = rng.random() < 0.6
    pen.vessel(wall, STEEL if steel else PLASTIC, 0.9 if steel else 2.5, 26, edge=5)
    filled = np.linspace(0.05, rng.uniform(0.3, 0.92), int(height / 8))
    places = np.column_stack([np.interp(filled, np.linspace(0, 1, 6), spine[:, i]) for i in range(2)])
    reach = width / 2 - 5
    pen.wires([np.array([[x - reach, y + 2], [x + reach * 0.3, y]]) for x, y in places], BRASS, 10, hollow=8)
    pen.wires([np.array([[x + reach * 0.3, y], [x + reach, y - 3]]) for x, y in places], LEAD, 6)


def _scope(pen: Pen, rng: Rng) -> None:
    length = rng.uniform(120, 300)
    tube = profile([(-length / 2, 18), (-length * 0.3, 17), (-length * 0.2, 12.5), (length * 0.2, 12.5),
                    (length * 0.35, 20), (length / 2, 21)])  # fmt: skip
    pen.vessel(tube, ALUMINIUM, 2.5, 36, edge=14)
    pen.body(rectangle(8, 38, -length * 0.38), PLASTIC, 30, edge=14)
    for x in (-length * 0.18, length * 0.18):
        pen.body(rectangle(18, 34, x, 16), ALUMINIUM, 26, edge=5)


def _bolt_action(pen: Pen, rng: Rng) -> None:
    barrel = rng.uniform(500, 660)
    pen = pen.at(-0.5 * (barrel - 350), 0)
    pen.body(profile([(60, 14), (130, 11.5), (60 + barrel, 8.5)]), STEEL, 19, edge=9)
    pen.wire(np.array([[-150.0, 0.0], [75.0, 0.0]]), STEEL, 32, hollow=19)
    pen.wire(np.array([[-170.0, 0.0], [40.0, 0.0]]), STEEL, 16, hollow=7)
    pen.wire(np.array([[-130.0, 2.0], [-150.0, 45.0]]), STEEL, 9)
    outline = [(60 + barrel * 0.55, 6), (60 + barrel * 0.5, 30), (40, 44), (-120, 40), (-180, 66), (-235, 62),
               (-480, 112), (-480, -8), (-210, 12), (-150, 8)]  # fmt: skip
    shape = smooth(np.array(outline, dtype=np.float64), closed=True, rounds=1)
    pen.body(shape, WOOD if rng.random() < 0.7 else packed(POLYETHYLENE, 0.6), 40, edge=15)
    pen.body(rounded(85, 38, 5, x=-20, y=22), STEEL, 5, edge=2)
    pen.wire(arc(26, 0.1, 3.0, 9, x=-105, y=40), STEEL, 5)
    pen.body(rounded(9, 110, 3, x=-482, y=52), PLASTIC, 36)
    if rng.random() < 0.6:
        _scope(pen.at(-20, -45), rng)


def _shotgun(pen: Pen, rng: Rng) -> None:
    barrel = rng.uniform(470, 700)
    pen = pen.at(-0.5 * (barrel - 350), 0)
    twin = rng.random() < 0.4
    for y in (-13.0, 12.0) if twin else (-13.0,):
        pen.wire(np.array([[40.0, y], [50 + barrel, y]]), STEEL, 23, hollow=18.6)
    if not twin:
        pen.wire(np.array([[40.0, 12.0], [40 + barrel * 0.75, 12.0]]), STEEL, 24, hollow=21.6)
    pen.vessel(rounded(210, 58, 10, x=-50, y=0), STEEL, 4.5, 38, edge=8)
    pen.body(rounded(110, 22, 4, x=-40, y=-10), STEEL, 18, edge=4)
    pen.vessel(profile([(70 + barrel * 0.1, 27), (70 + barrel * 0.45, 25)]), WOOD, 12, 48, edge=18)
    stock = [(-150, -22), (-150, 26), (-205, 48), (-440, 100), (-440, -4), (-240, 4)]
    pen.body(smooth(np.array(stock, dtype=np.float64), closed=True, rounds=1), WOOD, 40, edge=15)
    pen.wire(arc(24, 0.1, 3.0, 9, x=-90, y=30), STEEL, 5)


def ammunition(pen: Pen, rng: Rng) -> None:
    """Cartridges: boxes of them side by side, or loose in a steel box with lid and handle."""
    case, length, tip = _CALIBRES[rng.integers(len(_CALIBRES))]
    whole, pitch = length + tip, case * 1.25
    if rng.random() < 0.5:  # the usual box of fifty, several of them
        rounds_grid, layers = (10, 1), 5
        width, height = 10 * pitch + 6, whole + 8

        def box(at: Pen) -> None:
            hollow_box(at, width, height, 5 * pitch + 6, wall=0.9, material=CARDBOARD)
            _cartridges(at, rng, case, length, tip, grid=rounds_grid, layers=layers)

        grid = (int(rng.integers(1, 4)), int(rng.integers(1, 6)))
        pen = pen.at(0, 0, np.pi / 2 * int(rng.integers(4)))
        stacked(pen, rng, box, grid=grid, step=(width + 2, height + 2), layers=int(rng.integers(1, 4)))
        return
    width, height, depth = rng.uniform(270, 300), rng.uniform(160, 190), rng.uniform(90, 150)
    hollow_box(pen, width, height, depth, wall=0.9, material=STEEL)
    pen.body(rounded(width + 8, 22, 4, y=-height / 2 + 6), STEEL, 4, edge=1)
    top = -height / 2 - 4
    handle = np.array([[-50.0, top], [-45.0, top - 22], [45.0, top - 22], [50.0, top]])
    pen.wire(handle, STEEL, 6)
    grid = (int((width - 20) / pitch), max(1, int((height - 30) * rng.uniform(0.5, 1.0) / whole)))
    fill = max(1, int((depth - 8) / pitch * rng.uniform(0.5, 0.9)))
    _cartridges(
        pen.at(0, (height - 24 - grid[1] * whole) / 2 - 2), rng, case, length, tip, grid=grid, layers=fill
    )


def _cartridges(
    pen: Pen, rng: Rng, case: float, length: float, tip: float, *, grid: tuple[int, int], layers: int
) -> None:
    """Draw upright cartridges in rows, all of them with the same few strokes."""
    pitch, whole = case * 1.25, length + tip
    apart = min(layers, 3)
    for _ in range(apart):
        x = (np.arange(grid[0]) - (grid[0] - 1) / 2) * pitch
        y = (np.arange(grid[1]) - (grid[1] - 1) / 2) * whole
        feet = np.array([(a, b + whole / 2) for b in y for a in x]) + rng.normal(
            0, 0.12 * case, (grid[0] * grid[1], 2)
        )
        layer = pen.behind(layers / apart)
        layer.wires([np.array([p, p - (0, length)]) for p in feet], BRASS, case, hollow=case * 0.86)
        layer.wires([np.array([p, p - (0, 0.09 * whole)]) for p in feet], BRASS, case * 0.8)
        layer.wires(
            [np.array([p - (0, 0.15 * length), p - (0, 0.8 * length)]) for p in feet], _POWDER, case * 0.8
        )
        layer.wires([np.array([p - (0, 0.85 * length), p - (0, whole - 1)]) for p in feet], LEAD, case * 0.68)


def explosives_charge(pen: Pen, rng: Rng) -> None:
    """A shell, blocks with a detonator and its circuit, or pipes with one."""
    kinds = (_shell, _blocks, _pipes)
    kinds[rng.choice(3, p=[0.35, 0.4, 0.25])](pen, rng)


def _shell(pen: Pen, rng: Rng) -> None:
    radius = rng.choice([30.0, 40.5, 52.5, 60.0, 76.0])
    length = radius * rng.uniform(6.0, 8.5)
    body = profile([(-length / 2, radius * 0.82), (-length * 0.35, radius), (length * 0.1, radius),
                    (length * 0.32, radius * 0.72), (length * 0.46, radius * 0.36)], rounds=1)  # fmt: skip
    pen.vessel(body, STEEL, radius * rng.uniform(0.14, 0.24), 2 * radius, edge=radius, content=EXPLOSIVE)
    pen.body(rectangle(0.07 * length, 1.5 * radius, -length * 0.46), STEEL, 1.5 * radius, edge=0.7 * radius)
    fuze = profile([(length * 0.42, radius * 0.36), (length * 0.5, radius * 0.25), (length * 0.56, 3)])
    pen.body(fuze, STEEL if rng.random() < 0.5 else ALUMINIUM, radius * 0.6, edge=radius * 0.3)
    pen.body(rectangle(6, 2.06 * radius, -length * 0.28), COPPER, radius * 0.5, edge=2)


def _circuit(pen: Pen, rng: Rng, detonator: tuple[float, float]) -> None:
    """Draw a board with a battery, and leads to a detonator that lies at the pen."""
    here = pen.at(*detonator)
    here.wire(np.array([[-35.0, 0.0], [25.0, 0.0]]), ALUMINIUM, 7, hollow=6)
    here.wire(np.array([[-33.0, 0.0], [-5.0, 0.0]]), EXPLOSIVE, 6)
    board(pen.at(0, 0), rng, 70, 45, 9)
    round_cell(pen.at(0, 45), 50, 15)
    round_cell(pen.at(0, 62), 50, 15)
    for x in (-10.0, 10.0):
        leads = wander(rng, (x, 0.0), step=22, count=5, bend=0.7)
        pen.wire(smooth(np.vstack([leads, [detonator]]), closed=False), COPPER, 1.6)


def _blocks(pen: Pen, rng: Rng) -> None:
    length, width, depth = rng.uniform(170, 290), rng.uniform(45, 60), rng.uniform(25, 42)
    grid = (int(rng.integers(1, 3)), int(rng.integers(2, 7)))

    def block(at: Pen) -> None:
        at.body(rounded(length, width, 4), EXPLOSIVE, depth, edge=3)
        at.vessel(rounded(length + 2, width + 2, 4), POLYETHYLENE, 0.6, depth + 2, edge=3)

    layers = int(rng.integers(1, 4))
    stacked(pen, rng, block, grid=grid, step=(length + 4, width + 3), layers=layers)
    _circuit(pen.at(rng.uniform(-0.3, 0.3) * length, grid[1] * width * 0.3), rng, (60.0, -50.0))


def _pipes(pen: Pen, rng: Rng) -> None:
    radius, length, count = rng.uniform(16, 32), rng.uniform(150, 320), int(rng.integers(1, 5))
    for index in range(count):
        at = pen.at(rng.normal(0, 4), (index - (count - 1) / 2) * radius * 2.3)
        pipe = rectangle(length, 2 * radius)
        at.vessel(pipe, STEEL, rng.uniform(2.5, 4.5), 2 * radius, edge=radius, content=packed(EXPLOSIVE, 1.0))
        for x in (-length / 2, length / 2):
            at.body(rounded(30, 2 * radius + 9, 3, x=x), STEEL, 0.5 * radius + 8, edge=8)
    _circuit(pen.at(length * 0.2, radius * 2.3 * count / 2 + 45), rng, (length * 0.2, -45.0))
