"""What runs in a worker's process: `python -m cargosight_inference.batch.worker_main`, started by a run.

Messages are lines of JSON: through the standard input come the job and then one range of inputs after the other,
through the standard output go the answers. Both are under other numbers before any library is imported: what those
print goes to the standard error. It stops after the input under way when the standard input ends, as it does when the
run ends, however that ends. An error that nobody expected ends the process; the run starts another.
"""

import argparse
import faulthandler
import fcntl
import json
import os
import resource
import select
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from cargosight_inference.batch.worker import Counter
from cargosight_models.errors import CargosightError

if TYPE_CHECKING:
    from cargosight_inference.batch.manifest import Manifest
    from cargosight_inference.batch.places import Place
    from cargosight_inference.inspector import Inspector

_FIRST_FREE = 3
_SACRIFICE = "500"
_GRACE = 10.0
"""Seconds from the end of the run's pipe to that of the process, whatever native code is at."""
_READ = 1 << 16
_NO_MEMORY = "bad_alloc"
"""What native code says where a Python library raises a `MemoryError`."""


class _Line:
    """The two pipes."""

    def __init__(self) -> None:
        """Take the standard streams, and give libraries others to print into."""
        self.reading, self._writing = (
            fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for stream in (0, 1)
        )
        nothing = os.open(os.devnull, os.O_RDWR)  # becomes the standard error where that is closed
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        self._rest = b""

    def next(self) -> dict[str, Any] | None:
        """Wait for a message; None when there will be no more."""
        while b"\n" not in self._rest:
            piece = os.read(self.reading, _READ)
            if not piece:
                return None
            self._rest += piece
        line, self._rest = self._rest.split(b"\n", 1)
        found: dict[str, Any] = json.loads(line)
        return found

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a message; nobody may be there to read it."""
        rest = memoryview(json.dumps(message).encode("ascii") + b"\n")
        with suppress(BrokenPipeError):
            while rest:
                rest = rest[os.write(self._writing, rest) :]

    def wait_for_end(self) -> None:
        """Return when nobody can write any more; safe beside another thread that reads."""
        poll = select.poll()
        poll.register(self.reading, 0)
        poll.poll()


def _prepare_process(memory_mb: int | None) -> None:
    # Both are meant for the run, which stops its workers in its own way and held them back until here.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if memory_mb is not None:
        limit = memory_mb * 1_000_000
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with suppress(OSError):  # Linux alone: when memory runs out, a worker goes and not the run
        Path("/proc/self/oom_score_adj").write_text(_SACRIFICE, encoding="ascii")
    # Otherwise numpy and pyarrow start threads for each core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if sys.stderr is not None:
        faulthandler.enable()


def _end_with_run(line: _Line, stop: Event) -> None:
    line.wait_for_end()
    stop.set()
    Event().wait(_GRACE)
    os._exit(0)


class _Scorer:
    def __init__(self, hello: Mapping[str, Any], counter: Counter, stop: Event) -> None:
        import cv2
        import pyarrow as pa

        from cargosight_inference.batch.engine import Job
        from cargosight_inference.batch.manifest import check_same, read_manifest
        from cargosight_inference.batch.places import BatchError, open_place
        from cargosight_inference.batch.shard import Pace

        cv2.setNumThreads(1)
        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
        self._job = Job.from_dict(hello["job"])
        self.place: Place = open_place(self._job.url)
        manifest = read_manifest(self.place)
        if manifest is None or manifest.fingerprint != self._job.fingerprint:
            raise BatchError(f"the manifest in {self._job.url} is not the one that this run began with")
        self._inspector: Inspector = self._job.scoring.inspector()
        check_same(manifest, self._job.scoring.fingerprint(self._inspector), self.place)
        self._manifest: Manifest = manifest
        self._pace = Pace(hello["rate"])
        self._counter, self._stop = counter, stop

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Score a range of a shard; publish its part where it is the whole."""
        from cargosight_inference.batch.shard import score_shard

        shard = asked["shard"]
        name = self._manifest.part_name(shard)
        if asked["to"] is None and self.place.exists(name):  # another run was faster
            return {"counts": {}, "ours": False}
        scored = score_shard(
            self._manifest,
            shard,
            self.place,
            self._inspector,
            self._stop,
            first=asked["first"],
            last=asked["last"],
            overlays=self._job.overlays,
            pace=self._pace,
            advance=self._counter.set,
        )
        found = {"counts": dict(scored.counts), "ours": True, "to": asked["to"]}
        try:
            if asked["to"] is None:
                found["ours"] = self.place.publish(name, scored.file)
            else:
                scored.file.replace(asked["to"])
        finally:
            scored.file.unlink(missing_ok=True)
        return found


def _why_refused(error: CargosightError | MemoryError, memory_mb: int | None) -> str:
    """Say why no model is at work; where memory is limited and ran out, the model is not to blame."""
    if memory_mb is not None and (isinstance(error, MemoryError) or _NO_MEMORY in str(error)):
        return (
            f"a worker's memory is limited to {memory_mb} MB, which is too little for the model; give a larger "
            "--worker-memory, or none"
        )
    return str(error)


def _work(line: _Line, counter: Counter, stop: Event, memory_mb: int | None) -> None:
    from cargosight_inference.batch.shard import Stopped

    hello = line.next()
    if hello is None:
        return
    try:
        scorer = _Scorer(hello, counter, stop)
    except (CargosightError, MemoryError) as error:
        if isinstance(error, MemoryError) and memory_mb is None:
            raise  # the machine's ran out, and the next process may find some
        line.say({"refused": _why_refused(error, memory_mb)})
        return
    line.say({"ready": True})
    with scorer.place:
        while not stop.is_set() and (asked := line.next()) is not None:
            try:
                line.say({"finished": scorer.answer(asked)})
            except Stopped:
                return
            except (CargosightError, OSError) as error:
                line.say({"failed": str(error)})


def main() -> int:
    """Score what the run asks for until it closes the pipe or ends."""
    parser = argparse.ArgumentParser(description="A worker of a batch run; the run starts it.")
    parser.add_argument("--counter", type=Path, required=True)
    parser.add_argument("--memory-mb", type=int)
    arguments = parser.parse_args()
    # A person who tries it out reads a sentence, and not the first message.
    if sys.stdin is None or sys.stdout is None or sys.stdin.isatty():
        parser.error("a run starts its workers by itself: run `cargosight batch`")
    line, stop = _Line(), Event()
    _prepare_process(arguments.memory_mb)
    Thread(target=_end_with_run, args=(line, stop), name="cargosight-run", daemon=True).start()
    _work(line, Counter(arguments.counter), stop, arguments.memory_mb)
    return 0


if __name__ == "__main__":
    sys.exit(main())
