"""A run of `cargosight batch` in a process of its own: started, waited for, looked at from outside."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
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
