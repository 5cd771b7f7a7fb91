"""The engine for several machines: Ray tasks that score shards, each with a local worker of its own.

What runs in a task is the local engine with one worker: a file that ends its worker ends no process of Ray's, and is
found, told and recorded as it is without Ray. The task tells what happens as a stream; the run hands shards out,
listens, and gives a shard away again when a node is lost. Parts are published by the workers, so that a task that was
taken for lost and is not does no harm.
"""

import logging
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from threading import current_thread, main_thread
from time import monotonic, sleep
from typing import Any

from cargosight_inference.batch import engine, local
from cargosight_inference.batch.engine import Beat, Job, Notice, ShardDone
from cargosight_inference.batch.places import BatchError
from cargosight_inference.batch.ray_address import check_listened
from cargosight_inference.batch.ray_task import Here, Refused, score_in_task
from cargosight_models.errors import MissingExtraError, UsageError

LOCAL = "local"
_CPUS = 0.9
"""Of a task: its worker computes on one core; what is left is for the processes that Ray runs beside them."""
_LOOK_SECONDS = 0.2
_BEAT_SECONDS = 0.5
_COUNT_SECONDS = 10.0
"""Between two looks at how many processors the cluster has."""
_GRACE_SECONDS = 20.0
_SILENT_SECONDS = 90.0
"""Beyond the stall time-out: a task says something twice a second, so that its node is gone or cut off."""
_BACK_OFF_SECONDS = 2.0
_MOST_SHARDS = 16
"""Of a task; its worker loads the model once for all of them."""
_SHARES = 4
"""A task gets at most this part of what is left for a slot, so that all slots end at about the same time."""
_STORE_BYTES = 80_000_000
"""Of the object store of a Ray that is started here: nothing but events goes through it."""


