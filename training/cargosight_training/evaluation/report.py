"""The HTML report: one file without any foreign host, readable on a laptop and on paper."""

from html import escape

import numpy as np

from cargosight_training.evaluation import report_parts as show
from cargosight_training.evaluation.average_precision import HEADLINE_BOXES, RECALL_POINTS
from cargosight_training.evaluation.calibration import LEAST_SCORE, Reliability
from cargosight_training.evaluation.charts import BLUE, GREY, ORANGE, Axis, Line, chart
from cargosight_training.evaluation.figures import Average, ClassFigures
from cargosight_training.evaluation.froc import FALSE_FINDINGS_PER_SCAN, mean_froc
from cargosight_training.evaluation.galleries import worst_false_alarms, worst_misses
from cargosight_training.evaluation.rates import WANTED_PFA
from cargosight_training.evaluation.report_tables import (
    confusion_table,
    group_matrix,
    group_table,
    null_section,
    point_tables,
    source_rates,
)
from cargosight_training.evaluation.results import REFERENCE_PFA, Evaluation, Part


def render(evaluation: Evaluation) -> str:
    """The whole report as HTML.

    Raises:
        DataSetError: An image for a gallery cannot be read any more.
    """
    model = evaluation.model
    title = f"{model['name']} on {evaluation.data['name']}"
    chosen = [
        f"{key} {', '.join(evaluation.data[key])}" for key in ("only", "without") if evaluation.data[key]
    ]
    times = ", ".join(f"{stage} {value:.1f}" for stage, value in evaluation.milliseconds.items())
    head = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="small">{escape(str(model["file"]))}, {escape(str(model["precision"]))}, code '
        f"{escape(str(model['code_version']))}, fingerprint {escape(str(model['fingerprint']))}<br>",
        f"{escape('; '.join(chosen) or 'all groups of the data set')}<br>",
        f"Median time on one scan in ms: {escape(times)}</p>",
    ]
    if evaluation.notes:
        head.append(f"<ul>{''.join(f'<li>{escape(note)}.</li>' for note in evaluation.notes)}</ul>")
    null = evaluation.null_projections
    sections = [*(_part(part) for part in evaluation.parts), "" if null is None else null_section(null)]
    body = "".join([*head, *sections, _reading()])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{show.STYLE}</style></head><body>{body}</body></html>\n"
    )


def _part(part: Part) -> str:
    scored, figures = part.scored, part.figures
    named = {"real": "Real scans", "projected": "Projected items", "simulated": "Simulated scans"}[
        scored.origin
    ]
    counts = f"{len(scored)} scans, {len(scored.truths)} boxes, {int(scored.clean.sum())} clean scans"
    sections = [
        f"<h2>{named}: {counts}</h2>",
        f'<div class="tiles">{_tiles(part)}</div>',
        "<h3>By class</h3>",
        f"<p>On the scans whose source labels the class. Grey: fewer than {HEADLINE_BOXES} boxes, not in "
        "the headline. PD is the share of boxes found at a false-alarm rate of 1, 5 and 10 % of the scans "
        "without the class, both from the same source, cross-fitted. Scan AUC: does the score tell scans "
        "with the class from those without; look AUC: the same from size, colours and borders of the image "
        "alone. Where the two are near, the class is given away by the look.</p>",
        _class_table(part),
        source_rates(part),
        "<h3>By source and scanner</h3>",
        group_table(part),
        group_matrix(part),
        "<h3>Operating points</h3>",
        point_tables(part),
        "<h3>Curves</h3>",
        _curves(part),
        "<h3>Confusion</h3>",
        f"<p>At {escape(part.thresholds_from)}. Rows: boxes, and below them findings on no box; columns: "
        "what they were found as.</p>",
        confusion_table(part.confusion),
        "<h3>Worst misses</h3>",
        f"<p>At {escape(part.thresholds_from)}; the boxes with the least score, at most three of a class."
        '<span class="key"><span style="color:#0072b2"></span>item, '
        '<span style="color:#0072b2;border-top-style:dashed"></span>other item, '
        '<span style="color:#d55e00"></span>finding</span></p>',
        show.gallery(worst_misses(figures.matched, part.thresholds)),
        "<h3>Worst false alarms</h3>",
        "<p>Scans without the class, from sources that label it, with the greatest score for it.</p>",
        show.gallery(worst_false_alarms(figures.matched, part.thresholds)),
    ]
    return f"<section>{''.join(sections)}</section>"


def _tiles(part: Part) -> str:
    figures = part.figures
    tiles = [
        _average_tile(
            figures.headline, f"mAP50, {len(figures.headline.classes)} classes with 20 boxes or more"
        ),
        _average_tile(
            figures.all_classes, f"mAP50, all {len(figures.all_classes.classes)} classes with a box"
        ),
    ]
    if figures.headline.map is not None:
        tiles.append(
            show.tile(
                show.number(figures.headline.map), "mAP (IoU 0.50 to 0.95)", "same classes as the first tile"
            )
        )
    for point in part.points:
        if point.wanted_pfa == REFERENCE_PFA:
            clean = point.measured["clean_scans"]
            low, high = clean["wilson95"]
            tiles.append(
                show.tile(
                    show.percent(clean["rate"]),
                    f"of clean scans alarm at {point.name}",
                    f"{clean['count']} of {clean['of']}, 95 % {100 * low:.1f} to {100 * high:.1f} %, "
                    "cross-fitted",
                )
            )
    return "".join(tiles)


