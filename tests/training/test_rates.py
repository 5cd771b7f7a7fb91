import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_models.intervals import wilson
from cargosight_training.evaluation.intervals import Rate, make_folds
from cargosight_training.evaluation.matching import match
from cargosight_training.evaluation.rates import (
    SCORE_FLOOR,
    DetectionRate,
    allowed_alarms,
    class_rates,
    fit_threshold,
)
from tests.made.datasets import findings_of, image_record, scored_of

BOX = (10.0, 10.0, 50.0, 30.0)


def rates_of(pairs, wanted=(0.1,), seed=0):
    scored = scored_of(*pairs)
    folds = make_folds([image.source for image in scored.images], seed=seed)
    return class_rates(match(scored), folds, wanted)


def bags(source, scores, *, with_item, start=0, labelled=None):
    """One bag for each score, all found as `bar`; with or without the item."""
    truths = [("bar", BOX)] if with_item else []
    return [
        (image_record(start + n, truths, source=source, labelled=labelled), findings_of([("bar", s, BOX)]))
        for n, s in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (1, 100, 0.0018, 0.0545)],
)
def test_wilson_intervals_have_their_known_values(count, of, low, high):
    assert wilson(count, of) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@given(st.integers(0, 500), st.integers(0, 500))
@settings(max_examples=50, deadline=None)
def test_a_wilson_interval_holds_the_rate(count, rest):
    low, high = wilson(count, count + rest)
    assert 0.0 <= low <= high <= 1.0
    if count + rest:
        assert low <= count / (count + rest) <= high


def test_a_rate_says_its_counts():
    assert Rate(1, 4).to_dict() == {"count": 1, "of": 4, "rate": 0.25, "wilson95": list(wilson(1, 4))}
    assert Rate(0, 0).to_dict() == {"count": 0, "of": 0, "rate": None, "wilson95": None}
    assert Rate(1, 4) + Rate(2, 2) == Rate(3, 6)
    with pytest.raises(ValueError, match="5 of 4 is no rate"):
        Rate(5, 4)
    with pytest.raises(ValueError, match="is no rate"):
        wilson(-1, 4)


@pytest.mark.parametrize(
    ("negatives", "wanted", "allowed"), [(99, 0.05, 4), (100, 0.05, 4), (19, 0.05, 0), (18, 0.05, -1)]
)
def test_how_many_negatives_may_alarm(negatives, wanted, allowed):
    assert allowed_alarms(negatives, wanted) == allowed


@given(
    st.lists(st.floats(0.0, 1.0, width=32), min_size=1, max_size=80),
    st.sampled_from([0.01, 0.05, 0.1, 0.3]),
)
@settings(max_examples=80, deadline=None)
def test_a_fitted_threshold_keeps_the_rate_on_its_own_negatives(scores, wanted):
    negatives = np.array(scores, dtype=np.float32)
    threshold = fit_threshold(negatives, wanted)
    assert SCORE_FLOOR * 0.999 <= threshold.value <= 1.0
    alarms = int((negatives >= threshold.value).sum())
    saturated = int((negatives == 1.0).sum())  # a score of 1 alarms at any threshold
    assert alarms <= max(allowed_alarms(len(negatives), wanted), 0) or alarms <= saturated
    assert threshold.too_few == (allowed_alarms(len(negatives), wanted) < 0)


def test_a_new_scan_alarms_at_most_at_the_wanted_rate():
    rng = np.random.default_rng(0)
    alarms = [
        float(rng.random()) >= fit_threshold(rng.random(40).astype(np.float32), 0.1).value
        for _ in range(4000)
    ]
    assert 0.08 < np.mean(alarms) < 0.11


def test_no_negatives_give_the_most_conservative_threshold():
    threshold = fit_threshold(np.zeros(0, np.float32), 0.1)
    assert (threshold.value, threshold.too_few) == (1.0, True)
    with pytest.raises(ValueError, match="false-alarm rate of 1"):
        fit_threshold(np.zeros(3, np.float32), 1.0)


