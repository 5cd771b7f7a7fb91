"""Intervals of rates."""

import math

Z_95 = 1.959963984540054
"""97.5 % quantile of the normal distribution."""


def wilson(count: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a rate (Wilson, JASA 22 (1927) 209).

    Args:
        count: Successes, 0 to `of`.
        of: Trials; with 0 trials the interval is the whole of [0, 1].

    Raises:
        ValueError: `count` is outside 0 to `of`.
    """
    if not 0 <= count <= of:
        raise ValueError(f"{count} of {of} is no rate; expected a count from 0 to {of}")
    if of == 0:
        return 0.0, 1.0
    rate, z2 = count / of, Z_95**2
    middle = (rate + z2 / (2 * of)) / (1 + z2 / of)
    half = Z_95 / (1 + z2 / of) * math.sqrt(rate * (1 - rate) / of + z2 / (4 * of * of))
    # At the ends the formula is exact on paper and a rounding error off in floating point.
    low = 0.0 if count == 0 else max(0.0, middle - half)
    high = 1.0 if count == of else min(1.0, middle + half)
    return low, high
