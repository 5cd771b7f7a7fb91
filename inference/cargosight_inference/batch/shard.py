"""Scoring one shard: its inputs in order, a row for each, into one temporary file."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Event
from time import monotonic

import cv2

from cargosight_inference.batch.air import air_level
from cargosight_inference.batch.fetching import Ready, ready_inputs
from cargosight_inference.batch.manifest import Manifest
from cargosight_inference.batch.missing import MissingGuard
from cargosight_inference.batch.places import BatchError, Place
from cargosight_inference.batch.plan import Planned, read_shard
from cargosight_inference.batch.rows import Row, extra_names, fault_row, row_of, row_schema, writing_part
from cargosight_inference.batch.sources import shown
from cargosight_inference.gallery.tables import is_heading
from cargosight_inference.inspection import Inspection
from cargosight_inference.inspector import Inspector
from cargosight_inference.overlay import Picture, draw_overlay
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import ContractError, ScanError

_MOST_MODEL_FAULTS = 16
"""With none that went well: then the model is to blame, and not a scan."""
_PNG_EFFORT = 1
_LONGEST_NAME = 100
"""In bytes of UTF-8, as file systems count; most of them take 255 with what is put around it."""


class Stopped(BatchError):  # noqa: N818 - what happened, not what was wrong
    """Somebody asked the run to stop; nothing half is left."""


@dataclass(frozen=True)
class Scored:
    """A shard, or a range of it, that was scored.

    Attributes:
        file: of the rows, temporary.
        rows: how many.
        counts: of rows by decision, of those `changed`, and of those with a fault (`fault_file`, `fault_model`).
    """

    file: Path
    rows: int
    counts: Mapping[str, int]


class Pace:
    """Holds a stream of inputs to a rate."""

    def __init__(self, rate: float | None) -> None:
        """Begin.

        Args:
            rate: inputs per second, None for as many as can be.
        """
        self._apart = None if rate is None else 1.0 / rate
        self._next = monotonic()

    def wait(self, stop: Event) -> None:
        """Return when the next input may be begun, or when stop is set."""
        if self._apart is None:
            return
        now = monotonic()
        if self._next > now:
            stop.wait(self._next - now)
        self._next = max(self._next, now) + self._apart


def score_shard(
    manifest: Manifest,
    shard: int,
    place: Place,
    inspector: Inspector,
    stop: Event | None = None,
    *,
    first: int = 0,
    last: int | None = None,
    overlays: bool = False,
    pace: Pace | None = None,
    advance: Callable[[int], None] | None = None,
) -> Scored:
    """Score a shard or a range of it. One thread does it, and some that fetch where inputs are not local.

    Args:
        manifest: of the run.
        shard: its number.
        place: of the run; the temporary file lies in its scratch, and overlays are published there.
        inspector: made with what the manifest says.
        stop: ends the work between two inputs once it is set.
        first: position in the shard of the first input.
        last: behind the last, the shard's end when None.
        overlays: whether referred scans are drawn.
        pace: of the inputs.
        advance: is given the number of finished inputs after each.

    Raises:
        Stopped: stop was set.
        BatchError: a storage fails or is gone, or the model fails on every input.
    """
    inputs = read_shard(manifest, place, shard)[first:last]
    scorer = _Scorer(manifest, shard, place, inspector, overlays)
    pace, stop = pace or Pace(None), stop or Event()
    file = place.scratch.path(".parquet")
    try:
        with (
            writing_part(file, row_schema(manifest.extra_columns)) as part,
            closing(ready_inputs(inputs, place.scratch, manifest.what.max_pixels)) as stream,
        ):
            for ready in stream:
                pace.wait(stop)
                if stop.is_set():
                    scorer.drop(ready)
                    raise Stopped("the run was stopped")
                part.add(scorer.row(ready))
                if advance is not None:
                    advance(part.rows)
            scorer.finish()
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return Scored(file, part.rows, scorer.counts)


class _Scorer:
    def __init__(
        self, manifest: Manifest, shard: int, place: Place, inspector: Inspector, overlays: bool
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._what, self._shard = manifest.what, shard
        self._extra = extra_names(manifest.extra_columns)
        self._place, self._inspector = place, inspector
        self._overlays = overlays
        self._missing = MissingGuard(manifest.sources)

    def row(self, ready: Ready) -> Row:
        """Inspect an input and return its row."""
        try:
            row = self._row(ready)
        finally:
            self.drop(ready)
        self.counts[row["decision"]] += 1
        self.counts["changed"] += row["changed"]
        if row["fault"] is not None:
            self.counts[f"fault_{row['fault']}"] += 1
        return row

    def finish(self) -> None:
        """Make sure that the archive is still there when all inputs have their row."""
        self._missing.finish()

    def drop(self, ready: Ready) -> None:
        """Remove what was fetched."""
        if ready.is_temporary:
            Path(ready.file).unlink(missing_ok=True)

    def _row(self, ready: Ready) -> Row:
        planned, changed, extra = ready.planned, ready.changed, self._extra
        if ready.error is not None:
            self._missing.check(ready, ready.error)
            return fault_row(planned, self._what, ready.error, "file", changed=changed, extra=extra)
        try:
            # Not through the pipeline's threads: a worker has one, and two workers on two cores would fight over them.
            prepared = self._inspector.prepare(ready.file, keep="scan")
            self._missing.check(ready, prepared.error)
            inspection = self._inspector.finish(prepared, declared=self._declared(planned))
        except ContractError as error:
            self._check_model(error)
            sentence = f"the model failed on it: {error}"
            return fault_row(planned, self._what, sentence, "model", changed=changed, extra=extra)
        scan, overlay = prepared.scan, None
        if self._overlays and scan is not None and inspection.decision == "refer":
            overlay = self._overlay(planned, scan, inspection)
        why = inspection.error
        if why is not None and ready.is_temporary:
            why = why.replace(ready.file, planned.item.path)
        return row_of(
            inspection,
            planned,
            changed=changed,
            error=why,
            air_level=None if scan is None else air_level(scan),
            overlay=overlay,
            extra=extra,
        )

    def _overlay(self, planned: Planned, scan: Scan, inspection: Inspection) -> str | None:
        """Draw a scan that is referred; return the name of the picture, None where the file changed or went since."""
        try:
            whole = self._inspector.at_full_size(scan)
        except ScanError:
            return None  # the inspection stands, with or without a picture
        name = self._name(planned.number, planned.item.path)
        # A run that was killed may have left a picture there, of a file that is another one by now.
        self._place.publish_again(name, _drawn(draw_overlay(whole, inspection)))
        return name

    def _declared(self, planned: Planned) -> str | None:
        """Return what was declared of an input; None where its row of the table has no heading."""
        column = self._what.declared_column
        heading = None if column is None else planned.item.extra.get(column)
        return heading if heading is not None and is_heading(heading) else None

    def _check_model(self, error: ContractError) -> None:
        went_well = self.counts["clear"] + self.counts["refer"]
        if not went_well and self.counts["fault_model"] >= _MOST_MODEL_FAULTS:
            raise BatchError(
                f"the model failed on every scan of shard {self._shard} that could be read so far: {error}"
            ) from error

    def _name(self, number: int, path: str) -> str:
        stem = PurePosixPath(shown(path).replace("\\", "_")).stem.lstrip(".")
        cut = stem.encode()[:_LONGEST_NAME].decode(
            "utf-8", "ignore"
        )  # without a character that was cut through
        return f"overlays/{self._shard:06d}/{number:06d}-{cut or 'scan'}.png"


def _drawn(picture: Picture) -> bytes:
    """Return a picture (H, W, 3) RGB, which is not needed afterwards, as PNG."""
    cv2.cvtColor(picture, cv2.COLOR_RGB2BGR, dst=picture)
    _, encoded = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT])
    return encoded.tobytes()
