"""Whether air is bright or dark in raw counts, told by their noise.

Where more photons arrive, counts scatter more: Poisson noise grows with the square root of the signal. Turned-over
counts keep that noise and lose the order, so that the quiet end of the scale is the opaque one, whatever the borders
of a scan show: blank detector rows, a chassis or cargo that was cut through.
"""

import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.scan import Polarity

_END = 0.15
"""Share of the range of counts that is one of its ends."""
_CLEARLY = 2.0
"""Air of twenty times the photons scatters 4.5 times as much; half of that is left to texture and electronics."""
_LEAST_PIXELS = 200
_MOST_SAMPLES = 1_000_000


def polarity_by_noise(counts: npt.NDArray[np.uint16]) -> Polarity | None:
    """Return the polarity of raw counts (H, W), None where noise does not tell: there is none, or one end is missing.

    Args:
        counts: in proportion to the photons, or turned over; logarithms have their noise the other way round.
    """
    step = max(1, round(counts.size / _MOST_SAMPLES))
    plane = counts[::step].astype(np.float32)
    if plane.shape[1] < 3:
        return None
    low, high = np.percentile(plane, [0.5, 99.5])
    left, middle, right = plane[:, :-2], plane[:, 1:-1], plane[:, 2:]
    bend = np.abs(left - 2.0 * middle + right)
    lowest, highest = np.minimum(np.minimum(left, middle), right), np.maximum(np.maximum(left, middle), right)
    reach = _END * (high - low)
    # What a dead or a saturated detector gives has no noise and says nothing.
    alive = (lowest > plane.min()) & (highest < plane.max())
    ends = (alive & (highest < low + reach), alive & (lowest > high - reach))
    if min(int(end.sum()) for end in ends) < _LEAST_PIXELS:
        return None
    dark, bright = (float(np.median(bend[end])) for end in ends)
    if bright > _CLEARLY * dark:
        return "air_bright"
    if dark > _CLEARLY * bright:
        return "air_dark"
    return None
