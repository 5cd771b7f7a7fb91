import numpy as np
import pytest

from cargosight_models.errors import DataSetError
from cargosight_training.datasets.sampling import BalancedSampling
from tests.made.datasets import image_record

BAR = ("bar", (10.0, 10.0, 40.0, 20.0))
DISC = ("disc", (50.0, 50.0, 70.0, 70.0))


def records(bars: int, discs: int, empty: int):
    items = [[BAR]] * bars + [[DISC]] * discs + [[]] * empty
    return tuple(image_record(i, truths) for i, truths in enumerate(items))


def test_rare_classes_are_drawn_more_often() -> None:
    sampling = BalancedSampling(records(16, 4, 5), balance=0.5, empty_weight=0.5, seed=0)
    shares = sampling.shares
    assert shares.sum() == pytest.approx(1.0)
    assert shares[16] / shares[0] == pytest.approx(2.0)  # (16 / 4) ** 0.5
    assert shares[-1] / shares[0] == pytest.approx(0.5)


def test_without_balance_scans_with_boxes_are_alike() -> None:
    shares = BalancedSampling(records(16, 4, 0), balance=0.0, empty_weight=1.0, seed=0).shares
    assert np.allclose(shares, 1 / 20)


def test_full_balance_evens_the_classes_out() -> None:
    shares = BalancedSampling(records(16, 4, 0), balance=1.0, empty_weight=1.0, seed=0).shares
    assert shares[:16].sum() == pytest.approx(shares[16:].sum())


def test_weights_of_source_and_scanner_multiply() -> None:
    items = [("a", None), ("b", "1"), ("b", "2")]
    scans = tuple(image_record(i, [BAR], source=s, scanner=c) for i, (s, c) in enumerate(items))
    weights = {"a": 3.0, "b": 2.0, "b/2": 4.0, "c": 9.0}
    sampling = BalancedSampling(scans, balance=0.5, empty_weight=1.0, seed=0, group_weights=weights)
    assert sampling.shares == pytest.approx([3 / 13, 2 / 13, 8 / 13])


def test_a_scan_counts_by_its_rarest_class() -> None:
    both = (*records(16, 3, 0), image_record(99, [BAR, DISC]))
    shares = BalancedSampling(both, balance=1.0, empty_weight=1.0, seed=0).shares
    assert shares[-1] == pytest.approx(shares[16])


def test_draws_are_a_function_of_seed_and_step() -> None:
    def draw(seed: int, step: int) -> list[int]:
        sampling = BalancedSampling(records(16, 4, 5), balance=0.5, empty_weight=0.5, seed=seed)
        sampling.draw(3, 8)  # leaves nothing behind
        return sampling.draw(step, 8).tolist()

    assert draw(0, 7) == draw(0, 7)
    assert draw(0, 7) != draw(0, 8)
    assert draw(0, 7) != draw(1, 7)


def test_draws_follow_the_shares() -> None:
    sampling = BalancedSampling(records(8, 2, 4), balance=0.5, empty_weight=0.5, seed=1)
    counts = np.bincount(sampling.draw(0, 40_000), minlength=14) / 40_000
    assert np.abs(counts - sampling.shares).max() < 0.01


def test_draws_equal_those_of_numpy() -> None:
    sampling = BalancedSampling(records(8, 2, 4), balance=0.5, empty_weight=0.5, seed=1)
    expected = np.random.default_rng(5).choice(14, size=50, p=sampling.shares)
    assert sampling.choose(np.random.default_rng(5), 50).tolist() == expected.tolist()


def test_empty_scans_may_be_left_out_but_not_all_scans() -> None:
    sampling = BalancedSampling(records(3, 0, 50), balance=0.5, empty_weight=0.0, seed=0)
    assert set(sampling.draw(0, 500).tolist()) == {0, 1, 2}
    assert (
        BalancedSampling(records(0, 0, 4), balance=0.5, empty_weight=0.5, seed=0).shares.tolist()
        == [0.25] * 4
    )
    with pytest.raises(DataSetError, match="none of the 4 scans has a box"):
        BalancedSampling(records(0, 0, 4), balance=0.5, empty_weight=0.0, seed=0)
    with pytest.raises(DataSetError, match="no scans"):
        BalancedSampling((), balance=0.5, empty_weight=0.5, seed=0)
