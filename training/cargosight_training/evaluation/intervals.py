"""Rates with their counts and intervals, and the folds that keep fitting and measuring apart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cargosight_models.geometry import IndexArray

Z_95 = 1.959963984540054
"""97.5 % quantile of the normal distribution."""
FOLDS = 5


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


@dataclass(frozen=True)
class Rate:
    """A share with its counts.

    Attributes:
        count: How many did.
        of: Out of how many.
    """

    count: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.of:
            raise ValueError(f"{self.count} of {self.of} is no rate; expected a count from 0 to {self.of}")

    def __add__(self, other: "Rate") -> "Rate":
        return Rate(self.count + other.count, self.of + other.of)

    @property
    def value(self) -> float | None:
        """The share in [0, 1], None without trials."""
        return self.count / self.of if self.of else None

    def to_dict(self) -> dict[str, float | int | list[float] | None]:
        """JSON-ready: count, of, rate and its 95 % Wilson interval."""
        interval = None if self.of == 0 else list(wilson(self.count, self.of))
        return {"count": self.count, "of": self.of, "rate": self.value, "wilson95": interval}


def make_folds(groups: Sequence[str], *, folds: int = FOLDS, seed: int = 0) -> IndexArray:
    """Deal images into folds, evenly within each group.

    Args:
        groups: The group (source) of each image.
        folds: How many folds.
        seed: The same seed deals the same way.

    Returns:
        (N,) int64, the fold of each image, 0 to folds - 1.
    """
    rng = np.random.default_rng(seed)
    fold = np.empty(len(groups), dtype=np.int64)
    members: Mapping[str, list[int]] = {name: [] for name in sorted(set(groups))}
    for index, name in enumerate(groups):
        members[name].append(index)
    for rows in members.values():
        # The first fold is drawn too, so that small groups do not all crowd into fold 0.
        fold[rng.permutation(rows)] = (np.arange(len(rows)) + rng.integers(folds)) % folds
    return fold
