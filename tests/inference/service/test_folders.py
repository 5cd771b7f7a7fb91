"""Watched folders: what is whole is taken once, what is not stays, what is wrong says why."""

import json
import logging
import os
import time
from dataclasses import replace

import pytest

from cargosight_inference.service.accepting import LaneLimits
from cargosight_inference.service.folders import FolderWatch
from cargosight_models.errors import UsageError
from tests.made.scans import encoded
from tests.made.watched_folders import OTHER, SCAN, events, names


def test_a_scan_is_accepted_and_moved(place):
    place.put("bag.png")
    assert place.poll(4) == 1
    (scan,) = place.register.scans
    assert (scan.lane, scan.name, scan.source, scan.by, scan.number) == (
        "lane-1",
        "bag.png",
        "folder",
        "folder",
        None,
    )
    assert place.storage.path(scan.stored).read_bytes() == SCAN
    assert names(place.inbox) == []
    assert (place.processed / "bag.png").read_bytes() == SCAN
    assert place.tally.accepted_scans == [("lane-1", False)]


def test_what_lies_there_at_the_start_is_taken_by_the_first_polls_in_natural_order(place):
    for number in (10, 9, 1):
        place.put(f"bag{number}.png", encoded("png grey", 30, 40, seed=number))
    assert place.poll(3) == 3
    assert [scan.name for scan in place.register.scans] == ["bag1.png", "bag9.png", "bag10.png"]


def test_a_file_that_is_still_written_is_waited_for(place):
    path = place.put("bag.png", SCAN[:100])
    for end in range(200, len(SCAN), 100):
        assert place.poll() == 0
        path.write_bytes(SCAN[:end])
    path.write_bytes(SCAN)
    assert place.poll(2) == 0
    assert place.poll(2) == 1
    assert place.register.scans[0].size == len(SCAN)


def test_the_clock_of_the_share_is_not_asked(place):
    for name, seconds in (("ahead.png", 1e6), ("behind.png", -1e6)):
        path = place.put(name, SCAN + name.encode())
        os.utime(path, (time.time() + seconds,) * 2)
    assert place.poll(2) == 0
    assert place.poll(1) == 2


def test_two_looks_are_not_enough_while_the_time_has_not_passed(place):
    place.put("bag.png")
    assert place.poll(20, seconds=0.09) == 0
    assert place.poll(1, seconds=1.0) == 0
    assert place.poll(1) == 1


def test_an_empty_file_is_waited_for_longer_and_fails_then(place):
    path = place.put("late.png", b"")
    assert place.poll(15) == 0
    path.write_bytes(SCAN)
    assert place.poll(4) == 1
    place.put("empty.png", b"")
    place.poll(25)
    assert names(place.failed) == ["empty.png", "empty.png.error.txt"]
    assert "the file is empty" in (place.failed / "empty.png.error.txt").read_text()


def test_hidden_unfinished_and_foreign_things_are_left_alone(place):
    for name in (".hidden.png", "bag.png.part", "bag.TMP", "bag.png.json"):
        place.put(name)
    (place.inbox / "folder.png").mkdir()
    (place.inbox / "folder.png" / "bag.png").write_bytes(SCAN)
    outside = place.folder / "outside.png"
    outside.write_bytes(SCAN)
    (place.inbox / "link.png").symlink_to(outside)
    os.mkfifo(place.inbox / "pipe.png")
    before = names(place.inbox)
    assert place.poll(30) == 0
    assert names(place.inbox) == before
    assert not place.failed.exists()


def test_a_link_or_pipe_that_takes_a_files_place_is_not_opened(place):
    outside = place.folder / "outside.png"
    outside.write_bytes(SCAN)
    for make in (lambda path: path.symlink_to(outside), os.mkfifo):
        path = place.put("bag.png")
        place.poll(1)
        track = place.watch._files.tracks["bag.png"]
        path.unlink()
        make(path)
        assert place.watch._receive("bag.png", track.seen) is None
        path.unlink()
    assert place.register.scans == []


def test_what_is_no_scan_goes_to_failed_with_its_sentence(place, caplog):
    place.put("notes.txt", b"no scan at all")
    assert place.poll(4) == 0
    assert names(place.failed) == ["notes.txt", "notes.txt.error.txt"]
    sentence = (place.failed / "notes.txt.error.txt").read_text()
    assert sentence.startswith("the file is text; expected JPEG, PNG")
    assert len(events(caplog, "folder.refused")) == 1
    assert place.tally.refusals == [("lane-1", "not_a_scan")]
    assert place.watch.problem is None


def test_a_file_above_the_limit_is_not_read(place):
    place.watching(limits=LaneLimits(most_bytes=100, most_waiting=10))
    place.put("bag.png")
    place.poll(4)
    assert "expected a scan of at most 100" in (place.failed / "bag.png.error.txt").read_text()