def _average_tile(average: Average, label: str) -> str:
    detail = ""
    if average.map50_interval is not None:
        interval = average.map50_interval
        detail = f"95 % bootstrap by scan {interval.low:.3f} to {interval.high:.3f}"
    return show.tile(show.number(average.map50), label, detail)


def _class_table(part: Part) -> str:
    head = ["class", "boxes", "scans with", "without", "AP50", "AP"]
    head += [f"PD at PFA {pfa:.0%}" for pfa in WANTED_PFA] + ["scan AUC", "look AUC"]
    rows = []
    for one in sorted(part.figures.classes, key=lambda c: (not c.headline, -(c.ap50 or 0.0))):
        if not one.scans or not one.known:
            continue
        look = None if one.look is None else one.look.auc
        cells = [escape(one.name), str(one.boxes), str(one.positives), str(one.scans - one.positives)]
        cells += [show.number(one.ap50), show.number(one.ap), *_rates_of(one)]
        cells += [show.number(one.scan_auc), show.number(look)]
        styles = [""] * len(cells)
        styles[4] = show.bar(one.ap50)
        rows.append(show.row(cells, kind="" if one.headline else "rare", styles=styles))
    return show.table(head, rows)


def _rates_of(one: ClassFigures) -> list[str]:
    if not one.rates.total:
        return [show.MISSING] * len(WANTED_PFA)
    cells = []
    for rate in one.rates.total:
        mark = "*" if rate.too_few_negatives else ""
        cells.append(f"{show.rate(rate.detected.to_dict())}{mark}")
    return cells


def _curves(part: Part) -> str:
    classes = [one for one in part.figures.classes if one.precision is not None and one.known]
    charts = [
        _froc_chart(classes),
        _reliability_chart(part.figures.findings, "findings", "share that hit a box"),
    ]
    charts.append(_reliability_chart(part.figures.scans, "scans and classes", "share with the class"))
    small = [
        f"<figure>{_precision_chart(one)}<figcaption>{escape(one.name)}: AP50 {show.number(one.ap50)}, "
        f"{one.boxes} boxes</figcaption></figure>"
        for one in classes
    ]
    return f'<div class="row">{"".join(charts)}</div><div class="row">{"".join(small)}</div>'


def _froc_chart(classes: list[ClassFigures]) -> str:
    chosen = [one for one in classes if one.headline] or classes
    curves = [one.froc for one in chosen if one.froc is not None]
    if not curves:
        return ""
    grid, mean = mean_froc(curves)
    lines = [
        Line(grid.tolist(), [one.froc.at(x) for x in grid], one.name, GREY, 1.0)
        for one in chosen
        if one.froc is not None
    ]
    lines.append(Line(grid.tolist(), mean.tolist(), "mean", BLUE, 3.0))
    x = Axis("false findings per scan", 0.005, 5.0, log=True, ticks=(0.01, 0.1, 1.0))
    at = ", ".join(
        f"{np.mean([curve.at(point) for curve in curves]):.2f} at {point:g}"
        for point in FALSE_FINDINGS_PER_SCAN
    )
    return (
        f"<figure>{chart(lines, x, Axis('boxes found'), title='FROC')}<figcaption>FROC, each class grey, "
        f"mean of {len(curves)} classes blue:<br>{at}</figcaption></figure>"
    )


def _reliability_chart(reliability: Reliability, what: str, outcome: str) -> str:
    bins = [row for row in reliability.bins if row.mean_score is not None and row.right.value is not None]
    line = Line(
        [row.mean_score or 0.0 for row in bins],
        [row.right.value or 0.0 for row in bins],
        "",
        ORANGE,
        2.0,
        True,
    )
    drawn = chart([line], Axis("score"), Axis(outcome), diagonal=True, title=f"calibration of {what}")
    return (
        f"<figure>{drawn}<figcaption>Calibration of {what} from a score of {LEAST_SCORE:g} on:<br>expected "
        f"error {show.number(reliability.error)}</figcaption></figure>"
    )


def _precision_chart(one: ClassFigures) -> str:
    precision = [] if one.precision is None else one.precision.tolist()
    line = Line(RECALL_POINTS.tolist(), precision, one.name)
    ticks = (0.0, 0.5, 1.0)
    return chart(
        [line],
        Axis("recall", ticks=ticks),
        Axis("precision", ticks=ticks),
        width=210,
        height=170,
        title=f"precision and recall of {one.name}",
    )


def _reading() -> str:
    return (
        "<h2>How to read this</h2><p>Labels are partial: a class counts only on the scans whose source "
        "labels it, and its negatives are those of them without a box of it. AP is computed as COCO does "
        "(101 recall points, 100 findings of a class on a scan). A box is found when a finding of its class "
        "at or above the threshold overlaps it by an IoU of 0.5. Brackets are 95 % Wilson intervals in "
        "percent. PD and PFA are cross-fitted over five folds of scans: no scan is measured with a "
        "threshold it helped to fit. A star marks rates that rest on too few negatives for the wanted "
        "false-alarm rate: the threshold stands just above the greatest score seen. Real, projected and "
        "simulated scans never share a row.</p>"
    )
