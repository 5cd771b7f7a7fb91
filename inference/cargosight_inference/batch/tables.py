"""Tables of inputs: a CSV, TSV or Parquet file with a column of paths and others that go along into the result."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cargosight_models.errors import MissingExtraError, UsageError, nearest_spelling

if TYPE_CHECKING:
    import _csv

    import pyarrow as pa
    import pyarrow.parquet as pq

PARQUET_SUFFIXES = (".parquet", ".pq")
TEXT_SUFFIXES = (".csv", ".tsv")
_DELIMITERS = (",", ";", "\t")
_BATCH = 4096
"""Rows of a Parquet table that are held at a time."""

Row = tuple[str, dict[str, str | None]]
"""The path of an input, and its other columns as text."""


@dataclass(frozen=True)
class TableOptions:
    """How tables are read.

    Attributes:
        path_column: of the paths or URLs of the inputs.
        columns: that go along; None for all others.
    """

    path_column: str = "path"
    columns: tuple[str, ...] | None = None


def is_table(word: str) -> bool:
    """Return whether a path or URL is that of a table, by its suffix."""
    return word.lower().endswith(PARQUET_SUFFIXES + TEXT_SUFFIXES)


class Table:
    """A table whose header was read and found right.

    Attributes:
        columns: that go along, in their order.
    """

    def __init__(self, file: Path, options: TableOptions, *, called: str | None = None) -> None:
        """Read the header.

        Args:
            file: local.
            options: which columns.
            called: how the user knows the table, where that is not its path.

        Raises:
            UsageError: it is no table, or lacks a column.
            MissingExtraError: it is a Parquet file, and the extra `batch` is not installed.
        """
        self._file = file
        self._called = called or str(file)
        self._path_column = options.path_column
        self._is_parquet = self._called.lower().endswith(PARQUET_SUFFIXES)
        self._delimiter = ","
        header = self._parquet_header() if self._is_parquet else self._text_header(options.path_column)
        self.columns = self._choose(header, options)

    def rows(self) -> Iterator[Row]:
        """Yield the rows, some thousand held at a time.

        Raises:
            UsageError: a row has no path or other cells than the header, or the file is damaged.
        """
        rows = self._parquet_rows() if self._is_parquet else self._text_rows()
        for number, (path, extra) in enumerate(rows, start=1):
            if not path:
                raise UsageError(
                    f"row {number} of {self._called} has nothing in the column {self._path_column}; "
                    "expected a path in every row"
                )
            yield path, extra

    def _choose(self, header: list[str], options: TableOptions) -> tuple[str, ...]:
        twice = next((name for at, name in enumerate(header) if name in header[:at]), None)
        if twice is not None:
            raise UsageError(
                f"the table {self._called} has two columns called {twice!r}; names have to differ"
            )
        wanted = () if options.columns is None else options.columns
        for name in (options.path_column, *wanted):
            if name not in header:
                raise UsageError(
                    f"the table {self._called} has no column {name!r}{nearest_spelling(name, header)}; "
                    f"it has {', '.join(header)}"
                )
        if options.columns is None:
            return tuple(name for name in header if name != options.path_column)
        return tuple(name for name in dict.fromkeys(wanted) if name != options.path_column)

    def _parquet_header(self) -> list[str]:
        with self._parquet() as parquet:
            return list(parquet.schema_arrow.names)

    def _parquet_rows(self) -> Iterator[Row]:
        import pyarrow as pa

        with self._parquet() as parquet:
            names = [self._path_column, *self.columns]
            for name in names:
                kind = parquet.schema_arrow.field(name).type
                if pa.types.is_nested(kind):
                    raise UsageError(
                        f"the column {name} of {self._called} is {kind}, which is no text; {self._way_out(name)}"
                    )
            for batch in parquet.iter_batches(batch_size=_BATCH, columns=names):
                # By name: a file gives its columns in its own order.
                columns = [self._texts(name, batch.column(name)) for name in names]
                for path, *cells in zip(*columns, strict=True):
                    yield path or "", dict(zip(self.columns, cells, strict=True))

    def _texts(self, name: str, column: "pa.Array") -> list[str | None]:
        import pyarrow as pa

        try:
            texts: list[str | None] = column.cast(pa.string()).to_pylist()
        except pa.ArrowException as error:
            raise UsageError(
                f"the column {name} of {self._called} is {column.type} and cannot be told as text ({error}); "
                f"{self._way_out(name)}"
            ) from error
        return texts

    def _way_out(self, name: str) -> str:
        if name == self._path_column:
            return "name the column of the paths with --path-column"
        return f"name the columns that shall go along with --columns, none with --columns {self._path_column}"

    @contextmanager
    def _parquet(self) -> Iterator["pq.ParquetFile"]:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise MissingExtraError("batch", f"the Parquet table {self._called}") from None
        try:
            with pq.ParquetFile(self._file) as parquet:
                yield parquet
        except (pa.ArrowException, OSError) as error:
            raise UsageError(f"{self._called} cannot be read as a Parquet table: {error}") from error

    def _text_header(self, path_column: str) -> list[str]:
        for delimiter in _DELIMITERS:
            self._delimiter = delimiter
            with self._lines() as lines:
                header: list[str] = next(lines, [])
            if path_column in header:
                return header
        self._delimiter = ","
        with self._lines() as lines:
            header = next(lines, [])
        if not header:
            raise UsageError(f"the table {self._called} is empty; expected a line of column names first")
        return header

    def _text_rows(self) -> Iterator[Row]:
        with self._lines() as lines:
            header = next(lines, [])
            path_at = header.index(self._path_column)
            places = [(name, header.index(name)) for name in self.columns]
            for cells in lines:
                if not cells:  # an empty line
                    continue
                if len(cells) != len(header):
                    raise UsageError(
                        f"line {lines.line_num} of {self._called} has {len(cells)} cells; expected "
                        f"{len(header)} as in the header"
                    )
                yield cells[path_at], {name: cells[at] or None for name, at in places}

    @contextmanager
    def _lines(self) -> Iterator["_csv.Reader"]:
        try:
            # Paths that are no UTF-8 are kept as the file system has them.
            with self._file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                yield csv.reader(file, delimiter=self._delimiter, strict=True)
        except (csv.Error, OSError) as error:
            raise UsageError(f"{self._called} cannot be read as a table of text: {error}") from error
