"""A simulated archive of a million scans, planned, scored, killed and resumed; and how memory goes with its rows.

The archive has a thousand small files that are reached by many paths, through links between folders; the network is a
tiny one. So it is the run itself that is measured: its plan, its parts, and what it does when it is killed.
"""

import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cargosight_inference.benchmark.batch_process import (
    POLL_SECONDS,
    check,
    command,
    ended_cpu_seconds,
    linked_paths,
    memory_each_second,
    parts_of,
    started,
    wait,
    wait_for_manifest,
)
from cargosight_inference.benchmark.measures import memory_of
from cargosight_models.errors import UsageError

TINY = Path(__file__).with_name("tiny.onnx")
"""Looks for dark windows in bags, at next to no cost."""
PLAN_SECONDS, PLAN_MB, GROWTH_MB = 120.0, 300.0, 1.0
"""Targets: of planning a million rows, and of growth over 10,000 rows."""
_FILES = 1000
_SIZE = (64, 96)
_PER = 10_000
_WARM = 1 / 3
"""Part of the rows after which memory is watched: before, caches and arenas fill."""


@dataclass(frozen=True)
class ArchiveRun:
    """What came of a run that was killed again and again.

    Attributes:
        rows: of the archive.
        planning_seconds: from the start of the command to its manifest, by the clock, undisturbed.
        planning_cpu_seconds: of the process in that time.
        planning_peak_mb: most memory of the process by then, in 10^6 bytes; None where the system does not tell.
        kills: SIGKILLs of the run, at random points.
        kills_while_planning: of them, those that left no manifest.
        seconds: from the first start of the run that is killed to its success marker, by the clock.
        resume_seconds: from the last start to the first new part.
        wrong: inputs that do not have exactly one row, in their place.
    """

    rows: int
    planning_seconds: float
    planning_cpu_seconds: float
    planning_peak_mb: float | None
    kills: int
    kills_while_planning: int
    seconds: float
    resume_seconds: float
    wrong: int


@dataclass(frozen=True)
class Soak:
    """How memory goes with the rows of one long run.

    Attributes:
        rows: of the archive.
        seconds: by the clock, without planning.
        growth_mb: of the run and its worker together over 10,000 rows, by least squares after the first third, in 10^6
            bytes.
        first_mb: memory at the end of the first third.
        last_mb: memory at the end.
    """

    rows: int
    seconds: float
    growth_mb: float
    first_mb: float
    last_mb: float


def make_archive(folder: Path, rows: int) -> Path:
    """Make the files, the links to them and a table of as many paths with a column `day`; return the table."""
    scans = folder / "scans"
    scans.mkdir(parents=True)
    generator = np.random.default_rng(5)
    files = [scans / f"scan{number:03}.jpg" for number in range(_FILES)]
    for number, file in enumerate(files):
        picture = generator.integers(200, 256, (*_SIZE, 3), dtype=np.uint8)
        if number % 10 == 0:
            picture[:48, :48] = 0
        cv2.imwrite(str(file), picture)
    table = folder / "archive.csv"
    with table.open("w", encoding="utf-8") as out:
        out.write("path,day\n")
        for number, path in enumerate(linked_paths(folder, "lane", files, rows)):
            out.write(f"{path},2026-{number % 12 + 1:02}-01\n")
    return table


