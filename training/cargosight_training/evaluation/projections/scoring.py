"""What a model says of clean scans and of the same scans with one thing in them, as columns to count in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.findings import ANOMALY, Findings
from cargosight_inference.inspection import Inspection
from cargosight_inference.inspector import Inspector
from cargosight_inference.overlay import display_pixels
from cargosight_inference.pipeline import inspect_with_scans
from cargosight_inference.scans.scan import Scan
from cargosight_inference.tiles import CELL
from cargosight_models.errors import DataSetError
from cargosight_models.geometry import BoolArray, FloatArray, IndexArray
from cargosight_training.datasets.records import DataSet, ImageRecord
from cargosight_training.evaluation.anomaly_figures import truth_cells
from cargosight_training.evaluation.matching import DETECTION_IOU, centres_inside, pairwise_iou
from cargosight_training.evaluation.projections.variants import Role, Thing, Variant, variants
from cargosight_training.evaluation.rates import SCORE_FLOOR

Progress = Callable[[int], None]

PICTURE_SIDE = 224
_AROUND, _LEAST_SIDE = 2.0, 160
_MARK = (0, 94, 213)  # vermillion, as OpenCV orders it


@dataclass(frozen=True, eq=False)
class Row:
    """One variant as it was scored; the last column of every vector is the map of the unusual.

    Attributes:
        thing: what was done to its scan.
        greatest: (C + 1,) float32, the greatest score of each class on the scan, and of the map.
        named: (C + 1,) float32, the greatest score of a finding that lies on the thing by IoU >= 0.5; of the map, the
            greatest of the thing's cells.
        hits: (C + 1,) float32, the same of a finding with IoU >= 0.5 or its middle in the thing's box.
        before: (C + 1,) float32, `hits` of the clean scan's findings in the same box.
        cells: float16 (h, w), the map; None of a model without one.
        truth: bool (h, w), cells of the thing.
        picture: JPEG of the thing and what lies around it; of a clean scan, of its most alarming place.
    """

    thing: Thing
    greatest: FloatArray
    named: FloatArray
    hits: FloatArray
    before: FloatArray
    cells: npt.NDArray[np.float16] | None
    truth: BoolArray | None
    picture: bytes = b""


@dataclass(frozen=True, eq=False)
class ScoredVariants:
    """All variants of a set of clean scans under one model.

    Attributes:
        classes: of the model, then `anomaly` for its map.
        groups: name of near-duplicates, of each clean scan.
        names: file name of each clean scan.
        rows: in the order in which they were made; the clean scan before what was made of it.
        asked: threats that were to be projected; fewer found a place.
        model: name and fingerprint of the model.
        own_points: thresholds (C + 1,) float32 of the operating points beside the model, by their names.
    """

    classes: tuple[str, ...]
    groups: tuple[str, ...]
    names: tuple[str, ...]
    rows: tuple[Row, ...]
    asked: int
    model: tuple[str, str]
    own_points: Mapping[str, FloatArray] = field(default_factory=dict)

    def of_role(self, role: Role) -> list[Row]:
        """Rows of one role."""
        return [row for row in self.rows if row.thing.role == role]

    @cached_property
    def clean_scores(self) -> FloatArray:
        """(N, C + 1) float32: greatest scores of the clean scans, in the order of `of_role("clean")`."""
        return np.stack([row.greatest for row in self.of_role("clean")])

    @cached_property
    def clean_groups(self) -> IndexArray:
        """(N,) int64: number of each clean scan's group."""
        names = [self.groups[row.thing.row] for row in self.of_role("clean")]
        return np.unique(names, return_inverse=True)[1].astype(np.int64)


def open_for_projections(model: str) -> Inspector:
    """An inspector that reports items from the score floor on, and the map whole rather than cut into regions."""
    classes = Inspector(model, threshold=SCORE_FLOOR).contract.classes
    return Inspector(model, threshold=dict.fromkeys(classes, SCORE_FLOOR))


def score_variants(
    inspector: Inspector,
    dataset: DataSet,
    *,
    threats: int,
    families: Sequence[str],
    seed: int,
    progress: Progress | None = None,
) -> ScoredVariants:
    """Inspect clean scans and all that is made of them, by the pipeline that inspects.

    Args:
        inspector: from `open_for_projections`.
        dataset: clean scans of cargo, all real or all simulated.
        threats: projected into each scan, one to a variant.
        families: of threats, taken in turn.
        seed: of what is projected where.
        progress: called with how many clean scans are done.

    Raises:
        DataSetError: scans with boxes, of several origins, or one that cannot be inspected.
    """
    _check(dataset)
    pending: list[Variant] = []

    def scans() -> Iterator[Scan]:
        for variant in variants(dataset.images, threats=threats, families=families, seed=seed):
            pending.append(variant)
            yield variant.scan

    rows: list[Row] = []
    last: Inspection | None = None
    with closing(inspect_with_scans(inspector, scans())) as inspected:
        for inspection, _ in inspected:
            variant = pending.pop(0)
            if inspection.error is not None:
                raise DataSetError(
                    f"image {dataset.images[variant.thing.row].path} cannot be inspected: {inspection.error}"
                )
            if variant.thing.role == "clean":
                last = inspection
                if progress is not None:
                    progress(variant.thing.row)
            assert last is not None  # a clean scan comes first
            rows.append(_scored(variant, inspection, last, len(inspector.contract.classes)))
    if not rows:
        raise DataSetError(
            f"data set {dataset.name!r} has no scan that a threat can be projected into: all are in pseudo-colour"
        )
    return ScoredVariants(
        classes=(*inspector.contract.classes, ANOMALY),
        groups=tuple(_group(image) for image in dataset.images),
        names=tuple(image.path.name for image in dataset.images),
        rows=tuple(rows),
        asked=threats * sum(row.thing.role == "clean" for row in rows),
        model=(inspector.contract.name, inspector.fingerprint),
        own_points=_own_points(inspector),
    )


