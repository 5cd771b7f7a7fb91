"""Scans and their inspections: each accepted once, inspected once by each model and operating point, found again."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cargosight_inference.service.database.engine import Database, as_text
from cargosight_inference.service.records import events, inspections, scans
from cargosight_inference.service.records.scans import ScanRecords
from cargosight_inference.service.settings import LaneSettings, ServiceSettings
from tests.made.databases import KINDS, made_database
from tests.made.records import EARLY, new_scan, recorded, result

SETTINGS = ServiceSettings(
    lanes=(
        LaneSettings(name="lane-1", deadline_seconds=5),
        LaneSettings(name="yard", subject="cargo", priority=8),
    )
)
DESCRIPTION = {"width": 40, "height": 30, "kind": "display_grey", "brightest": 0.9, "air_level": None}


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with made_database(request.param, tmp_path) as made:
        yield made


def kinds_of(database: Database, *, lanes: tuple[str, ...] = ("lane-1", "yard"), after: int = 0) -> list[str]:
    with database.reading() as connection:
        return [each.kind for each in events.after(connection, after, lanes)[0]]


def test_the_same_bytes_in_a_lane_are_one_scan(database: Database) -> None:
    register = ScanRecords(database, SETTINGS)
    first, new = register.add(new_scan())
    again, new_again = register.add(new_scan())
    elsewhere, new_elsewhere = register.add(new_scan(lane="yard"))
    assert (first, new) == (again, True) and not new_again
    assert elsewhere != first and new_elsewhere
    assert register.find("lane-1", new_scan().sha256) == first
    assert register.find("lane-1", "0" * 64) is None
    assert (register.waiting("lane-1"), register.waiting("yard")) == (1, 1)
    assert kinds_of(database) == ["scan.accepted", "scan.accepted"]


def test_the_next_scan_is_of_the_highest_priority_then_the_oldest(database: Database) -> None:
    register = ScanRecords(database, SETTINGS)
    first = register.add(new_scan("a"))[0]
    second = register.add(new_scan("b"))[0]
    urgent = register.add(new_scan("c", lane="yard"))[0]
    lanes = ["lane-1", "yard"]
    taken: list[int] = []
    with database.reading() as connection:
        while (row := scans.to_inspect(connection, lanes, taken)) is not None:
            taken.append(row.id)
        assert taken == [urgent, first, second]
        only = scans.to_inspect(connection, ["lane-1"], [])
        assert only is not None and only.id == first
        pictured = scans.without_picture(connection, ["lane-1", "yard"])
        assert pictured is not None and pictured.id == urgent


def test_an_inspection_shows_the_scan_and_is_recorded_once(database: Database) -> None:
    scan, _ = ScanRecords(database, SETTINGS).add(new_scan())
    found = result(("gun", 0.9), ("knife", 0.6))
    moment = EARLY + timedelta(seconds=2)
    first, new = inspections.record(database, scan, found, maps="maps/1.npz", moment=moment)
    again, new_again = inspections.record(database, scan, found, maps=None, moment=moment)
    assert (again, new, new_again) == (first, True, False)
    with database.reading() as connection:
        summary = scans.summary_of(connection, scan)
        kept = inspections.get(connection, first)
        assert inspections.maps_of(connection, scan, first) == "maps/1.npz"
        assert inspections.maps_of(connection, scan + 1, first) is None
        assert scans.to_inspect(connection, ["lane-1"], []) is None
    assert summary["state"] == "undecided" and summary["advice"] == "refer" and not summary["late"]
    assert summary["top"] == {"label": "gun", "score": 0.9}
    assert summary["reasons"] == ["gun 0.90", "knife 0.60"]
    assert kept is not None and kept["findings"] == found["findings"] and kept["seconds_from_arrival"] == 2.0
    assert kinds_of(database) == ["scan.accepted", "scan.inspected"]


def test_another_model_or_operating_point_gives_another_inspection(database: Database) -> None:
    scan = recorded(database, SETTINGS)
    for changed in ({"fingerprint": "e" * 64}, {"point": "pfa=0.01"}):
        with database.writing() as connection:
            scans.inspect_again(connection, scan)
        assert inspections.record(database, scan, result(**changed), maps=None, moment=EARLY)[1]
    with database.reading() as connection:
        listed = inspections.listed(connection, scan)
    assert [each["operating_point"] for each in listed] == ["pfa=0.05", "pfa=0.05", "pfa=0.01"]


def test_after_its_deadline_a_scan_is_shown_without_findings_and_they_come_late(database: Database) -> None:
    scan, _ = ScanRecords(database, SETTINGS).add(new_scan())
    lane = SETTINGS.lane("lane-1")
    late = EARLY + timedelta(seconds=6)
    assert scans.show_overdue(database, lane, late) == []  # there is nothing to show yet
    scans.picture_made(database, scan, DESCRIPTION)
    assert scans.show_overdue(database, lane, EARLY + timedelta(seconds=4)) == []
    assert scans.show_overdue(database, lane, late) == [scan]
    assert scans.show_overdue(database, lane, late) == []
    with database.reading() as connection:
        shown = scans.summary_of(connection, scan)
    assert shown["state"] == "undecided" and shown["overdue"] and shown["advice"] is None
    inspections.record(database, scan, result(("gun", 0.9)), maps=None, moment=late)
    with database.reading() as connection:
        shown = scans.summary_of(connection, scan)
    assert shown["late"] and shown["advice"] == "refer"
    assert kinds_of(database) == ["scan.accepted", "scan.picture", "scan.overdue", "scan.inspected"]


def test_a_scan_without_a_picture_says_why(database: Database) -> None:
    scan, _ = ScanRecords(database, SETTINGS).add(new_scan())
    scans.picture_failed(database, scan, "the file is damaged")
    with database.reading() as connection:
        assert scans.summary_of(connection, scan)["picture_problem"] == "the file is damaged"
        assert scans.without_picture(connection, ["lane-1", "yard"]) is None


def test_search_by_number_class_score_time_and_lane(database: Database) -> None:
    gun = recorded(database, SETTINGS, "a", ("gun", 0.9), ("knife", 0.3), number="MSKU 100%")
    knife = recorded(database, SETTINGS, "b", ("knife", 0.7), at=EARLY + timedelta(hours=1), number="msku200")
    yard = recorded(database, SETTINGS, "c", ("gun", 0.8), lane="yard")
    clear = recorded(database, SETTINGS, "d")

    def ids(**wanted: object) -> list[int]:
        with database.reading() as connection:
            asked = {"lanes": ["lane-1"], **wanted}
            return [each["id"] for each in scans.search(connection, **asked)[0]]  # type: ignore[arg-type]

    assert ids() == [clear, knife, gun]
    assert ids(oldest_first=True) == [gun, knife, clear]
    assert ids(lanes=["lane-1", "yard"], label="gun") == [yard, gun]
    assert ids(label="knife", min_score=0.5) == [knife]
    assert ids(min_score=0.8) == [gun]
    assert ids(number="MSKU") == [knife, gun]
    assert ids(number="100%") == [gun] and ids(number="%") == [gun]
    assert ids(since=as_text(EARLY + timedelta(minutes=1))) == [knife]
    assert ids(until=as_text(EARLY + timedelta(minutes=1))) == [clear, gun]
    assert ids(states=["cleared"]) == []
    assert ids(skip=[clear]) == [knife, gun]


def test_pages_follow_each_other(database: Database) -> None:
    made = [recorded(database, SETTINGS, str(number)) for number in range(5)]
    with database.reading() as connection:
        page, go_on = scans.search(connection, lanes=["lane-1"], limit=2)
        assert [each["id"] for each in page] == [made[4], made[3]] and go_on == made[3]
        page, go_on = scans.search(connection, lanes=["lane-1"], limit=3, before=go_on)
        assert [each["id"] for each in page] == [made[2], made[1], made[0]] and go_on is None


def test_the_queue_of_a_lane_is_counted(database: Database) -> None:
    recorded(database, SETTINGS, "a")
    ScanRecords(database, SETTINGS).add(new_scan("b", at=EARLY + timedelta(seconds=9)))
    with database.reading() as connection:
        queue = scans.queue_of(connection, "lane-1")
    assert queue == {
        "waiting": 1,
        "oldest": as_text(EARLY + timedelta(seconds=9)),
        "undecided": 1,
        "to_confirm": 0,
    }


def test_events_resume_after_an_id_and_keep_to_lanes(database: Database) -> None:
    recorded(database, SETTINGS, "a")
    recorded(database, SETTINGS, "b", lane="yard")
    with database.reading() as connection:
        found, last, further = events.after(connection, 0, ["yard"])
        assert [each.lane for each in found] == ["yard", "yard"]
        assert (last, further) == (4, False)
        assert events.after(connection, last, ["yard"]) == ([], 4, False)
        assert events.after(connection, 0, [], limit=3) == ([], 3, True)
        assert events.span(connection) == (1, 4)
    with database.writing() as connection:
        events.forget_before(connection, "9999")
    with database.reading() as connection:
        assert events.span(connection) == (4, 4)
