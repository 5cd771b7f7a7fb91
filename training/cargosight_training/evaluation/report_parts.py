"""The pieces of the HTML report: numbers, tables, figures."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from cargosight_training.evaluation.galleries import BoxKind, Entry, thumbnail

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 24px 64px; max-width: 1340px; background: #fff; color: #1c2733;
  font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 20px; margin: 40px 0 6px; padding-top: 12px; border-top: 2px solid #1c2733; }
h3 { font-size: 16px; margin: 26px 0 4px; }
p { margin: 4px 0 10px; max-width: 80ch; }
.small, figcaption, .interval { color: #51606d; font-size: 13px; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; }
.tile { border: 1px solid #cfd6dc; border-radius: 6px; padding: 10px 16px; min-width: 190px; max-width: 290px;
} .tile b { display: block; font-size: 26px; line-height: 1.25; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 8px 0 14px; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 8px; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
table.points th:nth-child(2), table.points td:nth-child(2) { text-align: left; }
thead th { border-bottom: 2px solid #1c2733; vertical-align: bottom; }
tbody tr:nth-child(even) { background: #f4f6f8; }
tbody tr.rare td { color: #51606d; }
td .interval { margin-left: 4px; }
table.heat td { min-width: 34px; border: 1px solid #e3e8ec; }
table.heat thead th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; padding: 6px
3px; } table.heat thead th:first-child { writing-mode: horizontal-tb; transform: none; }
.row { display: flex; flex-wrap: wrap; gap: 18px; align-items: flex-start; }
figure { margin: 0; }
figure.shot { width: 270px; }
figure.shot svg { width: 100%; height: auto; display: block; background: #e9edf0; }
svg text { font: 12px system-ui, "Segoe UI", Arial, sans-serif; fill: #1c2733; }
svg .grid { stroke: #e1e6ea; fill: none; }
svg .even { stroke: #9aa4ad; stroke-dasharray: 4 4; fill: none; }
details { margin: 8px 0; }
summary { cursor: pointer; font-weight: 600; }
.key span { display: inline-block; width: 22px; height: 0; margin: 0 6px 4px 14px; border-top: 3px solid; }
@media print { details { display: block; } }
"""

BOX_STYLES: dict[BoxKind, tuple[str, str]] = {
    "truth": ("#0072b2", ""),
    "other truth": ("#0072b2", "6 4"),
    "finding": ("#d55e00", ""),
}
MISSING = "-"


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash."""
    return MISSING if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """A share in percent, one decimal, or a dash."""
    return MISSING if value is None else f"{100 * value:.1f} %"


def rate(counted: dict[str, Any]) -> str:
    """A rate with counts and interval, from `Rate.to_dict`."""
    if not counted["of"]:
        return MISSING
    low, high = counted["wilson95"]
    return (
        f"{percent(counted['rate'])} <span class='interval'>{counted['count']}/{counted['of']} "
        f"[{100 * low:.0f}-{100 * high:.0f}]</span>"
    )


def bar(value: float | None) -> str:
    """Style of a table cell that shows a share as a bar behind its number."""
    if value is None:
        return ""
    share = 100 * min(max(value, 0.0), 1.0)
    return f' style="background:linear-gradient(90deg,#cfe3f1 {share:.1f}%,transparent {share:.1f}%)"'


def shade(share: float) -> str:
    """Style of a heat cell, white at 0 and dark blue at 1."""
    strength = min(max(share, 0.0), 1.0)
    red, green, blue = (round(255 + strength * (end - 255)) for end in (0, 84, 140))
    ink = "#fff" if strength > 0.55 else "#1c2733"
    return f' style="background:rgb({red},{green},{blue});color:{ink}"'


def table(head: Sequence[str], rows: Iterable[str], *, kind: str = "") -> str:
    """A table of ready-made rows; `head` is plain text."""
    cells = "".join(f"<th>{escape(text)}</th>" for text in head)
    css = f' class="{kind}"' if kind else ""
    body = f"<thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="scroll"><table{css}>{body}</table></div>'


def row(cells: Sequence[str], *, kind: str = "", styles: Sequence[str] | None = None) -> str:
    """A row of ready-made cells."""
    css = f' class="{kind}"' if kind else ""
    given = styles or [""] * len(cells)
    body = "".join(f"<td{style}>{cell}</td>" for cell, style in zip(cells, given, strict=True))
    return f"<tr{css}>{body}</tr>"


def tile(value: str, label: str, detail: str) -> str:
    """A headline number; all three are plain text."""
    small = f'<span class="small">{escape(detail)}</span>'
    return f'<div class="tile"><b>{escape(value)}</b>{escape(label)}<br>{small}</div>'


def gallery(entries: Sequence[Entry]) -> str:
    """Thumbnails with boxes, embedded in the page."""
    if not entries:
        return "<p>None.</p>"
    return f'<div class="row">{"".join(_shot(entry) for entry in entries)}</div>'


def _shot(entry: Entry) -> str:
    data = base64.b64encode(thumbnail(entry.path)).decode("ascii")
    letters = max(entry.width, entry.height) / 22
    marks = []
    for mark in entry.boxes:
        colour, dashes = BOX_STYLES[mark.kind]
        x1, y1, x2, y2 = mark.box
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        marks.append(
            f'<rect x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}" fill="none" '
            f'stroke="{colour}" stroke-width="2.5" vector-effect="non-scaling-stroke"{dash}/>'
        )
        if not mark.label:
            continue
        # Above the box where there is room, else below its upper edge.
        text_y = y1 - 0.25 * letters if y1 > 1.3 * letters else y1 + 1.05 * letters
        text_x = min(x1, max(0.0, entry.width - 0.56 * letters * len(mark.label)))
        style = (
            f"font-size:{letters:.1f}px;fill:{colour};stroke:#fff;stroke-width:{letters / 5:.1f}px;"
            "paint-order:stroke;font-weight:600"
        )
        marks.append(f'<text x="{text_x:.1f}" y="{text_y:.1f}" style="{style}">{escape(mark.label)}</text>')
    return (
        f'<figure class="shot"><svg viewBox="0 0 {entry.width} {entry.height}">'
        f'<image href="data:image/jpeg;base64,{data}" width="{entry.width}" height="{entry.height}"/>'
        f"{''.join(marks)}</svg><figcaption>{escape(entry.caption)}<br>{escape(entry.group)}, "
        f"{escape(entry.path.name)}</figcaption></figure>"
    )
