"""Operating points: thresholds by class that keep the share of clean bags that alarm at a wanted rate.

What an operator means by a false-alarm rate of 5 % is that 5 % of clean bags are stopped. So one false-alarm
quantile q is common to all classes; the threshold of class c is the score that a share q of the scans without
c passes; and q is the greatest for which at most the wanted share of the *clean* scans (no box at all, from a
source that labels a class of the model) alarms for any class that its source labels. No source labels every class: how
many classes each clean scan was checked for is stated beside the rate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cargosight_models.contract import DataTerms
from cargosight_models.errors import DataSetError
from cargosight_models.geometry import BoolArray, FloatArray, IndexArray
from cargosight_models.operating_points import OperatingPoint
from cargosight_training.datasets.records import Origin
from cargosight_training.evaluation.intervals import FOLDS, Rate, make_folds
from cargosight_training.evaluation.matching import Matched
from cargosight_training.evaluation.rates import (
    MOST_CONSERVATIVE,
    WANTED_PFA,
    DetectionRate,
    Threshold,
    allowed_alarms,
    fit_threshold,
)
from cargosight_training.evaluation.scored import Scored, clean_scans

DEFINITION = (
    "thresholds at one common false-alarm quantile of every class, chosen so that at most the wanted share "
    "of clean scans alarms for any class their source labels; rates are cross-fitted over folds of scans"
)
NOT_REAL = "chosen on {} scans: the false-alarm rates hold for such scans, not for real ones"
CLEAN = "one without a box, from a source that labels a class that the model knows"


def check_origin(origin: Origin, name: str, training_data: Sequence[DataTerms]) -> None:
    """Refuse to choose thresholds on scans that are not real: a false-alarm rate is one of real clean scans.

    Simulated scans do for a model that was trained on nothing else, as in a trial: its points say what they hold for.

    Args:
        origin: Of the scans.
        name: Of their data set.
        training_data: What the model was trained on.

    Raises:
        DataSetError: The scans are not real, and the model is no such model.
    """
    real = [one.source for one in training_data if not one.declared_simulated]
    if origin == "real" or (origin == "simulated" and training_data and not real):
        return
    raise DataSetError(
        f"the clean scans in {name!r} are {origin}, but the model was trained on {', '.join(real) or 'unnamed data'}; "
        "false-alarm rates are chosen on real clean scans: add some, or leave --choose-operating-points out"
    )


@dataclass(frozen=True)
class Fit:
    """Thresholds for one wanted false-alarm rate.

    Attributes:
        quantile: The common false-alarm quantile q.
        thresholds: By class, in class order.
        without_negatives: Class ids that have no scan without them; they take the highest threshold of the
            others.
        too_few_clean: There are too few clean scans for the wanted rate: none of them may alarm.
    """

    quantile: float
    thresholds: tuple[Threshold, ...]
    without_negatives: tuple[int, ...]
    too_few_clean: bool

    @property
    def values(self) -> FloatArray:
        """(C,) float32."""
        return np.array([threshold.value for threshold in self.thresholds], dtype=np.float32)


def fit(scan_scores: FloatArray, checked: BoolArray, present: BoolArray, wanted_pfa: float) -> Fit:
    """Choose thresholds.

    Args:
        scan_scores: (N, C) float32, greatest score by scan and class.
        checked: (N, C) bool, the source of the scan labels the class and the model knows it.
        present: (N, C) bool, the scan has a box of the class, known or not.
        wanted_pfa: The wanted share of clean scans that alarm, in (0, 1).

    Raises:
        DataSetError: There is no clean scan.
    """
    negative = checked & ~present
    clean = clean_scans(checked, present)
    if not clean.any():
        raise DataSetError(
            f"there is no clean scan ({CLEAN}), so no rate of false alarms on clean bags can be "
            "fitted; add scans of bags without items"
        )
    columns = [scan_scores[negative[:, class_id], class_id] for class_id in range(scan_scores.shape[1])]
    allowed = allowed_alarms(int(clean.sum()), wanted_pfa)
    # Thresholds change only where (k + 1) / (n + 1) passes for some class. Alarms rise with q: bisect.
    sizes = [len(column) for column in columns if len(column)]
    steps = np.unique(np.concatenate([np.arange(1, size + 1) / (size + 1) for size in sizes]))
    low, high = 0, len(steps) - 1
    while low < high:
        middle = (low + high + 1) // 2
        thresholds = _at_quantile(columns, float(steps[middle]))
        alarms = _alarms(scan_scores, checked, clean, thresholds)
        low, high = (middle, high) if alarms <= max(allowed, 0) else (low, middle - 1)
    quantile = float(steps[low])
    thresholds = _at_quantile(columns, quantile)
    if allowed < 0:
        # The quantile that is needed lies below what these scans can show.
        thresholds = tuple(
            replace(one, too_few=one.too_few or allowed_alarms(len(column), quantile) <= 0)
            for one, column in zip(thresholds, columns, strict=True)
        )
    return Fit(
        quantile,
        thresholds,
        tuple(class_id for class_id, column in enumerate(columns) if len(column) == 0),
        allowed < 0,
    )


def _at_quantile(columns: Sequence[FloatArray], quantile: float) -> tuple[Threshold, ...]:
    fitted = [fit_threshold(column, quantile) if len(column) else None for column in columns]
    highest = max((one.value for one in fitted if one is not None), default=float(MOST_CONSERVATIVE))
    return tuple(Threshold(highest, too_few=True) if one is None else one for one in fitted)


def _alarms(
    scan_scores: FloatArray, checked: BoolArray, scans: BoolArray, thresholds: Sequence[Threshold]
) -> int:
    """How many of `scans` (N,) bool alarm for a class that they are checked for."""
    values = np.array([threshold.value for threshold in thresholds], dtype=np.float32)
    return int(((scan_scores[scans] >= values) & checked[scans]).any(axis=1).sum())


@dataclass(frozen=True)
class Measured:
    """What thresholds do on scans that did not fit them.

    Attributes:
        clean_by_source: For each source with clean scans, those that alarmed.
        classes: PD and PFA by class, in class order.
        by_group: PD over all boxes and alarms of clean scans, by source and by source/scanner.
    """

    clean_by_source: Mapping[str, Rate]
    classes: tuple[DetectionRate, ...]
    by_group: Mapping[str, tuple[Rate, Rate]]

    @property
    def clean(self) -> Rate:
        """Clean scans of every source together."""
        return sum(self.clean_by_source.values(), Rate(0, 0))


def fold_count(scored: Scored) -> int:
    """FOLDS, or fewer where there are fewer clean scans, since each fold needs one."""
    return min(FOLDS, int(scored.clean.sum()))


def deal_folds(scored: Scored, seed: int) -> IndexArray:
    """(N,) int64, the fold of each image; clean scans are dealt apart, so that no fold holds all of them.

    Each fold gets equally many of the clean scans of all sources, or one more or less, and so of the other scans of
    each source.
    """
    clean = scored.clean
    folds = fold_count(scored)
    groups = [f"{image.source}{' clean' * int(clean[row])}" for row, image in enumerate(scored.images)]
    dealt = make_folds(groups, folds=folds, seed=seed)
    # Sources of one clean scan each could all have drawn one fold: deal on from source to source.
    shuffled = np.random.default_rng(seed).permutation(np.flatnonzero(clean)).tolist()
    by_source = sorted(shuffled, key=lambda row: scored.images[row].source)
    dealt[by_source] = np.arange(len(by_source)) % folds
    return dealt


def cross_fitted_thresholds(
    matched: Matched, folds: IndexArray, wanted_pfa: float
) -> tuple[FloatArray, BoolArray]:
    """The thresholds of each scan's classes, fitted to the scans of the other folds.

    Returns:
        (N, C) float32, and (C,) bool: the threshold is only the most conservative one in some fold.

    Raises:
        DataSetError: The clean scans all lie in one fold, so that nothing is left to fit on.
    """
    scored = matched.scored
    scan_scores, checked, present = scored.scan_scores, scored.checked, scored.present
    values = np.ones((len(scored), len(scored.classes)), dtype=np.float32)
    too_few = np.zeros(len(scored.classes), dtype=np.bool_)
    for fold in np.unique(folds):
        outside = folds != fold
        fitted = fit(scan_scores[outside], checked[outside], present[outside], wanted_pfa)
        values[~outside] = fitted.values
        too_few |= np.array([threshold.too_few for threshold in fitted.thresholds])
    return values, too_few


def thresholds_of(scored: Scored, point: OperatingPoint) -> FloatArray:
    """(C,) float32, the thresholds of an operating point; classes without one never alarm."""
    never = np.nextafter(np.float32(1), np.float32(2))
    return np.array([point.thresholds.get(name, never) for name in scored.classes.names], dtype=np.float32)


def measure(matched: Matched, folds: IndexArray, wanted_pfa: float) -> Measured:
    """Cross-fit: each fold of scans is measured with thresholds that the other folds gave.

    Raises:
        DataSetError: The clean scans all lie in one fold, so that nothing is left to fit on.
    """
    values, too_few = cross_fitted_thresholds(matched, folds, wanted_pfa)
    return measure_at(matched, values, wanted_pfa, too_few)


def measure_at(matched: Matched, values: FloatArray, wanted_pfa: float, too_few: BoolArray) -> Measured:
    """Count detections and alarms at given thresholds.

    Args:
        matched: Images, findings and boxes.
        values: (N, C) float32, the threshold of each class on each scan.
        wanted_pfa: What the thresholds were chosen for.
        too_few: (C,) bool, classes whose threshold is only the most conservative one.
    """
    scored = matched.scored
    alarms = (scored.scan_scores >= values) & scored.checked
    of_box = values[scored.truths.image, scored.truths.class_id]
    found, found_by_centre = matched.score_by_iou >= of_box, matched.score_by_centre >= of_box
    negative = scored.negative
    classes = []
    for class_id in range(len(scored.classes)):
        boxes = scored.truths.class_id == class_id
        classes.append(
            DetectionRate(
                wanted_pfa,
                _share(found, boxes),
                _share(found_by_centre, boxes),
                _share(alarms[:, class_id], negative[:, class_id]),
                bool(too_few[class_id]),
            )
        )
    known = scored.known[scored.truths.class_id]
    any_alarm: BoolArray = np.asarray(alarms.any(axis=1))
    by_group = {}
    for name in sorted({name for image in scored.images for name in (image.source, image.group)}):
        scans = scored.of_sources([name])
        by_group[name] = (
            _share(found, scans[scored.truths.image] & known),
            _share(any_alarm, scans & scored.clean),
        )
    sources = {image.source for image in scored.images}
    clean = {name: alarmed for name, (_, alarmed) in by_group.items() if name in sources and alarmed.of}
    return Measured(clean, tuple(classes), by_group)


def _share(flags: BoolArray, rows: BoolArray) -> Rate:
    return Rate(int(flags[rows].sum()), int(rows.sum()))


def choose(
    matched: Matched, *, data: str, wanted: Sequence[float] = WANTED_PFA, seed: int = 0
) -> tuple[OperatingPoint, ...]:
    """Operating points at each wanted rate, with what they measured.

    Thresholds come from all scans; the rates beside them are cross-fitted.

    Args:
        matched: Images, findings and boxes.
        data: On which data, in words, for the sidecar.
        wanted: The wanted shares of clean scans that alarm.
        seed: Of the folds.

    Raises:
        DataSetError: There are fewer than two clean scans.
    """
    scored = matched.scored
    if int(scored.clean.sum()) < 2:
        raise DataSetError(
            f"{int(scored.clean.sum())} clean scans found, expected 2 or more (and 100 for a rate of 1 %) to "
            f"choose operating points; a clean scan is {CLEAN}"
        )
    folds = deal_folds(scored, seed)
    points = []
    for pfa in wanted:
        fitted = fit(scored.scan_scores, scored.checked, scored.present, pfa)
        measured = measure(matched, folds, pfa)
        names = [name for name, known in zip(scored.classes.names, scored.known, strict=True) if known]
        points.append(
            OperatingPoint(
                name=f"pfa={pfa:g}",
                wanted_pfa=pfa,
                thresholds={name: fitted.thresholds[scored.classes.index(name)].value for name in names},
                measured=_to_json(matched, fitted, measured, seed),
                data=data,
            )
        )
    return tuple(points)


def _to_json(matched: Matched, fitted: Fit, measured: Measured, seed: int) -> dict[str, Any]:
    counted = measured_to_json(matched, measured)
    for name in counted["classes"]:
        class_id = matched.scored.classes.index(name)
        note = None
        if class_id in fitted.without_negatives:
            note = "no scan without this class is labelled for it: it has the highest threshold of the others"
        elif fitted.thresholds[class_id].too_few:
            note = "too few scans without this class: the threshold is just above their greatest score"
        counted["classes"][name]["note"] = note
    counted["clean_scans"]["too_few_for_wanted_rate"] = fitted.too_few_clean
    origin = matched.scored.origin
    return {
        "definition": DEFINITION,
        "origin": origin,
        "note": None if origin == "real" else NOT_REAL.format(origin),
        "folds": fold_count(matched.scored),
        "seed": seed,
        "quantile": fitted.quantile,
        **counted,
    }


def measured_to_json(matched: Matched, measured: Measured) -> dict[str, Any]:
    """JSON-ready counts: clean scans by source with the classes they cover, classes, sources and scanners."""
    scored = matched.scored
    labelled_by = {image.source: image.labelled & scored.known for image in scored.images}
    by_source = {}
    for name, rate in measured.clean_by_source.items():
        covered = [scored.classes.names[class_id] for class_id in np.flatnonzero(labelled_by[name])]
        by_source[name] = {
            **rate.to_dict(),
            "classes_covered": len(covered),
            "of_classes": int(scored.known.sum()),
            "classes": covered,
        }
    return {
        "clean_scans": {**measured.clean.to_dict(), "by_source": by_source},
        "classes": {
            name: rate.to_dict()
            for name, rate, known in zip(scored.classes.names, measured.classes, scored.known, strict=True)
            if known
        },
        "groups": {
            name: {"pd": found.to_dict(), "clean_scans_alarmed": alarmed.to_dict()}
            for name, (found, alarmed) in measured.by_group.items()
        },
    }
