"""All figures of one evaluation: computed here once, shown by the report and the command line."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from cargosight_models.geometry import BoolArray, DoubleArray
from cargosight_training.evaluation.average_precision import (
    HEADLINE_BOXES,
    RankedClass,
    average_precisions,
    precision_at_recall,
    rank,
)
from cargosight_training.evaluation.bootstrap import (
    SAMPLES,
    Interval,
    draw_weights,
    interval_of_mean,
    resampled_precisions,
)
from cargosight_training.evaluation.calibration import Reliability, finding_reliability, scan_reliability
from cargosight_training.evaluation.froc import FALSE_FINDINGS_PER_SCAN, Froc, froc
from cargosight_training.evaluation.global_look import LookAuc, area_under_roc, look_auc
from cargosight_training.evaluation.intervals import make_folds
from cargosight_training.evaluation.matching import IOU_THRESHOLDS, Matched, match
from cargosight_training.evaluation.rates import ClassRates, class_rates
from cargosight_training.evaluation.scored import Scored


@dataclass(frozen=True, eq=False)
class ClassFigures:
    """The figures of one class on the scans whose source labels it.

    Attributes:
        name: The class.
        known: Whether the model can find it.
        scans: Scans that count.
        positives: Those with a box of the class.
        boxes: Boxes of the class.
        ap50: Average precision at IoU 0.5; None without a box.
        ap: Average precision over IoU 0.50 to 0.95; None without a box.
        precision: (101,) interpolated precision at recall 0, 0.01 … 1; None without a box.
        froc: None without a box.
        scan_auc: AUC of the scan score, positives against negatives; None where one of them is missing.
        look: AUC of the global look on the same scans; None where the pixels were not looked at.
        rates: PD at fixed PFA.
    """

    name: str
    known: bool
    scans: int
    positives: int
    boxes: int
    ap50: float | None
    ap: float | None
    precision: DoubleArray | None
    froc: Froc | None
    scan_auc: float | None
    look: LookAuc | None
    rates: ClassRates

    @property
    def headline(self) -> bool:
        """Whether the class enters the headline averages."""
        return self.known and self.boxes >= HEADLINE_BOXES

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        sensitivity = None
        if self.froc is not None:
            sensitivity = {f"{x:g}": self.froc.at(x) for x in FALSE_FINDINGS_PER_SCAN}
        return {
            "known": self.known,
            "headline": self.headline,
            "scans": self.scans,
            "positives": self.positives,
            "negatives": self.scans - self.positives,
            "boxes": self.boxes,
            "ap50": self.ap50,
            "ap": self.ap,
            "precision_at_recall": None if self.precision is None else self.precision.round(4).tolist(),
            "sensitivity_at_false_findings_per_scan": sensitivity,
            "scan_auc": self.scan_auc,
            "global_look": None if self.look is None else self.look.to_dict(),
            "pd_at_pfa": self.rates.to_dict(),
        }


@dataclass(frozen=True)
class Average:
    """An average over classes.

    Attributes:
        classes: Names of the classes in it.
        map50: Mean AP at IoU 0.5; None without classes.
        map: Mean AP over IoU 0.50 to 0.95; None without classes.
        map50_interval: Bootstrap interval by scan; None where it was not drawn.
        map_interval: Likewise.
    """

    classes: tuple[str, ...]
    map50: float | None
    map: float | None
    map50_interval: Interval | None = None
    map_interval: Interval | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "classes": list(self.classes),
            "map50": self.map50,
            "map": self.map,
            "map50_bootstrap95": None if self.map50_interval is None else self.map50_interval.to_dict(),
            "map_bootstrap95": None if self.map_interval is None else self.map_interval.to_dict(),
        }


@dataclass(frozen=True, eq=False)
class GroupFigures:
    """The figures of one source, or of one scanner.

    Attributes:
        name: `source`, or `source/scanner`.
        kind: Which of the two.
        scans: Scans of the group.
        boxes: Boxes of the group.
        headline: Average over the classes with 20 boxes or more in this group.
        all_classes: Average over all classes with a box in this group.
        ap50: AP at IoU 0.5 by class name, for classes with a box.
        boxes_of: Boxes by class name, for the same classes.
    """

    name: str
    kind: Literal["source", "scanner"]
    scans: int
    boxes: int
    headline: Average
    all_classes: Average
    ap50: dict[str, float]
    boxes_of: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "kind": self.kind,
            "scans": self.scans,
            "boxes": self.boxes,
            "headline": self.headline.to_dict(),
            "all_classes": self.all_classes.to_dict(),
            "classes": {name: {"ap50": self.ap50[name], "boxes": self.boxes_of[name]} for name in self.ap50},
        }


@dataclass(frozen=True, eq=False)
class Figures:
    """The figures of one model on scans of one origin.

    Attributes:
        matched: What they were computed from.
        headline: Average over the classes with 20 boxes or more.
        all_classes: Average over all classes that the model knows and that have a box.
        classes: In class order.
        groups: Sources, then scanners.
        findings: Reliability of finding scores.
        scans: Reliability of scan scores.
        seed: Of folds and bootstrap.
    """

    matched: Matched
    headline: Average
    all_classes: Average
    classes: tuple[ClassFigures, ...]
    groups: tuple[GroupFigures, ...]
    findings: Reliability
    scans: Reliability
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        scored = self.matched.scored
        return {
            "origin": scored.origin,
            "scans": len(scored),
            "clean_scans": int(scored.clean.sum()),
            "boxes": len(scored.truths),
            "seed": self.seed,
            "headline": self.headline.to_dict(),
            "all_classes": self.all_classes.to_dict(),
            "classes": {figures.name: figures.to_dict() for figures in self.classes},
            "groups": {group.name: group.to_dict() for group in self.groups},
            "calibration": {"findings": self.findings.to_dict(), "scans": self.scans.to_dict()},
        }


def compute(
    scored: Scored, *, looks: DoubleArray | None = None, samples: int = SAMPLES, seed: int = 0
) -> Figures:
    """Compute every figure.

    Args:
        scored: Labelled images of one origin with what the model found.
        looks: (N, F) features of the images from `global_look.look_of`; without them that check is left out.
        samples: Bootstrap samples; 0 draws no interval.
        seed: Of folds and bootstrap.
    """
    matched = match(scored)
    ranked = rank(matched)
    classes = _class_figures(matched, ranked, looks, seed)
    headline, all_classes = _averages(ranked, classes, samples, seed)
    return Figures(
        matched=matched,
        headline=headline,
        all_classes=all_classes,
        classes=classes,
        groups=_group_figures(scored, ranked),
        findings=finding_reliability(matched),
        scans=scan_reliability(matched),
        seed=seed,
    )


def _class_figures(
    matched: Matched, ranked: Sequence[RankedClass], looks: DoubleArray | None, seed: int
) -> tuple[ClassFigures, ...]:
    scored = matched.scored
    folds = make_folds([image.source for image in scored.images], seed=seed)
    rates = class_rates(matched, folds)
    present, negative, scan_scores = scored.present, scored.negative, scored.scan_scores
    figures = []
    for class_id, name in enumerate(scored.classes.names):
        one = ranked[class_id]
        precisions = average_precisions(one)
        with_class, without = present[:, class_id], negative[:, class_id]
        rows = with_class | without
        both = bool(with_class.any() and without.any())
        figures.append(
            ClassFigures(
                name=name,
                known=bool(scored.known[class_id]),
                scans=int(one.labelled.sum()),
                positives=int(with_class.sum()),
                boxes=one.boxes,
                ap50=float(precisions[0]) if one.boxes else None,
                ap=float(precisions.mean()) if one.boxes else None,
                precision=precision_at_recall(one) if one.boxes else None,
                froc=froc(one),
                scan_auc=area_under_roc(scan_scores[rows, class_id], with_class[rows]) if both else None,
                look=None if looks is None else look_auc(looks, with_class, without, seed=seed),
                rates=rates[class_id],
            )
        )
    return tuple(figures)


def _averages(
    ranked: Sequence[RankedClass], classes: Sequence[ClassFigures], samples: int, seed: int
) -> tuple[Average, Average]:
    """The headline average and the average over every class with a box, with intervals if `samples` > 0."""
    places = [place for place, one in enumerate(classes) if one.known and one.boxes > 0]
    precisions = [average_precisions(ranked[place]) for place in places]
    values = None
    if samples and places:
        weights = draw_weights(len(ranked[0].labelled), samples=samples, seed=seed)
        values = resampled_precisions([ranked[p] for p in places], weights, range(len(IOU_THRESHOLDS)))
    averages = []
    for kept in ([classes[place].headline for place in places], [True] * len(places)):
        rows = np.flatnonzero(kept)
        average = _average([classes[places[row]].name for row in rows], [precisions[row] for row in rows])
        if values is not None and len(rows):
            average = replace(
                average,
                map50_interval=interval_of_mean(values[rows, 0]),
                map_interval=interval_of_mean(values[rows]),
            )
        averages.append(average)
    return averages[0], averages[1]


def _average(names: Sequence[str], precisions: Sequence[DoubleArray]) -> Average:
    if not names:
        return Average((), None, None)
    table = np.array(precisions)
    return Average(tuple(names), float(table[:, 0].mean()), float(table.mean()))


def _group_figures(scored: Scored, ranked: Sequence[RankedClass]) -> tuple[GroupFigures, ...]:
    sources = sorted({image.source for image in scored.images})
    scanners = sorted({image.group for image in scored.images if image.scanner is not None})
    rows = [_group(scored, ranked, name, "source", scored.of_sources([name])) for name in sources]
    rows += [_group(scored, ranked, name, "scanner", scored.of_sources([name])) for name in scanners]
    return tuple(rows)


def _group(
    scored: Scored,
    ranked: Sequence[RankedClass],
    name: str,
    kind: Literal["source", "scanner"],
    images: BoolArray,
) -> GroupFigures:
    precisions, boxes_of = {}, {}
    for class_id, class_name in enumerate(scored.classes.names):
        inside = ranked[class_id].within(images)
        if inside.boxes and scored.known[class_id]:
            precisions[class_name] = average_precisions(inside)
            boxes_of[class_name] = inside.boxes
    often = [c for c, boxes in boxes_of.items() if boxes >= HEADLINE_BOXES]
    return GroupFigures(
        name=name,
        kind=kind,
        scans=int(images.sum()),
        boxes=int(images[scored.truths.image].sum()),
        headline=_average(often, [precisions[c] for c in often]),
        all_classes=_average(list(precisions), list(precisions.values())),
        ap50={c: float(values[0]) for c, values in precisions.items()},
        boxes_of=boxes_of,
    )
