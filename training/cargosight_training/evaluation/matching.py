"""Which findings hit which boxes, image by image and class by class.

Two notions stand beside each other. Average precision, FROC and calibration need a one-to-one assignment,
made as COCO makes it: findings by falling score, each takes the free box of its class with the highest IoU at
or above the threshold (Lin et al., "Microsoft COCO", ECCV 2014; reference code `pycocotools.cocoeval`). A
detection rate asks of each box whether any finding of its class at or above a score overlaps it by IoU >=
0.5, or has its centre in it.
"""

from dataclasses import dataclass

import numpy as np

from cargosight_models.geometry import BoolArray, DoubleArray, FloatArray, IndexArray
from cargosight_training.evaluation.scored import Scored

IOU_THRESHOLDS: DoubleArray = np.linspace(0.5, 0.95, 10)
"""0.50, 0.55 … 0.95, made as pycocotools makes them, since 0.6 + 0.05 is not quite 0.65."""
MAX_DETECTIONS = 100
"""Findings of one class on one image that count, best first."""
DETECTION_IOU = 0.5


@dataclass(frozen=True, eq=False)
class Matched:
    """Scored images with every finding judged and every box's best score.

    Attributes:
        scored: The images, findings and boxes.
        counted: (F,) bool, the finding's class is labelled on its image and it is among the best 100 of its
            class there. Only these may be right or wrong.
        hit: (F, T) bool, the finding is assigned to a box at each of IOU_THRESHOLDS.
        score_by_iou: (G,) float32, for each box the best score of its class at IoU >= 0.5; 0 where none.
        score_by_centre: (G,) float32, the best score of its class with the centre inside the box; 0 where
            none.
    """

    scored: Scored
    counted: BoolArray
    hit: BoolArray
    score_by_iou: FloatArray
    score_by_centre: FloatArray


def match(scored: Scored) -> Matched:
    """Judge every finding and box."""
    findings, truths = scored.findings, scored.truths
    counted = _counted(scored)
    hit = np.zeros((len(findings), len(IOU_THRESHOLDS)), dtype=np.bool_)
    by_iou = np.zeros(len(truths), dtype=np.float32)
    by_centre = np.zeros(len(truths), dtype=np.float32)
    findings_of = _rows_by_pair(findings.image, findings.class_id, len(scored.classes), counted)
    truths_of = _rows_by_pair(truths.image, truths.class_id, len(scored.classes))
    for pair, truth_rows in truths_of.items():
        rows = findings_of.get(pair)
        if rows is None:
            continue
        overlaps = pairwise_iou(findings.box[rows], truths.box[truth_rows])
        scores = findings.score[rows]
        hit[rows] = assign(overlaps, IOU_THRESHOLDS)
        by_iou[truth_rows] = _best_score(scores, overlaps >= DETECTION_IOU)
        by_centre[truth_rows] = _best_score(
            scores, centres_inside(findings.box[rows], truths.box[truth_rows])
        )
    return Matched(scored, counted, hit, by_iou, by_centre)


def pairwise_iou(a: FloatArray, b: FloatArray) -> DoubleArray:
    """IoU (N, M) float64 in [0, 1] of `a` (N, 4) with `b` (M, 4).

    In float64 to the end, as in pycocotools: boxes on whole pixels often meet a threshold exactly, and a
    value rounded to float32 would fall on the other side of it.
    """
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    upper = np.minimum(wide_a[:, None, 2:], wide_b[None, :, 2:])
    sides = upper - np.maximum(wide_a[:, None, :2], wide_b[None, :, :2])
    overlap = np.clip(sides, 0.0, None).prod(axis=2)
    area_a = (wide_a[:, 2:] - wide_a[:, :2]).prod(axis=1)
    area_b = (wide_b[:, 2:] - wide_b[:, :2]).prod(axis=1)
    union = area_a[:, None] + area_b[None, :] - overlap
    iou: DoubleArray = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return iou


def assign(overlaps: DoubleArray, thresholds: DoubleArray) -> BoolArray:
    """One-to-one assignment of findings to boxes as COCO makes it.

    Args:
        overlaps: (F, G) IoU, findings by falling score.
        thresholds: (T,).

    Returns:
        (F, T) bool, whether the finding got a box at the threshold.
    """
    assigned = np.zeros((len(overlaps), len(thresholds)), dtype=np.bool_)
    free = np.ones((len(thresholds), overlaps.shape[1]), dtype=np.bool_)
    for row in np.flatnonzero(overlaps.max(axis=1, initial=0.0) >= thresholds.min()):
        possible = np.where(free, overlaps[row], -1.0)
        # Of equal overlaps the last one is taken, as the reference code does.
        best = possible.shape[1] - 1 - possible[:, ::-1].argmax(axis=1)
        reached = possible[np.arange(len(thresholds)), best] >= thresholds
        assigned[row] = reached
        free[np.flatnonzero(reached), best[reached]] = False
    return assigned


def centres_inside(findings: FloatArray, truths: FloatArray) -> BoolArray:
    """(F, G) bool: the centre of the finding lies in the box, edges included."""
    centres = (findings[:, None, :2] + findings[:, None, 2:]) / 2
    within = (centres >= truths[None, :, :2]) & (centres <= truths[None, :, 2:])
    return np.asarray(within.all(axis=2))


def _best_score(scores: FloatArray, possible: BoolArray) -> FloatArray:
    best: FloatArray = np.where(possible, scores[:, None], np.float32(0)).max(axis=0)
    return best


def _counted(scored: Scored) -> BoolArray:
    """Findings of labelled classes, at most MAX_DETECTIONS by image and class."""
    findings = scored.findings
    pair = findings.image * len(scored.classes) + findings.class_id
    order = np.lexsort((-findings.score, pair))
    starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
    rank = np.empty(len(findings), dtype=np.int64)
    rank[order] = np.arange(len(findings)) - np.repeat(starts, np.diff(starts, append=len(findings)))
    counted: BoolArray = scored.labelled[findings.image, findings.class_id] & (rank < MAX_DETECTIONS)
    return counted


def _rows_by_pair(
    image: IndexArray, class_id: IndexArray, classes: int, keep: BoolArray | None = None
) -> dict[int, IndexArray]:
    """Row numbers by image * classes + class, in table order (by falling score for findings)."""
    rows = np.arange(len(image), dtype=np.int64) if keep is None else np.flatnonzero(keep)
    pair = image[rows] * classes + class_id[rows]
    order = np.argsort(pair, kind="stable")
    pair, rows = pair[order], rows[order]
    cuts = np.flatnonzero(np.diff(pair)) + 1
    return {int(pair[chunk[0]]): rows[chunk] for chunk in np.split(np.arange(len(rows)), cuts) if len(chunk)}
