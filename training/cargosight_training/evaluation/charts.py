"""Curves as inline SVG, small and without any other program."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#9aa4ad"
"""Told apart with any colour vision (Okabe and Ito, Color Universal Design, 2008)."""
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 10, 36
"""Room in px around the plot for ticks and labels."""


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        x: K values.
        y: K values.
        label: Shown when the pointer rests on it.
        colour: Of the stroke.
        width: Of the stroke in px.
        dots: Whether each point is marked.
    """

    x: Sequence[float]
    y: Sequence[float]
    label: str = ""
    colour: str = BLUE
    width: float = 2.0
    dots: bool = False


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        label: What it shows.
        low: Least value.
        high: Greatest value, > low.
        log: Whether it is logarithmic; `low` must be > 0 then.
        ticks: Values to mark.
    """

    label: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    ticks: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)

    def __post_init__(self) -> None:
        if self.high <= self.low or (self.log and self.low <= 0):
            raise ValueError(f"an axis from {self.low} to {self.high} cannot be drawn")

    def place(self, value: float) -> float:
        """Where the value lies, 0 at the low end and 1 at the high end; outside values lie at the ends."""
        value = min(max(value, self.low), self.high)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def chart(
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    *,
    width: int = 390,
    height: int = 290,
    diagonal: bool = False,
    title: str = "",
) -> str:
    """Draw curves into one SVG element; `diagonal` adds the line of equality."""
    inner_width, inner_height = width - LEFT - RIGHT, height - TOP - BOTTOM

    def across(value: float) -> float:
        return round(LEFT + inner_width * x.place(value), 1)

    def down(value: float) -> float:
        return round(TOP + inner_height * (1.0 - y.place(value)), 1)

    parts = [
        f'<svg class="chart" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title or y.label)}">'
    ]
    floor, edge = TOP + inner_height, LEFT + inner_width
    for tick in x.ticks:
        parts.append(f'<path class="grid" d="M{across(tick)} {TOP}V{floor}"/>')
        parts.append(f'<text x="{across(tick)}" y="{floor + 14}" text-anchor="middle">{tick:g}</text>')
    for tick in y.ticks:
        parts.append(f'<path class="grid" d="M{LEFT} {down(tick)}H{edge}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{down(tick) + 4}" text-anchor="end">{tick:g}</text>')
    middle_x, middle_y = LEFT + inner_width / 2, TOP + inner_height / 2
    parts.append(f'<text x="{middle_x}" y="{height - 4}" text-anchor="middle">{escape(x.label)}</text>')
    parts.append(
        f'<text x="11" y="{middle_y}" text-anchor="middle" transform="rotate(-90 11 {middle_y})">'
        f"{escape(y.label)}</text>"
    )
    if diagonal:
        parts.append(f'<path class="even" d="M{LEFT} {floor}L{edge} {TOP}"/>')
    for line in lines:
        points = [(across(a), down(b)) for a, b in zip(line.x, line.y, strict=True)]
        parts.append(_curve(points, line))
    return "".join([*parts, "</svg>"])


def _curve(points: Sequence[tuple[float, float]], line: Line) -> str:
    if not points:
        return ""
    path = "L".join(f"{a} {b}" for a, b in points)
    title = f"<title>{escape(line.label)}</title>" if line.label else ""
    stroke = f'fill="none" stroke="{line.colour}" stroke-width="{line.width}"'
    dots = ""
    if line.dots:
        dots = "".join(f'<circle cx="{a}" cy="{b}" r="3" fill="{line.colour}"/>' for a, b in points)
    return f'<g><path d="M{path}" {stroke} stroke-linejoin="round">{title}</path>{dots}</g>'
