"""What the command line inspects: files, folders, globs and lists on stdin, as one stream.

The stream is never held whole.
"""

import codecs
import glob
import io
import os
import re
import select
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from cargosight_inference.results import INSPECTION_SUFFIX, MATERIALS_SUFFIX, OVERLAY_SUFFIX, inspected_path
from cargosight_inference.scans.sniff import identify
from cargosight_models.errors import ScanError, UsageError

STDIN = "-"
SCAN_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".npy"})
_POLL_S = 0.2
_MAGIC_BYTES = 64
_LONGEST_LINE = 1 << 16
"""Bytes of a line of a list, far above any path; what has no line ends would otherwise be held whole."""


@dataclass(frozen=True)
class Input:
    """One input.

    Attributes:
        path: of the file, as it was given or found.
        place: folder of the input below the folder argument that it was found in, empty for any other; its
            results go into the same place below the output folder.
    """

    path: str
    place: str = ""


def check_arguments(arguments: Sequence[str]) -> None:
    """Refuse arguments that match nothing, before any work is done.

    Raises:
        UsageError: a path that is empty or does not exist, or a pattern without a match or over folders that lie
            too deep.
    """
    for argument in arguments:
        if not argument:  # as an unset variable of a script leaves it
            raise UsageError("an empty path found; give . for the working directory")
        if argument == STDIN and sys.stdin is None:
            raise UsageError("the standard input is closed; expected a list of paths there, as - says")
        if argument == STDIN or os.path.lexists(argument):
            continue
        if not glob.has_magic(argument):
            raise UsageError(f"there is no file or folder {argument}")
        if next(matches(argument), None) is None:
            raise UsageError(f"nothing matches {argument}")


def expand(arguments: Sequence[str], *, skip_folder: Path | None = None, stop: Event) -> Iterator[Input]:
    """Yield the inputs that the arguments stand for, in their order.

    A folder gives the scans in it and in its subfolders in natural order (2 before 10): files whose suffix
    is one of `SCAN_SUFFIXES` and other files that begin like a scan. Hidden entries and overlays that an
    earlier run wrote are left out; links to folders are not followed. A subfolder that cannot be listed is
    yielded itself, so that the run reports it. What a pattern matches inside of a folder that it matches comes with
    the folder alone. `-` reads one path a line from stdin, as they come.

    Args:
        arguments: files, folders, glob patterns (`**` for any depth) or `-`.
        skip_folder: the output folder, which is not searched.
        stop: once it is set, the search of folders and the waiting for stdin end.

    Raises:
        UsageError: what comes on stdin is no list of lines.
    """
    for argument in arguments:
        if argument == STDIN:
            yield from (Input(path) for path in _stdin_paths(stop))
        elif os.path.lexists(argument):
            yield from _file_or_folder(argument, skip_folder, stop)
        else:
            for match in outermost(sorted(matches(argument), key=natural_key)):
                if skip_folder is None or not is_same(match, skip_folder):
                    yield from _file_or_folder(match, skip_folder, stop)


