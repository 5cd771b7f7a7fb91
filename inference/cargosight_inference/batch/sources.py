"""What a run inspects: folders, patterns, lists, tables, S3 and other storages, as one stream of inputs."""

import codecs
import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

from cargosight_inference.batch import listing, s3, storages
from cargosight_inference.batch.places import is_url
from cargosight_inference.batch.scratch import Scratch, system_scratch
from cargosight_inference.batch.tables import Table, TableOptions, is_table
from cargosight_inference.inputs import STDIN, check_arguments, expand, matches, natural_key, outermost
from cargosight_models.errors import ScanError, UsageError

if TYPE_CHECKING:
    from _typeshed import SupportsRead

_CHUNK = 1 << 20
_LONGEST_LINE = 1 << 16
_LIST_MARK = "@"


@dataclass(frozen=True, slots=True)
class Item:
    """One input.

    Attributes:
        path: absolute local path, or URL; it may hold surrogates for bytes that are no UTF-8.
        size: in bytes, None where it was not told.
        version: changes with the content: time of change in ns of a local file, entity tag of an object; None where it
            was not told.
        extra: further columns of a table.
    """

    path: str
    size: int | None = None
    version: str | None = None
    extra: Mapping[str, str | None] = field(default_factory=dict)


class Denied(ScanError):  # noqa: N818 - what is so, not what went wrong
    """There may be an input, but the run may not read it."""


class Body(Protocol):
    """The bytes of an open input, and what they are of."""

    size: int | None
    version: str | None

    def read(self, count: int = -1) -> bytes:
        """Return up to so many bytes, all for -1; empty at the end."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


class Sources:
    """What the words of a command stand for; iterating lists it anew, except for the standard input.

    Attributes:
        words: as given.
        extra_columns: of the tables among them, in the order they are met.
        stop: ends the listing early once it is set, as if there were no more inputs.
    """

    def __init__(
        self, words: tuple[str, ...], tables: Mapping[str, Table], skip: str | None, stop: Event
    ) -> None:
        """See `read_sources`, which makes it."""
        self.words = words
        self.extra_columns = tuple(
            dict.fromkeys(column for table in tables.values() for column in table.columns)
        )
        self._tables = tables
        self._skip = skip
        self.stop = stop

    def __iter__(self) -> Iterator[Item]:
        """Yield the inputs in the order of the words; what is given twice comes twice.

        Raises:
            UsageError: a list or table turns out to be wrong.
            BatchError: a storage cannot be listed.
        """
        for word in self.words:
            for item in self._items(word):
                if self.stop.is_set():
                    return
                yield item

    def _items(self, word: str) -> Iterator[Item]:
        if word in self._tables:
            for path, extra in self._tables[word].rows():
                found = stated(path)
                yield Item(found.path, found.size, found.version, extra)
        elif word == STDIN:
            yield from (stated(given.path) for given in expand([STDIN], stop=self.stop))
        elif word.startswith(_LIST_MARK):
            with _opened_list(word[1:]) as body:
                yield from (stated(path) for path in _lines(body.read, word[1:]))
        elif word.startswith("s3://"):
            yield from self._s3(word)
        elif is_url(word):
            yield from (Item(*found) for found in storages.listed(word, self._skip, self.stop))
        else:
            yield from (stated(path) for path in self._local(word))

    def _local(self, word: str) -> Iterator[str]:
        skip = None if self._skip is None or is_url(self._skip) else Path(self._skip)
        if os.path.lexists(word):
            given: Iterator[str] = iter([word])
        else:
            given = outermost(listing.in_order(matches(word), key=natural_key))
        for match in given:
            if not Path(match).is_dir():
                yield match
            elif skip is None or not (skip.exists() and skip.samefile(match)):
                yield from listing.walk(match, skip, self.stop)

    def _s3(self, word: str) -> Iterator[Item]:
        bucket, key = s3.split_url(word)
        alone = s3.find_object(bucket, key) if key and not key.endswith("/") else None
        if alone is not None:
            found: Iterator[s3.S3Object] = iter([alone])
        elif glob.has_magic(key):
            found = listing.s3_matches(bucket, key, self.stop)
        else:
            prefix = f"{key.rstrip('/')}/" if key else ""
            found = listing.s3_scans(bucket, prefix, self._skip, self.stop)
        yield from (Item(f"s3://{bucket}/{one.key}", one.size, one.version) for one in found)


def read_sources(
    words: Sequence[str],
    *,
    table: TableOptions | None = None,
    skip: str | None = None,
    stop: Event | None = None,
    scratch: Scratch | None = None,
) -> Sources:
    """Read what is to be inspected; headers of tables are read now, everything else as it is iterated.

    Args:
        words: local folders (searched to any depth), files and patterns; `-` (paths on the standard input) and `@FILE`
            (paths in a file), one a line; tables by their suffix, `.csv`, `.tsv`, `.parquet` or `.pq`;
            `s3://bucket/prefix`, also with a pattern; other URLs that fsspec knows. Paths in lists and tables are taken
            as they are; relative ones are of the working directory.
        table: which columns of tables.
        skip: local folder or URL of the output, which is not searched.
        stop: ends the listing once it is set.
        scratch: where tables of a storage are fetched to; the system's folder for temporary files by default.

    Raises:
        UsageError: a word matches nothing, or a table lacks a column.
        MissingExtraError: an extra that a word needs is not installed.
        BatchError: a table in a storage cannot be fetched.
    """
    if not words:
        raise UsageError("there is nothing to inspect; give folders, files, lists or tables")
    options = TableOptions() if table is None else table
    tables: dict[str, Table] = {}
    flat: list[str] = []
    for word in words:
        for one in _known(word):
            flat.append(one)
            if is_table(one) and not one.startswith(_LIST_MARK):
                tables[one] = _open_table(one, options, scratch or system_scratch())
    return Sources(tuple(flat), tables, skip, stop or Event())


def stated(path: str) -> Item:
    """Return an input with size and time of change, of a local file that exists; of a URL nothing is asked.

    A relative path becomes an absolute one: a run may go on from another folder, or on another machine.
    """
    if is_url(path):
        return Item(path)
    if not os.path.isabs(path):  # noqa: PTH117 - a million of them
        path = str(Path(path).absolute())
    try:
        found = os.stat(path)  # noqa: PTH116 - a million of them
    except (OSError, ValueError):  # told when it is read; a ValueError is a NUL in the path
        return Item(path)
    return Item(path, found.st_size, str(found.st_mtime_ns))


def open_input(path: str) -> Body:
    """Open an input for reading, with the size and version of exactly these bytes.

    Args:
        path: local path or URL.

    Raises:
        Denied: it may not be read: that is its result.
        ScanError: there is no such file or storage, or it cannot be opened: that is its result.
        BatchError: the storage does not answer now, or its own package is not installed; worth another try.
        MissingExtraError: its extra is not installed.
    """
    try:
        if path.startswith("s3://"):
            return s3.S3Body(*s3.split_url(path))
        if is_url(path):
            return storages.StorageBody(path)
        return _LocalBody(path)
    except FileNotFoundError:
        raise ScanError(f"there is no file {shown(path)}") from None
    except UsageError as error:
        raise ScanError(shown(str(error))) from error
    except PermissionError as error:
        reason = " ".join((error.strerror or str(error)).split())
        raise Denied(f"{shown(path)} may not be read: {reason}") from error
    except (OSError, ValueError) as error:
        raise ScanError(
            f"{shown(path)} cannot be opened: {getattr(error, 'strerror', None) or error}"
        ) from error


def changed(item: Item, size: int | None, version: str | None) -> bool:
    """Return whether an input is another one than was planned; what was not told then is not compared.

    So of a URL in a list or a table, of which `stated` asks nothing, no change can be told.
    """
    return (item.size is not None and size is not None and item.size != size) or (
        item.version is not None and version is not None and item.version != version
    )


def shown(path: str) -> str:
    r"""Return a path as text that can be printed and stored: bytes that are no UTF-8 as `\xe9`."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class _LocalBody:
    def __init__(self, path: str) -> None:
        self._file = open(path, "rb")  # noqa: SIM115, PTH123 - closed by who reads
        found = os.fstat(self._file.fileno())
        self.size: int | None = found.st_size
        self.version: str | None = str(found.st_mtime_ns)

    def read(self, count: int = -1) -> bytes:
        return self._file.read(count)

    def close(self) -> None:
        self._file.close()


