"""The service is killed, its disk fills up, its database is locked, its model is damaged: nothing accepted is lost."""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

from cargosight_inference.benchmark.running_service import (
    Client,
    EventReader,
    RequestFailedError,
    RunningService,
)
from cargosight_models.errors import UsageError
from tests.acceptance.hostile import real_bomb_bytes
from tests.acceptance.processes import tell
from tests.made import scans
from tests.made.models import make_blob_model
from tests.made.waiting import until

pytestmark = pytest.mark.acceptance

LANE = "lane-1"
KILLS = 50


@pytest.fixture
def lane(tmp_path: Path) -> dict[str, Any]:
    """Settings of a lane with a model that loads at once."""
    model = make_blob_model(tmp_path / "blobs.onnx", operating_points={"pfa=0.05": 0.5, "pfa=0.01": 0.8})
    golden = tmp_path / "golden.png"
    golden.write_bytes(scans.encoded("png", seed=1))
    return {"name": LANE, "model": str(model), "golden": str(golden), "most_waiting": 100_000}


def service_of(folder: Path, lane: dict[str, Any], **settings: Any) -> RunningService:
    return RunningService(folder, {"lanes": [lane], "least_free_mb": 0, **settings})


@contextmanager
def running(
    folder: Path, lane: dict[str, Any], *, ready: bool = True, **settings: Any
) -> Iterator[RunningService]:
    with service_of(folder, lane, **settings) as service:
        service.start(ready=ready)
        yield service


class Sender(Thread):
    """Sends scan after scan, over and over until each was accepted, through every death of the service."""

    def __init__(self, service: RunningService, token: Client, numbers: range) -> None:
        super().__init__(daemon=True)
        self.accepted: dict[str, set[int]] = {}
        self.refused: Counter[int] = Counter()
        self.enough = Event()
        self._service, self._headers, self._numbers = service, token.headers, numbers

    def run(self) -> None:
        client = self._service.client(self._headers, timeout=10.0)
        for number in self._numbers:
            content = scans.encoded("png", height=60, width=80, seed=number)
            name = f"{number}.png"
            while name not in self.accepted:
                if self.enough.is_set():
                    return
                try:
                    status, answer = client.upload(LANE, name, content)
                except RequestFailedError:
                    time.sleep(0.05)
                    continue
                if status in (200, 201):
                    self.accepted.setdefault(name, set()).add(answer["id"])
                else:
                    self.refused[status] += 1
                    time.sleep(0.05)


def all_inspected(client: Client, ids: set[int]) -> Callable[[], bool]:
    def done() -> bool:
        return all(client.call("GET", f"/scans/{scan}")["inspections"] for scan in ids)

    return done


def audit_of(service: RunningService) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "cargosight_inference", "audit", "verify", "--data", str(service.data)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def test_killed_fifty_times_under_load_it_loses_nothing_and_records_nothing_twice(
    tmp_path: Path, lane: dict[str, Any]
) -> None:
    random = np.random.default_rng(0)
    with running(tmp_path, lane) as service:
        token = service.scanner(LANE)
        reader = EventReader(service.port, service.administrator().headers, LANE)
        reader.start()
        sender = Sender(service, token, range(100_000))
        sender.start()
        for _ in range(KILLS):
            time.sleep(float(random.uniform(0.0, 1.2)))
            service.kill()
            service.start(ready=False)
        until(lambda: len(sender.accepted) > 10)
        sender.enough.set()
        sender.join()
        client = service.administrator()
        ids = {scan for each in sender.accepted.values() for scan in each}
        until(all_inspected(client, ids), 120.0)
        until(
            lambda: {data.get("id") for _, kind, data, _ in reader.events if kind == "scan.inspected"} >= ids
        )
        reader.stop()
        assert service.stop() in (0, 143)
        tell(f"{len(sender.accepted)} scans accepted through {KILLS} kills, refused: {dict(sender.refused)}")
        assert all(
            len(each) == 1 for each in sender.accepted.values()
        )  # the same bytes are one scan, whoever asks
        assert len(ids) == len(sender.accepted)
        _check_records(service, ids)
        numbers = [number for number, *_ in reader.events]
        assert numbers == sorted(set(numbers))  # the console got each event once, in order
        assert audit_of(service).returncode == 0, audit_of(service).stdout


