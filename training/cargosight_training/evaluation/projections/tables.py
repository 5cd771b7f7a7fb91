"""The figures of projections as tables of Markdown, which a terminal shows as well as a model's card."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cargosight_models.intervals import wilson
from cargosight_training.evaluation.anomaly_figures import MapFigures
from cargosight_training.evaluation.intervals import Rate
from cargosight_training.evaluation.projections.figures import AtPoint, ProjectionFigures

DEFINITIONS = (
    "Threats are projected (threat image projection) into clean scans: no figure here is about real threats. "
    "Thresholds are common to a scan's classes and map and fitted on the scans of other folds of groups; a model's own "
    "points are taken as they are. Found: any "
    "finding with IoU >= 0.5 or its middle in the threat's box, or the map on the threat, where the clean scan has "
    "none; named: the right class with IoU >= 0.5."
)


def share(rate: Rate) -> str:
    """A rate with its counts and Wilson's 95 % interval."""
    if rate.value is None:
        return "-"
    low, high = wilson(rate.count, rate.of)
    return f"{rate.value:.0%} ({rate.count}/{rate.of}, {low:.0%} to {high:.0%})"


@dataclass(frozen=True)
class Table:
    """One table, as text.

    Attributes:
        head: of its columns.
        rows: cells, as many as the head.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def words(figures: ProjectionFigures, origin: str) -> list[str]:
    """What was counted, in sentences.

    Args:
        figures: from `figures.figures`.
        origin: of the clean scans, `real` or `simulated`.
    """
    left_out = [f"{point.wanted_pfa:.0%}" for point in figures.points if not point.enough]
    lines = [
        f"{figures.clean} clean {origin} scans in {figures.groups} groups, {figures.placed} threats projected of "
        f"{figures.asked} asked for (the others found no place that shows them).",
        DEFINITIONS,
    ]
    if left_out:
        lines.append(f"Too few clean scans for a false-alarm rate of {' and '.join(left_out)}.")
    return lines


def tables(figures: ProjectionFigures) -> list[Table]:
    """What the alarms cost, what is found, what is named, and the map by itself."""
    points = [point for point in figures.points if point.enough]
    by_rate = {f"{point.wanted_pfa:.0%}": point for point in points}
    made = []
    if points:
        costs = _costs(by_rate, "alarms at a wanted rate of", "clean scans, cross-fitted")
        made += [costs, _found(by_rate, " false alarms"), _named(by_rate)]
    if own := figures.own_points:
        made += [_costs(own, "alarms at the model's own point", "clean scans"), _found(own, "")]
    return [*made, _maps(figures.maps)] if figures.maps else made


def markdown(figures: ProjectionFigures, origin: str) -> str:
    """All of it as Markdown; the arguments are those of `words`."""
    lines = words(figures, origin)
    for table in tables(figures):
        lines += ["", _line(table.head), _line(["---"] * len(table.head)), *map(_line, table.rows)]
    return "".join(f"{line}\n" for line in lines)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    return Table(tuple(head), tuple(tuple(row) for row in rows))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _costs(points: Mapping[str, AtPoint], title: str, clean: str) -> Table:
    head = [title, *points]
    rows = (
        (clean, "clean"),
        ("clean scans, for a known class", "clean_items"),
        ("the clean scans into which nothing is projected", "nothing_clean"),
        ("the same with nothing projected", "nothing"),
        ("places of look-alikes, before", "lookalikes_before"),
        ("the same with a look-alike", "lookalikes"),
    )
    return _table(
        head, ([name, *(share(getattr(point, key)) for point in points.values())] for name, key in rows)
    )


def _found(points: Mapping[str, AtPoint], what: str) -> Table:
    head = ["threats found", *(f"at {name}{what}" for name in points)]
    return _table(
        head,
        ([kind, *(share(point.threats[kind].found) for point in points.values())] for kind in _kinds(points)),
    )


def _named(points: Mapping[str, AtPoint]) -> Table:
    head = ["", *(f"{what} at {name}" for name in points for what in ("named", "by the map"))]
    rows = (
        [
            kind,
            *(
                share(rate)
                for point in points.values()
                for rate in (point.threats[kind].named, point.threats[kind].by_map)
            ),
        ]
        for kind in _kinds(points)
    )
    return _table(head, rows)


def _kinds(points: Mapping[str, AtPoint]) -> list[str]:
    """Kinds of threat of which there is one."""
    first = next(iter(points.values()))
    return [kind for kind in first.threats if first.threats[kind].found.of]


def _maps(maps: dict[str, MapFigures]) -> Table:
    head = ["the map of the unusual alone", "threats", "image AUROC", "AUPRO at 30 %"]
    return _table(
        head,
        (
            [
                kind,
                str(one.with_threat),
                f"{one.image_auroc:.3f}{_span(one.image_auroc_interval)}",
                f"{one.aupro:.3f}{_span(one.aupro_interval)}",
            ]
            for kind, one in maps.items()
        ),
    )


def _span(interval: object) -> str:
    low, high = getattr(interval, "low", None), getattr(interval, "high", None)
    return "" if low is None or high is None else f" [{low:.3f} to {high:.3f}]"
