"""Kills the taking of a scan from a watched folder at each of its calls in turn: `python -m … FOLDER`.

After every kill a new service starts on what is left, and takes the scan. Prints how many moments there were.
"""

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cargosight_inference.service import moving, storage
from cargosight_inference.service.accepting import LaneLimits, NewScan, Reception, Told
from cargosight_inference.service.folders import FolderWatch, WatchedFolder
from cargosight_inference.service.storage import Storage
from tests.made.scans import encoded

_CALLS = ("open", "write", "fsync", "close", "mkdir", "rename", "replace", "unlink")
_SCAN = encoded("png grey", 30, 40)
_SIDECAR = b'{"number": "MSKU1234565"}'


class FileRegister:
    """Scans in a database file of their own."""

    def __init__(self, path: Path, step: Callable[[], None]) -> None:
        self._path = path
        self._step = step
        with sqlite3.connect(path) as connection:
            connection.execute(
                "create table if not exists scans (id integer primary key, lane text, sha256 text, stored text,"
                " number text, unique (lane, sha256))"
            )
        connection.close()

    def rows(self, query: str, *values: str) -> list[Any]:
        """Run a statement, and commit it."""
        connection = sqlite3.connect(self._path)
        try:
            rows = connection.execute(query, values).fetchall()
            self._step()
            connection.commit()
            self._step()
            return rows
        finally:
            connection.close()

    def find(self, lane: str, sha256: str) -> int | None:
        """Return the id of a scan."""
        rows = self.rows("select id from scans where lane = ? and sha256 = ?", lane, sha256)
        return rows[0][0] if rows else None

    def waiting(self, lane: str) -> int:
        """Nothing waits here."""
        del lane
        return 0

    def add(self, accepted: NewScan) -> tuple[int, bool]:
        """Add a scan once."""
        values = (accepted.lane, accepted.sha256, accepted.stored, accepted.number or "")
        added = self.rows(
            "insert into scans (lane, sha256, stored, number) values (?, ?, ?, ?) on conflict do nothing returning id",
            *values,
        )
        return (added[0][0], True) if added else (self.find(accepted.lane, accepted.sha256) or 0, False)

    def again(self, scan: int, told: Told, *, by: str) -> Told:
        """Nothing is noted here."""
        del scan, by
        return told


def take(folder: Path, step: Callable[[], None]) -> None:
    """Start a service on a folder, and take what lies in its inbox."""
    kept = Storage(folder / "data", least_free_mb=0)
    register = FileRegister(folder / "scans.sqlite3", step)
    kept.remove_parts()
    kept.orphans({row[0] for row in register.rows("select stored from scans")}.intersection)
    lane = WatchedFolder(
        lane="lane-1",
        inbox=folder / "inbox",
        processed=folder / "processed",
        failed=folder / "failed",
        limits=LaneLimits(most_bytes=1 << 20, most_waiting=10),
        settle_seconds=0.0,
    )
    watch = FolderWatch(lane, Reception(kept, register))
    watch.poll()
    watch.poll()


def killed_at(folder: Path, moment: int) -> bool:
    """Take the scan in a child that ends before its call of that number; return whether it came so far."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return True
        if os.WEXITSTATUS(status):
            raise SystemExit(f"the child failed at moment {moment}")
        return False
    left = [moment]

    def step() -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in _CALLS:
        setattr(os, name, _stepping(getattr(os, name), step))
    take(folder, step)
    os._exit(0)


def _stepping(call: Callable[..., Any], step: Callable[[], None]) -> Callable[..., Any]:
    def stepping(*args: Any, **kwargs: Any) -> Any:
        step()
        return call(*args, **kwargs)

    return stepping


def check(folder: Path) -> None:
    """Check that the scan was taken exactly once, and that nothing else is left."""
    register = FileRegister(folder / "scans.sqlite3", lambda: None)
    rows = register.rows("select stored, number from scans")
    assert len(rows) == 1, rows
    stored, number = rows[0]
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    left.remove("scans.sqlite3")
    assert (folder / "data" / stored).read_bytes() == _SCAN
    assert number == "MSKU1234565", number
    expected = [f"data/{stored}", "processed/bag.png", "processed/bag.png.json"]
    assert left == sorted(expected), left


def main(top: Path) -> int:
    """Return the number of moments."""
    assert (storage.os, moving.os) == (os, os)
    moment = 0
    while True:
        folder = top / str(moment)
        (folder / "inbox").mkdir(parents=True)
        (folder / "inbox" / "bag.png.json").write_bytes(_SIDECAR)
        (folder / "inbox" / "bag.png").write_bytes(_SCAN)
        came_so_far = killed_at(folder, moment)
        take(folder, lambda: None)
        check(folder)
        if not came_so_far:
            return moment
        moment += 1


if __name__ == "__main__":
    sys.stdout.write(f"{main(Path(sys.argv[1]))}\n")
