"""Under the floor of the cargo box a finding counts for less: beams and wheels are unlike cargo on clean scans, too.

A network sees windows of a scan and cannot tell an axle from a machine part that was loaded. Of 351 clean scans of
containers every second one had the highest place of its map under the floor, on the chassis, the wheels or the road,
and those held up the threshold for the load. The odds of what lies there are therefore divided by a constant; what is
unusual enough is still found. Nothing is lowered above the floor, nor beyond the ends of the box: where its roof or an
end was found wrongly, that is where the rest of the load lies.
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

ODDS_UNDER = math.exp(2.0)
"""By which the odds of a score are divided under the floor. Between e and e cubed the map's AUROC of threats in real
containers differs by 0.01, from none at all by 0.06 (families left out of training; see models/README.md)."""
MARGIN = 0.04
"""Share of the box's height that still counts as the box below its floor, since that is found to a few rows. Of 242
threats in 150 simulated scans three lay lower all the same."""
LEAST_CONFIDENCE = 0.25
"""Of a box whose floor is trusted; a floor that was only guessed, and one in a palette, has less."""


def lowered(scores: FloatArray) -> FloatArray:
    """Return scores in [0, 1], of any shape, with their odds divided by `ODDS_UNDER`; 0 and 1 stay."""
    found: FloatArray = (scores / (scores + (1.0 - scores) * np.float32(ODDS_UNDER))).astype(np.float32)
    return found


def is_under(container: "Container", x: npt.ArrayLike, y: npt.ArrayLike) -> BoolArray:
    """Return whether points lie under the floor of the cargo box, also left and right of it.

    Args:
        container: as it was located; where its floor is not trusted no point lies under it.
        x: columns in scan pixels.
        y: rows, of a shape that broadcasts with the columns.
    """
    columns, rows = np.asarray(x, dtype=np.float32), np.asarray(y, dtype=np.float32)
    if container.confidence < LEAST_CONFIDENCE:
        return np.zeros(np.broadcast_shapes(columns.shape, rows.shape), dtype=np.bool_)
    x1, y1, x2, y2 = container.box
    floor = y2 + container.slope * (columns - 0.5 * (x1 + x2))
    under: BoolArray = rows > floor + MARGIN * (y2 - y1)
    return under


def map_by_zone(found: AnomalyMap, container: "Container") -> AnomalyMap:
    """Return a map whose cells under the floor are lowered."""
    rows, columns = ((np.arange(count) + 0.5) * CELL for count in found.cells.shape)
    under = is_under(container, columns[None, :], rows[:, None])
    return AnomalyMap(np.where(under, lowered(found.cells), found.cells), found.width, found.height)


def items_by_zone(items: Findings, container: "Container", thresholds: FloatArray) -> Findings:
    """Return known items, those whose middle lies under the floor lowered, and of these what is still found.

    Args:
        items: by falling score.
        container: of the same scan.
        thresholds: (C,) in [0, 1], by class.
    """
    middles = 0.5 * (items.boxes[:, :2] + items.boxes[:, 2:])
    under = is_under(container, middles[:, 0], middles[:, 1])
    scores = np.where(under, lowered(items.scores), items.scores)
    order = np.argsort(-scores, kind="stable")
    return Findings.of_items(
        items.boxes[order], scores[order], items.class_ids[order], items.class_names
    ).above(thresholds)
