"""Where the cargo box lies in a radiograph: the container or truck body between its ends, its roof and its floor.

Everything is measured at a height of about 320 rows, in transmission and its logarithm:

- columns of air above the floor end the box at the left and right,
- the roof is the first row, from the top, that is not air,
- the floor is where, from the top, the regular structure begins on which the load stands: cross-members, rails and
  chassis make many steep edges along the rows and between them, whereas above lie goods, gaps or an empty room.

Vehicles stand a little askew to the detector, so that roof and floor are lines with a common slope.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.radiograph import Radiograph

Plane = npt.NDArray[np.float32]
Profile = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]

_ROWS = 320  # the height at which things are measured
_AIR_TOLERANCE = 0.02
_DRIFTED_AIR = 0.97
_BLACK = 0.04
_AIR_SHARE = 0.9  # of a column above the floor
_GAP = 0.02  # share of the width: a gap between two bodies that is no end of the box
_LEAST_ASPECT = 0.5  # width over height under which a picture is a strip of a machine, not a box
_LEAST_WIDTH = 0.25  # share of the picture
_FELLOW = 0.45  # share of the widest body's width from which another one is a container too, and no cab
_LEVEL = 0.12  # share of the picture's height by which the roofs of two such bodies may differ
_SLOPES = np.linspace(-0.06, 0.06, 25)  # of the floor, in heights over the width
_SLOPE_STEP = 4  # columns, of those that slopes are judged by
_FLOOR_RANGE = (0.60, 0.96)  # shares of the picture's height
_FLOOR_USUAL = (
    (0.87, 0.06),
    (0.76, 0.07),
)  # mean and deviation in pictures cropped at the chassis, and with wheels
_SOFT = 0.05  # transmission added before the logarithm: deeper is noise
_LIT = 0.5  # transmission of an empty room above a floor
_FALL_ROWS, _LEAST_FALL = 6, 0.06
_PALETTE_SURE = 0.2
_CLEAR_ONSET = 0.03  # of ln T a row: with that much more activity below than above, a floor is no accident
_EDGE_LIMIT = 0.35  # of ln T: one steep edge must not outweigh a hundred


@dataclass(frozen=True)
class Container:
    """The cargo box, in scan pixels.

    Attributes:
        box: x1, y1, x2, y2 from the left end to the right and from roof to floor, at its middle; the whole scan where
            none was found.
        slope: rows by which roof and floor sink from one column to the next on the right.
        undercarriage: box of floor structure, chassis and wheels, from the floor down; None where nothing is left.
        beside: boxes of what else stands on the road left or right of the box, such as a cab.
        bodies: how many bodies of like height stand in the box: two where containers or wagons follow each other.
        cut_left: whether the picture ends before the box does, so that positions count from the picture's edge.
        cut_right: the same at the right.
        confidence: in [0, 1] that box and floor are right; 0 when none was found.
        reason: what the confidence rests on, or why none was found.
    """

    box: Box
    slope: float
    undercarriage: Box | None
    beside: tuple[Box, ...]
    cut_left: bool
    cut_right: bool
    confidence: float
    reason: str
    bodies: int = 1

    @property
    def found(self) -> bool:
        """Whether a box was found at all."""
        return self.confidence > 0.0

    @property
    def roof_row(self) -> float:
        """Row of the roof in the middle of the box."""
        return self.box[1]

    @property
    def floor_row(self) -> float:
        """Row on which the load stands, in the middle of the box."""
        return self.box[3]

    def roof_at(self, x: float) -> float:
        """Return the roof's row at a column."""
        return self.box[1] + self.slope * (x - 0.5 * (self.box[0] + self.box[2]))

    def floor_at(self, x: float) -> float:
        """Return the floor's row at a column."""
        return self.box[3] + self.slope * (x - 0.5 * (self.box[0] + self.box[2]))


def locate_container(radiograph: Radiograph) -> Container:
    """Find the cargo box of a radiograph."""
    if radiograph.width < _LEAST_ASPECT * radiograph.height:
        return _none(radiograph, "a picture this narrow shows a part of a machine, not a box")
    small, scale = _measured(radiograph)
    load = small < _local_air(small) - max(_AIR_TOLERANCE, 4.0 * radiograph.noise * min(1.0, scale))
    # Bars of padding, black from top to bottom, belong to the picture and not to the box.
    black = (small < _BLACK).mean(axis=0) > 0.97
    ends = _ends(load & ~black)
    if ends is None:
        return _none(radiograph, "black nearly everywhere" if black.mean() > 0.5 else "air nearly everywhere")
    left, right, count, bodies = ends
    inside = small[:, left:right]
    roof, roof_sure = _roof(load[:, left:right])
    floor, slope, floor_sure = _floor(inside, roof)
    aspect = radiograph.width / small.shape[1], radiograph.height / small.shape[0]
    box = (left * aspect[0], roof * aspect[1], right * aspect[0], floor * aspect[1])
    cut = left == 0, right == small.shape[1]
    beside = tuple(
        (x1 * aspect[0], roof * aspect[1], x2 * aspect[0], float(radiograph.height)) for x1, x2 in bodies
    )
    under = (box[0], box[3], box[2], float(radiograph.height))
    # A palette shows neither the walls of a box nor the beams under it, only its load.
    sure = min(roof_sure, floor_sure, 1.0 if radiograph.meaning != "palette" else _PALETTE_SURE)
    return Container(
        box, slope * aspect[1] / aspect[0], under if under[3] - under[1] >= 2.0 else None, beside, *cut,
        confidence=max(0.05, sure), reason=f"roof {roof_sure:.2f}, floor {floor_sure:.2f}", bodies=count,
    )  # fmt: skip


