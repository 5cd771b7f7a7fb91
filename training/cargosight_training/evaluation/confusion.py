"""What items are taken for at given thresholds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cargosight_models.geometry import FloatArray, IndexArray
from cargosight_training.evaluation.matching import DETECTION_IOU, Matched, pairwise_iou


@dataclass(frozen=True, eq=False)
class Confusion:
    """Boxes by what they were found as.

    Attributes:
        names: The C classes.
        counts: (C + 1, C + 1) int64. Row c: boxes of class c, by the class they were found as; the last
            column counts those found as nothing. Last row: findings of a labelled class that overlap no box,
            by class; its last entry is 0.
    """

    names: tuple[str, ...]
    counts: IndexArray

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "rows": [*self.names, "no item"],
            "columns": [*self.names, "missed"],
            "counts": self.counts.tolist(),
        }


def confusion(matched: Matched, thresholds: FloatArray) -> Confusion:
    """Count at thresholds (C,).

    A box is found as its own class where a finding of it reaches the threshold at IoU >= 0.5; else as the
    class of the finding there that exceeds its threshold most, in logits; else it is missed. A finding of a
    class that the image's source does not label counts only where it lies on a box, since there it is known
    to be wrong.
    """
    scored = matched.scored
    classes = len(scored.classes)
    counts = np.zeros((classes + 1, classes + 1), dtype=np.int64)
    findings, truths = scored.findings, scored.truths
    alarming = np.flatnonzero(findings.score >= thresholds[findings.class_id])
    margin = _logit(findings.score) - _logit(thresholds)[findings.class_id]
    labelled = scored.labelled
    for image in range(len(scored)):
        rows = alarming[
            slice(*np.searchsorted(findings.image[alarming], [image, image + 1]))  # grouped by image
        ]
        boxes = np.arange(*np.searchsorted(truths.image, [image, image + 1]))
        on_box = pairwise_iou(findings.box[rows], truths.box[boxes]) >= DETECTION_IOU
        for column, box in enumerate(boxes):
            here = rows[on_box[:, column]]
            own = int(truths.class_id[box])
            if len(here) == 0:
                found = classes
            elif (findings.class_id[here] == own).any():
                found = own
            else:
                found = int(findings.class_id[here[margin[here].argmax()]])
            counts[own, found] += 1
        stray = rows[~on_box.any(axis=1)]
        stray = stray[labelled[image, findings.class_id[stray]]]
        np.add.at(counts[classes], findings.class_id[stray], 1)
    return Confusion(scored.classes.names, counts)


def _logit(score: FloatArray) -> FloatArray:
    inside = np.clip(score, 1e-6, 1 - 1e-6)
    logit: FloatArray = np.log(inside / (1 - inside))
    return logit
