"""What the fake service answers, route by route."""

import re
from collections.abc import Callable
from typing import Any

from cargosight_inference.service.pictures import read_description, read_tile
from tests.made.fake_service import LANE, Answer, FakeService, now, refusal


def answer(
    service: FakeService, method: str, path: str, *, query: dict[str, str], body: Any, name: str | None
) -> Answer:
    """Answer a request of somebody, None for one who is not signed in."""
    with service.changed:
        service.requests.append(f"{method} {path}")
        if method == "POST":
            service.bodies.append((path, body))
        for pattern, wanted, action in _ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == wanted:
                if name is None:
                    return refusal(401, "signed_out", "sign in first")
                return action(service, name, body, query, *found.groups())
    return refusal(404, "not_found", f"there is nothing at {path}")


def _accounts(service: FakeService, name: str, body: Any, query: Any) -> Answer:
    if body is None:
        return 200, list(service.accounts.values())
    account = {"must_change_password": True, "disabled": False, **body}
    service.accounts[body["name"]] = account
    service.passwords[body["name"]] = "ab12-cd34-ef56-7890"
    return 201, {"account": account, "one_time_password": "ab12-cd34-ef56-7890"}


def _change_account(service: FakeService, name: str, body: Any, query: Any, who: str) -> Answer:
    service.accounts[who] |= body
    return 200, service.accounts[who]


def _tokens(service: FakeService, name: str, body: Any, query: Any) -> Answer:
    if body is None:
        return 200, service.tokens
    number = len(service.tokens) + 1
    made = {key: body[key] for key in ("name", "scope", "lane")}
    service.tokens.append(
        made | {"id": number, "created_at": now(), "expires_at": now(86400), "revoked_at": None}
    )
    return 201, {"id": number, "token": "cst_only-once"}


def _revoke(service: FakeService, name: str, body: Any, query: Any, token: str) -> Answer:
    service.tokens[int(token) - 1]["revoked_at"] = now()
    return 204, None


def _password(service: FakeService, name: str, body: Any, query: Any) -> Answer:
    if service.passwords[name] != body["current"]:
        return refusal(403, "wrong_password", "the present password is another one")
    service.passwords[name] = body["new"]
    service.accounts[name]["must_change_password"] = False
    return 204, None


def _engine(service: FakeService, name: str, body: Any, query: Any, lane: str) -> Answer:
    if body["model"] != "baggage":
        return refusal(
            422,
            "engine_refused",
            f"{body['model']} finds nothing in the golden scan; the present model stays",
        )
    return 200, service.lane()["model"] | {"operating_point": body["operating_point"]}


def _statistics(service: FakeService, name: str, body: Any, query: Any) -> Answer:
    row = {
        "scans": 412,
        "alarms": 38,
        "decided": 398,
        "cleared": 361,
        "referred": 37,
        "advised": 396,
        "agreed_with_advice": 379,
        "overridden": 2,
        "undone": 5,
        "seconds_median": 6.2,
        "seconds_p90": 14.8,
        "inspected_by_hand": 31,
        "found_at_secondary": 9,
    }
    nobody = dict.fromkeys(row, 0) | {"seconds_median": None, "seconds_p90": None}
    operators = [{"name": "ada", **row, "decided": 201, "seconds_median": 5.1}, {"name": "ben", **nobody}]
    return 200, {"lanes": [{"name": LANE, **row}], "operators": operators}


def _listed_audit(service: FakeService, name: str, body: Any, query: Any) -> Answer:
    after, limit, scan = int(query.get("after", 0)), int(query.get("limit", 200)), query.get("scan")
    found = [
        record for record in service.audit if record["seq"] > after and scan in (None, str(record["scan"]))
    ]
    return 200, {"records": found[:limit], "next": found[limit - 1]["seq"] if len(found) > limit else None}


def _verified(service: FakeService, name: str, body: Any, query: Any) -> Answer:
    head = {"seq": len(service.audit), "hash": 64 * "b"}
    return 200, {"intact": True, "count": len(service.audit), "head": head, "problems": [], "wrong": 0}


