"""How far the look of the whole image gives a class away.

A detector can learn that guns come on white backgrounds instead of what a gun is. A classifier that sees only
size, means, spreads and borders of the image, trained on the same positives and negatives, shows how much
there is to gain that way: where its AUC is near the detector's own, the detector's figures prove little.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cargosight_inference.scans.scan import Scan
from cargosight_models.geometry import BoolArray, DoubleArray
from cargosight_training.evaluation.intervals import FOLDS, make_folds

BORDER_SHARE = 0.03
RIDGE = 1.0
NEWTON_STEPS = 25


@dataclass(frozen=True)
class LookAuc:
    """The AUC of a classifier of the global look, cross-validated.

    Attributes:
        auc: In [0, 1], 0.5 is chance; None where there are fewer positives or negatives than folds.
        positives: Scans with the class.
        negatives: Scans without it, of sources that label it.
    """

    auc: float | None
    positives: int
    negatives: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"auc": self.auc, "positives": self.positives, "negatives": self.negatives}


def look_of(scan: Scan) -> DoubleArray:
    """Features (27,) float64: size, channel means and spreads, borders, shares of white and black."""
    pixels = scan.pixels
    values = pixels.astype(np.float32) / 255 if pixels.dtype == np.uint8 else pixels
    values = np.atleast_3d(values)
    # One and two channels are filled up to three, so that sources of different kinds have the same features.
    values = values[..., [0, min(1, values.shape[2] - 1), values.shape[2] - 1]]
    height, width = values.shape[:2]
    rows, columns = max(2, round(BORDER_SHARE * height)), max(2, round(BORDER_SHARE * width))
    borders = (values[:rows], values[-rows:], values[:, :columns], values[:, -columns:])
    grey = values.mean(axis=2)
    parts = [
        [np.log(width), np.log(height), np.log(width / height)],
        values.mean(axis=(0, 1)),
        values.std(axis=(0, 1)),
        *(border.mean(axis=(0, 1)) for border in borders),
        [border.std() for border in borders],
        [(grey > 0.95).mean(), (grey < 0.05).mean()],
    ]
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])


def look_auc(looks: DoubleArray, positive: BoolArray, negative: BoolArray, *, seed: int = 0) -> LookAuc:
    """Cross-validate the classifier on one class.

    Args:
        looks: (N, F), from `look_of`.
        positive: (N,) bool, scans with the class.
        negative: (N,) bool, scans without it, of sources that label it.
        seed: Of the folds.
    """
    counts = int(positive.sum()), int(negative.sum())
    if min(counts) < FOLDS:
        return LookAuc(None, *counts)
    rows = np.flatnonzero(positive | negative)
    features, target = looks[rows], positive[rows]
    folds = make_folds(["positive" if one else "negative" for one in target], seed=seed)
    total = pairs = 0.0
    for fold in range(FOLDS):
        test = folds == fold
        scores = _fit_and_score(features[~test], target[~test], features[test])
        weight = float(target[test].sum()) * float((~target[test]).sum())
        # Each fold has its own classifier, so only scores of the same fold are compared.
        if weight:
            total += weight * area_under_roc(scores, target[test])
            pairs += weight
    return LookAuc(total / pairs if pairs else None, *counts)


def area_under_roc(scores: NDArray[np.floating[Any]], positive: BoolArray) -> float:
    """The chance that a positive scores above a negative, ties counting half (Mann and Whitney 1947).

    Raises:
        ValueError: There are no positives or no negatives.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if positives == 0 or negatives == 0:
        raise ValueError(
            f"{positives} positives and {negatives} negatives have no AUC; expected some of both"
        )
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle_rank = np.cumsum(counts) - (counts - 1) / 2
    ranks = middle_rank[inverse]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _fit_and_score(features: DoubleArray, target: BoolArray, test: DoubleArray) -> DoubleArray:
    """Ridge logistic regression on standardised features and their squares, by Newton's method."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < 1e-9] = 1.0

    def design(rows: DoubleArray) -> DoubleArray:
        # Cut at four spreads, so that one odd image does not tear the squares away.
        scaled = np.clip((rows - mean) / spread, -4.0, 4.0)
        return np.concatenate([np.ones((len(rows), 1)), scaled, scaled**2 - 1.0], axis=1)

    inputs = design(features)
    penalty = np.full(inputs.shape[1], RIDGE)
    penalty[0] = 1e-6
    weights = np.zeros(inputs.shape[1])
    # Classes are balanced, so that rare ones are not all told absent.
    share = np.where(target, 0.5 / target.mean(), 0.5 / (~target).mean())
    for _ in range(NEWTON_STEPS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -30.0, 30.0)))
        gradient = inputs.T @ (share * (chance - target)) + penalty * weights
        curvature = (inputs * (share * chance * (1.0 - chance))[:, None]).T @ inputs + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    scores: DoubleArray = design(test) @ weights
    return scores
