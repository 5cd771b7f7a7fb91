"""Bisection: whatever pieces fail, every input is finished or blamed once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargosight_inference.batch.bisection import Bisection, Piece


def search(count: int, poisoned: set[int], *, told: bool, retries: int = 0) -> tuple[Bisection, int]:
    """Run all pieces; `told` is whether it is known where a worker stood. Return it and the number of deaths."""
    bisection, waiting, deaths = Bisection(count, retries), [Piece(0, count)], 0
    while waiting:
        piece = waiting.pop()
        bad = [at for at in range(piece.first, piece.last) if at in poisoned]
        if bad:
            deaths += 1
            waiting += bisection.failed(piece, bad[0] - piece.first if told else None, f"died at {bad[0]}")
        else:
            bisection.finished(piece, Path(f"{piece.first}-{piece.last}"))
    return bisection, deaths


@given(
    st.integers(1, 60).flatmap(lambda count: st.tuples(st.just(count), st.sets(st.integers(0, count - 1)))),
    st.booleans(),
)
def test_every_input_once(made, told):
    count, poisoned = made
    bisection, _ = search(count, poisoned, told=told)
    assert bisection.complete
    assert set(bisection.blamed) == poisoned
    covered: list[int] = []
    for found in bisection.outcome():
        if isinstance(found, Path):
            first, last = map(int, found.name.split("-"))
            covered += range(first, last)
        else:
            covered.append(found)
    assert covered == list(range(count))


@pytest.mark.parametrize(("told", "most"), [(True, 2), (False, 11)])
def test_few_processes_die(told, most):
    _, deaths = search(1000, {777}, told=told)
    assert deaths <= most


def test_a_wrong_hint_ends_too():
    """The worker stood elsewhere than the cause: pieces get smaller all the same."""
    bisection, waiting = Bisection(64, 0), [Piece(0, 64)]
    while waiting:
        piece = waiting.pop()
        if piece.first <= 40 < piece.last:
            waiting += bisection.failed(piece, 0, "died")
        else:
            bisection.finished(piece, Path("x"))
    assert set(bisection.blamed) == {40}


def test_an_input_is_tried_again_alone():
    bisection = Bisection(1, retries=2)
    alone = Piece(0, 1)
    assert bisection.failed(alone, 0, "died") == [alone]
    assert bisection.failed(alone, 0, "died") == [alone]
    assert not bisection.complete
    assert bisection.failed(alone, 0, "died") == []
    assert bisection.complete
    assert bisection.blamed == {0: "died"}


def test_what_stalls_alone_is_not_tried_again():
    bisection = Bisection(1, retries=2)
    assert bisection.failed(Piece(0, 1), 0, "stalled", final=True) == []
    assert bisection.blamed == {0: "stalled"}
