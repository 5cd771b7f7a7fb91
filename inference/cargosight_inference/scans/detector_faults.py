"""Rows and columns that tell of the detector or the source rather than of the load, and how they are mended.

A line detector writes one element into one row of the image (a few consoles turn it by a quarter), so that an
element with a wrong gain is a stripe along the whole width, in air as in the load, and one that does not answer is a
constant row. A flicker of the source is a stripe along the whole height. Nothing that is scanned is like that.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cargosight_models.errors import UsageError

Plane = npt.NDArray[np.float32]
Lines = tuple[int, ...]

_REACH = 9  # rows on either side up to which a row is compared with
_SAMPLES = 120  # pixels of a row that are looked at
_SEEN = 0.1  # transmission behind which a stripe can be measured
_CLEAR = 0.93  # and from which a pixel counts as air
_LEAST_SEEN, _LEAST_AIR = 0.3, 0.04  # shares of a row
_AGREE = 0.85  # share of a row's pixels that must err to the same side
_BRIGHT, _DARK = 0.03, 0.06  # relative gain error from which a stripe is reported
_DEAD_GAIN = 0.5  # error from which there is nothing to divide by
_CONSTANT = 1e-3  # spread of a row that does not answer
_MOST_MENDED = 0.25  # share of rows beyond which interpolation would invent the image


@dataclass(frozen=True)
class DetectorFaults:
    """Row and column numbers, rising.

    Attributes:
        dead_rows: rows that do not answer: constant and dark, or far darker than both sides.
        dead_columns: the same for columns.
        saturated_rows: constant and bright rows whose neighbours are neither.
        saturated_columns: the same for columns.
        bright_rows: stripes brighter than both sides; some consoles draw or leave such a line.
        striped_rows: other rows whose gain is off.
        striped_columns: columns whose gain is off.
    """

    dead_rows: Lines = ()
    dead_columns: Lines = ()
    saturated_rows: Lines = ()
    saturated_columns: Lines = ()
    bright_rows: Lines = ()
    striped_rows: Lines = ()
    striped_columns: Lines = ()

    @property
    def rows(self) -> Lines:
        """All rows that are not to be trusted."""
        return tuple(sorted({*self.dead_rows, *self.saturated_rows, *self.bright_rows, *self.striped_rows}))

    @property
    def columns(self) -> Lines:
        """All columns that are not to be trusted."""
        return tuple(sorted({*self.dead_columns, *self.saturated_columns, *self.striped_columns}))

    @property
    def sentences(self) -> tuple[str, ...]:
        """One sentence for each sort of fault that there is."""
        named = {
            "rows do not answer": self.dead_rows,
            "columns do not answer": self.dead_columns,
            "rows are saturated": self.saturated_rows,
            "columns are saturated": self.saturated_columns,
            "rows are a bright horizontal line": self.bright_rows,
            "rows are striped": self.striped_rows,
            "columns are striped": self.striped_columns,
        }
        return tuple(f"{len(lines)} {what}" for what, lines in named.items() if lines)


def find_faults(plane: Plane) -> DetectorFaults:
    """Return the faults of one channel (H, W), transmission with 1 for air."""
    rows = _judged(plane)
    columns = _judged(plane.T)
    bright = {row for row in rows.striped if rows.gain[row] > 0.0}
    return DetectorFaults(
        dead_rows=rows.dead,
        dead_columns=columns.dead,
        saturated_rows=rows.saturated,
        saturated_columns=columns.saturated,
        bright_rows=tuple(sorted(bright)),
        striped_rows=tuple(row for row in rows.striped if row not in bright),
        striped_columns=columns.striped,
    )


@dataclass(frozen=True, eq=False)
class _Judged:
    dead: Lines
    saturated: Lines
    striped: Lines
    gain: Plane


def _judged(plane: Plane) -> _Judged:
    """Judge the rows of a plane; columns are the rows of its transpose."""
    sampled = _sampled(plane)
    gain, agrees = _gain_errors(sampled)
    ordered = np.sort(sampled, axis=1)
    last = sampled.shape[1] - 1
    level = ordered[:, last // 2]
    spread = ordered[:, last - last // 50] - ordered[:, last // 50]
    sides = _sides(np.asarray(level[:, None], dtype=np.float32))
    around = np.maximum(*sides)[:, 0]
    busy = (
        np.maximum(*_sides(np.asarray(spread[:, None], dtype=np.float32)))[:, 0] > 0.1
    )  # beside it lies a load
    constant = (spread < _CONSTANT) & busy
    inner = np.zeros(len(plane), dtype=np.bool_)
    inner[_REACH:-_REACH] = True
    agrees &= inner
    dead = (constant & (level < 0.5 * np.maximum(around, _SEEN))) | (agrees & (gain < -_DEAD_GAIN))
    saturated = constant & (level >= 1.0 - _CONSTANT) & (around < _CLEAR) & ~dead
    striped = agrees & ((gain > _BRIGHT) | (gain < -_DARK)) & ~dead & ~saturated
    return _Judged(_numbers(dead), _numbers(saturated), _numbers(striped), gain)


def _sampled(plane: Plane) -> Plane:
    """Return about `_SAMPLES` pixels of each row; all of fewer."""
    return np.ascontiguousarray(plane[:, :: max(1, plane.shape[1] // _SAMPLES)])


def _gain_errors(sampled: Plane) -> tuple[Plane, npt.NDArray[np.bool_]]:
    """Return how far each row is off both its sides, relative, and whether it is so along its whole width.

    A seam or rail of a container is a dark row too, but ends with the container, slopes, or both: a dark row must
    be as dark in air as elsewhere. A bright one needs no air, since steel adds no light.
    """
    above, below = _sides(sampled)
    least, most = np.minimum(above, below), np.maximum(above, below)
    off = np.maximum(sampled - most, 0.0) + np.minimum(sampled - least, 0.0)
    error = np.asarray(off / np.maximum(least, np.float32(_SEEN)), dtype=np.float32)
    seen = least > _SEEN
    gain = _row_median(error, seen)
    same = (np.sign(error) == np.sign(gain)[:, None]) & (np.abs(error) > 0.4 * np.abs(gain)[:, None]) & seen
    share = seen.mean(axis=1)
    agrees = (share >= _LEAST_SEEN) & (same.sum(axis=1) >= _AGREE * np.maximum(seen.sum(axis=1), 1))
    dark = np.flatnonzero(agrees & (gain <= 0.0))
    air = least[dark] > _CLEAR
    in_air = _row_median(error[dark], air)
    agrees[dark] = (air.mean(axis=1) >= _LEAST_AIR) & (in_air < 0.5 * gain[dark])
    return gain, agrees


def _sides(plane: Plane) -> tuple[Plane, Plane]:
    """Return, for each row, the median of three rows shortly above it and shortly below; edges are repeated."""
    padded = np.pad(plane, ((_REACH, _REACH), (0, 0)), mode="edge")
    height = len(plane)
    above = [padded[shift : shift + height] for shift in range(3)]
    below = [padded[2 * _REACH - shift : 2 * _REACH - shift + height] for shift in range(3)]
    return _median_of_three(above), _median_of_three(below)


def _median_of_three(planes: list[Plane]) -> Plane:
    first, second, third = planes
    smaller, greater = np.minimum(first, second), np.maximum(first, second)
    return np.maximum(smaller, np.minimum(greater, third))


def _row_median(values: Plane, where: npt.NDArray[np.bool_]) -> Plane:
    """Return the median of each row over some of its pixels, 0 for none."""
    ordered = np.sort(np.where(where, values, np.float32(np.inf)), axis=1)
    count = where.sum(axis=1)
    middle = ordered[np.arange(len(ordered)), np.maximum(count - 1, 0) // 2]
    return np.where(count > 0, middle, 0.0).astype(np.float32)


def mended(plane: npt.NDArray[np.float32], faults: DetectorFaults) -> npt.NDArray[np.float32]:
    """Return (H, W, C) with stripes divided by their gain, and lines that do not answer or are too bright interpolated.

    A bright line is at full scale somewhere along its way, and its rims are half bright: they go with it.

    Raises:
        UsageError: more than a quarter of the rows or columns do not answer.
    """
    repaired = plane.copy()
    bright = {row + step for row in faults.bright_rows for step in (-1, 0, 1)} & set(range(plane.shape[0]))
    for axis, lost, striped in (
        (0, {*faults.dead_rows, *faults.saturated_rows, *bright}, set(faults.striped_rows) - bright),
        (1, {*faults.dead_columns, *faults.saturated_columns}, set(faults.striped_columns)),
    ):
        if len(lost) > _MOST_MENDED * plane.shape[axis]:
            name = ("rows", "columns")[axis]
            raise UsageError(
                f"{len(lost)} of {plane.shape[axis]} {name} do not answer or are too bright; at most a quarter "
                "can be interpolated"
            )
        for channel in range(plane.shape[2]):
            view = repaired[:, :, channel] if axis == 0 else repaired[:, :, channel].T
            _divide(view, tuple(sorted(striped)))
            _interpolate(view, tuple(sorted(lost)))
    return np.clip(repaired, 0.0, 1.0)


def _divide(plane: Plane, rows: Lines) -> None:
    if not rows:
        return
    gain, _ = _gain_errors(_sampled(plane))
    for row in rows:
        plane[row] /= np.float32(1.0) + max(gain[row], np.float32(-_DEAD_GAIN))


def _interpolate(plane: Plane, rows: Lines) -> None:
    """Fill rows linearly from the nearest ones that answer; at the edge, by repeating."""
    good = np.setdiff1d(np.arange(len(plane)), rows)
    for row in rows:
        place = int(np.searchsorted(good, row))
        before, after = good[max(place - 1, 0)], good[min(place, good.size - 1)]
        share = np.float32((row - before) / (after - before) if after > before > -1 and before < row else 0.0)
        plane[row] = plane[before if before < row else after] * (1 - share) + plane[after] * share


def _numbers(flags: npt.NDArray[np.bool_]) -> Lines:
    return tuple(int(number) for number in np.flatnonzero(flags))
