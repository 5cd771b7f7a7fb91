"""The engine that needs nothing but this machine: processes of one thread each, watched by one loop."""

import selectors
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from cargosight_inference.batch.bisection import Bisection, Piece
from cargosight_inference.batch.engine import Beat, Event, Job, Notice, ShardDone
from cargosight_inference.batch.manifest import Manifest, read_manifest
from cargosight_inference.batch.places import BatchError, Place, open_place
from cargosight_inference.batch.plan import read_shard
from cargosight_inference.batch.rows import Row, extra_names, fault_row, join_parts
from cargosight_inference.batch.sources import shown
from cargosight_inference.batch.worker import COMMAND, Worker
from cargosight_models.errors import UsageError

MOST_WORKERS = 256
LEAST_MEMORY_MB = 1000
"""Of a worker's address space: its libraries map half of it, and with less the smallest model fails somewhere."""
_LOOK_SECONDS = 0.2
_BEAT_SECONDS = 0.5
_START_SECONDS = 300.0
"""For a process to start and load its model, on a machine that has much else to do."""
_GRACE_SECONDS = 10.0
_BACK_OFF_SECONDS = 2.0
_MOST_BLAMED = 16
"""Inputs that ended their workers one after the other with none between that went well: then they are not to blame."""


@dataclass(frozen=True)
class _Task:
    """A range of a shard; the whole of it where its part is to be published at once."""

    shard: int
    piece: Piece
    is_whole: bool
    not_before: float = 0.0


class _Slot:
    """A place for one process at a time."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.is_ready = False
        self.task: _Task | None = None


class LocalEngine:
    """Scores shards in processes on this machine. POSIX alone has what it takes."""

    name = "local"

    def __init__(
        self,
        workers: int,
        *,
        retries: int = 2,
        stall_timeout_s: float = 300.0,
        limit_rate: float | None = None,
        memory_mb: int | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Prepare; no process is started yet.

        Args:
            workers: processes, 1 to `MOST_WORKERS`.
            retries: how often what failed is tried again: an input that ended its worker alone, a storage that did not
                answer.
            stall_timeout_s: a worker that has finished no input for so long is ended.
            limit_rate: scans per second over all workers, None for as many as can be.
            memory_mb: limit of a worker's address space in 10^6 bytes, `LEAST_MEMORY_MB` or more, None for none.
            command: that runs `worker_main`.

        Raises:
            UsageError: a number is out of its range.
        """
        if not 1 <= workers <= MOST_WORKERS:
            raise UsageError(f"{workers} workers are asked for; expected 1 to {MOST_WORKERS}")
        if retries < 0:
            raise UsageError(f"{retries} retries are asked for; expected 0 or more")
        for name, value in (("a stall time-out", stall_timeout_s), ("a rate", limit_rate)):
            if value is not None and not 0.0 < value < float("inf"):
                raise UsageError(f"{name} of {value} is asked for; expected more than 0")
        if memory_mb is not None and memory_mb < LEAST_MEMORY_MB:
            raise UsageError(
                f"{memory_mb} MB of memory for a worker are asked for; expected at least {LEAST_MEMORY_MB:,}, of which "
                "its libraries take half"
            )
        self._workers, self._retries, self._command = workers, retries, tuple(command)
        self._limit_rate, self._memory_mb = limit_rate, memory_mb
        self._stall = stall_timeout_s

    def score(
        self, job: Job, shards: Iterator[int], stop: Callable[[], bool]
    ) -> Generator[Event, None, None]:
        """See `engine.Engine`."""
        with open_place(job.url) as place:
            manifest = read_manifest(place)
            if manifest is None:
                raise BatchError(f"there is no run in {job.url}; it has to be planned first")
            workers, rate = self._workers, self._limit_rate
            if rate is not None:
                # A shard is one worker's: more of them would take shares of the rate and leave them unused.
                workers = min(workers, manifest.shards)
                rate /= workers
            # A worker that is held to a rate rests between inputs, and that is no stall.
            stall = self._stall + (0.0 if rate is None else 1.0 / rate)
            start = {"job": job.to_dict(), "rate": rate}
            run = _Run(manifest, place, shards, self._retries, stall)
            try:
                yield from run.events(lambda: self._new(place, start), workers, stop)
                yield from run.end()
            finally:
                run.close()

    def _new(self, place: Place, hello: dict[str, Any]) -> Worker:
        return Worker(self._command, hello, place.scratch.path(".counter"), self._memory_mb)


