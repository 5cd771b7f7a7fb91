import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_models.errors import DataSetError
from cargosight_models.operating_points import Sidecar
from cargosight_training.evaluation.matching import match
from cargosight_training.evaluation.operating_points import choose, deal_folds, fit
from tests.made.datasets import CLASSES, findings_of, image_record, random_pairs, scored_of

BOX = (10.0, 10.0, 50.0, 30.0)
STRAY = (100.0, 10.0, 140.0, 30.0)


def clean_bags(rng, count, *, source="clean", labelled=CLASSES, start=0, classes=CLASSES):
    """Bags without an item, in which each class was found with a score drawn evenly from 0 to 1."""
    return [
        (
            image_record(start + n, source=source, labelled=labelled),
            findings_of([(name, float(rng.random()), STRAY) for name in classes]),
        )
        for n in range(count)
    ]


def bags_with_items(rng, count, start=5000):
    """Bags with one bar, found with a score from 0.5 to 1."""
    return [
        (
            image_record(start + n, [("bar", BOX)], source="items"),
            findings_of([("bar", 0.5 + float(rng.random()) / 2, BOX)]),
        )
        for n in range(count)
    ]


def points_of(pairs, **settings_):
    return {point.name: point for point in choose(match(scored_of(*pairs)), data="made", **settings_)}


def test_the_wanted_share_of_clean_scans_alarms_for_any_class():
    rng = np.random.default_rng(0)
    points = points_of(clean_bags(rng, 2000))
    for wanted in (0.01, 0.05, 0.1):
        point = points[f"pfa={wanted:g}"]
        clean = point.measured["clean_scans"]
        assert clean["of"] == 2000
        assert clean["rate"] == pytest.approx(wanted, abs=0.02)
        # Three independent classes share the alarms, so each has about a third of them.
        assert point.measured["quantile"] == pytest.approx(1 - (1 - wanted) ** (1 / 3), rel=0.25)
        for name in CLASSES:
            assert point.thresholds[name] == pytest.approx(1 - wanted / 3, abs=0.02)
            assert point.measured["classes"][name]["pfa"]["rate"] == pytest.approx(wanted / 3, abs=0.02)


def test_a_lower_rate_has_higher_thresholds_and_finds_less():
    rng = np.random.default_rng(1)
    points = list(points_of(clean_bags(rng, 300) + bags_with_items(rng, 100)).values())
    for strict, loose in pairwise(points):
        assert all(strict.thresholds[name] >= loose.thresholds[name] for name in CLASSES)
        found = [point.measured["classes"]["bar"]["pd"]["rate"] for point in (strict, loose)]
        assert found[0] <= found[1]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), wanted=st.sampled_from([0.02, 0.1, 0.3]))
def test_on_the_scans_it_was_fitted_to_the_share_is_kept(seed, wanted):
    scored = scored_of(*random_pairs(seed, 60))
    fitted = fit(scored.scan_scores, scored.labelled, scored.present, wanted)
    alarms = ((scored.scan_scores >= fitted.values) & scored.labelled).any(axis=1)
    clean = scored.clean
    assert alarms[clean].sum() <= wanted * clean.sum()


def test_findings_of_unlabelled_classes_do_not_alarm():
    rng = np.random.default_rng(2)
    labelled = clean_bags(rng, 200, labelled=["bar"], classes=["bar"])
    noisy = [
        (record, findings_of([("bar", float(f.scores[0]), STRAY), ("disc", 1.0, STRAY)]))
        for record, f in labelled
    ]
    quiet, loud = points_of(labelled), points_of(noisy)
    for name in quiet:
        assert quiet[name].thresholds["bar"] == loud[name].thresholds["bar"]
        assert quiet[name].measured["clean_scans"] == loud[name].measured["clean_scans"]


def test_bags_with_an_item_are_not_clean_but_are_negatives_of_other_classes():
    rng = np.random.default_rng(3)
    with_disc = [
        (image_record(900 + n, [("disc", BOX)], source="items"), findings_of([("bar", 0.95, STRAY)]))
        for n in range(50)
    ]
    without, with_them = points_of(clean_bags(rng, 100)), points_of(clean_bags(rng, 100) + with_disc)
    assert with_them["pfa=0.1"].measured["clean_scans"]["of"] == 100
    assert with_them["pfa=0.1"].measured["classes"]["bar"]["pfa"]["of"] == 150
    # A third of the scans without a bar scores 0.95, so that no lower threshold keeps the quantile.
    assert without["pfa=0.1"].thresholds["bar"] < 0.999
    assert with_them["pfa=0.1"].thresholds["bar"] > 0.95


