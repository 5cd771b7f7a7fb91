"""Uploads: as a file and as a form, once and again, too large, broken off; what was refused leaves nothing."""

from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cargosight_inference.service import storage
from cargosight_inference.service.api import forms
from cargosight_inference.service.database.tables import SCANS
from cargosight_inference.service.records import audit
from cargosight_inference.service.settings import LaneSettings
from tests.made import scans as made_scans
from tests.made.service import MadeDesk, TestClient, client_of, made_desk, sign_in, token

PATH = "/api/v1/lanes/lane-1/scans"
MB = 1 << 20


@pytest.fixture
def bag() -> bytes:
    return made_scans.encoded("png", height=60, width=80)


@pytest.fixture
def scanner(desk: MadeDesk) -> Iterator[TestClient]:
    with client_of(desk, headers=token(desk, "scanner", "lane-1")) as client:
        yield client


def rows(desk: MadeDesk) -> list[Any]:
    with desk.database.reading() as connection:
        return list(connection.execute(select(SCANS)))


def nothing_is_left(desk: MadeDesk) -> bool:
    kept = [path for path in (desk.settings.data / "scans").rglob("*") if path.is_file()]
    return not rows(desk) and not kept and not list((desk.settings.data / "incoming").iterdir())


def form(*parts: tuple[str, bytes], boundary: str = "edge") -> dict[str, Any]:
    """Write a form by hand, so that the order of its parts is known."""
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {about}\r\n\r\n".encode() + content + b"\r\n"
        for about, content in parts
    )
    content = body + f"--{boundary}--\r\n".encode()
    return {"content": content, "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"}}


def test_a_file_alone(desk: MadeDesk, scanner: TestClient, bag: bytes) -> None:
    answer = scanner.post(f"{PATH}?name=C%3A%5Cbag.png&number=LH-123&heading=4202", content=bag)
    assert answer.status_code == 201
    digest = sha256(bag).hexdigest()
    answered = {"id": 1, "sha256": digest, "lane": "lane-1", "kept_number": None, "note": None}
    assert answer.json() == {**answered, "duplicate": False}
    row = rows(desk)[0]
    assert (row.name, row.number, row.heading, row.received_by) == ("bag.png", "LH-123", "4202", "token belt")
    assert desk.storage.path(row.stored).read_bytes() == bag
    again = scanner.post(PATH, content=bag)
    assert again.status_code == 200
    assert again.json() == {**answered, "duplicate": True, "kept_number": "LH-123"}
    assert len(rows(desk)) == 1


def test_another_number_of_the_same_scan_is_told_and_recorded(
    desk: MadeDesk, scanner: TestClient, bag: bytes
) -> None:
    scanner.post(f"{PATH}?number=LH-1", content=bag)
    for query in ("?number=LH-1", ""):
        assert scanner.post(PATH + query, content=bag).json()["note"] is None
    again = scanner.post(f"{PATH}?number=LH-2&heading=4202", content=bag)
    assert (again.status_code, again.json()["kept_number"]) == (200, "LH-1")
    assert (
        "it keeps the number LH-1 and not LH-2, and the heading (none) and not 4202" in again.json()["note"]
    )
    assert rows(desk)[0].number == "LH-1"
    with desk.database.reading() as connection:
        told = [each for each in audit.records(connection, scan=1) if each.action == "scan.again"]
        assert audit.verify(connection).intact
    assert [(each.actor, each.lane) for each in told] == [("token belt", "lane-1")]
    assert told[0].detail == {
        "number": "LH-2",
        "heading": "4202",
        "kept_number": "LH-1",
        "kept_heading": None,
    }


@pytest.mark.parametrize("file_first", [True, False])
def test_a_form_in_any_order(desk: MadeDesk, scanner: TestClient, bag: bytes, file_first: bool) -> None:
    parts = [
        ('name="file"; filename="bäg.png"', bag),
        ('name="number"', b" LH-9 "),
        ('name="heading"', b"4202"),
    ]
    answer = scanner.post(PATH, **form(*(parts if file_first else reversed(parts))))
    assert answer.status_code == 201, answer.text
    row = rows(desk)[0]
    assert (row.name, row.number, row.heading, row.size) == ("bäg.png", "LH-9", "4202", len(bag))


def test_a_form_as_a_client_library_sends_it(desk: MadeDesk, scanner: TestClient, bag: bytes) -> None:
    files = {"file": ("../../etc/passwd.png", bag, "text/html")}
    assert scanner.post(PATH, files=files, data={"number": "7"}).status_code == 201
    assert (rows(desk)[0].name, rows(desk)[0].number) == ("passwd.png", "7")


def test_people_upload_to_their_lane_too(
    desk: MadeDesk, client: Callable[[str], TestClient], bag: bytes
) -> None:
    assert client("olga").post(PATH, content=bag).status_code == 201
    assert rows(desk)[0].received_by == "olga"
    with_cookie = {"Cookie": sign_in(desk, "olga")["Cookie"]}
    assert client_of(desk).post(PATH, content=bag, headers=with_cookie).status_code == 403


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"", (400, "empty")),
        (b"<svg onload=alert(1)>" * 50, (415, "not_a_scan")),
        (b"GIF89a" + b"x" * 400, (415, "not_a_scan")),
        (b"\x89PNG\r\n\x1a\n" + b"x" * MB, (413, "too_large")),
        (b"\x89PNG\r\n\x1a\n" + b"x" * (MB + 100_000), (413, "too_large")),
    ],
    ids=["empty", "svg", "gif", "larger by a little", "larger by much"],
)
@pytest.mark.parametrize("way", ["file", "form", "pieces"])
def test_what_is_refused_leaves_nothing(
    desk: MadeDesk, scanner: TestClient, content: bytes, refusal: tuple[int, str], way: str
) -> None:
    if way == "form":
        answer = scanner.post(PATH, **form(('name="file"; filename="x.png"', content)))
    elif way == "file":
        answer = scanner.post(PATH, content=content)
    else:
        answer = scanner.post(PATH, content=iter([content[:1000], content[1000:]]))
    assert (answer.status_code, answer.json()["error"]["code"]) == refusal
    assert nothing_is_left(desk)
    counted = f'cargosight_scans_refused_total{{lane="lane-1",reason="{refusal[1]}"}} 1.0'
    assert counted in desk.render_metrics().decode()


