"""Covering a scan with windows of one shape at the scan's own scale, and telling which of them answers for what."""

from dataclasses import dataclass

import numpy as np

from cargosight_models.geometry import BoolArray, FloatArray


@dataclass(frozen=True)
class TileGrid:
    """Windows in rows and columns.

    Attributes:
        height: of every window in pixels.
        width: of every window in pixels.
        columns: left edges in scan pixels, rising.
        rows: upper edges in scan pixels, rising.
    """

    height: int
    width: int
    columns: tuple[int, ...]
    rows: tuple[int, ...]

    @property
    def origins(self) -> tuple[tuple[int, int], ...]:
        """(left, top) of every window, row by row."""
        return tuple((left, top) for top in self.rows for left in self.columns)


CELL = 8
"""Windows start at multiples of this, so that the cells of their maps, at stride 8, are the same on the whole scan."""


def tile_grid(width: int, height: int, shapes: tuple[tuple[int, int], ...], overlap: int) -> TileGrid:
    """Return the windows for a scan, of the shape that has the fewest pixels to compute, of equals the largest.

    They start at 0, in steps as even as multiples of 8 allow; the last may reach a few pixels beyond the scan, and
    the only one of a small scan farther.

    Args:
        width: of the scan in pixels.
        height: of the scan in pixels.
        shapes: (height, width) pairs, at least one.
        overlap: least number of pixels that neighbours share, at most half of every side.
    """
    grids = [
        TileGrid(down, across, _starts(width, across, overlap), _starts(height, down, overlap))
        for down, across in shapes
    ]
    return min(
        grids, key=lambda grid: (len(grid.origins) * grid.height * grid.width, -grid.height * grid.width)
    )


def _starts(length: int, window: int, overlap: int) -> tuple[int, ...]:
    """In cells: how many windows it takes, and where each starts."""
    cells, wide, shared = -(-length // CELL), window // CELL, -(-overlap // CELL)
    if cells <= wide:
        return (0,)
    count = -(-(cells - shared) // (wide - shared))
    # Rounded down, the last alone lies where it must; no step is then longer than the longest that is allowed.
    free = cells - wide
    return tuple(CELL * (index * free // (count - 1)) for index in range(count))


def answers_for(
    boxes: FloatArray, window: tuple[float, float, float, float], scan: tuple[int, int], overlap: int
) -> BoolArray:
    """Return which boxes (N, 4) in scan pixels a window is to report: those whose middle is not near its edge.

    Near is within a quarter of the overlap: there a neighbour sees more of the thing. Of two neighbours one always
    answers, and where both do suppression drops one. Beyond the scan's own edges there is no neighbour.

    Args:
        boxes: found in the window.
        window: x1, y1, x2, y2 in scan pixels; it may reach beyond the scan.
        scan: width and height in pixels.
        overlap: least number of pixels that neighbours share.
    """
    margin = overlap / 4.0
    x = 0.5 * (boxes[:, 0] + boxes[:, 2])
    y = 0.5 * (boxes[:, 1] + boxes[:, 3])
    left, top, right, bottom = window
    found: BoolArray = np.ones(len(boxes), dtype=np.bool_)
    if left > 0:
        found &= x >= left + margin
    if top > 0:
        found &= y >= top + margin
    if right < scan[0]:
        found &= x <= right - margin
    if bottom < scan[1]:
        found &= y <= bottom - margin
    return found
