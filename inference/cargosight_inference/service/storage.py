"""Bytes of scans on disk, safe against a kill at any moment and against a full disk.

What comes in is written to `incoming/<uuid>.part`. Once it is whole and on the disk it is renamed to
`scans/<lane>/<first two digits>/<sha256>`, and only then does the database name it. So a kill leaves at most a part, or
a scan that no row names: both are removed at the next start. A file under `scans` is always whole.
"""

import errno
import hashlib
import os
import re
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from cargosight_inference.durable import sync
from cargosight_inference.service.refusals import DiskFull, StorageFailed, TooLarge
from cargosight_models.errors import UsageError

HEAD_BYTES = 256
"""Of an upload, which are kept in memory: enough to tell its format, or what it resembles."""
_SCANS = "scans"
_LANE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_LOOK_EVERY = 16 << 20
"""Bytes between two looks at what the disk has left."""
_BATCH = 500
_MOST_ORPHANS = 200
_MB = 1 << 20


@dataclass(frozen=True)
class Orphans:
    """Stored scans that no row names.

    Attributes:
        found: how many there were.
        removed: all of them, or none where they are more than a kill can leave.
    """

    found: int
    removed: int


class Storage:
    """The data folder's bytes. One service at a time writes there; its lock is held by the caller."""

    def __init__(self, data_folder: Path, *, least_free_mb: int = 256) -> None:
        """Make the folders where they do not exist.

        Args:
            data_folder: of the service.
            least_free_mb: nothing is taken that would leave less free on the disk, in 2^20 bytes; 0 for no such guard.

        Raises:
            DiskFull: there is no room for a folder.
            StorageFailed: a folder cannot be made.
        """
        self._data = data_folder
        self._incoming = data_folder / "incoming"
        self._scans = data_folder / _SCANS
        self._least_free = least_free_mb * _MB
        self._lasting: set[Path] = set()  # folders whose own names are on the disk
        with _on_disk("the data folder cannot be made"):
            self._incoming.mkdir(parents=True, exist_ok=True)
            self._scans.mkdir(exist_ok=True)
            sync(data_folder)

    def open(self, *, most_bytes: int, expected: int | None = None) -> "Incoming":
        """Open a file for what comes in.

        Args:
            most_bytes: that a scan may have.
            expected: bytes that were announced, None where nothing was.

        Raises:
            TooLarge: more was announced than a scan may have.
            DiskFull: there is not enough room.
            StorageFailed: the file cannot be made.
        """
        if expected is not None and expected > most_bytes:
            raise TooLarge(_about_size(f"has {expected:,} bytes", most_bytes))
        self.demand_room(expected or 0)
        path = self._incoming / f"{uuid.uuid4().hex}.part"
        with _on_disk("a file for the scan cannot be made"):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        return Incoming(self, path, descriptor, most_bytes)

    def demand_room(self, size: int) -> None:
        """Check that so many bytes more leave enough room on the disk.

        Raises:
            DiskFull: they do not.
            StorageFailed: the disk does not say.
        """
        if not self._least_free:
            return
        with _on_disk("the room on the disk is not known"):
            state = os.statvfs(self._data)
        free = state.f_bavail * state.f_frsize
        if free - size < self._least_free:
            raise DiskFull(
                f"the disk of the data folder has {free // _MB:,} MB free, and {self._least_free // _MB:,} MB are kept "
                f"free; the scan was not accepted: make room, and send it again"
            )

    def path(self, stored: str) -> Path:
        """Return where a stored scan lies.

        Args:
            stored: path below the data folder, as `stored_path` gives it.

        Raises:
            UsageError: it is no such path.
        """
        parts = stored.split("/")
        if len(parts) != 4 or stored != stored_path(parts[1], parts[3]):
            raise UsageError(
                f"the stored path is {stored[:120]!r}; expected {_SCANS}/LANE/two digits/SHA-256"
            )
        return self._data.joinpath(*parts)

    def holds(self, stored: str) -> bool:
        """Return whether the bytes of a scan are there."""
        return self.path(stored).is_file()

    def remove(self, stored: str) -> None:
        """Remove the bytes of a scan that no row names; nothing happens where there are none.

        Raises:
            StorageFailed: they cannot be removed.
        """
        with _on_disk("a scan that was not accepted cannot be removed"):
            self.path(stored).unlink(missing_ok=True)

    def remove_parts(self) -> int:
        """Remove what a killed service had not received whole, and return how many; for the start.

        Raises:
            StorageFailed: a part cannot be removed.
        """
        with _on_disk("what a former service left in incoming cannot be removed"):
            parts = list(self._incoming.glob("*.part"))
            for part in parts:
                part.unlink(missing_ok=True)
        return len(parts)

    def orphans(
        self, known: Callable[[Sequence[str]], Collection[str]], *, most: int = _MOST_ORPHANS
    ) -> Orphans:
        """Remove stored scans that no row names, as a kill between the two leaves them; for the start.

        More than `most` of them are no trace of a kill: then the database is not the one of this folder, or an older
        one put back, and the bytes are all that is left of those scans. So none is removed, nor where no row names any.

        Args:
            known: returns which of some stored paths a row names; 500 at a time are asked for.
            most: that are removed.

        Raises:
            StorageFailed: a folder cannot be listed, or a file not be removed.
        """
        found, named, lost = 0, 0, list[str]()
        for batch in self._batches():
            names = known(batch)
            nameless = [stored for stored in batch if stored not in names]
            named += len(batch) - len(nameless)
            found += len(nameless)
            lost += nameless[: most - len(lost)]
        if found > most or not named:
            return Orphans(found, 0)
        for stored in lost:
            self.remove(stored)
        return Orphans(found, len(lost))

    def _batches(self) -> Iterator[list[str]]:
        batch: list[str] = []
        with _on_disk("the stored scans cannot be listed"):
            for folder in self._scans.glob("*/[0-9a-f][0-9a-f]"):
                lane = folder.parent.name
                if not _LANE.fullmatch(lane) or not folder.is_dir():
                    continue  # of somebody else, as other names here are
                with os.scandir(folder) as entries:
                    names = [entry.name for entry in entries if _SHA256.fullmatch(entry.name)]
                batch += [stored_path(lane, name) for name in names if name[:2] == folder.name]
                while len(batch) >= _BATCH:
                    yield batch[:_BATCH]
                    batch = batch[_BATCH:]
        if batch:
            yield batch

    def place(self, lane: str, sha256: str, part: Path) -> str:
        """Rename a part, which is on the disk, to its place and return its stored path; durable when it returns.

        The same bytes that are there already are replaced: nobody knows how long ago they were read last.

        Raises:
            UsageError: the lane's name or the hash is none.
            DiskFull: there is no room for its folder.
            StorageFailed: it cannot be renamed.
        """
        stored = stored_path(lane, sha256)
        target = self.path(stored)
        with _on_disk("the scan cannot be stored"):
            for folder in (target.parent.parent, target.parent):
                # One that is there may be of a service killed before it brought the name to the disk.
                if folder not in self._lasting or not folder.is_dir():
                    folder.mkdir(exist_ok=True)
                    sync(folder.parent)
                    self._lasting.add(folder)
            part.replace(target)
            sync(target.parent)
        return stored


