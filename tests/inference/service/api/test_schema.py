"""A short round of requests that schemathesis makes up; the long one is an acceptance test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.made.fuzzing import ROUTES, Fuzzer
from tests.made.service import made_desk


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[Fuzzer]:
    with made_desk(tmp_path_factory.mktemp("fuzzed"), template, allow_plain_http=True) as desk:
        yield Fuzzer(desk)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_answers_are_as_described(fuzzer: Fuzzer, route: tuple[str, str]) -> None:
    fuzzer.fuzz(route, 2)
