"""One run from its manifest to its success marker, whichever engine scores the shards."""

import json
import os
import re
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Thread
from time import monotonic
from typing import Any
from uuid import uuid4

from cargosight_inference.batch.engine import Beat, Engine, Job, Notice, ShardDone
from cargosight_inference.batch.manifest import Manifest
from cargosight_inference.batch.places import BatchError, NoSuchName, Place
from cargosight_inference.batch.scoring import Scoring

SUCCESS = "_SUCCESS"
PROGRESS = "progress/"
_REPORT = re.compile(rf"{PROGRESS}[^/]+-[0-9]+-[0-9a-f]{{8}}\.json")
_WRITE_SECONDS = 2.0
_KEEP_SECONDS = 15.0
"""Between reports while the summary is made: well within the minute after which a process is taken for dead."""
_WINDOW_SECONDS = 60.0
"""Of the rate: short enough to follow a machine that gets busy, long enough to be steady."""


@dataclass
class Tally:
    """Where a run stands, as this process knows it.

    Attributes:
        inputs: of the run.
        shards: of the run.
        done_inputs: in finished shards, whoever did them.
        done_shards: finished.
        open_inputs: done in shards that are not finished.
        counts: of the rows that this process's workers wrote, see `shard.Scored`.
        workers: what each of them does.
        elapsed: seconds since the start.
    """

    inputs: int
    shards: int
    done_inputs: int = 0
    done_shards: int = 0
    open_inputs: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    workers: tuple[Mapping[str, Any], ...] = ()
    elapsed: float = 0.0
    _started: float = field(default_factory=monotonic)
    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def done(self) -> int:
        """Inputs that are done."""
        return min(self.inputs, self.done_inputs + self.open_inputs)

    @property
    def rate(self) -> float:
        """Inputs per second over the last minute, 0 where that is not known yet."""
        if len(self._seen) < 2:
            return 0.0
        (then, before), (now, after) = self._seen[0], self._seen[-1]
        return max(0.0, (after - before) / max(now - then, 1e-9))

    @property
    def left_seconds(self) -> float | None:
        """Time to the end at this rate, None where that is not known."""
        return (self.inputs - self.done) / self.rate if self.rate > 0.0 else None

    def look(self) -> None:
        """Note the time and what is done."""
        now = monotonic()
        self.elapsed = now - self._started
        self._seen.append((now, self.done))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW_SECONDS:
            self._seen.popleft()


@dataclass(frozen=True)
class Outcome:
    """What came of `run_batch`.

    Attributes:
        complete: whether every part is there; not where it was stopped.
        tally: at the end.
        was_complete: whether nothing was left to do at the beginning.
    """

    complete: bool
    tally: Tally
    was_complete: bool = False


def run_batch(
    manifest: Manifest,
    place: Place,
    engine: Engine,
    scoring: Scoring,
    *,
    overlays: bool = False,
    stop: Callable[[], bool] = lambda: False,
    told: Callable[[Tally], None] | None = None,
    notice: Callable[[str], None] | None = None,
    summarise: Callable[[Manifest, Place], None] | None = None,
) -> Outcome:
    """Score the shards that have no part, and mark the run as successful once all have one.

    It may be killed at any point and called again, and several may run at once. A complete run that has lost parts
    since gets them, its summary and its marker again.

    Args:
        manifest: of the run, in the place.
        place: of the run.
        engine: that scores.
        scoring: that comes to the manifest's fingerprint; workers check it.
        overlays: whether referred scans are drawn.
        stop: whether to end soon.
        told: is given the tally now and then; it stays this function's.
        notice: is given a sentence about what a person should know.
        summarise: is called when all parts are there, before the success marker.

    Raises:
        BatchError: the engine cannot go on, or a storage fails. What is published stays.
    """
    say = notice or (lambda sentence: None)
    was_complete = place.exists(SUCCESS)
    scoring_now = _Scoring(manifest, place)
    tally = scoring_now.tally
    if overlays and tally.done_shards:
        say(_undrawn(tally.done_shards))
    if was_complete:
        gone = manifest.shards - tally.done_shards
        if not gone:
            return Outcome(True, tally, was_complete=True)
        parts = "1 part is" if gone == 1 else f"{gone:,} parts are"
        say(f"the run was complete, and {parts} gone since; what is gone is scored again")
        place.delete(SUCCESS)
    job = Job(url=place.url, scoring=scoring, fingerprint=manifest.fingerprint, overlays=overlays)
    with closing(_Report(place, engine.name)) as report:
        scoring_now.score(engine, job, report, stop=stop, told=told, notice=say)
        if tally.done_shards < manifest.shards:
            if stop():
                return Outcome(False, tally)
            raise BatchError(
                f"the engine ended with {tally.done_shards:,} of {manifest.shards:,} parts; run the same command again"
            )
        if not all(_finished_shards(manifest, place)):
            raise BatchError(f"a part is gone from {place.url}; run the same command again")
        with report.kept(tally):
            if summarise is not None:
                summarise(manifest, place)
            _mark(manifest, place)
    return Outcome(True, tally)


