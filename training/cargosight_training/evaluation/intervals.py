"""Rates with their counts and intervals, and the folds that keep fitting and measuring apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cargosight_models.geometry import IndexArray
from cargosight_models.intervals import wilson

FOLDS = 5


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
