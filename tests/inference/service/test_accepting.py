"""The one road on which scans are accepted."""

import hashlib
import subprocess
import sys
import threading
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargosight_inference.service.accepting import (
    Accepted,
    Arrival,
    DatabaseBusy,
    DiskFull,
    EmptyUpload,
    LaneFull,
    LaneLimits,
    NotAScan,
    Reception,
    Refused,
    TooLarge,
    WrongValue,
    checked_number,
    clean_name,
)
from cargosight_inference.service.database.errors import DatabaseBusyError, DatabaseFullError
from cargosight_inference.service.details import NAMELESS, read_sidecar
from cargosight_inference.service.storage import Storage
from cargosight_models.errors import CargosightError, UsageError
from tests.made.registers import MemoryRegister, MemoryTally
from tests.made.scans import SUFFIXES, encoded

LIMITS = LaneLimits(most_bytes=1 << 20, most_waiting=3, retry_after=7)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Desk:
    """A reception with what it works on."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.storage = Storage(self.data, least_free_mb=0)
        self.register = MemoryRegister()
        self.tally = MemoryTally()
        self.reception = Reception(self.storage, self.register, tally=self.tally, now=lambda: NOW)

    def send(
        self, content: bytes, *, limits: LaneLimits = LIMITS, size: int | None = None, **told: str
    ) -> Accepted:
        arrival = Arrival(
            **{"lane": "lane-1", "name": "bag.png", "source": "http", "by": "token gate", **told}
        )
        with self.reception.begin(arrival, limits, size=size) as receiving:
            for start in range(0, len(content), 1000):
                receiving.write(content[start : start + 1000])
            return self.reception.accept(receiving)

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.data)) for path in self.data.rglob("*") if path.is_file())


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.mark.parametrize("name", SUFFIXES)
def test_every_kind_of_scan_is_stored_and_recorded(name, desk):
    content = encoded(name)
    accepted = desk.send(content, size=len(content))
    digest = hashlib.sha256(content).hexdigest()
    assert accepted == Accepted(id=1, lane="lane-1", sha256=digest, size=len(content), duplicate=False)
    (scan,) = desk.register.scans
    assert (scan.lane, scan.sha256, scan.size, scan.source, scan.by) == (
        "lane-1", digest, len(content), "http", "token gate",
    )  # fmt: skip
    assert scan.received_at == NOW
    assert scan.received_at.utcoffset() == timedelta(0)
    assert desk.files() == [scan.stored]
    assert desk.storage.path(scan.stored).read_bytes() == content
    assert desk.tally.accepted_scans == [("lane-1", False)]


def test_what_is_told_of_a_scan_is_recorded_clean(desk):
    desk.send(
        encoded("png"),
        name="C:\\scans\\bag\u202egnp.exe",
        number=" MSKU 123 ",
        heading=" Empty ",
    )
    (scan,) = desk.register.scans
    assert (scan.number, scan.heading) == ("MSKU 123", "empty")
    assert "\u202e" not in scan.name
    assert "\\" not in scan.name
    desk.send(encoded("png grey"), number=" ", heading="")
    assert (desk.register.scans[1].number, desk.register.scans[1].heading) == (None, None)


def test_the_same_bytes_in_a_lane_are_one_scan_also_when_it_is_full(desk):
    first = desk.send(encoded("png"), number="1")
    again = desk.send(encoded("png"), number="2", name="other.png")
    assert (again.id, again.duplicate, again.kept_number) == (first.id, True, "1")
    assert (
        again.note == "the lane has this scan already, and it keeps the number 1 and not 2; this was recorded"
    )
    assert [scan.number for scan in desk.register.scans] == ["1"]
    assert desk.send(encoded("png"), lane="lane-2").id == 2
    assert desk.tally.accepted_scans == [("lane-1", False), ("lane-1", True), ("lane-2", False)]


def test_a_lane_that_filled_while_a_known_scan_came_gives_its_id(desk):
    limits = LaneLimits(most_bytes=1 << 20, most_waiting=1)
    content = encoded("png")
    arrival = Arrival(lane="lane-1", name="bag.png", source="http", by="token gate")
    with desk.reception.begin(arrival, limits) as receiving:
        receiving.write(content)
        desk.send(content, limits=limits)
        assert desk.reception.accept(receiving).duplicate


def test_bytes_come_back_to_a_scan_that_has_lost_them(desk):
    desk.send(encoded("png"))
    stored = desk.register.scans[0].stored
    desk.storage.remove(stored)
    assert desk.send(encoded("png")).duplicate
    assert desk.storage.holds(stored)


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"", EmptyUpload, "the file is empty"),
        (b"%PDF-1.7 ...", NotAScan, "a PDF document; expected JPEG, PNG, WebP, BMP, TIFF or .npy"),
        (b"<html><script>", NotAScan, "text"),
        (bytes(5000), NotAScan, "filled with zeros"),
        (b"\x89\0N", NotAScan, "unknown format"),
        (encoded("png") + bytes(1 << 20), TooLarge, "more than 1,048,576 bytes"),
    ],
)  # fmt: skip
def test_what_is_no_scan_is_refused_and_leaves_nothing(content, kind, message, desk):
    with pytest.raises(kind, match=message) as caught:
        desk.send(content)
    assert caught.value.retry_after is None
    assert desk.files() == []
    assert desk.register.scans == []
    assert desk.tally.refusals == [("lane-1", kind.code)]


def test_no_more_is_read_of_a_file_that_begins_like_no_scan(desk):
    arrival = Arrival(lane="lane-1", name="a.zip", source="http", by="token gate")
    with desk.reception.begin(arrival, LIMITS) as receiving:
        with pytest.raises(NotAScan, match="ZIP"):
            receiving.write(b"PK\x03\x04" + bytes(1000))
        assert receiving.incoming.size < 2000
    assert desk.files() == []


def test_a_scan_that_comes_byte_by_byte_is_accepted(desk):
    content = encoded("webp")[:]
    arrival = Arrival(lane="lane-1", name="a.webp", source="http", by="token gate")
    with desk.reception.begin(arrival, LIMITS) as receiving:
        for byte in content[:300]:
            receiving.write(bytes([byte]))
        receiving.write(content[300:])
        assert desk.reception.accept(receiving).sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("told", "size", "kind"),
    [
        ({}, 0, EmptyUpload),
        ({}, (1 << 20) + 1, TooLarge),
        ({"number": "x" * 65}, None, WrongValue),
        ({"number": "12\u202e34"}, None, WrongValue),
        ({"heading": "40\n11"}, None, WrongValue),
        ({"heading": "x" * 65}, None, WrongValue),
    ],
)
def test_what_can_be_told_before_reading_is_refused_before_reading(told, size, kind, desk):
    arrival = Arrival(**{"lane": "lane-1", "name": "bag.png", "source": "http", "by": "token gate", **told})
    with pytest.raises(kind):
        desk.reception.begin(arrival, LIMITS, size=size)
    assert desk.files() == []
    assert desk.tally.refusals == [("lane-1", kind.code)]


@pytest.mark.parametrize("lane", ["..", "a/b", "", "lane\n", "Lane"])
def test_a_lane_that_is_none_never_becomes_a_path(lane, desk):
    with pytest.raises(UsageError, match="the lane is"):
        desk.send(encoded("png"), lane=lane)
    assert desk.files() == []


def test_a_full_lane_says_when_to_try_again_and_others_go_on(desk):
    for seed in range(3):
        desk.send(encoded("png grey", seed=seed))
    with pytest.raises(LaneFull, match="3 scans of lane lane-1 wait") as caught:
        desk.send(encoded("png grey", seed=3))
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (429, "lane_full", 7)
    assert desk.send(encoded("png grey", seed=3), lane="lane-2").id == 4
    desk.register.inspected.add(1)
    assert desk.send(encoded("png grey", seed=3)).id == 5


def test_threads_never_take_more_than_the_lane_has_room_for(desk):
    contents = [encoded("png grey", 20, 20, seed=seed) for seed in range(8)]
    start = threading.Barrier(len(contents))
    answers: list[Accepted | Refused] = []

    def send(content: bytes) -> None:
        arrival = Arrival(lane="lane-1", name="bag.png", source="http", by="token gate")
        with desk.reception.begin(arrival, LIMITS) as receiving:
            receiving.write(content)
            start.wait(20)
            try:
                answers.append(desk.reception.accept(receiving))
            except LaneFull as refusal:
                answers.append(refusal)

    threads = [threading.Thread(target=send, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(answers) == 8
    assert sum(isinstance(answer, Accepted) for answer in answers) == 3
    assert desk.files() == sorted(scan.stored for scan in desk.register.scans)


def test_threads_that_send_the_same_bytes_get_one_id(desk):
    start = threading.Barrier(6)
    answers: list[Accepted] = []

    def send() -> None:
        start.wait(20)
        answers.append(desk.send(encoded("png")))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {answer.id for answer in answers} == {1}
    assert sum(not answer.duplicate for answer in answers) == 1
    assert len(desk.files()) == 1


def test_a_busy_database_keeps_the_bytes_for_the_next_try(desk):
    """It may have recorded the scan and only lost the answer: bytes must not be missing then."""
    desk.register.failing = [DatabaseBusyError("the database does not take it now")]
    with pytest.raises(DatabaseBusy, match="the scan was not accepted: the database does") as caught:
        desk.send(encoded("png"))
    assert (caught.value.status, caught.value.retry_after) == (503, 2)
    assert not any(name.startswith("incoming") for name in desk.files())
    assert desk.send(encoded("png")).duplicate is False
    assert desk.files() == [desk.register.scans[0].stored]


def test_a_database_without_room_gives_the_room_of_the_bytes_back(desk):
    desk.register.failing = [DatabaseFullError("the database has no room; nothing was recorded")]
    with pytest.raises(DiskFull, match="no room") as caught:
        desk.send(encoded("png"))
    assert caught.value.status == 507
    assert desk.files() == []
    assert desk.tally.refusals == [("lane-1", "disk_full")]


def test_bytes_stay_where_a_row_names_them_after_all(desk, monkeypatch):
    add = desk.register.add

    def add_and_fail(accepted):
        add(accepted)
        raise DatabaseFullError("disk I/O error")

    monkeypatch.setattr(desk.register, "add", add_and_fail)
    with pytest.raises(DiskFull):
        desk.send(encoded("png"))
    assert desk.files() == [desk.register.scans[0].stored]


def test_every_refusal_has_a_status_a_code_and_a_sentence():
    def below(kind):
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    kinds = [kind for kind in below(Refused) if not kind.__subclasses__()]
    assert issubclass(Refused, CargosightError)
    assert {kind.status for kind in kinds} == {400, 413, 415, 422, 429, 503, 507}
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert all(kind("a sentence").retry_after != 0 for kind in kinds)


TRICKY = (
    "ab.~ \t\r\n/\\\0\x7f\x85\u200b\u200f\u202a\u202e\u2066\u2028\ufeff\udc80\ud800\ue000\u0378éé\u0301ﬁ漢…😀"
)
NAMES = st.text(max_size=300) | st.text(TRICKY, max_size=200)


@given(NAMES)
def test_a_name_is_short_one_line_and_shows_nothing_that_misleads(name):
    shown = clean_name(name)
    assert 1 <= len(shown) <= 120
    assert not {"/", "\\"} & set(shown)
    assert shown.strip(" .")
    assert all(
        unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for letter in shown
    )
    assert "  " not in shown
    assert shown == shown.strip() == unicodedata.normalize("NFC", shown)
    assert clean_name(shown) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("bag.png", "bag.png"),
        ("../../etc/passwd", "passwd"),
        (r"C:\scans\bag 1.tif", "bag 1.tif"),
        ("folder/", "folder"),
        ("bag\u202egnp.exe", "baggnp.exe"),
        ("a\nb.png", "a b.png"),
        ("bag\udcff.png", "bag\ufffd.png"),
        ("..", NAMELESS),
        ("", NAMELESS),
        ("\0\u200b", NAMELESS),
        ("x" * 300 + ".tiff", "x" * 114 + "….tiff"),
        ("漢字.png", "漢字.png"),
    ],
)
def test_names_as_they_are_shown(name, shown):
    assert clean_name(name) == shown


@given(st.text(max_size=100))
def test_a_number_is_printable_and_short_or_refused(number):
    try:
        checked = checked_number(number)
    except WrongValue:
        assert len(number.strip()) > 64 or not number.strip().isprintable()
    else:
        assert checked is None or (checked.isprintable() and 1 <= len(checked) <= 64)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"number": "MSKU1234565", "heading": "4011"}', ("MSKU1234565", "4011")),
        (b'\xef\xbb\xbf{"number": 17}', ("17", None)),
        (b'{"heading": null}', (None, None)),
        (b"{}", (None, None)),
    ],
)
def test_sidecars(content, expected, tmp_path):
    (tmp_path / "bag.png.json").write_bytes(content)
    assert read_sidecar(tmp_path / "bag.png.json") == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no JSON"),
        (b'{"number": "1"', "is no JSON"),
        (b"\xff\xfe", "is no JSON"),
        (b"[" * 60_000, "is no JSON"),
        (b"[]", "holds a list"),
        (b'{"nummer": "1"}', r"has the key 'nummer' \(did you mean 'number'\?\)"),
        (b'{"number": true}', "has the number 'True'; expected a text"),
        (b'{"heading": ["4011"]}', "has the heading"),
        (b" " * 70_000, "more than 65,536 bytes"),
    ],
)
def test_sidecars_that_are_none(content, message, tmp_path):
    (tmp_path / "bag.png.json").write_bytes(content)
    with pytest.raises(WrongValue, match=message):
        read_sidecar(tmp_path / "bag.png.json")


def test_a_sidecar_that_is_missing_tells_nothing_and_a_link_is_not_followed(tmp_path):
    assert read_sidecar(tmp_path / "bag.png.json") == (None, None)
    assert read_sidecar(tmp_path / ("x" * 300)) == (None, None)
    (tmp_path / "secret").write_text('{"number": "1"}')
    (tmp_path / "bag.png.json").symlink_to(tmp_path / "secret")
    with pytest.raises(WrongValue, match="is a link"):
        read_sidecar(tmp_path / "bag.png.json")


def test_a_kill_at_any_moment_loses_nothing_and_records_nothing_twice(tmp_path):
    """Every call to the disk and the database in turn is the last one of a process; then another one goes on."""
    command = [sys.executable, "-m", "tests.made.killed_reception", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) > 20