def natural_key(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Sort key under which `scan2` comes before `scan10`; names that differ in zeros alone come by text."""
    parts = [
        (True, int(part), "") if part.isdecimal() else (False, 0, part) for part in re.split(r"(\d+)", name)
    ]
    return parts, name


def matches(pattern: str) -> Iterator[str]:
    """Yield what a pattern matches, in no stated order.

    Raises:
        UsageError: it stands for folders that lie too deep.
    """
    try:
        yield from glob.iglob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    except RecursionError as error:
        raise UsageError(
            f"the folders that {pattern} stands for lie too deep for a pattern with **; give the folder itself"
        ) from error


def outermost(matches: Iterable[str]) -> Iterator[str]:
    """Leave out what lies in a folder that matches, too, since the folder gives it; it comes first in natural order."""
    folders: set[Path] = set()
    for match in matches:
        path = Path(match)
        if folders.isdisjoint(path.parents):
            if path.is_dir():
                folders.add(path)
            yield match


def _file_or_folder(path: str, skip_folder: Path | None, stop: Event) -> Iterator[Input]:
    if Path(path).is_dir():
        yield from _walk(path, skip_folder, stop)
    else:
        yield Input(path)


def _walk(top: str, skip_folder: Path | None, stop: Event) -> Iterator[Input]:
    """Yield the inputs below a folder: in a loop, since folders may lie deeper than Python calls itself."""
    entries = _list_backwards(top)
    if entries is None:
        yield Input(top)
        return
    levels = [("", entries)]
    while levels and not stop.is_set():
        place, entries = levels[-1]
        if not entries:
            levels.pop()
            continue
        entry = entries.pop()
        if not entry.is_dir(follow_symlinks=False):
            if is_scan(entry) if entry.is_file() else is_lost(entry):
                yield Input(entry.path, place)
        elif skip_folder is None or not is_same(entry.path, skip_folder):
            below = os.path.join(place, entry.name)  # noqa: PTH118
            inner = _list_backwards(entry.path)
            if inner is None:
                yield Input(entry.path, below)
            else:
                levels.append((below, inner))


def _list_backwards(folder: str) -> list["os.DirEntry[str]"] | None:
    """Return what lies in a folder, the last in natural order first; None where it cannot be listed."""
    try:
        with os.scandir(folder) as listing:
            shown = [entry for entry in listing if not entry.name.startswith(".")]
    except OSError:
        return None
    return sorted(shown, key=lambda entry: natural_key(entry.name), reverse=True)


def is_same(path: str, other: Path) -> bool:
    """Return whether a path is a file or folder that exists, by whatever name."""
    try:
        return other.samefile(path)
    except OSError:  # such as an output folder that does not exist
        return False


def is_lost(entry: "os.DirEntry[str]") -> bool:
    """Return whether it is a link to a scan that is gone: an input that gets its sentence, not one that is skipped."""
    gone = entry.is_symlink() and not Path(entry.path).exists()
    return gone and Path(entry.name).suffix.lower() in SCAN_SUFFIXES


def is_scan(entry: "os.DirEntry[str]") -> bool:
    """Return whether a file of a folder is an input: by its suffix or its first bytes, and no result of ours."""
    if entry.name.endswith((OVERLAY_SUFFIX, MATERIALS_SUFFIX)):
        stem = entry.path.removesuffix(OVERLAY_SUFFIX).removesuffix(MATERIALS_SUFFIX)
        try:
            return not inspected_path(Path(stem + INSPECTION_SUFFIX))
        except OSError:  # such as a name too long to be of ours: its own reading says what is wrong
            return True
    return Path(entry.name).suffix.lower() in SCAN_SUFFIXES or _begins_like_scan(entry.path)


def _begins_like_scan(path: str) -> bool:
    try:
        with Path(path).open("rb") as file:
            identify(file.read(_MAGIC_BYTES))
    except (OSError, ScanError):
        return False
    return True


def _stdin_paths(stop: Event) -> Iterator[str]:
    for number, line in enumerate(_stdin_lines(stop)):
        name = line.removeprefix(codecs.BOM_UTF8) if number == 0 else line  # as Windows begins a text file
        path = os.fsdecode(name).strip("\r\n")
        if path:
            yield path


def _stdin_lines(stop: Event) -> Iterator[bytes]:
    """Yield the lines of stdin as they come; a thread that waits for them can be told to stop."""
    try:
        descriptor = sys.stdin.fileno()
        select.select([descriptor], [], [], 0.0)
    except (OSError, ValueError, io.UnsupportedOperation):
        # No file descriptor, or a system that cannot wait for one: the next line has to be waited out.
        yield from (os.fsencode(line) for line in sys.stdin)
        return
    rest = b""
    while not stop.is_set():
        ready, _, _ = select.select([descriptor], [], [], _POLL_S)
        if not ready:
            continue
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            yield rest
            return
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > _LONGEST_LINE:
            raise UsageError(
                f"the list on stdin has a line of more than {_LONGEST_LINE:,} bytes; expected one path a line"
            )
