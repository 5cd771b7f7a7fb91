"""Route by route: who may use it, and that nobody sees another lane."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from cargosight_inference.service.api.app import create_app
from cargosight_inference.service.api.permissions import PERMISSIONS
from tests.made.service import MadeDesk, TestClient, client_of, made_desk, scan_of, sign_in, token

V1 = "/api/v1"
NAMES = {"operator": "olga", "supervisor": "sam", "engineer": "eva", "administrator": "ada"}
ALL = frozenset(NAMES)
DECIDE = frozenset({"operator", "supervisor", "administrator"})
SUPERVISE = frozenset({"supervisor", "administrator"})
COUNT = frozenset({"supervisor", "engineer", "administrator"})
ENGINEER = frozenset({"engineer", "administrator"})
ADMINISTER = frozenset({"administrator"})
R = "r" * 16

ROUTES: dict[tuple[str, str], tuple[frozenset[str], Any]] = {
    ("POST", f"{V1}/logout"): (ALL, None),
    ("GET", f"{V1}/me"): (ALL, None),
    ("POST", f"{V1}/me/password"): (ALL, {"current": "x", "new": "y"}),
    ("GET", f"{V1}/lanes"): (ALL, None),
    ("GET", f"{V1}/lanes/{{lane}}"): (ALL, None),
    ("GET", f"{V1}/lanes/{{lane}}/scans"): (ALL, None),
    ("GET", f"{V1}/lanes/{{lane}}/next"): (ALL, None),
    ("POST", f"{V1}/lanes/{{lane}}/scans"): (ALL, None),
    ("PUT", f"{V1}/lanes/{{lane}}/engine"): (ENGINEER, {"model": "blobs"}),
    ("GET", f"{V1}/scans"): (SUPERVISE, None),
    ("GET", f"{V1}/scans/{{scan}}"): (ALL, None),
    ("GET", f"{V1}/scans/{{scan}}/picture"): (ALL, None),
    ("GET", f"{V1}/scans/{{scan}}/tiles/{{level}}/{{column}}/{{row}}"): (ALL, None),
    ("GET", f"{V1}/scans/{{scan}}/inspections/{{inspection}}/maps/{{name}}"): (ALL, None),
    ("GET", f"{V1}/scans/{{scan}}/overlay.png"): (ALL, None),
    ("POST", f"{V1}/scans/{{scan}}/view"): (ALL, {}),
    ("POST", f"{V1}/scans/{{scan}}/filters"): (ALL, {"filter": "invert", "seconds": 1.0}),
    ("POST", f"{V1}/scans/{{scan}}/decisions"): (DECIDE, {"decision": "clear", "after": 99, "request_id": R}),
    ("POST", f"{V1}/scans/{{scan}}/decisions/{{decision}}/undo"): (DECIDE, {"request_id": R}),
    ("POST", f"{V1}/scans/{{scan}}/decisions/{{decision}}/confirmation"): (
        DECIDE,
        {"agree": True, "request_id": R},
    ),
    ("POST", f"{V1}/scans/{{scan}}/decisions/{{decision}}/override"): (
        SUPERVISE,
        {"decision": "clear", "reason": "seen", "request_id": R},
    ),
    ("POST", f"{V1}/scans/{{scan}}/marks"): (DECIDE, {"verdict": "drawn", "label": "gun", "request_id": R}),
    ("POST", f"{V1}/scans/{{scan}}/secondary"): (SUPERVISE, {"found": [], "request_id": R}),
    ("POST", f"{V1}/scans/{{scan}}/inspect"): (ENGINEER, None),
    ("GET", f"{V1}/scans/{{scan}}/story"): (SUPERVISE, None),
    ("GET", f"{V1}/referrals"): (SUPERVISE, None),
    ("GET", f"{V1}/statistics"): (COUNT, None),
    ("GET", f"{V1}/accounts"): (ADMINISTER, None),
    ("POST", f"{V1}/accounts"): (ADMINISTER, {"name": "ada", "role": "operator"}),
    ("PATCH", f"{V1}/accounts/{{name}}"): (ADMINISTER, {}),
    ("POST", f"{V1}/accounts/{{name}}/password"): (ADMINISTER, None),
    ("GET", f"{V1}/tokens"): (ADMINISTER, None),
    ("POST", f"{V1}/tokens"): (ADMINISTER, {"name": "m", "scope": "metrics", "days": 1}),
    ("DELETE", f"{V1}/tokens/{{token}}"): (ADMINISTER, None),
    ("GET", f"{V1}/models"): (ENGINEER, None),
    ("GET", f"{V1}/audit"): (ADMINISTER, None),
    ("GET", f"{V1}/audit/export"): (ADMINISTER, None),
    ("GET", f"{V1}/audit/verification"): (ADMINISTER, None),
    ("GET", f"{V1}/events"): (ALL, None),
    ("GET", "/metrics"): (ENGINEER, None),
}
"""What each route is for, written down apart from the table that the service has: roles, and a body that it takes."""
OPEN = {
    ("POST", f"{V1}/login"),
    ("GET", f"{V1}/openapi.json"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
}
OF_SCANNER = ("POST", f"{V1}/lanes/{{lane}}/scans")
OF_METRICS = ("GET", "/metrics")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[MadeDesk]:
    """One desk for all of these: nothing that they do is in the way of another."""
    with made_desk(tmp_path_factory.mktemp("permissions"), template) as made:
        scan_of(made, "a.png", ("dark", 0.9), picture=True, maps=True)
        scan_of(made, "b.png", lane="lane-2")
        yield made


@pytest.fixture(scope="module")
def browser(desk: MadeDesk) -> Iterator[TestClient]:
    with client_of(desk) as client:
        yield client


def request(
    client: TestClient,
    route: tuple[str, str],
    headers: dict[str, str],
    *,
    lane: str = "lane-1",
    scan: int = 1,
) -> int:
    """Use a route, and return the status; a stream of events is asked for one that it cannot give."""
    method, path = route
    if path.endswith("/events") and "Cookie" in headers:
        path += "?after=x"  # refused by the route itself, once one is admitted
    values = {
        "lane": lane, "scan": scan, "level": 0, "column": 0, "row": 0, "inspection": 1, "decision": 1,
        "name": "anomaly" if "/maps/" in path else "oskar", "token": 999,
    }  # fmt: skip
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", str(value))
    body = ROUTES[route][1]
    return client.request(
        method, path, headers=headers, **({} if body is None else {"json": body})
    ).status_code


def test_every_route_has_a_permission_and_is_tested_here(desk: MadeDesk) -> None:
    app = create_app(desk)  # type: ignore[arg-type]
    of_api = [route for route in app.routes if isinstance(route, APIRoute)]
    made = {(method, route.path) for route in of_api for method in route.methods or ()}
    assert made == set(PERMISSIONS)
    assert made == set(ROUTES) | OPEN
    others = {route.path for route in app.routes if not isinstance(route, APIRoute)}  # type: ignore[attr-defined]
    assert "/index.html" in others and not any(
        path.startswith(("/api", "/health", "/metrics")) for path in others
    )


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_a_route_is_for_its_roles_alone(desk: MadeDesk, browser: TestClient, route: tuple[str, str]) -> None:
    assert request(browser, route, {}) == 401
    for role, name in NAMES.items():
        status = request(browser, route, sign_in(desk, name))
        if role not in ROUTES[route][0]:
            assert status == 403, (role, status)
        elif route == ("POST", f"{V1}/me/password"):
            assert status == 403  # the present password was wrong
        else:
            assert status not in (401, 403) and status < 500, (role, status)
            assert status != 404 or "{decision}" in route[1] or "{token}" in route[1], (role, status)


@pytest.mark.parametrize(
    "route", [each for each in ROUTES if "{lane}" in each[1] or "{scan}" in each[1]], ids=" ".join
)
def test_another_lane_is_not_there(desk: MadeDesk, browser: TestClient, route: tuple[str, str]) -> None:
    for role, name in (("operator", "olga"), ("supervisor", "sam")):
        if role in ROUTES[route][0]:
            assert request(browser, route, sign_in(desk, name), lane="lane-2", scan=2) == 404, role
            assert request(browser, route, sign_in(desk, name), lane="lane-9", scan=99) == 404, role
    if "{scan}" in route[1] and "operator" in ROUTES[route][0]:
        assert request(browser, route, sign_in(desk, "otto"), scan=1) == 404


@pytest.mark.parametrize("path", ["/scans", "/referrals", "/statistics", "/events"])
def test_another_lane_cannot_be_asked_for_by_name(desk: MadeDesk, browser: TestClient, path: str) -> None:
    answer = browser.get(f"{V1}{path}?lane=lane-2", headers=sign_in(desk, "sam"))
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("path", ["/scans", "/lanes", "/statistics"])
def test_what_is_listed_is_of_ones_own_lanes(desk: MadeDesk, browser: TestClient, path: str) -> None:
    assert "lane-2" not in browser.get(V1 + path, headers=sign_in(desk, "sam")).text
    assert "lane-2" in browser.get(V1 + path, headers=sign_in(desk, "ada")).text


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_a_machine_token_is_for_its_route_alone(
    desk: MadeDesk, browser: TestClient, route: tuple[str, str]
) -> None:
    assert request(browser, route, token(desk, "scanner", "lane-1")) == (400 if route == OF_SCANNER else 403)
    assert request(browser, route, token(desk, "metrics")) == (200 if route == OF_METRICS else 403)
    if route == OF_SCANNER:
        assert request(browser, route, token(desk, "scanner", "lane-2")) == 404
        assert (
            request(browser, route, token(desk, "scanner", "lane-2"), lane="lane-2") == 400
        )  # it has no body


@pytest.mark.parametrize("route", [each for each in ROUTES if each[0] != "GET"], ids=" ".join)
def test_a_cookie_alone_changes_nothing(desk: MadeDesk, browser: TestClient, route: tuple[str, str]) -> None:
    cookie = {"Cookie": sign_in(desk, "ada")["Cookie"]}
    assert request(browser, route, cookie) == 403
    assert request(browser, route, {**cookie, "X-CSRF-Token": "another"}) == 403
    assert request(browser, route, {**sign_in(desk, "ada"), "Sec-Fetch-Site": "cross-site"}) == 403


@pytest.mark.parametrize("route", sorted(OPEN), ids=" ".join)
def test_some_routes_are_for_everybody(browser: TestClient, route: tuple[str, str]) -> None:
    body = {"name": "olga", "password": "wrong"} if route[0] == "POST" else None
    status = browser.request(route[0], route[1], json=body).status_code
    assert status == (401 if route[0] == "POST" else 200)