class _Run:
    """One call of `LocalEngine.score`."""

    def __init__(
        self, manifest: Manifest, place: Place, shards: Iterator[int], retries: int, stall: float
    ) -> None:
        self._manifest, self._place, self._shards = manifest, place, shards
        self._retries, self._stall = retries, stall
        self._tasks: deque[_Task] = deque()
        self._bisections: dict[int, Bisection] = {}
        self._counts: dict[int, Counter[str]] = {}
        self._failures: Counter[int] = Counter()
        self._slots: list[_Slot] = []
        self._starts_failed = 0
        self._blamed = 0
        self._selector = selectors.DefaultSelector()

    def events(self, new: Callable[[], Worker], workers: int, stop: Callable[[], bool]) -> Iterator[Event]:
        """Score everything; see `LocalEngine.score`."""
        told = monotonic()
        while not stop():
            self._hand_out(new, workers)
            if not any(slot.task for slot in self._slots) and not self._tasks:
                return
            for key, _ in self._selector.select(_LOOK_SECONDS):
                yield from self._listen(key.data)
            for slot in list(self._slots):
                yield from self._look_at(slot)
            if monotonic() - told > _BEAT_SECONDS:
                told = monotonic()
                yield self._beat()

    def end(self) -> Iterator[Event]:
        """End all processes as `close` does; yield the parts that they publish meanwhile."""
        self._end_workers()
        for slot in self._slots:
            for message in slot.worker.messages():
                if message is not None and "finished" in message and slot.task and slot.task.is_whole:
                    yield from self._finished(slot, message["finished"])

    def close(self) -> None:
        """End all processes: each may finish the input that it is at, and removes what is half."""
        self._end_workers()
        for slot in self._slots:
            slot.worker.close()
        self._slots.clear()
        self._selector.close()

    def _end_workers(self) -> None:
        for slot in self._slots:
            slot.worker.hang_up()
        end = monotonic() + _GRACE_SECONDS
        for slot in self._slots:
            if not slot.worker.ended(max(0.0, end - monotonic())):
                slot.worker.kill()

    def _hand_out(self, new: Callable[[], Worker], workers: int) -> None:
        """Give idle workers something to do; start those that are missing while there is."""
        for slot in self._slots:
            if slot.is_ready and slot.task is None and (task := self._next()) is not None:
                self._give(slot, task)
        starting = sum(not slot.is_ready for slot in self._slots)
        while len(self._slots) < workers and self._has_more(starting):
            slot = _Slot(new())
            self._slots.append(slot)
            self._selector.register(slot.worker, selectors.EVENT_READ, slot)
            starting += 1

    def _has_more(self, starting: int) -> bool:
        """Whether there is a task for one more worker than those that are starting."""
        while len(self._tasks) <= starting:
            shard = next(self._shards, None)
            if shard is None:
                return False
            self._tasks.append(self._whole(shard))
        return True

    def _whole(self, shard: int) -> _Task:
        return _Task(shard, Piece(0, len(self._manifest.numbers(shard))), is_whole=True)

    def _next(self) -> _Task | None:
        now = monotonic()
        for task in self._tasks:
            if task.not_before <= now:
                self._tasks.remove(task)
                return task
        shard = next(self._shards, None)
        return None if shard is None else self._whole(shard)

    def _give(self, slot: _Slot, task: _Task) -> None:
        slot.task = task
        to = None if task.is_whole else str(self._place.scratch.path(".parquet"))
        piece = task.piece
        slot.worker.begin({"shard": task.shard, "first": piece.first, "last": piece.last, "to": to})

    def _listen(self, slot: _Slot) -> Iterator[Event]:
        """Hear what a worker says."""
        for message in slot.worker.messages():
            if message is None:
                yield from self._died(slot, None)
            elif "ready" in message:
                slot.is_ready, self._starts_failed = True, 0
            elif "refused" in message:
                raise BatchError(message["refused"])
            elif "failed" in message:
                yield from self._failed(slot, message["failed"])
            else:
                yield from self._finished(slot, message["finished"])

    def _look_at(self, slot: _Slot) -> Iterator[Event]:
        """End a worker that does not get on."""
        if slot.is_ready and slot.task is not None and slot.worker.idle_seconds() > self._stall:
            yield from self._died(slot, f"had not finished it after {self._stall:g} s and was ended")
        elif not slot.is_ready and slot.worker.idle_seconds() > _START_SECONDS:
            yield from self._died(slot, f"was not ready after {_START_SECONDS:g} s and was ended")

    def _finished(self, slot: _Slot, found: dict[str, Any]) -> Iterator[Event]:
        task, slot.task = slot.task, None
        assert task is not None
        self._blamed = 0
        if task.is_whole:
            yield ShardDone(task.shard, found["counts"], found["ours"])
            return
        self._bisections[task.shard].finished(task.piece, Path(found["to"]))
        self._counts[task.shard].update(found["counts"])
        yield from self._joined(task.shard)

    def _failed(self, slot: _Slot, sentence: str) -> Iterator[Event]:
        """A storage did not answer, or a disk is full: no input is to blame."""
        task, slot.task = slot.task, None
        assert task is not None
        yield self._again(task, sentence)

    def _again(self, task: _Task, sentence: str) -> Notice:
        """Have a task tried again later.

        Raises:
            BatchError: its shard has failed too often.
        """
        self._failures[task.shard] += 1
        tried = self._failures[task.shard]
        if tried > self._retries:
            raise BatchError(f"{sentence} (shard {task.shard}, tried {tried} times)")
        again = monotonic() + _BACK_OFF_SECONDS * 2 ** (tried - 1)
        self._tasks.append(_Task(task.shard, task.piece, task.is_whole, again))
        return Notice(f"shard {task.shard} is tried again: {sentence}")

    def _died(self, slot: _Slot, stalled: str | None) -> Iterator[Event]:
        """Take a dead or stalled worker out of its slot; what it was at is divided."""
        done = slot.worker.done
        self._selector.unregister(slot.worker)
        self._slots.remove(slot)
        if stalled is not None:
            slot.worker.kill()
        ended = slot.worker.close()
        how = stalled or ended
        if not slot.is_ready:
            self._starts_failed += 1
            if self._starts_failed > self._retries:
                raise BatchError(
                    f"a worker {how} before it was ready, {self._starts_failed} times in a row; what it said last is "
                    "on the standard error"
                )
            return
        if slot.task is None:
            return
        task, shard = slot.task, slot.task.shard
        if shard not in self._bisections:
            self._bisections[shard] = Bisection(len(self._manifest.numbers(shard)), self._retries)
            self._counts[shard] = Counter()
        bisection = self._bisections[shard]
        blamed = len(bisection.blamed)
        pieces = bisection.failed(task.piece, done, f"its worker {how}", final=stalled is not None)
        # Suspects come first: while they are looked for, everything else of the shard waits on disk.
        self._tasks.extendleft(
            _Task(shard, piece, is_whole=False) for piece in sorted(pieces, key=len, reverse=True)
        )
        yield Notice(
            f"a worker {how} in shard {shard}, at input {task.piece.first + done + 1:,} of "
            f"{len(self._manifest.numbers(shard)):,}"
        )
        if len(bisection.blamed) > blamed:
            self._count_blamed(shard, task.piece.first, how)
            yield from self._joined(shard)

    def _count_blamed(self, shard: int, position: int, how: str) -> None:
        self._counts[shard].update({"unreadable": 1, "fault_worker": 1})
        self._blamed += 1
        if self._blamed >= _MOST_BLAMED:
            raise BatchError(
                f"{self._blamed} inputs one after the other ended their worker and none went well, the last of them "
                f"input {position + 1:,} of shard {shard} (its worker {how}); the model or the machine is to blame"
            )

    def _joined(self, shard: int) -> Iterator[Event]:
        """Publish the part of a divided shard, once all of it is there."""
        bisection = self._bisections[shard]
        if not bisection.complete:
            return
        try:
            done, notices = self._join(shard, bisection, self._counts[shard])
        except (BatchError, OSError) as error:
            # Its pieces may be what cannot be read: the shard begins anew.
            yield self._again(self._whole(shard), str(error))
        else:
            yield from notices
            yield done
        finally:
            del self._bisections[shard], self._counts[shard]
            for found in bisection.outcome():
                if isinstance(found, Path):
                    with suppress(OSError):  # it is removed with the scratch
                        found.unlink()

    def _join(self, shard: int, bisection: Bisection, counts: Counter[str]) -> tuple[ShardDone, list[Notice]]:
        planned, columns = read_shard(self._manifest, self._place, shard), self._manifest.extra_columns
        pieces: list[Path | Row] = []
        notices = []
        for found in bisection.outcome():
            if isinstance(found, Path):
                pieces.append(found)
                continue
            sentence, one = bisection.blamed[found], planned[found]
            row = fault_row(one, self._manifest.what, sentence, "worker", extra=extra_names(columns))
            pieces.append(row)
            notices.append(Notice(f"{shown(one.item.path)} cannot be inspected: {sentence}"))
        file = self._place.scratch.path(".parquet")
        try:
            join_parts(file, pieces, columns)
            ours = self._place.publish(self._manifest.part_name(shard), file)
        finally:
            with suppress(OSError):  # it is removed with the scratch
                file.unlink()
        return ShardDone(shard, counts, ours), notices

    def _beat(self) -> Beat:
        busy = [(slot, slot.task) for slot in self._slots if slot.task is not None]
        return Beat(
            sum(slot.worker.done for slot, _ in busy),
            tuple(
                {
                    "pid": slot.worker.pid,
                    "shard": task.shard,
                    "done": slot.worker.done,
                    "of": len(task.piece),
                    "idle_s": round(slot.worker.idle_seconds(), 1),
                }
                for slot, task in busy
            ),
        )
