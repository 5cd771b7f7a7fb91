"""Accounts, tokens, models, the audit chain and health, over HTTP."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from cargosight_inference.service.database.engine import as_text
from cargosight_inference.service.database.tables import TOKENS
from cargosight_inference.service.records import audit
from tests.made.service import MadeDesk, TestClient, client_of, scan_of

V1 = "/api/v1"
Client = Callable[[str], TestClient]


def test_an_account_is_made_changed_and_disabled(desk: MadeDesk, client: Client) -> None:
    boss = client("ada")
    made = boss.post(f"{V1}/accounts", json={"name": "nora", "role": "operator", "lanes": ["lane-1"]})
    assert made.status_code == 201
    password = made.json()["one_time_password"]
    nora = client_of(desk)
    assert nora.post(f"{V1}/login", json={"name": "nora", "password": password}).status_code == 200
    changed = boss.patch(
        f"{V1}/accounts/nora", json={"role": "supervisor", "lanes": ["lane-1", "lane-2"]}
    ).json()
    assert (changed["role"], changed["lanes"], changed["disabled"]) == (
        "supervisor",
        ["lane-1", "lane-2"],
        False,
    )
    assert nora.get(f"{V1}/me").status_code == 401
    assert boss.patch(f"{V1}/accounts/nora", json={"disabled": True}).json()["disabled"] is True
    assert [each["name"] for each in boss.get(f"{V1}/accounts").json()] == [
        "ada", "eva", "nora", "olga", "oskar", "otto", "sam",
    ]  # fmt: skip
    with desk.database.reading() as connection:
        trail = [(each.action, each.detail.get("name")) for each in audit.records(connection)]
    assert trail.count(("account.created", "nora")) == 1
    assert trail.count(("account.changed", "nora")) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "olga", "role": "operator"}, 409),
        ({"name": "Olga", "role": "operator"}, 409),
        ({"name": "service", "role": "operator"}, 422),
        ({"name": "Folder", "role": "operator"}, 422),
        ({"name": "token belt", "role": "operator"}, 422),
        ({"name": "x", "role": "king"}, 422),
        ({"name": "x", "role": "operator", "lanes": ["lane-9"]}, 404),
        ({"name": "x", "role": "operator", "lanes": ["../x"]}, 422),
        ({"name": "", "role": "operator"}, 422),
        ({"name": "x" * 65, "role": "operator"}, 422),
        ({"name": "x/y", "role": "operator"}, 422),
        ({"name": "x", "role": "operator", "password": "of my own"}, 422),
    ],
    ids=str,
)
def test_accounts_that_cannot_be(client: Client, body: dict[str, Any], status: int) -> None:
    answer = client("ada").post(f"{V1}/accounts", json=body)
    assert answer.status_code == status and answer.json()["error"]["message"]


def test_the_last_administrator_stays(client: Client) -> None:
    for change in ({"disabled": True}, {"role": "operator"}):
        answer = client("ada").patch(f"{V1}/accounts/ada", json=change)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "last_administrator")
    assert client("ada").get(f"{V1}/me").json()["role"] == "administrator"
    assert client("ada").patch(f"{V1}/accounts/nobody", json={}).status_code == 404
    assert client("ada").post(f"{V1}/accounts/nobody/password").status_code == 404


def test_a_token_is_shown_once_expires_and_is_revoked(desk: MadeDesk, client: Client) -> None:
    boss = client("ada")
    made = boss.post(f"{V1}/tokens", json={"name": "prometheus", "scope": "metrics", "days": 30})
    assert made.status_code == 201
    secret, number = made.json()["token"], made.json()["id"]
    machine = client_of(desk, headers={"Authorization": f"Bearer {secret}"})
    answer = machine.get("/metrics")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    assert secret not in boss.get(f"{V1}/tokens").text
    with desk.database.writing() as connection:
        connection.execute(
            update(TOKENS).values(expires_at=as_text(datetime.now(UTC) - timedelta(seconds=1)))
        )
    assert machine.get("/metrics").status_code == 401
    with desk.database.writing() as connection:
        connection.execute(update(TOKENS).values(expires_at=as_text(datetime.now(UTC) + timedelta(days=1))))
    assert machine.get("/metrics").status_code == 200
    assert boss.delete(f"{V1}/tokens/{number}").status_code == 204
    assert machine.get("/metrics").status_code == 401
    assert boss.get(f"{V1}/tokens").json()[0]["revoked_at"] is not None
    assert boss.delete(f"{V1}/tokens/{number + 1}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"name": "belt", "days": 1},
        {"name": "belt", "scope": "scanner", "days": 1},
        {"name": "belt", "scope": "metrics", "lane": "lane-1", "days": 1},
        {"name": "belt", "scope": "scanner", "lane": "lane-1", "days": 0},
        {"name": "belt", "scope": "scanner", "lane": "lane-1", "days": 1e9},
        {"name": "a\nb", "scope": "metrics", "days": 1},
    ],
    ids=str,
)
def test_tokens_that_cannot_be(client: Client, body: dict[str, Any]) -> None:
    assert client("ada").post(f"{V1}/tokens", json=body).status_code == 422
    of_no_lane = {"name": "belt", "scope": "scanner", "lane": "lane-9", "days": 1}
    assert client("ada").post(f"{V1}/tokens", json=of_no_lane).status_code == 404


def test_an_engineer_changes_a_model(desk: MadeDesk, client: Client) -> None:
    working = client("eva")
    names = {each["name"]: each for each in working.get(f"{V1}/models").json()}
    assert names and all(each["points"] and each["default"] for each in names.values())
    changed = working.put(f"{V1}/lanes/lane-1/engine", json={"model": "other", "operating_point": "pfa=0.05"})
    assert (changed.status_code, changed.json()["model"]) == (200, "other")
    refused = working.put(f"{V1}/lanes/lane-1/engine", json={"model": "broken"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "engine_refused")
    assert "two answers" in refused.json()["error"]["message"]
    assert working.put(f"{V1}/lanes/lane-1/engine", json={"threshold": 1.5}).status_code == 422
    with desk.database.reading() as connection:
        assert [each.action for each in audit.records(connection)].count("model.change") == 1


def test_the_chain_is_listed_in_pages(desk: MadeDesk, client: Client) -> None:
    boss = client("ada")
    scan = scan_of(desk)
    first = boss.get(f"{V1}/audit?limit=1").json()
    assert len(first["records"]) == 1 and first["next"] == 1
    rest = boss.get(f"{V1}/audit?after=1").json()
    assert [each["seq"] for each in rest["records"]] == [2, 3] and rest["next"] is None
    assert [each["scan"] for each in boss.get(f"{V1}/audit?scan={scan}").json()["records"]] == [scan, scan]


def test_the_chain_is_listed_backwards(desk: MadeDesk, client: Client) -> None:
    boss = client("ada")
    scan_of(desk)
    first = boss.get(f"{V1}/audit?before=2147483647&limit=2").json()
    assert [each["seq"] for each in first["records"]] == [3, 2] and first["next"] == 2
    last = boss.get(f"{V1}/audit?before=2&limit=2").json()
    assert [each["seq"] for each in last["records"]] == [1] and last["next"] is None
    assert [each["seq"] for each in boss.get(f"{V1}/audit?after=1&before=3").json()["records"]] == [2]
    assert boss.get(f"{V1}/audit?before=0").status_code == 422


def test_the_chain_is_exported_and_that_is_recorded(desk: MadeDesk, client: Client) -> None:
    boss = client("ada")
    scan_of(desk)
    answer = boss.get(f"{V1}/audit/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.jsonl"'
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert {line["type"] for line in lines} == {"audit"}
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert (lines[-1]["action"], lines[-1]["actor"]) == ("export", "ada")
    rows = list(csv.DictReader(io.StringIO(boss.get(f"{V1}/audit/export?format=csv").text)))
    assert rows[0]["hash"] == lines[0]["hash"] and json.loads(rows[1]["detail"]) == lines[1]["detail"]


def test_a_scan_is_exported_with_its_whole_story(desk: MadeDesk, client: Client) -> None:
    boss = client("ada")
    scan_of(desk, "other.png")
    scan = scan_of(desk, "a.png", ("dark", 0.9), picture=True, number="LH-1")
    common = {"request_id": "request-1"}
    boss.post(
        f"{V1}/scans/{scan}/marks",
        json={"verdict": "drawn", "label": "unknown", "box": [1, 2, 3, 4], **common},
    )
    boss.post(
        f"{V1}/scans/{scan}/decisions", json={"decision": "refer", "reason": "=1+1", "after": 0, **common}
    )
    boss.post(f"{V1}/scans/{scan}/secondary", json={"found": ["gun"], **common})
    answer = boss.get(f"{V1}/audit/export?scan={scan}")
    assert f"scan-{scan}.jsonl" in answer.headers["content-disposition"]
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["type"] for line in lines[:5]] == ["scan", "inspection", "decision", "mark", "secondary"]
    assert lines[0]["detail"]["number"] == "LH-1" and len(lines[0]["detail"]["sha256"]) == 64
    assert lines[1]["detail"]["findings"][0]["label"] == "dark"
    assert {line["scan"] for line in lines} == {scan}
    assert [line["action"] for line in lines[5:]] == [
        "scan.accepted", "inspection", "mark", "decision", "secondary", "export",
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(boss.get(f"{V1}/audit/export?scan={scan}&format=csv").text)))
    assert len(rows) == len(lines) + 1 and json.loads(rows[2]["detail"])["reason"] == "=1+1"
    assert boss.get(f"{V1}/audit/export?scan=99").status_code == 404


def test_the_chain_is_verified(desk: MadeDesk, client: Client) -> None:
    boss = client("ada")
    scan_of(desk)
    found = boss.get(f"{V1}/audit/verification").json()
    assert (found["intact"], found["count"], found["wrong"], found["problems"]) == (True, 3, 0, [])
    with desk.database.writing() as connection:
        trigger = (
            "audit_is_append_only_UPDATE" if desk.database.is_sqlite else "audit_is_append_only ON audit"
        )
        connection.execute(text(f"DROP TRIGGER {trigger}"))
        connection.execute(text("UPDATE audit SET actor = 'eve' WHERE seq = 2"))
    found = boss.get(f"{V1}/audit/verification").json()
    assert (found["intact"], found["wrong"]) == (False, 1)
    assert "record 2" in found["problems"][0] and found["head"]["seq"] == 3


def test_health_says_why_it_is_not_ready(desk: MadeDesk, nobody: TestClient) -> None:
    assert nobody.get("/health/ready").json() == {"status": "ready", "problems": [], "warnings": []}
    sentence = "lane lane-1: bag.json in the watched folder belongs to no scan"
    desk.noticed.append(sentence)
    answer = nobody.get("/health/ready")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ready", "problems": [], "warnings": [sentence]},
    )
    desk.noticed.clear()
    desk.not_ready.append("lane lane-1: the model is being loaded")
    answer = nobody.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not_ready", "problems": desk.not_ready, "warnings": []}
    assert nobody.get("/health/live").status_code == 200


def test_the_description_names_every_route(nobody: TestClient) -> None:
    found = nobody.get(f"{V1}/openapi.json").json()
    assert found["info"]["title"] == "cargosight"
    upload = found["paths"][f"{V1}/lanes/{{lane}}/scans"]["post"]
    assert set(upload["requestBody"]["content"]) == {"application/octet-stream", "multipart/form-data"}
    assert {"200", "201", "401", "403", "404", "413", "415", "429", "503", "507"} <= set(upload["responses"])
    assert upload["security"] == [{"session": [], "csrf": []}, {"token": []}]
    assert found["paths"][f"{V1}/login"]["post"]["security"] == []
    assert set(found["components"]["securitySchemes"]) == {"session", "csrf", "token"}
    for methods in found["paths"].values():
        for operation in methods.values():
            assert operation["summary"] and "HTTPValidationError" not in json.dumps(operation)
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert nobody.get(path).status_code == 404
