"""How far the mean of values in [0, 1] went from an earlier one."""

_LEAST_DEVIATION = 0.01
"""Of a display whose air is always white, a hundredth is one deviation, not infinitely many."""


def glass_delta(mean: float, reference: float, deviation: float) -> float:
    """Return a mean less the reference, in standard deviations of the reference, of which 0.01 is the least.

    G. V. Glass, Primary, secondary, and meta-analysis of research, Educational Researcher 5(10), 1976.

    Args:
        mean: of values in [0, 1].
        reference: mean of the values that it is compared with, in [0, 1].
        deviation: standard deviation of the latter.
    """
    return (mean - reference) / max(deviation, _LEAST_DEVIATION)
