import numpy as np
import pytest

from cargosight_training.augmentation.recipe import Recipe
from cargosight_training.config import AugmentConfig
from cargosight_training.datasets.cache import PictureCache
from tests.made.runs import record_of, with_rectangle, write_picture
from tests.made.scans import transmission

NOTHING = AugmentConfig(
    **dict.fromkeys(
        (
            "mosaic",
            "flip",
            "quarter_turn",
            "angle",
            "look",
            "grey",
            "background",
            "border",
            "quality",
            "project",
        ),
        0.0,
    ),
    scale=(1.0, 1.0),
)


@pytest.fixture(scope="module")
def recipe_of(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("recipe")
    records = []
    for index in range(5):
        box = (20 + index, 20, 60, 50)
        path = write_picture(folder / f"{index}.png", with_rectangle(96, 80, box, value=0.3))
        labelled = np.arange(3) == index % 3
        records.append(
            record_of(path, (96, 80), [box], [index % 3], labelled=labelled, source=f"s{index % 3}")
        )
    path = write_picture(folder / "t.npy", transmission(80, 96))
    records.append(record_of(path, (96, 80), labelled=[False] * 3, source="raw"))
    cache = PictureCache(tuple(records), folder / "cache", pixels=96, subject="baggage")
    return lambda settings: Recipe(tuple(records), cache, settings)


@pytest.mark.parametrize("settings", [AugmentConfig(), AugmentConfig(mosaic=1.0, project=1.0), NOTHING])
def test_samples_are_a_function_of_the_generator(recipe_of, settings: AugmentConfig) -> None:
    recipe, again = recipe_of(settings), recipe_of(settings)
    for seed in range(8):
        first = recipe.make(seed % 6, [1, 2, 5], 96, np.random.default_rng(seed), strength=1.0)
        recipe.make(3, [0, 0, 4], 64, np.random.default_rng(99), strength=0.7)  # leaves nothing behind
        second = again.make(seed % 6, [1, 2, 5], 96, np.random.default_rng(seed), strength=1.0)
        assert np.array_equal(first.picture, second.picture)
        assert np.array_equal(first.boxes, second.boxes)
        assert np.array_equal(first.regions.masks, second.regions.masks)


def test_without_variation_the_scan_is_shown_whole(recipe_of) -> None:
    sample = recipe_of(NOTHING).make(1, [0, 2, 3], 96, np.random.default_rng(0), strength=1.0)
    assert sample.size == (96, 96)
    assert sample.class_ids.tolist() == [1]
    assert sample.boxes[0, 2] - sample.boxes[0, 0] == pytest.approx(39, rel=0.15)  # but for the belt's speed


def test_strength_turns_the_curriculum_off(recipe_of) -> None:
    plain = NOTHING.model_copy(update={"mosaic": 1.0, "look": 1.0, "project": 1.0, "grey": 1.0})
    recipe = recipe_of(plain)
    weak = recipe.make(1, [0, 2, 3], 96, np.random.default_rng(0), strength=0.0)
    strong = recipe.make(1, [0, 2, 3], 96, np.random.default_rng(0), strength=1.0)
    assert len(weak.regions.boxes) == 1
    assert len(strong.regions.boxes) >= 4


def test_a_mosaic_keeps_the_mask_of_each_source(recipe_of) -> None:
    settings = NOTHING.model_copy(update={"mosaic": 1.0})
    sample = recipe_of(settings).make(0, [1, 2, 5], 96, np.random.default_rng(3), strength=1.0)
    assert sorted(sample.regions.masks.sum(axis=1).tolist()) == [0, 1, 1, 1]
    assert sample.picture.dtype == np.float32  # one of the four is a raw scan


def test_an_unlabelled_source_is_a_background_for_projected_items(recipe_of) -> None:
    recipe = recipe_of(NOTHING.model_copy(update={"project": 1.0}))
    for seed in range(20):
        sample = recipe.make(5, [0, 1, 2], 96, np.random.default_rng(seed), strength=1.0)
        labelled = sample.regions.masks.any(axis=1)
        assert labelled.sum() >= len(sample.boxes)  # a box that is cropped away leaves its region
        assert not sample.regions.masks[0].any()
        for box, class_id in zip(sample.boxes, sample.class_ids, strict=True):
            centre = ((box[:2] + box[2:]) / 2)[None]
            assert sample.regions.mask_at(centre)[0, class_id]
