"""Where a run writes: a local folder or a prefix of an S3 bucket, in which the first writer of a name wins."""

import errno
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from uuid import uuid4

from cargosight_inference.batch.scratch import Scratch
from cargosight_inference.durable import sync
from cargosight_models.errors import CargosightError, UsageError

_SCRATCH = ".scratch"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:(//|:)")
_PART = re.compile(r"(?!\.)[^/\0]+")
_T = TypeVar("_T")
_TRIES = 5
"""Of a link into a folder that somebody else may remove at that moment since it is empty."""


class BatchError(CargosightError):
    """Something that a batch run needs failed; what is published stays, and the same command goes on from there."""


class NoSuchName(BatchError):  # noqa: N818 - what is so, not what went wrong
    """Nothing has the name in a place."""


class Place(ABC):
    """What a run writes into: names with slashes, such as `parts/part-000000.parquet`, and the bytes under them.

    What is published appears whole or not at all, never changes, and stays after a power failure. A place may be used
    by several threads.

    Attributes:
        url: of the place, from which `open_place` opens it again.
        scratch: for temporary files; those that become parts belong there, so that publishing copies nothing.
    """

    url: str
    scratch: Scratch

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return what is under a name.

        Raises:
            NoSuchName: nothing is.
            BatchError: it cannot be read.
        """

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Return whether something has the name.

        Raises:
            BatchError: that cannot be told.
        """

    @abstractmethod
    def names(self, prefix: str = "") -> Iterator[str]:
        """Yield the names that begin with a prefix, in no stated order; they are never held together.

        Raises:
            BatchError: they cannot be listed.
        """

    @abstractmethod
    def top(self) -> Iterator[str]:
        """Yield what lies at the top level, hidden names left out: names, and folders with a slash behind them.

        Raises:
            BatchError: it cannot be listed.
        """

    @abstractmethod
    def publish(self, name: str, source: Path | bytes) -> bool:
        """Give bytes a name that has none yet; the first of several writers wins.

        Args:
            name: with slashes.
            source: the bytes, or a whole file that nobody changes afterwards; it stays with the caller.

        Returns:
            Whether the name is this writer's; False where another one was first, whose bytes are left alone.

        Raises:
            BatchError: they cannot be written.
        """

    @abstractmethod
    def replace(self, name: str, content: bytes) -> None:
        """Write bytes under a name, whatever it had: for progress alone, which may be lost.

        Raises:
            BatchError: they cannot be written.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a name; nothing happens where it does not exist.

        Raises:
            BatchError: it cannot be removed.
        """

    def publish_again(self, name: str, source: Path | bytes) -> None:
        """Publish in place of what an earlier run or comparison left under the name, if that is anything else.

        Args:
            name: with slashes.
            source: as for `publish`; a file is never compared with what is there.

        Raises:
            BatchError: they cannot be written, or somebody else writes other bytes under the name at this moment.
        """
        if self.publish(name, source):
            return
        with suppress(NoSuchName):  # somebody else replaces it just now
            if isinstance(source, bytes) and self.read(name) == source:
                return
        self.delete(name)
        if not self.publish(name, source):
            raise BatchError(
                f"another process writes {name} in {self.url} at this moment; run the command again"
            )

    def check(self) -> None:
        """Make sure that the place can be written and that the first writer wins there.

        Raises:
            UsageError: the second of two writers got the name, too.
            BatchError: it cannot be written.
        """
        name = f"probe-{uuid4().hex}"
        try:
            first, second = self.publish(name, b"first"), self.publish(name, b"second")
        finally:
            self.delete(name)
        if not first or second:
            raise UsageError(
                f"the storage behind {self.url} does not keep the first of two writers (a conditional put is not "
                "honoured); give an output folder or a bucket that does"
            )

    def close(self) -> None:
        """Remove the temporary files of this process."""
        self.scratch.close()

    def __enter__(self) -> "Place":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_place(url: str | Path) -> Place:
    """Open an output.

    Args:
        url: a local folder, which need not exist, or `s3://bucket/prefix`.

    Raises:
        UsageError: it is another URL, or a path that cannot be a folder.
        MissingExtraError: the extra `s3` is not installed.
    """
    text = os.fspath(url)
    if not text:
        raise UsageError("an empty output path found; give a folder or s3://bucket/prefix")
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if text.startswith("s3://"):
        from cargosight_inference.batch.s3 import S3Place

        return S3Place(text)
    if _URL.match(text):
        raise UsageError(
            f"the output {text} is in a storage without a conditional put that cargosight knows, so that two workers "
            "could overwrite each other; expected a local folder or s3://bucket/prefix"
        )
    return LocalPlace(Path(text))


def is_url(path: str) -> bool:
    """Return whether a path is a URL such as `s3://bucket/key` and not one of the local file system."""
    return _URL.match(path) is not None


def check_name(name: str) -> None:
    """Refuse a name that would leave the place or be hidden in it.

    Raises:
        ValueError: it is one; that is a mistake in the code, not in what a user said.
    """
    if not all(_PART.fullmatch(part) for part in name.split("/")):
        raise ValueError(f"a name in a place is {name!r}; expected parts with slashes, none of them hidden")


class LocalPlace(Place):
    """A folder of the local file system, or of a shared one with hard links."""

    def __init__(self, folder: Path) -> None:
        """Name the folder, which need not exist.

        Raises:
            UsageError: a file has its name, or a symbolic link to nothing.
        """
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"the output {folder} is a file; expected a folder")
        if folder.is_symlink() and not folder.exists():
            raise UsageError(
                f"the output {folder} is a symbolic link to {folder.readlink()}, which does not exist; make that "
                "folder, or give another output"
            )
        self.folder = folder.absolute()
        self.url = str(self.folder)
        self.scratch = Scratch(self.folder / _SCRATCH)

    def check(self) -> None:
        """See `Place.check`."""
        try:
            self._make(self.folder)
        except OSError as error:
            raise BatchError(
                f"the output folder {self.url} cannot be made: {error.strerror or error}; give one that can"
            ) from error
        super().check()

    def read(self, name: str) -> bytes:
        """See `Place.read`."""
        try:
            with self._told(f"read {name}", but_absence=True):
                return self._path(name).read_bytes()
        except FileNotFoundError:
            raise NoSuchName(f"there is no {name} in {self.url}") from None

    def exists(self, name: str) -> bool:
        """See `Place.exists`."""
        return os.path.lexists(self._path(name))

    def names(self, prefix: str = "") -> Iterator[str]:
        """See `Place.names`."""
        above, _, begin = prefix.rpartition("/")
        waiting = [(above, begin)]
        while waiting:
            folder, begin = waiting.pop()
            try:
                with self._told("list names", but_absence=True), os.scandir(self.folder / folder) as entries:
                    for entry in entries:
                        if entry.name.startswith(".") or not entry.name.startswith(begin):
                            continue
                        name = f"{folder}/{entry.name}" if folder else entry.name
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append((name, ""))
                        else:
                            yield name
            except FileNotFoundError:  # nothing was published there yet, or it was removed just now
                continue

    def top(self) -> Iterator[str]:
        """See `Place.top`."""
        told = self._told("list names", but_absence=True)
        with suppress(FileNotFoundError), told, os.scandir(self.folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    yield f"{entry.name}/" if entry.is_dir() else entry.name

    def publish(self, name: str, source: Path | bytes) -> bool:
        """See `Place.publish`."""
        with self._told(f"write {name}"):
            if isinstance(source, Path):
                return self._publish(self._path(name), source)
            with self.scratch.file(source) as prepared:
                return self._publish(self._path(name), prepared)

    def replace(self, name: str, content: bytes) -> None:
        """See `Place.replace`."""
        target = self._path(name)
        with self._told(f"write {name}"), self.scratch.file(content) as prepared:
            self._into_folder(target, prepared, lambda: prepared.replace(target))

    def delete(self, name: str) -> None:
        """See `Place.delete`."""
        target = self._path(name)
        with self._told(f"remove {name}"):
            try:
                target.unlink(missing_ok=True)
            except NotADirectoryError:
                return
        for folder in target.parents:
            if folder == self.folder:
                return
            try:
                folder.rmdir()
            except OSError:  # not empty, or gone
                return

    def _path(self, name: str) -> Path:
        check_name(name)
        return self.folder / name

    def _publish(self, target: Path, source: Path) -> bool:
        sync(source)
        return self._into_folder(target, source, lambda: self._link(target, source))

    def _into_folder(self, target: Path, source: Path, put: Callable[[], _T]) -> _T:
        """Make the folder of a target and put the source there; again where somebody removed it in between."""
        for _ in range(_TRIES):
            try:
                self._make(target.parent)
                return put()
            except FileNotFoundError:
                if not source.exists():
                    raise
        raise BatchError(f"the folder {target.parent} is removed again and again; it has to stay")

    def _link(self, target: Path, source: Path) -> bool:
        try:
            os.link(source, target)
        except FileExistsError:
            # A shared file system may lose the answer to a link that it made, and make the client ask again.
            ours = target.samefile(source)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return self._publish_copy(target, source)
        else:
            ours = True
        # After a kill of the winner its name may not be durable yet.
        sync(target.parent)
        return ours

    def _publish_copy(self, target: Path, source: Path) -> bool:
        copy = self.scratch.path()
        try:
            shutil.copyfile(source, copy)
            return self._publish(target, copy)
        finally:
            copy.unlink(missing_ok=True)

    def _make(self, folder: Path) -> None:
        """Make a folder with those above it, each made durable."""
        missing = [folder, *folder.parents]
        missing = missing[: next((at for at, above in enumerate(missing) if above.is_dir()), len(missing))]
        for above in reversed(missing):
            with suppress(FileExistsError):  # another writer's by now; where it is a file, what follows fails
                above.mkdir()
            sync(above.parent)

    @contextmanager
    def _told(self, doing: str, *, but_absence: bool = False) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if but_absence and isinstance(error, FileNotFoundError):
                raise
            hint = ""
            if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                hint = "; a file system with hard links is needed there"
            raise BatchError(
                f"the output folder {self.url} does not let the run {doing}: {error.strerror or error}{hint}"
            ) from error
