"""The rows of a run: one for every input, also for one that could not be read or that ended its worker.

The columns are documented in `docs/batch.md`; a change of their meaning raises `SCHEMA`, which is part of a run's
fingerprint.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from cargosight_inference.batch.manifest import Fingerprint
from cargosight_inference.batch.places import BatchError
from cargosight_inference.batch.plan import Planned
from cargosight_inference.batch.sources import shown
from cargosight_inference.inspection import STAGES, Inspection

SCHEMA = 1
ROW_GROUP = 1024
"""Rows that are written at a time."""

Fault = Literal["file", "worker", "model"]
"""Why an input has no decision of the model's: the file cannot be read, its worker ended or stalled at it, or the model
failed on it."""
Row = dict[str, Any]

_EDGES = ("x1", "y1", "x2", "y2")
_BOX = pa.struct([(edge, pa.float32()) for edge in _EDGES])
_FINDING = pa.struct(
    [("label", pa.string()), ("kind", pa.string()), ("score", pa.float32())]
    + [(edge, pa.float32()) for edge in _EDGES]
)

ROW_SCHEMA = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("version", pa.string()),
        pa.field("changed", pa.bool_(), nullable=False),
        pa.field("decision", pa.string(), nullable=False),
        pa.field("fault", pa.string()),
        pa.field("error", pa.string()),
        pa.field("score", pa.float32()),
        pa.field("reasons", pa.list_(pa.string()), nullable=False),
        pa.field("findings", pa.list_(_FINDING), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("kind", pa.string()),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("air_level", pa.float32()),
        pa.field("opaque_fraction", pa.float32()),
        pa.field("load_state", pa.string()),
        pa.field("load_chance", pa.float32()),
        pa.field("cargo_box", _BOX),
        pa.field("container_length_m", pa.float32()),
        pa.field("materials", pa.map_(pa.string(), pa.float32())),
        pa.field("declared", pa.string()),
        pa.field("typicality", pa.float32()),
        pa.field("assumptions", pa.list_(pa.string()), nullable=False),
        pa.field("overlay", pa.string()),
        pa.field("model", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("operating_point", pa.string(), nullable=False),
        pa.field("precision", pa.string(), nullable=False),
        pa.field("timings_ms", pa.struct([(stage, pa.float32()) for stage in STAGES])),
    ],
    metadata={"cargosight.rows": str(SCHEMA)},
)
"""Of the rows of a run without extra columns; see `row_schema`."""


def extra_names(extra_columns: Sequence[str]) -> dict[str, str]:
    """Return the name in the rows of each column of the tables of inputs.

    It is the column's own, with `extra_` before it (as often as it takes) where the rows have one of that name.
    """
    taken = {*ROW_SCHEMA.names, *extra_columns}
    names = {}
    for column in extra_columns:
        name = column
        while column in ROW_SCHEMA.names and name in taken:
            name = f"extra_{name}"
        taken.add(name)
        names[column] = name
    return names


def row_schema(extra_columns: Sequence[str] = ()) -> pa.Schema:
    """Return the schema of a run's rows: `ROW_SCHEMA`, and a column of text for each of the tables of inputs."""
    schema = ROW_SCHEMA
    for name in extra_names(extra_columns).values():
        schema = schema.append(pa.field(name, pa.string()))
    return schema


def row_of(
    inspection: Inspection,
    planned: Planned,
    *,
    changed: bool = False,
    error: str | None = None,
    air_level: float | None = None,
    overlay: str | None = None,
    extra: Mapping[str, str] | None = None,
) -> Row:
    """Return the row of an input.

    Args:
        inspection: of it.
        planned: the input, as it was planned; the path in the row is that.
        changed: whether it is another file than was planned.
        error: in place of the inspection's where that has one.
        air_level: of the scan, from `air.air_level`; None of one that was not read.
        overlay: name in the place, None where there is none.
        extra: names in the rows of the extra columns, from `extra_names`.
    """
    findings, box, declared = inspection.findings, inspection.cargo_box, inspection.declared
    sentence = None if inspection.error is None else shown(error or inspection.error)
    return _common(planned, changed, extra) | {
        "sha256": inspection.sha256,
        "decision": inspection.decision,
        "fault": None if sentence is None else "file",
        "error": sentence,
        "score": float(findings.scores[0]) if len(findings) else None,  # they come by falling score
        "reasons": list(inspection.reasons) if sentence is None else [sentence],
        "findings": [
            {"label": label, "kind": kind, "score": score} | dict(zip(_EDGES, edges, strict=True))
            for label, kind, score, edges in zip(
                findings.labels,
                findings.kind_names,
                findings.scores.tolist(),
                findings.boxes.tolist(),
                strict=True,
            )
        ],
        "width": inspection.width,
        "height": inspection.height,
        "kind": inspection.kind,
        "subject": inspection.subject,
        "air_level": air_level,
        "opaque_fraction": inspection.opaque_fraction,
        "load_state": inspection.load_state,
        "load_chance": inspection.load_chance,
        "cargo_box": None if box is None else dict(zip(_EDGES, box, strict=True)),
        "container_length_m": inspection.container_length_m,
        "materials": None if inspection.materials is None else list(inspection.materials.items()),
        "declared": None if declared is None else declared.heading,
        "typicality": None if declared is None else declared.typicality,
        "assumptions": list(inspection.assumptions),
        "overlay": overlay,
        "model": inspection.model,
        "fingerprint": inspection.fingerprint,
        "operating_point": inspection.operating_point,
        "precision": inspection.precision,
        "timings_ms": dict(inspection.timings_ms),
    }


