"""Watched folders in trouble: a disk, a database or a file that fails, files that are written over meanwhile."""

import errno
import logging
import os
import threading
from pathlib import Path

import pytest

from cargosight_inference.service.accepting import LaneLimits
from cargosight_inference.service.database.errors import DatabaseBusyError
from cargosight_inference.service.storage import Storage
from tests.made.watched_folders import OTHER, SCAN, events, names


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
    assert names(place.inbox) == ["bag.png"]
    assert place.watch.problem is not None
    assert place.poll(200) == 1
    assert len(events(caplog, "folder.problem")) == 1
    assert names(place.folder / "data" / "incoming") == []


def test_a_folder_that_is_not_there_yet_or_vanishes_is_told_once_and_looked_for(place, caplog):
    caplog.set_level(logging.INFO)
    place.inbox.rmdir()
    assert place.poll(10) == 0
    assert len(events(caplog, "folder.problem")) == 1
    assert "cannot be listed" in (place.watch.problem or "")
    assert not place.inbox.exists()
    place.inbox.mkdir()
    place.put("bag.png")
    assert place.poll(4) == 1
    assert place.watch.problem is None
    place.inbox.rmdir()
    place.poll(10)
    assert len(events(caplog, "folder.problem")) == 2


def unopenable(monkeypatch: pytest.MonkeyPatch, names: set[str], number: int) -> None:
    real = os.open

    def opening(path: str | Path, *args: int, **kwargs: int) -> int:
        if Path(path).parent.name == "inbox" and Path(path).name in names:
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", opening)


def test_a_file_that_may_not_be_opened_goes_to_failed(place, monkeypatch):
    place.put("bag.png")
    place.put("other.png", OTHER)
    unopenable(monkeypatch, {"bag.png"}, errno.EACCES)
    assert place.poll(4) == 1
    assert names(place.failed) == ["bag.png", "bag.png.error.txt"]
    assert "cannot be opened (Permission denied)" in (place.failed / "bag.png.error.txt").read_text()


def test_one_that_can_neither_be_opened_nor_moved_is_told_once_and_taken_when_it_can_be(
    place, monkeypatch, caplog
):
    place.put("bag.png")
    place.put("other.png", OTHER)
    place.failed.write_text("a file in the folder's place")
    unopenable(monkeypatch, {"bag.png"}, errno.EACCES)
    assert place.poll(200) == 1
    assert names(place.inbox) == ["bag.png"]
    assert len(events(caplog, "folder.refused")) == len(events(caplog, "folder.stuck")) == 1
    monkeypatch.undo()
    assert place.poll(70) == 1
    assert names(place.processed) == ["bag.png", "other.png"]


def test_one_that_cannot_be_read_for_now_is_told_once_and_tried_again(place, monkeypatch, caplog):
    place.put("bag.png")
    unopenable(monkeypatch, {"bag.png"}, errno.EIO)
    assert place.poll(200) == 0
    assert len(events(caplog, "folder.stuck")) == 1
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
    assert len(events(caplog, "folder.stuck")) == 1
    place.processed.unlink()
    place.poll(70)
    assert names(place.processed) == ["bag.png"]
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
    assert names(place.processed) == ["bag.png", "bag.png.json"]
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


def test_files_that_cannot_be_moved_do_not_stand_in_the_way_of_others(place, monkeypatch):
    place.watching(settle_seconds=0.0, most_per_poll=1000)
    bad = {f"a{number}.png" for number in range(300)}
    for name in bad:
        place.put(name)
    place.put("bag.png", OTHER)
    unopenable(monkeypatch, bad, errno.EIO)
    assert place.poll(5) == 1
    assert place.register.scans[0].name == "bag.png"


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
    assert names(place.inbox) == ["bag.png"]
    assert names(place.folder / "data" / "incoming") == []
