"""How goods stand in a hold: pallets, rows and tiers, and the disorder that a journey brings."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.attenuation import CELLULOSE, POLYETHYLENE, STEEL, Material
from cargosight_training.simulation.cargo.sheet import Sheet
from cargosight_training.simulation.cargo.stage import Hold, Rng
from cargosight_training.simulation.fields import smooth_noise
from cargosight_training.simulation.shapes import Points

Heights = npt.NDArray[np.float64]
Unit = Callable[[Sequence[Sheet], Rng, float, float, float, float], None]
"""Draws one unit into some sheets, between x0, z0 and x1, z1 in mm."""
WOOD = 0.5 / CELLULOSE.density
"""Share of solid cellulose in softwood."""
_TUMBLED = 0.25  # share of stacked holds of which a part has come down
PALLET = 145.0  # mm, height of a euro pallet, EN 13698


def spread_along(rng: Rng, hold: Hold, width: float, gap: float) -> list[tuple[float, float]]:
    """Return the x0, x1 of units of about `width` mm that fill a hold from one of its ends.

    Args:
        rng: source of randomness.
        hold: the room.
        width: of a unit in mm.
        gap: mean clearance between two of them in mm.
    """
    places, x = [], hold.x0 + rng.uniform(0.0, 60.0)
    while True:
        wide = width * rng.uniform(0.97, 1.03)
        if x + wide > hold.x1:
            break
        places.append((x, x + wide))
        x += wide + rng.exponential(gap)
    left = hold.x1 - x
    if left > 0.0 and rng.random() < 0.5:  # stowed from the other end
        places = [(x0 + left, x1 + left) for x0, x1 in places]
    return places


def palletised(
    hold: Hold,
    rng: Rng,
    unit: Unit,
    *,
    width: float,
    height: tuple[float, float],
    tiers: int = 2,
    rows: int = 2,
) -> None:
    """Stow pallets of a unit load in rows and tiers.

    Args:
        hold: the room.
        rng: source of randomness.
        unit: draws the load of one pallet.
        width: of a pallet along the vehicle in mm.
        height: least and greatest height of a load in mm.
        tiers: how many pallets stand on each other at most.
        rows: how many stand beside each other.
    """
    usual = rng.uniform(*height)
    present = 1.0 if rng.random() < 0.8 else rng.uniform(0.7, 0.97)
    for sheets in hold.rows(rows):
        for x0, x1 in spread_along(rng, hold, width, rng.uniform(10, 60)):
            base = hold.floor
            for _ in range(tiers):
                tall = min(usual * rng.choice([1.0, 1.0, 1.0, rng.uniform(0.4, 1.0)]), height[1])
                if base + PALLET + 0.5 * tall > hold.ceiling or rng.random() > present:
                    break
                wooden_pallet(sheets, x0, base, x1)
                top = min(base + PALLET + tall, hold.ceiling - 20)
                unit(sheets, rng, x0 + rng.normal(0, 12), base + PALLET, x1 + rng.normal(0, 12), top)
                base = top
                if rng.random() < 0.15:
                    break


def wooden_pallet(sheets: Sequence[Sheet], x0: float, z: float, x1: float) -> None:
    """Draw a wooden pallet that lies on height z."""
    for sheet in sheets:
        wood = sheet.load(CELLULOSE, WOOD)
        sheet.box(x0, z + 122, x1, z + PALLET, CELLULOSE, wood * 0.85)
        sheet.box(x0, z, x1, z + 22, CELLULOSE, wood * 0.4)
        for x in np.linspace(x0, x1 - 100, 3).tolist():
            sheet.box(x, z + 22, x + 100, z + 122, CELLULOSE, wood * 0.5)


def uneven(hold: Hold, rng: Rng, amount: float) -> None:
    """Let the density of what is stowed in a hold vary by `amount` (relative) from place to place."""
    rows, columns = hold.sheets[0].cells(hold.x0, hold.floor, hold.x1, hold.ceiling)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if not height or not width:
        return
    for sheet in hold.sheets:
        coarse = smooth_noise(rng, height, width, 120.0 / sheet.pitch * rng.uniform(0.7, 3.0))
        fine = smooth_noise(rng, height, width, rng.uniform(4.0, 8.0))
        gain = np.clip(1.0 + np.float32(amount) * (coarse + np.float32(0.5) * fine), 0.2, 2.0)
        for plane in sheet.planes.values():
            plane[rows, columns] *= gain


def leaning(hold: Hold, rng: Rng) -> None:
    """Let what is stowed lean and bulge, as loads do after a journey; the mass stays in the hold."""
    rows, columns = hold.sheets[0].cells(hold.x0, hold.floor, hold.x1, hold.ceiling)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if height < 8 or width < 8:
        return
    for sheet in hold.sheets:
        lean = float(np.clip(rng.normal(0.0, 0.025), -0.06, 0.06))
        sag = float(abs(rng.normal(0.0, 0.008)))
        matrix = np.array([[1.0, lean, -lean * height], [0.0, 1.0 + sag, -sag * height]])
        for plane in sheet.planes.values():
            window = np.ascontiguousarray(plane[rows, columns])
            plane[rows, columns] = cv2.warpAffine(window, matrix, (width, height), flags=cv2.INTER_LINEAR)


def dunnage(hold: Hold, rng: Rng) -> None:
    """Scatter what secures and protects loads: boards, posts, straps with ratchets, sheets, rubbish on the floor."""
    for _ in range(rng.poisson(1.2 + hold.length / 2500)):
        sheet = hold.sheets[int(rng.integers(len(hold.sheets)))]
        x = rng.uniform(hold.x0 + 100, max(hold.x1 - 100, hold.x0 + 101))
        kind = rng.integers(5)
        if kind == 0:  # a board that leans
            top = hold.floor + rng.uniform(0.3, 1.0) * hold.height
            path = np.array([[x, hold.floor], [x + rng.normal(0, 150), top]])
            sheet.line(path, rng.uniform(20, 90), CELLULOSE, rng.uniform(3, 9))
        elif kind == 1:  # a strap over the load
            z = hold.floor + rng.uniform(0.2, 0.9) * hold.height
            end = x + rng.normal(0, 600)
            path = np.array([[x, z], [end, hold.floor + 10]])
            sheet.line(path, 30, POLYETHYLENE, 1.0)
            sheet.box(end - 60, hold.floor + 20, end + 20, hold.floor + 110, STEEL, rng.uniform(4, 14))
        elif kind == 2:  # a sheet of board between two units
            sheet.box(
                x, hold.floor, x + 8, hold.floor + rng.uniform(0.4, 0.95) * hold.height, CELLULOSE, 12.0
            )
        elif kind == 3:  # a baulk along the floor
            long = rng.uniform(300, 2000)
            sheet.box(
                x,
                hold.floor,
                min(x + long, hold.x1),
                hold.floor + rng.uniform(60, 120),
                CELLULOSE,
                rng.uniform(3, 8),
            )
        else:
            for _ in range(int(rng.integers(1, 5))):
                at = x + rng.normal(0, 200)
                sheet.lump(
                    at,
                    hold.floor + 40,
                    rng.uniform(40, 250),
                    rng.uniform(40, 90),
                    CELLULOSE,
                    rng.uniform(0.5, 6),
                )


def fallen(hold: Hold, rng: Rng, material: Material, areal: float, size: float) -> None:
    """Throw a few loose pieces of about `size` mm onto the floor of a hold, tilted as they came to lie."""
    for _ in range(int(rng.integers(1, 7))):
        sheet = hold.sheets[int(rng.integers(len(hold.sheets)))]
        wide, tall, angle = size * rng.uniform(0.6, 1.3), size * rng.uniform(0.4, 1.0), rng.uniform(-0.6, 0.6)
        turned = _tilted(wide, tall, angle)
        turned += (rng.uniform(hold.x0, hold.x1), hold.floor - turned[:, 1].min())
        sheet.polygon(np.clip(turned, (hold.x0, hold.floor), (hold.x1, hold.ceiling)), material, areal)


def tumbled(hold: Hold, rng: Rng, material: Material, filled: float, size: float) -> None:
    """Let now and then a stack come down in part: a gap with ragged sides, and units of it that lie tilted in there.

    It draws from a generator of its own, so that what is drawn afterwards stays as it was.

    Args:
        hold: with what is stacked in it.
        rng: source of randomness.
        material: of the units.
        filled: share of solid material in a unit.
        size: longest side of a unit in mm.
    """
    (own,) = rng.spawn(1)
    wide = min(own.uniform(1.5, 4.0) * size, 0.4 * hold.length)
    x0 = own.uniform(hold.x0, hold.x1 - wide)
    first = int(own.integers(len(hold.sheets)))
    sheets = hold.sheets[first : first + int(own.integers(1, 3))]
    depth = own.uniform(0.3, 0.8)
    if own.random() > _TUMBLED:
        return
    for sheet in sheets:
        rows, columns = sheet.cells(x0, hold.floor, x0 + wide, hold.ceiling)
        load = np.sum([plane[rows, columns] for plane in sheet.planes.values()], axis=0)
        if np.ndim(load) != 2 or not load.size:
            continue
        stacked = np.flatnonzero(np.mean(load > 0.0, axis=1) > 0.5)
        if stacked.size < 2:
            continue
        tall, width = load.shape
        high = (tall - int(stacked[0])) * sheet.pitch
        across = np.abs(np.linspace(-1.0, 1.0, width)) ** own.uniform(1.5, 4.0)
        slope = high * np.clip(1.0 - depth * (1.0 - across), 0.1, 1.0)
        left = _in_whole_units(own, slope, max(round(0.5 * size / sheet.pitch), 2), 0.4 * size)
        gone = (tall - np.arange(tall))[:, None] * sheet.pitch > left[None, :]
        for plane in sheet.planes.values():
            plane[rows, columns][gone] = 0.0
        _lie_in_gap(sheet, own, (x0, hold.floor), left, hold.floor + high, material, filled, size)


def _in_whole_units(rng: Rng, slope: Heights, columns: int, thick: float) -> Heights:
    """Return heights in mm in steps of whole units, `columns` pixels wide and `thick` mm thick: only such come off."""
    middles = slope[columns // 2 :: columns]
    count = -(-slope.size // columns)
    middles = np.pad(middles, (0, count - middles.size), mode="edge") if middles.size else slope[:1]
    uneven = np.minimum(middles + rng.normal(0.0, 0.3 * thick, middles.size), slope.max())
    found: Heights = np.repeat(np.maximum(np.ceil(uneven / thick), 1.0) * thick, columns)[: slope.size]
    return found


def _lie_in_gap(
    sheet: Sheet,
    rng: Rng,
    start: tuple[float, float],
    left: Heights,
    top: float,
    material: Material,
    filled: float,
    size: float,
) -> None:
    """Draw tilted units on what still stands, `left` mm high in each column from `start`, none above `top`."""
    for _ in range(int(rng.integers(1, 5))):
        angle = rng.choice([-1.0, 1.0]) * rng.uniform(0.15, 0.9)
        turned = _tilted(size * rng.uniform(0.85, 1.0), size * rng.uniform(0.45, 0.8), angle)
        column = int(rng.uniform(0.25, 0.75) * left.size)
        turned += (start[0] + column * sheet.pitch, start[1] + left[column] - turned[:, 1].min())
        turned[:, 1] = np.minimum(turned[:, 1], top)
        sheet.polygon(turned, material, sheet.load(material, filled) * rng.uniform(0.6, 0.95))


def _tilted(wide: float, tall: float, angle: float) -> Points:
    """Return the corners (4, 2) of a rectangle about 0, 0, turned by an angle in radians."""
    corners = np.array([[-wide, -tall], [wide, -tall], [wide, tall], [-wide, tall]]) / 2
    found: Points = corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return found
