"""Detection rate (PD) at a fixed false-alarm rate (PFA), by class and source.

A false alarm for class c is a scan without c, of a source that labels c, whose greatest score of c reaches
the threshold. A detection is a box of c with a finding of c at or above the threshold at IoU >= 0.5 (beside
it: with its centre in the box). Both come from the same source, so that a model cannot gain by telling
sources apart. Thresholds are cross-fitted: each fold of scans is measured with the threshold that the other
folds gave.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cargosight_models.geometry import BoolArray, FloatArray, IndexArray
from cargosight_training.evaluation.intervals import Rate
from cargosight_training.evaluation.matching import Matched

SCORE_FLOOR = 0.001
"""Findings below this score are never asked for."""
WANTED_PFA = (0.01, 0.05, 0.10)
MOST_CONSERVATIVE = np.float32(1.0)


@dataclass(frozen=True)
class Threshold:
    """A score threshold that was fitted to negatives.

    Attributes:
        value: An alarm is a score at or above it; in [SCORE_FLOOR, 1], a float32.
        too_few: There were too few negatives for the wanted rate, and the most conservative value that they
            support was taken.
    """

    value: float
    too_few: bool


def fit_threshold(negatives: FloatArray, wanted_pfa: float) -> Threshold:
    """The lowest threshold at which a new negative is expected to alarm at most at the wanted rate.

    With n negatives a threshold just above the k+1-th greatest score is passed by a new one with probability
    at most (k + 1) / (n + 1), whatever the distribution (order statistics; the same argument as in split
    conformal prediction, Vovk et al. 2005). So k is the greatest whole number with (k + 1) / (n + 1) <=
    wanted. Where even k = 0 is too much, the threshold stands just above the greatest score seen.

    Args:
        negatives: (n,) float32, the scan scores of the class on scans without it.
        wanted_pfa: In (0, 1).
    """
    if not 0.0 < wanted_pfa < 1.0:
        raise ValueError(f"a false-alarm rate of {wanted_pfa} was wanted; expected one between 0 and 1")
    if len(negatives) == 0:
        return Threshold(float(MOST_CONSERVATIVE), too_few=True)
    k = allowed_alarms(len(negatives), wanted_pfa)
    too_few = k < 0
    k = max(k, 0)
    bar = np.partition(negatives, len(negatives) - 1 - k)[len(negatives) - 1 - k]
    above = np.nextafter(np.float32(bar), np.float32(2))
    return Threshold(float(np.clip(above, np.float32(SCORE_FLOOR), MOST_CONSERVATIVE)), too_few)


def allowed_alarms(negatives: int, wanted_pfa: float) -> int:
    """How many of the negatives may alarm; -1 where there are too few for the wanted rate."""
    # The small term keeps 0.05 * 100 from becoming 4.999….
    return int(np.floor(wanted_pfa * (negatives + 1) + 1e-9)) - 1


@dataclass(frozen=True)
class DetectionRate:
    """PD at one wanted PFA, both as measured.

    Attributes:
        wanted_pfa: The rate that thresholds were fitted for.
        detected: Boxes detected at IoU >= 0.5.
        detected_by_centre: Boxes with the centre of an alarming finding inside.
        false_alarms: Scans without the class that alarmed for it.
        too_few_negatives: Some threshold is only the most conservative one that the negatives support.
    """

    wanted_pfa: float
    detected: Rate
    detected_by_centre: Rate
    false_alarms: Rate
    too_few_negatives: bool

    def __add__(self, other: "DetectionRate") -> "DetectionRate":
        if self.wanted_pfa != other.wanted_pfa:
            raise ValueError(
                f"rates at PFA {self.wanted_pfa} and {other.wanted_pfa} cannot be counted together"
            )
        return DetectionRate(
            self.wanted_pfa,
            self.detected + other.detected,
            self.detected_by_centre + other.detected_by_centre,
            self.false_alarms + other.false_alarms,
            self.too_few_negatives or other.too_few_negatives,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "wanted_pfa": self.wanted_pfa,
            "pd": self.detected.to_dict(),
            "pd_centre_in_box": self.detected_by_centre.to_dict(),
            "pfa": self.false_alarms.to_dict(),
            "too_few_negatives": self.too_few_negatives,
        }


class ScanScores:
    """Scan scores, labels and box scores of one class, taken out once.

    Attributes:
        score: (N,) float32, greatest score of the class on each scan.
        negative: (N,) bool, the class is labelled and absent.
        truth_image: (G,) int64, the image of each box of the class.
        by_iou: (G,) float32, best score at IoU >= 0.5.
        by_centre: (G,) float32, best score with its centre in the box.
    """

    def __init__(self, matched: Matched, class_id: int) -> None:
        scored = matched.scored
        boxes = scored.truths.class_id == class_id
        self.score: FloatArray = scored.scan_scores[:, class_id]
        self.truth_image: IndexArray = scored.truths.image[boxes]
        self.by_iou: FloatArray = matched.score_by_iou[boxes]
        self.by_centre: FloatArray = matched.score_by_centre[boxes]
        self.negative: BoolArray = scored.negative[:, class_id]

    def measure(self, images: BoolArray, threshold: Threshold, wanted_pfa: float) -> DetectionRate:
        """Count detections and false alarms at the threshold on `images` (N,) bool."""
        boxes = images[self.truth_image]
        negatives = images & self.negative
        return DetectionRate(
            wanted_pfa,
            Rate(int((self.by_iou[boxes] >= threshold.value).sum()), int(boxes.sum())),
            Rate(int((self.by_centre[boxes] >= threshold.value).sum()), int(boxes.sum())),
            Rate(int((self.score[negatives] >= threshold.value).sum()), int(negatives.sum())),
            threshold.too_few,
        )


def cross_fitted(
    scores: ScanScores, images: BoolArray, folds: IndexArray, wanted_pfa: float
) -> DetectionRate:
    """PD and PFA on `images` (N,) bool, each fold measured at the threshold of the other folds.

    Raises:
        ValueError: `images` is empty.
    """
    total = None
    for fold in np.unique(folds[images]):
        inside = images & (folds == fold)
        outside = images & (folds != fold) & scores.negative
        part = scores.measure(inside, fit_threshold(scores.score[outside], wanted_pfa), wanted_pfa)
        total = part if total is None else total + part
    if total is None:
        raise ValueError("there are no images to measure a rate on")
    return total


@dataclass(frozen=True)
class ClassRates:
    """PD at each wanted PFA for one class.

    Attributes:
        by_source: For each source with both boxes and negatives of the class, one rate at each wanted PFA.
        total: The counts of those sources together, each at its own thresholds; empty where there are none.
        left_out: Sources with boxes of the class but no scan without it, where no rate can be measured.
    """

    by_source: Mapping[str, tuple[DetectionRate, ...]]
    total: tuple[DetectionRate, ...]
    left_out: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "total": [rate.to_dict() for rate in self.total],
            "by_source": {name: [rate.to_dict() for rate in rates] for name, rates in self.by_source.items()},
            "sources_without_negatives": list(self.left_out),
        }


def class_rates(
    matched: Matched, folds: IndexArray, wanted: Iterable[float] = WANTED_PFA
) -> tuple[ClassRates, ...]:
    """The rates of every class, in class order.

    Args:
        matched: Images, findings and boxes.
        folds: (N,) int64, the fold of each image.
        wanted: The false-alarm rates.
    """
    wanted = tuple(wanted)
    sources = {
        name: matched.scored.of_sources([name]) for name in sorted({i.source for i in matched.scored.images})
    }
    rates = []
    for class_id in range(len(matched.scored.classes)):
        scores = ScanScores(matched, class_id)
        by_source, left_out = {}, []
        for name, images in sources.items():
            if not images[scores.truth_image].any():
                continue
            if not (images & scores.negative).any():
                left_out.append(name)
                continue
            by_source[name] = tuple(cross_fitted(scores, images, folds, pfa) for pfa in wanted)
        total = tuple(
            _summed([source_rates[place] for source_rates in by_source.values()])
            for place in range(len(wanted) if by_source else 0)
        )
        rates.append(ClassRates(by_source, total, tuple(left_out)))
    return tuple(rates)


def _summed(rates: list[DetectionRate]) -> DetectionRate:
    total = rates[0]
    for rate in rates[1:]:
        total = total + rate
    return total
