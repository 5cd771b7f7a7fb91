import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_models.geometry import Affine
from cargosight_models.labels import LabelledRegions
from cargosight_training.augmentation.sample import Sample, paste, warp, whole
from tests.made.runs import extent, with_rectangle

LABELLED = np.array([True, False, True])


def one(
    width: int, height: int, box: tuple[int, int, int, int], *, wide: bool = False, class_id: int = 0
) -> Sample:
    picture = with_rectangle(width, height, box, wide=wide)
    return whole(picture, np.array([box], dtype=np.float32), np.array([class_id]), LABELLED)


def test_the_whole_picture_has_its_sources_mask() -> None:
    sample = one(40, 30, (5, 6, 20, 18))
    assert sample.size == (40, 30)
    points = np.array([[0.5, 0.5], [39.5, 29.5], [40.5, 3.0]])
    assert sample.regions.mask_at(points).tolist() == [LABELLED.tolist(), LABELLED.tolist(), [False] * 3]


@pytest.mark.parametrize("wide", [False, True])
def test_the_identity_changes_nothing(wide: bool) -> None:
    sample = one(40, 30, (5, 6, 20, 18), wide=wide)
    same = warp(sample, Affine.identity(), 40, 30)
    assert np.array_equal(same.picture, sample.picture)
    assert same.picture.dtype == sample.picture.dtype
    assert np.array_equal(same.boxes, sample.boxes)


@settings(max_examples=40, deadline=None)
@given(
    scale=st.tuples(st.floats(0.2, 2.5), st.floats(0.2, 2.5)),
    shift=st.tuples(st.floats(-30.0, 30.0), st.floats(-30.0, 30.0)),
    degrees=st.sampled_from([0.0, 90.0, 180.0, 270.0, 7.0, -23.0]),
    wide=st.booleans(),
)
def test_a_box_moves_with_its_item(
    scale: tuple[float, float], shift: tuple[float, float], degrees: float, wide: bool
) -> None:
    sample = one(96, 80, (24, 30, 64, 54), wide=wide)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    to_canvas = (
        Affine.translation(-48.0, -40.0)
        .then(Affine(np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])))
        .then(Affine.scaling(*scale))
        .then(Affine.translation(60 + shift[0], 50 + shift[1]))
    )
    moved = warp(sample, to_canvas, 120, 100)
    assert moved.picture.shape == (100, 120, 3)
    dark = moved.picture[..., 0] < 0.55 * (1.0 if wide else 255)
    if not len(moved.boxes):
        return  # too little of it is left
    found, box = np.array(extent(dark)), moved.boxes[0]
    tolerance = 0.8  # half a pixel of the canvas, and the corner that interpolation rounds
    assert (found[:2] >= box[:2] - tolerance).all()  # the box bounds the item
    assert (found[2:] <= box[2:] + tolerance).all()
    if degrees % 90 == 0:  # and no more than it
        assert np.abs(found - box).max() <= tolerance


def test_uint8_and_float_pictures_are_warped_alike() -> None:
    to_canvas = Affine.scaling(0.4, 0.45).then(Affine.translation(3.3, -2.2))
    narrow, wide = (warp(one(90, 70, (20, 20, 60, 50), wide=w), to_canvas, 40, 30) for w in (False, True))
    assert np.abs(narrow.picture / 255.0 - wide.picture).max() < 0.01
    assert np.array_equal(narrow.boxes, wide.boxes)


def test_shrinking_averages_fine_texture() -> None:
    picture = np.full((96, 96, 3), 255, dtype=np.uint8)
    picture[::2] = 0  # stripes of one row, which bilinear sampling alone would show as moiré
    sample = whole(picture, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), LABELLED)
    shrunk = warp(sample, Affine.scaling(0.4, 0.4), 38, 38).picture
    assert np.abs(shrunk[1:-1, 1:-1].astype(float) - 127.5).max() < 2


