"""Bytes of scans on disk: whole or not there, whatever goes wrong."""

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargosight_inference.service.refusals import DiskFull, StorageFailed, TooLarge
from cargosight_inference.service.storage import HEAD_BYTES, Storage, checked_lane, stored_path
from cargosight_models.errors import UsageError

MB = 1 << 20


@pytest.fixture
def storage(tmp_path):
    return Storage(tmp_path / "data", least_free_mb=0)


@pytest.fixture(scope="module")
def one_storage(tmp_path_factory):
    return Storage(tmp_path_factory.mktemp("storage"), least_free_mb=0)


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _store(storage: Storage, content: bytes, lane: str = "lane-1") -> str:
    with storage.open(most_bytes=MB) as incoming:
        incoming.write(content)
        return incoming.keep(lane)


def test_what_is_kept_lies_under_its_lane_and_hash(storage, tmp_path):
    content = bytes(range(256)) * 20
    digest = hashlib.sha256(content).hexdigest()
    with storage.open(most_bytes=MB) as incoming:
        for start in range(0, len(content), 1000):
            incoming.write(content[start : start + 1000])
        assert incoming.size == len(content)
        assert incoming.head == content[:HEAD_BYTES]
        stored = incoming.keep("lane-1")
    assert stored == f"scans/lane-1/{digest[:2]}/{digest}"
    assert _files(tmp_path / "data") == [stored]
    assert storage.path(stored).read_bytes() == content
    assert storage.holds(stored)


def test_what_is_not_kept_is_gone_after_the_block(storage, tmp_path):
    with pytest.raises(KeyError), storage.open(most_bytes=MB) as incoming:
        incoming.write(b"half")
        raise KeyError
    with storage.open(most_bytes=MB) as incoming:
        incoming.write(b"whole but not wanted")
        incoming.finish()
    assert _files(tmp_path) == []


def test_only_its_owner_may_read_a_stored_scan(storage):
    assert storage.path(_store(storage, b"scan")).stat().st_mode & 0o077 == 0


def test_the_same_bytes_in_two_lanes_are_two_files_and_in_one_lane_one(storage, tmp_path):
    stored = {_store(storage, b"scan"), _store(storage, b"scan"), _store(storage, b"scan", "lane-2")}
    assert len(stored) == 2
    assert _files(tmp_path / "data") == sorted(stored)


def test_more_bytes_than_a_scan_may_have_are_refused_when_announced_and_when_they_come(storage, tmp_path):
    with pytest.raises(TooLarge, match=r"has 11 bytes; expected a scan of at most 10"):
        storage.open(most_bytes=10, expected=11)
    with pytest.raises(TooLarge, match="more than 10 bytes"), storage.open(most_bytes=10) as incoming:
        incoming.write(b"0123456789")
        incoming.write(b"x")
    assert _files(tmp_path) == []


def test_the_start_removes_parts_and_nothing_else(storage, tmp_path):
    stored = _store(storage, b"scan")
    incoming = tmp_path / "data" / "incoming"
    (incoming / "a.part").write_bytes(b"left by a kill")
    (incoming / "notes.txt").write_bytes(b"of somebody else")
    assert storage.remove_parts() == 1
    assert _files(tmp_path / "data") == ["incoming/notes.txt", stored]


def test_orphans_are_removed_and_named_scans_stay(storage, tmp_path):
    stored = [_store(storage, bytes([number]), f"lane-{number % 3}") for number in range(20)]
    (tmp_path / "data" / "scans" / "notes.txt").write_text("of somebody else")
    odd = tmp_path / "data" / "scans" / "lane-1" / "00"
    odd.mkdir(exist_ok=True)
    (odd / ("f" * 64)).write_text("in the wrong folder, so not of the storage")
    found = storage.orphans(set(stored[5:]).intersection)
    assert (found.found, found.removed) == (5, 5)
    assert [storage.holds(path) for path in stored] == [False] * 5 + [True] * 15
    assert storage.orphans(set(stored[5:]).intersection).found == 0
    assert (odd / ("f" * 64)).exists()


def test_a_database_that_is_not_of_this_folder_removes_nothing(storage):
    stored = [_store(storage, bytes([number])) for number in range(8)]
    nobody = storage.orphans(set[str]().intersection)
    assert (nobody.found, nobody.removed) == (8, 0)
    older = storage.orphans(set(stored[:2]).intersection, most=5)
    assert (older.found, older.removed) == (6, 0)
    assert all(storage.holds(path) for path in stored)


def test_many_stored_scans_are_asked_for_in_batches(storage, tmp_path):
    folder = tmp_path / "data" / "scans" / "lane-1" / "ab"
    folder.mkdir(parents=True)
    for number in range(1201):
        (folder / f"ab{number:062x}").touch()
    asked: list[int] = []

    def known(batch):
        asked.append(len(batch))
        return batch

    assert storage.orphans(known).found == 0
    assert sum(asked) == 1201
    assert max(asked) <= 500


