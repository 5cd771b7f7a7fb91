import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cargosight_training.augmentation.look import LookVariation, curve
from cargosight_training.config import AugmentConfig
from tests.made.scans import colour

NO_BOXES = np.zeros((0, 4), dtype=np.float32)
OPERATIONS = ("look", "grey", "background", "border", "quality")


def variation(**probabilities: float) -> LookVariation:
    return LookVariation(AugmentConfig(**(dict.fromkeys(OPERATIONS, 0.0) | probabilities)))


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return colour(60, 80, seed=3)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), operation=st.sampled_from((*OPERATIONS, "all")), wide=st.booleans())
def test_shape_type_and_range_stay(seed: int, operation: str, wide: bool) -> None:
    before = colour(40, 50, seed=seed % 5)
    before = before.astype(np.float32) / np.float32(255.0) if wide else before
    kept = before.copy()
    look = variation(**(dict.fromkeys(OPERATIONS, 1.0) if operation == "all" else {operation: 1.0}))
    after = look.vary(before, np.random.default_rng(seed), NO_BOXES)
    assert (after.shape, after.dtype) == (before.shape, before.dtype)
    assert np.array_equal(before, kept)  # the picture given is left as it was
    if wide:
        assert after.min() >= 0.0
        assert after.max() <= 1.0


@example(seed=156, operation="look")  # a mix of a small sum
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), operation=st.sampled_from(("look", "grey")))
def test_air_stays_air(seed: int, operation: str) -> None:
    air = np.full((8, 8, 3), 255, dtype=np.uint8)
    after = variation(**{operation: 1.0}).vary(air, np.random.default_rng(seed), NO_BOXES)
    assert after.min() >= 250


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), operation=st.sampled_from(("look", "grey", "background", "border")))
def test_uint8_and_float_pictures_change_alike(seed: int, operation: str) -> None:
    narrow = colour(40, 50, seed=1)
    wide = narrow.astype(np.float32) / np.float32(255.0)
    look = variation(**{operation: 1.0})
    a = look.vary(narrow, np.random.default_rng(seed), NO_BOXES).astype(np.float32) / 255.0
    b = look.vary(wide, np.random.default_rng(seed), NO_BOXES)
    # Rounding to 8 bits between the operations is stretched by steep tone curves.
    assert np.quantile(np.abs(a - b), 0.95) < 0.03


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    corner=st.tuples(st.integers(0, 190), st.integers(0, 20)),
    size=st.tuples(st.integers(1, 10), st.integers(1, 10)),
)
def test_borders_cover_no_item_and_little_of_a_narrow_scan(
    seed: int, corner: tuple[int, int], size: tuple[int, int]
) -> None:
    (x, y), (width, height) = corner, size
    box = np.array([[x, y, x + width, y + height]], dtype=np.float32)
    before = np.full((30, 200, 3), 128, dtype=np.uint8)
    after = variation(border=1.0).vary(before, np.random.default_rng(seed), box)
    assert (after[y : y + height, x : x + width] == 128).all()
    free = variation(border=1.0).vary(before, np.random.default_rng(seed), NO_BOXES)
    assert (free[3:-3, 14:-14] == 128).all()
    assert any(
        (variation(border=1.0).vary(before, np.random.default_rng(s), NO_BOXES) != 128).any()
        for s in range(9)
    )


def test_grey_is_grey(picture: np.ndarray) -> None:
    after = variation(grey=1.0).vary(picture, np.random.default_rng(0), NO_BOXES)
    assert (after.max(axis=2) - after.min(axis=2)).max() <= 1


def test_without_strength_nothing_changes(picture: np.ndarray) -> None:
    look = LookVariation(AugmentConfig(**dict.fromkeys(OPERATIONS, 1.0)), strength=0.0)
    assert np.array_equal(look.vary(picture, np.random.default_rng(0), NO_BOXES), picture)


def test_what_came_before_plays_no_part(picture: np.ndarray) -> None:
    look = variation(**dict.fromkeys(OPERATIONS, 1.0))
    forwards = [look.vary(picture, np.random.default_rng(seed), NO_BOXES) for seed in range(12)]
    anew = variation(**dict.fromkeys(OPERATIONS, 1.0))
    backwards = [anew.vary(picture, np.random.default_rng(seed), NO_BOXES) for seed in reversed(range(12))][
        ::-1
    ]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert any(not np.array_equal(forwards[0], other) for other in forwards[1:])


def test_faults_of_8_bit_files_are_left_out_for_16_bit_scans(picture: np.ndarray) -> None:
    wide = picture.astype(np.float32) / np.float32(255.0)
    assert np.array_equal(variation(quality=1.0).vary(wide, np.random.default_rng(0), NO_BOXES), wide)


@pytest.mark.parametrize("shape", [(1, 90, 3), (90, 1, 3), (3, 5, 3)])
def test_pictures_of_a_few_rows(shape: tuple[int, int, int]) -> None:
    look = variation(**dict.fromkeys(OPERATIONS, 1.0))
    for seed in range(8):
        assert (
            look.vary(np.full(shape, 200, dtype=np.uint8), np.random.default_rng(seed), NO_BOXES).shape
            == shape
        )


@pytest.mark.parametrize("wide", [False, True])
def test_curves_by_channel(wide: bool) -> None:
    x = np.linspace(0.0, 1.0, 256)
    table = np.stack([x, 1.0 - x, np.full(256, 0.5)], axis=1)
    pixel = np.array([[[51, 51, 51]]], dtype=np.uint8)
    pixel = pixel.astype(np.float32) / np.float32(255.0) if wide else pixel
    found = curve(pixel, table)[0, 0] / (1.0 if wide else 255.0)
    assert np.abs(found - [0.2, 0.8, 0.5]).max() < 0.003
