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
_PITCH_TOLERANCE, _SHAPE_TOLERANCE = 0.03, 0.15
"""Share by which a length may differ from that of a kind: with a pitch a few columns at each end, and no more, since a
rail wagon may be any length."""


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
        share: 0 at its left end in the scan, 1 at its right end; beyond them outside. Of a container that is cut off
            by the picture, along the part that it shows.
        metres: from its left end, None where the length is not known or an end lies outside the picture.
    """

    share: float
    metres: float | None

    def __str__(self) -> str:
        return f"{self.share:.0%}" if self.metres is None else f"{self.metres:.1f} m"

    def to_dict(self) -> dict[str, float | None]:
        """Return it as JSON-ready values."""
        return {
            "share": round(self.share, 4),
            "metres": None if self.metres is None else round(self.metres, 2),
        }


def container_length(radiograph: "Radiograph", container: "Container") -> Length:
    """Guess a container's length from the pixel pitch, or else from its shape as if pixels were square."""
    x1, y1, x2, y2 = container.box
    if not container.found or container.cut_left or container.cut_right or y2 - y1 < 1.0:
        return Length(None, None, 0.0)
    pitch = radiograph.scan.pixel_pitch_mm
    if pitch is not None:
        metres, most, tolerance = (x2 - x1) * pitch[0] / 1000.0, _BY_PITCH, _PITCH_TOLERANCE
    else:
        metres, most, tolerance = (x2 - x1) / (y2 - y1) * _HEIGHT_M, _BY_SHAPE, _SHAPE_TOLERANCE
    name = min(LENGTHS_M, key=lambda each: abs(LENGTHS_M[each] - metres))
    error = abs(metres / LENGTHS_M[name] - 1.0)
    if error > tolerance:
        return Length(None, None, 0.0)
    return Length(name, LENGTHS_M[name], most * container.confidence * (1.0 - error / tolerance))


def place_along(box: tuple[float, float, float, float], x: float, metres: float | None) -> Position:
    """Return where a column of the scan lies along a container.

    Args:
        box: x1, y1, x2, y2 of its cargo box in scan pixels.
        x: the column.
        metres: length of the container, None where it is not known.
    """
    share = (x - box[0]) / max(box[2] - box[0], 1.0)
    return Position(share, None if metres is None else share * metres)
