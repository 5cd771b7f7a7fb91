"""A folder for temporary files that is removed in the end, by the next process where its own was killed."""

import errno
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from uuid import uuid4

from cargosight_models.errors import UsageError

if sys.platform != "win32":
    import fcntl

_LOCK = "lock"
_PRIVATE = 0o700
_TRIES = 100
"""Of a claim: others may remove the shared folder at that moment, but a file system may also know no way to make it."""
_OLD_S = 600.0
"""Far longer than a process takes from making its folder to the lock in it."""


class Scratch:
    """Temporary files of one process below a folder that several share.

    Each process has a folder of its own in it, with a lock that the system releases however the process ends. Who
    comes later removes the folders whose lock nobody holds. On Windows, which has no such locks, they stay. Threads may
    share a scratch; a forked child gets a folder of its own.
    """

    def __init__(self, shared: Path, *, mode: int = 0o777) -> None:
        """Name the shared folder; nothing is made before the first file is asked for.

        Args:
            shared: holds nothing but such folders.
            mode: of the shared folder, less the umask.
        """
        self._shared = shared
        self._mode = mode
        self._claiming = Lock()
        self._own: Path | None = None
        self._lock: int | None = None
        self._process = os.getpid()

    @property
    def folder(self) -> Path:
        """The folder of this process, which exists.

        Raises:
            OSError: it cannot be made.
        """
        with self._claiming:
            if self._own is not None and self._process == os.getpid():
                return self._own
            self._sweep()
            for _ in range(_TRIES):
                if (own := self._claim()) is not None:
                    return own
            raise FileNotFoundError(
                errno.ENOENT, f"the folder {self._shared} cannot be made, or is removed again and again"
            )

    def path(self, suffix: str = "") -> Path:
        """Return a path in the folder that nothing has yet."""
        return self.folder / f"{uuid4().hex}{suffix}"

    @contextmanager
    def file(self, content: bytes) -> Iterator[Path]:
        """Hold a file with the content while the block runs."""
        path = self.path()
        try:
            path.write_bytes(content)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder of this process with what is left in it, and those of killed ones."""
        if self._process != os.getpid():  # of the parent, which still uses it
            return
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            self._own = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self._sweep()
        try:
            self._shared.rmdir()
        except OSError:  # others are at work there, or it never was
            return

    def _claim(self) -> Path | None:
        """Make the folder and take its lock; None where a sweep of somebody else came in between."""
        own = self._shared / f"{os.getpid()}-{uuid4().hex[:12]}"
        try:
            self._shared.mkdir(parents=True, exist_ok=True, mode=self._mode)
            own.mkdir()
            lock = os.open(own / _LOCK, os.O_CREAT | os.O_RDWR)
        except FileNotFoundError:  # its last user removed the shared folder just now
            return None
        if (sys.platform != "win32" and not _take(lock)) or not (own / _LOCK).exists():
            os.close(lock)
            return None
        self._own, self._lock, self._process = own, lock, os.getpid()
        return own

    def _sweep(self) -> None:
        try:
            left = list(self._shared.iterdir())
        except FileNotFoundError:
            return
        for folder in left:
            try:
                lock = os.open(folder / _LOCK, os.O_RDWR)
            except OSError:
                # It is gone already, about to get its lock, or half removed by a process that was killed.
                if _is_old(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            try:
                if _take(lock):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def system_scratch() -> Scratch:
    """Return a scratch in the system's folder for temporary files, of this user alone.

    Raises:
        UsageError: another user has made a folder of that name.
    """
    user = os.getuid() if sys.platform != "win32" else "user"
    shared = Path(tempfile.gettempdir()) / f"cargosight-batch-{user}"
    if sys.platform != "win32" and os.path.lexists(shared):
        found = shared.lstat()
        if found.st_uid != os.getuid() or not shared.is_dir() or shared.is_symlink():
            raise UsageError(
                f"{shared} belongs to somebody else; remove it, or set TMPDIR to a folder of your own"
            )
    return Scratch(shared, mode=_PRIVATE)


def _is_old(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > _OLD_S
    except OSError:
        return False


def _take(lock: int) -> bool:
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
