"""A run of `cargosight batch` on made JPEGs: its CPU-time beside the bare calls, two workers beside one, and memory."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cargosight_inference.benchmark.bare import Bare
from cargosight_inference.benchmark.batch_process import (
    check,
    command,
    ended_cpu_seconds,
    linked_paths,
    memory_each_second,
    started,
    wait_for_manifest,
)
from cargosight_inference.benchmark.images import make_images
from cargosight_inference.benchmark.measures import Spread
from cargosight_models.catalog import ModelFile
from cargosight_models.errors import UsageError

CPU_TARGET, SCALING_TARGET = 1.10, 1.85
"""At most so many times the CPU-time of the bare calls; at least so many times the throughput of one worker."""
LEAST_SCANS = 1_000
"""Fewer tell of the start of processes."""
_SLICE = 320
"""Images of the bare calls before, between and after the runs."""
_WARM = 1 / 3


@dataclass(frozen=True)
class BatchRun:
    """Two workers on all scans, one on half as many, with the bare calls before, between and after.

    Attributes:
        scans: that two workers read.
        bare_ms: CPU-milliseconds an image of `imdecode`, `resize` and `session.run` alone.
        cpu_ms: CPU-milliseconds a scan of the run with two workers, all processes from start to end, planning and
            summary with it.
        ratio: of these, for the median of the bare calls and for each extreme.
        seconds: of two workers, from the plan to the end, by the clock.
        against_one: throughput of two workers in times that of one.
        first_mb: resident memory of all processes after a third of the time, in 10^6 bytes; None where the system
            does not tell.
        last_mb: the same at the end.
    """

    scans: int
    bare_ms: Spread
    cpu_ms: float
    ratio: Spread
    seconds: float
    against_one: float
    first_mb: float | None
    last_mb: float | None


@dataclass(frozen=True)
class _Run:
    seconds: float
    cpu_seconds: float
    memories: tuple[float, ...]


def measure_batch(model: ModelFile, folder: Path, scans: int) -> BatchRun:
    """Measure on scans of 900 x 600 pixels, which are reached by many paths.

    Raises:
        UsageError: too few scans, or a run failed.
    """
    if scans < LEAST_SCANS:
        raise UsageError(f"{scans:,} scans for the batch run; expected {LEAST_SCANS:,} or more")
    folder.mkdir()
    images = folder / "images"
    images.mkdir()
    paths = make_images(images)
    bare = [_bare(model, paths)]
    two = _run(model, _table(folder, "two", paths, scans), folder / "out-two", 2)
    bare.append(_bare(model, paths))
    one = _run(model, _table(folder, "one", paths, scans // 2), folder / "out-one", 1)
    bare.append(_bare(model, paths))
    cpu_ms = 1e3 * two.cpu_seconds / scans
    warm = two.memories[int(_WARM * len(two.memories)) :]
    return BatchRun(
        scans=scans,
        bare_ms=Spread.of(bare),
        cpu_ms=cpu_ms,
        ratio=Spread.of([cpu_ms / each for each in bare]),
        seconds=two.seconds,
        against_one=(scans / two.seconds) / ((scans // 2) / one.seconds),
        first_mb=warm[0] if warm else None,
        last_mb=warm[-1] if warm else None,
    )


def _bare(model: ModelFile, paths: Sequence[Path]) -> float:
    """Return the CPU-milliseconds an image of the bare calls."""
    bare = Bare(model, paths, 1)
    bare.run_all()
    rounds = _SLICE // len(paths)
    return 1e3 * sum(bare.run_all() for _ in range(rounds)) / (rounds * len(paths))


def _table(folder: Path, name: str, paths: Sequence[Path], scans: int) -> Path:
    """Write a table of as many paths, through links between folders."""
    table = folder / f"{name}.csv"
    with table.open("w", encoding="utf-8") as out:
        out.write("path\n")
        out.writelines(f"{path}\n" for path in linked_paths(folder, name, paths, scans))
    return table


def _run(model: ModelFile, table: Path, out: Path, workers: int) -> _Run:
    before = ended_cpu_seconds()
    words = command(table, out, model=str(model.path), threshold=0.3, workers=workers)
    with started(words) as process:
        wait_for_manifest(process, out)
        began = time.monotonic()
        samples = tuple(memory_each_second(process))
        seconds = time.monotonic() - began
        check(process)
    return _Run(seconds, ended_cpu_seconds() - before, samples)
