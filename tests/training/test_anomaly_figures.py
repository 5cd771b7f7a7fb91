import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cargosight_training.evaluation import anomaly_figures as module
from cargosight_training.evaluation.anomaly_figures import (
    FALSE_POSITIVE_LIMIT,
    anomaly_figures,
    scan_score,
    truth_cells,
)
from cargosight_training.evaluation.global_look import area_under_roc


def cells(*rows):
    return np.array(rows, dtype=np.float32)


def marks(*rows):
    return np.array(rows, dtype=np.bool_)


CLEAN = (cells([0.1, 0.2, 0.3, 0.0]), marks([0, 0, 0, 0]))


def figures_of(*scans, groups=None, samples=50):
    maps, truths = zip(*scans, strict=True)
    return anomaly_figures(maps, truths, groups or [str(n) for n in range(len(maps))], samples=samples)


# By hand.


def test_a_perfect_map_has_one():
    found = figures_of(CLEAN, (cells([0.1, 0.9, 0.8, 0.0]), marks([0, 1, 1, 0])))
    assert (found.image_auroc, found.aupro) == (1.0, 1.0)
    assert (found.clean, found.with_threat, found.groups, found.regions) == (1, 1, 2, 1)


def test_a_map_that_marks_everything_but_the_threat_has_zero():
    found = figures_of((cells([0.5, 0.6, 0.7, 0.8]), marks([0, 0, 0, 0])), (cells([0.4, 0.0]), marks([0, 1])))
    assert (found.image_auroc, found.aupro) == (0.0, 0.0)


def test_a_flat_map_is_chance():
    flat = np.full((4, 5), 0.5, dtype=np.float32)
    truth = np.zeros((4, 5), dtype=np.bool_)
    truth[1, 1] = True
    found = figures_of((flat, np.zeros_like(truth)), (flat, truth))
    assert found.image_auroc == 0.5
    assert found.aupro == pytest.approx(FALSE_POSITIVE_LIMIT / 2)


def test_an_area_by_hand():
    # Ten normal cells, two regions: one found before any false cell, half of the other after the first false one.
    clean = (cells([0.9, 0.1, 0.1, 0.1, 0.1, 0.1]), marks([0, 0, 0, 0, 0, 0]))
    threat = (cells([0.95, 0.1, 0.5, 0.01, 0.1, 0.1, 0.1]), marks([1, 0, 1, 1, 0, 0, 0]))
    found = figures_of(clean, threat)
    # PRO is 0.5 up to 10 % of false cells, rises to 0.75 there, and stays until all are marked at once.
    assert found.regions == 2
    assert found.aupro == pytest.approx((0.1 * 0.5 + 0.2 * 0.75) / 0.3)
    assert found.image_auroc == 1.0


def test_corners_that_touch_make_one_region_and_every_region_counts_alike():
    truth = marks([1, 0, 0, 0, 1], [0, 1, 0, 0, 0])
    found = figures_of(
        (np.zeros((2, 5), np.float32), np.zeros((2, 5), np.bool_)),
        (cells([0, 0, 0, 0, 1], [0, 0, 0, 0, 0]), truth),
    )
    assert found.regions == 2
    assert found.aupro == pytest.approx(0.5 + 0.5 * FALSE_POSITIVE_LIMIT / 2)


# Against brute force.


@st.composite
def scan_lists(draw):
    """Two to seven small scans of few different values, at least one clean and one with a threat."""
    scans = []
    for place in range(draw(st.integers(2, 7))):
        shape = (draw(st.integers(2, 5)), draw(st.integers(2, 6)))
        values = draw(arrays.arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])))
        truth = draw(arrays.arrays(np.bool_, shape))
        truth[0, 0] = place != 0
        truth[-1, -1] = False
        if place == 0 or (place > 1 and draw(st.booleans())):
            truth[:] = False
        scans.append((values, truth))
    return scans


