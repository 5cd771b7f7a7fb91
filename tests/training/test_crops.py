"""Crops of radiographs: at the scan's own scale, with the boxes where the things are."""

from pathlib import Path

import numpy as np
import pytest

from cargosight_models.labels import Annotations
from cargosight_training.augmentation.crops import CropRecipe
from cargosight_training.config import AugmentConfig
from cargosight_training.datasets.cache import PictureCache
from cargosight_training.datasets.records import ImageRecord
from tests.made.runs import write_picture

QUIET = AugmentConfig(flip=0.0, scale=(1.0, 1.0), look=0.0, quality=0.0, grey=0.0)
BOX = (300, 100, 340, 150)


def recipe_of(folder: Path, settings: AugmentConfig, *, channels: int = 2, size=(600, 200)) -> CropRecipe:
    """One scan whose pixels say where they are, with one dark item."""
    width, height = size
    pixels = np.empty((height, width, channels), np.float32)
    pixels[:, :, 0] = 0.5 + 0.4 * np.arange(width) / width
    pixels[:, :, -1] = 0.4 + 0.5 * np.arange(height)[:, None] / height
    x1, y1, x2, y2 = BOX
    pixels[y1:y2, x1:x2] = 0.05
    path = write_picture(folder / "scan.npy", pixels)
    boxes = Annotations(np.array([BOX], np.float32), np.array([1]))
    record = ImageRecord(1, path, width, height, "made", None, np.ones(2, np.bool_), boxes)
    cache = PictureCache((record,), folder / "cache", pixels=None, subject="cargo")
    return CropRecipe((record,), cache, settings, None)


def test_the_cache_keeps_radiographs_at_their_own_scale(tmp_path):
    recipe = recipe_of(tmp_path, QUIET)
    cache = recipe._cache
    assert cache.size(0) == (600, 200)
    whole = cache.picture(0)
    assert (whole[:, :, 2] == 0.0).all()  # two energies
    np.testing.assert_array_equal(cache.window(0, 50, 20, 70, 30), whole[20:50, 50:120])
    assert cache.boxes(0)[0].tolist() == list(BOX)


@pytest.mark.parametrize("scale", [0.6, 1.0, 1.5])
@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_boxes_lie_around_the_dark_item(tmp_path, scale, flip):
    recipe = recipe_of(tmp_path, QUIET.model_copy(update={"scale": (scale, scale), "flip": flip}))
    seen = 0
    for seed in range(30):
        sample = recipe.make(0, [], 128, np.random.default_rng(seed), strength=1.0)
        assert sample.picture.shape == (128, 128, 3)
        for box in sample.boxes:
            seen += 1
            dark = np.argwhere(sample.picture[:, :, 0] < 0.2)
            edges = [*dark.min(axis=0)[::-1], *(dark.max(axis=0)[::-1] + 1)]
            np.testing.assert_allclose(box, edges, atol=1.6)
            assert sample.class_ids.tolist() == [1]
    assert seen > 5


def test_crops_reach_every_place_and_what_is_beyond_is_air(tmp_path):
    recipe = recipe_of(tmp_path, QUIET, size=(600, 60 + 100))
    places = set()
    for seed in range(40):
        picture = recipe.make(0, [], 192, np.random.default_rng(seed), strength=1.0).picture
        outside = (picture == 1.0).all(axis=2)
        assert outside.any()
        places.add(round(float(picture[~outside][:, 0].mean()), 1))
    assert len(places) >= 3


def test_the_second_energy_is_left_out_at_times(tmp_path):
    always = recipe_of(tmp_path, QUIET.model_copy(update={"grey": 1.0}))
    picture = always.make(0, [], 128, np.random.default_rng(0), strength=1.0).picture
    np.testing.assert_array_equal(picture[:, :, 0], picture[:, :, 1])
    assert (picture[:, :, 2] == 1.0).all()


@pytest.mark.parametrize("channels", [1, 2])
def test_looks_stay_in_range_and_keep_the_number_of_energies(tmp_path, channels):
    recipe = recipe_of(tmp_path, QUIET.model_copy(update={"look": 1.0, "quality": 1.0}), channels=channels)
    for seed in range(10):
        picture = recipe.make(0, [], 96, np.random.default_rng(seed), strength=1.0).picture
        assert picture.dtype == np.float32
        assert 0.0 <= picture.min() <= picture.max() <= 1.0
        if channels == 1:
            np.testing.assert_array_equal(picture[:, :, 0], picture[:, :, 1])


def test_the_same_chance_gives_the_same_crop(tmp_path):
    recipe = recipe_of(tmp_path, AugmentConfig())
    one, other = (recipe.make(0, [], 96, np.random.default_rng(5), strength=1.0) for _ in range(2))
    np.testing.assert_array_equal(one.picture, other.picture)
    np.testing.assert_array_equal(one.boxes, other.boxes)
