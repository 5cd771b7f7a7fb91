"""Whole scenes: a vehicle of some kind, what is in it, and from where it is looked at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from cargosight_training.simulation.cargo import bodies, carriers
from cargosight_training.simulation.cargo.bodies import Body
from cargosight_training.simulation.cargo.families import AIR_FAMILIES, BULK, EMPTY, FAMILIES, HEAVY, LIQUID
from cargosight_training.simulation.cargo.geometry import Fan
from cargosight_training.simulation.cargo.stage import Hold, Rng, Stage
from cargosight_training.simulation.cargo.stowing import dunnage, leaning, uneven

_OPEN_FAMILIES = ("timber", "pipes", "coils", "machinery", "vehicles", "scrap", "tiles")
_COLD_FAMILIES = ("meat", "fruit", "cartons", "bottles")
_MOST_COLUMNS = 3450


@dataclass(frozen=True, eq=False)
class Scene:
    """What is in front of the beam.

    Attributes:
        stage: the layers.
        fan: the beam and the rows of the scan.
        hold: the room for cargo.
        vehicle: kind of vehicle.
        families: kinds of cargo, `empty` alone for none.
    """

    stage: Stage
    fan: Fan
    hold: Hold
    vehicle: str
    families: tuple[str, ...]


@dataclass(frozen=True)
class _Wish:
    """What is asked of a scene: kinds of cargo to draw from, share of empty holds, least and greatest pitch in mm."""

    families: tuple[str, ...]
    empty_share: float
    pitch: tuple[float, float]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A vehicle: its layers and hold, what is known of its cargo, and the heights in mm between which it is shown."""

    stage: Stage
    hold: Hold
    shown: tuple[float, float]
    fitting: tuple[str, ...] = tuple(FAMILIES)
    families: tuple[str, ...] = ()
    close: bool = False


_Drawer = Callable[[Rng, _Wish], _Drawn]


def compose(
    rng: Rng, vehicle: str, families: tuple[str, ...], *, empty_share: float, pitch: tuple[float, float]
) -> Scene:
    """Return a scene.

    Args:
        rng: source of randomness.
        vehicle: one of `VEHICLES`.
        families: kinds of cargo to draw from; the vehicle leaves out what it does not carry, unless nothing is left.
        empty_share: share of holds without cargo.
        pitch: least and greatest side of a pixel in mm; long vehicles get larger pixels.
    """
    wish = _Wish(families, empty_share, pitch)
    drawn = VEHICLES[vehicle](rng, wish)
    loaded = drawn.families or _load(drawn.hold, rng, wish, drawn.fitting)
    hold = drawn.hold
    if rng.random() < 0.5:
        hold = _mirrored(drawn.stage, hold)
    return Scene(drawn.stage, _fan(rng, drawn), hold, vehicle, loaded)


def _fan(rng: Rng, drawn: _Drawn) -> Fan:
    """Return a source beside the road; portals have it low, in some it is level with the middle of the load."""
    bottom, top = drawn.shown
    distance = rng.uniform(3200, 5000) if drawn.close else rng.uniform(5500, 9500)
    height = (
        rng.uniform(100, 700)
        if drawn.close
        else float(rng.choice([rng.uniform(500, 1500), rng.uniform(1500, 2300)], p=[0.8, 0.2]))
    )
    # What is nearest to the source is magnified most; nothing of it may be cut off.
    near = distance / (distance + min(sheet.near for sheet in drawn.stage.sheets))
    upper = height + max(top - height, 0.0) * near + rng.uniform(60, 280)
    lower = height + (bottom - height) * (near if bottom < height else 1.0)
    rows = max(round((upper - lower) / drawn.stage.pitch), 64)
    return Fan(height, distance, drawn.stage.pitch, upper, rows)


