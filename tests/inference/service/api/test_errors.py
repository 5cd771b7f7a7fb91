"""Whatever is sent, the answer is an error of one shape, and nothing of the inside."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cargosight_inference.service.api.layers import MOST_BYTES
from cargosight_inference.service.database import engine
from cargosight_inference.service.database.errors import DatabaseFullError
from cargosight_models.errors import CargosightError, UnreadablePicture, WorkerDied
from tests.made.service import MadeDesk, TestClient, client_of, made_desk, scan_of, sign_in

V1 = "/api/v1"
ID = "r" * 16


def check(answer: Any, status: int, code: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(answer.json()) == {"error"} and set(error) == {"code", "message"}
    assert error["message"] and len(error["message"]) < 2100
    if code is not None:
        assert error["code"] == code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"name": NaN}',
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b'{"name": ' + b"9" * 5000 + b"}",
        b'{"name": "\\ud800", "password": "x"}',
        b'{"name": "a", "password": "\\udc00"}',
        b'{"name": "a", "password": "b", "\\ud800": 1}',
        b'{"name": "a"}',
        b'{"name": 1, "password": "x"}',
        b'{"name": "' + b"n" * 65 + b'", "password": "x"}',
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
def test_a_body_that_is_none(nobody: TestClient, body: bytes) -> None:
    answer = nobody.post(f"{V1}/login", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    check(answer, answer.status_code)


DECISION = {"decision": "clear", "after": 0, "request_id": ID}


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "maybe"},
        {"note": "n" * 2001},
        {"note": "a\x00b"},
        {"reason": "two\nlines"},
        {"reason": "r" * 256},
        {"seconds": -1.0},
        {"seconds": 1e300},
        {"seconds": "3"},
        {"inspection": 0},
        {"inspection": 2**31},
        {"after": -1},
        {"after": 10**30},
        {"after": True},
        {"request_id": "short"},
        {"request_id": "x" * 65},
        {"request_id": "with spaces and more"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_value_out_of_its_bounds(
    desk: MadeDesk, client: Callable[[str], TestClient], change: dict[str, Any]
) -> None:
    scan = scan_of(desk)
    check(client("olga").post(f"{V1}/scans/{scan}/decisions", json={**DECISION, **change}), 422, "invalid")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_none(desk: MadeDesk, client: Callable[[str], TestClient], value: str) -> None:
    scan = scan_of(desk)
    body = json.dumps({**DECISION, "seconds": 0}).replace('"seconds": 0', f'"seconds": {value}')
    headers = {"Content-Type": "application/json"}
    check(client("olga").post(f"{V1}/scans/{scan}/decisions", content=body, headers=headers), 422)


@pytest.mark.parametrize(
    "path",
    [
        "/scans/0",
        "/scans/-1",
        "/scans/x",
        "/scans/1.5",
        f"/scans/{2**31}",
        f"/scans/{10**40}",
        "/scans/%00",
        "/scans/1%F0%28%8C%28",
        "/scans?limit=0",
        "/scans?limit=1e9",
        "/scans?min_score=nan",
        "/scans?from=yesterday",
        "/scans?from=-1700000000",
        "/scans?to=1700000000.5",
        "/scans?from=2026-01-01T00:00:00",
        "/scans?lable=knife",
        "/scans?number=%00",
        "/scans?before=99999999999999999999",
        "/lanes/lane-1/next?skip=1,x",
        "/lanes/lane-1/scans?state=lost",
        "/audit?after=-1",
        "/audit/export?format=pdf",
        f"/events?after={2**63}",
        "/events?after=x",
    ],
)
def test_an_address_that_is_none(client: Callable[[str], TestClient], path: str) -> None:
    check(client("ada").get(V1 + path), 422, "invalid")


@pytest.mark.parametrize(
    "path",
    [
        "/scans/1/tiles/0/0/0",
        "/scans/999",
        "/lanes/none",
        "/lanes/%2e%2e",
        "/nothing",
        "/",
        "/scans/1/picture/x",
    ],
)
def test_what_is_not_there(client: Callable[[str], TestClient], path: str) -> None:
    check(client("ada").get(V1 + path), 404, "not_found")


@pytest.mark.parametrize(
    "times", ["0001-01-01T00:00:00%2B10:00", "9999-12-31T23:59:59-10:00", "1970-01-01T00:00:00Z"]
)
def test_times_that_no_scan_has_find_none(client: Callable[[str], TestClient], times: str) -> None:
    for name in ("from", "to"):
        assert client("ada").get(f"{V1}/scans?{name}={times}").status_code == 200
        assert client("ada").get(f"{V1}/statistics?{name}={times}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", f"{V1}/lanes/lane-1/scans", "GET, POST"),
        ("GET", f"{V1}/login", "POST"),
        ("HEAD", f"{V1}/me", "GET"),
        ("POST", "/health/live", "GET"),
        ("PUT", "/index.html", "GET, HEAD"),
    ],
)
def test_another_method(nobody: TestClient, method: str, path: str, allowed: str) -> None:
    answer = nobody.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_a_body_that_is_too_large(nobody: TestClient) -> None:
    check(nobody.post(f"{V1}/login", content=b"x" * (MOST_BYTES + 1)), 413, "too_large")
    pieces = (b" " * 1000 for _ in range(100))
    check(
        nobody.post(f"{V1}/login", content=pieces, headers={"Content-Type": "application/json"}),
        413,
        "too_large",
    )


def test_a_form_is_no_json(nobody: TestClient) -> None:
    check(nobody.post(f"{V1}/login", data={"name": "olga", "password": "x"}), 422)
    check(
        nobody.post(
            f"{V1}/login", content=b'{"name": "a", "password": "b"}', headers={"Content-Type": "text/plain"}
        ),
        422,
    )


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "[::2]", "", "localhost.evil"])
def test_another_host_is_refused(nobody: TestClient, host: str) -> None:
    check(nobody.get("/health/live", headers={"Host": host}), 400, "wrong_host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080"])
def test_this_machine_has_several_names(nobody: TestClient, host: str) -> None:
    assert nobody.get("/health/live", headers={"Host": host}).status_code == 200


def test_behind_a_proxy_any_name_may_be_this_machines(tmp_path: Path, template: Path) -> None:
    with made_desk(tmp_path, template, allow_plain_http=True) as desk:
        assert client_of(desk).get("/health/live", headers={"Host": "scans.example"}).status_code == 200


def test_every_answer_has_the_headers(desk: MadeDesk, nobody: TestClient) -> None:
    for path, status in (
        ("/", 200),
        (f"{V1}/me", 401),
        ("/nothing", 404),
        ("/health/live", 200),
        ("/js/api.js", 200),
    ):
        answer = nobody.get(path)
        assert answer.status_code == status
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cache-control"] in ("no-store", "no-cache")
        assert "strict-transport-security" not in answer.headers


def test_an_error_of_ours_says_nothing_of_the_inside(desk: MadeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(scan: int) -> bytes:
        raise RuntimeError("secret: /srv/data")

    monkeypatch.setattr(desk, "overlay", fail)
    scan = scan_of(desk)
    broken = client_of(desk, headers=sign_in(desk, "olga"), raise_server_exceptions=False)
    answer = broken.get(f"{V1}/scans/{scan}/overlay.png")
    check(answer, 500, "failed")
    assert "srv" not in answer.text and "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (WorkerDied("the worker 4711 was killed"), (503, "worker_lost")),
        (UnreadablePicture("the scan was unreadable: a header is damaged"), (409, "unreadable")),
        (DatabaseFullError("disk of db.example is full"), (507, "database_full")),
        (CargosightError("something in /srv"), (500, "failed")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_raised_on_purpose_has_its_answer(
    desk: MadeDesk, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: tuple[int, str]
) -> None:
    def fail(scan: int) -> bytes:
        raise error

    monkeypatch.setattr(desk, "overlay", fail)
    working = client_of(desk, headers=sign_in(desk, "olga"))
    answer = working.get(f"{V1}/scans/{scan_of(desk)}/overlay.png")
    check(answer, *expected)
    assert not any(inside in answer.text for inside in ("/srv", "db.example", "4711"))
    assert ("retry-after" in answer.headers) == (expected[0] == 503)


def test_a_locked_database_is_told(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    with made_desk(tmp_path, template) as desk:
        working, scan = client_of(desk, headers=sign_in(desk, "olga")), scan_of(desk)
        other = sqlite3.connect(desk.settings.data / "cargosight.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = working.post(f"{V1}/scans/{scan}/decisions", json=DECISION)
        check(answer, 503, "database_busy")
        assert int(answer.headers["retry-after"]) >= 1
        assert working.get(f"{V1}/scans/{scan}").status_code == 200  # readers do not wait for the writer
        other.close()
        assert working.post(f"{V1}/scans/{scan}/decisions", json=DECISION).status_code == 201
