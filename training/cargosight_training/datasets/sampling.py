"""Which scans a training step draws: a pure function of seed and step, so that a resumed run draws the same."""

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from cargosight_models.errors import DataSetError
from cargosight_training.datasets.records import ImageRecord

_NO_WEIGHTS: Mapping[str, float] = MappingProxyType({})


class BalancedSampling:
    """Draws scans with replacement, those of rare classes more often.

    A scan's weight is the largest, over the classes of its boxes, of (n_max / n_c) ** balance, where n_c counts the
    scans with class c; a scan without a box weighs ``empty_weight``. Weights of the scan's source and of its scanner
    multiply that.

    Args:
        records: the scans.
        balance: 0 draws all alike, 1 in full inverse proportion.
        empty_weight: weight of a scan without a box.
        group_weights: weights above 0 by ``source`` or ``source/scanner``; 1 for all others.
        seed: of the run.

    Raises:
        DataSetError: no scan can ever be drawn.
    """

    def __init__(
        self,
        records: tuple[ImageRecord, ...],
        *,
        balance: float,
        empty_weight: float,
        seed: int,
        group_weights: Mapping[str, float] = _NO_WEIGHTS,
    ) -> None:
        if not records:
            raise DataSetError("there are no scans to draw from; expected at least one")
        classes = len(records[0].labelled)
        present = np.zeros((len(records), classes), dtype=np.bool_)
        for i, record in enumerate(records):
            present[i, record.annotations.class_ids] = True
        counts = np.maximum(present.sum(axis=0), 1)
        rarity = (counts.max() / counts) ** balance
        weights = np.where(present, rarity, 0.0).max(axis=1)
        weights[~present.any(axis=1)] = empty_weight
        weights *= [
            math.prod(group_weights.get(name, 1.0) for name in {record.source, record.group})
            for record in records
        ]
        if not weights.any():
            raise DataSetError(
                f"none of the {len(records)} scans has a box, and data.empty_weight is 0, so that none is ever drawn"
            )
        self._share: npt.NDArray[np.float64] = weights / weights.sum()
        # As numpy's own `choice` has them, which would sum up all shares for every draw.
        self._cumulative: npt.NDArray[np.float64] = self._share.cumsum()
        self._cumulative /= self._cumulative[-1]
        self._seed = seed

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """Probability (N,) of each scan in one draw."""
        return self._share

    def draw(self, step: int, count: int) -> npt.NDArray[np.int64]:
        """Positions (count,) of the scans of a step."""
        return self.choose(np.random.default_rng((self._seed, step, 0)), count)

    def choose(self, rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
        """Positions (count,) drawn with a given source of chance."""
        positions: npt.NDArray[np.int64] = np.searchsorted(self._cumulative, rng.random(count), side="right")
        return positions
