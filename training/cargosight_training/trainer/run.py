"""A whole run: data sets, cache, trainer."""

import sys
from pathlib import Path

from cargosight_models.errors import ConfigurationError
from cargosight_models.labels import ClassSet
from cargosight_training.augmentation.recipe import Recipe
from cargosight_training.config import DataFile, TrainConfig
from cargosight_training.datasets.cache import PictureCache
from cargosight_training.datasets.coco import read_coco
from cargosight_training.datasets.records import DataSet, merge, without
from cargosight_training.trainer.loader import TrainingSamples


def read_training_data(config: TrainConfig) -> DataSet:
    """All training files as one data set over one class list, without the groups that are left out."""
    parts = _read(config.data.train, config)
    data = merge(parts)
    return without(data, list(config.data.without)) if config.data.without else data


def read_validation_data(config: TrainConfig, classes: ClassSet) -> list[DataSet]:
    """The validation files over the same classes."""
    return [read_coco(f.file, images_dir=f.images, classes=classes) for f in config.data.val]


def make_samples(config: TrainConfig, data: DataSet) -> TrainingSamples:
    """The run's samples, with their cache built where augmentation needs one."""
    if not config.augment.enabled:
        return TrainingSamples(config, data.images, None)
    cache = PictureCache(
        data.images,
        Path(config.data.cache),
        pixels=config.data.cache_pixels,
        subject=config.subject,
        progress=_show_reading,
    )
    return TrainingSamples(config, data.images, Recipe(data.images, cache, config.augment))


def _read(files: tuple[DataFile, ...], config: TrainConfig) -> list[DataSet]:
    if not files:
        raise ConfigurationError("data.train names no file: give at least one COCO file")
    wanted = ClassSet(config.data.classes) if config.data.classes else None
    first = read_coco(files[0].file, images_dir=files[0].images, classes=wanted)
    rest = [read_coco(f.file, images_dir=f.images, classes=first.classes) for f in files[1:]]
    return [first, *rest]


def _show_reading(done: int, total: int) -> None:
    if done % 200 == 0 or done == total:
        sys.stderr.write(f"reading pictures: {done} of {total}\n")
