"""Which scans a training step draws: a pure function of seed and step, so that a resumed run draws the same."""

import numpy as np
import numpy.typing as npt

from cargosight_training.datasets.records import ImageRecord


class BalancedSampling:
    """Draws scans with replacement, those of rare classes more often.

    A scan's weight is the largest, over the classes of its boxes, of (n_max / n_c) ** balance, where n_c counts the
    scans with class c; a scan without a box weighs ``empty_weight``.

    Args:
        records: the scans.
        balance: 0 draws all alike, 1 in full inverse proportion.
        empty_weight: weight of a scan without a box.
        seed: of the run.
    """

    def __init__(
        self, records: tuple[ImageRecord, ...], *, balance: float, empty_weight: float, seed: int
    ) -> None:
        classes = len(records[0].labelled)
        present = np.zeros((len(records), classes), dtype=np.bool_)
        for i, record in enumerate(records):
            present[i, record.annotations.class_ids] = True
        counts = np.maximum(present.sum(axis=0), 1)
        rarity = (counts.max() / counts) ** balance
        weights = np.where(present, rarity, 0.0).max(axis=1)
        weights[~present.any(axis=1)] = empty_weight
        self._share = weights / weights.sum()
        self._seed = seed

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """Probability (N,) of each scan in one draw."""
        return self._share

    def draw(self, step: int, count: int) -> npt.NDArray[np.int64]:
        """Positions (count,) of the scans of a step."""
        rng = np.random.default_rng((self._seed, step, 0))
        return rng.choice(len(self._share), size=count, p=self._share)