def test_nothing_is_taken_that_would_leave_too_little_free(tmp_path):
    state = os.statvfs(tmp_path)
    free_mb = state.f_bavail * state.f_frsize // MB
    storage = Storage(tmp_path, least_free_mb=max(1, free_mb // 2))
    storage.open(most_bytes=1 << 60, expected=1).discard()
    with pytest.raises(DiskFull, match="kept free; the scan was not accepted: make room"):
        storage.open(most_bytes=1 << 60, expected=free_mb * MB)


@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize(
    "failure", [(errno.ENOSPC, DiskFull), (errno.EDQUOT, DiskFull), (errno.EIO, StorageFailed)]
)
def test_an_error_of_the_disk_is_a_sentence_and_leaves_nothing(call, failure, storage, tmp_path, monkeypatch):
    number, kind = failure

    def fail(*_):
        raise OSError(number, os.strerror(number))

    with pytest.raises(kind, match=os.strerror(number)) as caught, storage.open(most_bytes=MB) as incoming:
        incoming.write(b"the first bytes")
        monkeypatch.setattr(os, call, fail)
        incoming.write(b"the last ones")
        incoming.keep("lane-1")
    monkeypatch.undo()
    assert caught.value.retry_after >= 1
    assert _files(tmp_path) == []


def test_after_a_failed_fsync_a_second_one_keeps_nothing(storage, tmp_path, monkeypatch):
    failures = [OSError(errno.EIO, "gone")]
    real = os.fsync

    def fail_once(descriptor):
        if failures:
            raise failures.pop()
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fail_once)
    with storage.open(most_bytes=MB) as incoming:
        incoming.write(b"scan")
        with pytest.raises(StorageFailed):
            incoming.keep("lane-1")
        with pytest.raises(StorageFailed):
            incoming.keep("lane-1")
    assert _files(tmp_path) == []


@pytest.mark.parametrize("call", ["mkdir", "replace"])
def test_a_disk_full_at_the_rename_leaves_nothing(call, storage, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFull), storage.open(most_bytes=MB) as incoming:
        incoming.write(b"scan")
        monkeypatch.setattr(os, call, fail)
        incoming.keep("lane-1")
    monkeypatch.undo()
    assert _files(tmp_path) == []


def test_a_write_that_takes_a_part_only_goes_on_with_the_rest(storage, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:7])))
    content = bytes(range(100))
    assert storage.path(_store(storage, content)).read_bytes() == content


def test_a_limit_of_the_system_on_the_size_of_files_is_no_room(tmp_path):
    """The kernel's own refusal, in a process of its own since the limit holds for all of its files."""
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from cargosight_inference.service.refusals import DiskFull\n"
        "from cargosight_inference.service.storage import Storage\n"
        "storage = Storage(Path(sys.argv[1]), least_free_mb=0)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    with storage.open(most_bytes=1 << 20) as incoming:\n"
        "        incoming.write(bytes(10_000))\n"
        "except DiskFull as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "no room on the disk" in done.stdout
    assert _files(tmp_path) == []


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 256 KB; skipped where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=20)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip("a file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=20)


def test_a_full_disk_refuses_until_there_is_room_again(tiny_disk):
    storage = Storage(tiny_disk, least_free_mb=0)
    _store(storage, bytes(100_000))
    (tiny_disk / "other").write_bytes(bytes(100_000))
    with pytest.raises(DiskFull, match="make room, and send the scan again"):
        _store(storage, bytes([1]) * 100_000)
    assert [name for name in _files(tiny_disk) if name.startswith("incoming")] == []
    (tiny_disk / "other").unlink()
    assert storage.holds(_store(storage, bytes([1]) * 100_000))


@given(st.text(max_size=80) | st.sampled_from(["..", "a/b", "a\n", "lane-1\0", "-a", "", "A", "é", "a" * 64]))
def test_a_lane_is_a_plain_name_or_refused(name):
    try:
        assert checked_lane(name) == name
    except UsageError:
        return
    assert name.isascii()
    assert name not in ("", ".", "..")
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-")


@given(st.text(max_size=200), st.text(max_size=80))
def test_no_lane_and_hash_leave_the_folder_of_scans(lane, digest):
    try:
        stored = stored_path(lane, digest)
    except UsageError:
        return
    assert os.path.normpath(stored) == stored
    assert stored.startswith("scans/")


@given(
    st.text(max_size=200) | st.lists(st.sampled_from(["scans", "..", "a", "ab", "ab" * 32, ""])).map("/".join)
)
def test_no_stored_path_leaves_the_folder_of_scans(one_storage, text):
    try:
        path = one_storage.path(text)
    except UsageError:
        return
    assert path.parent.parent.parent.name == "scans"
    assert path == Path(os.path.normpath(path))


def test_a_data_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StorageFailed, match="the data folder cannot be made"):
        Storage(tmp_path / "data")