class Incoming:
    """Bytes that come in: hashed and counted on the way, gone unless they are kept. One thread at a time.

    Attributes:
        size: bytes so far.
        head: the first `HEAD_BYTES` of them.
    """

    def __init__(self, storage: Storage, path: Path, descriptor: int, most_bytes: int) -> None:
        self._storage = storage
        self._path = path
        self._descriptor: int | None = descriptor
        self._most = most_bytes
        self._hash = hashlib.sha256()
        self._next_look = _LOOK_EVERY
        self.size = 0
        self.head = b""

    def write(self, chunk: bytes) -> None:
        """Append bytes.

        Raises:
            TooLarge: they are more than a scan may have.
            DiskFull: there is no room for them.
            StorageFailed: the disk gives another error.
        """
        if self._descriptor is None:
            raise ValueError("the incoming scan was finished or discarded; expected an open one")
        if self.size + len(chunk) > self._most:
            raise TooLarge(_about_size(f"has more than {self._most:,} bytes", self._most))
        if self.size >= self._next_look:
            self._storage.demand_room(0)
            self._next_look = self.size + _LOOK_EVERY
        rest = memoryview(chunk)
        with self._whole_or_gone():
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        self._hash.update(chunk)
        self.size += len(chunk)
        if len(self.head) < HEAD_BYTES:
            self.head += bytes(chunk[: HEAD_BYTES - len(self.head)])

    def finish(self) -> str:
        """Bring all of it to the disk and return the SHA-256 of the bytes, as 64 hex digits.

        Raises:
            DiskFull: there is no room for them after all.
            StorageFailed: the disk gives another error.
        """
        if self._descriptor is not None:
            with self._whole_or_gone():
                os.fsync(self._descriptor)
                self._close()
        return self._hash.hexdigest()

    def keep(self, lane: str) -> str:
        """Put it into its place, durably, and return its stored path; it is not incoming any more.

        Raises:
            UsageError: the lane's name is none.
            DiskFull: there is no room for it.
            StorageFailed: the disk gives another error.
        """
        return self._storage.place(lane, self.finish(), self._path)

    def discard(self) -> None:
        """Remove it; nothing happens where it was kept or discarded."""
        try:
            self._close()
        finally:
            self._path.unlink(missing_ok=True)

    @contextmanager
    def _whole_or_gone(self) -> Iterator[None]:
        """Discard all of it after an error: a second fsync would not tell of what the first one lost."""
        with _on_disk("the scan cannot be written"):
            try:
                yield
            except OSError:
                self.discard()
                raise

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> "Incoming":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove it unless it was kept."""
        with _on_disk("what was not accepted cannot be removed"):
            self.discard()


def checked_lane(name: str) -> str:
    """Return the name of a lane, which is also that of folders.

    Raises:
        UsageError: it is none.
    """
    if not _LANE.fullmatch(name):
        raise UsageError(
            f"the lane is {name[:80]!r}; expected 1 to 63 small letters, digits and hyphens, no hyphen first"
        )
    return name


def stored_path(lane: str, sha256: str) -> str:
    """Return the path below the data folder of a scan's bytes.

    Raises:
        UsageError: the lane's name or the hash is none.
    """
    if not _SHA256.fullmatch(sha256):
        raise UsageError(f"the SHA-256 is {sha256[:80]!r}; expected 64 hex digits")
    return f"{_SCANS}/{checked_lane(lane)}/{sha256[:2]}/{sha256}"


def _about_size(found: str, most: int) -> str:
    return f"the file {found}; expected a scan of at most {most:,}; raise max_upload_mb if it is one"


@contextmanager
def _on_disk(failed: str) -> Iterator[None]:
    """Turn errors of the disk into sentences."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _NO_ROOM:
            raise DiskFull(
                f"{failed}: no room on the disk ({reason}); make room, and send the scan again"
            ) from error
        raise StorageFailed(f"{failed} ({reason}); look at the disk, and send the scan again") from error
