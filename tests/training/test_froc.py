import numpy as np
import pytest

from cargosight_training.evaluation.average_precision import rank
from cargosight_training.evaluation.froc import froc, mean_froc
from cargosight_training.evaluation.matching import match
from tests.made.datasets import findings_of, image_record, random_pairs, scored_of

BOX = (10.0, 10.0, 50.0, 30.0)
STRAY = (100.0, 10.0, 140.0, 30.0)


def curves(*pairs):
    return [froc(one) for one in rank(match(scored_of(*pairs)))]


def test_a_hand_made_curve():
    curve = curves(
        (image_record(1, [("bar", BOX)]), findings_of([("bar", 0.9, BOX), ("bar", 0.8, STRAY)])),
        (image_record(2, [("bar", BOX)]), findings_of([("bar", 0.7, BOX), ("bar", 0.6, BOX)])),
        (image_record(3), findings_of([("bar", 0.95, STRAY)])),
        (image_record(4), findings_of()),
    )[0]
    assert curve.false_per_scan.tolist() == [0.0, 0.25, 0.25, 0.5, 0.5, 0.75]
    assert curve.sensitivity.tolist() == [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]
    assert (curve.scans, curve.boxes) == (4, 2)
    assert [curve.at(x) for x in (0.0, 0.25, 0.49, 0.5, 9.0)] == [0.0, 0.5, 0.5, 1.0, 1.0]


def test_equal_scores_move_the_curve_at_once():
    curve = curves((image_record(1, [("bar", BOX)]), findings_of([("bar", 0.5, BOX), ("bar", 0.5, STRAY)])))[
        0
    ]
    assert curve.false_per_scan.tolist() == [0.0, 1.0]
    assert curve.at(0.5) == 0.0


def test_scans_that_do_not_label_the_class_are_not_counted():
    unlabelled = (image_record(2, labelled=["disc"], source="b"), findings_of([("bar", 0.99, STRAY)]))
    with_item = (image_record(1, [("bar", BOX)]), findings_of([("bar", 0.9, BOX)]))
    curve = curves(with_item, unlabelled)[0]
    assert curve.scans == 1
    assert curve.at(0.0) == 1.0


def test_no_curve_without_a_box():
    assert curves((image_record(1), findings_of([("bar", 0.9, STRAY)]))) == [None, None, None]
    with pytest.raises(ValueError, match="no curves"):
        mean_froc([])


def test_curves_rise_and_their_mean_lies_between():
    many = curves(*random_pairs(1, 40))
    for curve in many:
        assert (np.diff(curve.false_per_scan) >= 0).all()
        assert (np.diff(curve.sensitivity) >= 0).all()
        assert curve.sensitivity[-1] <= 1.0
    grid, mean = mean_froc(many)
    each = np.array([[curve.at(x) for x in grid] for curve in many])
    assert (each.min(axis=0) <= mean).all()
    assert (mean <= each.max(axis=0)).all()
