"""The figures of projections as one HTML page, with the threats that were missed and the worst false alarms."""

import base64
from collections.abc import Iterable, Sequence
from html import escape

from cargosight_training.evaluation import report_parts as show
from cargosight_training.evaluation.projections.figures import ProjectionFigures, limits_of
from cargosight_training.evaluation.projections.scoring import PICTURE_SIDE, Row, ScoredVariants
from cargosight_training.evaluation.projections.tables import tables, words
from cargosight_training.evaluation.projections.variants import PLAIN_VISIBILITY

PICTURED_PFA = 0.05
MOST = 36


def page(figures: ProjectionFigures, parts: Sequence[ScoredVariants], origin: str, *, seed: int) -> str:
    """Return the page.

    Args:
        figures: of the parts.
        parts: scored variants, with their pictures.
        origin: of the clean scans, `real` or `simulated`.
        seed: of the folds, as in `figures.figures`.
    """
    body = [f"<p>{escape(line)}</p>" for line in words(figures, origin)]
    for table in tables(figures):
        rows = [show.row([escape(cell) for cell in row]) for row in table.rows]
        body.append(show.table(table.head, rows))
    missed, alarmed = _chosen(parts, seed)
    body += [
        f"<h2>Missed at {PICTURED_PFA:.0%} false alarms, visibility 5 or more</h2>",
        _gallery(missed),
        f"<h2>Clean scans that alarm at {PICTURED_PFA:.0%}, the loudest first</h2>",
        _gallery(alarmed),
    ]
    names = ", ".join(f"{name} {fingerprint[:12]}" for name, fingerprint in figures.models)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Projected threats</title>'
        f"<style>{show.STYLE}</style><h1>Projected threats: {escape(names)}</h1>{''.join(body)}</html>\n"
    )


def _chosen(
    parts: Sequence[ScoredVariants], seed: int
) -> tuple[list[tuple[Row, str]], list[tuple[Row, str]]]:
    """Missed threats, the farthest from its threshold first, and alarming clean scans, each with a caption."""
    missed: list[tuple[float, Row, str]] = []
    alarmed: list[tuple[float, Row, str]] = []
    for part in parts:
        limits = limits_of(part, PICTURED_PFA, seed)
        for row in part.rows:
            limit = limits[row.thing.row]
            name = part.names[row.thing.row]
            if row.thing.role == "clean":
                share = float((row.greatest / limit).max())
                label = part.classes[int((row.greatest / limit).argmax())]
                if share >= 1.0:
                    alarmed.append((-share, row, f"{label}, {share:.2f} of its threshold; {name}"))
            elif row.thing.role == "threat" and row.thing.visibility >= PLAIN_VISIBILITY:
                share = float((row.hits / limit).max())
                if share < 1.0:
                    text = f"{row.thing.family}, visibility {row.thing.visibility:.1f}, {share:.2f}; {name}"
                    missed.append((share, row, text))
    return _first(missed), _first(alarmed)


def _first(found: list[tuple[float, Row, str]]) -> list[tuple[Row, str]]:
    return [(row, text) for _, row, text in sorted(found, key=lambda one: one[0])[:MOST]]


def _gallery(entries: Iterable[tuple[Row, str]]) -> str:
    shots = [
        f'<figure class="shot"><img width="{PICTURE_SIDE}" alt="" src="data:image/jpeg;base64,'
        f'{base64.b64encode(row.picture).decode("ascii")}"><figcaption>{escape(text)}</figcaption></figure>'
        for row, text in entries
    ]
    return f'<div class="row">{"".join(shots)}</div>' if shots else "<p>None.</p>"
