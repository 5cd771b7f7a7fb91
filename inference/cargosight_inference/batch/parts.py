"""The parts of a run read again, one at a time."""

import io
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from cargosight_inference.batch.manifest import Manifest, read_manifest
from cargosight_inference.batch.places import BatchError, NoSuchName, Place
from cargosight_inference.batch.rows import SCHEMA, extra_names
from cargosight_inference.batch.running import SUCCESS
from cargosight_models.errors import UsageError

_VERSION = b"cargosight.rows"


def read_part(manifest: Manifest, place: Place, shard: int, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the rows of a shard, in order.

    Args:
        manifest: of the run, in the place.
        place: of the run.
        shard: its number.
        columns: to be read, all of them when None.

    Raises:
        BatchError: the part is not there, is damaged, or is of another version of the schema.
    """
    name = manifest.part_name(shard)
    try:
        with pq.ParquetFile(io.BytesIO(place.read(name))) as parquet:
            version = (parquet.schema_arrow.metadata or {}).get(_VERSION, b"none").decode()
            if version != str(SCHEMA):
                raise BatchError(f"{name} in {place.url} has rows of schema {version}; expected {SCHEMA}")
            table = parquet.read(columns, use_threads=False)
    except NoSuchName as error:
        raise BatchError(
            f"{error}: the run is not complete; the command that began it goes on from there"
        ) from error
    except (pa.ArrowException, OSError, KeyError) as error:
        raise BatchError(f"{name} in {place.url} is damaged: {error}") from error
    if table.num_rows != len(manifest.numbers(shard)):
        raise BatchError(
            f"{name} in {place.url} has {table.num_rows:,} rows; expected {len(manifest.numbers(shard)):,}"
        )
    return table


def read_parts(manifest: Manifest, place: Place, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield the rows of a run, a part at a time.

    Raises:
        BatchError: as `read_part`.
    """
    for shard in range(manifest.shards):
        yield read_part(manifest, place, shard, columns)


def open_run(place: Place) -> Manifest:
    """Return the manifest of a run that somebody wants to compare with.

    Raises:
        UsageError: there is none.
        BatchError: it cannot be read.
    """
    manifest = read_manifest(place)
    if manifest is None:
        raise UsageError(f"there is no batch run in {place.url}; expected the output of one")
    return manifest


def check_complete(place: Place) -> None:
    """Make sure that a run can be compared with before another one is scored for it.

    Raises:
        UsageError: there is none, or it is not complete.
        BatchError: it cannot be read.
    """
    open_run(place)
    if not place.exists(SUCCESS):
        raise UsageError(
            f"the run in {place.url} is not complete: there is no {SUCCESS}; expected a former run that is. "
            "The command that began it goes on from there"
        )


def day_column(manifest: Manifest) -> str | None:
    """Return the column of the rows that says the day of a scan: that of a table called `day` or `date`, or None."""
    names = extra_names(manifest.extra_columns)
    return next((names[column] for column in ("day", "date") if column in names), None)
