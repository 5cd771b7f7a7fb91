"""A worker: a process of its own that reads, inspects and draws scans, called as if it were a function.

What can go wrong with files of strangers and with native code goes wrong there: the worker dies or is ended, the caller
gets `WorkerDied`, and the next call has another worker. POSIX alone.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from threading import Lock
from types import MappingProxyType, TracebackType
from typing import Any

from cargosight_inference.scans.scan import Polarity, Subject
from cargosight_inference.service.child_process import ChildProcess
from cargosight_inference.service.engines import Engine, EngineFacts
from cargosight_models.errors import (
    CargosightError,
    EngineError,
    NoSuchTile,
    ScanError,
    UnreadablePicture,
    UsageError,
    WorkerDied,
)

_LOOK_SECONDS = 0.05
START_SECONDS, LOAD_SECONDS = 120.0, 600.0
"""Time for a process to start, and for a model to be loaded and checked, on a machine that has much else to do."""
_ERRORS: Mapping[str, type[CargosightError]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (CargosightError, EngineError, NoSuchTile, ScanError, UnreadablePicture, UsageError)
    }
)
"""What a worker raises for its caller, by name."""


class WorkerProcess:
    """One worker, for one caller at a time, in whatever thread. Use it as a context, or call `close`.

    A process is started by the first call, and again by the first after it died; it then loads the engines that were
    loaded before, without their golden scans, and an engine whose files are not what they were fails by itself. Ctrl-C
    and SIGTERM are its owner's business; when the owner ends, however it ends, the process does.
    """

    def __init__(self, *, memory_mb: int | None = None) -> None:
        """Prepare a worker; no process is started yet.

        Args:
            memory_mb: limit of the process's address space in 10^6 bytes, None for none. Libraries alone map some
                hundreds.
        """
        self._memory_mb = memory_mb
        self._alone = Lock()
        self._child: ChildProcess | None = None
        self._engines: dict[Engine, EngineFacts] = {}
        self._lost: dict[Engine, str] = {}
        self._closed = False

    @property
    def alive(self) -> bool:
        """Whether there is a process now."""
        child = self._child
        return child is not None and child.alive

    @property
    def pid(self) -> int | None:
        """Number of the process, None where there is none now."""
        child = self._child
        return child.pid if child is not None and child.alive else None

    @property
    def engines(self) -> Mapping[Engine, EngineFacts]:
        """The engines that were loaded and not dropped."""
        return MappingProxyType(self._engines)

    @property
    def lost(self) -> Mapping[Engine, str]:
        """Of the loaded engines those that the present process could not load again, and why.

        They fail on every scan, until they are loaded anew: no scan is to blame for that.
        """
        return MappingProxyType(self._lost)

    def start(self) -> None:
        """Start the process where there is none.

        Raises:
            WorkerDied: it could not be started, or died while engines were loaded again.
        """
        with self._by_one_caller():
            self._ensure()

    def close(self) -> None:
        """End the process for good, from any thread; a call that is under way gets `WorkerDied`."""
        self._closed = True
        while not self._alone.acquire(timeout=_LOOK_SECONDS):
            child = self._child
            if child is not None:
                child.kill()
        try:
            if self._child is not None:
                self._child.end()
        finally:
            self._alone.release()

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def load(
        self,
        engine: Engine,
        golden: Path | None = None,
        expect: str | None = None,
        *,
        timeout_s: float = LOAD_SECONDS,
    ) -> EngineFacts:
        """Load an engine, warm it up and check it on a golden scan; see `golden.check_golden`.

        An engine that is loaded already is replaced by itself, with its files as they are now, if they pass.

        Args:
            engine: to be loaded.
            golden: the scan, None for a shipped sample of the subject.
            expect: `clear` or `refer`, None for either.
            timeout_s: after which the process is ended.

        Raises:
            EngineError: a check failed; the sentence says which. Nothing has changed.
            UsageError: something else than a decision is expected.
            WorkerDied: see `inspect`.
        """
        with self._by_one_caller():
            arguments = {
                "engine": engine.to_json(),
                "golden": None if golden is None else str(golden),
                "expect": expect,
            }
            found, _ = self._ask("load", arguments, timeout_s)
            facts = EngineFacts.from_dict(found)
            self._engines[engine] = facts
            self._lost.pop(engine, None)
            return facts

    def drop(self, engine: Engine) -> None:
        """Forget an engine; one that is not loaded is no error.

        Raises:
            WorkerDied: see `inspect`; the engine is forgotten.
        """
        with self._by_one_caller():
            self._engines.pop(engine, None)
            self._lost.pop(engine, None)
            if self.alive:
                self._ask("drop", {"engine": engine.to_json()}, LOAD_SECONDS)

    def inspect(
        self,
        engine: Engine,
        path: Path,
        *,
        name: str | None,
        declared: str | None = None,
        maps_to: Path | None = None,
        timeout_s: float,
    ) -> dict[str, Any]:
        """Inspect a file. One that cannot be read gives an inspection with the decision `unreadable`.

        Args:
            engine: that was loaded.
            path: of the file, under any name: its content decides how it is read.
            name: stands as `path` in the result, in which nothing says where the file lies.
            declared: heading on its manifest; passed over where the engine inspects no cargo.
            maps_to: file for the maps, see `maps`; written durably, and not at all where the engine gives no maps.
            timeout_s: after which the process is ended.

        Returns:
            `Inspection.to_dict()`, and `maps`: [rows, columns, side of a cell in scan pixels] of each that was written.

        Raises:
            EngineError: the engine was not loaded, its files are not what they were then, or it fails on this scan.
            UsageError: a wrong heading.
            OSError: the maps could not be written.
            WorkerDied: the process died, or was ended for taking too long.
        """
        with self._by_one_caller():
            arguments = {
                "engine": engine.to_json(),
                "path": str(path),
                "name": name,
                "declared": declared,
                "maps_to": None if maps_to is None else str(maps_to),
            }
            return self._ask("inspect", arguments, timeout_s, engine)[0]

    def picture(
        self,
        path: Path,
        *,
        subject: Subject,
        max_pixels: int,
        air_level: float | None,
        polarity: Polarity | None,
        pixel_pitch_mm: tuple[float, float] | None,
        folder: Path,
        timeout_s: float,
    ) -> dict[str, Any]:
        """Make the picture of a file in a folder; see `pictures.write_picture`. No engine takes part.

        Returns:
            The description.

        Raises:
            UnreadablePicture: the file cannot be read; the sentence says why.
            OSError: the picture could not be written.
            WorkerDied: see `inspect`.
        """
        with self._by_one_caller():
            options = {
                "subject": subject,
                "max_pixels": max_pixels,
                "air_level": air_level,
                "polarity": polarity,
                "pixel_pitch_mm": pixel_pitch_mm,
            }
            arguments = {"path": str(path), "options": options, "folder": str(folder)}
            return self._ask("picture", arguments, timeout_s)[0]

    def overlay(
        self,
        engine: Engine,
        path: Path,
        *,
        inspection: Mapping[str, Any],
        maps: Path | None,
        timeout_s: float,
    ) -> bytes:
        """Draw a recorded inspection over its scan.

        Args:
            engine: by which the scan is read; it need not be loaded.
            path: of the file.
            inspection: as `inspect` returned it.
            maps: file of its maps, None where there is none.
            timeout_s: after which the process is ended.

        Returns:
            A PNG.

        Raises:
            UnreadablePicture: the file cannot be read, could not then, or is another scan.
            UsageError: the record is of another version.
            WorkerDied: see `inspect`.
        """
        with self._by_one_caller():
            arguments = {
                "engine": engine.to_json(),
                "path": str(path),
                "inspection": dict(inspection),
                "maps": None if maps is None else str(maps),
            }
            return self._ask("overlay", arguments, timeout_s)[1]

    @contextmanager
    def _by_one_caller(self) -> Iterator[None]:
        if not self._alone.acquire(blocking=False):
            raise RuntimeError(
                "a worker was called while it works for another thread; give each thread its own"
            )
        try:
            yield
        finally:
            self._alone.release()

    def _ask(
        self, call: str, arguments: Mapping[str, Any], seconds: float, engine: Engine | None = None
    ) -> tuple[dict[str, Any], bytes]:
        """Make a call, with a loaded engine where one is named, and return its value and the bytes behind it."""
        child = self._ensure()
        if engine is not None:
            if engine in self._lost:
                raise EngineError(self._lost[engine])
            if engine not in self._engines:
                raise EngineError("this engine was not loaded into the worker; load it first")
        return self._answer(child, call, arguments, seconds)

    def _answer(
        self, child: ChildProcess, call: str, arguments: Mapping[str, Any], seconds: float
    ) -> tuple[dict[str, Any], bytes]:
        head, body = self._exchange(child, call, {"call": call, "seconds": seconds, **arguments}, seconds)
        if "error" in head:
            raise _raised(head)
        return head["value"], body

    def _exchange(
        self, child: ChildProcess, call: str, request: Mapping[str, Any] | None, seconds: float
    ) -> tuple[dict[str, Any], bytes]:
        try:
            return child.ask(call, request, seconds)
        except WorkerDied as death:
            if self._closed:
                raise WorkerDied(f"the worker was closed during {call}", "closed") from death
            raise

    def _ensure(self) -> ChildProcess:
        """Return the process; a new one with all engines where there is none."""
        if self._closed:
            raise WorkerDied("the worker was closed; a call needs another one", "closed")
        if self._child is not None:
            if self._child.alive:
                return self._child
            self._child.end()
        self._child = ChildProcess(self._memory_mb)
        self._exchange(self._child, "start", None, START_SECONDS)
        self._lost.clear()
        for engine, facts in self._engines.items():
            self._load_again(self._child, engine, facts)
        return self._child

    def _load_again(self, child: ChildProcess, engine: Engine, facts: EngineFacts) -> None:
        """Load an engine into a new process. Only what it was checked as may go on inspecting under its name."""
        try:
            found, _ = self._answer(child, "load_again", {"engine": engine.to_json()}, LOAD_SECONDS)
        except EngineError as error:
            self._lost[engine] = str(error)
            return
        now = EngineFacts.from_dict(found)
        changed = [
            entry.name
            for entry in fields(EngineFacts)
            if entry.compare and getattr(now, entry.name) != getattr(facts, entry.name)
        ]
        if changed:
            self._lost[engine] = (
                f"the model {facts.model} changed on disk after it was loaded ({', '.join(changed)}); load it anew, so "
                "that it is checked"
            )


def _raised(head: Mapping[str, Any]) -> Exception:
    """Return the error that a worker's answer tells of."""
    if head["error"] == "OSError":
        return OSError(head["number"], head["sentence"])
    return _ERRORS.get(head["error"], CargosightError)(head["sentence"])