def test_a_sidecar_tells_number_and_heading_and_goes_with_its_scan(place):
    place.put("bag.png.json", json.dumps({"number": "MSKU1234565", "heading": "4011"}).encode())
    place.put("bag.png")
    place.put("other.png", OTHER)
    assert place.poll(4) == 2
    told = {scan.name: (scan.number, scan.heading) for scan in place.register.scans}
    assert told == {"bag.png": ("MSKU1234565", "4011"), "other.png": (None, None)}
    assert names(place.processed) == ["bag.png", "bag.png.json", "other.png"]
    assert names(place.inbox) == []


@pytest.mark.parametrize("sidecar", [b"{", b'{"heading": "' + b"x" * 80 + b'"}', b'{"number": "\\u202e1"}'])
def test_a_wrong_sidecar_fails_its_scan_and_goes_with_it(sidecar, place):
    place.put("bag.png.json", sidecar)
    place.put("bag.png")
    assert place.poll(4) == 0
    assert names(place.failed) == ["bag.png", "bag.png.error.txt", "bag.png.json"]
    assert names(place.inbox) == []
    assert place.tally.refusals == [("lane-1", "wrong_value")]


def test_the_same_name_again_gets_a_number_and_the_same_bytes_are_one_scan(place):
    for content in (SCAN, OTHER, SCAN):
        place.put("bag.png", content)
        place.put("bag.png.json", b"{}")
        assert place.poll(4) == 1
    assert len(place.register.scans) == 2
    assert (place.processed / "bag~2.png").read_bytes() == OTHER
    assert names(place.processed) == sorted(
        name + end for name in ("bag.png", "bag~2.png", "bag~3.png") for end in ("", ".json")
    )
    assert place.tally.accepted_scans == [("lane-1", False), ("lane-1", False), ("lane-1", True)]


def test_a_full_lane_keeps_the_files_tries_later_and_says_so_once(place, caplog):
    caplog.set_level(logging.INFO)
    place.watching(limits=LaneLimits(most_bytes=1 << 20, most_waiting=2, retry_after=5))
    for seed in range(4):
        place.put(f"bag{seed}.png", encoded("png grey", 30, 40, seed=seed))
    assert place.poll(60) == 2
    assert names(place.inbox) == ["bag2.png", "bag3.png"]
    assert len(events(caplog, "folder.problem")) == 1
    assert "2 scans of lane lane-1 wait" in (place.watch.problem or "")
    assert len(place.tally.refusals) <= 13
    place.register.inspected.update((1, 2))
    assert place.poll(10) == 2
    assert place.watch.problem is None
    assert len(events(caplog, "folder.well")) == 1


def test_a_folder_of_very_many_files_is_taken_piece_by_piece(place):
    place.watching(
        most_per_poll=10, settle_seconds=0.0, limits=LaneLimits(most_bytes=1 << 20, most_waiting=10_000)
    )
    for number in range(600):
        place.put(f"bag{number}.png", SCAN + number.to_bytes(2, "big"))
    counts = []
    while sum(counts) < 600 and len(counts) < 100:
        counts.append(place.poll())
        assert len(place.watch._files.tracks) <= 256
    assert max(counts) == 10
    assert [scan.name for scan in place.register.scans] == [f"bag{number}.png" for number in range(600)]


def test_names_that_are_no_text_or_very_long_are_taken(place):
    long = [b"bag\xff.png", b"x" * 251 + b".png", ("漢" * 80 + ".png").encode()]
    for number, name in enumerate(long):
        (place.inbox / os.fsdecode(name)).write_bytes(SCAN + bytes([number]))
    (place.inbox / os.fsdecode(b"no\xff" + b"y" * 250)).write_bytes(b"no scan")
    assert place.poll(4) == 3
    assert names(place.inbox) == []
    assert len(names(place.processed)) == 3
    assert len(names(place.failed)) == 2
    assert all(scan.name.encode() for scan in place.register.scans)


def test_three_folders_have_to_be_three(place):
    with pytest.raises(UsageError, match="expected three different ones"):
        replace(place.watched, failed=place.processed)


def test_the_thread_takes_scans_until_it_is_stopped(place):
    folder = replace(place.watched, poll_seconds=0.01, settle_seconds=0.02)
    watch = FolderWatch(folder, place.reception)
    assert not watch.alive
    watch.start()
    try:
        assert watch.alive
        place.put("bag.png")
        end = time.monotonic() + 20
        while not (place.processed / "bag.png").exists() and time.monotonic() < end:
            time.sleep(0.01)
        assert (place.processed / "bag.png").exists()
    finally:
        assert watch.stop()
    assert not watch.alive
    place.put("late.png", OTHER)
    assert len(place.register.scans) == 1
    watch.start()
    assert watch.alive
    assert watch.stop()