def test_what_is_announced_too_large_is_not_read(desk: MadeDesk, scanner: TestClient) -> None:
    read = []

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            read.append(number)
            yield b"x" * MB

    answer = scanner.post(PATH, content=pieces(), headers={"Content-Length": str(3 * MB)})
    assert answer.status_code == 413
    assert nothing_is_left(desk)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([('name="number"', b"1")], 400),
        ([('name="file"; filename="a.png"', b"bag"), ('name="file"; filename="b.png"', b"bag")], 422),
        ([('name="other"', b"1"), ('name="file"; filename="a.png"', b"bag")], 422),
        ([('name="number"', b"1"), ('name="number"', b"2"), ('name="file"; filename="a.png"', b"bag")], 422),
        ([("", b"1")], 422),
        ([('name="number"', b"9" * 2000)], 400),
        ([('name="file"; filename="a.png"', b"bag"), ('name="number"', b"9" * 65)], 422),
        ([('name="file"; filename="a.png"', b"bag"), ('name="number"', b"a\x00b")], 422),
        ([('name="file"; filename="a.png"', b"bag"), ('name="heading"', b"h" * 65)], 422),
    ],
    ids=[
        "no file",
        "two files",
        "unknown",
        "twice",
        "no name",
        "endless",
        "long number",
        "NUL",
        "long heading",
    ],
)
def test_forms_that_are_none(
    desk: MadeDesk, scanner: TestClient, bag: bytes, parts: list[tuple[str, bytes]], status: int
) -> None:
    filled = [(about, bag if content == b"bag" else content) for about, content in parts]
    answer = scanner.post(PATH, **form(*filled))
    assert answer.status_code == status, answer.text
    assert nothing_is_left(desk)


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'x' * 300}"],
)
def test_a_form_without_a_boundary(desk: MadeDesk, scanner: TestClient, content_type: str) -> None:
    answer = scanner.post(PATH, content=b"--x", headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed")
    assert nothing_is_left(desk)


@pytest.mark.parametrize("cut", [5, 100, 900])
def test_a_form_that_ends_in_the_middle(desk: MadeDesk, scanner: TestClient, bag: bytes, cut: int) -> None:
    whole = form(('name="number"', b"1"), ('name="file"; filename="a.png"', bag))
    answer = scanner.post(PATH, content=whole["content"][:-cut], headers=whole["headers"])
    assert answer.status_code == 400
    assert nothing_is_left(desk)


def test_a_form_of_endless_headers_or_parts(desk: MadeDesk, scanner: TestClient) -> None:
    long = form(('name="number"; x="' + "y" * 10_000 + '"', b"1"))
    assert scanner.post(PATH, **long).status_code == 400
    many = form(*[('name="number"', b"")] * 20)
    assert scanner.post(PATH, **many).status_code in (400, 422)
    assert nothing_is_left(desk)


def test_a_form_is_read_the_same_however_it_is_cut(bag: bytes) -> None:
    whole = form(('name="number"', b"LH-1"), ('name="file"; filename="a.png"', bag))["content"]
    for size in (1, 7, 64, 1000, len(whole)):
        read = forms.ScanForm(b"edge")
        found = b"".join(read.feed(whole[start : start + size]) for start in range(0, len(whole), size))
        assert (found, read.fields, read.file_name, read.ended) == (bag, {"number": "LH-1"}, "a.png", True)


def test_a_client_that_goes_away_leaves_nothing(desk: MadeDesk, scanner: TestClient) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"\x89PNG\r\n\x1a\n" + b"x" * 1000
        assert list((desk.settings.data / "incoming").iterdir())
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        scanner.post(PATH, content=pieces())
    assert nothing_is_left(desk)


def test_a_full_lane_asks_for_patience(tmp_path: Path, template: Path, bag: bytes) -> None:
    lanes = (LaneSettings(name="lane-1", watch=False, most_waiting=1),)
    with made_desk(tmp_path, template, lanes=lanes) as desk:
        scanner = client_of(desk, headers=token(desk, "scanner", "lane-1"))
        assert scanner.post(PATH, content=bag).status_code == 201
        answer = scanner.post(PATH, content=made_scans.encoded("png", height=60, width=80, seed=2))
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "lane_full")
        assert int(answer.headers["retry-after"]) >= 1
        assert len(rows(desk)) == 1


def test_a_full_disk_is_told(
    desk: MadeDesk, scanner: TestClient, bag: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: object, size: int) -> None:
        raise storage.DiskFull("the disk of the data folder has 0 MB free; make room, and send it again")

    monkeypatch.setattr(storage.Storage, "demand_room", full)
    answer = scanner.post(PATH, content=bag)
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "disk_full")
    assert "retry-after" in answer.headers
    assert nothing_is_left(desk)


def test_a_lane_that_the_settings_do_not_name_has_no_uploads(desk: MadeDesk, bag: bytes) -> None:
    lost = client_of(desk, headers=token(desk, "scanner", "lane-9"))
    assert lost.post("/api/v1/lanes/lane-9/scans", content=bag).status_code == 404