def measure_archive(folder: Path, rows: int, kills: int, *, workers: int = 2, seed: int = 7) -> ArchiveRun:
    """Plan and score an archive, and kill the command at random points, a fifth of the times while it plans.

    Raises:
        UsageError: a run ended without having been killed.
    """
    table, out, chance = make_archive(folder, rows), folder / "out", random.Random(seed)
    undisturbed = folder / "undisturbed"
    planned = _planned(_command(table, undisturbed, workers), undisturbed)
    shutil.rmtree(undisturbed, ignore_errors=True)  # a worker may be about to end in it
    words = _command(table, out, workers)
    began, killed, while_planning = time.monotonic(), 0, 0
    for _ in range(kills // 5):
        with started(words) as process:
            wait(process, seconds=chance.uniform(planned.began, planned.seconds))
            was_alive = process.poll() is None
        killed += was_alive
        while_planning += was_alive and not (out / "manifest.json").exists()
    if not (out / "manifest.json").exists():
        killed += _planned(words, out).was_alive
    left = kills - killed
    while left > 0 and not (out / "_SUCCESS").exists():
        with started(words) as process:
            there = parts_of(out)
            step = max(1, (rows // 1000 - there) // (left + 1))
            wait(process, out=out, parts=there + chance.randint(1, step))
            wait(process, seconds=chance.uniform(0.0, 1.0))
            killed += process.poll() is None
        left -= 1
    resumed = _resume(words, out)
    return ArchiveRun(
        rows=rows,
        planning_seconds=planned.seconds,
        planning_cpu_seconds=planned.cpu_seconds,
        planning_peak_mb=planned.peak_mb,
        kills=killed,
        kills_while_planning=while_planning,
        seconds=time.monotonic() - began,
        resume_seconds=resumed,
        wrong=_wrong(table, out, rows),
    )


def measure_soak(folder: Path, rows: int) -> Soak:
    """Score an archive with one worker and watch the memory of both processes.

    Raises:
        UsageError: the run failed, or the system does not tell the memory of processes.
    """
    table, out = make_archive(folder, rows), folder / "out"
    samples: list[tuple[int, float]] = []
    with started(_command(table, out, 1)) as process:
        began: float | None = None
        for memory in memory_each_second(process):
            if done := 1000 * parts_of(out):
                began = began or time.monotonic()
                samples.append((done, memory))
        check(process)
    warm = [(done, memory) for done, memory in samples if _WARM * rows <= done < rows]
    if len(warm) < 3 or began is None:
        raise UsageError(
            f"memory could be looked at {len(warm)} times; expected more rows than {rows:,}, and /proc"
        )
    done_rows, memories = np.array(warm, dtype=np.float64).T
    slope = float(np.polyfit(done_rows, memories, 1)[0])
    return Soak(rows, time.monotonic() - began, slope * _PER, warm[0][1], warm[-1][1])


def _command(table: Path, out: Path, workers: int) -> list[str]:
    return command(table, out, model=str(TINY), threshold=0.9, workers=workers)


@dataclass(frozen=True)
class _Planned:
    """A run that was killed as soon as it was planned.

    Attributes:
        began: seconds from the start to the first file in the output, when the sources are about to be listed.
        seconds: from the start to the manifest.
        cpu_seconds: of the process.
        peak_mb: most memory of the process, None where the system does not tell.
        was_alive: when it was killed.
    """

    began: float
    seconds: float
    cpu_seconds: float
    peak_mb: float | None
    was_alive: bool


def _planned(words: Sequence[str], out: Path) -> _Planned:
    """Let a run plan, undisturbed, and kill it then."""
    start, used = time.monotonic(), ended_cpu_seconds()
    with started(words) as process:
        while process.poll() is None and not (out.exists() and any(out.iterdir())):
            time.sleep(POLL_SECONDS)
        began = time.monotonic() - start
        wait_for_manifest(process, out)
        taken, peak = time.monotonic() - start, memory_of([process.pid], "VmHWM")
        was_alive = process.poll() is None
        if not was_alive:
            check(process)
    return _Planned(began, taken, ended_cpu_seconds() - used, peak, was_alive)


def _resume(words: Sequence[str], out: Path) -> float:
    """Let a run finish; return the seconds to its first part."""
    began, there = time.monotonic(), parts_of(out)
    with started(words) as process:
        wait(process, out=out, parts=there + 1)
        taken = time.monotonic() - began
        wait(process)
        check(process)
    return taken


def _wrong(archive: Path, out: Path, rows: int) -> int:
    """Return how many inputs do not have exactly one row, in their place."""
    from cargosight_inference.batch.parts import open_run, read_parts
    from cargosight_inference.batch.places import open_place

    wrong = number = 0
    with open_place(out) as place, archive.open(encoding="utf-8") as lines:
        next(lines)
        for table in read_parts(open_run(place), place, ["number", "path", "decision"]):
            for at, path, decision in zip(
                *(table[name].to_pylist() for name in table.column_names), strict=True
            ):
                expected = next(lines, "").split(",")[0]
                wrong += (at, path) != (number, expected) or decision == "unreadable"
                number += 1
    return wrong + abs(rows - number)
