"""Drawing things by the areal density of their materials, with the pens of the bag simulator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from cargosight_inference.scans.attenuation import (
    BRASS,
    CELLULOSE,
    CERAMIC,
    COPPER,
    EXPLOSIVE,
    FAT,
    GLASS,
    MATERIALS,
    POLYETHYLENE,
    STEEL,
    WATER,
    Material,
)
from cargosight_inference.scans.projection import Signature
from cargosight_models.geometry import Affine
from cargosight_training.simulation.canvas import Pen, Plane, Substance, Surface
from cargosight_training.simulation.shapes import rectangle

Rng = np.random.Generator
Paint = Callable[[Pen, Rng], None]
Builder = Callable[[Rng, float], Signature]
"""Makes a signature from a generator and the pixel pitch in mm."""
Parts = tuple[tuple[Material, float], ...]

_BAGGAGE: Mapping[str, Parts] = MappingProxyType(
    {
        "ABS": ((POLYETHYLENE, 1.0),),
        "cotton": ((CELLULOSE, 1.0),),
        "nylon": ((POLYETHYLENE, 1.0),),
        "leather": ((CELLULOSE, 1.0),),
        "wood": ((CELLULOSE, 1.0),),
        "ethanol": ((WATER, 1.0),),
        "butane": ((FAT, 1.0),),
        "sugar and starch": ((CELLULOSE, 1.0),),
        "lotion": ((WATER, 1.0),),
        "foam": ((POLYETHYLENE, 1.0),),
        "filled rubber": ((MATERIALS["rubber"], 1.0),),
        "coated paper": ((CELLULOSE, 0.8), (CERAMIC, 0.2)),
        "toothpaste": ((WATER, 0.6), (CERAMIC, 0.4)),
        "soda-lime glass": ((GLASS, 1.0),),
        "plasticised PVC": ((MATERIALS["PVC"], 1.0),),
        "pyrotechnic powder": ((EXPLOSIVE, 1.0),),
        "earthenware": ((CERAMIC, 1.0),),
        "circuit board": ((GLASS, 0.65), (POLYETHYLENE, 0.23), (COPPER, 0.12)),
        "lithium-ion cell": (
            (CELLULOSE, 0.36), (MATERIALS["aluminium"], 0.16), (COPPER, 0.22), (STEEL, 0.26),
        ),
        "alkaline cell": ((CELLULOSE, 0.3), (STEEL, 0.5), (BRASS, 0.2)),
        "stainless steel": ((STEEL, 1.0),),
        "zinc alloy": ((COPPER, 1.0),),
    }
)  # fmt: skip
"""Mass shares of a megavolt material for each of baggage; at megavolts only what is heavy differs from the rest."""

_SEEN = 1e-3  # g/cm2 from which a pixel belongs to a thing
_MOST_LAYERS = 3  # drawn apart; more lie behind them


def parts_of(material: Substance) -> Parts:
    """Return (material, mass share) pairs of anything that a pen draws with.

    Raises:
        KeyError: a name that neither `MATERIALS` nor the baggage's materials hold.
    """
    known = MATERIALS.get(material.name)
    return ((known, 1.0),) if known is not None else _BAGGAGE[material.name]


def packed(material: Material, density: float) -> Material:
    """Return a material at the density in g/cm3 that it has with the air around it."""
    return replace(material, density=density)


WOOD = packed(CELLULOSE, 0.62)
CARDBOARD = packed(CELLULOSE, 0.7)
PLASTIC = packed(POLYETHYLENE, 1.05)
WINDING = packed(COPPER, 5.5)  # copper wire wound, with its varnish and air


class Sheet(Surface):
    """Areal densities.

    Attributes:
        loads: g/cm2 of each material, float32 (H, W).
    """

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        self.loads: dict[Material, Plane] = {}

    def deposit(
        self, rows: slice, columns: slice, material: Substance, thickness: Plane, areal: float
    ) -> None:
        """Add the areal density of a material, also of one of baggage; see `Surface`."""
        for part, share in parts_of(material):
            load = self.loads.get(part)
            if load is None:
                load = self.loads[part] = np.zeros((self.height, self.width), dtype=np.float32)
            load[rows, columns] += thickness * np.float32(areal * share)

    def signature(self, name: str, pitch_mm: float) -> Signature:
        """Return what was drawn, cut to where something is.

        Raises:
            ValueError: nothing was drawn, or something reaches the border and is cut off.
        """
        total = np.sum(list(self.loads.values()), axis=0) if self.loads else np.zeros((1, 1))
        rows, columns = (np.flatnonzero((total > _SEEN).any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            raise ValueError(f"{name!r}: nothing was drawn")
        if min(rows[0], columns[0]) == 0 or rows[-1] == self.height - 1 or columns[-1] == self.width - 1:
            raise ValueError(f"{name!r} does not fit on a sheet of {self.width} x {self.height} pixels")
        window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        loads = {
            part: np.maximum(np.ascontiguousarray(load[window]), np.float32(0.0))
            for part, load in self.loads.items()
        }
        return Signature(name, {part: load for part, load in loads.items() if load.any()}, pitch_mm)


@dataclass(frozen=True)
class Pose:
    """How a thing may lie.

    Attributes:
        turn: `any` way round in the plane, on any of its four sides (`quarters`), or upright (`level`); both of
            these are a few degrees off.
        lean: most radians by which it leans in or out of the plane, which shortens it and lengthens its chords.
    """

    turn: Literal["any", "quarters", "level"] = "any"
    lean: float = 0.7


LYING = Pose()
STACKED = Pose("quarters", 0.35)
UPRIGHT = Pose("level", 0.25)


def drawn(
    name: str,
    paint: Paint,
    rng: Rng,
    pitch_mm: float,
    *,
    reach: tuple[float, float],
    pose: Pose = LYING,
    fine_mm: float = 1.0,
) -> Signature:
    """Return the signature of what `paint` draws around the pen.

    Args:
        name: of the thing.
        paint: draws it, with lengths in mm and y downwards.
        rng: source of pose and build.
        pitch_mm: pixel pitch of the result.
        reach: the furthest it may be drawn from the pen, sidewards and up or down, in mm.
        pose: how it may lie.
        fine_mm: pixel pitch at which it is drawn.
    """
    slight = float(rng.normal(0.0, 0.03))
    if pose.turn == "any":
        angle, half = float(rng.uniform(0.0, 2 * np.pi)), (float(np.hypot(*reach)),) * 2
    elif pose.turn == "quarters":
        angle, half = slight + np.pi / 2 * int(rng.integers(4)), (max(reach) + 0.1 * min(reach),) * 2
    else:
        angle, half = slight, (reach[0] + 0.1 * reach[1], reach[1] + 0.1 * reach[0])
    width, height = (2 * int(side / fine_mm) + 8 for side in half)
    sheet = Sheet(width, height)
    placed = Affine.scaling(1 / fine_mm, 1 / fine_mm).then(Affine.translation(width / 2, height / 2))
    pen = Pen(sheet, placed).at(0.0, 0.0, angle)
    # Mostly nearly square on: half of all leans are below a quarter of the most.
    pen = pen.tilted(pose.lean * float(rng.random()) ** 2, float(rng.uniform(0.0, np.pi)))
    paint(pen.mirrored() if rng.random() < 0.5 else pen, rng)
    return sheet.signature(name, fine_mm).resized(pitch_mm)


def stacked(
    pen: Pen,
    rng: Rng,
    paint: Callable[[Pen], None],
    *,
    grid: tuple[int, int],
    step: tuple[float, float],
    layers: int = 1,
    jitter: float = 1.5,
) -> None:
    """Draw equal pieces in columns and rows, and in layers one behind the other.

    Args:
        pen: in the middle.
        rng: source of the jitter.
        paint: draws one piece around its pen.
        grid: columns and rows.
        step: from piece to piece sidewards and downwards in mm.
        layers: along the beam; beyond three they are drawn as copies of one another.
        jitter: standard deviation of a piece's place in mm.
    """
    columns, rows = grid
    apart = min(layers, _MOST_LAYERS)
    for _ in range(apart):
        for row in range(rows):
            for column in range(columns):
                x = (column - (columns - 1) / 2) * step[0] + rng.normal(0.0, jitter)
                y = (row - (rows - 1) / 2) * step[1] + rng.normal(0.0, jitter)
                paint(pen.at(x, y, rng.normal(0.0, jitter / max(step))).behind(layers / apart))


def hollow_box(
    pen: Pen, width: float, height: float, depth: float, *, wall: float, material: Substance
) -> None:
    """Draw an empty box seen square on: two faces of `wall` mm, and four sides seen along their depth."""
    pen.body(rectangle(width, height), material, 2 * wall)
    thread = wall + 0.5  # a line this wide, as heavy as the side
    many = depth * wall / (np.pi / 4 * thread**2)
    pen.behind(many).wire(rectangle(width - wall, height - wall), material, thread, closed=True)


def cylinder(
    pen: Pen,
    material: Substance,
    diameter: float,
    length: float,
    *,
    bore: float = 0.0,
    bore_length: float | None = None,
) -> None:
    """Draw a cylinder across the beam, its axis along x, with a bore that ends inside if `bore_length` says so.

    Unlike `Pen.body` with an edge, which rounds every side of its outline, the ends are flat.
    """
    pitch = 1.0 / pen.scale
    across, along = max(2, round(diameter / pitch)), max(2, round(length / pitch))
    y = (np.arange(across) - (across - 1) / 2) * (diameter / across)
    x = (np.arange(along) - (along - 1) / 2) * (length / along)
    chord = 2.0 * np.sqrt(np.maximum((diameter / 2) ** 2 - y**2, 0.0))
    hole = 2.0 * np.sqrt(np.maximum((bore / 2) ** 2 - y**2, 0.0))
    bored = np.abs(x) < (length if bore_length is None else bore_length) / 2
    plane = np.pad(chord[:, None] - hole[:, None] * bored[None, :], 1)
    gain = diameter * length / (across * along * pitch**2)  # what rounding to whole cells changes
    pen.raster((plane * gain).astype(np.float32), pitch, material)


def mass_kg(signature: Signature) -> float:
    """Return what a thing weighs."""
    grams = sum(float(load.sum(dtype=np.float64)) for load in signature.loads.values())
    return grams * (signature.pitch_mm / 10.0) ** 2 / 1000.0
