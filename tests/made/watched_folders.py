"""A watched folder on a clock that the test turns."""

from dataclasses import replace
from pathlib import Path

import pytest

from cargosight_inference.service.accepting import LaneLimits, Reception
from cargosight_inference.service.folders import FolderWatch, WatchedFolder
from cargosight_inference.service.storage import Storage
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


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def events(caplog: pytest.LogCaptureFixture, event: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if getattr(record, "event", "") == event]
