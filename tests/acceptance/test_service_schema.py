"""Many requests that schemathesis makes up: no answer is an error of the service, and each is as it is described."""

from collections.abc import Iterator

import pytest

from tests.made.fuzzing import ROUTES, Fuzzer
from tests.made.service import made_desk, write_template

pytestmark = pytest.mark.acceptance
EXAMPLES = 40


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzer]:
    folder = tmp_path_factory.mktemp("fuzzed")
    template = write_template(tmp_path_factory.mktemp("template"))
    with made_desk(folder, template, allow_plain_http=True) as desk:
        yield Fuzzer(desk)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_answers_are_as_described(fuzzer: Fuzzer, route: tuple[str, str]) -> None:
    fuzzer.fuzz(route, EXAMPLES)
