"""Outside the cargo box a finding counts for less: beams, wheels and cabs are unlike cargo on clean scans, too.

A network sees windows of a scan and cannot tell an axle from a machine part that was loaded. Of 351 clean scans of
containers six in ten had the highest place of their map on the chassis, the wheels or the road, and each of them held up the
threshold for the load. The odds of what lies there are therefore divided by a constant; what is unusual enough is still
found.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cargosight_inference.anomaly import AnomalyMap
from cargosight_inference.findings import Findings
from cargosight_inference.tiles import CELL
from cargosight_models.geometry import BoolArray, FloatArray

if TYPE_CHECKING:  # it takes a tenth of the start, and bags do not need it
    from cargosight_inference.scans.container import Container

ODDS_OUTSIDE = math.exp(2.0)
"""By which the odds of a score are divided outside. Between e and e cubed the map's AUROC of threats in real containers
differs by 0.01, from none at all by 0.06 (families left out of training; see models/README.md)."""
MARGIN = 0.04
"""Share of the box's height that still counts as inside on every side, since the floor is found to a few rows. Of 242
threats in simulated scans 5 lay outside all the same, since their box was found too small."""


def lowered(scores: FloatArray) -> FloatArray:
    """Return scores in [0, 1], of any shape, with their odds divided by `ODDS_OUTSIDE`; 0 and 1 stay."""
    found: FloatArray = (scores / (scores + (1.0 - scores) * np.float32(ODDS_OUTSIDE))).astype(np.float32)
    return found


def is_inside(container: "Container", x: npt.ArrayLike, y: npt.ArrayLike) -> BoolArray:
    """Return whether points lie in the cargo box or its margin.

    Args:
        container: as it was located; where no box was found every point is inside.
        x: columns in scan pixels.
        y: rows, of a shape that broadcasts with the columns.
    """
    columns, rows = np.asarray(x, dtype=np.float32), np.asarray(y, dtype=np.float32)
    if not container.found:
        return np.ones(np.broadcast_shapes(columns.shape, rows.shape), dtype=np.bool_)
    x1, y1, x2, y2 = container.box
    margin = MARGIN * (y2 - y1)
    sunk = container.slope * (columns - 0.5 * (x1 + x2))
    between_ends = (columns >= x1 - margin) & (columns <= x2 + margin)
    inside: BoolArray = between_ends & (rows >= y1 + sunk - margin) & (rows <= y2 + sunk + margin)
    return inside


def map_by_zone(found: AnomalyMap, container: "Container") -> AnomalyMap:
    """Return a map whose cells outside the cargo box are lowered."""
    rows, columns = ((np.arange(count) + 0.5) * CELL for count in found.cells.shape)
    inside = is_inside(container, columns[None, :], rows[:, None])
    return AnomalyMap(np.where(inside, found.cells, lowered(found.cells)), found.width, found.height)


def items_by_zone(items: Findings, container: "Container", thresholds: FloatArray) -> Findings:
    """Return known items, those whose middle lies outside the cargo box lowered, and of these what is still found.

    Args:
        items: by falling score.
        container: of the same scan.
        thresholds: (C,) in [0, 1], by class.
    """
    middles = 0.5 * (items.boxes[:, :2] + items.boxes[:, 2:])
    inside = is_inside(container, middles[:, 0], middles[:, 1])
    scores = np.where(inside, items.scores, lowered(items.scores))
    order = np.argsort(-scores, kind="stable")
    return Findings.of_items(
        items.boxes[order], scores[order], items.class_ids[order], items.class_names
    ).above(thresholds)
