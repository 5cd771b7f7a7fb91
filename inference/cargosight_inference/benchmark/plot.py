"""The comparison and the scaling table as one SVG picture, written by hand: a benchmark needs no plotting package."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from cargosight_inference.benchmark.compare import Compared
from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.benchmark.scaling import Scaling

_WIDTH, _LABEL, _VALUE = 900, 260, 190
_BAR, _GAP, _HEAD, _FOOT = 18, 8, 44, 24
_OURS, _OTHER, _SPREAD = "#1f6f8b", "#8a8f98", "#111827"


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        label: at its left.
        value: its length.
        text: at its right.
        ours: whether it is this package's.
        spread: lowest and highest, drawn as a line; None for none.
    """

    label: str
    value: float
    text: str
    ours: bool
    spread: tuple[float, float] | None = None


def draw(compared: Compared | None, scaling: Sequence[Scaling] | None, title: str) -> str:
    """Return the picture as SVG text."""
    panels: list[tuple[str, list[Bar]]] = []
    if compared is not None:
        panels += [
            (
                "images a second, by the clock (more is better)",
                [
                    _bar(one.name, one.images_per_second, "cargosight" in one.name)
                    for one in compared.measured
                ],
            ),
            (
                "CPU-milliseconds an image (less is better)",
                [_bar(one.name, one.cpu_ms, "cargosight" in one.name) for one in compared.measured],
            ),
            (
                "most memory, MB (less is better)",
                [
                    Bar(one.name, one.peak_mb, f"{one.peak_mb:.0f}", "cargosight" in one.name)
                    for one in compared.measured
                ],
            ),
            (
                "seconds from start to the first result (less is better)",
                [_bar(one.name, one.first_seconds, "cargosight" in one.name) for one in compared.measured],
            ),
        ]
    if scaling:
        panels.append(
            (
                "images a second by size of the scans and processes",
                [
                    _bar(
                        f"{row.width} x {row.height}, {row.workers} process{'es' * (row.workers > 1)}",
                        row.images_per_second,
                        ours=True,
                    )
                    for row in scaling
                ],
            )
        )
    return _svg(panels, title)


def _bar(label: str, spread: Spread, ours: bool) -> Bar:
    return Bar(
        label,
        spread.median,
        f"{spread.median:.1f} ({spread.lowest:.1f} to {spread.highest:.1f})",
        ours,
        (spread.lowest, spread.highest),
    )


def _svg(panels: Sequence[tuple[str, list[Bar]]], title: str) -> str:
    top = _HEAD
    parts: list[str] = []
    for name, bars in panels:
        parts.append(f'<text x="12" y="{top + 16}" font-weight="bold">{escape(name)}</text>')
        top += 28
        most = max((bar.spread[1] if bar.spread else bar.value for bar in bars), default=1.0) or 1.0
        scale = (_WIDTH - _LABEL - _VALUE) / most
        for bar in bars:
            parts += _drawn(bar, top, scale)
            top += _BAR + _GAP
        top += _FOOT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{top}" role="img" '
            'font-family="sans-serif" font-size="13">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{_WIDTH}" height="{top}" fill="white"/>',
            f'<text x="12" y="26" font-size="15">{escape(title)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def _drawn(bar: Bar, top: int, scale: float) -> list[str]:
    middle, length = top + _BAR / 2, bar.value * scale
    end = length if bar.spread is None else max(length, bar.spread[1] * scale)
    parts = [
        f'<text x="{_LABEL - 8}" y="{middle + 4:.1f}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect x="{_LABEL}" y="{top}" width="{length:.1f}" height="{_BAR}" '
        f'fill="{_OURS if bar.ours else _OTHER}"/>',
        f'<text x="{_LABEL + end + 6:.1f}" y="{middle + 4:.1f}">{escape(bar.text)}</text>',
    ]
    if bar.spread is not None:
        low, high = (_LABEL + edge * scale for edge in bar.spread)
        parts.append(
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle:.1f}" y2="{middle:.1f}" stroke="{_SPREAD}"/>'
        )
    return parts
