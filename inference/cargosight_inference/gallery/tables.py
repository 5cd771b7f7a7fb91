"""Tables of what was declared: the path of a scan and its heading, one row each, as CSV or JSON."""

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cargosight_models.errors import UsageError, nearest_spelling

EMPTY = "empty"
"""The heading of a box without a load."""
_LONGEST_HEADING = 64
_LARGEST = 1 << 28
"""Bytes of a table: some millions of rows."""
_COLUMNS = ("path", "heading", "group")
_NEEDED = 2


@dataclass(frozen=True)
class Row:
    """One scan and what was declared of it.

    Attributes:
        path: of the scan; absolute.
        heading: such as `4011`, or `empty`.
        group: near-duplicates share one; empty where the table names none.
    """

    path: str
    heading: str
    group: str = ""


def checked_heading(text: str) -> str:
    """Return a heading without spaces around it.

    Raises:
        UsageError: it is empty, longer than 64 letters, or not printable.
    """
    heading = text.strip()
    if not is_heading(text):
        raise UsageError(
            f"a heading is {text[:80]!r}; expected one such as 4011, or {EMPTY}, of 1 to {_LONGEST_HEADING} letters"
        )
    return EMPTY if heading.lower() == EMPTY else heading


def is_heading(text: str) -> bool:
    """Return whether a text is a heading, with or without spaces around it."""
    heading = text.strip()
    return 0 < len(heading) <= _LONGEST_HEADING and heading.isprintable()


def read_table(path: Path) -> list[Row]:
    """Read a table.

    CSV has a first line `path,heading`, JSON is a list of objects with these keys; `group` may follow. Relative paths
    are taken from the table's own folder.

    Raises:
        UsageError: the file cannot be read, or has other columns, a wrong heading, or a path twice.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(
                f"{path} has {path.stat().st_size:,} bytes; expected a table of at most {_LARGEST:,}"
            )
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"the table {path} is not in UTF-8 ({error}); save it as UTF-8") from error
    except OSError as error:
        raise UsageError(f"the table {path} cannot be read ({error}); check the path") from error
    found = _of_json(text, path) if path.suffix.lower() == ".json" else _of_csv(text, path)
    rows: dict[str, Row] = {}
    for number, entry in found:
        row = _row(entry, f"row {number} of {path}", path.parent)
        if row.path in rows:
            raise UsageError(f"row {number} of {path} names {row.path} again; expected each scan once")
        rows[row.path] = row
    if not rows:
        raise UsageError(f"the table {path} has no rows; expected a scan and its heading in each")
    return list(rows.values())


@dataclass(frozen=True)
class Declarations:
    """Headings that were declared of all scans, or of each.

    Attributes:
        of_all: of every scan, None where they differ.
        by_path: by absolute path of the scan.
    """

    of_all: str | None
    by_path: Mapping[str, str]

    @classmethod
    def checked(cls, declared: str | Mapping[str, str]) -> "Declarations":
        """Return declarations.

        Args:
            declared: a heading, or headings by path.

        Raises:
            UsageError: a wrong heading.
        """
        if isinstance(declared, str):
            return cls(checked_heading(declared), {})
        return cls(None, {absolute(path): checked_heading(heading) for path, heading in declared.items()})

    def of(self, path: str | None) -> str | None:
        """Return what was declared of a scan, None where nothing was; the path is None of a scan in memory."""
        if self.of_all is not None or path is None:
            return self.of_all
        return self.by_path.get(absolute(path))


def absolute(path: str | os.PathLike[str]) -> str:
    """Return the form of a path by which tables are searched."""
    return os.path.abspath(os.fspath(path))  # noqa: PTH100 - a link stays the path that it was given as


def _of_csv(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    try:
        _check_columns(tuple(reader.fieldnames or ()), f"the first line of {path}")
        for entry in reader:
            if None in entry or None in list(entry.values())[:_NEEDED]:
                raise UsageError(
                    f"line {reader.line_num} of {path} has another number of fields than its first"
                )
            yield reader.line_num, entry
    except csv.Error as error:
        raise UsageError(f"line {reader.line_num} of {path} is no CSV ({error})") from error


def _of_json(text: str, path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the table {path} is no JSON ({error})") from error
    if not isinstance(found, list):
        raise UsageError(f"the table {path} is a JSON {type(found).__name__}; expected a list of objects")
    for number, entry in enumerate(found, start=1):
        if not isinstance(entry, dict):
            raise UsageError(f"row {number} of {path} is {entry!r}; expected an object with path and heading")
        _check_columns(tuple(entry), f"row {number} of {path}")
        yield number, entry


def _check_columns(names: tuple[str, ...], where: str) -> None:
    for name in names:
        if name not in _COLUMNS:
            raise UsageError(
                f"{where} has the column {name!r}{nearest_spelling(name, _COLUMNS)}; expected path, heading, and group "
                "where near-duplicates are known"
            )
    missing = [name for name in _COLUMNS[:_NEEDED] if name not in names]
    if missing or len(set(names)) < len(names):
        raise UsageError(f"{where} has the columns {', '.join(names)}; expected path, heading, each once")


def _row(entry: Mapping[str, Any], where: str, folder: Path) -> Row:
    path, heading, group = (entry.get(name) or "" for name in _COLUMNS)
    if not isinstance(path, str) or not path:
        raise UsageError(f"{where} has the path {path!r}; expected the path of a scan")
    if not isinstance(heading, str):
        raise UsageError(f'{where} has the heading {heading!r}; expected a text, such as "4011"')
    if not isinstance(group, str | int):
        raise UsageError(f"{where} has the group {group!r}; expected a text or a number")
    try:
        return Row(absolute(folder / path), checked_heading(heading), str(group))
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