_POINTS = [
    {"name": name, "wanted_pfa": 0.05, "thresholds": {}, "measured": {}, "data": ""}
    for name in ("pfa=0.05", "pfa=0.01")
]
_MODELS = [
    {
        "name": name,
        "origin": "bundled",
        "fingerprint": 64 * "0",
        "default": "pfa=0.05",
        "points": _POINTS,
        "problem": None,
    }
    for name in ("baggage", "container")
]
_LANE = r"/lanes/([^/]+)"
_SCAN = r"/scans/(\d+)"
_ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    ("/me", "GET", lambda s, n, b, q: (200, s.me(n))),
    ("/me/password", "POST", _password),
    ("/logout", "POST", lambda s, n, b, q: s.leave(n)),
    ("/events", "GET", lambda s, n, b, q: (204, None)),  # of nobody: people get a stream before this is asked
    ("/lanes", "GET", lambda s, n, b, q: (200, [s.lane(lane) for lane in s.lanes])),
    (_LANE, "GET", lambda s, n, b, q, lane: s.lane_answer(lane)),
    (_LANE + "/scans", "GET", lambda s, n, b, q, lane: s.listed(q)),
    (_LANE + "/next", "GET", lambda s, n, b, q, lane: s.next_for(q)),
    (f"/lanes/({LANE})/engine", "PUT", _engine),
    ("/scans", "GET", lambda s, n, b, q: s.listed(q)),
    (_SCAN, "GET", lambda s, n, b, q, i: (200, s.scans[int(i)])),
    (_SCAN + "/picture", "GET", lambda s, n, b, q, i: (200, read_description(s.picture_folder(int(i))))),
    (
        _SCAN + r"/tiles/(\d+)/(\d+)/(\d+)",
        "GET",
        lambda s, n, b, q, i, *at: (200, read_tile(s.picture_folder(int(i)), *map(int, at))),
    ),
    (_SCAN + "/overlay.png", "GET", lambda s, n, b, q, i: (200, s.overlay(int(i)))),
    (_SCAN + "/view", "POST", lambda s, n, b, q, i: s.view_by(n, int(i))),
    (_SCAN + "/filters", "POST", lambda s, n, b, q, i: (204, None)),
    (_SCAN + "/decisions", "POST", lambda s, n, b, q, i: s.decide_by(n, b, int(i))),
    (_SCAN + r"/decisions/(\d+)/undo", "POST", lambda s, n, b, q, i, d: s.undo_by(n, b, int(i), int(d))),
    (_SCAN + r"/decisions/(\d+)/confirmation", "POST", lambda s, n, b, q, i, d: s.confirm_by(n, b, int(i))),
    (
        _SCAN + r"/decisions/(\d+)/override",
        "POST",
        lambda s, n, b, q, i, d: s.override_by(n, b, int(i), int(d)),
    ),
    (_SCAN + "/marks", "POST", lambda s, n, b, q, i: s.mark_by(n, b, int(i))),
    (_SCAN + "/secondary", "POST", lambda s, n, b, q, i: s.secondary_by(n, b, int(i))),
    (_SCAN + "/inspect", "POST", lambda s, n, b, q, i: (202, None)),
    (
        _SCAN + "/story",
        "GET",
        lambda s, n, b, q, i: (200, {"records": [each for each in s.audit if each["scan"] == int(i)]}),
    ),
    ("/referrals", "GET", lambda s, n, b, q: s.listed({"state": "referred"})),
    ("/statistics", "GET", _statistics),
    ("/accounts", "GET", _accounts),
    ("/accounts", "POST", _accounts),
    ("/accounts/([^/]+)", "PATCH", _change_account),
    (
        "/accounts/([^/]+)/password",
        "POST",
        lambda s, n, b, q, who: (200, {"one_time_password": "ab12-cd34-ef56-7890"}),
    ),
    ("/tokens", "GET", _tokens),
    ("/tokens", "POST", _tokens),
    (r"/tokens/(\d+)", "DELETE", _revoke),
    ("/models", "GET", lambda s, n, b, q: (200, _MODELS)),
    ("/audit", "GET", _listed_audit),
    ("/audit/verification", "GET", _verified),
]
