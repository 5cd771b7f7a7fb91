"""Scans over HTTP: seen, decided, confirmed, marked, searched; each recorded once."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cargosight_inference.service.records import audit, events
from tests.made.service import MadeDesk, TestClient, client_of, scan_of

V1 = "/api/v1"
Client = Callable[[str], TestClient]


def request_id(number: int) -> str:
    return f"request-{number:08}"


def decide(client: TestClient, scan: int, decision: str = "refer", number: int = 1, **changes: Any) -> Any:
    body = {"decision": decision, "reason": "a look", "after": 0, "request_id": request_id(number), **changes}
    return client.post(f"{V1}/scans/{scan}/decisions", json=body)


def trail(desk: MadeDesk, scan: int | None = None) -> list[tuple[str, str]]:
    with desk.database.reading() as connection:
        return [(each.actor, each.action) for each in audit.records(connection, scan=scan)]


def told(desk: MadeDesk) -> list[str]:
    with desk.database.reading() as connection:
        return [each.kind for each in events.after(connection, 0, ["lane-1", "lane-2"])[0]]


def test_a_lane_with_its_queue(desk: MadeDesk, client: Client) -> None:
    first, second = scan_of(desk, "a.png"), scan_of(desk, "b.png", ("dark", 0.9))
    working = client("olga")
    lane = working.get(f"{V1}/lanes/lane-1").json()
    assert lane["queue"] == {
        "waiting": 0,
        "inspecting": 0,
        "undecided": 2,
        "to_confirm": 0,
        "oldest_seconds": None,
    }
    assert (lane["title"], lane["classes"], lane["model"]["ready"]) == ("Belt 1", ["dark", "blue"], True)
    assert lane["refer_reasons"] and "classes" not in lane["model"]
    page = working.get(f"{V1}/lanes/lane-1/scans?limit=1").json()
    assert [scan["id"] for scan in page["scans"]] == [second] and page["next"] == second
    page = working.get(f"{V1}/lanes/lane-1/scans?limit=1&before={page['next']}").json()
    assert [scan["id"] for scan in page["scans"]] == [first] and page["next"] is None
    assert working.get(f"{V1}/lanes/lane-1/next").json()["id"] == first
    assert working.get(f"{V1}/lanes/lane-1/next?skip={first},77").json()["id"] == second
    assert working.get(f"{V1}/lanes/lane-1/next?skip={first},{second}").json() is None
    assert working.get(f"{V1}/lanes/lane-1/next?skip=").json()["id"] == first


def test_a_scan_with_all_that_is_known(desk: MadeDesk, client: Client) -> None:
    scan = scan_of(desk, "b.png", ("dark", 0.9), ("blue", 0.6), number="LH-1", picture=True, maps=True)
    working = client("olga")
    found = working.get(f"{V1}/scans/{scan}").json()
    assert (found["state"], found["advice"], found["subject"], found["number"]) == (
        "undecided",
        "refer",
        "baggage",
        "LH-1",
    )
    assert found["top"] == {"label": "dark", "score": 0.9} and found["has_picture"]
    inspection = found["inspection"]
    assert [each["label"] for each in inspection["findings"]] == ["dark", "blue"]
    assert inspection["maps"] == {"anomaly": {"width": 4, "height": 3, "cell": 16}}
    assert found["inspections"][0]["id"] == inspection["id"]
    assert (found["decisions"], found["marks"], found["secondary"]) == ([], [], None)


def test_what_lies_below_the_thresholds_is_told_and_counts_for_nothing(
    desk: MadeDesk, client: Client
) -> None:
    below = (("blue", 0.4), ("dark", 0.1))
    scan = scan_of(desk, "b.png", ("dark", 0.9), below=below)
    clear = scan_of(desk, "c.png", below=below)
    before = scan_of(desk, "d.png")
    working = client("sam")
    inspection = working.get(f"{V1}/scans/{scan}").json()["inspection"]
    assert [(each["label"], each["score"]) for each in inspection["below_threshold"]] == list(below)
    assert inspection["below_floor"] == 0.05
    assert [each["label"] for each in inspection["findings"]] == ["dark"]
    found = working.get(f"{V1}/scans/{clear}").json()
    assert (found["advice"], found["reasons"], found["top"]) == ("clear", [], None)
    assert found["inspection"]["findings"] == []
    older = working.get(f"{V1}/scans/{before}").json()["inspection"]
    assert (older["below_threshold"], older["below_floor"]) == (None, None)
    listed = working.get(f"{V1}/scans?label=blue").json()["scans"]
    assert listed == []
    early = working.get(f"{V1}/statistics?from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z").json()
    assert (early["lanes"][0]["scans"], early["lanes"][0]["alarms"]) == (3, 1)


def test_its_pixels(desk: MadeDesk, client: Client) -> None:
    scan = scan_of(desk, picture=True, maps=True)
    working = client("olga")
    picture = working.get(f"{V1}/scans/{scan}/picture").json()
    assert (picture["width"], picture["height"], picture["levels"][1]["width"]) == (700, 600, 350)
    tile = working.get(f"{V1}/scans/{scan}/tiles/0/1/1")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert "immutable" in tile.headers["cache-control"] and "private" in tile.headers["cache-control"]
    pixels = np.frombuffer(tile.content, dtype="<u2").reshape(88 + 32, 188 + 32)
    assert pixels[16, 16] == round((512 * 700 + 512) / (600 * 700) * 65535)
    assert working.get(f"{V1}/scans/{scan}/tiles/0/2/0").status_code == 404
    assert working.get(f"{V1}/scans/{scan}/tiles/2/0/0").status_code == 404
    assert working.get(f"{V1}/scans/{scan}/inspections/1/maps/anomaly").content == b"\x07" * 12
    assert working.get(f"{V1}/scans/{scan}/inspections/1/maps/opaque").status_code == 404
    assert working.get(f"{V1}/scans/{scan}/inspections/2/maps/anomaly").status_code == 404
    assert working.get(f"{V1}/scans/{scan}/overlay.png").headers["content-type"] == "image/png"
    assert trail(desk, scan)[-1] == ("olga", "export")


def test_maps_of_another_scan_are_not_given(desk: MadeDesk, client: Client) -> None:
    scan_of(desk, "a.png", lane="lane-2", maps=True)
    own = scan_of(desk, "b.png")
    assert client("olga").get(f"{V1}/scans/{own}/inspections/1/maps/anomaly").status_code == 404


def test_a_view_is_one_record_however_often_the_console_says_so(desk: MadeDesk, client: Client) -> None:
    scan, other = scan_of(desk, "a.png"), scan_of(desk, "b.png")
    working = client("olga")
    for seen in (scan, scan, other, scan):
        assert working.post(f"{V1}/scans/{seen}/view", json={}).status_code == 204
    assert trail(desk).count(("olga", "view")) == 3
    assert told(desk).count("scan.viewed") == 3
    assert client("oskar").get(f"{V1}/scans/{scan}").json()["viewers"] == ["olga"]
    assert client("oskar").get(f"{V1}/scans/{other}").json()["viewers"] == []


def test_filters_are_recorded(desk: MadeDesk, client: Client) -> None:
    scan = scan_of(desk)
    answer = client("olga").post(
        f"{V1}/scans/{scan}/filters", json={"filter": "high-penetration", "seconds": 2.5}
    )
    assert answer.status_code == 204
    with desk.database.reading() as connection:
        last = list(audit.records(connection, scan=scan))[-1]
    assert (last.action, last.detail, last.lane) == (
        "filter",
        {"filter": "high-penetration", "seconds": 2.5},
        "lane-1",
    )


def test_a_decision_is_recorded_once_and_undone(desk: MadeDesk, client: Client) -> None:
    scan = scan_of(desk, "a.png", ("dark", 0.9))
    working = client("olga")
    made = decide(working, scan, seconds=3.5, inspection=1, note="left corner")
    assert made.status_code == 201
    assert decide(working, scan, seconds=3.5, inspection=1, note="left corner").json() == made.json()
    again = decide(client("oskar"), scan, "clear", number=2)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "decided_meanwhile")
    path = f"{V1}/scans/{scan}/decisions/{made.json()['id']}/undo"
    refused = client("oskar").post(path, json={"request_id": request_id(3)})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_yours")
    undone = working.post(path, json={"request_id": request_id(4)})
    assert (undone.status_code, undone.json()["kind"], undone.json()["reverses"]) == (
        201,
        "undo",
        made.json()["id"],
    )
    stale = decide(working, scan, "clear", number=5)
    assert stale.json()["error"]["code"] == "decided_meanwhile"
    assert decide(working, scan, "clear", number=6, after=undone.json()["id"]).status_code == 201
    assert [action for _, action in trail(desk, scan)].count("decision") == 2
    metrics = desk.render_metrics().decode()
    assert 'cargosight_decisions_total{decision="refer",kind="decision",lane="lane-1"} 1.0' in metrics


def test_a_referral_without_a_reason_is_refused(desk: MadeDesk, client: Client) -> None:
    answer = decide(client("olga"), scan_of(desk), reason="")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "reason_needed")


def test_a_reason_is_more_than_blanks(desk: MadeDesk, client: Client) -> None:
    scan = scan_of(desk)
    assert decide(client("olga"), scan, reason="   ").json()["error"]["code"] == "reason_needed"
    made = decide(client("olga"), scan, reason=" in my own words ", number=2)
    assert (made.status_code, made.json()["reason"]) == (201, "in my own words")


def test_an_inspection_of_another_scan_is_none(desk: MadeDesk, client: Client) -> None:
    scan_of(desk, "a.png", ("dark", 0.9))
    scan = scan_of(desk, "b.png", picture=True)
    working = client("olga")
    assert decide(working, scan, inspection=1).status_code == 404
    drawn = {
        "verdict": "drawn",
        "label": "gun",
        "box": [1, 2, 3, 4],
        "inspection": 1,
        "request_id": request_id(2),
    }
    assert working.post(f"{V1}/scans/{scan}/marks", json=drawn).status_code == 404
    assert decide(working, scan, inspection=2).status_code == 201


def test_a_second_person_confirms(desk: MadeDesk, client: Client) -> None:
    scan = scan_of(desk, lane="lane-2")
    made = decide(client("otto"), scan, "clear").json()
    path = f"{V1}/scans/{scan}/decisions/{made['id']}/confirmation"
    body = {"agree": True, "request_id": request_id(2)}
    assert client("otto").post(path, json=body).json()["error"]["code"] == "second_person_needed"
    assert client("ada").post(path, json=body).json()["kind"] == "confirmation"
    assert client("otto").get(f"{V1}/scans/{scan}").json()["state"] == "cleared"


def test_a_supervisor_overrides_and_closes(desk: MadeDesk, client: Client) -> None:
    scan = scan_of(desk, "a.png", ("dark", 0.9))
    made = decide(client("olga"), scan, "clear").json()
    boss = client("sam")
    assert boss.get(f"{V1}/referrals").json() == {"scans": []}
    path = f"{V1}/scans/{scan}/decisions/{made['id']}/override"
    wrong = boss.post(path, json={"decision": "refer", "reason": "", "request_id": request_id(2)})
    assert wrong.status_code == 422
    body = {"decision": "refer", "reason": "a gun", "request_id": request_id(3)}
    assert boss.post(path, json=body).status_code == 201
    assert [each["id"] for each in boss.get(f"{V1}/referrals?lane=lane-1").json()["scans"]] == [scan]
    found = {"found": ["gun"], "note": "loaded", "request_id": request_id(4)}
    assert boss.post(f"{V1}/scans/{scan}/secondary", json=found).status_code == 201
    detail = boss.get(f"{V1}/scans/{scan}").json()
    assert (detail["state"], detail["secondary"]["found"], len(detail["decisions"])) == ("closed", ["gun"], 2)
    story = boss.get(f"{V1}/scans/{scan}/story").json()["records"]
    assert [each["action"] for each in story] == [
        "scan.accepted",
        "inspection",
        "decision",
        "override",
        "secondary",
    ]


def test_marks(desk: MadeDesk, client: Client) -> None:
    scan = scan_of(desk, "a.png", ("dark", 0.9), picture=True)
    working = client("olga")

    def mark(number: int, **body: Any) -> Any:
        return working.post(
            f"{V1}/scans/{scan}/marks", json={"label": "dark", "request_id": request_id(number), **body}
        )

    assert mark(1, verdict="confirmed", inspection=1, finding=0).status_code == 201
    assert mark(2, verdict="rejected", inspection=1, finding=7).status_code == 404
    assert mark(3, verdict="rejected").json()["error"]["code"] == "finding_needed"
    assert mark(4, verdict="drawn", box=[1, 2, 30.5, 40]).json()["box"] == [1, 2, 30.5, 40]
    assert mark(5, verdict="drawn", box=[1, 2, 30.5, 4000]).json()["error"]["code"] == "box_outside"
    assert mark(6, verdict="drawn", box=[1, 2, 3]).status_code == 422
    refused = mark(7, verdict="drawn", label="gnu", box=[1, 2, 3, 4])
    assert refused.status_code == 422
    assert "'gnu'; expected one of dark, blue, or unknown" in refused.json()["error"]["message"]
    assert mark(8, verdict="drawn", label="unknown", box=[1, 2, 3, 4]).status_code == 201
    assert len(working.get(f"{V1}/scans/{scan}").json()["marks"]) == 3


def test_an_engineer_has_a_scan_inspected_again(desk: MadeDesk, client: Client) -> None:
    scan = scan_of(desk)
    assert client("eva").post(f"{V1}/scans/{scan}/inspect").status_code == 202
    assert desk.asked_again == [scan]
    assert trail(desk, scan)[-1] == ("eva", "inspect_again")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["b.png", "a.png"]),
        ("number=lh", ["b.png"]),
        ("label=blue&min_score=0.5", ["b.png"]),
        ("label=blue&min_score=0.7", []),
        ("state=referred", ["b.png"]),
        ("decision=refer&operator=olga", ["b.png"]),
        ("from=2026-03-01T08:00:00Z&to=2026-03-01T08:00:01%2B00:00", ["b.png", "a.png"]),
        ("from=2026-03-01T08:00:00%2B01:00&to=2026-03-01T08:30:00%2B01:00", []),
        ("limit=1", ["b.png"]),
        ("lane=lane-1&before=2", ["a.png"]),
    ],
)
def test_a_supervisor_searches(desk: MadeDesk, client: Client, query: str, expected: list[str]) -> None:
    scan_of(desk, "a.png", ("dark", 0.9))
    decide(client("olga"), scan_of(desk, "b.png", ("blue", 0.6), number="LH-1"))
    found = client("sam").get(f"{V1}/scans?{query}").json()
    assert [scan["name"] for scan in found["scans"]] == expected


def test_statistics(desk: MadeDesk, client: Client) -> None:
    decide(client("olga"), scan_of(desk, "a.png", ("dark", 0.9)), inspection=1, seconds=4.0)
    found = client("sam").get(f"{V1}/statistics").json()
    row = found["operators"][0]
    assert (row["name"], row["referred"], row["agreed_with_advice"], row["seconds_median"]) == (
        "olga",
        1,
        1,
        4.0,
    )
    assert [lane["name"] for lane in found["lanes"]] == ["lane-1"]
    assert found["since"] < found["until"]
    early = client("sam").get(f"{V1}/statistics?from=2026-03-01T00:00:00Z&to=2026-03-02T00:00:00Z").json()
    assert (early["lanes"][0]["scans"], early["lanes"][0]["alarms"], early["operators"]) == (1, 1, [])


def test_records_that_were_made_tell_the_consoles(desk: MadeDesk, client: Client) -> None:
    scan = scan_of(desk, "a.png")
    decide(client("olga"), scan, "clear")
    assert told(desk)[-1] == "scan.decided"
    assert client_of(desk).get("/health/live").json() == {"status": "live"}
