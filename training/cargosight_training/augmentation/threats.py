"""Threats, look-alikes and unheard-of things put into crops of radiographs, by threat image projection.

Nobody labels threats in real cargo, so a network for cargo learns them from projections into clean scans: known
families with their class, odd shapes of any material that only count as unusual, and harmless look-alikes that count
as neither. A projection of nothing goes through the same code, so that no trace of it can be learnt.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.attenuation import (
    ALUMINIUM,
    CELLULOSE,
    EXPLOSIVE,
    LEAD,
    POLYETHYLENE,
    STEEL,
    Material,
)
from cargosight_inference.scans.beams import Plane, linac
from cargosight_inference.scans.projection import (
    COUNT_STEP,
    GREY_STEP,
    OPAQUE,
    Signature,
    darkened,
    visibility,
)
from cargosight_inference.tiles import CELL
from cargosight_models.geometry import clip_boxes
from cargosight_models.labels import LabelledRegions
from cargosight_training.augmentation.sample import Sample, with_picture
from cargosight_training.config import InsertConfig

Builder = Callable[[np.random.Generator, float], Signature]

UNKNOWN = -1.0
_ODD_MATERIALS: tuple[Material, ...] = (POLYETHYLENE, CELLULOSE, EXPLOSIVE, ALUMINIUM, STEEL, STEEL, LEAD)
_ENERGIES = ((6.0, 4.0), (9.0, 6.0))
_IN_AIR = 0.97
_BLACK = 4.0 / 255.0  # most vendors' grey is black from here down; raw counts of one energy lose little by it
_THIN = 0.05  # g/cm2, below which a pixel is none of the thing's
_NOWHERE = np.zeros((0, 4), dtype=np.float32)
_TRIES = 8
_LEAST_VISIBLE = 1.0
"""Of `Projection.visibility`: what stands out less is asked for by nobody."""


class SignatureBank:
    """Signatures made once, since building one takes longer than projecting it.

    Args:
        builders: by family; the class id is the position.
        pitch_mm: least and greatest side in mm of the pixels they are made for, drawn for each variant.
        each: variants of every family.
        seed: of the variants.
    """

    def __init__(
        self, builders: Mapping[str, Builder], *, pitch_mm: tuple[float, float], each: int, seed: int
    ) -> None:
        self.names = tuple(builders)
        low, high = np.log(pitch_mm)

        def build_one(family: int, build: Builder, variant: int) -> Signature:
            rng = np.random.default_rng((seed, family, variant))
            return build(rng, float(np.exp(rng.uniform(low, high))))

        self._variants = [
            [build_one(family, build, variant) for variant in range(each)]
            for family, build in enumerate(builders.values())
        ]

    def draw(self, rng: np.random.Generator) -> tuple[int, Signature]:
        """Return the position of a family and one of its variants, mirrored at random."""
        family = int(rng.integers(len(self._variants)))
        variant = self._variants[family][int(rng.integers(len(self._variants[family])))]
        flips = [slice(None, None, -1 if rng.random() < 0.5 else 1) for _ in range(2)]
        loads = {m: np.ascontiguousarray(load[flips[0], flips[1]]) for m, load in variant.loads.items()}
        return family, replace(variant, loads=loads)


class ThreatInsertion:
    """Puts threats into samples.

    Args:
        threats: known families, in the order of the class ids.
        lookalikes: harmless ones, None for none.
        settings: how many of what.
    """

    def __init__(
        self, threats: SignatureBank, lookalikes: SignatureBank | None, settings: InsertConfig
    ) -> None:
        self._threats, self._lookalikes, self._settings = threats, lookalikes, settings

    def insert(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Return a sample with what was put into it and where it is unusual.

        Args:
            sample: a radiograph, float32 (H, W, 3): both energies and the plane of single energy.
            rng: source of chance.

        Returns:
            The sample; its `unusual` is 1 where something unusual covers the cell, 0 where nothing does, and `UNKNOWN`
            over annotated threats of the scan itself and over what can hardly be seen. Its `harmless` is where
            look-alikes lie.
        """
        height, width = sample.picture.shape[:2]
        unusual = np.zeros((height, width), dtype=np.float32)
        for x1, y1, x2, y2 in sample.boxes.astype(int).tolist():
            unusual[y1 : y2 + 1, x1 : x2 + 1] = UNKNOWN
        work = _Work(sample, unusual, rng)
        settings = self._settings
        if self._lookalikes is not None:
            for _ in range(rng.poisson(settings.lookalikes)):
                work.put_harmless(self._lookalikes.draw(rng)[1])
        for _ in range(rng.poisson(settings.nothing)):
            work.project(self._threats.draw(rng)[1].thinned(0.0))
        for _ in range(rng.poisson(settings.odd)):
            work.put(odd_shape(rng), None)
        for _ in range(rng.poisson(settings.known)):
            family, signature = self._threats.draw(rng)
            work.put(signature, family)
        harmless = np.concatenate([_NOWHERE, *work.harmless])
        return replace(work.sample, unusual=_by_cell(unusual), harmless=harmless)


