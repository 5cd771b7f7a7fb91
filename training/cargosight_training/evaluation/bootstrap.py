"""How far an average would move with other scans: the bootstrap by scan.

Scans are drawn with replacement (Efron 1979), all classes of a scan together. Findings need not be matched
again, since a match never crosses scans; a scan drawn w times counts w times in every sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cargosight_models.geometry import BoolArray, DoubleArray, IndexArray
from cargosight_training.evaluation.average_precision import RECALL_POINTS, RankedClass

SAMPLES = 1000
HITS_AT_ONCE = 512
"""So many columns the largest table has, one row for each scan."""


@dataclass(frozen=True)
class Interval:
    """A 95 % percentile interval of an average."""

    low: float
    high: float
    samples: int

    def to_dict(self) -> dict[str, float | int]:
        """JSON-ready."""
        return {"low": self.low, "high": self.high, "samples": self.samples}


def draw_weights(images: int, *, samples: int = SAMPLES, seed: int = 0) -> DoubleArray:
    """(samples, images) float64: how often each scan was drawn in each sample."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(images, np.full(images, 1.0 / images), size=samples).astype(np.float64)


def resampled_precisions(
    ranked: Sequence[RankedClass], weights: DoubleArray, thresholds: Sequence[int]
) -> DoubleArray:
    """Average precision (C, T, B) of each class at each IoU threshold in each sample; NaN without a box.

    Args:
        ranked: The C classes, over all images.
        weights: (B, N), from `draw_weights`.
        thresholds: T indices into the IoU thresholds.
    """
    values = np.full((len(ranked), len(thresholds), len(weights)), np.nan)
    for row, one in enumerate(ranked):
        if one.boxes:
            for column, threshold in enumerate(thresholds):
                values[row, column] = weighted_average_precision(one, weights, threshold)
    return values


def interval_of_mean(values: DoubleArray) -> Interval | None:
    """The interval of the mean over all axes but the last.

    A class without a box in a sample is left out of that sample's mean.

    Args:
        values: (..., B), NaN where undefined.

    Returns:
        None where nothing is defined.
    """
    table = values.reshape(-1, values.shape[-1])
    defined = ~np.isnan(table)
    counts = defined.sum(axis=0)
    if not counts.any():
        return None
    means = np.where(defined, table, 0.0).sum(axis=0)[counts > 0] / counts[counts > 0]
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(low), float(high), len(means))


def weighted_average_precision(ranked: RankedClass, weights: DoubleArray, threshold: int = 0) -> DoubleArray:
    """Average precision (B,) of one class in each sample; NaN where a sample has no box.

    Precision falls between two hits and rises only at hits, so the curve is known from its values at the
    hits: there only the weights of the hits and of the false findings ranked above them are needed.
    """
    boxes = weights @ ranked.boxes_of
    hit = ranked.hit[:, threshold]
    places = np.flatnonzero(hit)
    false_count = np.cumsum(_false_between(ranked.image, hit, places, weights), axis=1)
    hit_count = np.cumsum(weights[:, ranked.image[places]], axis=1)
    total = hit_count + false_count
    precision = np.divide(hit_count, total, out=np.zeros_like(total), where=total > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.concatenate([envelope, np.zeros((len(weights), 1))], axis=1)
    values = np.full(len(weights), np.nan)
    for sample in np.flatnonzero(boxes > 0):
        place = np.searchsorted(hit_count[sample] / boxes[sample], RECALL_POINTS, side="left")
        values[sample] = padded[sample, place].mean()
    return values


def _false_between(
    image: IndexArray, hit: BoolArray, places: IndexArray, weights: DoubleArray
) -> DoubleArray:
    """Weights (B, K) of the false findings that are ranked between hits k - 1 and k, in each sample.

    One matrix product serves every sample; hits go by in blocks, so that a large archive needs no table of all scans
    by all hits.
    """
    false_rows = np.flatnonzero(~hit)
    next_hit = np.searchsorted(places, false_rows)
    between = np.empty((len(weights), len(places)))
    for first in range(0, len(places), HITS_AT_ONCE):
        last = min(first + HITS_AT_ONCE, len(places))
        inside = (next_hit >= first) & (next_hit < last)
        of_image = np.zeros((weights.shape[1], last - first))
        np.add.at(of_image, (image[false_rows[inside]], next_hit[inside] - first), 1.0)
        between[:, first:last] = weights @ of_image
    return between