def _known(word: str) -> Iterator[str]:
    """Yield a word that stands for something, a pattern of tables as the tables."""
    if is_url(word) and not word.startswith(_LIST_MARK):
        if not word.startswith("s3://"):
            storages.check(word)
        yield word
        return
    if word.startswith(_LIST_MARK):
        if not is_url(word[1:]) and not Path(word[1:]).is_file():
            raise UsageError(
                f"there is no list {word[1:]!r}, as {word} says; expected a file of one path a line"
            )
        yield word
        return
    check_arguments([word])
    if is_table(word) and word != STDIN and not os.path.lexists(word):
        yield from sorted(matches(word), key=natural_key)
    else:
        yield word


def _open_table(word: str, options: TableOptions, scratch: Scratch) -> Table:
    if not is_url(word):
        return Table(Path(word), options)
    try:
        target = scratch.path(Path(word).suffix)
        body = open_input(word)
        try:
            with target.open("wb") as out:
                while chunk := body.read(_CHUNK):
                    out.write(chunk)
        finally:
            body.close()
    except ScanError as error:
        raise UsageError(f"the table {word} cannot be read: {error}") from error
    return Table(target, options, called=word)


@contextmanager
def _opened_list(path: str) -> Iterator["SupportsRead[bytes]"]:
    try:
        body = open_input(path)
    except ScanError as error:
        raise UsageError(f"the list {path} cannot be read: {error}") from error
    try:
        yield body
    finally:
        body.close()


def _lines(read: Callable[[int], Any], called: str) -> Iterator[str]:
    """Yield the lines of a list that are not empty."""
    rest, first = b"", True
    while chunk := read(_CHUNK):
        if first:
            chunk, first = chunk.removeprefix(codecs.BOM_UTF8), False  # as Windows begins a file
        *lines, rest = (rest + chunk).split(b"\n")
        yield from _paths(lines)
        if len(rest) > _LONGEST_LINE:
            raise UsageError(
                f"the list {called} has a line of more than {_LONGEST_LINE:,} bytes; expected one path a line"
            )
    yield from _paths([rest])


def _paths(lines: Sequence[bytes]) -> Iterator[str]:
    return (path for line in lines if (path := os.fsdecode(line).strip("\r\n")))