@dataclass(frozen=True, eq=False)
class _Projected:
    """What was put into a crop: its window, its pixels in that window, and how much it stands out."""

    rows: slice
    columns: slice
    here: npt.NDArray[np.bool_]
    visibility: float


class _Work:
    """A sample under way."""

    def __init__(self, sample: Sample, unusual: Plane, rng: np.random.Generator) -> None:
        self.sample = with_picture(sample, sample.picture.copy())
        self._unusual, self._rng = unusual, rng
        self._beams = tuple(linac(mv) for mv in _ENERGIES[int(rng.integers(len(_ENERGIES)))])
        self._photons = float(np.exp(rng.uniform(np.log(3e3), np.log(1e5))))
        self.harmless: list[npt.NDArray[np.float32]] = []

    def project(self, signature: Signature) -> _Projected | None:
        """Project a signature where there is cargo; None where no place was found, or nothing of it is there."""
        place = self._place(signature)
        if place is None:
            return None
        rows, columns, loads = place
        picture = self.sample.picture
        single = bool(picture[0, 0, 2] > 0.5)
        before = np.ascontiguousarray(picture[rows, columns, :2])
        beams = self._beams[:1] if single else self._beams
        after = darkened(before[:, :, : len(beams)], loads, beams, photons=self._photons, rng=self._rng)
        here = np.sum(list(loads.values()), axis=0) > _THIN
        if not here.any():
            return None
        seen_from, step = (_BLACK, GREY_STEP) if single else (OPAQUE, COUNT_STEP)
        shows = visibility(picture[:, :, 0], (rows, columns), after[:, :, 0], here, seen_from, step=step)
        picture[rows, columns, :2] = after if not single else np.repeat(after, 2, axis=2)
        return _Projected(rows, columns, here, shows)

    def put(self, signature: Signature, class_id: int | None) -> None:
        """Project something unusual where there is cargo, and label it as far as it shows."""
        made = self.project(signature)
        if made is None:
            return
        seen = made.visibility >= _LEAST_VISIBLE
        window = self._unusual[made.rows, made.columns]
        window[made.here] = 1.0 if seen else UNKNOWN
        self._label(self._box(made), class_id, seen=seen)

    def put_harmless(self, signature: Signature) -> None:
        """Project a look-alike where there is cargo, and keep where it lies."""
        made = self.project(signature)
        if made is not None:
            self.harmless.append(self._box(made))

    def _box(self, made: _Projected) -> npt.NDArray[np.float32]:
        """Return the box (1, 4) of a thing as far as it lies in the crop."""
        x, y, across, down = cv2.boundingRect(made.here.astype(np.uint8))
        left, top = made.columns.start + x, made.rows.start + y
        box = np.array([[left, top, left + across, top + down]], np.float32)
        height, width = self.sample.picture.shape[:2]
        return clip_boxes(box, width, height)

    def _label(self, box: npt.NDArray[np.float32], class_id: int | None, *, seen: bool) -> None:
        sample = self.sample
        if not seen or class_id is None:
            # An odd shape is of no family that anyone could name, and no counter-example of one either.
            regions = sample.regions
            unknown = np.concatenate([regions.unknown, box])
            self.sample = replace(sample, regions=LabelledRegions(regions.boxes, regions.masks, unknown))
            return
        self.sample = replace(
            sample,
            boxes=np.concatenate([sample.boxes, box]),
            class_ids=np.concatenate([sample.class_ids, [class_id]]),
        )

    def _start(self, side: int, room: int) -> int:
        """Return where a thing begins in a crop: up to a third of it lies outside, more of one larger than the crop."""
        ends = (-(side // 3), room - 2 * side // 3)
        return int(self._rng.integers(min(ends), max(ends) + 1))

    def _place(self, signature: Signature) -> tuple[slice, slice, dict[Material, Plane]] | None:
        """Return a window that lies in cargo, with the part of the signature inside it; None where none was found."""
        height, width = self.sample.picture.shape[:2]
        h, w = signature.shape
        for _ in range(_TRIES):
            left, top = (self._start(side, room) for side, room in ((w, width), (h, height)))
            x1, y1, x2, y2 = max(0, left), max(0, top), min(width, left + w), min(height, top + h)
            if x2 - x1 < CELL or y2 - y1 < CELL:
                continue
            behind = float(np.median(self.sample.picture[y1:y2:4, x1:x2:4, 0]))
            if not OPAQUE < behind < _IN_AIR:
                continue
            inside = (slice(y1 - top, y2 - top), slice(x1 - left, x2 - left))
            loads = {m: np.ascontiguousarray(load[inside]) for m, load in signature.loads.items()}
            return slice(y1, y2), slice(x1, x2), loads
        return None


def odd_shape(rng: np.random.Generator) -> Signature:
    """Return a thing of no family: up to four polygons, rings or bars of one material each, even or uneven in depth."""
    size = int(np.exp(rng.uniform(np.log(16), np.log(220))))
    loads: dict[Material, Plane] = {}
    for _ in range(int(rng.integers(1, 5))):
        material = _ODD_MATERIALS[int(rng.integers(len(_ODD_MATERIALS)))]
        shape = _outline(rng, size)
        depth = float(np.exp(rng.uniform(np.log(1.0), np.log(60.0))))
        if rng.random() < 0.5:  # thicker towards one side
            ramp = np.linspace(rng.uniform(0.3, 1.0), 1.0, size, dtype=np.float32)
            shape = shape * (ramp[:, None] if rng.random() < 0.5 else ramp[None, :])
        loads[material] = loads.get(material, np.zeros((size, size), np.float32)) + shape * np.float32(depth)
    return Signature("odd shape", loads, 4.0)


def _outline(rng: np.random.Generator, size: int) -> Plane:
    canvas = np.zeros((size, size), dtype=np.uint8)
    kind = int(rng.integers(3))
    if kind == 0:
        corners = int(rng.integers(3, 9))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        reach = size * rng.uniform(0.15, 0.5, corners)
        points = size / 2 + np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach[:, None]
        cv2.fillPoly(canvas, [points.astype(np.int32)], 255, lineType=cv2.LINE_AA)
    elif kind == 1:
        axes = tuple(int(v) for v in size * rng.uniform(0.1, 0.45, 2))
        thickness = -1 if rng.random() < 0.6 else max(1, int(size * rng.uniform(0.02, 0.15)))
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(canvas, (size // 2, size // 2), axes, turn, 0, 360, 255, thickness, cv2.LINE_AA)
    else:
        start, end = (tuple(int(v) for v in rng.uniform(0.05, 0.95, 2) * size) for _ in range(2))
        cv2.line(canvas, start, end, 255, max(1, int(size * rng.uniform(0.03, 0.2))), cv2.LINE_AA)
    return canvas.astype(np.float32) / np.float32(255.0)


def _by_cell(marks: Plane) -> npt.NDArray[np.float32]:
    """Mark (H, W) by cells: 1 where a quarter or more of a cell is unusual, `UNKNOWN` where it may be."""
    height, width = marks.shape[0] // CELL, marks.shape[1] // CELL
    cells = marks[: height * CELL, : width * CELL].reshape(height, CELL, width, CELL)
    share = (cells == 1.0).mean(axis=(1, 3))
    some = (cells != 0.0).any(axis=(1, 3))
    out = np.where(share >= 0.25, 1.0, np.where(some, UNKNOWN, 0.0))
    return out.astype(np.float32)