def _own_points(inspector: Inspector) -> dict[str, FloatArray]:
    """Return the thresholds of a model's operating points; a map without one never alarms."""
    sidecar = inspector.model.sidecar
    if sidecar is None or sidecar.fingerprint != inspector.fingerprint:
        return {}
    never = np.nextafter(np.float32(1.0), np.float32(2.0))
    return {
        point.name: np.array(
            [point.thresholds.get(name, never) for name in (*inspector.contract.classes, ANOMALY)], np.float32
        )
        for point in sidecar.operating_points
    }


def _check(dataset: DataSet) -> None:
    if any(len(image.annotations) for image in dataset.images):
        raise DataSetError(
            f"data set {dataset.name!r} has boxes; expected clean scans to project threats into"
        )
    origins = sorted({image.origin for image in dataset.images})
    if len(origins) > 1:
        raise DataSetError(
            f"{' and '.join(origins)} scans were to share one figure; evaluate each origin by itself"
        )


def _group(image: ImageRecord) -> str:
    return str(image.path) if image.near_duplicates is None else f"{image.source} {image.near_duplicates}"


def _scored(variant: Variant, inspection: Inspection, clean: Inspection, classes: int) -> Row:
    cells = inspection.anomaly_map
    truth = None if variant.mask is None else truth_cells(variant.mask)
    if (
        variant.thing.role == "nothing"
    ):  # its mask is empty, and its box is that of the thing that was left out
        truth = None
    named, hits = _on_the_thing(inspection.findings, variant, classes)
    _, before = _on_the_thing(clean.findings, variant, classes)
    if truth is not None and cells is not None and clean.anomaly_map is not None and truth.any():
        named[-1] = hits[-1] = cells[truth].max()
        before[-1] = clean.anomaly_map[truth].max()
    greatest = np.zeros(classes + 1, dtype=np.float32)
    np.maximum.at(greatest, _items(inspection.findings)[1], _items(inspection.findings)[2])
    if cells is not None:
        greatest[-1] = cells.max()
    small = None if cells is None else cells.astype(np.float16)
    return Row(variant.thing, greatest, named, hits, before, small, truth, _picture(variant, inspection))


def _items(findings: Findings) -> tuple[FloatArray, IndexArray, FloatArray]:
    """Boxes, class ids and scores of known items."""
    items = findings.of_kind("item")
    return findings.boxes[items], findings.class_ids[items].astype(np.int64), findings.scores[items]


def _on_the_thing(findings: Findings, variant: Variant, classes: int) -> tuple[FloatArray, FloatArray]:
    """Greatest scores by class, (C + 1,) each: with IoU >= 0.5, and with that or the middle in the thing's box."""
    named, hits = np.zeros(classes + 1, np.float32), np.zeros(classes + 1, np.float32)
    if variant.thing.role == "clean":
        return named, hits
    boxes, class_ids, scores = _items(findings)
    thing = np.array([variant.thing.box], dtype=np.float32)
    near = pairwise_iou(boxes, thing)[:, 0] >= DETECTION_IOU
    within = near | centres_inside(boxes, thing)[:, 0]
    np.maximum.at(named, class_ids[near], scores[near])
    np.maximum.at(hits, class_ids[within], scores[within])
    return named, hits


def _picture(variant: Variant, inspection: Inspection) -> bytes:
    """JPEG of a square around the thing, with its box drawn; of a clean scan, around its most alarming place."""
    box = variant.thing.box if variant.thing.role != "clean" else _most_alarming(inspection)
    x1, y1, x2, y2 = (round(edge) for edge in box)
    side = max(round(_AROUND * max(x2 - x1, y2 - y1)), _LEAST_SIDE)
    left = int(np.clip((x1 + x2 - side) // 2, 0, max(variant.scan.width - side, 0)))
    top = int(np.clip((y1 + y2 - side) // 2, 0, max(variant.scan.height - side, 0)))
    shown = np.ascontiguousarray(display_pixels(variant.scan)[top : top + side, left : left + side, ::-1])
    scale = PICTURE_SIDE / max(shown.shape[:2])
    shown = np.asarray(
        cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.uint8
    )
    corners = [
        round((edge - start) * scale) for edge, start in ((x1, left), (y1, top), (x2, left), (y2, top))
    ]
    cv2.rectangle(shown, corners[:2], corners[2:], _MARK, 1)
    return bytes(cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())


def _most_alarming(inspection: Inspection) -> tuple[float, float, float, float]:
    """Box of the best item, or of the map's greatest cell where that is greater."""
    boxes, _, scores = _items(inspection.findings)
    cells = inspection.anomaly_map
    if cells is not None and (not len(scores) or cells.max() > scores.max()):
        y, x = divmod(int(cells.argmax()), cells.shape[1])
        return (x - 2.0) * CELL, (y - 2.0) * CELL, (x + 3.0) * CELL, (y + 3.0) * CELL
    if not len(scores):
        return 0.0, 0.0, float(inspection.width), float(inspection.height)
    x1, y1, x2, y2 = boxes[int(scores.argmax())].tolist()
    return x1, y1, x2, y2