def _load(hold: Hold, rng: Rng, wish: _Wish, fitting: tuple[str, ...]) -> tuple[str, ...]:
    """Stow cargo and return its kinds."""
    if rng.random() < wish.empty_share or wish.families == (EMPTY,):
        if rng.random() < 0.5:
            dunnage(hold, rng)
            hold.cut()
        return (EMPTY,)
    fit = [name for name in wish.families if name in fitting] or [
        name for name in wish.families if name != EMPTY
    ]
    parts = int(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])) if hold.length > 3000 else 1
    weights = np.array([2.0 if name in HEAVY else 1.0 for name in fit])
    names = rng.choice(fit, min(parts, len(fit)), replace=False, p=weights / weights.sum()).tolist()
    if names[0] in BULK:  # it would run into its neighbours
        names = names[:1]
    parts = len(names)
    edges = np.linspace(hold.x0, hold.x1, parts + 1) + np.r_[0, rng.normal(0, 250, parts - 1), 0]
    if names[0] not in BULK and rng.random() < 0.2:  # not stowed up to the doors
        edges = hold.x0 + (edges - hold.x0) * rng.uniform(0.6, 0.95)
    for name, x0, x1 in zip(names, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = hold.part(x0, x1)
        FAMILIES[name](part, rng)
        if rng.random() < 0.5:
            leaning(part, rng)
        uneven(part, rng, float(rng.choice([0.02, 0.05, 0.09])))
    dunnage(hold, rng)
    hold.cut()
    return tuple(dict.fromkeys(names))


def _mirrored(stage: Stage, hold: Hold) -> Hold:
    """Turn a scene end for end."""
    length = stage.size[1] * stage.pitch
    for sheet in stage.sheets:
        sheet.planes = {
            material: np.ascontiguousarray(plane[:, ::-1]) for material, plane in sheet.planes.items()
        }
    return replace(hold, x0=length - hold.x1, x1=length - hold.x0)


def _stage(rng: Rng, wish: _Wish, length: float, top: float) -> Stage:
    return Stage(length, top + 400.0, max(rng.uniform(*wish.pitch), length / _MOST_COLUMNS))


def _boxed(stage: Stage, rng: Rng, body: Body) -> tuple[Hold, tuple[str, ...]]:
    kind = rng.random()
    if kind < 0.12:
        return bodies.reefer(stage, rng, body), _COLD_FAMILIES
    return bodies.dry_container(stage, rng, body, open_top=kind > 0.96), tuple(FAMILIES)


def _container(long: float) -> _Drawer:
    """A container alone, as archives cut it out: with or without its floor, now and then only a part of its length."""

    def draw(rng: Rng, wish: _Wish) -> _Drawn:
        tall = float(rng.choice([2591.0, 2896.0]))
        bottom = rng.uniform(1050, 1450)
        before, behind = rng.uniform(20, 350, 2).tolist()
        if rng.random() < 0.35:
            before = -rng.uniform(0.05, 0.35) * long
        stage = _stage(rng, wish, long + before + behind, bottom + tall)
        body = Body(before, before + long, bottom, bottom + tall)
        hold, fitting = _boxed(stage, rng, body)
        if rng.random() < 0.8:
            carriers.chassis(stage, rng, before - 300, before + long + 300, bottom - 10, legs=False)
        shown = bottom + float(rng.choice([rng.uniform(-650, -200), rng.uniform(-200, 250)], p=[0.7, 0.3]))
        return _Drawn(stage, hold, (shown, body.top), fitting)

    return draw


def _on_chassis(long: float) -> _Drawer:
    def draw(rng: Rng, wish: _Wish) -> _Drawn:
        tall = float(rng.choice([2591.0, 2896.0]))
        deck, before = rng.uniform(1150, 1400), rng.uniform(100, 900)
        stage = _stage(rng, wish, long + 2 * before, deck + tall)
        hold, fitting = _boxed(stage, rng, Body(before, before + long, deck + 10, deck + 10 + tall))
        carriers.chassis(stage, rng, before - 100, before + long + 100, deck)
        return _Drawn(stage, hold, (rng.uniform(0, 250), deck + tall), fitting)

    return draw


def _truck(rng: Rng, wish: _Wish) -> _Drawn:
    """A tractor with a trailer, or a lorry in one piece."""
    long = float(rng.choice([rng.uniform(5800, 8000), 12192.0, 13600.0], p=[0.35, 0.3, 0.35]))
    tall, deck = rng.uniform(2500, 2900), rng.uniform(1100, 1350)
    cab = rng.uniform(5400, 6600)
    start = cab - (2900 if long > 9000 else 2300)
    stage = _stage(rng, wish, start + long + 700, deck + tall)
    body = Body(start, start + long, deck + 10, deck + 10 + tall)
    if long == 12192.0:
        hold, fitting = _boxed(stage, rng, body)
    else:
        hold, fitting = bodies.box_truck(stage, rng, body), tuple(FAMILIES)
    carriers.tractor(stage, rng, 150, cab)
    carriers.chassis(stage, rng, start, start + long, deck, legs=long > 9000)
    return _Drawn(stage, hold, (rng.uniform(0, 200), deck + tall), fitting)


def _rail(kind: str) -> _Drawer:
    def draw(rng: Rng, wish: _Wish) -> _Drawn:
        long = rng.uniform(10_500, 15_500)
        deck, x0 = rng.uniform(1150, 1350), 800.0
        tall = rng.uniform(2700, 3000)
        stage = _stage(rng, wish, long + 2 * x0, deck + tall)
        carriers.bogies(stage, rng, x0, x0 + long, deck)
        body = Body(x0, x0 + long, deck, deck + tall)
        shown = (rng.uniform(0, 120), body.top)
        if kind == "box":
            return _Drawn(stage, bodies.rail_box(stage, rng, body), shown)
        if kind == "flat":
            if rng.random() < 0.4:
                box = Body(
                    x0 + 200,
                    x0 + 200 + 12192.0 if long > 12_600 else x0 + 200 + 6058.0,
                    deck + 30,
                    deck + 2621,
                )
                hold, fitting = _boxed(stage, rng, box)
                return _Drawn(stage, hold, shown, fitting)
            return _Drawn(stage, carriers.flat_deck(stage, rng, body), shown, _OPEN_FAMILIES)
        tank, level = carriers.tank_car(
            stage, rng, replace(body, bottom=deck + 60, top=deck + min(tall, 2700))
        )
        shown = (shown[0], body.top + 320)  # with its valves
        return _Drawn(stage, tank, shown, families=(LIQUID,) if level > 0.0 else (EMPTY,))

    return draw


def _air(*, closed: bool) -> _Drawer:
    def draw(rng: Rng, wish: _Wish) -> _Drawn:
        count = int(rng.integers(1, 3))
        long, tall = (2000.0, 1600.0) if closed else (3175.0, rng.uniform(1500, 2400))
        bottom = rng.uniform(500, 800)
        stage = _stage(rng, wish, count * (long + 150) + 700, bottom + tall)
        holds = []
        for k in range(count):
            x0 = 350 + k * (long + 150)
            holds.append(
                carriers.air_unit(stage, rng, Body(x0, x0 + long, bottom, bottom + tall), closed=closed)
            )
        loaded: list[str] = []
        for hold in holds[1:]:
            loaded += _load(hold, rng, replace(wish, empty_share=0.0), AIR_FAMILIES)
        first = _load(holds[0], rng, wish, AIR_FAMILIES)
        names = tuple(dict.fromkeys(name for name in (*first, *loaded) if name != EMPTY)) or (EMPTY,)
        shown = (bottom - rng.uniform(100, 220), bottom + tall)
        return _Drawn(stage, holds[0], shown, families=names, close=True)

    return draw


VEHICLES: Mapping[str, _Drawer] = MappingProxyType(
    {
        "container 20": _container(6058.0),
        "container 40": _container(12192.0),
        "chassis 20": _on_chassis(6058.0),
        "chassis 40": _on_chassis(12192.0),
        "truck": _truck,
        "rail box": _rail("box"),
        "rail flat": _rail("flat"),
        "rail tank": _rail("tank"),
        "air pallet": _air(closed=False),
        "uld": _air(closed=True),
    }
)
"""What draws each kind of vehicle."""
