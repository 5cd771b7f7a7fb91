import numpy as np
import pytest

from cargosight_training.evaluation.calibration import finding_reliability, reliability, scan_reliability
from cargosight_training.evaluation.intervals import Rate
from cargosight_training.evaluation.matching import match
from tests.made.datasets import findings_of, image_record, scored_of

BOX = (10.0, 10.0, 50.0, 30.0)
STRAY = (100.0, 10.0, 140.0, 30.0)


def test_scores_that_mean_what_they_say_have_no_error():
    rng = np.random.default_rng(0)
    scores = rng.random(40_000).astype(np.float32)
    assert reliability(scores, rng.random(40_000) < scores).error < 0.01


def test_a_hand_made_error():
    scores = np.array([0.95, 0.95, 0.15, 0.15], dtype=np.float32)
    figures = reliability(scores, np.array([True, False, False, False]))
    assert figures.error == pytest.approx(0.5 * 0.45 + 0.5 * 0.15)
    assert figures.bins[9].right == Rate(1, 2)
    assert figures.bins[9].mean_score == pytest.approx(0.95)
    assert figures.bins[5].mean_score is None


def test_the_ends_of_the_scale_have_a_bin():
    figures = reliability(np.array([0.0, 1.0], dtype=np.float32), np.array([False, True]))
    assert figures.bins[0].right == Rate(0, 1)
    assert figures.bins[-1].right == Rate(1, 1)
    assert figures.error == 0.0


def test_no_scores_have_no_error():
    assert reliability(np.zeros(0, np.float32), np.zeros(0, bool)).error is None


def test_findings_and_scans_are_judged_on_labelled_classes_only():
    matched = match(
        scored_of(
            (image_record(1, [("bar", BOX)]), findings_of([("bar", 0.85, BOX), ("bar", 0.75, STRAY)])),
            (image_record(2), findings_of([("bar", 0.65, STRAY), ("disc", 0.01, STRAY)])),
            (image_record(3, labelled=["disc"], source="b"), findings_of([("bar", 0.85, STRAY)])),
        )
    )
    findings, scans = finding_reliability(matched), scan_reliability(matched)
    assert [row.right for row in findings.bins[6:9]] == [Rate(0, 1), Rate(0, 1), Rate(1, 1)]
    assert [row.right for row in scans.bins[6:9]] == [Rate(0, 1), Rate(0, 0), Rate(1, 1)]
    assert findings.to_dict()["bins"][8]["right"]["count"] == 1
    assert findings.bins[0].right.of == 0  # a score of 0.01 is left out
