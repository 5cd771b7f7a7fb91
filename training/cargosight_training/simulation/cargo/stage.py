"""What a scene consists of while it is built: its layers, and the holds in which cargo is stowed."""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from cargosight_inference.scans.attenuation import Material
from cargosight_inference.scans.beams import Plane
from cargosight_training.simulation.cargo.geometry import Fan, project
from cargosight_training.simulation.cargo.sheet import Sheet

Rng = np.random.Generator
INSIDE = 2350.0
"""Width inside a container in mm, ISO 668."""
SLABS = 4
"""Layers into which a hold is cut: more show rounder tops of drums and cost 0.1 s each."""


class Stage:
    """A scene of `length` mm, from the ground up to `top` mm."""

    def __init__(self, length: float, top: float, pitch: float) -> None:
        self.length, self.top, self.pitch = length, top, pitch
        self.sheets: list[Sheet] = []
        self.size = (round(top / pitch), round(length / pitch))

    def sheet(self, near: float, far: float) -> Sheet:
        """Return the layer between two depths in mm, made when first asked for."""
        for sheet in self.sheets:
            if (sheet.near, sheet.far) == (near, far):
                return sheet
        made = Sheet(near, far, pitch=self.pitch, top=self.size[0] * self.pitch, size=self.size)
        self.sheets.append(made)
        return made

    def loads(self, fan: Fan) -> dict[Material, Plane]:
        """Return the areal density in g/cm2 of each material that the rays meet, (fan rows, columns)."""
        found: dict[Material, Plane] = {}
        for sheet in self.sheets:
            for material, plane in sheet.planes.items():
                met = project(fan, plane, sheet.near, sheet.far, sheet.top)
                if met is None:
                    continue
                total = found.setdefault(material, np.zeros((fan.rows, self.size[1]), dtype=np.float32))
                total[:, met[0]] += met[1]
        return found


@dataclass(frozen=True)
class Hold:
    """The room for cargo.

    Attributes:
        x0: its end to the left, mm.
        x1: its end to the right, mm.
        floor: height of its floor above the ground, mm.
        ceiling: height of its ceiling, mm.
        sheets: layers of its depth, the one nearest to the source first.
    """

    x0: float
    x1: float
    floor: float
    ceiling: float
    sheets: tuple[Sheet, ...]

    @property
    def length(self) -> float:
        """Length in mm."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Height in mm."""
        return self.ceiling - self.floor

    @property
    def depth_cm(self) -> float:
        """Depth along the beam in cm."""
        return sum(sheet.depth_cm for sheet in self.sheets)

    def part(self, x0: float, x1: float) -> "Hold":
        """Return a length of the hold."""
        return replace(self, x0=x0, x1=x1)

    def cut(self) -> None:
        """Take away what was drawn beyond the ends of the hold, half its length to either side, or through its roof."""
        beside = 0.5 * self.length
        for sheet in self.sheets:
            rows, columns = sheet.cells(self.x0, self.floor, self.x1, self.ceiling)
            _, wide = sheet.cells(self.x0 - beside, self.floor, self.x1 + beside, self.ceiling)
            for plane in sheet.planes.values():
                plane[:, wide.start : columns.start] = 0.0
                plane[:, columns.stop : wide.stop] = 0.0
                plane[: rows.start, columns] = 0.0
                plane[rows.stop :, columns] = 0.0

    def rows(self, count: int) -> tuple[tuple[Sheet, ...], ...]:
        """Return the sheets of `count` rows of cargo behind each other."""
        share = len(self.sheets) / count
        return tuple(
            self.sheets[int(k * share) : max(int((k + 1) * share), int(k * share) + 1)] for k in range(count)
        )


def hold_between(
    stage: Stage,
    x0: float,
    x1: float,
    floor: float,
    ceiling: float,
    width: float = INSIDE,
    slabs: int = SLABS,
) -> Hold:
    """Return a hold of `width` mm about the middle plane, cut into `slabs` layers of equal depth."""
    edges = np.linspace(-width / 2, width / 2, slabs + 1).tolist()
    sheets = tuple(stage.sheet(a, b) for a, b in itertools.pairwise(edges))
    return Hold(x0, x1, floor, ceiling, sheets)