def fault_row(
    planned: Planned,
    what: Fingerprint,
    sentence: str,
    fault: Fault,
    *,
    changed: bool = False,
    extra: Mapping[str, str] | None = None,
) -> Row:
    """Return the row of an input that gave no inspection.

    Args:
        planned: the input.
        what: the run's rows are made with.
        sentence: why.
        fault: in a word.
        changed: whether it is another file than was planned.
        extra: as for `row_of`.
    """
    sentence = shown(sentence)
    return _common(planned, changed, extra) | {
        "decision": "unreadable",
        "fault": fault,
        "error": sentence,
        "reasons": [sentence],
        "findings": [],
        "width": 0,
        "height": 0,
        "subject": what.subject,
        "assumptions": [],
        "model": what.model,
        "fingerprint": what.model_fingerprint,
        "operating_point": what.operating_point,
        "precision": what.precision,
    }


def _common(planned: Planned, changed: bool, extra: Mapping[str, str] | None) -> Row:
    item = planned.item
    row: Row = {
        "number": planned.number,
        "path": shown(item.path),
        "size": item.size,
        "version": item.version,
        "changed": changed,
    }
    for column, name in (extra or {}).items():
        row[name] = item.extra.get(column)
    return row


class PartWriter:
    """Writes rows into a Parquet file as they come, a row group held at a time.

    Attributes:
        rows: that were taken.
    """

    def __init__(self, file: Path, schema: pa.Schema) -> None:
        """See `writing_part`."""
        self._file, self._schema = file, schema
        with _told(file):
            self._writer = pq.ParquetWriter(file, schema, compression="zstd")
        self._waiting: list[Row] = []
        self.rows = 0

    def add(self, row: Row) -> None:
        """Take a row."""
        self._waiting.append(row)
        self.rows += 1
        if len(self._waiting) == ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if self._waiting:
            table = pa.Table.from_pylist(self._waiting, schema=self._schema)
            self._waiting.clear()
            with _told(self._file):
                self._writer.write_table(table)

    def close(self) -> None:
        """Write the end of the file."""
        with _told(self._file):
            self._writer.close()


@contextmanager
def writing_part(file: Path, schema: pa.Schema) -> Iterator[PartWriter]:
    """Write rows of a schema while the block runs; what an error leaves is no part and to be removed.

    Raises:
        BatchError: the file cannot be written.
    """
    part = PartWriter(file, schema)
    try:
        yield part
        part.flush()
    except BaseException:
        with suppress(BatchError):  # why it is closed is told
            part.close()
        raise
    part.close()


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BatchError(f"rows cannot be written into {file.parent}: {error.strerror or error}") from error


def join_parts(file: Path, pieces: Iterable[Path | Row], extra_columns: Sequence[str] = ()) -> int:
    """Write one part from pieces of it and single rows, in order; return the number of rows.

    Raises:
        BatchError: a piece cannot be read, or the file not be written.
    """
    with writing_part(file, row_schema(extra_columns)) as part:
        for piece in pieces:
            for row in _rows_of(piece) if isinstance(piece, Path) else (piece,):
                part.add(row)
    return part.rows


def _rows_of(piece: Path) -> Iterator[Row]:
    try:
        with pq.ParquetFile(piece) as parquet:
            for batch in parquet.iter_batches(ROW_GROUP, use_threads=False):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise BatchError(f"the rows in {piece} cannot be read: {error}") from error
