"""Drawing items by their thickness: each stroke adds its optical depth at both energies.

Materials in a beam multiply their transmissions, so their optical depths (-ln T) add: the order of drawing
does not matter, and an item can be taken out again.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_models.geometry import Affine
from cargosight_training.simulation.materials import Material
from cargosight_training.simulation.shapes import Points

Plane = npt.NDArray[np.float32]
_SHIFT = 4  # OpenCV polygons in sixteenths of a pixel
# OpenCV's anti-aliased shapes are fatter than asked for; measured with OpenCV 5.0 at many angles.
_FAT_EDGE = 0.66  # pixels on each side of a filled polygon or disc
_LINES = (
    (1, 1.32),
    (2, 3.35),
    (3, 5.36),
    (5, 7.37),
    (7, 9.37),
    (9, 11.4),
    (11, 13.4),
    (13, 15.4),
    (17, 19.4),
)
_FAT_LINE = 2.4  # pixels by which still wider lines are wider than asked for


class Substance(Protocol):
    """What a stroke is made of: the surface knows the rest by the name."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def density(self) -> float:
        """g/cm3 as packed."""


class Surface(ABC):
    """What a pen draws on.

    Attributes:
        width: in pixels.
        height: in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height

    @abstractmethod
    def deposit(
        self, rows: slice, columns: slice, material: Substance, thickness: Plane, areal: float
    ) -> None:
        """Add `thickness` (h, w) in mm, of `areal` g/cm2 a mm, to a window."""


class Canvas(Surface):
    """The optical depth of a scene.

    Attributes:
        depth: float32 (2, H, W), -ln T without unit, at the high and the low energy.
    """

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height)
        self.depth: Plane = np.zeros((2, height, width), dtype=np.float32)

    def deposit(
        self, rows: slice, columns: slice, material: Substance, thickness: Plane, areal: float
    ) -> None:
        """Add the optical depth of a material of baggage; see `Surface`."""
        if not isinstance(material, Material):
            raise TypeError(f"{material.name!r} has no attenuation at a baggage scanner's energies")
        window = self.depth[:, rows, columns]
        window[0] += thickness * np.float32(areal * material.high)
        window[1] += thickness * np.float32(areal * material.low)


@dataclass(frozen=True, eq=False)
class _Cover:
    """How much of each pixel of a window a shape covers."""

    rows: slice
    columns: slice
    share: npt.NDArray[np.uint8]  # 0..255


@dataclass(frozen=True, eq=False)
class Pen:
    """A place and pose on a canvas, in which shapes are given in millimetres.

    Attributes:
        canvas: what is drawn on.
        affine: millimetres -> canvas pixels (pixel-edge coordinates).
        gain: the chord through a body relative to its thickness: 1 seen square on, more when tilted.
    """

    canvas: Surface
    affine: Affine
    gain: float = 1.0

    @property
    def scale(self) -> float:
        """Pixels per millimetre, the geometric mean of both directions."""
        (a, b, _), (c, d, _) = self.affine.matrix.tolist()
        return float(abs(a * d - b * c) ** 0.5)

    def at(self, x: float, y: float, angle: float = 0.0, size: float = 1.0) -> "Pen":
        """Return a pen at (x, y) mm of this one, turned by `angle` radians and enlarged by `size`."""
        cos, sin = size * np.cos(angle), size * np.sin(angle)
        return replace(self, affine=Affine(np.array([[cos, -sin, x], [sin, cos, y]])).then(self.affine))

    def mirrored(self) -> "Pen":
        """Return a pen that draws left for right."""
        return replace(self, affine=Affine.scaling(-1.0, 1.0).then(self.affine))

    def behind(self, count: float) -> "Pen":
        """Return a pen whose strokes stand for `count` equal things one behind the other."""
        return replace(self, gain=self.gain * count)

    def tilted(self, tilt: float, axis: float) -> "Pen":
        """Return a pen whose shapes lean by `tilt` radians about the in-plane direction `axis`.

        The outline shortens by cos(tilt) across the axis and the chord grows by its inverse, so that the mass of
        bodies and dots stays the same. A wire's chord does not depend on its direction in the plane here: leaning
        about its own axis it comes out too heavy by 1 / sqrt(cos(tilt)), across it too light by sqrt(cos(tilt)).
        """
        shrink = float(np.cos(tilt))
        cos, sin = np.cos(axis), np.sin(axis)
        turn = np.array([[cos, -sin], [sin, cos]])
        lean = turn @ np.diag([1.0, shrink]) @ turn.T
        leaning = Affine(np.column_stack([lean, np.zeros(2)])).then(self.affine)
        return replace(self, affine=leaning, gain=self.gain / shrink)

    def body(
        self,
        outline: Points,
        material: Substance,
        depth: float,
        *,
        edge: float = 0.0,
        holes: Sequence[Points] = (),
        bevelled: bool = False,
    ) -> None:
        """Draw a solid body.

        Args:
            outline: (N, 2) mm.
            material: what it is made of.
            depth: thickness along the beam in mm.
            edge: distance from the outline in mm over which the thickness rises from 0: with half the
                width as edge and the width as depth it is a rod or a ball.
            holes: outlines of openings.
            bevelled: rise in a straight line from two fifths of the depth (a blade), not along a circle.
        """
        cover = self._cover([outline, *holes])
        if cover is None:
            return
        if edge <= 0.0:
            self._deposit(cover, material, cover.share * np.float32(depth / 255.0))
            return
        rise = np.minimum(self._inside(cover) / np.float32(edge), np.float32(1.0))
        thickness = 0.4 + 0.6 * rise if bevelled else np.sqrt(rise * (2.0 - rise))
        self._deposit(cover, material, thickness * cover.share * np.float32(depth / 255.0))

    def vessel(
        self,
        outline: Points,
        wall: Substance,
        wall_mm: float,
        depth: float,
        *,
        edge: float,
        content: Substance | None = None,
        level: float = 1.0,
    ) -> None:
        """Draw a hollow body with a wall of `wall_mm`, its inside filled to the share `level` by `content`.

        `depth` and `edge` are as in `body`, of the outside. The chord through the wall is longest near the
        outline, which is what makes bottles and cans show their rims.
        """
        cover = self._cover([outline])
        if cover is None:
            return
        inside = self._inside(cover)
        outer = _chord(inside, depth, edge)
        inner = _chord(inside - np.float32(wall_mm), depth - 2 * wall_mm, max(edge - wall_mm, 0.3))
        share = cover.share * np.float32(1.0 / 255.0)
        self._deposit(cover, wall, (outer - inner) * share)
        if content is not None:
            self._deposit(cover, content, inner * share * np.float32(level))

    def wire(
        self, path: Points, material: Substance, diameter: float, *, closed: bool = False, hollow: float = 0.0
    ) -> None:
        """Draw a round wire, rod or tube along a path; `hollow` is the inner diameter in mm."""
        self.wires([path], material, diameter, closed=closed, hollow=hollow)

    def wires(
        self,
        paths: Sequence[Points],
        material: Substance,
        diameter: float,
        *,
        closed: bool = False,
        hollow: float = 0.0,
    ) -> None:
        """Draw several wires of one kind at once; where they cross they do not add."""
        pixels = [self.affine.points(path) for path in paths]
        width, drawn = line_width(diameter * self.scale)
        cover = self._window(np.concatenate(pixels), margin=width + 2)
        if cover is None:
            return
        origin = (cover.columns.start + 0.5, cover.rows.start + 0.5)
        lines = [np.rint((path - origin) * 2**_SHIFT).astype(np.int32) for path in pixels]
        cv2.polylines(cover.share, lines, closed, 255, width, cv2.LINE_AA, _SHIFT)
        # The mean chord of the section over the drawn width keeps the mass, also of one thinner than a pixel.
        mean = np.pi / 4 * (diameter**2 - hollow**2) * self.scale / drawn
        self._deposit(cover, material, cover.share * np.float32(mean / 255.0))

    def dots(self, centres: Points, material: Substance, diameter: float, depth: float) -> None:
        """Draw round spots of `diameter` and thickness `depth`, in mm, at (N, 2) centres."""
        pixels = self.affine.points(centres)
        radius = diameter / 2 * self.scale
        cover = self._window(pixels, margin=int(radius) + 2)
        if cover is None:
            return
        origin = (cover.columns.start + 0.5, cover.rows.start + 0.5)
        spots = np.rint((pixels - origin) * 2**_SHIFT).astype(int)
        drawn = max(radius - _FAT_EDGE, 0.25)
        depth = depth * min((radius / (drawn + _FAT_EDGE)) ** 2, 1.0)
        size = round(drawn * 2**_SHIFT)
        for x, y in spots.tolist():
            cv2.circle(cover.share, (x, y), size, 255, cv2.FILLED, cv2.LINE_AA, _SHIFT)
        self._deposit(cover, material, cover.share * np.float32(depth / 255.0))

    def raster(self, plane: Plane, pitch: float, material: Substance) -> None:
        """Draw a thickness map `plane` (h, w) in mm, `pitch` mm a cell, centred at the pen."""
        height, width = plane.shape
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float64)
        cells = Affine(np.array([[pitch, 0.0, -width * pitch / 2], [0.0, pitch, -height * pitch / 2]])).then(
            self.affine
        )
        cover = self._window(cells.points(corners), margin=1)
        if cover is None:
            return
        matrix = cells.matrix.copy()
        # OpenCV maps pixel centres; ours are edges, half a pixel apart on both sides.
        matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5 - (cover.columns.start, cover.rows.start)
        size = (cover.share.shape[1], cover.share.shape[0])
        flags = cv2.INTER_LINEAR
        self._deposit(
            cover, material, np.asarray(cv2.warpAffine(plane, matrix, size, flags=flags), np.float32)
        )

    def field(self, outline: Points, material: Substance, plane: Plane) -> None:
        """Draw the part inside `outline` of a thickness map of the whole canvas, (H, W) in mm."""
        cover = self._cover([outline])
        if cover is not None:
            share = cover.share * np.float32(1.0 / 255.0)
            self._deposit(cover, material, plane[cover.rows, cover.columns] * share)

    def _window(self, pixels: Points, margin: int) -> _Cover | None:
        left, top = np.floor(pixels.min(axis=0)).astype(int) - margin
        right, bottom = np.ceil(pixels.max(axis=0)).astype(int) + margin
        left, top = max(int(left), 0), max(int(top), 0)
        right, bottom = min(int(right), self.canvas.width), min(int(bottom), self.canvas.height)
        if left >= right or top >= bottom:
            return None
        share = np.zeros((bottom - top, right - left), dtype=np.uint8)
        return _Cover(slice(top, bottom), slice(left, right), share)

    def _cover(self, outlines: Sequence[Points]) -> _Cover | None:
        pixels = [self.affine.points(outline) for outline in outlines]
        cover = self._window(pixels[0], margin=1)
        if cover is None:
            return None
        origin = (cover.columns.start + 0.5, cover.rows.start + 0.5)
        pixels = [inset(outline, -_FAT_EDGE if i else _FAT_EDGE) for i, outline in enumerate(pixels)]
        polygons = [np.rint((outline - origin) * 2**_SHIFT).astype(np.int32) for outline in pixels]
        cv2.fillPoly(cover.share, polygons, 255, cv2.LINE_AA, _SHIFT)
        return cover

    def _inside(self, cover: _Cover) -> Plane:
        """Return the distance in mm from the outline, of each pixel of the window."""
        solid = np.asarray(cover.share >= 128, dtype=np.uint8)
        distance = np.asarray(cv2.distanceTransform(solid, cv2.DIST_L2, 3), dtype=np.float32)
        inside: Plane = np.maximum(distance - np.float32(0.5), np.float32(0.2)) / np.float32(self.scale)
        return inside

    def _deposit(self, cover: _Cover, material: Substance, thickness: Plane) -> None:
        areal = self.gain * 0.1 * material.density  # g/cm2 for each mm
        self.canvas.deposit(cover.rows, cover.columns, material, thickness, areal)


def line_width(wanted: float) -> tuple[int, float]:
    """OpenCV's line width whose line is nearest to `wanted` pixels, and how wide that line is."""
    if wanted > _LINES[-1][1]:
        width = round(wanted - _FAT_LINE)
        return width, width + _FAT_LINE
    return min(_LINES, key=lambda line: abs(line[1] - wanted))


def _chord(inside: Plane, depth: float, edge: float) -> Plane:
    rise = np.clip(inside / np.float32(edge), np.float32(0.0), np.float32(1.0))
    chord: Plane = np.float32(depth) * np.sqrt(rise * (np.float32(2.0) - rise))
    return chord


def inset(outline: Points, distance: float) -> Points:
    """Return a polygon with its edges moved inwards by `distance`, sharp corners by at most twice that."""
    edge = np.concatenate([outline[1:], outline[:1]]) - outline
    twice_area = float((outline[:, 0] * edge[:, 1] - outline[:, 1] * edge[:, 0]).sum())
    normal = np.column_stack([-edge[:, 1], edge[:, 0]]) / np.maximum(np.hypot(*edge.T), 1e-9)[:, None]
    before = np.concatenate([normal[-1:], normal[:-1]])
    reach = np.maximum(1.0 + (normal * before).sum(axis=1), 0.5)[:, None]
    inward = distance if twice_area > 0.0 else -distance
    moved: Points = outline + (normal + before) / reach * inward
    return moved
