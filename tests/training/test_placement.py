import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_training.augmentation.placement import mosaic, place
from cargosight_training.augmentation.sample import Sample, whole
from cargosight_training.config import AugmentConfig
from tests.made.runs import extent, with_rectangle

BOX = (20, 16, 60, 40)
LABELLED = np.array([True])


def sample_of(width: int = 90, height: int = 64, *, value: float = 0.1, wide: bool = False) -> Sample:
    picture = with_rectangle(width, height, BOX, value=value, wide=wide)
    return whole(picture, np.array([BOX], dtype=np.float32), np.array([0]), LABELLED)


def assert_bounds(mask: np.ndarray, box: np.ndarray, slack: float, *, tight: bool) -> None:
    found = np.array(extent(mask))
    assert (found[:2] >= box[:2] - slack).all()
    assert (found[2:] <= box[2:] + slack).all()
    if tight:
        assert np.abs(found - box).max() <= slack


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    zoom=st.floats(0.5, 2.0),
    angle=st.sampled_from([0.0, 20.0]),
    size=st.sampled_from([(96, 96), (64, 128), (160, 64)]),
    wide=st.booleans(),
)
def test_the_box_bounds_its_item_wherever_it_goes(
    seed: int, zoom: float, angle: float, size: tuple[int, int], wide: bool
) -> None:
    settings_ = AugmentConfig(angle=angle)
    placed = place(sample_of(wide=wide), *size, np.random.default_rng(seed), settings_, zoom=zoom)
    assert placed.size == size
    if len(placed.boxes):
        dark = placed.picture[..., 0] < 0.55 * (1.0 if wide else 255)
        assert_bounds(dark, placed.boxes[0], 0.8, tight=angle == 0.0)


def test_nothing_is_turned_or_flipped_that_must_not_be() -> None:
    upright = AugmentConfig(flip=0.0, quarter_turn=0.0, angle=0.0)
    for seed in range(10):
        placed = place(sample_of(), 96, 96, np.random.default_rng(seed), upright, zoom=1.0)
        box = placed.boxes[0]
        centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        assert centre[0] < 48 + 2  # the item lies left of the middle, and stays there
        assert (box[2] - box[0]) > (box[3] - box[1])


def test_a_sample_that_fits_stays_inside() -> None:
    straight = AugmentConfig(angle=0.0)
    dark = whole(
        np.zeros((60, 90, 3), np.uint8), np.array([[0, 0, 90, 60]], np.float32), np.array([0]), LABELLED
    )
    for seed in range(60):  # a stretch of 12 % makes 0.85 at most 0.96 of the canvas
        placed = place(dark, 96, 96, np.random.default_rng(seed), straight, zoom=0.85)
        x1, y1, x2, y2 = placed.boxes[0].tolist()
        assert (x2 - x1) * (y2 - y1) == pytest.approx(0.85**2 * 96 * 64, rel=1e-3)  # none of it was cut off


def test_chance_comes_from_the_generator_alone() -> None:
    first, second = (
        place(sample_of(), 96, 96, np.random.default_rng(4), AugmentConfig(), zoom=1.1) for _ in range(2)
    )
    assert np.array_equal(first.picture, second.picture)
    assert np.array_equal(first.boxes, second.boxes)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), wide=st.sampled_from(["none", "all", "some"]))
def test_every_tile_of_a_mosaic_carries_its_own_box_and_mask(seed: int, wide: str) -> None:
    levels = [0.1, 0.3, 0.5, 0.7]
    waiting = []
    for index, level in enumerate(levels):
        is_wide = wide == "all" or (wide == "some" and index == 2)
        picture = with_rectangle(90, 64, BOX, value=level, wide=is_wide)
        labelled = np.arange(4) == index
        waiting.append(whole(picture, np.array([BOX], dtype=np.float32), np.array([index]), labelled))
    waiting.reverse()
    made = mosaic(waiting.pop, 128, np.random.default_rng(seed), AugmentConfig(angle=0.0))
    picture = made.picture[..., 0] if made.picture.dtype == np.float32 else made.picture[..., 0] / 255.0
    assert made.size == (128, 128)
    for box, class_id in zip(made.boxes, made.class_ids, strict=True):
        inside = np.abs(picture - levels[class_id]) < 0.08
        centre = (box[:2] + box[2:]) / 2
        assert inside[int(centre[1]), int(centre[0])]
        # Edges blur through the levels of other items, so that only the tile of the item is looked at.
        region = made.regions.boxes[np.flatnonzero(made.regions.masks[:, class_id])[0]].astype(int)
        tile = np.zeros_like(inside)
        tile[region[1] : region[3], region[0] : region[2]] = True
        assert_bounds((picture < (1 + levels[class_id]) / 2) & tile, box, 2.5, tight=True)
    # Each location is labelled for at most the one class of its tile.
    ys, xs = np.mgrid[0.5:128, 0.5:128]
    mask = made.regions.mask_at(np.stack([xs.ravel(), ys.ravel()], axis=1))
    assert mask.sum(axis=1).max() == 1
    assert mask.any(axis=0).all()


@settings(max_examples=20, deadline=None)
@given(width=st.integers(1, 60), height=st.integers(1, 60), seed=st.integers(0, 1000))
def test_pictures_of_any_size_are_placed(width: int, height: int, seed: int) -> None:
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    empty = whole(picture, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), LABELLED)
    placed = place(empty, 64, 64, np.random.default_rng(seed), AugmentConfig(), zoom=1.0)
    assert placed.size == (64, 64)
    assert placed.boxes.shape == (0, 4)
