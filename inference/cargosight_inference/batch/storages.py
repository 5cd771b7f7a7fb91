"""Storages other than S3 as sources of inputs, through fsspec."""

import errno
import glob
import socket
from collections.abc import Iterator
from datetime import datetime
from threading import Event
from typing import Any

from cargosight_inference.batch import listing
from cargosight_inference.batch.places import BatchError
from cargosight_models.errors import MissingExtraError, UsageError

Found = tuple[str, int | None, str | None]
"""URL, size in bytes and version of an input."""
_VERSIONS = (
    "etag",
    "ETag",
    "md5Hash",
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "modified",
    "created",
)
"""What storages call that which changes with the content, the surest first."""


def check(url: str) -> None:
    """Make sure that a storage is known and what it needs is installed.

    Raises:
        UsageError: it is not known.
        BatchError: a package of its own is missing.
        MissingExtraError: the extra `batch` is not installed.
    """
    _open(url)


def listed(url: str, skip: str | None, stop: Event) -> Iterator[Found]:
    """Yield the file of a URL, the files that a pattern matches, or the scans below a folder.

    What a pattern matches is held whole, as fsspec gives it; of a folder, see `listing.walk_storage`.

    Args:
        url: of the storage.
        skip: URL of the output, which is left out.
        stop: ends the listing once it is set.

    Raises:
        UsageError: there is nothing of that name.
        BatchError: the storage cannot be listed.
    """
    storage, top = _open(url)
    try:
        if storage.isfile(top):
            entries: Iterator[dict[str, Any]] = iter([storage.info(top)])
        elif glob.has_magic(top):
            entries = (storage.info(name) for name in storage.glob(top))
        elif storage.isdir(top):
            entries = listing.walk_storage(storage, top, skip, stop)
        else:
            raise UsageError(f"there is no file or folder {url}")
        for entry in entries:
            if entry["type"] != "directory":
                yield storage.unstrip_protocol(entry["name"]), _size(entry), _version(entry)
    except OSError as error:
        raise BatchError(f"{url} cannot be listed: {error}") from error


class StorageBody:
    """The bytes of a file in a storage as they come."""

    def __init__(self, url: str) -> None:
        """Open a file.

        Raises:
            FileNotFoundError: there is none.
            PermissionError: it may not be read.
            UsageError: the storage is not known.
            BatchError: it cannot be read now, or a package of the storage is missing.
        """
        self._url = url
        storage, path = _open(url)
        try:
            found = storage.info(path)
            self._file = storage.open(path, "rb")
        except FileNotFoundError as error:
            _check_absent(url, error)
            raise
        except (IsADirectoryError, PermissionError):
            raise
        except OSError as error:
            raise BatchError(f"{url} cannot be read: {error}") from error
        self.size, self.version = _size(found), _version(found)

    def read(self, count: int = -1) -> bytes:
        """Return up to so many bytes, all for -1; empty at the end.

        Raises:
            BatchError: the connection broke.
        """
        try:
            return bytes(self._file.read(count))
        except OSError as error:
            raise BatchError(f"{self._url} cannot be read: {error}") from error

    def close(self) -> None:
        """Close it."""
        self._file.close()


def _check_absent(url: str, error: FileNotFoundError) -> None:
    """Raise what happened where fsspec calls a file absent since the server answered anything but the file.

    Raises:
        PermissionError: it may not be read.
        BatchError: the server does not answer now.
    """
    cause = error.__cause__
    if isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError):
        reason = getattr(cause, "os_error", cause)
        # A host that nobody knows is a wrong URL; one that does not answer may later.
        if not (isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_NONAME):
            raise BatchError(f"{url} cannot be read: {' '.join(str(cause).split())}") from error
    status = getattr(cause, "status", None)  # of HTTP
    if status in {401, 403}:
        raise PermissionError(errno.EACCES, f"HTTP {status}") from error
    if isinstance(status, int) and (status >= 500 or status in {408, 429}):
        raise BatchError(f"{url} cannot be read: HTTP {status}") from error


def _open(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise MissingExtraError("batch", url) from None
    if "::" in url:
        raise UsageError(f"{url} is a chain of storages; expected the URL of one, such as gs://bucket/prefix")
    try:
        storage, path = url_to_fs(url)
    except ImportError as error:
        raise BatchError(f"{url} needs a package of its own: {error}") from error
    except ValueError as error:
        raise UsageError(f"{url} is in no storage that fsspec knows: {error}") from error
    return storage, str(path)


def _size(entry: dict[str, Any]) -> int | None:
    return None if entry.get("size") is None else int(entry["size"])


def _version(entry: dict[str, Any]) -> str | None:
    found = next((entry[name] for name in _VERSIONS if entry.get(name)), None)
    if isinstance(
        found, datetime
    ):  # some tell a time as a number in a listing and as a date of a single file
        found = found.timestamp()
    if isinstance(found, float):
        return f"{found:.6f}"
    return None if found is None else str(found).strip('"')
