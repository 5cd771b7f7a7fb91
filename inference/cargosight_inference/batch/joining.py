"""Two runs joined input by input, through buckets on disk, so that a bucket of each is held at a time.

An input belongs to that of the same path; one whose path the other run does not have, to one of the same bytes that is
left over, as in an archive that was moved. What is in a run several times is joined in order.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

import numpy as np
import pyarrow as pa

from cargosight_inference.batch.manifest import Manifest
from cargosight_inference.batch.parts import read_parts
from cargosight_inference.batch.places import BatchError, Place
from cargosight_inference.batch.rows import ROW_SCHEMA
from cargosight_inference.batch.scratch import Scratch

By = Literal["path", "sha256"]
COLUMNS = ("number", "path", "sha256", "decision", "fault", "error", "score", "findings", "width", "height")
_SCHEMA = pa.schema([ROW_SCHEMA.field(name) for name in COLUMNS])
_BUCKET_ROWS = 10_000
_MOST_BUCKETS = 200
"""Of each run, so that twice as many files are open at a time. Beyond two million inputs buckets, and with them memory,
grow: ten million make buckets of 50,000."""
_GATHERED_ROWS = 50_000
Row = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """An input in both runs, or in one of them.

    Attributes:
        now: its row in the new run, of the columns `COLUMNS`; None where it is in the former alone.
        before: its row in the former run, None where it is in the new one alone.
        by: what they have in common, None of one alone.
    """

    now: Row | None
    before: Row | None
    by: By | None = None


def joined(now: tuple[Manifest, Place], before: tuple[Manifest, Place], scratch: Scratch) -> Iterator[Pair]:
    """Yield all inputs of two runs, in no stated order.

    Args:
        now: the new run and its place.
        before: the former run and its place.
        scratch: for the buckets.

    Raises:
        BatchError: a part is not there, or the disk is full.
    """
    count = 1 + max(now[0].inputs, before[0].inputs) // _BUCKET_ROWS
    buckets = min(count, _MOST_BUCKETS)
    with _Buckets(scratch, buckets) as news, _Buckets(scratch, buckets) as olds:
        for run, side in ((now, news), (before, olds)):
            for table in _gathered(read_parts(*run, COLUMNS)):
                side.add(table.cast(_SCHEMA), "path")
        with _Buckets(scratch, buckets) as new_rest, _Buckets(scratch, buckets) as old_rest:
            for bucket in range(buckets):
                for pair in _join(news.rows(bucket), olds.rows(bucket), "path"):
                    if pair.by is not None:
                        yield pair
                    elif pair.now is not None:
                        new_rest.keep(pair.now)
                    elif pair.before is not None:
                        old_rest.keep(pair.before)
            for bucket in range(buckets):
                yield from _join(new_rest.rows(bucket), old_rest.rows(bucket), "sha256")


def _join(news: Iterable[Row], olds: Iterable[Row], by: By) -> Iterator[Pair]:
    waiting: dict[str, deque[Row]] = defaultdict(deque)
    without: list[Row] = []
    for old in olds:
        (without if old[by] is None else waiting[old[by]]).append(old)
    for new in news:
        same = waiting.get(new[by]) if new[by] is not None else None
        yield Pair(new, same.popleft(), by) if same else Pair(new, None)
    for left in (without, *waiting.values()):
        yield from (Pair(None, old) for old in left)


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield larger tables: a part divided over a hundred buckets would make pieces of ten rows."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(part.num_rows for part in waiting) >= _GATHERED_ROWS:
            yield pa.concat_tables(waiting)
            waiting.clear()
    if waiting:
        yield pa.concat_tables(waiting)


class _Buckets:
    """Rows in files by the checksum of one of their columns."""

    def __init__(self, scratch: Scratch, count: int) -> None:
        self._count = count
        self._files = [scratch.path(".arrow") for _ in range(count)]
        self._writers: list[pa.RecordBatchStreamWriter | None] = [None] * count
        self._open = ExitStack()
        self._kept: list[Row] = []

    def __enter__(self) -> "_Buckets":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        for file in self._files:
            file.unlink(missing_ok=True)

    def add(self, table: pa.Table, key: str) -> None:
        """Take rows, by a column of texts; those without one are in the first bucket."""
        keys = [crc32((text or "").encode()) % self._count for text in table[key].to_pylist()]
        which = np.asarray(keys)
        order = np.argsort(which, kind="stable")
        ordered, ends = table.take(pa.array(order)), np.cumsum(np.bincount(which, minlength=self._count))
        for bucket, end in enumerate(ends.tolist()):
            first = int(ends[bucket - 1]) if bucket else 0
            if end > first:
                self._write(bucket, ordered.slice(first, end - first))

    def keep(self, row: Row) -> None:
        """Take a row, by its SHA-256."""
        self._kept.append(row)
        if len(self._kept) >= _BUCKET_ROWS:
            self._flush()

    def rows(self, bucket: int) -> Iterator[Row]:
        """Yield the rows of a bucket; nothing can be added afterwards."""
        self._flush()
        self._open.close()
        file = self._files[bucket]
        if file.exists():
            with pa.OSFile(str(file)) as source, pa.ipc.open_stream(source) as stream:
                for batch in stream:
                    yield from batch.to_pylist()

    def _flush(self) -> None:
        if self._kept:
            kept, self._kept = self._kept, []
            self.add(pa.Table.from_pylist(kept, schema=_SCHEMA), "sha256")

    def _write(self, bucket: int, table: pa.Table) -> None:
        file: Path = self._files[bucket]
        try:
            writer = self._writers[bucket]
            if writer is None:
                sink = self._open.enter_context(pa.OSFile(str(file), "wb"))
                writer = self._open.enter_context(pa.ipc.new_stream(sink, _SCHEMA))
                self._writers[bucket] = writer
            writer.write_table(table)
        except OSError as error:
            raise BatchError(
                f"rows cannot be written into {file.parent}: {error.strerror or error}"
            ) from error
