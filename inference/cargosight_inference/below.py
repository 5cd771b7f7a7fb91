"""What lies below the thresholds, for whoever wants to see which alarms lower ones would give."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cargosight_inference.findings import Findings
from cargosight_models.errors import UsageError
from cargosight_models.geometry import FloatArray

MOST_BELOW = 50
"""Kept of one scan, the best: at a threshold that would give more, nobody looks at each of them."""
_MOST_CANDIDATES = 400
"""Scores of one scan that are looked at for it, the best. A container in many tiles has thousands above a low floor,
which take half a second to suppress. The best 400 take some milliseconds."""


@dataclass(frozen=True, eq=False)
class Below:
    """Known items that no threshold was low enough for. They decide nothing and are no findings.

    Attributes:
        findings: below their class's threshold, by falling score, at most `MOST_BELOW`; all of kind `item`.
        floor: score in [0, 1] from which on every one is here: what was asked for, or more where a scan has too many.
    """

    findings: Findings
    floor: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.floor <= 1.0:
            raise ValueError(f"the floor is {self.floor}; expected a score in [0, 1]")
        if not self.findings.of_kind("item").all():
            raise ValueError(
                "what lies below the thresholds has other kinds than items; only those have one each"
            )


def checked_floor(floor: float | None) -> float | None:
    """Return a floor as it was given, None for none.

    Raises:
        UsageError: it is no score.
    """
    if floor is not None and not 0.0 <= floor <= 1.0:  # also true for NaN
        raise UsageError(
            f"what lies below the thresholds is to be kept from {floor} on; expected a score in [0, 1]"
        )
    return floor


def affordable_floor(scores: npt.NDArray[Any], floor: float) -> float:
    """Return a floor, or a higher one above which the network gave few enough scores.

    Args:
        scores: of the network, of any shape and not checked yet.
        floor: in [0, 1].
    """
    passing = scores[scores >= np.float32(floor)]
    if len(passing) <= _MOST_CANDIDATES:
        return floor
    return float(np.partition(passing, -_MOST_CANDIDATES)[-_MOST_CANDIDATES])


def limits_down_to(thresholds: FloatArray, floor: float | None) -> FloatArray:
    """Return the scores (C,) from which on items are looked for: the thresholds, or the floor where that is lower."""
    return thresholds if floor is None else np.minimum(thresholds, np.float32(floor))


def split_at(items: Findings, thresholds: FloatArray, floor: float) -> tuple[Findings, Below]:
    """Return the items at or above the thresholds, and the best of those below.

    The former are exactly what would have been found at the thresholds alone, since raising one only takes items of its
    class away; see `findings.decode_findings`.

    Args:
        items: known items that were found at `limits_down_to(thresholds, floor)`.
        thresholds: (C,) in [0, 1], by class.
        floor: in [0, 1].
    """
    found = items.scores >= thresholds[items.class_ids]
    below = items.select(~found)
    if len(below) > MOST_BELOW:
        below = below.select(slice(MOST_BELOW))
        floor = float(below.scores[-1])
    return items.select(found), Below(below, floor)
