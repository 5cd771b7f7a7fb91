"""The audit chain: whatever is changed, taken out or moved shows."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from cargosight_inference.service.database.engine import Database
from cargosight_inference.service.exporting import export_lines
from cargosight_inference.service.records import accounts, audit, decisions, observations, scans
from cargosight_inference.service.records.asked import Asked
from cargosight_inference.service.records.audit_rows import DECIDING
from cargosight_inference.service.settings import LaneSettings, ServiceSettings
from tests.made.databases import KINDS, made_database
from tests.made.records import recorded


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with made_database(request.param, tmp_path) as made:
        with made.writing() as connection:
            for number in range(6):
                audit.append(
                    connection,
                    actor="olga",
                    action="view",
                    lane="lane-1",
                    scan=number % 2,
                    detail={"number": number, "note": "ключ ✓"},
                )
        yield made


def tamper(database: Database, *statements: str) -> audit.Verification:
    """Do what somebody with the database in hand could do, past its triggers."""
    with database.writing() as connection:
        _without_triggers(connection)
        for statement in statements:
            connection.execute(text(statement))
    with database.reading() as connection:
        return audit.verify(connection)


def _without_triggers(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(text("DROP TRIGGER audit_is_append_only_UPDATE"))
        connection.execute(text("DROP TRIGGER audit_is_append_only_DELETE"))
    else:
        connection.execute(text("DROP TRIGGER audit_is_append_only ON audit"))


def test_an_untouched_chain_is_intact(database: Database) -> None:
    with database.reading() as connection:
        found = audit.verify(connection)
        records = list(audit.records(connection))
    assert found.intact and found.count == 6
    assert found.head == (6, records[-1].hash)
    assert records[0].previous == audit.FIRST
    assert [record.previous for record in records[1:]] == [record.hash for record in records[:-1]]
    assert records[3].detail == {"number": 3, "note": "ключ ✓"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE audit SET actor = 'ivan' WHERE seq = 3", "record 3 (view by ivan"),
        ("UPDATE audit SET detail = '{}' WHERE seq = 1", "record 1 (view"),
        ("UPDATE audit SET at = '2020-01-01T00:00:00.000000Z' WHERE seq = 6", "record 6"),
        ("UPDATE audit SET scan_id = NULL WHERE seq = 2", "record 2"),
        ("DELETE FROM audit WHERE seq = 1", "record 1 is missing"),
        ("DELETE FROM audit WHERE seq IN (3, 4)", "records 3 to 4 are missing"),
        ("UPDATE audit SET hash = previous WHERE seq = 4", "record 4"),
    ],
)
def test_a_changed_or_missing_record_is_found(database: Database, change: str, words: str) -> None:
    found = tamper(database, change)
    assert not found.intact
    assert words in " ".join(found.problems)


def test_two_records_that_changed_places_are_found(database: Database) -> None:
    found = tamper(
        database,
        "UPDATE audit SET seq = 99 WHERE seq = 2",
        "UPDATE audit SET seq = 2 WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = 99",
    )
    assert "order" in " ".join(found.problems)


def test_a_chain_that_was_made_anew_does_not_have_the_hash_that_was_written_down(database: Database) -> None:
    with database.reading() as connection:
        written_down = audit.verify(connection).head
        assert audit.verify(connection, expected=written_down).intact
    tamper(database, "DELETE FROM audit")
    with database.writing() as connection:
        for _ in range(6):
            audit.append(connection, actor="olga", action="view")
    with database.reading() as connection:
        assert audit.verify(connection).intact
        found = audit.verify(connection, expected=written_down)
    assert "made anew" in found.problems[0]


def test_records_cut_from_the_end_show_by_what_they_told_of(database: Database) -> None:
    settings = ServiceSettings()
    recorded(database, settings, "a.png")
    with database.reading() as connection:
        assert audit.verify(connection).intact
    found = tamper(database, "DELETE FROM audit WHERE seq = 8")
    assert "1 inspections and records of 0" in found.problems[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE decision SET decision = 'refer'", "(decision by olga"),
        ("UPDATE decision SET made_by = 'ivan', note = 'x'", "note, made_by changed"),
        ("UPDATE inspection SET advice = 'clear'", "advice changed"),
        ("UPDATE inspection SET result = '{}'", "result changed"),
        ("UPDATE mark SET verdict = 'rejected'", "verdict changed"),
        ("UPDATE mark SET box = '[0.0, 0.0, 1.0, 1.0]'", "box changed"),
        ("UPDATE scan SET number = 'other'", "number changed"),
        ("DELETE FROM mark", "it is gone"),
    ],
)
def test_rows_say_what_their_records_say(database: Database, change: str, words: str) -> None:
    settings = ServiceSettings()
    scan = recorded(database, settings, "a.png", ("gun", 0.9), number="LH-1")
    size = {"width": 40, "height": 30, "kind": "display_grey", "brightest": 0.9, "air_level": None}
    scans.picture_made(database, scan, size)
    moment = datetime.now(UTC)
    with database.writing() as connection:
        decisions.decide(
            connection,
            settings.lanes[0],
            scan,
            choice="clear",
            reason="known",
            note="",
            seconds=2.25,
            inspection=1,
            after=0,
            asked=Asked(by="olga", request_id="a", moment=moment),
        )
        observations.mark(
            connection,
            scan,
            inspection=None,
            finding=None,
            verdict="drawn",
            label="knife",
            box=(1.0, 2.0, 3.5, 4.0),
            note="",
            asked=Asked(by="olga", request_id="b", moment=moment),
        )
    with database.reading() as connection:
        assert audit.verify(connection).problems == ()
    found = tamper(database, change)
    assert words in " ".join(found.problems)


def confirmed(database: Database, *, agree: bool = True) -> int:
    """Record a scan, a decision on it and a second person's answer; return the scan's id."""
    lane = LaneSettings(name="lane-1", second_person="all")
    scan = recorded(database, ServiceSettings(), "a.png", ("gun", 0.9))
    with database.writing() as connection:
        made = decisions.decide(
            connection,
            lane,
            scan,
            choice="clear",
            reason="known",
            note="",
            seconds=2.25,
            inspection=1,
            after=0,
            asked=Asked(by="olga", request_id="a", moment=datetime.now(UTC)),
        )
        asked = Asked(by="ivan", request_id="b", moment=datetime.now(UTC))
        decisions.confirm(connection, scan, made["id"], agree=agree, note="", asked=asked)
    return scan


@pytest.mark.parametrize(("agree", "key"), [(True, "confirms"), (False, "rejects")])
def test_a_second_persons_answer_tells_what_it_answers(database: Database, agree: bool, key: str) -> None:
    scan = confirmed(database, agree=agree)
    with database.reading() as connection:
        told = [each for each in audit.records(connection, after=6, scan=scan) if each.action in DECIDING]
        assert audit.verify(connection).problems == ()
    assert told[1].detail[key] == {
        "id": told[0].detail["id"],
        "seq": told[0].seq,
        "action": "decision",
        "decision": "clear",
        "by": "olga",
        "inspection": 1,
    }
    assert told[1].actor == "ivan"
    lines = [json.loads(line) for line in export_lines(database, "jsonl", scan)]
    assert [
        line["detail"][key]["by"] for line in lines if line["type"] == "audit" and key in line["detail"]
    ] == ["olga"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("decision = 'refer'", "decision of the decision that it answers changed"),
        ("made_by = 'vera'", "by of the decision that it answers changed"),
        ("inspection_id = NULL", "inspection of the decision that it answers changed"),
        ("kind = 'override'", "action of the decision that it answers changed"),
        ("decision = NULL", "the decision that it answers is gone"),
    ],
)
def test_the_decision_that_was_confirmed_is_compared(database: Database, change: str, words: str) -> None:
    confirmed(database)
    found = tamper(database, f"UPDATE decision SET {change} WHERE kind = 'decision'")
    assert any("(confirmation by ivan" in problem and words in problem for problem in found.problems)


def test_confirmations_of_earlier_versions_are_intact(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = audit.append

    def as_it_was(connection: Connection, *, detail: dict[str, Any], **more: Any) -> int:
        return real(connection, detail={key: detail[key] for key in detail if key != "confirms"}, **more)

    with monkeypatch.context() as patched:
        patched.setattr(audit, "append", as_it_was)
        scan = confirmed(database)
    with database.reading() as connection:
        told = [each.detail for each in audit.records(connection, scan=scan) if each.action == "confirmation"]
        assert "confirms" not in told[0]
        assert audit.verify(connection).problems == ()
    found = tamper(database, "UPDATE decision SET note = 'x' WHERE kind = 'confirmation'")
    assert "note changed" in found.problems[0]


def test_a_row_that_was_removed_shows_by_its_record(database: Database) -> None:
    recorded(database, ServiceSettings(), "a.png")
    with database.writing() as connection:
        connection.execute(text("UPDATE scan SET inspection_id = NULL"))
        connection.execute(text("DELETE FROM inspection"))
    with database.reading() as connection:
        assert "some were removed" in " ".join(audit.verify(connection).problems)


def test_a_scan_has_its_own_story(database: Database) -> None:
    with database.reading() as connection:
        assert [record.seq for record in audit.records(connection, scan=1)] == [2, 4, 6]
        assert [record.seq for record in audit.records(connection, after=4)] == [5, 6]
        assert [record.seq for record in audit.records(connection, limit=2)] == [1, 2]


def test_signing_in_and_accounts_leave_records_without_passwords(database: Database) -> None:
    moment = datetime.now(UTC)
    with database.writing() as connection:
        password = accounts.ensure_administrator(connection, moment)
        assert password is not None
        account = accounts.checked(connection, "admin", password)
        assert account is not None
        accounts.sign_in(connection, account, moment, 1.0)
        told = [record.to_dict() for record in audit.records(connection, after=6)]
    assert [each["action"] for each in told] == ["account.created", "login"]
    assert password not in str(told)
