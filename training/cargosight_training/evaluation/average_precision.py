"""Average precision as COCO computes it, class by class on exactly the images whose source labels the class.

101 recall points, IoU 0.50 to 0.95 in steps of 0.05, 100 detections by image and class, boxes of every area
(reference code `pycocotools.cocoeval`, `accumulate`).
"""

from dataclasses import dataclass

import numpy as np

from cargosight_models.geometry import BoolArray, DoubleArray, FloatArray, IndexArray
from cargosight_training.evaluation.matching import Matched

RECALL_POINTS: DoubleArray = np.linspace(0.0, 1.0, 101)
HEADLINE_BOXES = 20
"""A class enters the headline averages from this many boxes on."""


@dataclass(frozen=True, eq=False)
class RankedClass:
    """All findings of one class that count, over all images, by falling score.

    Attributes:
        image: (F,) int64, index of the image.
        score: (F,) float32, falling; equal scores in the order of the images.
        hit: (F, T) bool, assigned to a box at each IoU threshold.
        boxes_of: (N,) int64, how many boxes of the class each image has.
        labelled: (N,) bool, the images that count for the class.
    """

    image: IndexArray
    score: FloatArray
    hit: BoolArray
    boxes_of: IndexArray
    labelled: BoolArray

    @property
    def boxes(self) -> int:
        """How many boxes of the class there are."""
        return int(self.boxes_of.sum())

    def within(self, images: BoolArray) -> "RankedClass":
        """Only what lies on `images` (N,) bool; the order stays."""
        keep = images[self.image]
        return RankedClass(
            self.image[keep],
            self.score[keep],
            self.hit[keep],
            np.where(images, self.boxes_of, 0),
            self.labelled & images,
        )


def rank(matched: Matched) -> tuple[RankedClass, ...]:
    """The ranked findings of every class, in class order."""
    scored = matched.scored
    findings, truths, labelled = scored.findings, scored.truths, scored.labelled
    ranked = []
    for class_id in range(len(scored.classes)):
        rows = np.flatnonzero(matched.counted & (findings.class_id == class_id))
        rows = rows[np.argsort(-findings.score[rows], kind="stable")]
        boxes_of = np.bincount(truths.image[truths.class_id == class_id], minlength=len(scored))
        ranked.append(
            RankedClass(
                findings.image[rows],
                findings.score[rows],
                matched.hit[rows],
                boxes_of.astype(np.int64),
                labelled[:, class_id],
            )
        )
    return tuple(ranked)


def average_precisions(ranked: RankedClass) -> DoubleArray:
    """AP (T,) in [0, 1] at each IoU threshold; NaN where the class has no box."""
    if ranked.boxes == 0:
        return np.full(ranked.hit.shape[1], np.nan)
    return np.array([_interpolated(column, ranked.boxes).mean() for column in ranked.hit.T])


def precision_at_recall(ranked: RankedClass, threshold: int = 0) -> DoubleArray:
    """Interpolated precision (101,) at RECALL_POINTS for one index into the IoU thresholds (0: IoU 0.5).

    Raises:
        ValueError: The class has no box.
    """
    if ranked.boxes == 0:
        raise ValueError("a class without a box has no precision-recall curve")
    return _interpolated(ranked.hit[:, threshold], ranked.boxes)


def _interpolated(hit: BoolArray, boxes: int) -> DoubleArray:
    """Precision at RECALL_POINTS: the greatest of any recall from there on, 0 where none is reached."""
    hits = np.cumsum(hit)
    precision = hits / np.arange(1, len(hit) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(hits / boxes, RECALL_POINTS, side="left")
    return np.append(envelope, 0.0)[place]
