"""The worst misses and the worst false alarms, to be looked at."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from cargosight_inference.overlay import display_pixels
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_models.errors import DataSetError, ScanError
from cargosight_models.geometry import FloatArray, IndexArray
from cargosight_training.evaluation.matching import Matched, pairwise_iou

SIDE = 360
JPEG_QUALITY = 80
MOST = 24
MOST_OF_CLASS = 3
TRUTH_OVERLAP = 0.1

BoxKind = Literal["truth", "other truth", "finding"]


@dataclass(frozen=True)
class MarkedBox:
    """A box to draw.

    Attributes:
        kind: The item in question, another item of the scan, or a finding.
        label: What to write beside it; may be empty.
        box: x1, y1, x2, y2 in scan pixels.
    """

    kind: BoxKind
    label: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Entry:
    """One picture of a gallery.

    Attributes:
        path: The image file.
        group: Source, and scanner where known.
        width: Of the scan in pixels.
        height: Of the scan in pixels.
        caption: What went wrong.
        boxes: What to draw.
    """

    path: Path
    group: str
    width: int
    height: int
    caption: str
    boxes: tuple[MarkedBox, ...]


def worst_misses(matched: Matched, thresholds: FloatArray, *, most: int = MOST) -> list[Entry]:
    """Boxes found with the least score against their threshold; of equal ones the largest first.

    Args:
        matched: Images, findings and boxes.
        thresholds: (C,) the thresholds that a found box would reach.
        most: How many entries at most, at most MOST_OF_CLASS of a class.
    """
    scored = matched.scored
    truths = scored.truths
    ratio = matched.score_by_iou / thresholds[truths.class_id]
    sides = truths.box[:, 2:] - truths.box[:, :2]
    order = np.lexsort((-sides.prod(axis=1), ratio))
    missed = [int(row) for row in order if ratio[row] < 1 and scored.known[truths.class_id[row]]]
    entries = []
    for row in _few_of_each(missed, truths.class_id, most):
        image = int(truths.image[row])
        name = scored.classes.names[truths.class_id[row]]
        best = float(matched.score_by_iou[row])
        said = f"best score {best:.2f} of {thresholds[truths.class_id[row]]:.2f}" if best else "not found"
        boxes = [_mark("truth", name, truths.box[row])]
        boxes += _findings_on(matched, image, truths.box[row], thresholds)
        entries.append(_entry(matched, image, f"{name}: {said}", boxes, row))
    return entries


def worst_false_alarms(matched: Matched, thresholds: FloatArray, *, most: int = MOST) -> list[Entry]:
    """Findings of greatest score for a class that the scan does not hold, one for each scan and class.

    Args:
        matched: Images, findings and boxes.
        thresholds: (C,) scores from which a finding alarms.
        most: How many entries at most, at most MOST_OF_CLASS of a class.
    """
    scored = matched.scored
    findings = scored.findings
    wrong = scored.negative[findings.image, findings.class_id]
    rows = np.flatnonzero(wrong & (findings.score >= thresholds[findings.class_id]))
    rows = rows[np.argsort(-findings.score[rows], kind="stable")]
    first: dict[tuple[int, int], int] = {}
    for place in rows.tolist():
        first.setdefault((int(findings.image[place]), int(findings.class_id[place])), place)
    entries = []
    for row in _few_of_each(first.values(), findings.class_id, most):
        name = scored.classes.names[findings.class_id[row]]
        score = float(findings.score[row])
        said = f"{name} {score:.2f} (alarms from {thresholds[findings.class_id[row]]:.2f})"
        mark = _mark("finding", f"{name} {score:.2f}", findings.box[row])
        entries.append(_entry(matched, int(findings.image[row]), said, [mark], None))
    return entries


def thumbnail(path: Path, *, side: int = SIDE) -> bytes:
    """The scan as a JPEG with no side longer than `side` px.

    Raises:
        DataSetError: The image cannot be read any more.
    """
    try:
        scan = read_scan(path, ReadOptions())
    except ScanError as error:
        raise DataSetError(f"image {path} cannot be read: {error}") from error
    picture = display_pixels(scan)
    scale = min(1.0, side / max(scan.width, scan.height))
    if scale < 1.0:
        size = max(1, round(scan.width * scale)), max(1, round(scan.height * scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()


def _few_of_each(rows: Iterable[int], class_id: IndexArray, most: int) -> list[int]:
    """The first rows, at most MOST_OF_CLASS of a class and `most` in all."""
    taken: dict[int, int] = {}
    chosen: list[int] = []
    for row in rows:
        one = int(class_id[row])
        if taken.get(one, 0) < MOST_OF_CLASS and len(chosen) < most:
            taken[one] = taken.get(one, 0) + 1
            chosen.append(row)
    return chosen


def _findings_on(matched: Matched, image: int, box: FloatArray, thresholds: FloatArray) -> list[MarkedBox]:
    """Alarming findings of any class that touch the box."""
    findings = matched.scored.findings
    rows = np.flatnonzero((findings.image == image) & (findings.score >= thresholds[findings.class_id]))
    rows = rows[pairwise_iou(findings.box[rows], box[None])[:, 0] > TRUTH_OVERLAP]
    names = matched.scored.classes.names
    return [
        _mark("finding", f"{names[findings.class_id[row]]} {findings.score[row]:.2f}", findings.box[row])
        for row in rows[:3]
    ]


def _mark(kind: BoxKind, label: str, box: FloatArray) -> MarkedBox:
    x1, y1, x2, y2 = (float(edge) for edge in box)
    return MarkedBox(kind, label, (x1, y1, x2, y2))


def _entry(matched: Matched, image: int, caption: str, boxes: list[MarkedBox], truth: int | None) -> Entry:
    """An entry with the scan's other items drawn too; `truth` is the row of the item in question."""
    scored = matched.scored
    record = scored.images[image]
    marked = np.array([mark.box for mark in boxes], dtype=np.float32)
    others = []
    for row in np.flatnonzero(scored.truths.image == image):
        if row == truth:
            continue
        box = scored.truths.box[row]
        # A name only where it explains what was found: on a full bag the rest would cover it.
        near = pairwise_iou(box[None], marked).max() > TRUTH_OVERLAP
        name = scored.classes.names[scored.truths.class_id[row]] if near else ""
        others.append(_mark("other truth", name, box))
    return Entry(record.path, record.group, record.width, record.height, caption, (*others, *boxes))
