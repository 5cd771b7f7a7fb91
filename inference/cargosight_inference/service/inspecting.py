"""Inspecting: waiting scans go to worker processes, and what comes back is recorded, each exactly once.

The database is the queue, so that a kill at any moment loses nothing: what was not recorded is inspected again. Each
thread owns one worker process and waits for it.
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Condition, Event, Lock, Thread
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Row

from cargosight_inference.service.bus import Bus
from cargosight_inference.service.database.engine import Database
from cargosight_inference.service.database.errors import DatabaseError
from cargosight_inference.service.engines import Engine, EngineFacts
from cargosight_inference.service.lane_engines import LaneEngines
from cargosight_inference.service.measuring import Measuring
from cargosight_inference.service.records import inspections, scans
from cargosight_inference.service.settings import LaneSettings, ServiceSettings
from cargosight_inference.service.unreadable import unreadable_result
from cargosight_inference.service.worker import WorkerProcess
from cargosight_models.errors import EngineError, UsageError, WorkerDied

_LOG = logging.getLogger("cargosight.service.inspecting")
MOST_ATTEMPTS = 2
"""A scan that took a worker with it so often is unreadable: the worker might have been hit by chance once."""
_IDLE_SECONDS = 1.0
_RETRY_SECONDS = 30.0
"""How long a model that could not be loaded is left alone before it is tried again."""
_LOAD_SECONDS = 300.0
_FULL_DISK_SECONDS = 5.0

Recorded = TypeVar("Recorded")
Task = tuple[Callable[[], Any], "Future[Any]"]


@dataclass(frozen=True, kw_only=True)
class Office:
    """What the threads share.

    Attributes:
        settings: of the service.
        database: of the service.
        engines: of the lanes.
        bus: told of every record.
        measuring: told of what is done.
    """

    settings: ServiceSettings
    database: Database
    engines: LaneEngines
    bus: Bus
    measuring: Measuring

    def until_recorded(self, stop: Event, write: Callable[[], Recorded]) -> Recorded | None:
        """Record something, however long the database is locked or full; None where the service stops before."""
        while True:
            try:
                done = write()
            except DatabaseError as error:
                _LOG.warning("not recorded yet", extra={"reason": str(error)})
                if stop.wait(_IDLE_SECONDS):
                    return None
            else:
                self.bus.notify()
                return done


class Inspecting:
    """The threads that inspect."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._stop = Event()
        self._busy: dict[int, str] = {}
        self._lock = Lock()
        self._changing = Lock()
        self._threads = [_InspectingThread(self, office, number) for number in range(office.settings.workers)]
        self.work = Condition()

    def start(self) -> None:
        """Start the threads; they load the engines of the lanes first."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads; scans under way are inspected again at the next start."""
        self._stop.set()
        self.wake()
        for thread in self._threads:
            thread.worker.close()
        for thread in self._threads:
            thread.join()

    @property
    def stopping(self) -> Event:
        """Set when the threads are to end."""
        return self._stop

    def wake(self) -> None:
        """Say that there may be something to do."""
        with self.work:
            self.work.notify_all()

    def under_way(self, lane: str) -> int:
        """Return how many scans of a lane are being inspected now."""
        with self._lock:
            return sum(each == lane for each in self._busy.values())

    def change(self, lane: LaneSettings, engine: Engine, by: str) -> None:
        """Load another engine into every worker, and let it inspect a lane if it passes all checks there.

        Raises:
            EngineError: it does not; the one before goes on.
        """
        with self._changing:
            before = self._office.engines.of(lane.name).engine
            waiting = [
                thread.ask(partial(_InspectingThread.load, thread, engine, lane)) for thread in self._threads
            ]
            try:
                facts = [each.result(_LOAD_SECONDS) for each in waiting]
                if any(each != facts[0] for each in facts):
                    raise EngineError(
                        f"the model {engine.model} is another file than a moment ago; try again"
                    )
            except (EngineError, TimeoutError) as error:
                self._drop_unused(engine)
                raise EngineError(str(error) or f"the model {engine.model} took too long to load") from error
            self._office.engines.change(lane.name, engine, facts[0], by)
            self._office.measuring.model_changed(lane.name, facts[0])
            self._office.bus.notify()
            self._drop_unused(before)
        self.wake()

    def run(self, task: Callable[[WorkerProcess], Any], timeout: float) -> Any:  # noqa: ANN401 - the task's own
        """Run something on a worker that is free soonest, and return what it returns.

        Raises:
            TimeoutError: no worker was free in time.
        """
        thread = min(self._threads, key=lambda each: each.tasks.qsize())
        return thread.ask(partial(task, thread.worker)).result(timeout)

    def take(self) -> Row[Any] | None:
        """Return the scan whose turn it is, which is under way until `done`."""
        with self._lock, self._office.database.reading() as connection:
            row = scans.to_inspect(connection, self._office.engines.ready(), list(self._busy))
            if row is not None:
                self._busy[row.id] = row.lane
        return row

    def done(self, scan: int) -> None:
        """Say that a scan is under way no more."""
        with self._lock:
            del self._busy[scan]

    def _drop_unused(self, engine: Engine) -> None:
        if engine not in [each.engine for each in self._office.engines.all().values()]:
            for thread in self._threads:
                thread.ask(partial(_InspectingThread.drop, thread, engine))


