import itertools

import pytest

from cargosight_training.config import OptimiserConfig
from cargosight_training.trainer.schedule import learning_rate

SETTINGS = OptimiserConfig(lr=0.01, lr_end=0.1, warm_up=10)


def test_it_warms_up_linearly() -> None:
    rates = [learning_rate(step, 100, SETTINGS) for step in range(10)]
    assert rates == pytest.approx([0.001 * n for n in range(1, 11)])


def test_it_falls_by_half_a_cosine() -> None:
    rates = [learning_rate(step, 100, SETTINGS) for step in range(10, 101)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[45] == pytest.approx(0.0055)  # half way, the mean of both ends
    assert rates[-1] == pytest.approx(0.001)
    assert all(a > b for a, b in itertools.pairwise(rates))


def test_it_stays_at_its_end() -> None:
    assert learning_rate(1000, 100, SETTINGS) == pytest.approx(0.001)


def test_without_warm_up_it_begins_at_the_top() -> None:
    assert learning_rate(0, 100, OptimiserConfig(lr=0.01, warm_up=0)) == pytest.approx(0.01)


def test_a_run_shorter_than_its_warm_up() -> None:
    assert learning_rate(4, 5, SETTINGS) == pytest.approx(0.005)
