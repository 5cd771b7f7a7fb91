"""Sidecars in watched folders: under either name, never another scan's, and never passed over in silence."""

import json

import pytest

from tests.made.scans import encoded
from tests.made.watched_folders import OTHER, SCAN, Place, events, names


def number(text: str) -> bytes:
    return json.dumps({"number": text}).encode()


def told(place: Place) -> dict[str, str | None]:
    return {scan.name: scan.number for scan in place.register.scans}


def test_the_stem_alone_is_enough_where_one_scan_has_it(place: Place) -> None:
    place.put("bag.json", number("LH-1"))
    place.put("bag.png")
    assert place.poll(4) == 1
    assert told(place) == {"bag.png": "LH-1"}
    assert names(place.processed) == ["bag.png", "bag.png.json"]
    assert (place.processed / "bag.png.json").read_bytes() == number("LH-1")
    assert names(place.inbox) == []


def test_the_full_name_wins(place: Place) -> None:
    place.put("bag.json", number("LH-1"))
    place.put("bag.png.json", number("LH-2"))
    place.put("bag.png")
    place.poll(4)
    assert told(place) == {"bag.png": "LH-2"}
    assert (place.processed / "bag.png.json").read_bytes() == number("LH-2")
    assert names(place.inbox) == ["bag.json"]  # it is told of, see below


def test_a_stem_of_two_scans_tells_of_neither(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.put("bag.json", number("LH-1"))
    place.put("bag.png")
    place.put("bag.tif", OTHER)
    place.put("next.png", encoded("png grey", 30, 40, seed=2))
    assert place.poll(4) == 1
    assert told(place) == {"next.png": None}
    assert names(place.inbox) == []
    assert names(place.failed) == [
        f"bag.{name}{end}" for name in ("json", "png", "tif") for end in ("", ".error.txt")
    ]
    sentence = (place.failed / "bag.tif.error.txt").read_text()
    assert sentence.startswith(
        "bag.json could belong to bag.png or bag.tif; call it bag.png.json or bag.tif.json"
    )
    assert place.tally.refusals == [("lane-1", "wrong_value")] * 2
    assert len(events(caplog, "folder.refused")) == 2


def test_a_second_one_that_is_still_written_gets_no_number_of_the_first(place: Place) -> None:
    place.put("bag.json", number("LH-1"))
    place.put("bag.png")
    place.poll(2)
    path = place.put("bag.tif", OTHER[:50])
    place.poll(2)
    path.write_bytes(OTHER)
    assert place.poll(5) == 0
    assert names(place.inbox) == [] and "bag.tif.error.txt" in names(place.failed)


def test_each_of_two_with_its_full_name(place: Place) -> None:
    for name, content, text in (("bag.png", SCAN, "LH-1"), ("bag.tif", OTHER, "LH-2")):
        place.put(f"{name}.json", number(text))
        place.put(name, content)
    assert place.poll(4) == 2
    assert told(place) == {"bag.png": "LH-1", "bag.tif": "LH-2"}


def test_one_that_is_another_s_by_its_full_name_is_not_taken(place: Place) -> None:
    place.put("bag.tif.json", number("LH-1"))
    place.put("bag.tif")
    place.put("bag.tif.png", OTHER)
    assert place.poll(4) == 2
    assert told(place) == {"bag.tif": "LH-1", "bag.tif.png": None}


def test_a_name_without_a_suffix(place: Place) -> None:
    place.put("bag.json", number("LH-1"))
    place.put("bag")
    assert place.poll(4) == 1
    assert told(place) == {"bag": "LH-1"}
    assert names(place.processed) == ["bag", "bag.json"]


@pytest.mark.parametrize("name", ["bag.json", "bag.png.json"])
def test_one_that_is_still_written_is_waited_for(place: Place, name: str) -> None:
    whole = number("LH-12345678")
    place.put("bag.png")
    for end in range(4, len(whole), 4):
        place.put(name, whole[:end])
        assert place.poll() == 0
    place.put(name, whole)
    assert place.poll(2) == 0
    assert place.poll(2) == 1
    assert told(place) == {"bag.png": "LH-12345678"}


def test_a_wrong_one_fails_its_scan_under_either_name(place: Place) -> None:
    place.put("bag.json", b"{")
    place.put("bag.png")
    place.poll(4)
    assert names(place.failed) == ["bag.png", "bag.png.error.txt", "bag.png.json"]
    assert "bag.json is no JSON" in (place.failed / "bag.png.error.txt").read_text()


def test_one_without_a_scan_is_told_once_until_it_has_one(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.put("bag.json", number("LH-1"))
    place.put("case.tif.JSON", number("LH-2"))
    place.poll(45)
    assert place.watch.notice is None
    place.poll(60)
    notice = place.watch.notice
    assert notice is not None
    assert notice.startswith(
        "bag.json and 1 more in the watched folder belongs to no scan; expected NAME.tif.json"
    )
    assert place.watch.problem is None
    assert len(events(caplog, "folder.stray")) == 2
    (place.inbox / "case.tif.JSON").unlink()
    place.put("bag.png")
    assert place.poll(4) == 1
    assert told(place) == {"bag.png": "LH-1"}
    place.poll(20)
    assert place.watch.notice is None
    assert len(events(caplog, "folder.stray")) == 2


def test_one_whose_scan_is_being_copied_is_not_stray(place: Place) -> None:
    place.put("bag.tif.json", number("LH-1"))
    place.put("case.json", number("LH-2"))
    place.put("bag.tif.part")
    place.put(".case.tif.tmp")
    place.poll(200)
    assert place.watch.notice is None
