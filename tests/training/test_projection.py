import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_training.augmentation.projection import (
    Cutout,
    ItemProjection,
    attenuation,
    find_cutouts,
    project,
)
from cargosight_training.augmentation.sample import Sample, whole
from tests.made.runs import extent, with_rectangle

LABELLED = np.array([False, False, True])
NO_BOXES = np.zeros((0, 4), dtype=np.float32)


def bag(width: int = 90, height: int = 80, *, wide: bool = False, level: float = 0.6) -> Sample:
    picture = np.full((height, width, 3), level, dtype=np.float32)
    picture = picture if wide else np.rint(picture * 255).astype(np.uint8)
    return whole(picture, NO_BOXES, np.zeros(0, np.int64), LABELLED)


def projection_of(
    picture: np.ndarray, box: tuple[float, float, float, float], class_id: int = 0
) -> ItemProjection:
    return ItemProjection(
        [Cutout(0, box, class_id)],
        lambda _: picture,
        [np.array([box], dtype=np.float32)],
        lambda _: np.array([0]),
        classes=3,
    )


@pytest.mark.parametrize("wide", [False, True])
def test_a_null_projection_changes_nothing(wide: bool) -> None:
    rng = np.random.default_rng(0)
    picture = rng.random((40, 50, 3), dtype=np.float32)
    picture = picture if wide else np.rint(picture * 255).astype(np.uint8)
    same = project(picture, np.ones((20, 30, 3), dtype=np.float32), 7, 5)
    assert np.array_equal(same, picture)
    assert same is not picture


@pytest.mark.parametrize("wide", [False, True])
def test_an_item_of_no_density_leaves_no_trace(wide: bool) -> None:
    air = np.full((60, 60, 3), 255, dtype=np.uint8)  # the annotated item absorbs nothing
    sample = bag(wide=wide)
    projected = projection_of(air, (10, 10, 40, 40)).add_item(sample, np.random.default_rng(1))
    assert len(projected.boxes) == 1
    assert np.array_equal(projected.picture, sample.picture)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    corner=st.tuples(st.integers(0, 60), st.integers(0, 50)),
    size=st.tuples(st.integers(14, 40), st.integers(14, 50)),
    wide=st.booleans(),
)
def test_the_box_bounds_the_projected_item(
    seed: int, corner: tuple[int, int], size: tuple[int, int], wide: bool
) -> None:
    """Also where the item lies at the edge of its own picture, so that there is no margin to cut out."""
    box = (*corner, corner[0] + size[0], corner[1] + size[1])
    source = with_rectangle(100, 100, box, value=0.2)
    sample = bag(120, 110, wide=wide)
    projected = projection_of(source, box).add_item(sample, np.random.default_rng(seed))
    if not len(projected.boxes):
        return  # no room, or no frame around the item to tell it from
    level = projected.picture[..., 0] / (1.0 if wide else 255.0)
    found, placed = np.array(extent(level < 0.35)), projected.boxes[0]
    assert (found[:2] >= placed[:2] - 1.5).all()
    assert (found[2:] <= placed[2:] + 1.5).all()
    # An item fades at most over the margin where its picture ends.
    margin = 0.08 * np.array([placed[2] - placed[0], placed[3] - placed[1]]) + 3.5
    assert (found[:2] <= placed[:2] + margin).all()
    assert (found[2:] >= placed[2:] - margin).all()


def test_an_item_makes_its_class_labelled_within_its_box_alone() -> None:
    sample = bag()
    projected = projection_of(
        with_rectangle(60, 60, (20, 20, 40, 40)), (20, 20, 40, 40), class_id=1
    ).add_item(sample, np.random.default_rng(2))
    assert projected.class_ids.tolist() == [1]
    box = projected.boxes[0]
    centre = (box[:2] + box[2:]) / 2
    assert projected.regions.mask_at(centre[None]).tolist() == [[False, True, True]]
    outside = np.array([[box[0] - 1, centre[1]], [centre[0], box[3] + 1]])
    assert projected.regions.mask_at(outside).tolist() == [LABELLED.tolist()] * 2


def test_a_decoy_adds_no_label() -> None:
    rng = np.random.default_rng(0)
    source = np.full((80, 90, 3), 220, dtype=np.uint8)
    source[30:50, 40:60] = 90  # an unlabelled thing
    no_items = ItemProjection([], lambda _: source, [NO_BOXES], lambda _: np.array([0]), classes=3)
    sample = bag()
    changed = 0
    for _ in range(20):
        decoyed = no_items.add_decoy(sample, 0, rng)
        assert decoyed.boxes is sample.boxes
        assert decoyed.class_ids is sample.class_ids
        assert decoyed.regions is sample.regions
        changed += not np.array_equal(decoyed.picture, sample.picture)
    assert changed > 3
    assert no_items.add_item(sample, rng) is sample


def test_a_decoy_holds_no_part_of_an_item() -> None:
    box = (30.0, 26.0, 60.0, 54.0)
    source = with_rectangle(90, 80, (30, 26, 60, 54), value=0.1)  # nothing but the item absorbs
    projection = projection_of(source, box)
    sample, rng = bag(), np.random.default_rng(0)
    for _ in range(200):
        assert np.array_equal(projection.add_decoy(sample, 0, rng).picture, sample.picture)


