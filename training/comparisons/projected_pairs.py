"""Pairs of a clean scan of cargo and the same scan with a threat projected, drawn once and made again at will."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.container import locate_container
from cargosight_inference.scans.projection import RING, Projection, project
from cargosight_inference.scans.radiograph import radiograph_of
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import DataSetError
from cargosight_training.datasets.coco import read_coco
from cargosight_training.evaluation.projections.variants import effective_photons, pixel_pitch
from cargosight_training.simulation.cargo.projecting import Wish, place_threat
from cargosight_training.simulation.cargo.threats import THREATS, Builder

VISIBILITIES = (5.0, 1.0)
"""Least visibilities that are wished for in turn: what stands out, and whatever can be seen at all."""
_SCANS_TRIED = 2
_PLACES_TRIED = 30
_LOADED = 0.9  # mean signal, of 1 in air, below which something lies at a place already


@dataclass(frozen=True)
class CleanScan:
    """A scan without threats.

    Attributes:
        path: Of its file.
        group: Near-duplicates share one.
    """

    path: Path
    group: str


@dataclass(frozen=True)
class Drawn:
    """A threat in a scan, as far as it takes to project it again.

    Attributes:
        scan: Place of the scan in the list that it was drawn for.
        family: Of the threat.
        seed: Of its build and of the noise.
        pitch_mm: Side of the scan's pixel at the load.
        left: Column of its first pixel.
        top: Row of its first pixel.
        wished: Least visibility that a place was sought for.
        visibility: That it has.
        photons: Of a pixel in air of its scan, for the noise; None where they are not known.
    """

    scan: int
    family: str
    seed: int
    pitch_mm: float
    left: int
    top: int
    wished: float
    visibility: float
    photons: float | None


def clean_scans(path: Path, *, limit: int | None, seed: int) -> list[CleanScan]:
    """The scans of an annotation file that have no box, drawn without order.

    Args:
        path: COCO JSON; `group` in a row of `images` says which scans are near-duplicates.
        limit: At most so many, None for all.
        seed: Of the draw.

    Raises:
        DataSetError: The file is wrong, or all its scans have boxes.
    """
    dataset = read_coco(path)
    rows = json.loads(path.read_text(encoding="utf-8"))["images"]
    groups = {int(row["id"]): str(row["group"]) for row in rows if "group" in row}
    scans = [
        CleanScan(record.path, groups.get(record.image_id, record.path.stem))
        for record in dataset.images
        if not len(record.annotations)
    ]
    if not scans:
        raise DataSetError(f"{path} has no scan without a box; a threat is projected into clean ones only")
    order = np.random.default_rng(seed).permutation(len(scans))
    return [scans[place] for place in order[:limit]]


def read_cargo_scan(path: Path) -> Scan:
    """Read a scan of cargo.

    Raises:
        ScanError: It cannot be read.
    """
    return read_scan(path, ReadOptions(subject="cargo"))


def draw_pairs(
    scans: Sequence[CleanScan],
    *,
    per_family: int,
    seed: int,
    families: Mapping[str, Builder] = THREATS,
) -> list[Drawn]:
    """Project every family into scans, each into as many, half of them where they stand out; the families take turns.

    Args:
        scans: Of which the list is gone round in turn.
        per_family: How many of each; a threat that finds no place in several scans is left out.
        seed: Of all that is drawn.
        families: Builders of threats.
    """
    drawn, turn = [], 0
    for number in range(per_family):
        for position, family in enumerate(families):
            for tried in range(_SCANS_TRIED):
                place = (turn + tried) % len(scans)
                found = _draw_one(
                    scans[place].path,
                    place,
                    family,
                    families[family],
                    seed=seed * 1_000_000 + position * 10_000 + number * 10 + tried,
                    wished=VISIBILITIES[number % len(VISIBILITIES)],
                )
                if found is not None:
                    drawn.append(found)
                    break
            turn += 1
    return drawn


def _draw_one(
    path: Path, place: int, family: str, build: Builder, *, seed: int, wished: float
) -> Drawn | None:
    scan = read_cargo_scan(path)
    if scan.kind == "pseudocolour":
        return None
    radiograph = radiograph_of(scan)
    pitch, photons = pixel_pitch(locate_container(radiograph)), effective_photons(radiograph)
    signature = build(np.random.default_rng(seed), pitch)
    height, width = signature.shape
    if width > scan.width or height > scan.height:
        return None
    random = np.random.default_rng((seed, 1))
    for _ in range(_PLACES_TRIED):
        left = int(random.integers(0, scan.width - width + 1))
        top = int(random.integers(0, scan.height - height + 1))
        # Of the scan only the part that a projection changes, and what its visibility is measured in.
        x1, y1 = max(0, left - RING), max(0, top - RING)
        part = scan.pixels[y1 : top + height + RING, x1 : left + width + RING]
        if _shows_air(scan, part):
            continue
        wish = Wish(seed=seed, at=(left - x1, top - y1), photons=photons)
        placed = place_threat(replace(scan, pixels=part, markings=None), signature, wish)
        if placed.projection.visibility >= wished:
            return Drawn(place, family, seed, pitch, left, top, wished, placed.projection.visibility, photons)
    return None


def _shows_air(scan: Scan, part: npt.NDArray[Any]) -> bool:
    """Whether hardly anything lies there that a threat could be hidden in."""
    if scan.kind == "transmission":
        return float(part[:, :, 0].mean()) > _LOADED
    share = float(part.mean()) / 255.0
    return (share if scan.polarity == "air_bright" else 1.0 - share) > _LOADED


def project_again(scan: Scan, drawn: Drawn, families: Mapping[str, Builder] = THREATS) -> Projection:
    """Make a drawn projection; the same one each time.

    Args:
        scan: The clean scan that it was drawn for.
        drawn: What was drawn.
        families: Builders of threats.
    """
    signature = families[drawn.family](np.random.default_rng(drawn.seed), drawn.pitch_mm)
    wish = Wish(seed=drawn.seed, photons=drawn.photons)
    return project(scan, signature, drawn.left, drawn.top, photons=wish.photons, rng=wish.noise())


def kept_pairs(
    kept: Path,
    scans: Sequence[CleanScan],
    *,
    per_family: int,
    seed: int,
    families: Mapping[str, Builder] = THREATS,
) -> list[Drawn]:
    """Take the pairs from a file that was drawn for the same scans and numbers; else draw them and write it."""
    key = {
        "scans": [str(scan.path) for scan in scans],
        "per_family": per_family,
        "seed": seed,
        "families": list(families),
        "facts": [field.name for field in fields(Drawn)],
    }
    if kept.is_file():
        document = json.loads(kept.read_text(encoding="utf-8"))
        if document["key"] == key:
            return [Drawn(**row) for row in document["drawn"]]
    drawn = draw_pairs(scans, per_family=per_family, seed=seed, families=families)
    partial = kept.with_suffix(".partial")
    partial.write_text(json.dumps({"key": key, "drawn": [asdict(one) for one in drawn]}, indent=1) + "\n")
    partial.replace(kept)
    return drawn
