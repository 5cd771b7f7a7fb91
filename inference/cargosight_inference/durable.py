"""Files and folders that appear whole or not at all, and stay after a power failure."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

Buffer = bytes | bytearray | memoryview


def write_durably(path: Path, content: Buffer) -> None:
    """Write a file in the place of what had its name.

    Raises:
        OSError: it cannot be written; what had the name is still there.
    """
    part = part_of(path)
    try:
        with part.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync(path.parent)


def build_durably(folder: Path, fill: Callable[[Path], None]) -> None:
    """Make a folder in the place of one that had its name.

    A kill leaves the folder that was there, the new one, or for the moment between two renames none: never a part of
    one.

    Args:
        folder: to be made; its parent too where that does not exist.
        fill: writes the files into the folder that it is given, each made durable.

    Raises:
        OSError: it cannot be written.
    """
    part, former = part_of(folder), folder.with_name(f".{folder.name}.former")
    folder.parent.mkdir(parents=True, exist_ok=True)
    if former.exists() and not folder.exists():  # killed between the two renames
        former.rename(folder)
    for left in (part, former):
        if left.exists():
            shutil.rmtree(left)
    try:
        part.mkdir()
        fill(part)
        sync(part)
        if folder.exists():
            folder.rename(former)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    sync(folder.parent)
    shutil.rmtree(former, ignore_errors=True)


def part_of(path: Path) -> Path:
    """Return where a file or folder is prepared: one name in every run, so that what a kill left is replaced."""
    return path.with_name(f".{path.name}.part")


def sync(path: Path) -> None:
    """Make the bytes of a file, or the names in a folder, durable.

    Raises:
        OSError: it cannot be opened, or the disk failed.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
