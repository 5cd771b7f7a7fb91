"""Requests that schemathesis makes up from the interface's own description, valid ones and others."""

from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from cargosight_inference.service.api.app import create_app
from cargosight_inference.service.api.permissions import PERMISSIONS, ROOT
from tests.made.service import MadeDesk, scan_of, sign_in, token

ROUTES = sorted(set(PERMISSIONS) - {("GET", f"{ROOT}/openapi.json"), ("GET", f"{ROOT}/events")})
"""The stream of events does not end by itself, and has tests of its own."""

_REFUSALS = ("400", "401", "403", "404", "405", "406", "409", "415", "422", "428", "429", "5xx")
"""What schemathesis takes for a refusal by itself."""
_UPLOAD = ("POST", f"{ROOT}/lanes/{{lane}}/scans")


class Fuzzer:
    """A desk with a few scans, and the description of its interface."""

    def __init__(self, desk: MadeDesk) -> None:
        self.desk = desk
        for number in range(3):
            scan_of(desk, f"{number}.png", ("dark", 0.9), picture=number == 0, maps=number == 0)
        scan_of(desk, "cargo.png", lane="lane-2")
        # Who asks is said by the headers below; made-up cookies would only take their place. What is too large is
        # refused as well.
        config = SchemathesisConfig.from_dict(
            {
                "generation": {"with-security-parameters": False},
                "checks": {"negative_data_rejection": {"expected-statuses": [*_REFUSALS, "413"]}},
            }
        )
        app = create_app(desk)  # type: ignore[arg-type]
        self.schema = schemathesis.openapi.from_asgi(f"{ROOT}/openapi.json", app, config=config)

    def headers(self, route: tuple[str, str]) -> dict[str, str]:
        """Return headers of somebody who may use a route; anew each time, since some routes end a session."""
        if route == ("POST", f"{ROOT}/login"):
            return {}
        if route == _UPLOAD:
            return token(self.desk, "scanner", "lane-1")
        return sign_in(self.desk, "ada")

    def fuzz(self, route: tuple[str, str], examples: int) -> None:
        """Use a route with made-up requests, and check every answer against the description.

        They are valid ones, valid ones for what is there, and others.
        """
        method, path = route
        operation = self.schema[path][method]
        valid = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
        self._fuzz(route, valid, examples)
        if "{" in path:
            self._fuzz(route, valid.map(_of_what_is_there), examples)
        self._fuzz(route, operation.as_strategy(generation_mode=GenerationMode.NEGATIVE), examples)

    def _fuzz(self, route: tuple[str, str], cases: Any, examples: int) -> None:
        # No description says which bytes are a scan, and which letters are printable.
        excluded = [positive_data_acceptance] if route == _UPLOAD else []

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases)
        def check(case: Any) -> None:
            case.call_and_validate(headers=self.headers(route), excluded_checks=excluded)

        with suppress(Unsatisfiable):  # a route without any values has no wrong ones
            check()


def _of_what_is_there(case: Any) -> Any:
    there = {
        "lane": "lane-1",
        "scan": 1,
        "inspection": 1,
        "decision": 1,
        "level": 0,
        "column": 0,
        "row": 0,
        "token": 1,
    }
    case.path_parameters.update({name: there[name] for name in case.path_parameters if name in there})
    return case
