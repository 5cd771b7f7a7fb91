"""Scans of a lane that is in the settings no more: found and looked at, and nothing is done with them."""

from collections.abc import Callable

import pytest

from cargosight_inference.service.records import accounts
from tests.made.service import MadeDesk, TestClient, scan_of

V1 = "/api/v1"


@pytest.fixture
def removed(desk: MadeDesk) -> int:
    scan = scan_of(desk, "old.png", ("dark", 0.9), lane="lane-2", picture=True)
    scan_of(desk, "new.png")
    desk.settings = desk.settings.model_copy(update={"lanes": desk.settings.lanes[:1]})
    desk.removed_lanes = ("lane-2",)
    return scan


def names(client: TestClient, query: str = "") -> set[str]:
    return {scan["name"] for scan in client.get(f"{V1}/scans{query}").json()["scans"]}


def test_they_are_searched_by_who_may_see_them(
    desk: MadeDesk, client: Callable[[str], TestClient], removed: int
) -> None:
    assert names(client("ada")) == {"old.png", "new.png"}
    assert names(client("ada"), "?lane=lane-2") == {"old.png"}
    assert names(client("sam")) == {"new.png"}
    assert client("sam").get(f"{V1}/scans?lane=lane-2").status_code == 404
    with desk.database.writing() as connection:
        accounts.change(connection, "sam", lanes=["lane-1", "lane-2"], by="ada")
    assert names(client("sam")) == {"old.png", "new.png"}


def test_they_are_looked_at(client: Callable[[str], TestClient], removed: int) -> None:
    for name, status in (("ada", 200), ("eva", 200), ("sam", 404), ("otto", 404)):
        found = client(name).get(f"{V1}/scans/{removed}")
        assert found.status_code == status, name
    assert found.status_code == 404
    ada = client("ada")
    assert ada.get(f"{V1}/scans/{removed}").json()["subject"] == "unknown"
    assert ada.get(f"{V1}/scans/{removed}/picture").status_code == 200
    assert ada.get(f"{V1}/scans/{removed}/story").status_code == 200
    assert ada.post(f"{V1}/scans/{removed}/view").status_code == 204


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("decisions", {"decision": "clear", "request_id": "a" * 16}),
        ("inspect", None),
        ("secondary", {"found": True, "note": "", "request_id": "a" * 16}),
    ],
)
def test_nothing_is_done_with_them(
    client: Callable[[str], TestClient], removed: int, path: str, body: object
) -> None:
    refused = client("ada").post(f"{V1}/scans/{removed}/{path}", json=body)
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "lane_removed"
    assert "lane-2 is in the settings no more" in refused.json()["error"]["message"]


def test_the_service_is_ready_and_says_so(nobody: TestClient, removed: int) -> None:
    told = nobody.get("/health/ready")
    assert told.status_code == 200
    assert told.json() == {
        "status": "ready",
        "problems": [],
        "warnings": ["the lane lane-2 is in the settings no more"],
    }
