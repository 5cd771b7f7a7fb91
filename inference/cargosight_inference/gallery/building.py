"""Building a gallery: reference scans go through the pipeline that inspects, and what they look like is kept."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np

from cargosight_inference.gallery.opening import check_embeds
from cargosight_inference.gallery.references import Gallery, Reference
from cargosight_inference.gallery.tables import EMPTY, Row, absolute, checked_heading, read_table
from cargosight_inference.inputs import expand
from cargosight_inference.inspection import Inspection
from cargosight_inference.inspector import Inspector
from cargosight_models.errors import UsageError
from cargosight_models.geometry import FloatArray

TABLES = (".csv", ".json")


@dataclass(frozen=True)
class Built:
    """What came of reference scans.

    Attributes:
        gallery: of those that were taken.
        left_out: path and reason, one sentence, of each other one.
    """

    gallery: Gallery
    left_out: tuple[tuple[str, str], ...]


def gather(sources: Sequence[str]) -> list[Row]:
    """Return the reference scans of tables and folders.

    Args:
        sources: tables (`.csv`, `.json`, see `tables.read_table`), and folders that are named by their heading or hold
            folders that are (`refs/4011/a.tif`).

    Raises:
        UsageError: a source is neither, a table is wrong, or a scan has two headings.
    """
    rows: dict[str, Row] = {}
    for source in sources:
        for row in _of_source(Path(source)):
            known = rows.get(row.path)
            if known is not None and known.heading != row.heading:
                raise UsageError(
                    f"{row.path} is a reference of {known.heading} and of {row.heading}; expected one heading for each "
                    "scan"
                )
            rows[row.path] = row
    if not rows:
        raise UsageError(f"there are no scans in {', '.join(sources)}; expected reference scans by heading")
    return list(rows.values())


def build(
    inspector: Inspector, rows: Sequence[Row], *, progress: Callable[[Inspection], None] | None = None
) -> Built:
    """Make a gallery of reference scans.

    A scan that cannot be read, that was there before under another name, or whose load state contradicts its heading is
    left out: half a gallery of empty boxes would make every empty box typical of its heading.

    Args:
        inspector: of a model of cargo that gives an embedding; its thresholds do not matter.
        rows: the scans, at least one.
        progress: called for each scan.

    Raises:
        UsageError: the model gives no embedding, or no scan is left.
        ContractError: the model fails on a scan.
    """
    check_embeds(inspector.contract)
    taken: dict[str, tuple[Reference, FloatArray]] = {}
    left_out: list[tuple[str, str]] = []
    for row, inspection in zip(rows, inspector.stream([row.path for row in rows]), strict=True):
        if progress is not None:
            progress(inspection)
        reason = _reason_against(row, inspection)
        sha256 = inspection.sha256
        if reason is None and (sha256 is None or inspection.embedding is None):
            reason = "the model gave no embedding"
        if reason is None and sha256 in taken:
            reason = f"the same scan is a reference of {taken[sha256][0].heading} already"
        if reason is not None:
            left_out.append((row.path, reason))
            continue
        assert sha256 is not None and inspection.embedding is not None  # said above
        taken[sha256] = Reference(row.heading, row.group or sha256, sha256), inspection.embedding
    if not taken:
        first = f": {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        raise UsageError(f"none of {len(rows)} scans can serve as a reference{first}")
    gallery = Gallery(
        inspector.contract.name,
        inspector.fingerprint,
        tuple(reference for reference, _ in taken.values()),
        np.stack([embedding for _, embedding in taken.values()]),
    )
    return Built(gallery, tuple(left_out))


def _reason_against(row: Row, inspection: Inspection) -> str | None:
    if inspection.error is not None:
        return inspection.error
    if row.heading == EMPTY and inspection.load_state == "loaded":
        return "a reference of empty that looks loaded"
    if row.heading != EMPTY and inspection.load_state == "empty":
        return f"a reference of {row.heading} that looks empty"
    return None


def _of_source(source: Path) -> Iterator[Row]:
    if source.is_dir():
        yield from _of_folder(source)
    elif source.suffix.lower() in TABLES:
        yield from read_table(source)
    else:
        raise UsageError(
            f"{source} is neither a folder nor a table; expected folders named by their heading, or a table ending in "
            f"{' or '.join(TABLES)}"
        )


def _of_folder(folder: Path) -> Iterator[Row]:
    """Scans by the folder they lie in; where there are no folders below, this one's name is the heading."""
    below = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    loose = [entry.name for entry in _scans(folder, deep=False)]
    if below and loose:
        raise UsageError(
            f"{folder} holds folders and scans such as {loose[0]}; expected either folders named by their heading, or "
            "scans of the heading that it is named by"
        )
    for place in below or [folder]:
        heading = checked_heading(place.resolve().name)
        yield from (Row(absolute(path), heading) for path in _scans(place, deep=True))


def _scans(folder: Path, *, deep: bool) -> Iterable[Path]:
    for found in expand([os.fspath(folder)], stop=Event()):
        if deep or found.place == "":
            yield Path(found.path)
