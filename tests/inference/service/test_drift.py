"""Drift of score and air: nothing before there is something to compare, then in deviations of the reference."""

import math
import threading
from collections.abc import Iterable

import numpy as np
import pytest

from cargosight_inference.service.drift import WINDOW, Drift, DriftWatch, Measure, air_level, best_score


def _feed(
    watch: DriftWatch, values: Iterable[float], measure: Measure = "score", lane: str = "lane-1"
) -> Drift | None:
    drift = None
    for value in values:
        drift = watch.add(lane, measure, float(value))
    return drift


def _normal(mean: float, deviation: float, amount: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, deviation, amount)


def test_nothing_is_said_until_both_windows_are_full():
    watch = DriftWatch()
    values = _normal(0.3, 0.1, 2 * WINDOW)
    assert _feed(watch, values[:-1]) is None
    assert watch.of("lane-1", "score") is None
    assert watch.of("lane-2", "score") is None
    assert _feed(watch, values[-1:]) is not None


def test_it_is_the_distance_of_the_means_in_deviations_of_the_reference():
    first, last = _normal(0.3, 0.1, WINDOW), _normal(0.5, 0.3, WINDOW, seed=1)
    drift = _feed(DriftWatch(), [*first, *last])
    assert drift is not None
    assert drift.reference == pytest.approx(first.mean())
    assert drift.recent == pytest.approx(last.mean())
    assert drift.deviations == pytest.approx((last.mean() - first.mean()) / first.std(ddof=1))


def test_scans_that_stay_alike_are_within_its_standard_error_of_a_tenth():
    found = [_feed(DriftWatch(), _normal(0.3, 0.1, 2 * WINDOW, seed)) for seed in range(60)]
    deviations = [drift.deviations for drift in found if drift is not None]
    assert np.std(deviations) == pytest.approx(0.1, abs=0.03)
    assert max(map(abs, deviations)) < 0.4


def test_the_last_scans_count_and_the_reference_stays():
    watch = DriftWatch()
    _feed(watch, _normal(0.3, 0.1, 2 * WINDOW))
    gone = _feed(watch, _normal(0.9, 0.1, WINDOW))
    back = _feed(watch, _normal(0.3, 0.1, WINDOW, seed=2))
    assert gone is not None
    assert back is not None
    assert gone.deviations > 5
    assert abs(back.deviations) < 0.4
    assert gone.reference == back.reference


def test_values_that_never_differ_do_not_divide_by_nothing():
    same = _feed(DriftWatch(), [1.0] * 2 * WINDOW)
    less = _feed(DriftWatch(), [1.0] * WINDOW + [0.98] * WINDOW)
    assert same is not None
    assert less is not None
    assert same.deviations == 0.0
    assert less.deviations == pytest.approx(-2.0)


def test_a_change_of_model_begins_anew_in_its_lane_alone():
    watch = DriftWatch()
    for lane in ("lane-1", "lane-2"):
        for measure in ("score", "air"):
            _feed(watch, _normal(0.3, 0.1, 2 * WINDOW), measure, lane)
    watch.restart("lane-1")
    assert watch.of("lane-1", "score") is watch.of("lane-1", "air") is None
    assert watch.of("lane-2", "score") is not None
    assert _feed(watch, [0.5] * (2 * WINDOW - 1)) is None


def test_a_restarted_service_gets_the_same_from_the_first_and_the_last_values():
    values = _normal(0.3, 0.1, 1000)
    assert _feed(DriftWatch(), values) == _feed(DriftWatch(), [*values[:WINDOW], *values[-WINDOW:]])


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_no_value_is_passed_over(value):
    watch = DriftWatch()
    before = _feed(watch, _normal(0.3, 0.1, 2 * WINDOW))
    assert watch.add("lane-1", "score", value) == before


def test_threads_share_it():
    watch = DriftWatch()
    threads = [threading.Thread(target=_feed, args=(watch, [0.5] * 100)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert watch.of("lane-1", "score") == Drift(0.5, 0.5, 0.0)


def test_the_best_score_of_an_inspection():
    rows = [{"label": "gun", "score": 0.9}, {"label": "knife", "score": 0.4}]
    assert best_score({"decision": "refer", "findings": rows}) == 0.9
    assert best_score({"decision": "clear", "findings": []}) == 0.0
    assert best_score({"decision": "unreadable", "findings": []}) is None


def test_a_tube_that_ages_shows_whether_the_air_level_was_given_or_found():
    display, found, given = air_level(0.97, None), air_level(1.0, 32767.5), air_level(0.5, 65535.0)
    assert display == 0.97
    assert found == given == pytest.approx(0.5)
