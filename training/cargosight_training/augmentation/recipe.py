"""From a position in the data set to one finished training sample."""

import numpy as np

from cargosight_training.augmentation.look import LookVariation
from cargosight_training.augmentation.placement import mosaic, place
from cargosight_training.augmentation.projection import ItemProjection, find_cutouts
from cargosight_training.augmentation.sample import Sample, whole, with_picture
from cargosight_training.config import AugmentConfig
from cargosight_training.datasets.cache import PictureCache
from cargosight_training.datasets.records import ImageRecord


class Recipe:
    """Makes varied samples; each is a pure function of the position and the random generator given.

    Args:
        records: the scans.
        cache: their pictures.
        settings: probabilities and ranges.
    """

    def __init__(
        self, records: tuple[ImageRecord, ...], cache: PictureCache, settings: AugmentConfig
    ) -> None:
        self._records, self._cache, self._settings = records, cache, settings
        self._boxes = [cache.boxes(i) for i in range(len(records))]
        by_source: dict[str, list[int]] = {}
        for i, record in enumerate(records):
            by_source.setdefault(record.group, []).append(i)
        positions = {group: np.array(rows, dtype=np.int64) for group, rows in by_source.items()}
        self._projection = ItemProjection(
            find_cutouts(self._boxes, [r.annotations.class_ids for r in records]),
            cache.picture,
            self._boxes,
            lambda i: positions[records[i].group],
            classes=len(records[0].labelled),
        )
        self._looks: dict[float, LookVariation] = {}

    def make(
        self, position: int, others: list[int], size: int, rng: np.random.Generator, *, strength: float
    ) -> Sample:
        """One sample of ``size`` × ``size`` pixels.

        Args:
            position: the scan to show.
            others: three further scans, used when the sample becomes a mosaic.
            size: side of the square in pixels.
            rng: source of chance; the sample depends on nothing else.
            strength: in [0, 1], scales the probabilities.
        """
        settings = self._settings
        if rng.random() < settings.mosaic * strength:
            waiting = [position, *others]
            return mosaic(lambda: self._varied(waiting.pop(), rng, strength), size, rng, settings)
        sample = self._varied(position, rng, strength)
        low, high = settings.scale
        zoom = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        return place(sample, size, size, rng, settings, zoom=zoom)

    def _varied(self, position: int, rng: np.random.Generator, strength: float) -> Sample:
        record = self._records[position]
        sample = whole(
            self._cache.picture(position),
            self._boxes[position],
            record.annotations.class_ids,
            record.labelled,
        )
        if rng.random() < self._settings.project * strength:
            for _ in range(int(rng.integers(1, 3))):
                if rng.random() < 0.3:
                    sample = self._projection.add_decoy(sample, position, rng)
                else:
                    sample = self._projection.add_item(sample, rng)
        return with_picture(sample, self._look(strength).vary(sample.picture, rng, sample.boxes))

    def _look(self, strength: float) -> LookVariation:
        if strength not in self._looks:
            self._looks[strength] = LookVariation(self._settings, strength=strength)
        return self._looks[strength]