def _none(radiograph: Radiograph, reason: str) -> Container:
    whole = (0.0, 0.0, float(radiograph.width), float(radiograph.height))
    return Container(whole, 0.0, None, (), True, True, 0.0, reason)


def _measured(radiograph: Radiograph) -> tuple[Plane, float]:
    """Return channel 0 at about `_ROWS` rows without faulty rows, and the scale."""
    plane = radiograph.reduced.plane[:, :, 0]
    faulty = {row // radiograph.reduced.factor for row in radiograph.faults.rows}
    if faulty and len(faulty) < len(plane) // 2:
        plane = plane[[row for row in range(len(plane)) if row not in faulty]]
    scale = min(1.0, _ROWS / radiograph.height)
    size = (max(8, round(radiograph.width * scale)), max(8, round(radiograph.height * scale)))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), dtype=np.float32), scale


def _local_air(small: Plane) -> Plane:
    """Return the level of air (W,) at each column: the source drifts, and the uppermost rows show it where they can."""
    top = np.median(small[: max(2, len(small) // 100)], axis=0)
    return np.where(top >= _DRIFTED_AIR, top, 1.0).astype(np.float32)


def _ends(load: npt.NDArray[np.bool_]) -> tuple[int, int, int, list[tuple[int, int]]] | None:
    """Return first and last column of the box, how many bodies it holds, and the columns of what stands beside it.

    The box is the widest body, with those that are hardly narrower and as high: a second container must not go unread.
    The upper 60 % of the picture are looked at: wheels and the neck of a chassis lie below.
    """
    height, width = load.shape
    upper = load[: int(0.6 * height)]
    body = upper.mean(axis=0) > 1.0 - _AIR_SHARE
    runs = _runs(body, round(_GAP * width))
    if not runs:
        return None
    widest = max(runs, key=lambda run: run[1] - run[0])
    length = widest[1] - widest[0]
    if length < _LEAST_WIDTH * width:
        return None
    top = _roof(load[:, slice(*widest)])[0]

    def is_fellow(run: tuple[int, int]) -> bool:
        wide = run[1] - run[0] >= _FELLOW * length
        return run == widest or (wide and abs(_roof(load[:, slice(*run)])[0] - top) <= _LEVEL * height)

    fellows = [run for run in runs if is_fellow(run)]
    left, right = fellows[0][0], fellows[-1][1]
    others = [run for run in runs if run[1] - run[0] > _GAP * width and not left <= run[0] < right]
    return left, right, len(fellows), others


def _runs(flags: npt.NDArray[np.bool_], gap: int) -> list[tuple[int, int]]:
    """Return (start, end) of the runs of true, joined over gaps up to `gap`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    runs: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if runs and start - runs[-1][1] <= gap:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def _roof(load: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the row of the roof at the middle, and how sure it is: less where the picture begins under it."""
    solid = load[:-2] & load[1:-1] & load[2:]
    there = solid.any(axis=0)
    if not there.any():
        return 0.0, 0.1
    first = np.argmax(solid, axis=0)[there].astype(np.float64)
    roof = float(np.median(first))
    if roof > 0.5 * len(load):
        return 0.0, 0.2
    steady = float(np.mean(np.abs(first - roof) < 0.05 * len(load)))
    return roof, (0.5 + 0.5 * steady) if roof >= 1.0 else 0.6


def _floor(inside: Plane, roof: float) -> tuple[float, float, float]:
    """Return the row of the floor at the middle, its slope in rows a column, and how sure it is."""
    width = inside.shape[1]
    logs = np.log(inside + np.float32(_SOFT))
    along = np.abs(logs[:, 2:] - logs[:, :-2])
    along = np.pad(along, ((0, 0), (1, 1)), mode="edge")
    soft = cv2.blur(logs, (max(3, width // 60), 1))
    across = np.pad(np.abs(soft[2:] - soft[:-2]), ((1, 1), (0, 0)), mode="edge")
    steep = np.minimum(across, np.float32(_EDGE_LIMIT))
    slope = _slope(steep)
    edges = _quantile(_sheared(steep, slope), 0.5)
    teeth = _quantile(_sheared(np.minimum(along, np.float32(_EDGE_LIMIT)), slope), 0.6)
    light = _quantile(_sheared(inside, slope), 0.5)
    usual = _FLOOR_USUAL[int(_shows_wheels(inside))]
    row, sure = _onset(edges + 0.5 * teeth, light, roof, usual)
    return row, slope, sure


def _quantile(plane: Plane, share: float) -> Profile:
    """Return a quantile of each row, the nearest value below it: `np.percentile` takes three times as long."""
    place = int(share * (plane.shape[1] - 1))
    return np.partition(plane, place, axis=1)[:, place].astype(np.float64)


def _slope(steep: Plane) -> float:
    """Return the slope in rows a column at which the edges of roof, seams and floor gather in the fewest rows."""
    height, width = steep.shape
    # Neighbours are alike: the plane was blurred along its rows.
    few = np.ascontiguousarray(steep[:, ::_SLOPE_STEP])
    sharpness = []
    for rise in _SLOPES:
        rows = _sheared(few, rise * height / few.shape[1]).mean(axis=1)
        sharpness.append(float((rows**2).sum()) - 1e-3 * abs(rise))
    return float(_SLOPES[int(np.argmax(sharpness))] * height / width)


def _sheared(plane: Plane, slope: float) -> Plane:
    """Return a plane whose lines of a slope became rows; the middle column stays."""
    height, width = plane.shape
    matrix = np.array([[1.0, 0.0, 0.0], [slope, 1.0, -slope * 0.5 * width]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(plane, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE),
        dtype=np.float32,
    )


def _shows_wheels(inside: Plane) -> bool:
    """Return whether the lowest rows show wheels and air between them, as under a truck wholly in the picture."""
    lowest = inside[-max(2, len(inside) // 16) :]
    air, dark = float((lowest > 1.0 - 2.0 * _AIR_TOLERANCE).mean()), float((lowest < 0.25).mean())
    return air > 0.11 and dark > 0.25


def _onset(activity: Profile, light: Profile, roof: float, usual: tuple[float, float]) -> tuple[float, float]:
    """Return the row where lasting activity begins, and how sure it is.

    A row scores by how much more happens in the band below it than in the one above, and by where floors usually are.
    """
    height = len(activity)
    band = max(4, round(0.06 * height))
    total = np.concatenate([[0.0], np.cumsum(activity)])
    rows = np.arange(int(_FLOOR_RANGE[0] * height), int(_FLOOR_RANGE[1] * height))
    rows = rows[(rows >= roof + band) & (rows >= band)]
    if not rows.size:
        return 0.87 * height, 0.1
    below = total[np.minimum(rows + band, height)] - total[rows]
    above = total[rows] - total[rows - band]
    here = np.maximum(activity[rows], activity[np.minimum(rows + 1, height - 1)])
    more = np.maximum(below - above, 0.0)
    score = (more / band + 0.5 * here) * more / (below + above + 1e-3)
    prior = np.exp(-0.5 * ((rows / height - usual[0]) / usual[1]) ** 2)
    score *= prior
    best = int(np.argmax(score))
    clear = min(1.0, float(prior[best] * more[best]) / band / _CLEAR_ONSET)
    if clear < 0.25:
        return usual[0] * height, 0.1
    away = np.abs(rows - rows[best]) > band
    rival = float(score[away].max()) if away.any() else 0.0
    sure = 1.0 - rival / score[best] if score[best] > 0.0 else 0.0
    return _upper_edge(activity, light, int(rows[best]), band), clear * (0.3 + 0.7 * float(sure))


def _upper_edge(activity: Profile, light: Profile, row: int, band: int) -> float:
    """Return where the structure around a row begins: the best row may lie in the middle of high cross-members.

    Over an empty floor it begins where the light falls by much for the first time; the linings of walls that end a
    little above it make it fall by little.
    """
    reach = max(0, row - 9 * band // 4)
    quiet = float(np.median(activity[max(0, row - 5 * band) : reach])) if reach else np.inf
    busy = float(activity[row : row + band].mean())
    if busy < 2.5 * quiet or light[reach] < _LIT:
        return float(row)
    window = light[reach : min(len(light), row + band)]
    falls = window[:-_FALL_ROWS] - window[_FALL_ROWS:]
    if not falls.size or falls.max() < _LEAST_FALL:
        return float(row)
    first = int(np.argmax(falls >= max(_LEAST_FALL, 0.35 * float(falls.max()))))
    steepest = first + int(np.argmax(falls[first : first + _FALL_ROWS]))
    return float(reach + steepest + _FALL_ROWS // 2)
