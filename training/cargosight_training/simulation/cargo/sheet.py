"""Drawing a layer of a scene in millimetres: x along the vehicle, z up from the ground."""

import cv2
import numpy as np

from cargosight_inference.scans.attenuation import Material
from cargosight_inference.scans.beams import Plane
from cargosight_training.simulation.canvas import inset, line_width
from cargosight_training.simulation.shapes import Points

_SHIFT = 4  # OpenCV polygons in sixteenths of a pixel
_FAT_EDGE = 0.66  # pixels by which OpenCV's anti-aliased polygons are too fat


class Sheet:
    """One layer of a scene between two depths.

    Attributes:
        near: depth in mm of its face towards the source, from the middle plane of the load.
        far: depth of its other face.
        pitch: side of a cell in mm.
        top: height in mm of the upper edge of the first row.
        planes: (h, W) g/cm2 that a level ray meets of each material.
    """

    def __init__(self, near: float, far: float, *, pitch: float, top: float, size: tuple[int, int]) -> None:
        self.near, self.far, self.pitch, self.top = near, far, pitch, top
        self._size = size
        self.planes: dict[Material, Plane] = {}

    @property
    def depth_cm(self) -> float:
        """Thickness along the beam in cm."""
        return (self.far - self.near) / 10.0

    def load(self, material: Material, share: float = 1.0) -> float:
        """Return the areal density in g/cm2 of the whole depth filled to `share` with a material."""
        return self.depth_cm * material.density * share

    def plane(self, material: Material) -> Plane:
        """Return the plane of a material, made when first asked for."""
        if material not in self.planes:
            self.planes[material] = np.zeros(self._size, dtype=np.float32)
        return self.planes[material]

    def box(self, x0: float, z0: float, x1: float, z1: float, material: Material, areal: float) -> None:
        """Draw an upright rectangle of `areal` g/cm2, exact however thin it is."""
        height, width = self._size
        left, across = _cover(x0 / self.pitch, x1 / self.pitch, width)
        upper, down = _cover((self.top - z1) / self.pitch, (self.top - z0) / self.pitch, height)
        if across.size and down.size:
            plane = self.plane(material)
            window = plane[upper : upper + down.size, left : left + across.size]
            window += down[:, None] * (across * np.float32(areal))

    def frame(
        self, x0: float, z0: float, x1: float, z1: float, wall: float, material: Material, areal: float
    ) -> None:
        """Draw the four sides of a rectangle, `wall` mm thick."""
        self.box(x0, z0, x1, z0 + wall, material, areal)
        self.box(x0, z1 - wall, x1, z1, material, areal)
        self.box(x0, z0 + wall, x0 + wall, z1 - wall, material, areal)
        self.box(x1 - wall, z0 + wall, x1, z1 - wall, material, areal)

    def polygon(self, outline: Points, material: Material, areal: float) -> None:
        """Draw a filled outline (N, 2) of x, z in mm."""
        pixels = self._pixels(outline)
        found = self._window(pixels, 2)
        if found is None:
            return
        rows, columns = found
        cover = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=np.uint8)
        inner = inset(pixels, _FAT_EDGE) - (columns.start + 0.5, rows.start + 0.5)
        cv2.fillPoly(cover, [np.rint(inner * 2**_SHIFT).astype(np.int32)], 255, cv2.LINE_AA, _SHIFT)
        self.plane(material)[rows, columns] += cover * np.float32(areal / 255.0)

    def line(
        self, path: Points, width: float, material: Material, areal: float, *, closed: bool = False
    ) -> None:
        """Draw a line through (N, 2) points, `width` mm wide; the mass is kept also below a pixel's width."""
        pixels = self._pixels(path)
        wanted = width / self.pitch
        thickness, drawn = line_width(wanted)
        found = self._window(pixels, thickness + 2)
        if found is None:
            return
        rows, columns = found
        cover = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=np.uint8)
        points = np.rint((pixels - (columns.start + 0.5, rows.start + 0.5)) * 2**_SHIFT).astype(np.int32)
        cv2.polylines(cover, [points], closed, 255, thickness, cv2.LINE_AA, _SHIFT)
        self.plane(material)[rows, columns] += cover * np.float32(areal * wanted / drawn / 255.0)

    def lump(
        self,
        x: float,
        z: float,
        width: float,
        height: float,
        material: Material,
        areal: float,
        *,
        power: float = 2.0,
        flat: float = 1.0,
    ) -> None:
        """Draw a rounded body with its middle at x, z.

        Args:
            x: middle along the vehicle, mm.
            z: middle in height, mm.
            width: its whole width, mm.
            height: its whole height, mm.
            material: what it is made of.
            areal: g/cm2 at its middle.
            power: of the outline |u|**p + |w|**p = 1: 2 an ellipse, 4 a pillow, 8 nearly a box.
            flat: 1 a ball; larger, it is as thick as at the middle nearly up to its edge.
        """
        centre = ((x / self.pitch), (self.top - z) / self.pitch)
        half = (0.5 * width / self.pitch, 0.5 * height / self.pitch)
        corners = np.array(
            [[centre[0] - half[0], centre[1] - half[1]], [centre[0] + half[0], centre[1] + half[1]]]
        )
        found = self._window(corners, 1)
        if found is None:
            return
        rows, columns = found
        u = np.abs((np.arange(columns.start, columns.stop) + 0.5 - centre[0]) / half[0])
        w = np.abs((np.arange(rows.start, rows.stop) + 0.5 - centre[1]) / half[1])
        inside = 1.0 - (u**power)[None, :] - (w**power)[:, None]
        thickness = np.sqrt(np.clip(inside * flat, 0.0, 1.0))
        self.plane(material)[rows, columns] += (thickness * areal).astype(np.float32)

    def rod(
        self,
        x0: float,
        z0: float,
        x1: float,
        z1: float,
        material: Material,
        areal: float,
        *,
        hollow: float = 0.0,
    ) -> None:
        """Draw an upright cylinder: `areal` at its axis, none at its sides.

        Args:
            x0: left side, mm.
            z0: lower end, mm.
            x1: right side, mm.
            z1: upper end, mm.
            material: what it is made of.
            areal: g/cm2 of the full diameter.
            hollow: inner diameter over outer.
        """
        height, width = self._size
        left, across = _cover(x0 / self.pitch, x1 / self.pitch, width)
        upper, down = _cover((self.top - z1) / self.pitch, (self.top - z0) / self.pitch, height)
        if not (across.size and down.size):
            return
        u = ((left + np.arange(across.size) + 0.5) * self.pitch - 0.5 * (x0 + x1)) / (0.5 * (x1 - x0))
        chord = np.sqrt(np.clip(1.0 - u**2, 0.0, 1.0)) - np.sqrt(np.clip(hollow**2 - u**2, 0.0, 1.0))
        window = self.plane(material)[upper : upper + down.size, left : left + across.size]
        window += down[:, None] * (chord * across * areal).astype(np.float32)

    def ring(self, x: float, z: float, outer: float, inner: float, material: Material, areal: float) -> None:
        """Draw a flat ring or, with `inner` 0, a disc, of the two diameters in mm."""
        centre = (x / self.pitch, (self.top - z) / self.pitch)
        radius = 0.5 * outer / self.pitch
        corners = np.array(
            [[centre[0] - radius, centre[1] - radius], [centre[0] + radius, centre[1] + radius]]
        )
        found = self._window(corners, 1)
        if found is None:
            return
        rows, columns = found
        dx = np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(0.5 - centre[0])
        dz = np.arange(rows.start, rows.stop, dtype=np.float32) + np.float32(0.5 - centre[1])
        distance = np.sqrt(dx[None, :] ** 2 + dz[:, None] ** 2)
        cover = np.clip(np.float32(radius + 0.5) - distance, 0.0, 1.0)
        if inner > 0.0:
            cover *= np.clip(distance - np.float32(0.5 * inner / self.pitch - 0.5), 0.0, 1.0)
        self.plane(material)[rows, columns] += cover * np.float32(areal)

    def cells(self, x0: float, z0: float, x1: float, z1: float) -> tuple[slice, slice]:
        """Return the rows and columns of a rectangle in mm, cut to the sheet."""
        height, width = self._size
        rows = slice(
            min(max(int((self.top - z1) / self.pitch), 0), height),
            min(max(int((self.top - z0) / self.pitch), 0), height),
        )
        return rows, slice(min(max(int(x0 / self.pitch), 0), width), min(max(int(x1 / self.pitch), 0), width))

    def _pixels(self, points: Points) -> Points:
        pixels: Points = np.column_stack([points[:, 0], self.top - points[:, 1]]) / self.pitch
        return pixels

    def _window(self, pixels: Points, margin: int) -> tuple[slice, slice] | None:
        height, width = self._size
        left, upper = (np.floor(pixels.min(axis=0)).astype(int) - margin).tolist()
        right, lower = (np.ceil(pixels.max(axis=0)).astype(int) + margin).tolist()
        left, upper, right, lower = max(left, 0), max(upper, 0), min(right, width), min(lower, height)
        if left >= right or upper >= lower:
            return None
        return slice(upper, lower), slice(left, right)


def _cover(low: float, high: float, count: int) -> tuple[int, Plane]:
    """Return the first cell that an interval touches, and the share of each cell from there that it covers."""
    low, high = max(low, 0.0), min(high, float(count))
    if low >= high:
        return 0, np.empty(0, dtype=np.float32)
    first, last = int(low), min(int(np.ceil(high)), count)
    cells = np.arange(first, last)
    return first, (np.minimum(cells + 1, high) - np.maximum(cells, low)).astype(np.float32)