def test_what_is_not_covered_is_air() -> None:
    sample = one(40, 30, (0, 0, 40, 30))
    moved = warp(sample, Affine.translation(20.0, 0.0), 60, 30)
    assert (moved.picture[:, :19] == 255).all()
    assert (moved.picture[:, 21:] < 60).all()


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ((10, 10, 30, 20), True),
        ((32, 10, 52, 20), True),
        ((36, 10, 56, 20), False),
        ((10, 10, 13, 30), False),
    ],
)
def test_boxes_of_which_little_is_left_are_dropped(box: tuple[int, int, int, int], kept: bool) -> None:
    moved = warp(one(60, 40, box), Affine.identity(), 40, 40)  # of 40 px and of 20 % is left beyond x = 40
    assert len(moved.boxes) == len(moved.class_ids) == int(kept)


def test_regions_are_cut_to_the_canvas() -> None:
    moved = warp(
        one(40, 30, (5, 5, 20, 20)), Affine.scaling(2.0, 2.0).then(Affine.translation(-10, 4)), 50, 50
    )
    assert moved.regions.boxes.tolist() == [[0.0, 4.0, 50.0, 50.0]]


def test_tiles_keep_their_own_masks_and_boxes() -> None:
    left = one(30, 40, (4, 4, 20, 20))
    right = Sample(
        with_rectangle(20, 40, (2, 10, 12, 30)),
        np.array([[2, 10, 12, 30]], dtype=np.float32),
        np.array([1]),
        LabelledRegions(np.array([[0, 0, 20, 40]], dtype=np.float32), np.array([[False, True, False]])),
    )
    both = paste([(left, 0, 0), (right, 30, 0)], 50, 40)
    assert both.boxes.tolist() == [[4, 4, 20, 20], [32, 10, 42, 30]]
    assert both.class_ids.tolist() == [0, 1]
    seam = np.array([[29.5, 3.0], [30.5, 3.0]])
    assert both.regions.mask_at(seam).tolist() == [[True, False, True], [False, True, False]]
    assert np.array_equal(both.picture[:, 30:], right.picture)


def test_tiles_of_both_types_become_float() -> None:
    both = paste([(one(20, 20, (2, 2, 9, 9)), 0, 0), (one(20, 20, (2, 2, 9, 9), wide=True), 20, 0)], 40, 20)
    assert both.picture.dtype == np.float32
    assert np.abs(both.picture[:, :20] - both.picture[:, 20:]).max() < 0.003


def test_what_is_left_of_an_item_that_is_cut_off_is_neither_item_nor_background() -> None:
    sample = one(40, 30, (5, 6, 20, 18))
    cut = warp(sample, Affine.translation(-16.0, 0.0), 40, 30)  # 4 of 15 columns are left
    assert len(cut.boxes) == 0
    inside, beside = np.array([[2.0, 10.0]]), np.array([[6.0, 10.0]])
    assert not cut.regions.mask_at(inside).any()
    assert cut.regions.mask_at(beside)[0].tolist() == LABELLED.tolist()
    moved = warp(cut, Affine.translation(10.0, 5.0), 60, 40)
    assert not moved.regions.mask_at(np.array([[12.0, 15.0]])).any()
    pasted = paste([(sample, 0, 0), (cut, 40, 0)], 80, 30)
    assert not pasted.regions.mask_at(np.array([[42.0, 10.0]])).any()
    assert pasted.regions.mask_at(inside)[0].tolist() == LABELLED.tolist()


def test_an_item_too_small_to_be_boxed_is_unknown() -> None:
    small = warp(one(40, 30, (8, 8, 16, 16)), Affine.scaling(0.25, 0.25), 40, 30)
    assert len(small.boxes) == 0
    assert not small.regions.mask_at(np.array([[3.0, 3.0]])).any()
    assert small.regions.mask_at(np.array([[6.0, 3.0]])).any()
