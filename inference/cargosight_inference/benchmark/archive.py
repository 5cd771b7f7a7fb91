"""A simulated archive of a million scans, planned, scored, killed and resumed; and how memory goes with its rows.

The archive has a thousand small files that are reached by many paths, through links between folders; the network is a
tiny one. So it is the run itself that is measured: its plan, its parts, and what it does when it is killed.
"""

import random
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
    family,
    memory_mb,
    parts_of,
    started,
    wait,
)
from cargosight_models.errors import UsageError

TINY = Path(__file__).with_name("tiny.onnx")
"""Looks for dark windows in bags, at next to no cost."""
PLAN_SECONDS, PLAN_MB, GROWTH_MB = 120.0, 300.0, 1.0
"""Targets: of planning a million rows, and of growth over 10,000 rows."""
_FILES = 1000
_SIZE = (64, 96)
_SAMPLE_SECONDS = 1.0
_PER = 10_000
_WARM = 1 / 3
"""Part of the rows after which memory is watched: before, caches and arenas fill."""


@dataclass(frozen=True)
class ArchiveRun:
    """What came of a run that was killed again and again.

    Attributes:
        rows: of the archive.
        planning_seconds: from the start of the command to its manifest, by the clock.
        planning_peak_mb: most memory of the process by then, in 10^6 bytes; None where the system does not tell.
        kills: SIGKILLs of the run, at random points.
        kills_while_planning: of them.
        seconds: from the first start to the success marker, by the clock.
        resume_seconds: from the last start to the first new part.
        wrong: inputs that do not have exactly one row, in their place.
    """

    rows: int
    planning_seconds: float
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
    for number in range(_FILES):
        picture = generator.integers(200, 256, (*_SIZE, 3), dtype=np.uint8)
        if number % 10 == 0:
            picture[:48, :48] = 0
        cv2.imwrite(str(scans / f"scan{number:03}.jpg"), picture)
    for lane in range(-(-rows // _FILES)):
        (folder / f"lane{lane:05}").symlink_to(scans, target_is_directory=True)
    table = folder / "archive.csv"
    with table.open("w", encoding="utf-8") as out:
        out.write("path,day\n")
        out.writelines(f"{_path(folder, number)},2026-{number % 12 + 1:02}-01\n" for number in range(rows))
    return table


def measure_archive(folder: Path, rows: int, kills: int, *, workers: int = 2, seed: int = 7) -> ArchiveRun:
    """Plan and score an archive, and kill the command at random points, a fifth of the times while it plans.

    Raises:
        UsageError: a run ended without having been killed.
    """
    table, out, chance = make_archive(folder, rows), folder / "out", random.Random(seed)
    words = _command(table, out, workers)
    began, killed = time.monotonic(), 0
    for _ in range(kills // 5):
        with started(words) as process:
            wait(process, seconds=chance.uniform(0.3, 3.0))
            killed += process.poll() is None
    while_planning = killed if not (out / "manifest.json").exists() else 0
    planning, peak = _planned(words, out)
    killed += 1
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
        planning_seconds=planning,
        planning_peak_mb=peak,
        kills=killed,
        kills_while_planning=while_planning,
        seconds=time.monotonic() - began,
        resume_seconds=resumed,
        wrong=_wrong(folder, out, rows),
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
        while process.poll() is None:
            time.sleep(_SAMPLE_SECONDS)
            memory = memory_mb(family(process.pid), "VmRSS")
            if (done := 1000 * parts_of(out)) and memory is not None:
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


def _path(folder: Path, number: int) -> str:
    return f"{folder}/lane{number // _FILES:05}/scan{number % _FILES:03}.jpg"


def _command(table: Path, out: Path, workers: int) -> list[str]:
    return command(table, out, model=str(TINY), threshold=0.9, workers=workers)


def _planned(words: Sequence[str], out: Path) -> tuple[float, float | None]:
    """Let a run plan, undisturbed; return the seconds and the peak of its memory."""
    began = time.monotonic()
    with started(words) as process:
        while process.poll() is None and not (out / "manifest.json").exists():
            time.sleep(POLL_SECONDS)
        taken, peak = time.monotonic() - began, memory_mb([process.pid], "VmHWM")
        if process.poll() is not None:
            check(process)
    return taken, peak


def _resume(words: Sequence[str], out: Path) -> float:
    """Let a run finish; return the seconds to its first part."""
    began, there = time.monotonic(), parts_of(out)
    with started(words) as process:
        wait(process, out=out, parts=there + 1)
        taken = time.monotonic() - began
        wait(process)
        check(process)
    return taken


def _wrong(folder: Path, out: Path, rows: int) -> int:
    """Return how many inputs do not have exactly one row, in their place."""
    from cargosight_inference.batch.parts import open_run, read_parts
    from cargosight_inference.batch.places import open_place

    wrong = number = 0
    with open_place(out) as place:
        for table in read_parts(open_run(place), place, ["number", "path", "decision"]):
            for at, path, decision in zip(
                *(table[name].to_pylist() for name in table.column_names), strict=True
            ):
                wrong += (at, path) != (number, _path(folder, number)) or decision == "unreadable"
                number += 1
    return wrong + abs(rows - number)
