"""A run of `cargosight batch` on made JPEGs: its CPU-time beside the bare calls, two workers beside one, and memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from cargosight_inference.benchmark.bare import Bare
from cargosight_inference.benchmark.batch_process import command, linked_paths, planned_turns
from cargosight_inference.benchmark.images import make_images
from cargosight_inference.benchmark.measures import Spread
from cargosight_models.catalog import ModelFile
from cargosight_models.errors import UsageError

CPU_TARGET, SCALING_TARGET = 1.10, 1.85
"""At most so many times the CPU-time of the bare calls; at least so many times the throughput of one worker."""
LEAST_SCANS = 1_000
"""Fewer tell of the start of processes."""
_TURN_SECONDS = 10.0
"""Short, so that what else happens on the machine happens to all; long beside what it costs to stop and go on."""
_WARM = 1 / 3


@dataclass(frozen=True)
class BatchRun:
    """Two workers on all scans and one on half as many, by turns with each other and with the bare calls.

    Attributes:
        scans: that two workers read.
        bare_ms: CPU-milliseconds an image of `imdecode`, `resize` and `session.run` alone, of each of their turns.
        cpu_ms: CPU-milliseconds a scan of the run with two workers, all processes from start to end, planning and
            summary with it.
        ratio: of this to the mean of the bare calls.
        seconds: of two workers, from the plan to the end, by the clock, others' turns not counted.
        against_one: throughput of two workers in times that of one.
        first_mb: resident memory of all processes after a third of the time, in 10^6 bytes; None where the system
            does not tell.
        last_mb: the same at the end.
    """

    scans: int
    bare_ms: Spread
    cpu_ms: float
    ratio: float
    seconds: float
    against_one: float
    first_mb: float | None
    last_mb: float | None


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
    bare_calls, bare = Bare(model, paths, 1), []
    bare_calls.run_all()
    with (
        planned_turns(*_run(model, folder, paths, scans, workers=2)) as two,
        planned_turns(*_run(model, folder, paths, scans // 2, workers=1)) as one,
    ):
        while not (two.is_over and one.is_over):
            for turns in (two, one):
                if not turns.is_over:
                    turns.take(_TURN_SECONDS)
            bare.append(1e3 * bare_calls.run_all() / len(paths))
    cpu_ms = 1e3 * two.cpu_seconds / scans
    warm = two.memories[int(_WARM * len(two.memories)) :]
    return BatchRun(
        scans=scans,
        bare_ms=Spread.of(bare),
        cpu_ms=cpu_ms,
        ratio=cpu_ms / fmean(bare),
        seconds=two.seconds,
        against_one=(scans / two.seconds) / ((scans // 2) / one.seconds),
        first_mb=warm[0] if warm else None,
        last_mb=warm[-1] if warm else None,
    )


def _run(
    model: ModelFile, folder: Path, paths: Sequence[Path], scans: int, *, workers: int
) -> tuple[list[str], Path]:
    """Write a table of as many paths, through links between folders; return the words of a run over it, and its out."""
    name = f"workers{workers}-"
    table, out = folder / f"{name}paths.csv", folder / f"{name}out"
    with table.open("w", encoding="utf-8") as lines:
        lines.write("path\n")
        lines.writelines(f"{path}\n" for path in linked_paths(folder, name, paths, scans))
    return command(table, out, model=str(model.path), threshold=0.3, workers=workers), out
