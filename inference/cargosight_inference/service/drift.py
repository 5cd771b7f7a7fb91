"""Drift of what a lane's scans look like: of the best score, and of the level of air.

The mean of the last 200 scans is compared with that of the first 200 after the last change of model or threshold, in
standard deviations of the latter: Glass's delta (G. V. Glass, Primary, secondary, and meta-analysis of research,
Educational Researcher 5(10), 1976). Unlike a test statistic it does not grow with the number of scans, so one limit
serves every lane: from two windows of 200 alike scans its standard error is sqrt(1/200 + 1/200) = 0.1, and 0.4 is four
of these. The windows do not overlap, so there is nothing to say before the 400th scan.

Nothing is stored: at start the values since the last change are given again, of which the first and the last 200 do.
"""

import math
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cargosight_inference.glass_delta import glass_delta

Measure = Literal["score", "air"]
MEASURES: tuple[Measure, ...] = ("score", "air")
WINDOW = 200
_FULL_SCALE = 65535.0


@dataclass(frozen=True)
class Drift:
    """How far the last scans are from the reference.

    Attributes:
        reference: mean of the first `WINDOW` scans after the last change.
        recent: mean of the last `WINDOW` scans.
        deviations: recent less reference, see `glass_delta`.
    """

    reference: float
    recent: float
    deviations: float


@dataclass
class _Windows:
    """The first values, which stay, and the last ones."""

    first: list[float] = field(default_factory=list)
    last: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def add(self, value: float) -> None:
        if len(self.first) < WINDOW:
            self.first.append(value)
        else:
            self.last.append(value)

    def drift(self) -> Drift | None:
        if len(self.last) < WINDOW:
            return None
        reference, recent = math.fsum(self.first) / WINDOW, math.fsum(self.last) / WINDOW
        variance = math.fsum((value - reference) ** 2 for value in self.first) / (WINDOW - 1)
        return Drift(reference, recent, glass_delta(recent, reference, math.sqrt(variance)))


class DriftWatch:
    """Drift by lane. Threads may share it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._windows: dict[tuple[str, Measure], _Windows] = {}

    def add(self, lane: str, measure: Measure, value: float | None) -> Drift | None:
        """Take the value of one more scan, and return the drift with it, None until both windows are full.

        Args:
            lane: its name.
            measure: what the value is of.
            value: as `best_score` or `air_level` gives it; None and what is not finite are passed over.
        """
        with self._guard:
            windows = self._windows.setdefault((lane, measure), _Windows())
            if value is not None and math.isfinite(value):
                windows.add(value)
            return windows.drift()

    def of(self, lane: str, measure: Measure) -> Drift | None:
        """Return the drift of a lane, None until both windows are full."""
        with self._guard:
            windows = self._windows.get((lane, measure))
            return None if windows is None else windows.drift()

    def restart(self, lane: str) -> None:
        """Begin a lane's reference anew, as after a change of model, threshold or scanner."""
        with self._guard:
            for measure in MEASURES:
                self._windows.pop((lane, measure), None)


def best_score(inspection: Mapping[str, Any]) -> float | None:
    """Return the highest score of an inspection's findings, in [0, 1]; 0 where nothing was found.

    Args:
        inspection: as `Inspection.to_dict` gives it.

    Returns:
        None of a scan that could not be read.
    """
    if inspection["decision"] == "unreadable":
        return None
    return max((float(row["score"]) for row in inspection["findings"]), default=0.0)


def air_level(brightest: float, level: float | None) -> float:
    """Return how bright air is in the file, as a share of full scale.

    The pixels of a scan of counts were divided by the level of air, so that their brightest ones are 1 whatever the
    tube does, if that level was estimated; less than 1 of a tube that ages, if it was given. The product is what the
    detector saw in both cases.

    Args:
        brightest: of the picture's description, in [0, 1].
        level: of air in counts of 16 bits, None of a scan for display.
    """
    return brightest if level is None else brightest * level / _FULL_SCALE
