"""The larger tables of the HTML report."""

from collections.abc import Mapping
from html import escape
from typing import Any

from cargosight_training.evaluation import report_parts as show
from cargosight_training.evaluation.confusion import Confusion
from cargosight_training.evaluation.figures import Average
from cargosight_training.evaluation.null_projection import NullProjections
from cargosight_training.evaluation.rates import WANTED_PFA
from cargosight_training.evaluation.results import Part


def source_rates(part: Part) -> str:
    """PD at fixed PFA for each class in each source."""
    rows = []
    for one in part.figures.classes:
        for name, rates in one.rates.by_source.items():
            cells = [escape(f"{one.name}, {name}")]
            for rate in rates:
                mark = "*" if rate.too_few_negatives else ""
                cells += [
                    f"{show.rate(rate.detected.to_dict())}{mark}",
                    show.rate(rate.false_alarms.to_dict()),
                ]
            cells.append(show.rate(rates[len(rates) // 2].detected_by_centre.to_dict()))
            rows.append(show.row(cells))
    if not rows:
        return ""
    head = ["class, source"]
    for pfa in WANTED_PFA:
        head += [f"PD at {pfa:.0%}", "PFA measured"]
    head.append(f"PD at {WANTED_PFA[len(WANTED_PFA) // 2]:.0%}, centre in box")
    return f"<details><summary>PD by class and source</summary>{show.table(head, rows)}</details>"


def group_table(part: Part) -> str:
    """Averages by source and scanner, with detection and alarms at the reference operating point."""
    point = next((p for p in part.points if p.wanted_pfa == 0.05), None)
    groups: Mapping[str, Any] = {} if point is None else point.measured["groups"]
    head = [
        "source or scanner",
        "scans",
        "boxes",
        "classes ≥ 20",
        "mAP50",
        "mAP",
        "all classes",
        "mAP50",
        "mAP",
    ]
    if point is not None:
        head += [f"boxes found at {point.name}", "clean scans that alarm"]
    rows = []
    for group in part.figures.groups:
        cells = [escape(group.name), str(group.scans), str(group.boxes)]
        cells += [*_average(group.headline), *_average(group.all_classes)]
        if point is not None:
            measured = groups[group.name]
            cells += [show.rate(measured["pd"]), show.rate(measured["clean_scans_alarmed"])]
        rows.append(show.row(cells))
    return show.table(head, rows)


def _average(average: Average) -> list[str]:
    return [str(len(average.classes)), show.number(average.map50), show.number(average.map)]


def group_matrix(part: Part) -> str:
    """AP50 of each class in each source and scanner."""
    names = [one.name for one in part.figures.classes if one.known and one.boxes]
    rows = []
    for group in part.figures.groups:
        cells, styles = [escape(group.name)], [""]
        for name in names:
            if name in group.ap50:
                value = group.ap50[name]
                cells.append(f"{value:.2f}<br><span style='font-size:11px'>{group.boxes_of[name]}</span>")
                styles.append(show.shade(0.8 * value))
            else:
                cells.append("")
                styles.append("")
        rows.append(show.row(cells, styles=styles))
    return (
        "<details open><summary>AP50 by class, source and scanner (below it: boxes)</summary>"
        f"{show.table(['', *names], rows, kind='heat')}</details>"
    )


def point_tables(part: Part) -> str:
    """Operating points fitted to these scans, and what the model's own do here."""
    pieces = []
    if part.points_missing is not None:
        pieces.append(f"<p>None can be fitted to these scans: {escape(part.points_missing)}.</p>")
    if part.points:
        pieces.append(
            "<p>Thresholds at one common false-alarm quantile of every class, chosen so that at most the "
            "wanted share of clean scans alarms for any class that their source labels. Fitted to these "
            "scans, rates cross-fitted.</p>"
        )
        notes = sorted({str(p.measured["note"]) for p in part.points if p.measured["note"]})
        pieces += [f"<p>They are {escape(note)}.</p>" for note in notes]
        pieces.append(_clean_table({p.name: p.measured for p in part.points}))
        pieces.append(_point_classes({p.name: p.measured for p in part.points}, part))
    if part.stored:
        pieces.append("<p>The model's own operating points, on these scans:</p>")
        pieces.append(_clean_table(part.stored))
    return "".join(pieces)


def _clean_table(measured: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, values in measured.items():
        clean = values["clean_scans"]
        mark = "*" if clean.get("too_few_for_wanted_rate") else ""
        rows.append(show.row([escape(name), "all", f"{show.rate(clean)}{mark}", ""]))
        for source, counted in clean["by_source"].items():
            covered = f"{counted['classes_covered']} of {counted['of_classes']}"
            rows.append(show.row(["", escape(source), show.rate(counted), covered], kind="rare"))
    return show.table(
        ["point", "source", "clean scans that alarm", "classes labelled there"], rows, kind="points"
    )


def _point_classes(measured: Mapping[str, Mapping[str, Any]], part: Part) -> str:
    head = ["class"]
    for name in measured:
        head += [f"threshold {name}", "PD", "PFA"]
    rows = []
    thresholds = {point.name: point.thresholds for point in part.points}
    for one in part.figures.classes:
        if not one.known:
            continue
        cells = [escape(one.name)]
        for name, values in measured.items():
            counted = values["classes"][one.name]
            mark = "*" if counted["note"] else ""
            cells += [
                f"{thresholds[name][one.name]:.3f}{mark}",
                show.rate(counted["pd"]),
                show.rate(counted["pfa"]),
            ]
        rows.append(show.row(cells))
    return f"<details><summary>Thresholds, PD and PFA by class</summary>{show.table(head, rows)}</details>"


def null_section(null: NullProjections) -> str:
    """Clean scans as they are, with nothing projected and with decoys projected, each in its own rows."""
    same = null.identical
    text = (
        f"Clean scans as they are (real), with nothing projected into them (areal density zero: {same.count} of "
        f"{same.of} pictures came out identical, in every pixel and in type), and with decoys projected, pieces of "
        f"other bags of the same source that hold no annotated item (they changed {show.percent(null.decoy_pixels)} "
        "of a scan's pixels, median). All by the code that projects items for training, all at the same "
        "thresholds. A model that has learnt the traces of projection alarms more often with decoys; a little more "
        "it may alarm in any case, since they make a bag fuller."
    )
    if null.left_out:
        text += f" In {null.left_out} clean scans a piece found no place; they are in no row."
    rows = []
    for table in null.tables:
        for place, row in enumerate(table.rows):
            names = [escape(table.name) if place == 0 else "", escape(row.scans)]
            names.append("real" if place == 0 else "projected")
            change = ["", ""] if place == 0 else [str(row.only_here), str(row.only_as_they_are)]
            rows.append(show.row([*names, show.rate(row.alarms.to_dict()), *change]))
    head = ["thresholds", "clean scans", "origin", "that alarm", "only here", "only as they are"]
    notes = "".join(f"<p>Not measured: {escape(note)}.</p>" for note in null.notes)
    return f"<h2>Null projections</h2><p>{text}</p>{show.table(head, rows, kind='points')}{notes}{_null_sources(null)}"


def _null_sources(null: NullProjections) -> str:
    rows = []
    for table in null.tables:
        for source in table.rows[0].by_source:
            for place, row in enumerate(table.rows):
                names = [escape(f"{table.name}, {source}") if place == 0 else "", escape(row.scans)]
                rows.append(show.row([*names, show.rate(row.by_source[source].to_dict())]))
    head = ["thresholds, source", "clean scans", "that alarm"]
    return f"<details><summary>By source</summary>{show.table(head, rows, kind='points')}</details>"


def confusion_table(confusion: Confusion) -> str:
    """Counts, shaded by share of the row."""
    document = confusion.to_dict()
    used = [
        index
        for index in range(len(confusion.names))
        if confusion.counts[index].any() or confusion.counts[:, index].any()
    ]
    columns = [*used, len(confusion.names)]
    rows = []
    for index in columns:
        counts = confusion.counts[index]
        total = max(1, int(counts.sum()))
        cells, styles = [escape(document["rows"][index])], [""]
        for column in columns:
            count = int(counts[column])
            cells.append(str(count) if count else "")
            styles.append(show.shade(count / total) if count else "")
        rows.append(show.row(cells, styles=styles))
    head = ["", *(document["columns"][index] for index in columns)]
    return show.table(head, rows, kind="heat")