def test_scans_on_which_the_model_can_make_no_alarm_are_not_clean():
    rng = np.random.default_rng(8)
    own = clean_bags(rng, 100, labelled=["bar"], classes=["bar"])
    # Another source labels only what this model does not know.
    foreign = [
        (image_record(1000 + n, source="foreign", labelled=["ring"]), findings_of([], classes=["bar"]))
        for n in range(900)
    ]
    own = [(image, findings_of([("bar", float(rng.random()), STRAY)], classes=["bar"])) for image, _ in own]
    alone, diluted = points_of(own)["pfa=0.05"], points_of(own + foreign)["pfa=0.05"]
    assert diluted.thresholds == alone.thresholds
    assert diluted.measured["clean_scans"]["of"] == 100
    assert list(diluted.measured["clean_scans"]["by_source"]) == ["clean"]


@pytest.mark.parametrize("sources", [2, 3, 4, 7])
def test_clean_scans_never_share_one_fold(sources):
    rng = np.random.default_rng(9)
    pairs = [pair for n in range(sources) for pair in clean_bags(rng, 1, source=f"s{n}", start=n)]
    pairs += bags_with_items(rng, 10)
    for seed in range(20):
        folds = deal_folds(scored_of(*pairs), seed)[:sources]
        assert np.ptp(np.bincount(folds, minlength=min(sources, 5))) <= 1
    assert points_of(pairs)["pfa=0.05"].measured["folds"] == min(sources, 5)


def test_what_was_covered_is_told_by_source():
    rng = np.random.default_rng(4)
    pairs = clean_bags(rng, 60) + clean_bags(rng, 30, source="few", labelled=["bar"], start=1000)
    by_source = points_of(pairs)["pfa=0.05"].measured["clean_scans"]["by_source"]
    assert {
        name: (row["of"], row["classes_covered"], row["of_classes"]) for name, row in by_source.items()
    } == {
        "clean": (60, 3, 3),
        "few": (30, 1, 3),
    }


def test_too_few_scans_are_told():
    rng = np.random.default_rng(5)
    point = points_of(clean_bags(rng, 10))["pfa=0.01"]
    assert point.measured["clean_scans"]["too_few_for_wanted_rate"]
    assert "too few scans" in point.measured["classes"]["bar"]["note"]
    plenty = points_of(clean_bags(rng, 1000))["pfa=0.1"].measured
    assert not plenty["clean_scans"]["too_few_for_wanted_rate"]
    assert plenty["classes"]["bar"]["note"] is None


def test_a_class_without_negatives_takes_the_highest_threshold():
    rng = np.random.default_rng(6)
    point = points_of(clean_bags(rng, 100, labelled=["bar", "disc"]))["pfa=0.05"]
    assert point.thresholds["ring"] == max(point.thresholds["bar"], point.thresholds["disc"])
    assert "no scan without this class" in point.measured["classes"]["ring"]["note"]


def test_rates_are_measured_on_scans_that_did_not_fit_them():
    # Five clean scans, all scores different: fitted to all, none alarms; each fold alone may.
    rng = np.random.default_rng(7)
    rates = [points_of(clean_bags(rng, 5))["pfa=0.01"].measured["clean_scans"]["count"] for _ in range(20)]
    assert sum(rates) > 10


def test_without_clean_scans_there_is_no_point():
    rng = np.random.default_rng(8)
    for pairs in (bags_with_items(rng, 20), bags_with_items(rng, 20) + clean_bags(rng, 1)):
        with pytest.raises(DataSetError, match="a clean scan is one without a box"):
            points_of(pairs)


def test_points_survive_the_sidecar(tmp_path):
    rng = np.random.default_rng(9)
    points = tuple(points_of(clean_bags(rng, 50) + bags_with_items(rng, 20)).values())
    sidecar = Sidecar("0" * 64, points, "pfa=0.05")
    sidecar.write(tmp_path / "x.points.json")
    again = Sidecar.read(tmp_path / "x.points.json").point("pfa=0.05")
    assert again.thresholds == points[1].thresholds
    assert json.dumps(again.measured, sort_keys=True) == json.dumps(points[1].measured, sort_keys=True)
    # A threshold must mean the same as a float32, which is what scores are compared in.
    assert all(float(np.float32(value)) == value for value in again.thresholds.values())


def test_the_same_seed_gives_the_same_points():
    pairs = random_pairs(10, 80)
    one, same, other = (points_of(pairs, seed=seed) for seed in (0, 0, 1))
    assert one == same
    assert one["pfa=0.1"].thresholds == other["pfa=0.1"].thresholds  # folds serve only the measuring
