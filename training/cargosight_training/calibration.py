"""A site's own thresholds, from scans that it knows to be clean and that nobody labelled.

Each class, and the map of the unusual, gets the threshold that a common share of clean scans is expected to reach, and
that share is as great as it can be without more than the wanted share of new clean scans alarming for anything. Ten
classes at the greatest score of 60 scans each would stop up to ten of the next 60: what a class's rare scores look like
is therefore taken from the shape of its tail, of two numbers, and not from its few greatest scores alone.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cargosight_inference.findings import ANOMALY
from cargosight_inference.inspection import Inspection
from cargosight_models.errors import UsageError
from cargosight_models.geometry import FloatArray, IndexArray
from cargosight_models.operating_points import OperatingPoint
from cargosight_training.evaluation.intervals import FOLDS, Rate, make_folds
from cargosight_training.evaluation.rates import allowed_alarms

SCANS_PER_ALARM = 3
"""Clean scans that are asked for, times the wanted rate: of fewer than three expected alarms none may be seen by chance
at one time in twenty (the rule of three), and a rate could not be told from half of it."""
LEAST_THRESHOLD = 0.05
"""No threshold is set lower, however silent a model is on the clean scans: on the first scan that is a little
different everything would alarm."""
DEFINITION = (
    "thresholds that a common share of clean scans reaches in every class and in the map of the unusual, by their "
    "tails, at which at most the wanted share of the site's clean scans alarms for anything; the measured rate is "
    "cross-fitted over folds"
)
_Floats = npt.NDArray[np.float64]
_BODY = 0.8
"""Share of clean scans below the tail of a class: enough are left above it for a mean, of 60 scans twelve."""


@dataclass(frozen=True, eq=False)
class CleanScores:
    """The greatest scores of clean scans.

    Attributes:
        names: classes, and `anomaly` for a model with a map of the unusual.
        scores: (N, len(names)) float32 in [0, 1].
    """

    names: tuple[str, ...]
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.scores)


def greatest_scores(
    inspections: Iterable[Inspection], classes: tuple[str, ...], *, has_map: bool
) -> CleanScores:
    """Return the greatest score of each readable scan in each class and in its map.

    Args:
        inspections: at the lowest thresholds there are.
        classes: of the model.
        has_map: whether it maps the unusual.
    """
    names = classes + ((ANOMALY,) if has_map else ())
    rows = []
    for inspection in inspections:
        if inspection.decision == "unreadable":
            continue
        row = np.zeros(len(names), dtype=np.float32)
        known = inspection.findings.of_kind("item")
        np.maximum.at(row, inspection.findings.class_ids[known], inspection.findings.scores[known])
        if inspection.anomaly_map is not None:
            row[-1] = inspection.anomaly_map.max()
        rows.append(row)
    return CleanScores(names, np.array(rows, dtype=np.float32).reshape(-1, len(names)))


def scans_needed(wanted_pfa: float) -> int:
    """Return how many clean scans it takes to set a false-alarm rate."""
    return math.ceil(SCANS_PER_ALARM / wanted_pfa - 1e-9)


def check_rates(wanted: Sequence[float]) -> None:
    """Refuse rates that cannot be, before scans are read.

    Raises:
        UsageError: one is not a share in (0, 1).
    """
    for pfa in wanted:
        if not 0.0 < pfa < 1.0:
            raise UsageError(f"a false-alarm rate of {pfa:g} is wanted; expected a share between 0 and 1")


def _offer(count: int) -> str:
    """Return, in words, the least rate that so many scans set; nothing where there is none."""
    rate = math.ceil(1000.0 * SCANS_PER_ALARM / count) / 1000.0 if count else 1.0
    return f", or ask for a rate of {rate:g} or more" if rate < 1.0 else ""


def calibrate(
    clean: CleanScores, wanted: Sequence[float], *, data: str, seed: int = 0
) -> tuple[OperatingPoint, ...]:
    """Return an operating point for each wanted share of clean scans that alarm.

    Args:
        clean: scores of the site's clean scans.
        wanted: shares in (0, 1).
        data: what the scans are, in words, for the sidecar.
        seed: of the folds.

    Raises:
        UsageError: too few scans for a rate, or scores that no threshold can keep from alarming.
    """
    check_rates(wanted)
    for pfa in wanted:
        needed = scans_needed(pfa)
        if len(clean) < needed:
            raise UsageError(
                f"{len(clean)} clean scans were read, and a false-alarm rate of {pfa:g} takes {needed} or more: add "
                f"{needed - len(clean)} scans{_offer(len(clean))}"
            )
    return tuple(_point(clean, pfa, data, seed) for pfa in wanted)


def _point(clean: CleanScores, pfa: float, data: str, seed: int) -> OperatingPoint:
    thresholds = common_thresholds(clean.scores, pfa, seed)
    _demand_silence(clean, thresholds, pfa)
    folds = _folds(len(clean), seed)
    alarms = 0
    for fold in range(FOLDS):
        inside = folds == fold
        limits = common_thresholds(clean.scores[~inside], pfa, seed)
        alarms += int((clean.scores[inside] >= limits).any(axis=1).sum())
    rate = Rate(alarms, len(clean)).to_dict()
    return OperatingPoint(
        name=f"pfa={pfa:g}",
        wanted_pfa=pfa,
        thresholds={name: float(value) for name, value in zip(clean.names, thresholds, strict=True)},
        measured={
            "definition": DEFINITION,
            "clean_scans": rate,
            "folds": FOLDS,
            "seed": seed,
        },
        data=data,
    )


def _folds(count: int, seed: int) -> IndexArray:
    return make_folds(["clean"] * count, folds=FOLDS, seed=seed)


def common_thresholds(scores: FloatArray, pfa: float, seed: int) -> FloatArray:
    """Return a threshold (C,) float32 for each column of the greatest scores (N, C) of clean scans.

    How rare the rarest score of a scan is, by tails fitted to scans of other folds, is one number a scan. A new one
    exceeds the (k + 1)-th greatest of n with probability (k + 1) / (n + 1) at most, as in
    `evaluation.rates.fit_threshold`. Of scans too few to be divided, no rate can be asked for that this would alter.

    Args:
        scores: (N, C) in [0, 1].
        pfa: share of clean scans that may alarm.
        seed: of the folds.
    """
    tails = _Tails.of(scores)
    together = tails.rarity(scores)
    apart = together.copy()
    folds = _folds(len(scores), seed)
    for fold in range(FOLDS if len(scores) >= 2 * FOLDS else 0):
        inside = folds == fold
        apart[inside] = _Tails.of(scores[~inside]).rarity(scores[inside])
    kth = max(allowed_alarms(len(scores), pfa), 0)
    # Of scores that many scans share, the tails of the folds may part what one threshold cannot.
    limit = max(float(np.sort(rarity)[::-1][kth]) for rarity in (apart, together))
    silent = scores[together <= limit]
    # Just above: on its way through logits a threshold may have been rounded to a score that must not alarm.
    above = np.nextafter(silent.max(axis=0), np.float32(2.0))
    found: FloatArray = np.clip(
        np.maximum(tails.scores_of(limit), above), np.float32(LEAST_THRESHOLD), np.float32(1.0)
    )
    return found


def _demand_silence(clean: CleanScores, thresholds: FloatArray, pfa: float) -> None:
    alarming = clean.scores >= thresholds
    count = int(alarming.any(axis=1).sum())
    if count > pfa * len(clean):
        worst = clean.names[int(alarming.sum(axis=0).argmax())]
        raise UsageError(
            f"{count} of {len(clean)} clean scans alarm at the highest thresholds there are, most of them for {worst}: "
            f"no threshold keeps {pfa:g} of them clear; look at those scans, or retrain the model on scans like them"
        )


@dataclass(frozen=True, eq=False)
class _Tails:
    """How rare a score is in each column: above its start the logit falls off exponentially.

    Attributes:
        start: (C,) logit where the tail begins.
        share: (C,) of the scans in it, in (0, 1).
        scale: (C,) mean excess of the logit over the start.
    """

    start: _Floats
    share: _Floats
    scale: _Floats

    @classmethod
    def of(cls, scores: FloatArray) -> "_Tails":
        """Fit the tails of scores (N, C); one scan of excess 1 is added, so that a silent column has a tail too."""
        logits = _logit(scores)
        start = np.quantile(logits, _BODY, axis=0)
        excess = np.maximum(logits - start, 0.0)
        count = (excess > 0.0).sum(axis=0) + 1
        return cls(start, count / (len(scores) + 1), (excess.sum(axis=0) + 1.0) / count)

    def rarity(self, scores: FloatArray) -> _Floats:
        """Return (N,): -ln of the share of scans that reach the rarest of each scan's scores (N, C).

        A scan whose scores all lie below the lowest threshold cannot alarm; its rarity is -inf.
        """
        rarity = (_logit(scores) - self.start) / self.scale - np.log(self.share)
        can_alarm = scores >= np.float32(LEAST_THRESHOLD)
        return np.asarray(np.where(can_alarm, rarity, -np.inf).max(axis=1))

    def scores_of(self, rarity: float) -> FloatArray:
        """Return the scores (C,) of that rarity."""
        logits = self.start + self.scale * (rarity + np.log(self.share))
        found: FloatArray = (0.5 * (1.0 + np.tanh(0.5 * logits))).astype(np.float32)
        return found


def _logit(scores: FloatArray) -> _Floats:
    """Return ln(p / (1 - p)) of scores kept between the lowest threshold and the greatest below 1."""
    kept = np.clip(scores.astype(np.float64), LEAST_THRESHOLD, 1.0 - 2.0**-24)
    return np.asarray(np.log(kept / (1.0 - kept)))
