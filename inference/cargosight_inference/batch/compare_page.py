"""A comparison of two runs as one HTML page with thumbnails, which needs nothing beside it."""

import base64
from collections.abc import Iterable, Iterator
from contextlib import closing
from html import escape
from pathlib import Path
from typing import Any, cast

import cv2

from cargosight_inference.batch.compare import LISTED, Comparison, Example
from cargosight_inference.batch.compare_text import WORDS, caption
from cargosight_inference.batch.fetching import ready_inputs
from cargosight_inference.batch.places import BatchError, Place
from cargosight_inference.batch.plan import Planned, read_shard
from cargosight_inference.batch.sources import Item
from cargosight_inference.overlay import Picture, display_pixels
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_inference.scans.scan import Polarity, Subject
from cargosight_inference.spelling import spelled_out
from cargosight_models.errors import CargosightError

_SIDE = 240
_QUALITY = 80
_NOW, _BEFORE = (213, 94, 0), (0, 114, 178)
"""Vermillion and blue of Okabe and Ito's palette, told apart with any colour vision."""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 2rem; max-width: 80rem; }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem; border: 1px solid #767676; text-align: left; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
ul.shots { display: flex; flex-wrap: wrap; gap: 1rem; padding: 0; list-style: none; }
ul.shots li { width: 240px; overflow-wrap: anywhere; font-size: .875rem; }
ul.shots img { max-width: 240px; border: 1px solid #767676; }
.none { width: 238px; border: 1px solid #767676; padding: 2rem 0; text-align: center; }
.now { color: #a34700; } .before { color: #00598f; }
"""


def write_page(found: Comparison, place: Place) -> str:
    """Make the page and publish it; return its name in the place.

    Scans are read once more for their thumbnails; of one that is gone the page says so.

    Args:
        found: the comparison.
        place: of the new run.

    Raises:
        BatchError: the place cannot be written.
    """
    name = f"{found.name}/comparison.html"
    place.publish_again(name, page(found, place).encode())
    return name


def page(found: Comparison, place: Place) -> str:
    """Return the page.

    Args:
        found: the comparison.
        place: of the new run, in whose scratch scans of a storage are held for a moment.
    """
    body = [
        f"<h1>{found.changes['new_alarm']:,} new and {found.changes['lost_alarm']:,} lost alarms</h1>",
        f"<p>Run {escape(place.url)} ({escape(found.now.what.model)}, {found.now.fingerprint[:12]}) beside "
        f"{escape(found.former_url)} ({escape(found.before.what.model)}, {found.before.fingerprint[:12]}); "
        f"{found.both:,} inputs in both.</p>",
        f"<p>Settings that differ: {escape('; '.join(found.settings) or 'none')}.</p>",
        _table(("what changed", "inputs"), ((WORDS[name], found.changes[name]) for name in WORDS)),
        "<h2>Decisions</h2>",
        _table(
            ("before", "now", "inputs"),
            ((was, is_now, count) for (was, is_now), count in sorted(found.decisions.items())),
        ),
        '<p>Outlines: <span class="now">findings of the new run, whole lines (vermillion)</span>; '
        '<span class="before">of the former run, thin lines (blue)</span>. comparison.parquet beside this page has all '
        "inputs.</p>",
    ]
    for change in LISTED:
        body += _gallery(change, found, place)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width"><title>Two runs compared</title>'
        f"<style>{_STYLE}</style></head><body><main>{''.join(body)}</main></body></html>\n"
    )


def _table(head: Iterable[str], rows: Iterable[tuple[object, ...]]) -> str:
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"


def _cell(value: object) -> str:
    return f'<td class="n">{value:,}</td>' if isinstance(value, int) else f"<td>{escape(str(value))}</td>"


def _gallery(change: str, found: Comparison, place: Place) -> Iterator[str]:
    examples = found.examples.get(change, [])
    if not examples:
        return
    shown = (
        f", the {len(examples)} whose scores moved farthest" if found.changes[change] > len(examples) else ""
    )
    yield f"<h2>{escape(WORDS[change].capitalize())} ({found.changes[change]:,}){shown}</h2>"
    yield '<ul class="shots">'
    for example in examples:
        picture = _thumbnail(example, found, place)
        words, path = escape(caption(example)), escape(spelled_out(example.row["path"]))
        yield f"<li>{picture}<br>{words}<br>{path}</li>"
    yield "</ul>"


def _thumbnail(example: Example, found: Comparison, place: Place) -> str:
    """Return the picture of a scan with the findings of both runs, or a box that says why there is none."""
    for row in (example.pair.now, example.pair.before):
        # It would end this process, which no other one watches.
        if row is not None and row["fault"] == "worker":
            return _nothing(row["error"] or "", "no picture: it ended its worker")
    what = found.now.what
    options = ReadOptions(
        subject=cast(Subject, what.subject),
        max_pixels=what.max_pixels,
        air_level=what.air_level,
        polarity=cast(Polarity | None, what.polarity),
    )
    try:
        with closing(ready_inputs([_input(example, found, place)], place.scratch, what.max_pixels)) as stream:
            ready = next(stream)
            if ready.error is not None:
                return _nothing(ready.error)
            try:
                picture = display_pixels(read_scan(ready.file, options))
            finally:
                if ready.is_temporary:
                    Path(ready.file).unlink(missing_ok=True)
    except (CargosightError, BatchError) as error:
        return _nothing(str(error))
    encoded = base64.b64encode(_drawn(picture, example)).decode("ascii")
    alt = escape(f"scan {spelled_out(example.row['path'])}", quote=True)
    return f'<img alt="{alt}" src="data:image/jpeg;base64,{encoded}">'


def _input(example: Example, found: Comparison, place: Place) -> Planned:
    r"""Return what to read for a row of the new run.

    The row tells bytes that are no UTF-8 as `\xe9`, which may as well be what a file is called; the plan knows.

    Raises:
        BatchError: the plan cannot be read.
    """
    row = example.row
    if row["number"] is None or "\\x" not in row["path"]:
        return Planned(0, Item(row["path"]))
    shard, position = divmod(int(row["number"]), found.now.shard_size)
    return read_shard(found.now, place, shard)[position]


def _nothing(sentence: str, told: str = "no picture") -> str:
    return f'<div class="none" title="{escape(spelled_out(sentence), quote=True)}">{escape(told)}</div>'


def _drawn(picture: Picture, example: Example) -> bytes:
    """Return a scan (H, W, 3) RGB with its findings as a small JPEG."""
    height, width = picture.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    for row, colour, thickness in (
        (example.pair.now, _NOW, 2),
        (example.pair.before, _BEFORE, 1),
    ):
        for finding in _findings(row, width, height):
            corners = [round(finding[edge] * scale) for edge in ("x1", "y1", "x2", "y2")]
            cv2.rectangle(small, corners[:2], corners[2:], colour, thickness)
    _, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    return encoded.tobytes()


def _findings(row: dict[str, Any] | None, width: int, height: int) -> list[dict[str, Any]]:
    """Return the findings of a row, none where it was of a scan of another size."""
    if row is None or (row["width"], row["height"]) != (width, height):
        return []
    return list(row["findings"])
