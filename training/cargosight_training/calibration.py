"""A site's own thresholds, from scans that it knows to be clean and that nobody labelled.

One false-alarm quantile is common to every class and to the map of the unusual, and as great as it can be without
more than the wanted share of the clean scans alarming for anything: the rule by which operating points are chosen on
labelled data (`evaluation.operating_points`), with every scan a negative of everything.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cargosight_inference.findings import ANOMALY
from cargosight_inference.inspection import Inspection
from cargosight_models.errors import UsageError
from cargosight_models.geometry import FloatArray
from cargosight_models.operating_points import OperatingPoint
from cargosight_training.evaluation.intervals import FOLDS, Rate, make_folds
from cargosight_training.evaluation.operating_points import Fit, fit

SCANS_PER_ALARM = 3
"""Clean scans that are asked for, times the wanted rate: of fewer than three expected alarms none may be seen by chance
at one time in twenty (the rule of three), and a rate could not be told from half of it."""
LEAST_THRESHOLD = 0.05
"""No threshold is set lower, however silent a model is on the clean scans: on the first scan that is a little
different everything would alarm."""
DEFINITION = (
    "thresholds at one common false-alarm quantile of every class and of the map of the unusual, at which at most the "
    "wanted share of the site's clean scans alarms for anything; the measured rate is cross-fitted over folds"
)


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
    for pfa in wanted:
        if not 0.0 < pfa < 1.0:
            raise UsageError(f"a false-alarm rate of {pfa:g} is wanted; expected a share between 0 and 1")
        needed = scans_needed(pfa)
        if len(clean) < needed:
            raise UsageError(
                f"{len(clean)} clean scans were read, and a false-alarm rate of {pfa:g} takes {needed} or more: add "
                f"{needed - len(clean)} scans, or ask for a rate of {SCANS_PER_ALARM / max(len(clean), 4):.2g} or more"
            )
    return tuple(_point(clean, pfa, data, seed) for pfa in wanted)


def _point(clean: CleanScores, pfa: float, data: str, seed: int) -> OperatingPoint:
    thresholds = _thresholds(clean, clean.scores, pfa)
    folds = make_folds(["clean"] * len(clean), folds=FOLDS, seed=seed)
    alarms = 0
    for fold in range(FOLDS):
        inside = folds == fold
        limits = _thresholds(clean, clean.scores[~inside], pfa)
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


def _thresholds(clean: CleanScores, scores: FloatArray, pfa: float) -> FloatArray:
    everything = np.ones(scores.shape, dtype=np.bool_)
    fitted: Fit = fit(scores, everything, ~everything, pfa)
    values = np.maximum(fitted.values, np.float32(LEAST_THRESHOLD))
    alarming = (scores >= values).any(axis=1)
    if float(alarming.mean()) > pfa:
        worst = max(
            range(len(clean.names)), key=lambda column: int((scores[:, column] >= values[column]).sum())
        )
        raise UsageError(
            f"{int(alarming.sum())} of {len(scores)} clean scans alarm at the highest thresholds there are, most of "
            f"them for {clean.names[worst]}: no threshold keeps {pfa:g} of them clear; look at those scans, or retrain "
            "the model on scans like them"
        )
    return values