def _check_records(service: RunningService, ids: set[int]) -> None:
    """Compare what the database has with what was accepted: each once, nothing else, all bytes there."""
    database = sqlite3.connect(service.data / "cargosight.sqlite3")
    rows = database.execute("SELECT id, stored, sha256, has_picture FROM scan").fetchall()
    per_scan = database.execute("SELECT scan_id, count(*) FROM inspection GROUP BY scan_id").fetchall()
    told = database.execute("SELECT data FROM event WHERE kind = 'scan.inspected'").fetchall()
    database.close()
    assert ids <= {row[0] for row in rows}
    assert len({row[2] for row in rows}) == len(rows)
    assert all((service.data / row[1]).is_file() for row in rows)
    counts = dict(per_scan)
    assert all(counts[scan] == 1 for scan in ids)
    assert set(Counter(json.loads(row[0])["id"] for row in told).values()) == {1}
    assert not list((service.data / "incoming").iterdir())


def test_a_full_disk_refuses_with_a_sentence_and_goes_on_when_there_is_room(
    tmp_path: Path, lane: dict[str, Any]
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no small file system can be mounted here: that needs root")
    try:
        with running(small, lane) as service:
            token, client = service.scanner(LANE), service.administrator()
            accepted, refused = _fill(token, small)
            assert (refused["error"]["code"] and "room" in json.dumps(refused)) or "space" in json.dumps(
                refused
            )
            assert client.request("GET", "/health/live")[0] == 200
            (small / "ballast").unlink()
            status, answer = until(lambda: _accepted_again(token), 60.0)
            assert status == 201
            until(all_inspected(client, {*accepted, answer["id"]}), 60.0)
            service.stop()
        _check_records(service, {*accepted, answer["id"]})
        assert audit_of(service).returncode == 0
    finally:
        subprocess.run(["umount", str(small)], check=False)


def _fill(token: Client, folder: Path) -> tuple[set[int], dict[str, Any]]:
    """Fill the disk but for a little, and send scans until one is refused."""
    accepted: set[int] = set()
    for number in range(5):
        status, answer = token.upload(LANE, f"{number}.png", scans.encoded("png", seed=number))
        assert status == 201
        accepted.add(answer["id"])
    with (folder / "ballast").open("wb") as ballast, suppress(OSError):
        while shutil.disk_usage(folder).free > 150_000:
            ballast.write(b"x" * 50_000)
            ballast.flush()
    for number in range(1000, 1100):
        content = scans.encoded("npy", height=200, width=300, seed=number)
        try:
            status, answer = token.upload(LANE, f"{number}.npy", content)
        except RequestFailedError:
            continue
        if status >= 400:
            assert status in (503, 507), answer
            return accepted, answer
        accepted.add(answer["id"])
    raise AssertionError("a full disk refused nothing")


def _accepted_again(token: Client) -> tuple[int, dict[str, Any]] | None:
    with suppress(RequestFailedError):
        status, answer = token.upload(LANE, "after.png", scans.encoded("png", seed=77))
        if status in (200, 201):
            return 201, answer
    return None


def test_a_locked_database_is_told_and_waited_for(tmp_path: Path, lane: dict[str, Any]) -> None:
    with running(tmp_path, lane) as service:
        token, client = service.scanner(LANE), service.administrator()
        other = sqlite3.connect(service.data / "cargosight.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        status, headers, answer = token.request(
            "POST", f"/api/v1/lanes/{LANE}/scans?name=a.png", scans.encoded("png", seed=1)
        )
        assert status == 503, answer
        assert int({key.lower(): value for key, value in headers.items()}["retry-after"]) > 0
        assert client.request("GET", "/health/live")[0] == 200
        other.execute("ROLLBACK")
        other.close()
        status, again = token.upload(LANE, "a.png", scans.encoded("png", seed=1))
        assert status == 201
        until(all_inspected(client, {again["id"]}))


def test_a_damaged_model_file_leaves_the_service_up_and_the_scans_waiting(
    tmp_path: Path, lane: dict[str, Any]
) -> None:
    model = Path(lane["model"])
    good = model.read_bytes()
    model.write_bytes(good[: len(good) // 2])
    with running(tmp_path, {**lane, "deadline_seconds": 1.0}, ready=False) as service:
        token, client = service.scanner(LANE), service.administrator()
        status, answer = token.upload(LANE, "a.png", scans.encoded("png", seed=2))
        assert status == 201
        shown = until(lambda: _shown(client, answer["id"]))
        assert shown["overdue"] and shown["inspection"] is None
        ready, _, problems = client.request("GET", "/health/ready")
        assert ready == 503 and LANE in problems.decode()
        model.write_bytes(good)
        client.call("PUT", f"/lanes/{LANE}/engine", {"model": str(model), "operating_point": None})
        until(all_inspected(client, {answer["id"]}))
        # and damaged again while it works: the one that is loaded goes on
        model.write_bytes(b"nonsense" * 100)
        with pytest.raises(RequestFailedError) as caught:
            client.call("PUT", f"/lanes/{LANE}/engine", {"model": str(model), "operating_point": "pfa=0.01"})
        assert caught.value.status == 422
        status, answer = token.upload(LANE, "b.png", scans.encoded("png", seed=3))
        until(all_inspected(client, {answer["id"]}))


def _shown(client: Client, scan: int) -> dict[str, Any] | None:
    found: dict[str, Any] = client.call("GET", f"/scans/{scan}")
    return found if found["shown"] else None


def test_a_second_service_does_not_start_in_the_same_folder(tmp_path: Path, lane: dict[str, Any]) -> None:
    with running(tmp_path, lane) as service, service_of(tmp_path, lane) as other:
        with pytest.raises(UsageError, match="another service works in"):
            other.start()
        assert service.client().request("GET", "/health/live")[0] == 200


def _hostile(random: np.random.Generator, count: int) -> Iterator[tuple[str, bytes, dict[str, str]]]:
    """Yield (query, body, headers): damaged scans, bombs, names that are paths, headers that are too long."""
    kinds = sorted(scans.SUFFIXES)
    bomb = real_bomb_bytes()
    names = [
        "../../etc/passwd",
        "%2e%2e%2fx",
        "a%00b.png",
        "x" * 300 + ".png",
        "%F0%9F%A7%B3.png",
        "<script>.svg",
    ]
    for number in range(count):
        content = bytearray(scans.encoded(kinds[number % len(kinds)], height=40, width=50, seed=number))
        for _ in range(int(random.integers(1, 30))):
            content[int(random.integers(len(content)))] = int(random.integers(256))
        if number % 5 == 0:
            del content[int(random.integers(8, len(content))) :]
        if number % 17 == 0:
            content = bytearray(bomb if number % 2 else scans.png_bytes(60_000, 60_000, rows=b""))
        if number % 23 == 0:
            content = bytearray(b"<svg onload=alert(1)>" * 50)
        headers = {"X-Long": "y" * 200_000} if number % 97 == 0 else {}
        query = f"name={names[number % len(names)]}&number={number}"
        yield query, bytes(content), headers


def test_a_thousand_hostile_uploads_leave_it_up(tmp_path: Path, lane: dict[str, Any]) -> None:
    statuses: Counter[int] = Counter()
    ids: set[int] = set()
    with running(tmp_path, {**lane, "max_pixels": 4_000_000}, workers=1) as service:
        token, client = service.scanner(LANE), service.administrator()
        for query, content, headers in _hostile(np.random.default_rng(7), 1000):
            try:
                status, _, answer = token.request(
                    "POST", f"/api/v1/lanes/{LANE}/scans?{query}", content, headers
                )
            except RequestFailedError:  # the connection was closed on a header that was too long
                statuses[0] += 1
                continue
            statuses[status] += 1
            if status in (200, 201):
                ids.add(json.loads(answer)["id"])
            else:
                assert status in (400, 413, 415, 422, 431), answer
                if status != 400 or not headers:
                    assert json.loads(answer)["error"]["message"]
        tell(f"hostile uploads by status: {dict(statuses)}; accepted {len(ids)}")
        assert client.request("GET", "/health/ready")[0] == 200
        until(all_inspected(client, ids), 300.0)
        found = [client.call("GET", f"/scans/{scan}") for scan in ids]
        assert {each["advice"] for each in found} <= {"clear", "refer", "unreadable"}
        assert sum(each["advice"] == "unreadable" for each in found) > len(found) // 4
        service.stop()
    _check_records(service, ids)
    assert audit_of(service).returncode == 0
