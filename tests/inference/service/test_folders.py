"""Watched folders: what is whole is taken once, what is not stays, what is wrong says why."""

import errno
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cargosight_inference.service import moving
from cargosight_inference.service.accepting import LaneLimits, Reception
from cargosight_inference.service.database.errors import DatabaseBusyError
from cargosight_inference.service.folders import FolderWatch, WatchedFolder
from cargosight_inference.service.moving import free_name
from cargosight_inference.service.storage import Storage
from cargosight_models.errors import UsageError
from tests.made.registers import MemoryRegister, MemoryTally
from tests.made.scans import encoded

SCAN = encoded("png grey", 30, 40)
OTHER = encoded("png grey", 30, 40, seed=1)


class Place:
    """A watched folder on a clock that the test turns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1000.0
        self.register = MemoryRegister()
        self.tally = MemoryTally()
        self.storage = Storage(folder / "data", least_free_mb=0)
        self.reception = Reception(self.storage, self.register, tally=self.tally)
        self.inbox, self.processed, self.failed = (folder / name for name in ("inbox", "processed", "failed"))
        self.inbox.mkdir()
        self.watched = WatchedFolder(
            lane="lane-1",
            inbox=self.inbox,
            processed=self.processed,
            failed=self.failed,
            limits=LaneLimits(most_bytes=1 << 20, most_waiting=100, retry_after=5),
        )
        self.watch = self.watching()

    def watching(self, **changes: object) -> FolderWatch:
        self.watched = replace(self.watched, **changes)
        self.watch = FolderWatch(self.watched, self.reception, clock=lambda: self.now)
        return self.watch

    def poll(self, times: int = 1, seconds: float = 1.0) -> int:
        accepted = 0
        for _ in range(times):
            accepted += self.watch.poll()
            self.now += seconds
        return accepted

    def put(self, name: str, content: bytes = SCAN) -> Path:
        path = self.inbox / name
        path.write_bytes(content)
        return path


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def _events(caplog: pytest.LogCaptureFixture, event: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if getattr(record, "event", "") == event]


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
    assert _names(place.inbox) == []
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
    assert _names(place.failed) == ["empty.png", "empty.png.error.txt"]
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
    before = _names(place.inbox)
    assert place.poll(30) == 0
    assert _names(place.inbox) == before
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
    assert _names(place.failed) == ["notes.txt", "notes.txt.error.txt"]
    sentence = (place.failed / "notes.txt.error.txt").read_text()
    assert sentence.startswith("the file is text; expected JPEG, PNG")
    assert len(_events(caplog, "folder.refused")) == 1
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
    assert _names(place.processed) == ["bag.png", "bag.png.json", "other.png"]
    assert _names(place.inbox) == []


@pytest.mark.parametrize("sidecar", [b"{", b'{"heading": "' + b"x" * 80 + b'"}', b'{"number": "\\u202e1"}'])
def test_a_wrong_sidecar_fails_its_scan_and_goes_with_it(sidecar, place):
    place.put("bag.png.json", sidecar)
    place.put("bag.png")
    assert place.poll(4) == 0
    assert _names(place.failed) == ["bag.png", "bag.png.error.txt", "bag.png.json"]
    assert _names(place.inbox) == []
    assert place.tally.refusals == [("lane-1", "wrong_value")]


def test_the_same_name_again_gets_a_number_and_the_same_bytes_are_one_scan(place):
    for content in (SCAN, OTHER, SCAN):
        place.put("bag.png", content)
        place.put("bag.png.json", b"{}")
        assert place.poll(4) == 1
    assert len(place.register.scans) == 2
    assert (place.processed / "bag~2.png").read_bytes() == OTHER
    assert _names(place.processed) == sorted(
        name + end for name in ("bag.png", "bag~2.png", "bag~3.png") for end in ("", ".json")
    )
    assert place.tally.accepted_scans == [("lane-1", False), ("lane-1", False), ("lane-1", True)]


def test_a_full_lane_keeps_the_files_tries_later_and_says_so_once(place, caplog):
    caplog.set_level(logging.INFO)
    place.watching(limits=LaneLimits(most_bytes=1 << 20, most_waiting=2, retry_after=5))
    for seed in range(4):
        place.put(f"bag{seed}.png", encoded("png grey", 30, 40, seed=seed))
    assert place.poll(60) == 2
    assert _names(place.inbox) == ["bag2.png", "bag3.png"]
    assert len(_events(caplog, "folder.problem")) == 1
    assert "2 scans of lane lane-1 wait" in (place.watch.problem or "")
    assert len(place.tally.refusals) <= 13
    place.register.inspected.update((1, 2))
    assert place.poll(10) == 2
    assert place.watch.problem is None
    assert len(_events(caplog, "folder.well")) == 1


@pytest.mark.parametrize("where", ["disk", "database"])
def test_a_full_disk_or_a_busy_database_loses_nothing(where, place, monkeypatch, caplog):
    place.put("bag.png")
    place.poll(2)
    if where == "database":
        place.register.failing = [DatabaseBusyError("the database does not take it now")] * 3
    else:
        failures = [OSError(errno.ENOSPC, "No space left on device")] * 3
        real = os.fsync

        def fsync(descriptor: int) -> None:
            if failures:
                raise failures.pop()
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
    assert place.poll(1) == 0
    assert _names(place.inbox) == ["bag.png"]
    assert place.watch.problem is not None
    assert place.poll(200) == 1
    assert len(_events(caplog, "folder.problem")) == 1
    assert _names(place.folder / "data" / "incoming") == []


def test_a_folder_that_is_not_there_yet_or_vanishes_is_told_once_and_looked_for(place, caplog):
    caplog.set_level(logging.INFO)
    place.inbox.rmdir()
    assert place.poll(10) == 0
    assert len(_events(caplog, "folder.problem")) == 1
    assert "cannot be listed" in (place.watch.problem or "")
    assert not place.inbox.exists()
    place.inbox.mkdir()
    place.put("bag.png")
    assert place.poll(4) == 1
    assert place.watch.problem is None
    place.inbox.rmdir()
    place.poll(10)
    assert len(_events(caplog, "folder.problem")) == 2


def _unopenable(monkeypatch: pytest.MonkeyPatch, names: set[str], number: int) -> None:
    real = os.open

    def opening(path: str | Path, *args: int, **kwargs: int) -> int:
        if Path(path).parent.name == "inbox" and Path(path).name in names:
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", opening)


def test_a_file_that_may_not_be_opened_goes_to_failed(place, monkeypatch):
    place.put("bag.png")
    place.put("other.png", OTHER)
    _unopenable(monkeypatch, {"bag.png"}, errno.EACCES)
    assert place.poll(4) == 1
    assert _names(place.failed) == ["bag.png", "bag.png.error.txt"]
    assert "cannot be opened (Permission denied)" in (place.failed / "bag.png.error.txt").read_text()


def test_one_that_can_neither_be_opened_nor_moved_is_told_once_and_taken_when_it_can_be(
    place, monkeypatch, caplog
):
    place.put("bag.png")
    place.put("other.png", OTHER)
    place.failed.write_text("a file in the folder's place")
    _unopenable(monkeypatch, {"bag.png"}, errno.EACCES)
    assert place.poll(200) == 1
    assert _names(place.inbox) == ["bag.png"]
    assert len(_events(caplog, "folder.refused")) == len(_events(caplog, "folder.stuck")) == 1
    monkeypatch.undo()
    assert place.poll(70) == 1
    assert _names(place.processed) == ["bag.png", "other.png"]


def test_one_that_cannot_be_read_for_now_is_told_once_and_tried_again(place, monkeypatch, caplog):
    place.put("bag.png")
    _unopenable(monkeypatch, {"bag.png"}, errno.EIO)
    assert place.poll(200) == 0
    assert len(_events(caplog, "folder.stuck")) == 1
    assert not place.failed.exists()
    monkeypatch.undo()
    assert place.poll(70) == 1


def test_an_accepted_one_that_cannot_be_moved_is_read_once_and_moved_later(place, monkeypatch, caplog):
    place.processed.write_text("a file in the folder's place")
    place.put("bag.png")
    assert place.poll(4) == 1
    reads: list[str] = []
    begin = place.reception.begin
    monkeypatch.setattr(place.reception, "begin", lambda *a, **k: reads.append("again") or begin(*a, **k))
    assert place.poll(200) == 0
    assert len(_events(caplog, "folder.stuck")) == 1
    place.processed.unlink()
    place.poll(70)
    assert _names(place.processed) == ["bag.png"]
    assert reads == []


def test_another_scan_under_the_name_of_one_that_could_not_be_moved_is_taken(place):
    place.processed.write_text("a file in the folder's place")
    path = place.put("bag.png")
    place.poll(4)
    place.processed.unlink()
    path.write_bytes(OTHER + b" ")
    assert place.poll(70) == 1
    assert len(place.register.scans) == 2
    assert (place.processed / "bag.png").read_bytes() == OTHER + b" "


def test_a_scan_written_over_while_it_was_taken_is_taken_itself(place, monkeypatch):
    path = place.put("bag.png")
    accept = place.reception.accept

    def accept_and_write(receiving):
        accepted = accept(receiving)
        if len(place.register.scans) == 1:
            path.write_bytes(OTHER)
        return accepted

    monkeypatch.setattr(place.reception, "accept", accept_and_write)
    assert place.poll(8) == 2
    assert len(place.register.scans) == 2
    assert (place.processed / "bag.png").read_bytes() == OTHER


def test_a_scan_written_over_at_the_rename_is_put_back(place, monkeypatch):
    path = place.put("bag.png")
    place.put("bag.png.json", b'{"number": "7"}')
    real = os.rename
    written: list[Path] = []

    def rename(source: str | Path, target: str | Path) -> None:
        if not written and Path(source) == path:
            written.append(path)
            path.write_bytes(OTHER)
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    assert place.poll(8) == 2
    assert [scan.number for scan in place.register.scans] == ["7", "7"]
    assert _names(place.processed) == ["bag.png", "bag.png.json"]
    assert (place.processed / "bag.png").read_bytes() == OTHER


def test_a_scan_that_grows_while_it_is_read_is_not_accepted_half(place, monkeypatch):
    path = place.put("bag.png")
    begin = place.reception.begin
    more = [b"more"]

    def begin_and_write(*args, **kwargs):
        if more:
            path.write_bytes(SCAN + more.pop())
        return begin(*args, **kwargs)

    monkeypatch.setattr(place.reception, "begin", begin_and_write)
    assert place.poll(10) == 1
    assert place.register.scans[0].size == len(SCAN) + 4


@pytest.mark.parametrize("name", ["bag.png", "notes.txt"])
def test_a_folder_on_another_disk_gets_a_copy(name, place, monkeypatch):
    real = {"rename": os.rename, "replace": os.replace}

    def across(call: str) -> Callable[[Path, Path], None]:
        def moved(source: str | Path, target: str | Path) -> None:
            if Path(source).parent != Path(target).parent and Path(source).parent == place.inbox:
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            real[call](source, target)

        return moved

    for call in real:
        monkeypatch.setattr(os, call, across(call))
    content = SCAN if name == "bag.png" else b"no scan"
    place.put(name, content)
    place.put(f"{name}.json", b"{}")
    place.poll(4)
    target = place.processed if name == "bag.png" else place.failed
    assert (target / name).read_bytes() == content
    assert (target / f"{name}.json").read_bytes() == b"{}"
    assert not [found for found in _names(target) if found.startswith(".")]
    assert _names(place.inbox) == []


def test_a_link_in_the_failed_folder_is_not_written_through(place):
    victim = place.folder / "victim"
    victim.write_text("precious")
    place.failed.mkdir()
    (place.failed / "notes.txt.error.txt").symlink_to(victim)
    (place.failed / moving._PART).symlink_to(victim)
    place.put("notes.txt", b"no scan")
    place.poll(4)
    assert victim.read_text() == "precious"
    assert not (place.failed / "notes.txt.error.txt").is_symlink()


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


def test_files_that_cannot_be_moved_do_not_stand_in_the_way_of_others(place, monkeypatch):
    place.watching(settle_seconds=0.0, most_per_poll=1000)
    bad = {f"a{number}.png" for number in range(300)}
    for name in bad:
        place.put(name)
    place.put("bag.png", OTHER)
    _unopenable(monkeypatch, bad, errno.EIO)
    assert place.poll(5) == 1
    assert place.register.scans[0].name == "bag.png"


def test_names_that_are_no_text_or_very_long_are_taken(place):
    names = [b"bag\xff.png", b"x" * 251 + b".png", ("漢" * 80 + ".png").encode()]
    for number, name in enumerate(names):
        (place.inbox / os.fsdecode(name)).write_bytes(SCAN + bytes([number]))
    (place.inbox / os.fsdecode(b"no\xff" + b"y" * 250)).write_bytes(b"no scan")
    assert place.poll(4) == 3
    assert _names(place.inbox) == []
    assert len(_names(place.processed)) == 3
    assert len(_names(place.failed)) == 2
    assert all(scan.name.encode() for scan in place.register.scans)


NAME = st.binary(min_size=1, max_size=255).filter(
    lambda name: not {0, 47} & set(name) and name not in (b".", b"..")
)


@given(NAME)
@example(b"." * 255)
@example(b"a." + b"b" * 253)
@example(b"\xff" * 255)
def test_free_names_fit_and_are_free(one_folder, name):
    text = os.fsdecode(name)
    first = free_name(one_folder, text)
    made = []
    for _ in range(4):
        found = free_name(one_folder, text)
        assert "/" not in found
        assert len(os.fsencode(found)) <= 255 - len(".error.txt")
        (one_folder / found).touch(exist_ok=False)
        made.append(found)
    assert len(set(made)) == 4
    for found in made:
        (one_folder / found).unlink()
    assert free_name(one_folder, text) == first


@pytest.fixture(scope="module")
def one_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("names")


def test_a_name_that_was_given_very_often_is_found_free_at_once(tmp_path, monkeypatch):
    (tmp_path / "scan.png").touch()
    for number in range(2, 3000):
        (tmp_path / f"scan~{number}.png").touch()
    looks: list[str] = []
    real = os.path.lexists
    monkeypatch.setattr(os.path, "lexists", lambda path: looks.append(path) or real(path))
    assert free_name(tmp_path, "scan.png") == "scan~3000.png"
    assert len(looks) < 40


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


def test_stopping_in_the_middle_of_a_file_leaves_it_there(place, monkeypatch):
    place.watching(settle_seconds=0.0, limits=LaneLimits(most_bytes=1 << 30, most_waiting=10))
    place.put("bag.png", SCAN + bytes(5 << 20))
    place.poll(1)
    reading = threading.Event()
    real = Storage.demand_room

    def note(self, size):
        reading.set()
        place.watch._stop.set()
        real(self, size)

    monkeypatch.setattr(Storage, "demand_room", note)
    assert place.poll(1) == 0
    assert reading.is_set()
    assert _names(place.inbox) == ["bag.png"]
    assert _names(place.folder / "data" / "incoming") == []
