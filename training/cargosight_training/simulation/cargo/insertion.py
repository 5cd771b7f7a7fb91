"""Putting a thing into a scene: where it can rest, what it changes, how far that can be seen.

It is put at one depth as a flat signature: seen square on, not along the oblique rays at its place. What it pushes
aside stays where it was.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.attenuation import Material
from cargosight_inference.scans.beams import Beam, Plane
from cargosight_inference.scans.projection import MASK_DEPTH, RING, Signature, visibility
from cargosight_training.simulation.cargo.detector import transmitted
from cargosight_training.simulation.cargo.scenes import Scene
from cargosight_training.simulation.cargo.stage import Rng

Builder = Callable[[Rng, float], Signature]
"""Makes a thing at a pixel pitch in mm."""
_TRIES = 6
_SPARE = 0.05  # g/cm2 of cargo in a layer, from which a thing can lie on it


@dataclass(frozen=True)
class Inserted:
    """What was put into a scan.

    Attributes:
        name: its class.
        description: which make of it.
        box: x1, y1, x2, y2 in pixels.
        materials: names, the heaviest first.
        areal_density: mean over its mask, g/cm2.
        visibility: mean |change of ln T| over the mask over the deviation of ln T around it, 0 where it is opaque.
        height_mm: of its lower edge above the floor.
        depth_mm: behind the middle plane, seen from the source.
    """

    name: str
    description: str
    box: tuple[float, float, float, float]
    materials: tuple[str, ...]
    areal_density: float
    visibility: float
    height_mm: float
    depth_mm: float


@dataclass(frozen=True, eq=False)
class _Place:
    rows: slice
    columns: slice
    loads: dict[Material, Plane]
    height: float
    depth: float


@dataclass(frozen=True, eq=False)
class Exposed:
    """A scene as the beams see it.

    Attributes:
        loads: (H, W) g/cm2 of each material.
        signals: noise-free transmission (H, W) of each beam.
        beams: the more penetrating first.
        photons: effective count of a pixel in air.
        opaque: transmission below which nothing is seen.
    """

    loads: dict[Material, Plane]
    signals: tuple[Plane, ...]
    beams: tuple[Beam, ...]
    photons: float
    opaque: float


def insert(
    rng: Rng, scene: Scene, exposed: Exposed, name: str, build: Builder, *, least_visibility: float = 0.0
) -> tuple[Inserted, npt.NDArray[np.bool_]] | None:
    """Put a thing into a scene, changing `exposed` in place.

    Returns:
        What was put there with its mask (H, W), or None where several places gave it no room or hid it too well.
    """
    for _ in range(_TRIES):
        depth = float(rng.uniform(0.9 * scene.hold.sheets[0].near, 0.9 * scene.hold.sheets[-1].far))
        signature = _as_seen(build, rng, scene, depth)
        place = _place(rng, scene, signature, depth)
        if place is None:
            continue
        here = -np.log(np.maximum(exposed.beams[0].transmission(place.loads), np.float32(1e-30))) > MASK_DEPTH
        if int(here.sum()) < 4:
            continue
        window = (place.rows, place.columns)
        held = _together(exposed.loads, place)
        after = [transmitted(beam, held) for beam in exposed.beams]
        seen = _seen(rng, exposed, window, after[0], here)
        if seen < least_visibility:
            continue
        for material, load in place.loads.items():
            plane = exposed.loads.setdefault(material, np.zeros_like(exposed.signals[0]))
            plane[window] += load
        for signal, now in zip(exposed.signals, after, strict=True):
            signal[window] = now
        mask = np.zeros(exposed.signals[0].shape, dtype=np.bool_)
        mask[window] = here
        return _truth(name, signature, place, here, seen), mask
    return None


def _as_seen(build: Builder, rng: Rng, scene: Scene, depth: float) -> Signature:
    """Return a thing on the scan's pixels: a fan magnifies heights, and lengths along the vehicle not at all."""
    magnification = scene.fan.magnification(depth)
    pitch = scene.fan.pitch / magnification
    made = build(rng, pitch).resized(pitch)
    height, width = made.shape
    size = (max(round(width / magnification), 1), height)
    shrinks = cv2.INTER_AREA if magnification > 1.0 else cv2.INTER_LINEAR
    loads = {
        material: np.asarray(cv2.resize(load, size, interpolation=shrinks), dtype=np.float32)
        for material, load in made.loads.items()
    }
    return replace(made, loads=loads)


