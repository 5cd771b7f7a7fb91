"""The plan of a run: the inputs in order, divided into shards, written as a stream and published once.

The lists of the shards lie in a folder that is called by its content, so that a plan that was killed and is made again
finds its own lists, and another plan never touches them. The manifest comes last; only with it there is a run.
"""

import hashlib
import io
import json
import re
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import chain, islice
from math import ceil
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from cargosight_inference.batch.manifest import NAME, Fingerprint, Manifest, check_same, read_manifest
from cargosight_inference.batch.places import BatchError, NoSuchName, Place
from cargosight_inference.batch.sources import Item, Sources, shown
from cargosight_models.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

_EXTRA = "extra:"
"""Before the name of a table's column in a list, so that it may be called anything."""
SHARD_SIZE = 1000
"""Inputs of a shard where there are many."""
_LEAST_SHARDS, _LEAST_SHARD = 16, 20
"""Shards that all workers get something of, and inputs beside which a part costs nothing."""
_WRITERS = 8
_WAITING = 4 * _WRITERS
_PLAN_HEX = 16
_LIST = re.compile(rf"plan-[0-9a-f]{{{_PLAN_HEX}}}/shard-[0-9]{{6,}}\.parquet")
_OWN = re.compile(
    rf"plan-[0-9a-f]{{{_PLAN_HEX}}}/|(parts|progress|overlays)/|probe-[0-9a-f]{{32}}|{re.escape(NAME)}"
)
"""What may lie in an output before it has a manifest: of a planning that was killed, or that is under way."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One input of a shard.

    Attributes:
        number: of the input in the run, from 0.
        item: the input, as it was when the run was planned.
    """

    number: int
    item: Item


def plan(
    sources: Sources,
    place: Place,
    *,
    what: Fingerprint,
    shard_size: int | None = None,
    told: Callable[[int], None] | None = None,
) -> Manifest:
    """Plan a run, or return the manifest of the run that the place holds already.

    It may be killed at any point and run again, and several may run at once: one manifest comes of it. Some thousands
    of inputs are held in memory at a time.

    Args:
        sources: of the inputs; not listed where there is a manifest. Once their `stop` is set the planning ends, with
            nothing decided.
        place: of the run.
        what: every row will depend on.
        shard_size: inputs of a shard, 1 or more; `SHARD_SIZE` when None, fewer where there are few inputs.
        told: is given the number of inputs listed so far, after each shard.

    Returns:
        The manifest that is in the place now.

    Raises:
        UsageError: the place holds a run with another fingerprint, or no run and what is of none; there are no inputs;
            or the planning was stopped.
        BatchError: the place cannot be written, or a storage not be listed.
        MissingExtraError: the extra `batch` is not installed.
    """
    check_extra()
    if shard_size is not None and shard_size < 1:
        raise UsageError(f"a shard of {shard_size} inputs is asked for; expected 1 or more")
    manifest = read_manifest(place)
    if manifest is None:
        _check_own(place)
        place.check()
        manifest = _make(sources, place, what, shard_size, told)
    check_same(manifest, what, place)
    _remove_others(place, manifest.plan)
    return manifest


def read_shard(manifest: Manifest, place: Place, shard: int) -> list[Planned]:
    """Return the inputs of a shard in order.

    Raises:
        BatchError: its list is not there, is damaged, or cannot be read.
        ValueError: there is no such shard.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers, name = manifest.numbers(shard), manifest.shard_name(shard)
    try:
        columns = pq.read_table(io.BytesIO(place.read(name)), use_threads=False).to_pydict()
        found = list(_planned(columns, manifest.extra_columns))
    except NoSuchName as error:
        raise BatchError(f"{error}, though the manifest tells of it; plan the run anew elsewhere") from error
    except (pa.ArrowException, OSError, KeyError) as error:
        raise BatchError(f"{name} in {place.url} is damaged: {error}") from error
    if [one.number for one in found] != list(numbers):
        raise BatchError(
            f"{name} in {place.url} does not hold the inputs {numbers[0]} to {numbers[-1]}, as the manifest tells"
        )
    return found


def read_plan(manifest: Manifest, place: Place) -> Iterator[Planned]:
    """Yield all inputs of a run in order, a shard held at a time.

    Raises:
        BatchError: a list is not there, is damaged, or cannot be read.
    """
    for shard in range(manifest.shards):
        yield from read_shard(manifest, place, shard)


class _Digest:
    """Of what is in a plan, whichever version of Parquet wrote it."""

    def __init__(self, extra_columns: tuple[str, ...], shard_size: int) -> None:
        self._columns = extra_columns
        self._sum = hashlib.sha256(json.dumps([1, shard_size, *extra_columns]).encode())

    def add(self, item: Item) -> None:
        row = [item.path, item.size, item.version, *(item.extra.get(name) for name in self._columns)]
        self._sum.update(json.dumps(row).encode())

    @property
    def hex(self) -> str:
        return self._sum.hexdigest()


def _make(
    sources: Sources,
    place: Place,
    what: Fingerprint,
    shard_size: int | None,
    told: Callable[[int], None] | None,
) -> Manifest:
    """Write the lists, publish them and then the manifest; return the one that won."""
    columns = sources.extra_columns
    prepared = _prepare_folder(place)
    try:
        shard_size, items = _divided(iter(sources), shard_size)
        digest = _Digest(columns, shard_size)
        shards = inputs = 0
        while batch := list(islice(items, shard_size)):
            for item in batch:
                digest.add(item)
            _write_list(_list_file(prepared, shards), batch, inputs, columns)
            shards, inputs = shards + 1, inputs + len(batch)
            if told is not None:
                told(inputs)
            _check_going(sources.stop)
        _check_going(sources.stop)
        if not inputs:
            raise UsageError(f"no scans found in {', '.join(map(shown, sources.words))}")
        manifest = Manifest(
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            what=what,
            inputs=inputs,
            shards=shards,
            shard_size=shard_size,
            extra_columns=columns,
            sources=sources.words,
            plan=f"plan-{digest.hex[:_PLAN_HEX]}",
        )
        _publish_lists(manifest, place, prepared, sources.stop)
        if place.publish(NAME, manifest.to_json()):
            return manifest
    finally:
        shutil.rmtree(prepared, ignore_errors=True)
    other = read_manifest(place)  # another planner was first
    if other is None:
        raise BatchError(f"{NAME} in {place.url} was written by another process and is gone again")
    return other


def _divided(items: Iterator[Item], asked: int | None) -> tuple[int, Iterator[Item]]:
    """Return the size of a shard, and all items: one shard is one worker's, so few inputs are divided more finely."""
    if asked is not None:
        return asked, items
    first = list(islice(items, _LEAST_SHARDS * SHARD_SIZE))
    size = max(_LEAST_SHARD, ceil(len(first) / _LEAST_SHARDS))
    return size, chain(first, items)