class RayEngine:
    """Scores shards as tasks on a Ray cluster, or on one that it starts on this machine."""

    name = "ray"

    def __init__(
        self,
        workers: int | None = None,
        *,
        address: str | None = None,
        retries: int = 2,
        stall_timeout_s: float = 300.0,
        limit_rate: float | None = None,
        memory_mb: int | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """Prepare; nothing is started or connected yet.

        Args:
            workers: tasks at a time, the processors of the cluster when None.
            address: of a cluster, `auto` for the one that this machine belongs to; one is started here when None.
            retries: how often what failed is tried again: an input that ended its worker alone, a storage that did
                not answer, a shard whose node was lost.
            stall_timeout_s: a worker that has finished no input for so long is ended; and so does the run when no task
                was given a processor for so long.
            limit_rate: scans per second over all workers, None for as many as can be.
            memory_mb: limit of a worker's address space in 10^6 bytes, see `LocalEngine`.
            command: that runs `worker_main`, that of the node when None.

        Raises:
            UsageError: a number is out of its range, or the address is one that cannot carry the stream of a task.
            MissingExtraError: the extra `ray` is not installed.
        """
        if find_spec("ray") is None:
            raise MissingExtraError("ray", "`--engine ray`")
        if address is not None and address.startswith("ray://"):
            raise UsageError(
                f"the address {address} is of Ray's client, which cannot follow tasks; start the command on a machine "
                "of the cluster, with --ray-address auto"
            )
        self._settings: dict[str, Any] = {
            "retries": retries,
            "stall_timeout_s": stall_timeout_s,
            "limit_rate": limit_rate,
            "memory_mb": memory_mb,
        }
        if command is not None:
            self._settings["command"] = tuple(command)
        local.LocalEngine(1 if workers is None else workers, **self._settings)  # checks them
        self._workers, self._address = workers, address

    def score(
        self, job: Job, shards: Iterator[int], stop: Callable[[], bool]
    ) -> Generator[engine.Event, None, None]:
        """See `engine.Engine`."""
        with _connected(self._address, self._workers):
            run = _Run(job, shards, self._settings, self._workers)
            try:
                yield from run.events(stop)
            finally:
                run.close()


@dataclass
class _Chunk:
    """Shards for one task.

    Attributes:
        shards: that are left, in order; the first is under way.
        not_before: on the clock of `monotonic`, when it may be given to a task.
    """

    shards: list[int]
    not_before: float = 0.0


@dataclass
class _Task:
    """A task that was handed in; it may wait for a processor.

    Attributes:
        chunk: its shards.
        handed_in: on the clock of `monotonic`.
        heard: when it said something last, None where it has not begun.
        node: that it runs on.
        beat: its last.
    """

    chunk: _Chunk
    handed_in: float = field(default_factory=monotonic)
    heard: float | None = None
    node: str = ""
    beat: Beat = field(default_factory=lambda: Beat(0))


class _Run:
    """One call of `RayEngine.score`."""

    def __init__(
        self, job: Job, shards: Iterator[int], settings: Mapping[str, Any], workers: int | None
    ) -> None:
        import ray

        self._job, self._settings, self._asked = job, dict(settings), workers
        self._left = deque(shards)
        self._shards = len(self._left)
        self._again: deque[_Chunk] = deque()
        self._tasks: dict[Any, _Task] = {}
        self._failures: Counter[int] = Counter()
        self._slots, self._counted = 0, 0.0
        self._heard = monotonic()
        self._is_waiting_told = False
        # Parts outlive a lost task, and which shards are left is known here: Ray's own retries would begin anew.
        self._remote = ray.remote(num_returns="streaming", num_cpus=_CPUS, max_retries=0)(score_in_task)

    def events(self, stop: Callable[[], bool]) -> Iterator[engine.Event]:
        """Score everything; see `RayEngine.score`."""
        told = monotonic()
        while not stop():
            self._hand_out()
            if not (self._tasks or self._again or self._left):
                return
            yield from self._listen()
            yield from self._look()
            if monotonic() - told > _BEAT_SECONDS:
                told = monotonic()
                yield self._beat()

    def close(self) -> None:
        """Stop all tasks: each may finish the input that it is at, and removes what is half."""
        import ray

        for stream in self._tasks:
            ray.cancel(stream)
        end = monotonic() + _GRACE_SECONDS
        while self._tasks and monotonic() < end:
            ready, _ = ray.wait(list(self._tasks), timeout=_LOOK_SECONDS, fetch_local=False)
            for stream in ready:
                if _next(stream) is None:
                    del self._tasks[stream]
        for stream in self._tasks:
            ray.cancel(stream, force=True)
        self._tasks.clear()

    def _hand_out(self) -> None:
        """Fill the slots with tasks."""
        if not self._slots or monotonic() - self._counted > _COUNT_SECONDS:
            self._slots, self._counted = self._asked or _processors(), monotonic()
        if not self._slots:
            return
        while len(self._tasks) < self._slots and (chunk := self._next()) is not None:
            settings = dict(self._settings)
            if settings["limit_rate"] is not None:
                # Of fewer shards than slots each is a task: more shares of the rate would be left unused.
                settings["limit_rate"] /= min(self._slots, self._shards)
            stream = self._remote.remote(settings, self._job.to_dict(), list(chunk.shards))
            self._tasks[stream] = _Task(chunk)

    def _next(self) -> _Chunk | None:
        for chunk in self._again:
            if chunk.not_before <= monotonic():
                self._again.remove(chunk)
                return chunk
        if not self._left:
            return None
        count = min(_MOST_SHARDS, max(1, len(self._left) // (_SHARES * self._slots)))
        return _Chunk([self._left.popleft() for _ in range(count)])

    def _listen(self) -> Iterator[engine.Event]:
        """Hear what a task says."""
        import ray

        if not self._tasks:
            sleep(_LOOK_SECONDS)
            return
        ready, _ = ray.wait(list(self._tasks), timeout=_LOOK_SECONDS, fetch_local=False)
        for stream in ready:
            task, said = self._tasks[stream], _next(stream)
            self._heard = task.heard = monotonic()
            if said is None:
                del self._tasks[stream]
                if task.chunk.shards:
                    yield from self._lost(task, "it ended early")
            elif isinstance(said, _Lost):
                del self._tasks[stream]
                yield from self._lost(task, said.why)
            else:
                yield from self._take(task, said)

    def _take(self, task: _Task, said: object) -> Iterator[engine.Event]:
        if isinstance(said, Refused):
            raise BatchError(
                f"{said.sentence} (on {task.node}; every node has to reach the run and its inputs)"
            )
        if isinstance(said, Here):
            task.node = said.node
        elif isinstance(said, Beat):
            task.beat = said
        elif isinstance(said, ShardDone):
            task.chunk.shards.remove(said.shard)
            task.beat = Beat(0, task.beat.workers)  # one worker is at one shard at a time
            yield said
        elif isinstance(said, Notice):
            yield said

    def _lost(self, task: _Task, why: str) -> Iterator[engine.Event]:
        """A node or its process is gone; what is left of the task is given to another."""
        chunk = task.chunk
        if not chunk.shards:
            return
        shard = chunk.shards[0]
        self._failures[shard] += 1
        tried = self._failures[shard]
        where = f" on {task.node}" if task.node else ""
        if tried > self._settings["retries"]:
            raise BatchError(
                f"the task of shard {shard}{where} was lost {tried} times, the last time since {why}"
            )
        chunk.not_before = monotonic() + _BACK_OFF_SECONDS * 2 ** (tried - 1)
        self._again.append(chunk)
        yield Notice(f"a task{where} was lost ({why}); shard {shard} is tried again elsewhere")

    def _look(self) -> Iterator[engine.Event]:
        """Give up what says nothing any more; end where no task gets a processor."""
        import ray

        now, stall = monotonic(), self._settings["stall_timeout_s"]
        for stream, task in list(self._tasks.items()):
            if task.heard is not None and now - task.heard > stall + _SILENT_SECONDS:
                ray.cancel(stream, force=True)
                del self._tasks[stream]
                yield from self._lost(task, f"it said nothing for {now - task.heard:.0f} s")
        if any(task.heard is not None for task in self._tasks.values()) or self._again:
            self._heard = now
            return
        waited = now - self._heard
        if waited > stall:
            raise BatchError(
                f"the Ray cluster gave no task a processor for {stall:g} s; expected {_CPUS} CPU for each: see `ray "
                "status`, or give a longer --stall-timeout"
            )
        if waited > stall / 4 and not self._is_waiting_told:
            self._is_waiting_told = True
            yield Notice(f"waiting for the Ray cluster: no task was given a processor for {waited:.0f} s")

    def _beat(self) -> Beat:
        tasks = list(self._tasks.values())
        return Beat(
            sum(task.beat.open_rows for task in tasks),
            tuple({**worker, "node": task.node} for task in tasks for worker in task.beat.workers),
        )


@dataclass(frozen=True)
class _Lost:
    why: str


def _next(stream: Iterator[Any]) -> object:
    """Return what a task that has something to say says; None at its end, `_Lost` where it is gone."""
    import ray
    from ray.exceptions import RayError

    try:
        return ray.get(next(stream))
    except StopIteration:
        return None
    except RayError as error:
        return _Lost(type(error).__name__)


def _processors() -> int:
    """Return how many tasks the nodes that are alive take at a time."""
    import ray

    return sum(int(node["Resources"].get("CPU", 0.0)) for node in ray.nodes() if node["Alive"])


@contextmanager
def _connected(address: str | None, workers: int | None) -> Iterator[None]:
    """Be connected to a cluster while the block runs; a program that is connected already stays so.

    Raises:
        BatchError: there is no cluster, or none can be started.
    """
    # Before it is imported: an archive of a customs service tells nobody that it is read.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"address": address or LOCAL}
    if address is not None:
        check_listened(address)
    else:
        options |= {"include_dashboard": False, "object_store_memory": _STORE_BYTES, "num_cpus": workers}
    with _own_signals():
        try:
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            what = (
                "no Ray could be started here" if address is None else f"there is no Ray cluster at {address}"
            )
            raise BatchError(f"{what}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Take back what SIGTERM and Ctrl-C do, which Ray decides as it starts."""
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