def regions_of(truth):
    """Components by flood fill."""
    left = {tuple(place) for place in np.argwhere(truth)}
    while left:
        region, front = set(), [left.pop()]
        while front:
            r, c = front.pop()
            region.add((r, c))
            near = {(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
            left -= near
            front += near
        yield tuple(np.array(sorted(region)).T)


def brute_force_aupro(scans):
    """Every distinct value of any cell as a threshold, and the area by many thin strips."""
    values = sorted({float(v) for one, _ in scans for v in one.ravel()}, reverse=True)
    curve = [(0.0, 0.0)]
    for threshold in values:
        normal = [one[~truth] >= threshold for one, truth in scans]
        shares = [np.mean(one[r] >= threshold) for one, truth in scans for r in regions_of(truth)]
        curve.append((float(np.concatenate(normal).mean()), float(np.mean(shares))))
    x, y = np.array(curve).T
    strips = (np.arange(30_000) + 0.5) / 30_000 * FALSE_POSITIVE_LIMIT
    place = np.searchsorted(x, strips, side="right") - 1
    place = np.minimum(place, len(x) - 2)
    share = (strips - x[place]) / (x[place + 1] - x[place])
    return float((y[place] + share * (y[place + 1] - y[place])).mean())


@settings(max_examples=60, deadline=None)
@given(scan_lists())
def test_figures_equal_brute_force(scans):
    found = figures_of(*scans, samples=2)
    positive = np.array([truth.any() for _, truth in scans])
    wins = [
        1.0 if a.max() > b.max() else 0.5 if a.max() == b.max() else 0.0
        for a, with_threat in scans
        for b, other in scans
        if with_threat.any() and not other.any()
    ]
    assert found.image_auroc == pytest.approx(np.mean(wins))
    assert found.image_auroc == pytest.approx(
        area_under_roc(np.array([one.max() for one, _ in scans]), positive)
    )
    assert found.regions == sum(len(list(regions_of(truth))) for _, truth in scans)
    assert found.aupro == pytest.approx(brute_force_aupro(scans), abs=2e-4)


@settings(max_examples=30, deadline=None)
@given(scan_lists(), st.floats(0.1, 10.0))
def test_the_scale_of_the_maps_is_of_no_account(scans, gain):
    moved = [(np.exp(one * np.float32(gain)), truth) for one, truth in scans]
    before, after = figures_of(*scans, samples=2), figures_of(*moved, samples=2)
    assert after.aupro == pytest.approx(before.aupro)
    assert after.image_auroc == before.image_auroc


def test_many_cells_are_thinned_within_the_stated_bound(monkeypatch):
    rng = np.random.default_rng(3)
    scans = []
    for place in range(6):
        one = rng.normal(size=(40, 60)).astype(np.float32)
        truth = np.zeros((40, 60), dtype=np.bool_)
        if place % 2:
            truth[10:14, 20:30] = True
            one[truth] += 1.5
        scans.append((one, truth))
    thinned = figures_of(*scans, samples=2).aupro
    monkeypatch.setattr(module, "_STEPS", (100_000, 100_000))
    assert thinned == pytest.approx(figures_of(*scans, samples=2).aupro, abs=5e-4)


# Intervals.


def noisy_pairs(count, seed=0):
    rng = np.random.default_rng(seed)
    scans, groups = [], []
    for pair in range(count):
        clean = rng.uniform(0.0, 1.0, (6, 8)).astype(np.float32)
        truth = np.zeros((6, 8), dtype=np.bool_)
        truth[2:4, 2:5] = True
        threat = clean.copy()
        threat[truth] += np.float32(rng.uniform(0.0, 0.6))
        scans += [(clean, np.zeros_like(truth)), (threat, truth)]
        groups += [f"scan {pair}"] * 2
    return scans, groups


def test_intervals_hold_the_figure_and_narrow_with_more_scans():
    few, many = (figures_of(*noisy_pairs(n)[0], groups=noisy_pairs(n)[1], samples=400) for n in (8, 80))
    for found in (few, many):
        assert found.image_auroc_interval.low <= found.image_auroc <= found.image_auroc_interval.high
        assert found.aupro_interval.low <= found.aupro <= found.aupro_interval.high
    assert (
        many.aupro_interval.high - many.aupro_interval.low < few.aupro_interval.high - few.aupro_interval.low
    )


def test_a_bootstrap_sample_equals_the_figures_of_the_scans_it_draws(monkeypatch):
    scans, groups = noisy_pairs(5)
    drawn = np.array([[2.0, 0.0, 1.0, 1.0, 1.0]])
    monkeypatch.setattr(module, "draw_weights", lambda *_args, **_more: drawn)
    found = figures_of(*scans, groups=groups)
    rows = [row for pair, times in enumerate(drawn[0]) for row in [2 * pair, 2 * pair + 1] * int(times)]
    again = figures_of(*[scans[row] for row in rows], groups=["one"] * len(rows))
    assert found.image_auroc_interval.low == pytest.approx(again.image_auroc)
    assert found.aupro_interval.low == pytest.approx(again.aupro, abs=2e-3)


def test_one_group_has_no_interval_and_samples_without_a_threat_are_left_out():
    scans, _ = noisy_pairs(2)
    assert figures_of(*scans, groups=["one"] * 4).aupro_interval is None
    apart = figures_of(*scans, samples=300)  # many draws of four scans hold no threat or no clean scan
    assert apart.image_auroc_interval.samples < 300
    assert np.isfinite([apart.image_auroc_interval.low, apart.aupro_interval.low]).all()


def test_to_dict_is_json_ready():
    document = figures_of(CLEAN, (cells([0.0, 0.9]), marks([0, 1]))).to_dict()
    assert document["aupro_false_positive_limit"] == FALSE_POSITIVE_LIMIT
    assert document["image_auroc_bootstrap95"].keys() == {"low", "high", "samples"}
    assert (document["clean"], document["with_threat"], document["regions"]) == (1, 1, 1)


# What is refused.


@pytest.mark.parametrize(
    ("scans", "groups", "message"),
    [
        ([CLEAN, CLEAN], ["a", "b"], "0 of 2 scans have a threat"),
        ([(cells([0.5]), marks([1]))], ["a"], "1 of 1 scans have a threat"),
        ([CLEAN], ["a", "b"], "1 maps, 1 truths and 2 groups"),
        ([(cells([0.5, 0.1]), marks([1]))], ["a"], "expected float32 and bool"),
        ([(cells([0.5]).astype(np.float64), marks([1]))], ["a"], "float64"),
        ([CLEAN, (cells([np.nan, 0.1]), marks([0, 1]))], ["a", "b"], "not finite"),
    ],
)
def test_columns_that_do_not_fit_are_refused(scans, groups, message):
    with pytest.raises(ValueError, match=message):
        figures_of(*scans, groups=groups)


# Cells.


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_cells_of_a_mask(height, width, data):
    mask = data.draw(arrays.arrays(np.bool_, (height, width)))
    found = truth_cells(mask)
    assert found.shape == (-(-height // 8), -(-width // 8))
    assert found.any() == mask.any()
    for row, column in np.argwhere(found):
        assert mask[8 * row : 8 * row + 8, 8 * column : 8 * column + 8].any()


def test_cells_a_quarter_covered_belong_to_the_threat_and_thin_things_keep_their_fullest():
    mask = np.zeros((16, 24), dtype=np.bool_)
    mask[0:8, 0:2] = True  # a quarter of its cell
    mask[8:15, 8:10] = True  # less
    assert truth_cells(mask).tolist() == [[True, False, False], [False, False, False]]
    mask[0:8, 0:2] = False
    mask[0, 0] = True
    assert truth_cells(mask).tolist() == [[False, False, False], [False, True, False]]


def test_the_score_of_a_scan_is_its_greatest_cell():
    assert scan_score(cells([0.25, 0.75], [0.5, 0.0])) == 0.75


def test_figures_need_no_torch():
    code = "import sys; sys.modules['torch'] = None; import cargosight_training.evaluation.anomaly_figures"
    subprocess.run([sys.executable, "-c", code], check=True)
