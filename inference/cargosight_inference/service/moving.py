"""Files that leave a watched folder: into another one, under a free name, never over a file that is there.

The folders may lie on a share that others write to. So no link is followed, and a file that changed since it was read
is left, or put back, to be read again.
"""

import errno
import io
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cargosight_inference.durable import sync

SIDECAR = ".json"
ERROR = ".error.txt"
_LONGEST = 255 - len(ERROR)
"""Bytes of a name to which either suffix can be added, on the usual file systems."""
_LONGEST_SUFFIX = 16
_CHUNK = 1 << 20
_PART = ".cargosight.part"
"""One name in every run, so that what a kill left is replaced."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A pipe that takes the file's place is not waited for, a link is not followed."""


@dataclass(frozen=True)
class Seen:
    """What tells that a file has not changed.

    Attributes:
        size: in bytes.
        modified_ns: time of its last change by the clock of its disk, in nanoseconds.
    """

    size: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Seen":
        """Return it from a file's status."""
        return cls(status.st_size, status.st_mtime_ns)


def open_regular(path: Path) -> io.BufferedReader | None:
    """Open a file for reading and return it, None where it is a link, pipe, device or folder.

    Raises:
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, _READ)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket or device without its other end
            return None
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return io.BufferedReader(io.FileIO(descriptor))
    os.close(descriptor)
    return None


def put_away(
    scan: Path, folder: Path, seen: Seen, sentence: str | None = None, *, sidecar: Path | None = None
) -> bool:
    """Move a scan and its sidecar into a folder, which is made where only itself is missing.

    The sidecar goes first, and is `<name>.json` there whatever it was called: after a kill between the two none is left
    to be taken for that of a later scan.

    Args:
        scan: the file.
        folder: to move into; nobody else moves files there.
        seen: as it was read.
        sentence: why it failed, for `<name>.error.txt` beside it; None where it did not.
        sidecar: that goes with it, None where it has none.

    Returns:
        Whether it was moved; not where it is gone or another by now.

    Raises:
        OSError: it cannot be moved.
    """
    if not _is_still(scan, seen):
        return False
    folder.mkdir(exist_ok=True)
    target = folder / free_name(folder, scan.name)
    error = target.with_name(target.name + ERROR)
    if sentence is not None:
        _write_new(error, io.BytesIO(f"{sentence}\n".encode("utf-8", "backslashreplace")))
    moved = target.with_name(target.name + SIDECAR)
    has_sidecar = sidecar is not None and _move_sidecar(sidecar, moved)
    if _move(scan, target, seen):
        return True
    if has_sidecar and sidecar is not None and not os.path.lexists(sidecar):
        _move_sidecar(moved, sidecar)
    if sentence is not None:
        error.unlink(missing_ok=True)
    return False


def free_name(folder: Path, name: str) -> str:
    """Return the name that a file gets in a folder: its own or `stem~2.suffix`, and so on; cut where it is too long.

    Some free number is found by halving, not the least one: a scanner may give all of its scans one name.
    """
    if not os.path.lexists(folder / _numbered(name, 1)):
        return _numbered(name, 1)
    taken, free = 1, 2
    while os.path.lexists(folder / _numbered(name, free)):
        taken, free = free, 2 * free
    while free - taken > 1:
        middle = (taken + free) // 2
        if os.path.lexists(folder / _numbered(name, middle)):
            taken = middle
        else:
            free = middle
    return _numbered(name, free)


def _numbered(name: str, number: int) -> str:
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name, of which Path knows "..." otherwise
    if len(os.fsencode(suffix)) > _LONGEST_SUFFIX:
        stem, suffix = name, ""
    end = suffix if number == 1 else f"~{number}{suffix}"
    while len(os.fsencode(stem + end)) > _LONGEST:
        stem = stem[:-1]
    return stem + end


def _is_still(path: Path, seen: Seen) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and Seen.of(status) == seen


def _move_sidecar(sidecar: Path, target: Path) -> bool:
    """Move a sidecar and return whether there was one; what a kill or a tidy hand left at its target is replaced."""
    try:
        if not stat.S_ISREG(sidecar.lstat().st_mode):
            return False
        sidecar.replace(target)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # none can have such a name
            return False
        if error.errno != errno.EXDEV:
            raise
        opened = open_regular(sidecar)
        if opened is None:
            return False
        with opened:
            _write_new(target, opened)
        sidecar.unlink(missing_ok=True)
    return True


def _move(scan: Path, target: Path, seen: Seen) -> bool:
    try:
        scan.rename(target)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return _copy(scan, target, seen)
    if _is_still(target, seen):
        return True
    # Written to, or replaced, since it was read: that is a scan of its own.
    back = scan if not os.path.lexists(scan) else scan.with_name(free_name(scan.parent, scan.name))
    target.rename(back)
    return False


def _copy(scan: Path, target: Path, seen: Seen) -> bool:
    opened = open_regular(scan)
    if opened is None:
        return False
    with opened:
        _write_new(target, opened)
        status = os.fstat(opened.fileno())
    if Seen.of(status) != seen or not _is_still(scan, seen):
        target.unlink()
        return False
    scan.unlink()
    return True


def _write_new(target: Path, content: BinaryIO) -> None:
    """Write a file that appears whole and lasts, in the place of what has its name; a link there is not followed."""
    part = target.with_name(_PART)
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
    try:
        with io.BufferedWriter(io.FileIO(descriptor, "wb")) as file:
            shutil.copyfileobj(content, file, _CHUNK)
            file.flush()
            os.fsync(descriptor)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    sync(target.parent)
