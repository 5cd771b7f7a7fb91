"""Decisions of people: who may, when, and what stays recorded of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cargosight_inference.service.database.engine import Database, as_text
from cargosight_inference.service.records import audit, decisions, observations, scans
from cargosight_inference.service.records.asked import Asked
from cargosight_inference.service.records.errors import ConflictError, MissingRecordError
from cargosight_inference.service.records.scans import ScanRecords
from cargosight_inference.service.records.statistics import statistics
from cargosight_inference.service.settings import LaneSettings, ServiceSettings
from tests.made.databases import KINDS, made_database
from tests.made.records import EARLY, new_scan, recorded

LANE = LaneSettings(name="lane-1", undo_seconds=10)
SETTINGS = ServiceSettings(lanes=(LANE,))
LATER = EARLY + timedelta(seconds=5)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with made_database(request.param, tmp_path) as made:
        yield made


_numbers = iter(range(1_000_000))


def asked(by: str = "olga", at: datetime = LATER, request_id: str | None = None) -> Asked:
    return Asked(by=by, request_id=request_id or f"r{next(_numbers)}", moment=at)


def decide(
    database: Database, scan: int, choice: str, lane: LaneSettings = LANE, **changes: Any
) -> dict[str, Any]:
    values = {"reason": "Chosen at random", "note": "", "seconds": 3.5, "inspection": None, "after": None}
    values |= {"asked": asked()} | changes
    with database.writing() as connection:
        return decisions.decide(connection, lane, scan, choice=choice, **values)  # type: ignore[arg-type]


def state_of(database: Database, scan: int) -> str:
    with database.reading() as connection:
        return str(scans.summary_of(connection, scan)["state"])


def test_a_decision_is_recorded_audited_and_in_force(database: Database) -> None:
    scan = recorded(database, SETTINGS, "a", ("gun", 0.9))
    made = decide(database, scan, "refer", note="a gun")
    assert state_of(database, scan) == "referred"
    with database.reading() as connection:
        summary = scans.summary_of(connection, scan)
        last = list(audit.records(connection, scan=scan))[-1]
    assert summary["decision"] == made
    assert (made["by"], made["decision"], made["note"], made["seconds"]) == ("olga", "refer", "a gun", 3.5)
    assert (last.action, last.actor, last.detail["reason"]) == ("decision", "olga", "Chosen at random")


def test_the_same_request_again_gives_the_same_record(database: Database) -> None:
    scan = recorded(database, SETTINGS)
    first = decide(database, scan, "clear", asked=asked(request_id="same"))
    assert decide(database, scan, "clear", asked=asked(request_id="same")) == first
    with pytest.raises(ConflictError) as caught:
        decide(database, scan, "clear", asked=asked(by="ivan", request_id="same"))
    assert caught.value.code == "request_used"
    with database.reading() as connection:
        assert len(decisions.listed(connection, scan)) == 1


def test_the_first_of_two_operators_decides_and_the_other_is_told_who(database: Database) -> None:
    scan = recorded(database, SETTINGS)
    decide(database, scan, "clear")
    with pytest.raises(ConflictError, match=r"olga was faster: decision to clear") as caught:
        decide(database, scan, "refer", asked=asked(by="ivan"))
    assert caught.value.code == "decided_meanwhile"


def test_a_decision_on_what_was_not_seen_is_refused(database: Database) -> None:
    scan = recorded(database, SETTINGS)
    made = decide(database, scan, "clear", after=0)
    with database.writing() as connection:
        undone = decisions.undo(connection, LANE, scan, made["id"], asked=asked())
    with pytest.raises(ConflictError):
        decide(database, scan, "clear", after=0)
    decide(database, scan, "clear", after=undone["id"])


def test_a_scan_that_was_not_shown_is_decided_by_nobody(database: Database) -> None:
    scan, _ = ScanRecords(database, SETTINGS).add(new_scan())
    with pytest.raises(ConflictError, match="not shown yet"):
        decide(database, scan, "clear")
    with pytest.raises(MissingRecordError):
        decide(database, 999, "clear")


@pytest.mark.parametrize(
    ("choice", "advice"), [("refer", "clear"), ("clear", "refer"), ("clear", "unreadable")]
)
def test_a_referral_and_a_clearance_against_the_advice_need_a_reason(
    database: Database, choice: str, advice: str
) -> None:
    findings = [("gun", 0.9)] if advice == "refer" else []
    scan = recorded(database, SETTINGS, "a", *findings, decision=advice)
    with pytest.raises(ConflictError) as caught:
        decide(database, scan, choice, reason="")
    assert caught.value.code == "reason_needed"
    assert state_of(database, scan) == "undecided"


def test_a_decision_is_undone_by_its_maker_for_a_short_time(database: Database) -> None:
    scan = recorded(database, SETTINGS)
    made = decide(database, scan, "clear")

    def undo(**changes: Any) -> dict[str, Any]:
        with database.writing() as connection:
            return decisions.undo(connection, LANE, scan, made["id"], asked=asked(**changes))

    with pytest.raises(ConflictError, match="olga's"):
        undo(by="ivan")
    with pytest.raises(ConflictError, match="within 10 s"):
        undo(at=LATER + timedelta(seconds=11))
    undone = undo(at=LATER + timedelta(seconds=9))
    assert (undone["kind"], undone["reverses"]) == ("undo", made["id"])
    assert state_of(database, scan) == "undecided"
    with pytest.raises(ConflictError):
        undo()
    with database.reading() as connection:
        assert [each["kind"] for each in decisions.listed(connection, scan)] == ["decision", "undo"]
        assert scans.summary_of(connection, scan)["decision"] is None


@pytest.mark.parametrize(
    ("policy", "choice", "advice", "wanted"),
    [
        ("never", "clear", "refer", False),
        ("clears_against_advice", "clear", "refer", True),
        ("clears_against_advice", "clear", "unreadable", True),
        ("clears_against_advice", "clear", "clear", False),
        ("clears_against_advice", "clear", None, False),
        ("clears_against_advice", "refer", "clear", False),
        ("clears", "clear", "clear", True),
        ("clears", "refer", "clear", False),
        ("referrals", "refer", "refer", True),
        ("referrals", "clear", "refer", False),
        ("all", "clear", None, True),
        ("all", "refer", "refer", True),
    ],
)
def test_where_the_policy_asks_for_a_second_person(
    policy: Any, choice: Any, advice: str | None, wanted: bool
) -> None:
    assert decisions.needs_confirmation(policy, choice, advice) is wanted


def test_another_person_confirms_or_rejects(database: Database) -> None:
    lane = LaneSettings(name="lane-1", second_person="all")
    scan = recorded(database, SETTINGS)
    made = decide(database, scan, "clear", lane)
    assert state_of(database, scan) == "to_confirm"

    def answer(decision: int, *, agree: bool, by: str) -> None:
        with database.writing() as connection:
            decisions.confirm(connection, scan, decision, agree=agree, note="", asked=asked(by=by))

    with pytest.raises(ConflictError, match="another person"):
        answer(made["id"], agree=True, by="olga")
    answer(made["id"], agree=False, by="ivan")
    assert state_of(database, scan) == "undecided"
    again = decide(database, scan, "refer", lane)
    with pytest.raises(ConflictError):
        answer(made["id"], agree=True, by="ivan")
    answer(again["id"], agree=True, by="ivan")
    assert state_of(database, scan) == "referred"
    with pytest.raises(ConflictError, match="no confirmation"):
        answer(again["id"], agree=True, by="ivan")


def test_nobody_gets_round_the_second_person(database: Database) -> None:
    lane = LaneSettings(name="lane-1", second_person="all", undo_seconds=60)
    scan = recorded(database, SETTINGS)
    made = decide(database, scan, "clear", lane, asked=asked(by="vera"))
    with pytest.raises(ConflictError, match="waits for another person"), database.writing() as connection:
        decisions.override(
            connection, scan, made["id"], choice="clear", reason="me", note="", asked=asked(by="vera")
        )
    assert state_of(database, scan) == "to_confirm"
    with database.writing() as connection:
        decisions.confirm(connection, scan, made["id"], agree=True, note="", asked=asked(by="ivan"))
    with pytest.raises(ConflictError, match="no longer be undone"), database.writing() as connection:
        decisions.undo(connection, lane, scan, made["id"], asked=asked(by="vera"))
    assert state_of(database, scan) == "cleared"


def test_a_supervisor_overrides_and_the_first_record_stays(database: Database) -> None:
    scan = recorded(database, SETTINGS)
    made = decide(database, scan, "clear")

    def override(decision: int, reason: str) -> dict[str, Any]:
        with database.writing() as connection:
            return decisions.override(
                connection, scan, decision, choice="refer", reason=reason, note="", asked=asked(by="vera")
            )

    with pytest.raises(ConflictError, match="no reason"):
        override(made["id"], "")
    new = override(made["id"], "a hint")
    assert new["reverses"] == made["id"] and state_of(database, scan) == "referred"
    with pytest.raises(ConflictError):
        override(made["id"], "again")


def test_the_secondary_inspection_closes_a_referred_scan(database: Database) -> None:
    scan = recorded(database, SETTINGS, "a", ("gun", 0.9))

    def close(request_id: str) -> dict[str, Any]:
        with database.writing() as connection:
            return observations.record_secondary(
                connection, scan, found=["gun"], note="in the lining", asked=asked(request_id=request_id)
            )

    with pytest.raises(ConflictError, match="of a referred one"):
        close("early")
    made = decide(database, scan, "refer")
    closed = close("once")
    assert close("once") == closed and closed["found"] == ["gun"]
    assert state_of(database, scan) == "closed"
    with pytest.raises(ConflictError), database.writing() as connection:
        decisions.override(
            connection, scan, made["id"], choice="clear", reason="x", note="", asked=asked(by="vera")
        )


def test_findings_are_confirmed_rejected_and_drawn_anew(database: Database) -> None:
    scan = recorded(database, SETTINGS, "a", ("gun", 0.9))
    scans.picture_made(
        database,
        scan,
        {"width": 40, "height": 30, "kind": "display_grey", "brightest": 0.9, "air_level": None},
    )

    def mark(**changes: Any) -> dict[str, Any]:
        values: dict[str, Any] = {
            "inspection": 1,
            "finding": 0,
            "verdict": "rejected",
            "label": "gun",
            "box": None,
        }
        with database.writing() as connection:
            return observations.mark(connection, scan, **{**values, "note": "", "asked": asked(), **changes})

    assert mark()["verdict"] == "rejected"
    drawn = mark(verdict="drawn", label="knife", box=(1.0, 2.0, 40.0, 30.0), inspection=None, finding=None)
    assert drawn["box"] == [1.0, 2.0, 40.0, 30.0]
    with pytest.raises(MissingRecordError):
        mark(finding=1)
    with pytest.raises(MissingRecordError):
        mark(inspection=7)
    for box in (None, (5.0, 5.0, 5.0, 9.0), (0.0, 0.0, 41.0, 3.0), (-1.0, 0.0, 4.0, 3.0)):
        with pytest.raises(ConflictError):
            mark(verdict="drawn", box=box)
    with database.reading() as connection:
        assert [each["label"] for each in observations.marks_of(connection, scan)] == ["gun", "knife"]


def test_statistics_count_what_stands(database: Database) -> None:
    first = recorded(database, SETTINGS, "a", ("gun", 0.9))
    second = recorded(database, SETTINGS, "b")
    third = recorded(database, SETTINGS, "c")
    decide(database, first, "refer", inspection=1, seconds=4.0)
    decide(database, second, "clear", inspection=2, seconds=2.0)
    undone = decide(database, third, "refer", inspection=3)
    with database.writing() as connection:
        decisions.undo(connection, LANE, third, undone["id"], asked=asked())
        observations.record_secondary(connection, first, found=["gun"], note="", asked=asked(by="vera"))
    with database.reading() as connection:
        found = statistics(
            connection, lanes=["lane-1"], since=as_text(EARLY), until=as_text(EARLY + timedelta(hours=1))
        )
        none = statistics(connection, lanes=["lane-1"], since="9", until="99")
    lane, olga = found["lanes"][0], found["operators"][0]
    assert (lane["scans"], lane["alarms"], lane["decided"], lane["undone"]) == (3, 1, 2, 1)
    assert (olga["name"], olga["cleared"], olga["referred"], olga["agreed"], olga["advised"]) == (
        "olga",
        1,
        1,
        2,
        2,
    )
    assert (olga["seconds_median"], olga["found_at_secondary"], olga["inspected_by_hand"]) == (3.0, 1, 1)
    assert none["lanes"][0]["decided"] == 0 and none["lanes"][0]["seconds_median"] is None