def _load(worker: WorkerProcess, engine: Engine, lane: LaneSettings) -> EngineFacts:
    try:
        return worker.load(engine, golden=lane.golden, expect=lane.golden_advice)
    except WorkerDied as error:
        raise EngineError(f"a worker was lost while it loaded the model {engine.model}: {error}") from error


class _InspectingThread(Thread):
    """Owns a worker process: loads engines into it, and hands it one scan after the other."""

    def __init__(self, inspecting: Inspecting, office: Office, number: int) -> None:
        super().__init__(name=f"cargosight-inspect-{number}", daemon=True)
        self.worker = WorkerProcess(memory_mb=office.settings.worker_memory_mb)
        self.tasks: SimpleQueue[Task] = SimpleQueue()
        self._inspecting = inspecting
        self._office = office
        self._tried = -_RETRY_SECONDS
        self._loaded: set[Engine] = set()

    def ask(self, task: Callable[[], Any]) -> "Future[Any]":
        """Let the thread run something between two scans."""
        future: Future[Any] = Future()
        self.tasks.put((task, future))
        self._inspecting.wake()
        return future

    def run(self) -> None:
        """Work until the service stops."""
        stop = self._inspecting.stopping
        while not stop.is_set():
            try:
                self._load_missing()
                busy = self._run_task() or self._inspect_one()
            except DatabaseError as error:
                _LOG.warning("the database does not answer", extra={"reason": str(error)})
                busy = False
            if not busy:
                with self._inspecting.work:
                    if not stop.is_set() and self.tasks.empty():
                        self._inspecting.work.wait(_IDLE_SECONDS)

    def _load_missing(self) -> None:
        """Load the engines of lanes that have none yet; those that failed are tried again now and then."""
        retry = monotonic() - self._tried >= _RETRY_SECONDS
        for name, each in self._office.engines.all().items():
            if each.facts is not None or (each.problem is not None and not retry):
                continue
            self._tried = monotonic()
            try:
                facts = self.load(each.engine, self._office.settings.lane(name))
            except EngineError as error:
                if not self._inspecting.stopping.is_set():
                    _LOG.error("model not loaded", extra={"lane": name, "reason": str(error)})
                    self._office.engines.failed(each.engine, str(error))
            else:
                self._office.engines.loaded(name, each.engine, facts)
                self._office.measuring.model_loaded(name, facts)
                _LOG.info("model loaded", extra={"lane": name, "model": facts.model})
                self._inspecting.wake()

    def load(self, engine: Engine, lane: LaneSettings) -> EngineFacts:
        """Load an engine into the worker and check it there; in this thread alone.

        Raises:
            EngineError: it fails a check.
        """
        facts = _load(self.worker, engine, lane)
        self._loaded.add(engine)
        return facts

    def drop(self, engine: Engine) -> None:
        """Let the worker forget an engine; in this thread alone."""
        self._loaded.discard(engine)
        self.worker.drop(engine)

    def _run_task(self) -> bool:
        try:
            task, future = self.tasks.get_nowait()
        except Empty:
            return False
        try:
            future.set_result(task())
        except Exception as error:  # noqa: BLE001 - it is handed to whoever asked
            future.set_exception(error)
        return True

    def _inspect_one(self) -> bool:
        row = self._inspecting.take()
        if row is None:
            return False
        try:
            self._inspect(row)
        finally:
            self._inspecting.done(row.id)
        return True

    def _inspect(self, row: Row[Any]) -> None:
        found = self._office.engines.of(row.lane)
        if found.facts is None or not self._has(found.engine, found.facts, row.lane):
            return
        maps = _maps_name(row.id, found.facts)
        result = self._result(row, found.engine, found.facts, maps)
        if result is not None:
            self._record(row, result, maps if result["maps"] else None)

    def _has(self, engine: Engine, facts: EngineFacts, lane: str) -> bool:
        """Return whether the worker has an engine, as all others have it; a lane whose model it cannot have waits."""
        if engine in self._loaded and engine not in self.worker.lost:
            return True
        try:
            if self.load(engine, self._office.settings.lane(lane)) == facts:
                return True
            problem = (
                f"the model file of {facts.model} is another than when it was loaded; choose the model anew"
            )
            self.drop(engine)
        except EngineError as error:
            problem = str(error)
        if not self._inspecting.stopping.is_set():
            _LOG.error("model lost", extra={"lane": lane, "reason": problem})
            self._tried = monotonic()
            self._office.engines.failed(engine, problem)
            self._office.measuring.metrics.model_missing(lane)
        return False

    def _result(
        self, row: Row[Any], engine: Engine, facts: EngineFacts, maps: str
    ) -> Mapping[str, Any] | None:
        """Return what the worker says of a scan; None where the scan has to wait for another try."""
        office, stop = self._office, self._inspecting.stopping
        about = {"lane": row.lane, "scan": row.id}
        try:
            return self.worker.inspect(
                engine,
                office.settings.data / row.stored,
                name=row.name,
                declared=row.heading,
                maps_to=office.settings.data / maps,
                timeout_s=office.settings.inspection_timeout_seconds,
            )
        except WorkerDied as error:
            if stop.is_set():
                return None
            _LOG.error("worker lost", extra={**about, "reason": str(error)})
            office.measuring.metrics.worker_died("inspection")
            if row.attempts + 1 < MOST_ATTEMPTS:
                office.until_recorded(stop, lambda: scans.note_attempt(office.database, row.id))
                return None
            sentence = (
                f"the inspection ended without a result {MOST_ATTEMPTS} times ({error}); look at it by hand"
            )
            return unreadable_result(row, engine, facts, sentence)
        except OSError as error:  # the disk took no maps; the scan waits, and with it the queue
            _LOG.error("maps not written", extra={**about, "reason": str(error)})
            stop.wait(_FULL_DISK_SECONDS)
            sentence = None
        except (EngineError, UsageError) as error:
            _LOG.error("not inspected", extra={**about, "reason": str(error)})
            sentence = None if engine in self.worker.lost else str(error)
        return None if sentence is None else unreadable_result(row, engine, facts, sentence)

    def _lost_worker(self, row: Row[Any], error: WorkerDied) -> str | None:
        """Count that a scan took the worker with it; return the sentence once it was too often."""
        office, stop = self._office, self._inspecting.stopping
        if stop.is_set():
            return None
        _LOG.error("worker lost", extra={"lane": row.lane, "scan": row.id, "reason": str(error)})
        office.measuring.metrics.worker_died("inspection")
        if row.attempts + 1 < MOST_ATTEMPTS:
            office.until_recorded(stop, lambda: scans.note_attempt(office.database, row.id))
            return None
        return f"the inspection ended without a result {MOST_ATTEMPTS} times ({error}); look at it by hand"

    def _record(self, row: Row[Any], result: Mapping[str, Any], maps: str | None) -> None:
        office = self._office
        moment = datetime.now(UTC)
        done = office.until_recorded(
            self._inspecting.stopping,
            lambda: inspections.record(office.database, row.id, result, maps=maps, moment=moment),
        )
        if done is not None and done[1]:
            office.measuring.inspected(row.lane, result, row.received_at, moment, late=row.overdue)


def _maps_name(scan: int, facts: EngineFacts) -> str:
    point = sha256(facts.operating_point.encode()).hexdigest()[:8]
    return str(Path("maps") / f"{scan}-{facts.fingerprint[:12]}-{point}.npz")


def chosen(
    engine: Engine, *, model: str | None, operating_point: str | None, threshold: float | None
) -> Engine:
    """Return an engine with another model or thresholds; the model stays where none is named."""
    return replace(engine, model=model or engine.model, operating_point=operating_point, threshold=threshold)
