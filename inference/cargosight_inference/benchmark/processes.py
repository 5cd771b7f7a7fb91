"""What is measured in processes of its own: time to the first result, memory of a stream, and a rival's."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter

from cargosight_inference.benchmark.measures import Spread, memory
from cargosight_inference.inspector import Inspector
from cargosight_models.errors import UsageError

RIVAL = "ultralytics"
RIVAL_WEIGHTS = "yolo11n.yaml"
"""The rival's network with random weights: it needs no download, and weights change neither time nor
memory."""

_START = """
import sys
from cargosight_inference.cli import main
code = main(sys.argv[1:])
from cargosight_inference.benchmark.measures import memory
sys.stdout.write(f"{memory().peak}\\n")
sys.exit(code)
"""

_STREAM = """
import json, sys
from cargosight_inference.benchmark.processes import stream_and_report
stream_and_report(**json.loads(sys.argv[1]))
"""

_RIVAL = """
import sys
from ultralytics import YOLO
YOLO(sys.argv[1]).predict(sys.argv[2], device="cpu", verbose=False)
sys.stdout.write("\\nfirst result\\n")
sys.stdout.flush()
from cargosight_inference.benchmark.measures import memory
sys.stdout.write(f"{memory().peak}\\n")
"""

_RIVAL_RESULT = "first result\n"
"""It logs to the standard output, too."""


@dataclass(frozen=True)
class Start:
    """A fresh process that inspects one scan.

    Attributes:
        seconds: from the process's start until its first result was written.
        peak_mb: most resident memory in MB.
    """

    seconds: Spread
    peak_mb: Spread


@dataclass(frozen=True)
class StreamMemory:
    """Memory of one process that inspects many scans, in MB.

    Attributes:
        scans: inspected in all.
        checkpoints: (scans so far, resident memory, None where the system does not tell).
        growth_mb: from the first third's highest checkpoint to the highest one after it; 0 or less is flat.
        peak_mb: most resident memory.
    """

    scans: int
    checkpoints: tuple[tuple[int, float | None], ...]
    growth_mb: float | None
    peak_mb: float


def measure_start(model: str, threshold: float, paths: Sequence[Path], starts: int) -> Start:
    """Start `cargosight inspect` anew `starts` times, each on the next of `paths`."""
    arguments = ["inspect", "--model", model, "--threshold", str(threshold)]
    runs = [_timed(_START, [*arguments, str(path)]) for path in islice(cycle(paths), starts)]
    return _summarised(runs)


def measure_results(model: str, threshold: float, path: Path, out: Path) -> float:
    """Return the peak memory in MB of a fresh `cargosight inspect --out` on one scan."""
    arguments = ["inspect", "--model", model, "--threshold", str(threshold), "--out", str(out), str(path)]
    return _timed(_START, arguments)[1]


def rival_is_installed() -> bool:
    """Return whether the rival's package can be imported."""
    return find_spec(RIVAL) is not None


def measure_rival(paths: Sequence[Path], starts: int, weights: str = RIVAL_WEIGHTS) -> Start:
    """Start the rival's predict anew `starts` times, each on the next of `paths`."""
    runs = [
        _timed(_RIVAL, [weights, str(path)], first=_RIVAL_RESULT) for path in islice(cycle(paths), starts)
    ]
    return _summarised(runs)


def measure_stream(model: str, threshold: float, paths: Sequence[Path], scans: int) -> StreamMemory:
    """Stream `scans` scans, `paths` over and over, through one process, and watch its memory."""
    settings = {
        "model": model,
        "threshold": threshold,
        "paths": [str(path) for path in paths],
        "scans": scans,
    }
    output = _run(_STREAM, [json.dumps(settings)])
    found = json.loads(output.splitlines()[-1])
    checkpoints = tuple((int(scan), now) for scan, now in found["checkpoints"])
    return StreamMemory(scans, checkpoints, growth(checkpoints), float(found["peak"]))


def growth(checkpoints: Sequence[tuple[int, float | None]]) -> float | None:
    """Return by how many MB memory rose after the first third, None where it is not known."""
    known = [now for _, now in checkpoints if now is not None]
    first = max(1, len(known) // 3)
    if len(known) <= first:
        return None
    return max(known[first:]) - max(known[:first])


def stream_and_report(model: str, threshold: float, paths: list[str], scans: int) -> None:
    """Be the process of `measure_stream`: write its memory as one line of JSON."""
    import cv2

    cv2.setNumThreads(1)  # as the command does
    inspector = Inspector(model, threshold=threshold)
    step = max(1, scans // 20)
    checkpoints: list[tuple[int, float | None]] = []
    for done, _ in enumerate(inspector.stream(islice(cycle(paths), scans)), start=1):
        if done % step == 0 or done == scans:
            checkpoints.append((done, memory().now))
    sys.stdout.write(json.dumps({"checkpoints": checkpoints, "peak": memory().peak}) + "\n")


def _summarised(runs: Sequence[tuple[float, float]]) -> Start:
    return Start(Spread.of([seconds for seconds, _ in runs]), Spread.of([peak for _, peak in runs]))


def _timed(code: str, arguments: Sequence[str], *, first: str | None = None) -> tuple[float, float]:
    """Run a program that writes its result and, last of all, its peak memory; return seconds to the result, and MB.

    Args:
        code: the program.
        arguments: its arguments.
        first: the line that is the result, where others may stand before it.
    """
    started = perf_counter()
    # Not a second pipe: it could fill up while the first one is read.
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        if process.stdout is None:
            raise AssertionError("a pipe was asked for")
        try:
            line = process.stdout.readline()
            while line and first not in (None, line):
                line = process.stdout.readline()
            seconds = perf_counter() - started
            rest = process.stdout.read()  # `communicate` would lose what came together with the first line
            exit_code = process.wait()
        finally:
            process.kill()  # where this process is told to end, that one ends too
        if exit_code != 0:
            errors.seek(0)
            raise UsageError(
                f"a process to measure failed with code {exit_code}: {errors.read()[-500:].strip()}"
            )
    return seconds, float(rest.split()[-1])


def _run(code: str, arguments: Sequence[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise UsageError(
            f"a process to measure failed with code {done.returncode}: {done.stderr[-500:].strip()}"
        )
    return done.stdout
