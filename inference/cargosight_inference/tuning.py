"""How many processes and threads run a model fastest on this machine: measured once, kept, and pinned where wanted.

A session of one thread in each of several processes, one session of several threads, or something between: which is
fastest depends on the processor, on the network and on ONNX Runtime. `measure` runs the network for about a second in
each way, in turns. The answer is kept in the user's cache folder under the processor, its cores, ONNX Runtime's
version, the provider and the model's fingerprint, so that it is measured anew when one of them changes.

Threads decide how fast an answer comes and not what it is.
"""

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Literal

import numpy as np

from cargosight_inference.processor import cores, processor_name
from cargosight_inference.providers import CPU, Execution
from cargosight_inference.runtime import onnxruntime
from cargosight_inference.session import MOST_THREADS, Session, ThreadPolicy
from cargosight_models.catalog import ModelFile, home_folder
from cargosight_models.errors import UsageError

Origin = Literal["pinned", "kept", "measured", "default"]

SCHEMA = 2
ROUNDS = 3
SECONDS = 0.4
"""Of one way in one round."""
_WORTH = 1.05
"""What needs more threads has to be this much faster: less is within the noise of a second."""
_MOST_WORKERS = 64
_IN_WORDS: Final[Mapping[Origin, str]] = {
    "pinned": "as given",
    "kept": "measured before on this machine",
    "measured": "measured now",
    "default": "by default",
}


@dataclass(frozen=True)
class Running:
    """How a model is run.

    Attributes:
        workers: processes of one thread each that give the most scans a second together.
        threads_alone: of the session where there is one process only.
        origin: whether it was given, measured, measured before, or nothing is known of this machine.
        scans_per_second: of the network alone by `workers x threads`, empty where nothing was measured.
    """

    workers: int
    threads_alone: int
    origin: Origin
    scans_per_second: Mapping[str, float]

    def in_words(self) -> str:
        """Return one phrase for one process, such as `2 threads, measured before on this machine`."""
        count = self.threads_alone
        return f"{count} {'thread' if count == 1 else 'threads'}, {_IN_WORDS[self.origin]}"


def default_running() -> Running:
    """Return what is used where nothing is known: one thread, and a process for each core."""
    return Running(cores(), 1, "default", {})


def pinned(threads: int) -> Running:
    """Return what was asked for: so many threads in one process.

    Raises:
        UsageError: none are.
    """
    if threads < 1:
        raise UsageError(f"{threads} threads; expected 1 or more")
    return Running(cores(), threads, "pinned", {})


def choose_running(model: ModelFile, execution: Execution = CPU) -> Running:
    """Return what was measured on this machine, the default where it was not.

    Args:
        model: the model file.
        execution: where it runs.
    """
    kept = _read(_place(model, execution))
    return default_running() if kept is None else kept


def measure(
    model: ModelFile,
    execution: Execution = CPU,
    *,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    clock: Callable[[], float] = perf_counter,
) -> Running:
    """Run the network in several ways in turns, choose, and keep the answer.

    Sessions run side by side in threads of this process: the network's time is spent without Python's lock, so that
    they do as processes would.

    Args:
        model: the model file.
        execution: where it runs.
        rounds: how often each way runs.
        seconds: of each way in one round.
        clock: of the time by which a round ends.
    """
    count = cores()
    ways = [(1, 1)] if execution.on_device else candidates(count)
    rates: dict[tuple[int, int], list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:  # sessions anew each time, so that only one way holds memory
            rates[way].append(_rate(model, execution, *way, seconds=seconds, clock=clock))
    found = {way: max(values) for way, values in rates.items()}  # what else runs here only slows it
    workers, _ = best({way: rate for way, rate in found.items() if way[1] == 1})
    _, alone = best({way: rate for way, rate in found.items() if way[0] == 1})
    per_second = {f"{way[0]} x {way[1]}": round(rate, 2) for way, rate in found.items()}
    running = Running(workers, alone, "measured", per_second)
    _write(_place(model, execution), running)
    return running


def candidates(count: int) -> list[tuple[int, int]]:
    """Return (workers, threads) worth a try on `count` cores: one process, and one for each core."""
    threads = {1 << power for power in range(count.bit_length())} | {min(count, MOST_THREADS)}
    alone = [(1, number) for number in sorted(threads) if number <= min(count, MOST_THREADS)]
    return alone if count == 1 else [*alone, (min(_MOST_WORKERS, count), 1)]


def best(rates: Mapping[tuple[int, int], float]) -> tuple[int, int]:
    """Return the fastest (workers, threads); of those that are about as fast, the one with the fewest threads in all.

    Of equals, more processes of fewer threads: each of them also decodes.
    """
    top = max(rates.values())
    near = [way for way, rate in rates.items() if rate * _WORTH >= top]
    return min(near, key=lambda way: (way[0] * way[1], way[1]))


def _rate(
    model: ModelFile,
    execution: Execution,
    workers: int,
    threads: int,
    *,
    seconds: float,
    clock: Callable[[], float],
) -> float:
    """Return runs a second of `workers` sessions together."""
    sessions = [Session(model, ThreadPolicy(intra_op=threads), execution) for _ in range(workers)]
    wanted = sessions[0].contract.input
    height, width = max(wanted.shapes, key=lambda shape: shape[0] * shape[1])
    tensor = np.zeros((1, wanted.channels, height, width), dtype=np.float32)
    for session in sessions:
        session.run(tensor)

    def work(session: Session) -> int:
        done = 0
        while clock() < end:
            session.run(tensor)
            done += 1
        return done

    with ThreadPoolExecutor(workers) as pool:
        started = clock()
        end = started + seconds
        done = sum(pool.map(work, sessions))
        return done / max(clock() - started, 1e-9)


def _place(model: ModelFile, execution: Execution) -> Path:
    facts = {
        "schema": SCHEMA,
        "processor": processor_name(),
        "cores": cores(),
        "system": platform.system(),
        "onnxruntime": onnxruntime.__version__,
        "execution": asdict(execution),
        "model": model.sha256,
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return home_folder() / "running" / f"{digest[:32]}.json"


def _read(path: Path) -> Running | None:
    """Return what was kept; None where there is nothing, or something that is not ours."""
    try:
        found: Any = json.loads(path.read_text("utf-8"))
        running = Running(**{**found, "origin": "kept"})
        numbers = (running.workers, running.threads_alone)
        whole = all(isinstance(number, int) and 1 <= number <= 1024 for number in numbers)
    except (OSError, ValueError, TypeError):
        return None
    return running if whole else None


def _write(path: Path, running: Running) -> None:
    """Keep an answer; a folder that cannot be written to only means that it is measured again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as part:
            json.dump(asdict(replace(running, origin="kept")), part)
        os.replace(part.name, path)  # noqa: PTH105 - of a name
    except OSError:
        return
