"""How bright air is in a scan's file: what tells of a tube that ages, or of a display that was set anew."""

import math

import numpy as np

from cargosight_inference.scans.scan import Scan

_FULL_SCALE = 65535.0
_BRIGHT = 0.99
_LOOKED_AT = 4_000
"""Pixels, on a grid: the share of air is known to a per cent, in about a tenth of a millisecond."""


def air_level(scan: Scan) -> float:
    """Return the level of air in the file as a share of full scale, in [0, 1].

    It is what 99 % of the pixels do not exceed, in the first channel, or in all of a colour's. The pixels of a scan of
    counts were divided by its level of air, by which the share is multiplied again: it is what the detector saw,
    whether the level was given or found. A scan for display has what its vendor's console made of it.
    """
    apart = max(1, math.isqrt(scan.width * scan.height // _LOOKED_AT))
    pixels = scan.pixels[::apart, ::apart]
    if scan.kind != "transmission":
        below = np.cumsum(np.bincount(pixels.ravel(), minlength=256))
        return float(np.searchsorted(below, _BRIGHT * float(below[-1]))) / 255.0
    values = pixels[:, :, 0].ravel()
    at = min(values.size - 1, int(_BRIGHT * values.size))
    brightest = float(np.partition(values, at)[at])
    return brightest if scan.air_level is None else min(1.0, brightest * scan.air_level / _FULL_SCALE)
