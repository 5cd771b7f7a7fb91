"""Whether a score of 0.8 is right eight times in ten: reliability and expected calibration error."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from cargosight_models.geometry import BoolArray, FloatArray
from cargosight_training.evaluation.intervals import Rate
from cargosight_training.evaluation.matching import Matched

BINS = 10
LEAST_SCORE = 0.05
"""Findings below are left out: they are by far the most, and no threshold ever lies there."""


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin of scores.

    Attributes:
        low: Lower edge, included.
        high: Upper edge, included in the last bin only.
        mean_score: Mean of the scores in the bin, None where it is empty.
        right: How many of them were right.
    """

    low: float
    high: float
    mean_score: float | None
    right: Rate

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "low": self.low,
            "high": self.high,
            "mean_score": self.mean_score,
            "right": self.right.to_dict(),
        }


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram.

    Attributes:
        bins: In rising order of score.
        error: Expected calibration error: the mean over all scores of |mean score - share right| of their bin
            (Naeini et al., AAAI 2015); None without scores.
    """

    bins: tuple[ReliabilityBin, ...]
    error: float | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"ece": self.error, "bins": [row.to_dict() for row in self.bins]}


def reliability(scores: FloatArray, right: BoolArray, *, bins: int = BINS) -> Reliability:
    """Compare scores with outcomes in bins of equal width.

    Args:
        scores: (N,) in [0, 1].
        right: (N,) bool.
        bins: How many.
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.minimum(np.searchsorted(edges, scores, side="right") - 1, bins - 1)
    rows, error = [], 0.0
    for index in range(bins):
        inside = place == index
        count = int(inside.sum())
        rate = Rate(int(right[inside].sum()), count)
        mean = float(scores[inside].mean(dtype=np.float64)) if count else None
        if mean is not None and rate.value is not None:
            error += count / len(scores) * abs(mean - rate.value)
        rows.append(ReliabilityBin(float(edges[index]), float(edges[index + 1]), mean, rate))
    return Reliability(tuple(rows), error if len(scores) else None)


def finding_reliability(matched: Matched) -> Reliability:
    """Findings of labelled classes from LEAST_SCORE on; right is one that hits a box at IoU 0.5."""
    scores = matched.scored.findings.score
    rows = matched.counted & (scores >= LEAST_SCORE)
    return reliability(scores[rows], matched.hit[rows, 0])


def scan_reliability(matched: Matched) -> Reliability:
    """Scan scores of each labelled class from LEAST_SCORE on; right is one whose class is in the scan."""
    scores = matched.scored.scan_scores
    rows = matched.scored.labelled & (scores >= LEAST_SCORE)
    return reliability(scores[rows], matched.scored.present[rows])