def _undrawn(parts: int) -> str:
    there = "1 part that is" if parts == 1 else f"{parts:,} parts that are"
    return (
        f"--overlays: the scans in the {there} there already are not drawn now; where those were scored without it, "
        "give the run an output of its own for pictures of all"
    )


class _Scoring:
    """The part of a run in which an engine is at work."""

    def __init__(self, manifest: Manifest, place: Place) -> None:
        self.tally = Tally(manifest.inputs, manifest.shards)
        self._manifest = manifest
        self._finished = _finished_shards(manifest, place)
        for shard in range(manifest.shards):
            if self._finished[shard]:
                self._note(shard)

    def score(
        self,
        engine: Engine,
        job: Job,
        report: "_Report",
        *,
        stop: Callable[[], bool],
        told: Callable[[Tally], None] | None,
        notice: Callable[[str], None],
    ) -> None:
        """Have the shards scored that have no part."""
        missing = (shard for shard in range(self._manifest.shards) if not self._finished[shard])
        tally = self.tally
        tally.look()
        try:
            with closing(engine.score(job, missing, stop)) as events:
                for event in events:
                    if isinstance(event, Notice):
                        notice(event.sentence)
                        continue
                    self._take(event)
                    tally.look()
                    report.write(tally)
                    if told is not None:
                        told(tally)
        finally:
            tally.open_inputs, tally.workers = 0, ()
            tally.look()

    def _take(self, event: Beat | ShardDone) -> None:
        tally = self.tally
        if isinstance(event, Beat):
            tally.open_inputs, tally.workers = event.open_rows, event.workers
        elif not self._finished[event.shard]:
            self._finished[event.shard] = 1
            self._note(event.shard)
            # Until the next beat the worker's rows count as open; they are in a finished shard now.
            rows = len(self._manifest.numbers(event.shard))
            tally.open_inputs = max(0, tally.open_inputs - rows)
            if event.ours:
                tally.counts.update(event.counts)

    def _note(self, shard: int) -> None:
        self.tally.done_shards += 1
        self.tally.done_inputs += len(self._manifest.numbers(shard))


def _finished_shards(manifest: Manifest, place: Place) -> bytearray:
    """Return 1 for each shard that has a part; other names are not the run's."""
    finished = bytearray(manifest.shards)
    for shard in finished_numbers(place):
        if shard < manifest.shards:
            finished[shard] = 1
    return finished


def finished_numbers(place: Place) -> Iterator[int]:
    """Yield the numbers of the shards that have a part."""
    for name in place.names("parts/part-"):
        number = name.removeprefix("parts/part-").removesuffix(".parquet")
        if number.isdecimal() and name.endswith(".parquet"):
            yield int(number)


def _mark(manifest: Manifest, place: Place) -> None:
    marker = {
        "schema": 1,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprint": manifest.fingerprint,
        "inputs": manifest.inputs,
        "parts": manifest.shards,
    }
    place.publish(SUCCESS, json.dumps(marker, indent=2).encode() + b"\n")
    with suppress(BatchError):  # the run is complete, whatever killed processes have left
        for name in list(place.names(PROGRESS)):
            if _REPORT.fullmatch(name):
                place.delete(name)


class _Report:
    """What this process says of itself in the place now and then; nothing depends on it."""

    def __init__(self, place: Place, engine: str) -> None:
        host = socket.gethostname()
        self._name = (
            f"{PROGRESS}{host.replace('/', '_').lstrip('.') or 'host'}-{os.getpid()}-{uuid4().hex[:8]}.json"
        )
        self._base = {"schema": 1, "engine": engine, "host": host, "pid": os.getpid(), "started_at": _now()}
        self._place = place
        self._written: float | None = None

    def write(self, tally: Tally) -> None:
        """Write where the run stands, where it is time."""
        now = monotonic()
        if self._written is not None and now - self._written < _WRITE_SECONDS:
            return
        self._written = now
        self._write(tally)

    @contextmanager
    def kept(self, tally: Tally) -> Iterator[None]:
        """Write where the run stands now and again while the block runs: it has no events, and may take long."""
        ended = Event()

        def keep() -> None:
            while not ended.wait(_KEEP_SECONDS):
                self._write(tally)

        self._written = monotonic()
        self._write(tally)
        keeper = Thread(target=keep, name="cargosight-report", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            ended.set()
            keeper.join()

    def _write(self, tally: Tally) -> None:
        content = self._base | {
            "at": _now(),
            "open_inputs": tally.open_inputs,
            "rate": round(tally.rate, 3),
            "counts": dict(tally.counts),
            "workers": [dict(worker) for worker in tally.workers],
        }
        with suppress(BatchError):
            self._place.replace(self._name, json.dumps(content).encode())

    def close(self) -> None:
        """Take it away: this process does nothing more."""
        if self._written is not None:
            with suppress(BatchError):  # and what ended the run is told, not this
                self._place.delete(self._name)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def read_reports(place: Place) -> list[dict[str, Any]]:
    """Return what the processes of a run say of themselves; those that were killed have left theirs."""
    found = []
    for name in place.names(PROGRESS):
        try:
            report = json.loads(place.read(name))
        except (NoSuchName, ValueError):  # it ended just now, or is no report
            continue
        if isinstance(report, dict) and "at" in report:
            found.append(report)
    return found
