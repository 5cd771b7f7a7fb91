"""FROC: the share of boxes found against the false findings per scan, as the threshold falls.

A false finding is one that the COCO assignment at IoU 0.5 leaves without a box; a second finding on the same
item is one too. Scans are those whose source labels the class (Bunch et al. 1978; Chakraborty, Med. Phys. 16
(1989) 561).
"""

from dataclasses import dataclass

import numpy as np

from cargosight_models.geometry import DoubleArray
from cargosight_training.evaluation.average_precision import RankedClass

FALSE_FINDINGS_PER_SCAN = (0.01, 0.03, 0.1, 0.3, 1.0)


@dataclass(frozen=True, eq=False)
class Froc:
    """The FROC curve of one class.

    Attributes:
        false_per_scan: (K,) rising, starts with 0.
        sensitivity: (K,) rising, in [0, 1].
        scans: How many scans count.
        boxes: How many boxes there are.
    """

    false_per_scan: DoubleArray
    sensitivity: DoubleArray
    scans: int
    boxes: int

    def at(self, false_per_scan: float) -> float:
        """The greatest share of boxes found with at most so many false findings per scan."""
        place = np.searchsorted(self.false_per_scan, false_per_scan + 1e-12, side="right") - 1
        return float(self.sensitivity[place])


def froc(ranked: RankedClass) -> Froc | None:
    """The curve of one class, None where it has no box."""
    if ranked.boxes == 0:
        return None
    scans = int(ranked.labelled.sum())
    hits = np.cumsum(ranked.hit[:, 0])
    misses = np.cumsum(~ranked.hit[:, 0])
    # A threshold takes all findings of equal score or none, so a point stands only at the end of each run.
    ends = np.flatnonzero(np.diff(ranked.score, append=-1.0) != 0)
    return Froc(
        np.append(0.0, misses[ends] / scans),
        np.append(0.0, hits[ends] / ranked.boxes),
        scans,
        ranked.boxes,
    )


def mean_froc(curves: list[Froc], points: int = 60) -> tuple[DoubleArray, DoubleArray]:
    """The average curve of several classes, from 0.005 to 5 false findings per scan, evenly in the logarithm.

    Raises:
        ValueError: There are no curves.
    """
    if not curves:
        raise ValueError("there are no curves to average")
    grid = np.geomspace(0.005, 5.0, points)
    return grid, np.mean([[curve.at(x) for x in grid] for curve in curves], axis=0)
