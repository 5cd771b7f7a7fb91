"""Where a fan beam meets a scene: one matrix of rows for each layer of it.

The fan is an upright plane; the load moves through it, so that x is the same in the scene and in the scan. In the
plane the source lies at a distance from the middle of the load and at a height above the ground. A ray is named by the
height v at which it crosses the middle plane; at depth y behind that plane it is at z = h + (v - h) (1 + y / d).

A scene is made of layers: slabs between two depths whose areal density does not change with depth within the slab. The
ray crosses the heights between z(near) and z(far) evenly, so that what it meets is the mean of the slab's rows over
them, times the obliquity. This is exact for roofs, floors, walls and boxes; what is round in depth (a drum seen from
above) is as good as the number of slabs it is cut into.
"""

from dataclasses import dataclass

import numpy as np

from cargosight_inference.scans.beams import Plane


@dataclass(frozen=True)
class Fan:
    """The source and the rows of a scan.

    Attributes:
        height: of the source above the ground, mm.
        distance: from the source to the middle plane of the load, mm.
        pitch: side of a pixel in the middle plane, mm.
        top: height in the middle plane of the scan's upper edge, mm.
        rows: rows of the scan.
    """

    height: float
    distance: float
    pitch: float
    top: float
    rows: int

    def __post_init__(self) -> None:
        if not (self.distance > 2000.0 and self.pitch > 0.0 and self.rows > 0):
            raise ValueError(
                f"{self}: expected a distance above 2,000 mm, a pitch above 0 and at least one row"
            )

    def magnification(self, depth: float) -> float:
        """Return how much larger than in the middle plane a thing at `depth` mm behind it is shown."""
        return self.distance / (self.distance + depth)

    def row_of(self, z: float, depth: float) -> float:
        """Return the row (0 is the upper edge) at which a point at height z and `depth` is shown, mm."""
        return (self.top - self.height - (z - self.height) * self.magnification(depth)) / self.pitch

    def height_of(self, row: float, depth: float) -> float:
        """Return the height in mm at which the ray of a row passes `depth`; undoes `row_of`."""
        return self.height + (self.top - row * self.pitch - self.height) / self.magnification(depth)

    def rows_matrix(self, near: float, far: float, top: float, rows: int) -> Plane:
        """Return the matrix (scan rows, layer rows) that takes a layer to what the rays meet of it.

        Args:
            near: depth in mm of the layer's face towards the source.
            far: depth of its other face.
            top: height in mm of the upper edge of the layer's first row.
            rows: how many rows of `pitch` the layer has.
        """
        v = self.top - (np.arange(self.rows) + 0.5) * self.pitch - self.height
        ends = np.stack([self.height + v * (1.0 + depth / self.distance) for depth in (near, far)])
        # A pixel is as tall as the pitch in the middle plane, and sees that much more around the ray.
        half = 0.5 * self.pitch * (1.0 + 0.5 * (near + far) / self.distance)
        low, high = ends.min(axis=0) - half, ends.max(axis=0) + half
        edges = top - np.arange(rows + 1) * self.pitch
        met = np.minimum(high[:, None], edges[:-1]) - np.maximum(low[:, None], edges[1:])
        oblique = np.sqrt(1.0 + (v / self.distance) ** 2)
        shares = np.maximum(met, 0.0) * (oblique / (high - low))[:, None]
        found: Plane = shares.astype(np.float32)
        return found


def project(fan: Fan, plane: Plane, near: float, far: float, top: float) -> tuple[slice, Plane] | None:
    """Return what the rays meet of one layer of one material, and the columns that it lies in; None for nothing.

    Args:
        fan: the rays.
        plane: (h, W) g/cm2 met by a level ray, rows of the fan's pitch.
        near: depth in mm of the layer's face towards the source.
        far: depth of its other face.
        top: height in mm of the upper edge of the first row.
    """
    across = np.flatnonzero(plane.any(axis=0))
    down = np.flatnonzero(plane.any(axis=1))
    if not across.size:
        return None
    columns = slice(int(across[0]), int(across[-1]) + 1)
    held = slice(int(down[0]), int(down[-1]) + 1)
    matrix = fan.rows_matrix(near, far, top - held.start * fan.pitch, held.stop - held.start)
    met: Plane = matrix @ plane[held, columns]
    return columns, met