def _publish_lists(manifest: Manifest, place: Place, prepared: Path, stop: Event) -> None:
    """Publish the lists, several at a time, since each waits for a disk or a network; files go once they are there."""

    def publish(shard: int) -> None:
        file = _list_file(prepared, shard)
        place.publish(manifest.shard_name(shard), file)
        file.unlink()

    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(_WRITERS, "cargosight-plan") as writers:
        try:
            for shard in range(manifest.shards):
                waiting.append(writers.submit(publish, shard))
                if len(waiting) > _WAITING:
                    waiting.popleft().result()
                _check_going(stop)
            while waiting:
                waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _check_own(place: Place) -> None:
    """Refuse a place without a run that holds what is of none: a run replaces its summary and removes old plans."""
    foreign = next((name for name in place.top() if not _OWN.fullmatch(name)), None)
    # Another planner may have been first just now, and its run be complete by now.
    if foreign is not None and not place.exists(NAME):
        raise UsageError(
            f"{place.url} holds {shown(foreign)}, which is not of a batch run, and there is no {NAME}; expected an "
            "empty folder or one that a run has written. Give this run an output of its own"
        )


def _remove_others(place: Place, plan_folder: str) -> None:
    """Remove the lists of plans that came to nothing; once there is a manifest, none of them can."""
    for name in place.names("plan-"):
        if _LIST.fullmatch(name) and not name.startswith(f"{plan_folder}/"):
            place.delete(name)


def _write_list(file: Path, batch: list[Item], first: int, columns: tuple[str, ...]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [shown(item.path) for item in batch]
    table = pa.table(
        {
            "number": pa.array(range(first, first + len(batch)), pa.int64()),
            "path": pa.array(names, pa.string()),
            # Of the few whose bytes are no UTF-8 and that can be opened by their bytes alone.
            "path_bytes": pa.array(
                [
                    None if name == item.path else _bytes(item.path)
                    for name, item in zip(names, batch, strict=True)
                ],
                pa.binary(),
            ),
            "size": pa.array([item.size for item in batch], pa.int64()),
            "version": pa.array([item.version for item in batch], pa.string()),
            **{f"{_EXTRA}{name}": _texts([item.extra.get(name) for item in batch]) for name in columns},
        }
    )
    with _told_disk(file):
        pq.write_table(table, file, compression="zstd")


def _planned(columns: dict[str, list[Any]], extra_columns: tuple[str, ...]) -> Iterator[Planned]:
    extras = [columns[f"{_EXTRA}{name}"] for name in extra_columns]
    for at, number in enumerate(columns["number"]):
        raw = columns["path_bytes"][at]
        path = columns["path"][at] if raw is None else raw.decode("utf-8", "surrogateescape")
        extra = {name: cells[at] for name, cells in zip(extra_columns, extras, strict=True)}
        yield Planned(number, Item(path, columns["size"][at], columns["version"][at], extra))


def _texts(cells: list[str | None]) -> "pa.Array[Any]":
    import pyarrow as pa

    return pa.array([None if cell is None else shown(cell) for cell in cells], pa.string())


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _prepare_folder(place: Place) -> Path:
    try:
        prepared = place.scratch.path()
        prepared.mkdir()
    except OSError as error:
        raise BatchError(f"no folder for temporary files can be made: {error}") from error
    return prepared


def _list_file(folder: Path, shard: int) -> Path:
    return folder / f"{shard:06d}.parquet"


@contextmanager
def _told_disk(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BatchError(
            f"the plan cannot be prepared in {file.parent}: {error.strerror or error}"
        ) from error


def _check_going(stop: Event) -> None:
    if stop.is_set():
        raise UsageError("the planning was stopped before the run began; the same command plans it anew")


def check_extra() -> None:
    """Make sure that what a run needs is installed.

    Raises:
        MissingExtraError: the extra `batch` is not.
    """
    if any(find_spec(name) is None for name in ("pyarrow", "fsspec")):
        raise MissingExtraError("batch", "a batch run")
