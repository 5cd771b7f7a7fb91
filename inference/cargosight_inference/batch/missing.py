"""Telling inputs that are gone from an archive that is gone: rows of an unmounted share would be wrong for ever."""

import errno
import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cargosight_inference.batch.fetching import Ready
from cargosight_inference.batch.places import BatchError, is_url
from cargosight_inference.batch.sources import shown
from cargosight_inference.batch.tables import is_table
from cargosight_inference.inputs import STDIN

_MOST_IN_A_ROW = 16
_LIST_MARK = "@"
_BROKEN = (
    errno.EIO,
    errno.ESTALE,
    errno.ENOTCONN,
    errno.ENXIO,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.ENODEV,
)
"""What the system says where a disk or share fails, and no single file is to blame."""


class MissingGuard:
    """Follows the inputs of a shard in order, and ends it where the storage is to blame for what they lack."""

    def __init__(self, sources: Iterable[str]) -> None:
        """Begin.

        Args:
            sources: words of the run.
        """
        self._named = sorted(_folders(sources), key=lambda folder: len(folder.parts))
        self._how: str | None = None
        self._in_a_row = 0
        self._last = ""

    def check(self, ready: Ready, why: str | None) -> None:
        """Note how reading an input went.

        Args:
            ready: the input.
            why: it could not be read, None where it was.

        Raises:
            BatchError: a disk or share fails, or many inputs one after the other are gone together with their archive,
                or may all of them not be read.
        """
        path = ready.planned.item.path
        how = None
        if ready.is_denied:
            how = "denied"
        elif why is not None and not is_url(path):
            _check_system(path, why)
            how = None if os.path.exists(path) else "gone"  # noqa: PTH110 - a Path raises where it may not look
        self._in_a_row = 0 if how is None else self._in_a_row + 1 if how == self._how else 1
        self._how, self._last = how, path
        if how is None or self._in_a_row % _MOST_IN_A_ROW:
            return
        if how == "denied":
            raise BatchError(
                f"{self._in_a_row} inputs one after the other may not be read, the last of them: {why}; give the "
                "run access to them, and the same command goes on"
            )
        self._check_archive(self._archive(path))

    def finish(self) -> None:
        """Note the end of the shard: fewer inputs are enough where the command named the folder that is gone.

        Raises:
            BatchError: the last inputs are gone together with that folder.
        """
        named = self._named_above(self._last)
        if self._how == "gone" and named is not None:
            self._check_archive(named)

    def _check_archive(self, top: Path) -> None:
        if _is_lost(top):
            raise BatchError(
                f"inputs are gone, {self._in_a_row} one after the other and the last of them {shown(self._last)}, and "
                f"the folder {shown(str(top))} is gone or empty; is the archive mounted? The same command goes on "
                "when it is back. If it was removed for good, make that folder with any file in it"
            )

    def _archive(self, path: str) -> Path:
        """Return the folder that stands for the archive of an input: one that the command named, else the nearest."""
        above = Path(path).parents
        nearest = (folder for folder in above if os.path.isdir(folder))  # noqa: PTH112 - a Path raises where it may not look
        return self._named_above(path) or next(nearest, above[-1])

    def _named_above(self, path: str) -> Path | None:
        above = Path(path).parents
        return next((folder for folder in self._named if folder in above), None)


def _check_system(path: str, why: str) -> None:
    """Raise where a sentence of the reader gives one of those reasons, which it takes from the system's own words."""
    for code in _BROKEN:
        if f"({os.strerror(code)})" in why:
            raise BatchError(
                f"{shown(path)} cannot be read: {os.strerror(code)}; its disk or share fails, and the same command "
                "goes on when it is back"
            )


def _is_lost(folder: Path) -> bool:
    """Return whether nothing is in a folder, as in that where a share was mounted, or it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return True


def _folders(words: Iterable[str]) -> Iterator[Path]:
    """Yield the local folders that words of a command name, of a pattern the part before its first sign."""
    for word in words:
        if word == STDIN or word.startswith(_LIST_MARK) or is_url(word) or is_table(word):
            continue
        parts = Path(word).absolute().parts
        plain = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
        # A word that names a folder of that very name is rare, and the folder above it stands for the archive as well.
        yield Path(*parts[:plain])