@settings(max_examples=25, deadline=None)
@given(width=st.integers(1, 40), height=st.integers(1, 40), seed=st.integers(0, 1000))
def test_pictures_of_any_size_are_projected_into(width: int, height: int, seed: int) -> None:
    projection = projection_of(with_rectangle(60, 60, (20, 20, 40, 40)), (20, 20, 40, 40))
    rng, sample = np.random.default_rng(seed), bag(width, height)
    assert projection.add_item(sample, rng).size == (width, height)
    assert projection.add_decoy(sample, 0, rng).size == (width, height)


@settings(max_examples=30, deadline=None)
@given(
    quarters=st.integers(0, 3),
    mirrored=st.booleans(),
    size=st.tuples(st.integers(12, 60), st.integers(12, 60)),
)
def test_an_imprint_turns_with_its_box(quarters: int, mirrored: bool, size: tuple[int, int]) -> None:
    box = (10, 14, 34, 52)
    imprint = attenuation(with_rectangle(70, 60, box, value=0.1), box)
    assert imprint is not None
    turned = imprint.turned(quarters, mirrored=mirrored).resized(*size)
    assert turned.factor.shape == (size[1], size[0], 3)
    stretch = max(size[0], size[1]) / 24
    assert np.abs(np.array(extent(turned.factor[..., 0] < 0.55)) - turned.box).max() <= 1.0 + 1.5 * stretch


def test_factors_lie_between_nothing_and_all_and_fade_at_the_edges() -> None:
    """Also where a dark thing crosses the edge of what is cut out."""
    source = with_rectangle(90, 80, (20, 20, 60, 60), value=0.0)
    source[:, 38:42] = source[38:42, :] = 40
    imprint = attenuation(source, (20, 20, 60, 60))
    assert imprint is not None
    assert imprint.factor.min() > 0.0
    assert imprint.factor.max() <= 1.0
    for edge in (imprint.factor[0], imprint.factor[-1], imprint.factor[:, 0], imprint.factor[:, -1]):
        assert (edge == 1.0).all()


def test_an_item_in_the_dark_is_not_cut_out() -> None:
    assert attenuation(np.full((60, 60, 3), 40, dtype=np.uint8), (20, 20, 40, 40)) is None
    assert attenuation(np.full((60, 60, 3), 250, dtype=np.uint8), (20, 20, 23, 23)) is None


def test_only_items_that_stand_alone_are_cut_out() -> None:
    boxes = np.array([[0, 0, 20, 20], [10, 10, 30, 30], [50, 50, 80, 80], [60, 5, 66, 30]], dtype=np.float32)
    found = find_cutouts([boxes, NO_BOXES], [np.array([0, 1, 2, 0]), np.zeros(0, np.int64)])
    assert found == [Cutout(0, (50.0, 50.0, 80.0, 80.0), 2)]


def test_an_item_with_another_inside_or_in_its_margin_is_not_cut_out() -> None:
    ids = np.array([0, 1])
    inside = np.array([[0, 0, 200, 200], [50, 50, 75, 75]], dtype=np.float32)
    assert find_cutouts([inside], [ids]) == []
    beside = np.array([[0, 0, 100, 100], [105, 20, 205, 120]], dtype=np.float32)
    assert find_cutouts([beside], [ids]) == []
    apart = np.array([[0, 0, 100, 100], [112, 20, 212, 120]], dtype=np.float32)
    assert [item.class_id for item in find_cutouts([apart], [ids])] == [0, 1]


def test_no_item_is_projected_over_an_annotated_one() -> None:
    own = np.array([[60.0, 50.0, 80.0, 70.0]], dtype=np.float32)
    sample = bag(200, 150)
    sample.picture[50:70, 60:80] = 100
    boxed = whole(sample.picture, own, np.array([2]), LABELLED)
    projection = projection_of(with_rectangle(160, 160, (20, 20, 140, 140), value=0.02), (20, 20, 140, 140))
    placed = 0
    for seed in range(60):
        after = projection.add_item(boxed, np.random.default_rng(seed))
        placed += len(after.boxes) - 1
        assert (after.picture[50:70, 60:80] >= 99).mean() >= 0.7
    assert placed > 10


def test_what_is_projected_into_a_grey_scan_is_grey() -> None:
    source = with_rectangle(60, 60, (20, 20, 40, 40))
    source[20:40, 20:40] = (220, 120, 30)
    projection = projection_of(source, (20, 20, 40, 40))
    grey = projection.add_item(bag(), np.random.default_rng(0)).picture.astype(int)
    assert grey.min() < 120  # it is there
    assert np.ptp(grey, axis=2).max() <= 1
    coloured = bag()
    coloured.picture[..., 0] = 200
    assert (
        np.ptp(projection.add_item(coloured, np.random.default_rng(0)).picture.astype(int), axis=2).max() > 60
    )


def test_nothing_is_projected_onto_the_empty_belt() -> None:
    sample = bag(level=1.0)
    projection = projection_of(with_rectangle(60, 60, (20, 20, 40, 40)), (20, 20, 40, 40))
    assert projection.add_item(sample, np.random.default_rng(0)) is sample
