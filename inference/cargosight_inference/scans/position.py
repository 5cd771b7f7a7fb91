"""Where along a container something lies: as a share of its length, and in metres where the length can be guessed.

Outside lengths and heights of freight containers: ISO 668, 20 ft 6.058 m, 40 ft 12.192 m, 45 ft 13.716 m; height
2.591 m, high cube 2.896 m.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # an inspection of a bag goes without the radiograph room
    from cargosight_inference.scans.container import Container
    from cargosight_inference.scans.radiograph import Radiograph

LENGTHS_M = {"20 ft": 6.058, "40 ft": 12.192, "45 ft": 13.716}
_HEIGHT_M = 2.5  # inside a standard or high container, floor to roof, within 10 %
_BY_PITCH, _BY_SHAPE = 0.95, 0.5  # the most that can be trusted: many consoles stretch the axis of motion
_TOLERANCE = 0.15


@dataclass(frozen=True)
class Length:
    """What a container seems to be.

    Attributes:
        name: `20 ft`, `40 ft` or `45 ft`, None where nothing fits.
        metres: its length, None with it.
        confidence: in [0, 1].
    """

    name: str | None
    metres: float | None
    confidence: float


@dataclass(frozen=True)
class Position:
    """A place along a container.

    Attributes:
        share: 0 at its left end in the scan, 1 at its right end; beyond them outside.
        metres: from its left end, None where the length is not known or an end lies outside the picture.
        sentence: for an operator.
    """

    share: float
    metres: float | None
    sentence: str


def container_length(radiograph: "Radiograph", container: "Container") -> Length:
    """Guess a container's length from the pixel pitch, or else from its shape as if pixels were square."""
    x1, y1, x2, y2 = container.box
    if not container.found or container.cut_left or container.cut_right or y2 - y1 < 1.0:
        return Length(None, None, 0.0)
    pitch = radiograph.scan.pixel_pitch_mm
    if pitch is not None:
        metres, most = (x2 - x1) * pitch[0] / 1000.0, _BY_PITCH
    else:
        metres, most = (x2 - x1) / (y2 - y1) * _HEIGHT_M, _BY_SHAPE
    name = min(LENGTHS_M, key=lambda each: abs(LENGTHS_M[each] - metres))
    error = abs(metres / LENGTHS_M[name] - 1.0)
    if error > _TOLERANCE:
        return Length(None, None, 0.0)
    return Length(name, LENGTHS_M[name], most * container.confidence * (1.0 - error / _TOLERANCE))


def share_along(box: tuple[float, float, float, float], x: float) -> float:
    """Return where a column lies along a cargo box x1, y1, x2, y2: 0 at its left end, 1 at its right end."""
    return (x - box[0]) / max(box[2] - box[0], 1.0)


def position_along(container: "Container", x: float, length: Length | None = None) -> Position:
    """Return where a column of the scan lies along a container."""
    share = share_along(container.box, x)
    where = f"{share:.0%} along the container from its left end in the scan"
    if container.cut_left or container.cut_right:
        return Position(share, None, f"{share:.0%} along the part of the container that the scan shows")
    if length is None or length.metres is None:
        return Position(share, None, where)
    metres = share * length.metres
    return Position(
        share, metres, f"{where}, {metres:.1f} m if it is {length.name} (confidence {length.confidence:.2f})"
    )
