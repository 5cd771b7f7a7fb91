"""The scans in a local folder or an S3 prefix, listed without ever being held; of another storage folder by folder."""

import heapq
import os
import pickle
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from threading import Event
from typing import IO, Any, TypeVar

from cargosight_inference.batch.s3 import S3Object, list_objects
from cargosight_inference.inputs import SCAN_SUFFIXES, is_lost, is_same, is_scan, natural_key
from cargosight_models.errors import MissingExtraError, UsageError

_HELD = 50_000
"""Names that are sorted in memory; of a folder with more, sorted runs go to a temporary file each (about 25 MB)."""
Entry = tuple[str, bool]
"""A name in a folder, and whether it is a folder itself."""
Record = TypeVar("Record")


def walk(top: str, skip: Path | None, stop: Event) -> Iterator[str]:
    """Yield the scans below a local folder, as `inputs.expand` finds them, in natural order.

    A folder of any number of files takes no more memory than one of 50,000.

    Args:
        top: the folder.
        skip: the output folder, which is not searched.
        stop: ends the search once it is set.
    """
    entries = _entries(top)
    if entries is None:
        yield top
        return
    levels = [(top, entries)]
    while levels and not stop.is_set():
        above, entries = levels[-1]
        entry = next(entries, None)
        if entry is None:
            levels.pop()
            continue
        name, is_folder = entry
        path = os.path.join(above, name)  # noqa: PTH118 - a Path would change how the folder was written
        if not is_folder:
            yield path
        elif skip is None or not is_same(path, skip):
            inner = _entries(path)
            if inner is None:
                yield path
            else:
                levels.append((path, inner))


def in_order(
    records: Iterable[Record], key: Callable[[Record], Any], *, held: int = _HELD
) -> Iterator[Record]:
    """Yield records sorted; of more than `held`, sorted runs go to temporary files that are merged."""
    records = iter(records)
    first = sorted(islice(records, held), key=key)
    if len(first) < held:
        yield from first
        return
    runs = [_spill(first)]
    del first
    try:
        while run := sorted(islice(records, held), key=key):
            runs.append(_spill(run))
        yield from heapq.merge(*(_unspill(run) for run in runs), key=key)
    finally:
        for run_file in runs:
            run_file.close()


def s3_scans(bucket: str, prefix: str, skip: str | None, stop: Event) -> Iterator[S3Object]:
    """Yield the scans below a prefix, by suffix, in the order of their keys; hidden names are left out.

    Args:
        bucket: that is listed.
        prefix: empty, or one that ends with a slash.
        skip: URL of the output, which is left out.
        stop: ends the listing once it is set.
    """
    for found in list_objects(bucket, prefix):
        if stop.is_set():
            return
        if skip is not None and f"s3://{bucket}/{found.key}".startswith(f"{skip.rstrip('/')}/"):
            continue
        if is_scan_name(found.key.removeprefix(prefix)):
            yield found


def s3_matches(bucket: str, pattern: str, stop: Event) -> Iterator[S3Object]:
    """Yield the objects that a pattern matches, in the order of their keys: `*` within a part, `**` over parts."""
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    matching = _glob(pattern)
    for found in list_objects(bucket, fixed):
        if stop.is_set():
            return
        if matching.fullmatch(found.key) and not found.key.endswith("/"):
            yield found


def walk_storage(
    storage: Any,  # noqa: ANN401 - fsspec has no types
    top: str,
    skip: str | None,
    stop: Event,
) -> Iterator[dict[str, Any]]:
    """Yield what fsspec tells of the scans below a folder, folder by folder in natural order.

    One folder's listing is held at a time on each level, since fsspec gives it whole.
    """
    levels = [_storage_entries(storage, top)]
    while levels and not stop.is_set():
        entry = next(levels[-1], None)
        if entry is None:
            levels.pop()
        elif entry["type"] != "directory":
            if PurePosixPath(entry["name"]).suffix.lower() in SCAN_SUFFIXES:
                yield entry
        elif skip is None or storage.unstrip_protocol(entry["name"]).rstrip("/") != skip.rstrip("/"):
            levels.append(_storage_entries(storage, entry["name"]))


def is_scan_name(key: str) -> bool:
    """Return whether a key below a prefix is that of a scan by its suffix, and none of its parts is hidden."""
    parts = key.split("/")
    return not any(part.startswith(".") for part in parts) and (
        PurePosixPath(parts[-1]).suffix.lower() in SCAN_SUFFIXES
    )


def _entries(folder: str) -> Iterator[Entry] | None:
    """Return what is shown in a folder: folders and scans, in natural order; None where it cannot be listed."""
    try:
        listing = os.scandir(folder)
    except OSError:
        return None
    return in_order(_shown(listing), key=lambda entry: natural_key(entry[0]))


def _shown(listing: "os._ScandirIterator[str]") -> Iterator[Entry]:
    with listing:
        for entry in listing:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield entry.name, True
            elif is_scan(entry) if entry.is_file() else is_lost(entry):
                yield entry.name, False


def _storage_entries(storage: Any, folder: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    try:
        found = storage.ls(folder, detail=True)
    except FileNotFoundError:  # gone since its parent was listed
        found = []
    storage.invalidate_cache()
    shown = [entry for entry in found if not PurePosixPath(entry["name"]).name.startswith(".")]
    return iter(sorted(shown, key=lambda entry: natural_key(str(entry["name"]))))


def _spill(run: list[Record]) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - lives until the merge is over
    for record in run:
        pickle.dump(record, file, pickle.HIGHEST_PROTOCOL)
    file.seek(0)
    return file


def _unspill(file: IO[bytes]) -> Iterator[Any]:
    while True:
        try:
            yield pickle.load(file)
        except EOFError:
            return


def _glob(pattern: str) -> re.Pattern[str]:
    try:
        from fsspec.utils import glob_translate
    except ImportError:
        raise MissingExtraError("batch", f"the pattern {pattern}") from None
    try:
        return re.compile(glob_translate(pattern))
    except (ValueError, re.error) as error:
        raise UsageError(f"the pattern {pattern} is wrong: {error}") from error