def _place(rng: Rng, scene: Scene, signature: Signature, depth: float) -> _Place | None:
    """Choose where it rests: on the floor, within the load, or on it; cut it to the inside of the hold."""
    fan, hold = scene.fan, scene.hold
    height, width = signature.shape
    tall = height * signature.pitch_mm
    left_end, right_end = max(hold.x0, 0.0), min(hold.x1, scene.stage.length)
    wide = width * fan.pitch
    if right_end - left_end < 0.5 * wide:
        return None
    x = rng.uniform(left_end, max(right_end - wide, left_end + 1.0))
    surface = _surface(scene, depth, x, x + wide)
    base = hold.floor
    choice = rng.random()
    if choice < 0.6 and surface - hold.floor > tall:
        base = rng.uniform(hold.floor, surface - tall)
    elif choice < 0.8 and surface + 0.5 * tall < hold.ceiling:
        base = surface
    left = round(x / fan.pitch)
    top = round(fan.row_of(base, depth)) - height
    upper = max(top, round(fan.row_of(hold.ceiling, depth)), 0)
    lower = min(top + height, round(fan.row_of(hold.floor, depth)), fan.rows)
    first, last = max(left, int(left_end / fan.pitch)), min(left + width, int(right_end / fan.pitch))
    if upper >= lower or first >= last:
        return None
    inside = (slice(upper - top, lower - top), slice(first - left, last - left))
    loads = {material: load[inside] for material, load in signature.loads.items()}
    return _Place(slice(upper, lower), slice(first, last), loads, base - hold.floor, depth)


def _surface(scene: Scene, depth: float, x0: float, x1: float) -> float:
    """Return the height in mm up to which there is cargo at a depth, between two places along the vehicle."""
    hold = scene.hold
    sheet = next((sheet for sheet in hold.sheets if sheet.near <= depth <= sheet.far), hold.sheets[0])
    rows, columns = sheet.cells(x0, hold.floor, x1, hold.ceiling)
    total = np.zeros(rows.stop - rows.start, dtype=np.float32)
    for plane in sheet.planes.values():
        total += plane[rows, columns].mean(axis=1) if columns.stop > columns.start else np.float32(0.0)
    filled = np.flatnonzero(total > _SPARE)
    if not filled.size:
        return hold.floor
    return float(hold.ceiling - filled[0] * sheet.pitch)


def _together(loads: dict[Material, Plane], place: _Place) -> dict[Material, Plane]:
    window = (place.rows, place.columns)
    held = {material: plane[window] for material, plane in loads.items()}
    for material, load in place.loads.items():
        held[material] = held[material] + load if material in held else load
    return held


def _seen(
    rng: Rng, exposed: Exposed, window: tuple[slice, slice], after: Plane, here: npt.NDArray[np.bool_]
) -> float:
    """Return the visibility among what is around it and the noise there."""
    rows, columns = window
    height, width = exposed.signals[0].shape
    r0, c0 = max(rows.start - RING, 0), max(columns.start - RING, 0)
    around = exposed.signals[0][
        r0 : min(rows.stop + RING, height), c0 : min(columns.stop + RING, width)
    ].copy()
    noise = rng.standard_normal(around.shape, dtype=np.float32) * np.sqrt(
        around / np.float32(exposed.photons)
    )
    inner = (slice(rows.start - r0, rows.stop - r0), slice(columns.start - c0, columns.stop - c0))
    noise[inner][here] = 0.0  # the change itself is known without noise
    return visibility(np.maximum(around + noise, 0.0), inner, after, here, exposed.opaque)


def _truth(
    name: str, signature: Signature, place: _Place, here: npt.NDArray[np.bool_], seen: float
) -> Inserted:
    masses = {material.name: float(load.sum()) for material, load in place.loads.items() if load.any()}
    down, across = np.flatnonzero(here.any(axis=1)), np.flatnonzero(here.any(axis=0))
    left, top = place.columns.start, place.rows.start
    box = (left + across[0], top + down[0], left + across[-1] + 1, top + down[-1] + 1)
    density = sum(float(load[here].sum()) for load in place.loads.values()) / float(here.sum())
    return Inserted(
        name=name,
        description=signature.name,
        box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
        materials=tuple(sorted(masses, key=lambda key: -masses[key])),
        areal_density=density,
        visibility=seen,
        height_mm=place.height,
        depth_mm=place.depth,
    )
