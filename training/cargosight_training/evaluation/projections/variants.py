"""Clean scans of cargo, and the same scans with one thing projected into each.

A scan gives itself and several *threats*, each family in turn; every third one also a *nothing*, which goes through the
same code with no areal density, and a *look-alike*, which is harmless. Every thing is built for this scan alone, from
a seed that no training run uses, at the scale that the height of the cargo box says.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    BRASS,
    COPPER,
    IRON,
    LEAD,
    STEEL,
    TIN,
    TUNGSTEN,
    URANIUM,
)
from cargosight_inference.scans.container import Container, locate_container
from cargosight_inference.scans.projection import Signature
from cargosight_inference.scans.radiograph import Radiograph, radiograph_of
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import UsageError
from cargosight_models.geometry import BoolArray
from cargosight_training.datasets.cache import read_record
from cargosight_training.datasets.records import ImageRecord
from cargosight_training.simulation.cargo.drawing import Builder
from cargosight_training.simulation.cargo.projecting import Placed, Wish, place_threat
from cargosight_training.simulation.cargo.threats import LOOKALIKES, THREATS

Role = Literal["clean", "threat", "nothing", "lookalike"]

PLAIN_VISIBILITY, LEAST_VISIBILITY = 5.0, 1.0
"""Two of three threats are put where they stand out by 5 or more, the third where it does by 1 or more."""
HARMLESS_EVERY = 3
"""One scan in so many is also given nothing, and a look-alike: each costs an inspection."""
METALS = frozenset({ALUMINIUM, STEEL, IRON, COPPER, BRASS, TIN, LEAD, TUNGSTEN, URANIUM})
"""Materials that make a thing metallic where they are half of its mass or more."""
_BOX_HEIGHT_MM = 2500.0
"""Between floor and roof of a standard or high container, within 10 % (ISO 668; see `scans.position`)."""
_PITCHES = (2.5, 9.0)
_PITCH_UNKNOWN = 5.0
_PHOTONS = (2e3, 1e5)
_SEED = 977_000_003
_TRIES = 25


@dataclass(frozen=True)
class Thing:
    """What was done to a scan.

    Attributes:
        row: position of the clean scan in the data set.
        role: clean, or what was projected.
        family: of the thing, None of a clean scan.
        box: x1, y1, x2, y2 of the thing in pixels; of the thing that was left out where nothing was projected.
        visibility: of the thing, see `scans.projection.Projection`.
        length_mm: longer side of its box.
        metallic: whether metals are half of its mass or more.
    """

    row: int
    role: Role
    family: str | None = None
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    visibility: float = 0.0
    length_mm: float = 0.0
    metallic: bool = False


@dataclass(frozen=True, eq=False)
class Variant:
    """One scan to be inspected.

    Attributes:
        thing: what was done to it.
        scan: in memory, or as read.
        mask: bool (H, W), pixels of the thing; None of a clean scan.
    """

    thing: Thing
    scan: Scan
    mask: BoolArray | None = None


def pixel_pitch(container: Container) -> float:
    """Return the side of a pixel in mm, from the height of the cargo box; 5 where no box was found."""
    if not container.found:
        return _PITCH_UNKNOWN
    return float(np.clip(_BOX_HEIGHT_MM / max(container.box[3] - container.box[1], 1.0), *_PITCHES))


def effective_photons(radiograph: Radiograph) -> float | None:
    """Return photons in air of a pixel, by the noise of its thin parts; None where there are none, or no noise."""
    noise = radiograph.noise
    return float(np.clip(1.0 / noise**2, *_PHOTONS)) if noise > 0.0 else None


def variants(
    images: Sequence[ImageRecord], *, threats: int, families: Sequence[str], seed: int
) -> Iterator[Variant]:
    """Yield each scan, and then what was made of it; what found no place is left out.

    Args:
        images: clean scans of cargo.
        threats: projected into each scan, one to a variant.
        families: of `THREATS`, taken in turn.
        seed: the same seed makes the same variants of the same scans.

    Raises:
        DataSetError: a scan cannot be read.
        UsageError: a family that cannot be built.
    """
    unknown = [name for name in families if name not in THREATS]
    if unknown:
        raise UsageError(f"the family {unknown[0]!r} cannot be built; expected some of {', '.join(THREATS)}")
    for row, image in enumerate(images):
        scan = read_record(image, "cargo")
        if scan.kind == "pseudocolour":
            continue  # nothing can be projected into a palette
        yield Variant(Thing(row, "clean"), scan)
        studio = _Studio(scan, row, seed)
        for turn in range(threats):
            number = row * threats + turn
            family = families[number % len(families)]
            least = LEAST_VISIBILITY if turn % 3 == 2 else PLAIN_VISIBILITY
            yield from studio.made("threat", family, THREATS, turn, least)
        if row % HARMLESS_EVERY:
            continue
        family = families[row // HARMLESS_EVERY % len(families)]
        yield from studio.made("nothing", family, THREATS, threats, LEAST_VISIBILITY)
        harmless = list(LOOKALIKES)[row // HARMLESS_EVERY % len(LOOKALIKES)]
        yield from studio.made("lookalike", harmless, LOOKALIKES, threats + 1, LEAST_VISIBILITY)


class _Studio:
    """One clean scan and what is needed to project into it."""

    def __init__(self, scan: Scan, row: int, seed: int) -> None:
        radiograph: Radiograph = radiograph_of(scan)
        container = locate_container(radiograph)
        # The scan's own polarity may be a habit of its reader; the radiograph has looked.
        self._scan = replace(scan, polarity=radiograph.polarity) if scan.kind == "display_grey" else scan
        self._row, self._seed = row, seed
        self._pitch = pixel_pitch(container)
        self._within = container.box if container.found else None
        self._photons = effective_photons(radiograph)

    def made(
        self, role: Role, family: str, builders: Mapping[str, Builder], turn: int, least: float
    ) -> Iterator[Variant]:
        """Yield one variant, or none where no place shows the thing well enough."""
        rng = np.random.default_rng((_SEED, self._seed, self._row, turn))
        signature = builders[family](rng, self._pitch)
        wish = Wish(
            seed=int(rng.integers(2**31)),
            visibility=least,
            photons=self._photons,
            null=role == "nothing",
            within=self._within,
            tries=_TRIES,
        )
        try:
            placed = place_threat(self._scan, signature, wish)
        except UsageError:
            return  # no room or no place that shows it: the counts say how many there were
        yield self._variant(role, family, signature, placed)

    def _variant(self, role: Role, family: str, signature: Signature, placed: Placed) -> Variant:
        made = placed.projection
        x1, y1, x2, y2 = placed.threat_box
        thing = Thing(
            row=self._row,
            role=role,
            family=family,
            box=placed.threat_box,
            visibility=made.visibility,
            length_mm=max(x2 - x1, y2 - y1) * self._pitch,
            metallic=is_metallic(signature),
        )
        return Variant(thing, made.scan, made.mask)


def is_metallic(signature: Signature) -> bool:
    """Return whether metals are half of a thing's mass or more."""
    masses = {material: float(load.sum(dtype=np.float64)) for material, load in signature.loads.items()}
    metal = sum(mass for material, mass in masses.items() if material in METALS)
    return metal > 0.0 and metal >= 0.5 * sum(masses.values())
