"""A run of `cargosight batch` in a process of its own: started, waited for, looked at from outside."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cargosight_inference.benchmark.measures import family, memory_of
from cargosight_models.errors import UsageError

POLL_SECONDS = 0.1
_SAMPLE_SECONDS = 1.0
_LONG_SECONDS = 24 * 3600.0
_CODE = "import sys; from cargosight_inference.cli import main; sys.exit(main())"


def command(table: Path, out: Path, *, model: str, threshold: float, workers: int) -> list[str]:
    """Return the words that start a run over a table of paths."""
    return [
        *(sys.executable, "-P", "-c", _CODE, "batch", str(table), "--out", str(out)),
        *("--model", model, "--threshold", f"{threshold:g}", "--workers", str(workers)),
    ]


@contextmanager
def started(words: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Have a run going while the block runs, and kill it in the end."""
    # A group of its own: its workers are stopped with it, and the system ends a stopped group whose parent is gone.
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, process_group=0)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait(
    process: subprocess.Popen[bytes],
    *,
    seconds: float = _LONG_SECONDS,
    out: Path | None = None,
    parts: int = 0,
) -> None:
    """Wait for a time, for a number of parts, or for the end of the run."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end and (out is None or parts_of(out) < parts):
        time.sleep(min(POLL_SECONDS, max(0.0, end - time.monotonic())))


def check(process: subprocess.Popen[bytes]) -> None:
    """Make sure that a run that has ended did so well.

    Raises:
        UsageError: it did not.
    """
    if process.returncode != 0:
        told = process.stderr.read().decode(errors="replace")[-500:] if process.stderr is not None else ""
        raise UsageError(f"the run that is measured ended with exit code {process.returncode}: {told}")


def wait_for_manifest(process: subprocess.Popen[bytes], out: Path) -> None:
    """Wait until a run is planned, or for its end."""
    while process.poll() is None and not (out / "manifest.json").exists():
        time.sleep(POLL_SECONDS)


def memory_each_second(process: subprocess.Popen[bytes]) -> Iterator[float]:
    """Yield the resident memory of a run and its workers once a second until it ends, in 10^6 bytes."""
    while process.poll() is None:
        wait(process, seconds=_SAMPLE_SECONDS)
        memory = memory_of(family(process.pid), "VmRSS")
        if memory is not None and process.poll() is None:
            yield memory


@dataclass
class Turns:
    """A planned run that goes on only while it is its turn, so that others are measured beside it on the same machine.

    Attributes:
        process: of the run; it and its workers are one process group.
        seconds: for which it has been going on since its plan, by the clock.
        cpu_seconds: of all its processes from their start, once it has ended.
        memories: resident memory of all its processes at the end of each turn but the last, in 10^6 bytes.
    """

    process: subprocess.Popen[bytes]
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    memories: list[float] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.process.returncode is not None

    def take(self, seconds: float) -> None:
        """Let it go on for a time, or to its end.

        Raises:
            UsageError: it ended, and not well.
        """
        before, began = ended_cpu_seconds(), time.monotonic()
        os.killpg(self.process.pid, signal.SIGCONT)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            self.seconds += time.monotonic() - began
            memory = memory_of(family(self.process.pid), "VmRSS")
            if memory is not None:
                self.memories.append(memory)
        else:
            self.seconds += time.monotonic() - began
            self.cpu_seconds = ended_cpu_seconds() - before
            check(self.process)

    def stop(self) -> None:
        """Have it stand still."""
        os.killpg(self.process.pid, signal.SIGSTOP)


@contextmanager
def planned_turns(words: Sequence[str], out: Path) -> Iterator[Turns]:
    """Start a run and have it stand still as soon as it is planned.

    Raises:
        UsageError: it ended before.
    """
    with started(words) as process:
        wait_for_manifest(process, out)
        if process.returncode is not None:
            check(process)
        turns = Turns(process)
        turns.stop()
        try:
            yield turns
        finally:
            if not turns.is_over:
                os.killpg(process.pid, signal.SIGCONT)  # so that its workers see its end


def ended_cpu_seconds() -> float:
    """Return the CPU-time of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def linked_paths(folder: Path, name: str, files: Sequence[Path], count: int) -> Iterator[str]:
    """Yield many paths of a few files, through links to the folder that they are in.

    Args:
        folder: gets the links, each made before its paths come.
        name: the links begin with.
        files: of one folder.
        count: of the paths.
    """
    for lane, first in enumerate(range(0, count, len(files))):
        link = folder / f"{name}{lane:05}"
        link.symlink_to(files[0].parent, target_is_directory=True)
        yield from (f"{link}/{file.name}" for file in files[: count - first])


def parts_of(out: Path) -> int:
    """Return how many parts a run has published."""
    try:
        return len(os.listdir(out / "parts"))  # noqa: PTH208 - a count of names alone
    except FileNotFoundError:
        return 0
