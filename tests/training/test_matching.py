import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_models.errors import DataSetError
from cargosight_training.evaluation.matching import IOU_THRESHOLDS, match, pairwise_iou
from tests.made.datasets import findings_of, image_record, random_pairs, scored_of

BOX = (10.0, 10.0, 50.0, 30.0)


def one(truths, found, **record):
    return match(scored_of((image_record(1, truths, **record), findings_of(found))))


def test_a_second_finding_on_the_same_box_is_no_hit():
    matched = one([("bar", BOX)], [("bar", 0.9, BOX), ("bar", 0.8, BOX)])
    assert matched.hit[:, 0].tolist() == [True, False]
    assert matched.counted.all()


def test_each_finding_takes_the_box_it_overlaps_most():
    near, far = (10.0, 10.0, 50.0, 30.0), (14.0, 10.0, 54.0, 30.0)
    matched = one([("bar", far), ("bar", near)], [("bar", 0.9, near), ("bar", 0.8, far)])
    assert matched.hit.all()  # also at IoU 0.95, which a swapped assignment would miss


def test_another_class_is_no_hit():
    matched = one([("bar", BOX)], [("disc", 0.9, BOX)])
    assert not matched.hit.any()
    assert matched.score_by_iou.tolist() == [0.0]


def test_the_threshold_itself_is_reached():
    half = (10.0, 10.0, 30.0, 30.0)  # IoU with BOX exactly 0.5
    matched = one([("bar", BOX)], [("bar", 0.7, half)])
    assert matched.hit[0].tolist() == [True] + [False] * 9
    assert matched.score_by_iou.tolist() == [pytest.approx(0.7)]


def test_a_finding_of_an_unlabelled_class_is_not_counted():
    matched = one([("bar", BOX)], [("ring", 0.9, BOX), ("bar", 0.8, BOX)], labelled=["bar"])
    assert matched.counted.tolist() == [False, True]


def test_the_best_hundred_of_a_class_count():
    stray = [("bar", 0.5 + i / 1000, (100.0, 10.0, 120.0, 30.0)) for i in range(100)]
    others = [("disc", 0.95, BOX)] * 30
    matched = one([("bar", BOX)], [("bar", 0.3, BOX), *stray, *others])
    assert int(matched.counted.sum()) == 130
    assert not matched.counted[-1]  # the true finding is the 101st of its class
    assert not matched.hit[-1].any()


def test_the_centre_may_be_inside_where_the_overlap_is_small():
    small = (28.0, 18.0, 32.0, 22.0)
    matched = one([("bar", BOX)], [("bar", 0.6, small)])
    assert matched.score_by_iou.tolist() == [0.0]
    assert matched.score_by_centre.tolist() == [pytest.approx(0.6)]


def test_the_best_score_on_a_box_counts_whatever_the_order():
    matched = one([("bar", BOX)], [("bar", 0.4, BOX), ("bar", 0.9, (10.0, 10.0, 48.0, 30.0))])
    assert matched.score_by_iou.tolist() == [pytest.approx(0.9)]


def test_images_without_boxes_or_findings_are_fine():
    matched = match(scored_of((image_record(1), findings_of()), (image_record(2), findings_of())))
    assert matched.hit.shape == (0, len(IOU_THRESHOLDS))
    assert matched.scored.clean.all()


def test_origins_are_not_mixed():
    pairs = [(image_record(n, origin=o), findings_of()) for n, o in enumerate(["real", "simulated"])]
    with pytest.raises(DataSetError, match="real and simulated scans were to share one figure"):
        scored_of(*pairs)
    with pytest.raises(DataSetError, match="no images to score"):
        scored_of()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_never_more_hits_than_boxes(seed):
    matched = match(scored_of(*random_pairs(seed, 10)))
    findings, truths = matched.scored.findings, matched.scored.truths
    for image in range(10):
        for class_id in range(3):
            hits = matched.hit[(findings.image == image) & (findings.class_id == class_id)].sum(axis=0)
            boxes = ((truths.image == image) & (truths.class_id == class_id)).sum()
            assert (hits <= boxes).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=8, max_size=8))
def test_overlap_is_symmetric_and_one_only_for_equal_boxes(edges):
    a, b = (np.array([[x, y, x + w + 1, y + h + 1]], np.float32) for x, y, w, h in (edges[:4], edges[4:]))
    there, back = pairwise_iou(a, b)[0, 0], pairwise_iou(b, a)[0, 0]
    assert there == back
    assert 0.0 <= there <= 1.0
    assert (there == 1.0) == np.array_equal(a, b)
