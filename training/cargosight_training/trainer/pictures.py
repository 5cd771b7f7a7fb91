"""Pictures of a run: its curves, and validation scans as annotated beside what was found on them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cargosight_inference.findings import Findings
from cargosight_inference.inspection import Inspection
from cargosight_inference.inspector import Inspector
from cargosight_inference.overlay import Picture, draw_overlay
from cargosight_models.errors import DataSetError
from cargosight_training.datasets.cache import read_record
from cargosight_training.datasets.records import ImageRecord
from cargosight_training.trainer.journal import read_rows
from cargosight_training.trainer.run_folder import RunFolder

_CELL = 480
"""Width of a scan on the sheet in pixels."""
_PAIRS = 2
"""Pairs of annotated and found side by side."""
_GAP = 8
_SMOOTHING = 25
"""Rows of the log that the smooth curve averages."""


def draw_sheet(
    path: Path,
    inspector: Inspector,
    images: Sequence[ImageRecord],
    findings: Sequence[Findings],
    *,
    count: int,
) -> None:
    """Draw scans as annotated and as found, side by side.

    The threshold is the score that as many findings of all scans reach as there are boxes on them, so that the sheet
    says something from the first evaluation on.

    Args:
        path: of the PNG.
        inspector: whose findings these are.
        images: the validation scans.
        findings: what was found on each, down to the score floor.
        count: how many scans to draw, those with boxes first, spread evenly.
    """
    boxes = sum(len(image.annotations) for image in images)
    scores = np.sort(np.concatenate([one.scores for one in findings]))[::-1]
    threshold = float(scores[min(boxes, len(scores)) - 1]) if boxes and len(scores) else 0.5
    cells = []
    for row in _spread([len(image.annotations) > 0 for image in images], count):
        scan = read_record(images[row], inspector.subject)
        inspection = inspector.inspect(images[row].path)
        shown = findings[row].above(threshold)
        point = f"threshold {threshold:.3f}, as many findings as boxes"
        found = _with_findings(inspection, shown, "found", point)
        cells += [draw_overlay(scan, _annotated(inspection, images[row])), draw_overlay(scan, found)]
    if cells:
        write_png(path, _lay_out(cells))


def draw_curves(folder: RunFolder) -> None:
    """Draw losses, learning rate and mAP over the steps of a run, from its CSV files."""
    log, evaluations = read_rows(folder.log), read_rows(folder.evaluations)
    figure = Figure(figsize=(9.0, 8.0), layout="constrained")
    losses, scores = figure.subplots(2, 1, sharex=True)
    steps = [int(row["step"]) + 1 for row in log]
    for index, (key, label) in enumerate((("classes", "class loss"), ("boxes", "box loss"))):
        values = [float(row[key]) for row in log]
        losses.plot(steps, values, color=f"C{index}", alpha=0.25, linewidth=0.8)
        losses.plot(steps, _smooth(values), color=f"C{index}", label=label)
    losses.set_ylabel("loss")
    losses.set_ylim(bottom=0.0)
    losses.legend(loc="upper right")
    rate = losses.twinx()
    rate.plot(steps, [float(row["lr"]) for row in log], color="0.6", linestyle=":")
    rate.set_ylabel("learning rate (dotted)")
    for key, label in (("map50", "mAP50"), ("map", "mAP")):
        known = [row for row in evaluations if row[key]]
        scores.plot(
            [int(row["step"]) for row in known], [float(row[key]) for row in known], marker="o", label=label
        )
    scores.set_xlabel("step")
    scores.set_ylabel("on validation scans")
    scores.set_ylim(bottom=0.0)
    scores.legend(loc="upper left")
    FigureCanvasAgg(figure)
    partial = folder.curves.with_suffix(".partial")
    figure.savefig(partial, format="png", dpi=110)
    partial.replace(folder.curves)


def write_png(path: Path, picture: Picture) -> None:
    """Write an (H, W, 3) uint8 RGB picture, so that a reader finds a whole one."""
    encoded, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not encoded:
        raise DataSetError(f"a picture of {picture.shape[1]} by {picture.shape[0]} cannot be written as PNG")
    partial = path.with_suffix(".partial")
    partial.write_bytes(data.tobytes())
    partial.replace(path)


def _spread(preferred: Sequence[bool], count: int) -> list[int]:
    """Up to ``count`` positions spread evenly, over the preferred ones where there are enough."""
    wanted = np.flatnonzero(preferred)
    pool = wanted if len(wanted) >= count else np.arange(len(preferred))
    chosen: list[int] = pool[
        np.linspace(0, len(pool) - 1, min(count, len(pool))).round().astype(int)
    ].tolist()
    return chosen


def _annotated(inspection: Inspection, image: ImageRecord) -> Inspection:
    """The inspection as it would be if it said what people annotated."""
    annotations = image.annotations
    findings = Findings.of_items(
        annotations.boxes,
        np.ones(len(annotations), dtype=np.float32),
        annotations.class_ids.astype(np.int32),
        inspection.findings.class_names,
    )
    return _with_findings(inspection, findings, "annotated", image.group)


def _with_findings(inspection: Inspection, findings: Findings, word: str, point: str) -> Inspection:
    return replace(
        inspection,
        findings=findings,
        decision="refer" if len(findings) else "clear",
        reasons=(f"{word}: {', '.join(dict.fromkeys(findings.labels))}",) if len(findings) else (),
        operating_point=point,
    )


def _lay_out(cells: Sequence[Picture]) -> Picture:
    """Rows of ``_PAIRS`` pairs, each row as high as its highest cell."""
    across = 2 * _PAIRS
    sized: list[npt.NDArray[Any]] = [
        cv2.resize(cell, (_CELL, round(cell.shape[0] * _CELL / cell.shape[1])), interpolation=cv2.INTER_AREA)
        for cell in cells
    ]
    rows = [sized[start : start + across] for start in range(0, len(sized), across)]
    heights = [max(cell.shape[0] for cell in row) for row in rows]
    columns = min(across, len(sized))
    sheet: Picture = np.full(
        (sum(heights) + _GAP * (len(rows) + 1), columns * (_CELL + _GAP) + _GAP, 3), 255, dtype=np.uint8
    )
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            left = _GAP + column * (_CELL + _GAP)
            sheet[top : top + cell.shape[0], left : left + _CELL] = cell
        top += height + _GAP
    return sheet


def _smooth(values: Sequence[float]) -> list[float]:
    """Means of the last rows, so that the curve holds nothing of the future."""
    return [float(np.mean(values[max(0, i + 1 - _SMOOTHING) : i + 1])) for i in range(len(values))]
