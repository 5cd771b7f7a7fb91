"""How well maps of the unusual tell scans with a threat from clean ones, and how much of each threat they cover.

Image AUROC is the chance that a scan with a threat has a greater greatest cell than a clean one. It says nothing of
where that cell lies. AUPRO does: as the threshold falls, the share of every region of truth that is marked (the
per-region overlap, PRO) is averaged over the regions, each with the same weight whatever its size, and its area over
the share of normal cells that are marked, from 0 to 30 % and divided by 30 %, is the figure (Bergmann et al., "The
MVTec anomaly detection dataset", IJCV 129 (2021) 1038). Regions are connected components of the truth, with
corners touching, and normal cells are all others, those of clean scans and those beside a threat. A map that knows
nothing has 0.5 and 0.15.

Intervals are of the bootstrap by group: all scans of a group, a clean scan and what was projected into it, are drawn
together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from cargosight_inference.tiles import CELL
from cargosight_models.geometry import BoolArray, DoubleArray, FloatArray, IndexArray
from cargosight_training.evaluation.bootstrap import SAMPLES, Interval, draw_weights, interval_of_mean

FALSE_POSITIVE_LIMIT = 0.3
COVERED_SHARE = 0.25
"""Of a cell, from which it belongs to the threat, as in training."""
_STEPS = (1000, 250)
"""Thresholds that are tried within the limit and above it. PRO rises, so that between two of them the area is known
within half a step: 0.0005 of AUPRO at most, and exactly where there are no more normal cells than steps."""


@dataclass(frozen=True)
class MapFigures:
    """Figures of maps over clean scans and scans with threats.

    Attributes:
        clean: How many scans have no threat.
        with_threat: How many have one.
        groups: How many groups they come from.
        regions: How many regions of truth there are.
        image_auroc: In [0, 1], 0.5 is chance.
        image_auroc_interval: None with fewer than two groups.
        aupro: Up to a false-positive rate of 30 %, in [0, 1], 0.15 is chance.
        aupro_interval: None with fewer than two groups.
    """

    clean: int
    with_threat: int
    groups: int
    regions: int
    image_auroc: float
    image_auroc_interval: Interval | None
    aupro: float
    aupro_interval: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        intervals = {
            f"{name}_bootstrap95": None if interval is None else interval.to_dict()
            for name, interval in (
                ("image_auroc", self.image_auroc_interval),
                ("aupro", self.aupro_interval),
            )
        }
        return {
            "clean": self.clean,
            "with_threat": self.with_threat,
            "groups": self.groups,
            "regions": self.regions,
            "image_auroc": self.image_auroc,
            "aupro": self.aupro,
            "aupro_false_positive_limit": FALSE_POSITIVE_LIMIT,
            **intervals,
        }


def anomaly_figures(
    maps: Sequence[FloatArray],
    truths: Sequence[BoolArray],
    groups: Sequence[str],
    *,
    samples: int = SAMPLES,
    seed: int = 0,
) -> MapFigures:
    """Compute the figures of clean scans and scans with threats.

    Args:
        maps: float32 (h, w) of each scan, finite, greater where a place is less usual; their scale is of no account.
        truths: bool (h, w) of each, the cells of its threats (see `truth_cells`); none in a clean scan.
        groups: Of each scan. A clean scan and what was projected into it share one.
        samples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        ValueError: The columns do not fit each other, a map is not finite, or there is no clean scan or none with a
            threat.
    """
    _check(maps, truths, groups)
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    positive = np.array([bool(truth.any()) for truth in truths])
    scores = np.array([scan_score(one) for one in maps])
    curves = _curves(maps, truths, group, len(names))
    weights = np.ones((1, len(names)))
    if len(names) > 1:
        weights = np.concatenate([weights, draw_weights(len(names), samples=samples, seed=seed)])
    aurocs = _weighted_auroc(scores, positive, group, weights)
    areas = _area(*curves.weighted(weights), FALSE_POSITIVE_LIMIT)
    return MapFigures(
        clean=int((~positive).sum()),
        with_threat=int(positive.sum()),
        groups=len(names),
        regions=round(float(curves.regions.sum())),
        image_auroc=float(aurocs[0]),
        image_auroc_interval=_interval(aurocs[1:]),
        aupro=float(areas[0]),
        aupro_interval=_interval(areas[1:]),
    )


def scan_score(cells: FloatArray) -> float:
    """The score of a scan: the greatest cell of its map."""
    return float(cells.max())


def truth_cells(mask: BoolArray) -> BoolArray:
    """The cells that a threat covers.

    Args:
        mask: bool (H, W), pixels of the threat in the scan.

    Returns:
        bool (ceil(H / 8), ceil(W / 8)): cells covered by a quarter or more; of a threat too thin for that, the cells
        that it covers most.
    """
    height, width = mask.shape
    padded = np.pad(mask, ((0, -height % CELL), (0, -width % CELL)))
    rows, columns = padded.shape[0] // CELL, padded.shape[1] // CELL
    share = padded.reshape(rows, CELL, columns, CELL).mean(axis=(1, 3))
    most = float(share.max())
    cells: BoolArray = share >= min(COVERED_SHARE, most) if most > 0.0 else np.zeros(share.shape, np.bool_)
    return cells


@dataclass(frozen=True, eq=False)
class _Curves:
    """What every group adds to the curve of PRO over false positives, at falling thresholds.

    Attributes:
        normal_marked: (G, T) normal cells at or above each threshold.
        normal: (G,) normal cells.
        overlap: (G, T) sum over the group's regions of the share that is marked.
        regions: (G,) regions.
    """

    normal_marked: DoubleArray
    normal: DoubleArray
    overlap: DoubleArray
    regions: DoubleArray

    def weighted(self, weights: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
        """False-positive rate and PRO, each (B, T), where group g counts `weights[b, g]` times.

        NaN where a sample holds no normal cell or no region.
        """
        rates = []
        for marked, whole in ((self.normal_marked, self.normal), (self.overlap, self.regions)):
            total = weights @ whole
            total[total == 0.0] = np.nan
            rates.append((weights @ marked) / total[:, None])
        return rates[0], rates[1]


def _curves(
    maps: Sequence[FloatArray], truths: Sequence[BoolArray], group: IndexArray, groups: int
) -> _Curves:
    rising = _thresholds(maps, truths)[::-1]
    made = _Curves(
        np.zeros((groups, len(rising))),
        np.zeros(groups),
        np.zeros((groups, len(rising))),
        np.zeros(groups),
    )
    for cells, truth, row in zip(maps, truths, group, strict=True):
        usual = cells[~truth]
        made.normal_marked[row] += _at_or_above(usual, rising)
        made.normal[row] += usual.size
        count, labels = cv2.connectedComponents(truth.astype(np.uint8), connectivity=8)
        for region in range(1, count):
            inside = cells[labels == region]
            made.overlap[row] += _at_or_above(inside, rising) / inside.size
            made.regions[row] += 1.0
    return made


def _thresholds(maps: Sequence[FloatArray], truths: Sequence[BoolArray]) -> FloatArray:
    """Falling thresholds (T,): values of normal cells, and the next number above each.

    Only a normal cell moves the false-positive rate. What regions gain between two normal cells is taken in
    by the next number above the lower one, before that cell itself is marked.
    """
    normal = np.concatenate([cells[~truth] for cells, truth in zip(maps, truths, strict=True)])
    normal[::-1].sort()
    last = normal.size - 1
    limit = round(FALSE_POSITIVE_LIMIT * last)
    within, above = _STEPS
    places = np.concatenate(
        [
            np.linspace(0, limit, min(within, limit) + 1),
            np.linspace(limit, last, min(above, last - limit) + 1),
        ]
    )
    picked = normal[np.rint(places).astype(np.int64)]
    both = np.concatenate([picked, np.nextafter(picked, np.float32(np.inf))])
    falling: FloatArray = np.append(np.unique(both)[::-1], np.float32(-np.inf))
    return falling


def _at_or_above(values: FloatArray, rising: FloatArray) -> IndexArray:
    """How many values are at or above each threshold, (T,) in the order of falling thresholds."""
    counts: IndexArray = (values.size - np.searchsorted(np.sort(values), rising, side="left"))[::-1]
    return counts


def _area(false_positive: DoubleArray, overlap: DoubleArray, limit: float) -> DoubleArray:
    """Area (B,) under each curve (B, T) by trapezoids, from (0, 0) to a false-positive rate, divided by that rate."""
    x0, x1 = false_positive[:, :-1], false_positive[:, 1:]
    y0, y1 = overlap[:, :-1], overlap[:, 1:]
    step = x1 - x0
    # Of the trapezoid that crosses the limit only the part before it counts.
    part = np.clip(np.divide(limit - x0, step, out=np.zeros_like(step), where=step > 0.0), 0.0, 1.0)
    area: DoubleArray = (part * step * (y0 + 0.5 * part * (y1 - y0))).sum(axis=1) / limit
    return area


def _weighted_auroc(
    scores: DoubleArray, positive: BoolArray, group: IndexArray, weights: DoubleArray
) -> DoubleArray:
    """Image AUROC (B,) where the scans of group g count `weights[b, g]` times; NaN without both kinds."""
    member = np.zeros((len(scores), weights.shape[1]))
    member[np.arange(len(scores)), group] = 1.0
    above = scores[positive][:, None] - scores[~positive][None, :]
    wins = member[positive].T @ (0.5 + 0.5 * np.sign(above)) @ member[~positive]
    pairs = (weights @ member[positive].sum(axis=0)) * (weights @ member[~positive].sum(axis=0))
    pairs[pairs == 0.0] = np.nan
    found: DoubleArray = np.einsum("bg,gh,bh->b", weights, wins, weights, optimize=True) / pairs
    return found


def _interval(values: DoubleArray) -> Interval | None:
    return interval_of_mean(values) if values.size else None


def _check(maps: Sequence[FloatArray], truths: Sequence[BoolArray], groups: Sequence[str]) -> None:
    if not len(maps) == len(truths) == len(groups):
        raise ValueError(f"{len(maps)} maps, {len(truths)} truths and {len(groups)} groups; expected as many")
    for place, (cells, truth) in enumerate(zip(maps, truths, strict=True)):
        if (
            cells.dtype != np.float32
            or cells.ndim != 2
            or truth.dtype != np.bool_
            or truth.shape != cells.shape
        ):
            raise ValueError(
                f"map {place} is {cells.dtype} {cells.shape}, its truth {truth.dtype} {truth.shape}; expected float32 "
                "and bool of one (h, w)"
            )
        if not np.isfinite(cells).all():
            raise ValueError(f"map {place} holds numbers that are not finite")
    having = sum(bool(truth.any()) for truth in truths)
    if not 0 < having < len(truths):
        raise ValueError(
            f"{having} of {len(truths)} scans have a threat; expected some with and some without"
        )
