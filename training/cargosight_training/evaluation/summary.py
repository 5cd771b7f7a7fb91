"""The figures of an evaluation as text for a terminal."""

from collections.abc import Mapping
from typing import Any

from cargosight_models.operating_points import OperatingPoint
from cargosight_training.evaluation.figures import Average, ClassFigures
from cargosight_training.evaluation.null_projection import NullProjections
from cargosight_training.evaluation.rates import WANTED_PFA, DetectionRate
from cargosight_training.evaluation.results import Evaluation, Part, describe


def summary(evaluation: Evaluation) -> str:
    """The headline figures and a table by class, as text for a terminal."""
    lines = [
        f"{evaluation.model['name']} ({evaluation.model['precision']}, "
        f"{str(evaluation.model['fingerprint'])[:12]})"
    ]
    for part in evaluation.parts:
        lines += [
            "",
            describe(part.scored, evaluation.data),
            *_averages(part),
            *_alarms(part),
            "",
            *_table(part),
        ]
    if evaluation.null_projections is not None:
        lines += ["", *_null_projections(evaluation.null_projections)]
    lines += [f"note: {note}" for note in evaluation.notes]
    return "".join(f"{line}\n" for line in lines)


def _averages(part: Part) -> list[str]:
    figures = part.figures
    return [
        _average(figures.headline, "classes with 20 boxes or more"),
        _average(figures.all_classes, "classes with a box"),
    ]


def _average(average: Average, which: str) -> str:
    if average.map50 is None or average.map is None:
        return f"no {which}"
    interval = average.map50_interval
    span = "" if interval is None else f" [{interval.low:.3f} to {interval.high:.3f}]"
    return f"mAP50 {average.map50:.3f}{span}, mAP {average.map:.3f} over {len(average.classes)} {which}"


def _alarms(part: Part) -> list[str]:
    lines = [
        f"{point.name}: {_share(point.measured['clean_scans'])}{'*' if _promises_too_much(point) else ''} "
        "of clean scans alarm (cross-fitted)"
        for point in part.points
    ]
    if any(_promises_too_much(point) for point in part.points):
        lines.append("* too few clean scans for that false-alarm rate: more of them would alarm than it says")
    lines += sorted({str(point.measured["note"]) for point in part.points if point.measured["note"]})
    lines += [
        f"{name} of the model's sidecar: {_share(measured['clean_scans'])} of clean scans alarm here"
        for name, measured in part.stored.items()
        if measured["clean_scans"]["of"]
    ]
    return lines if part.points_missing is None else [*lines, f"no operating points: {part.points_missing}"]


def _promises_too_much(point: OperatingPoint) -> bool:
    """Whether a point promises a rate for which there were too few clean scans."""
    return bool(point.measured["clean_scans"]["too_few_for_wanted_rate"])


def _null_projections(null: NullProjections) -> list[str]:
    same = null.identical
    lines = [
        f"null projections: {same.count} of {same.of} clean scans identical after projection of nothing; "
        f"decoys changed {null.decoy_pixels:.1%} of the pixels (median)"
    ]
    if null.left_out:
        lines.append(f"in {null.left_out} clean scans a piece found no place; they are not counted")
    for table in null.tables:
        lines.append(f"{table.name}: clean scans that alarm")
        lines += [f"  {row.scans:<18} {_share(row.alarms.to_dict())}" for row in table.rows]
    return [*lines, *(f"not measured: {note}" for note in null.notes)]


def _share(counted: Mapping[str, Any]) -> str:
    low, high = counted["wilson95"]
    return f"{counted['rate']:.1%} ({counted['count']}/{counted['of']}, {low:.1%} to {high:.1%})"


def _table(part: Part) -> list[str]:
    names = [one.name for one in part.figures.classes] or ["class"]
    width = max(len(name) for name in [*names, "class"])
    pd = "  ".join(f"PD@{pfa:.0%} ".rjust(8) for pfa in WANTED_PFA)
    lines = [f"{'class':<{width}}  boxes   AP50     AP  {pd}  scan AUC  look AUC"]
    shown = [one for one in part.figures.classes if one.known and one.scans]
    lines += [_class_row(one, width) for one in shown]
    if any(rate.too_few_negatives for one in shown for rate in one.rates.total):
        lines.append(
            "* too few scans without the class for that false-alarm rate: more of them would alarm than it says"
        )
    return lines


def _class_row(one: ClassFigures, width: int) -> str:
    pd = "  ".join(_detected(rate).rjust(8) for rate in one.rates.total or [None] * len(WANTED_PFA))
    look = None if one.look is None else one.look.auc
    figures = "  ".join(_number(value).rjust(5) for value in (one.ap50, one.ap))
    aucs = "  ".join(_number(value).rjust(8) for value in (one.scan_auc, look))
    return f"{one.name:<{width}}  {one.boxes:>5}  {figures}  {pd}  {aucs}"


def _detected(rate: DetectionRate | None) -> str:
    if rate is None or rate.detected.value is None:
        return "- "
    return f"{rate.detected.value:.1%}{'*' if rate.too_few_negatives else ' '}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