def test_every_box_above_all_negatives_is_detected():
    pairs = bags("a", [0.9] * 20, with_item=True) + bags("a", [0.1] * 60, with_item=False, start=50)
    (rate,) = rates_of(pairs)[0].total
    assert rate.detected == Rate(20, 20)
    assert rate.detected_by_centre == Rate(20, 20)
    assert rate.false_alarms == Rate(0, 60)
    assert not rate.too_few_negatives


def test_telling_sources_apart_gains_nothing():
    # Scores follow the source alone: one source is all high, the other all low.
    high = bags("a", np.linspace(0.90, 0.99, 40).tolist(), with_item=True)
    high += bags("a", np.linspace(0.90, 0.99, 40).tolist(), with_item=False, start=100)
    low = bags("b", np.linspace(0.01, 0.1, 200).tolist(), with_item=False, start=200)
    figures = rates_of(high + low)[0]
    assert list(figures.by_source) == ["a"]  # b has no box, so it gives no rate
    assert figures.total[0].detected.value < 0.2
    assert figures.total[0].false_alarms.of == 40


def test_a_source_that_does_not_label_the_class_has_no_say():
    pairs = bags("a", [0.9] * 10, with_item=True) + bags("a", [0.1] * 40, with_item=False, start=50)
    unlabelled = bags("b", [0.99] * 100, with_item=False, start=200, labelled=["disc"])
    assert rates_of(pairs + unlabelled)[0].to_dict() == rates_of(pairs)[0].to_dict()


def test_totals_count_the_sources_together():
    pairs = []
    for place, source in enumerate("ab"):
        pairs += bags(source, [0.9] * 10, with_item=True, start=1000 * place)
        pairs += bags(source, [0.1] * 30, with_item=False, start=1000 * place + 100)
    figures = rates_of(pairs, (0.05, 0.1))[0]
    assert [rate.wanted_pfa for rate in figures.total] == [0.05, 0.1]
    assert figures.total[1].detected == Rate(20, 20)
    assert figures.total[1].false_alarms == Rate(0, 60)


def test_too_few_negatives_are_told():
    pairs = bags("a", [0.9] * 10, with_item=True) + bags("a", [0.1] * 10, with_item=False, start=50)
    (rate,) = rates_of(pairs, (0.01,))[0].total
    assert rate.too_few_negatives
    assert rate.detected == Rate(10, 10)


def test_a_source_without_negatives_is_named():
    figures = rates_of(bags("a", [0.9] * 10, with_item=True))[0]
    assert figures.total == ()
    assert figures.to_dict()["sources_without_negatives"] == ["a"]


def test_a_missed_box_is_not_detected_by_a_finding_elsewhere():
    elsewhere = findings_of([("bar", 0.9, (100.0, 10.0, 140.0, 30.0))])
    pairs = [(image_record(n, [("bar", BOX)]), elsewhere) for n in range(10)]
    pairs += bags("site", [0.1] * 40, with_item=False, start=50)
    (rate,) = rates_of(pairs)[0].total
    assert rate.detected == Rate(0, 10)


def test_rates_at_different_false_alarm_rates_do_not_add():
    nothing = Rate(0, 0)
    a, b = (DetectionRate(pfa, nothing, nothing, nothing, False) for pfa in (0.1, 0.2))
    with pytest.raises(ValueError, match="cannot be counted together"):
        a + b


def test_folds_are_even_within_groups_and_follow_the_seed():
    groups = ["a"] * 23 + ["b"] * 7
    folds = make_folds(groups, seed=1)
    assert np.array_equal(folds, make_folds(groups, seed=1))
    assert not np.array_equal(folds, make_folds(groups, seed=2))
    for rows in (folds[:23], folds[23:]):
        counts = np.bincount(rows, minlength=5)
        assert counts.max() - counts.min() <= 1
