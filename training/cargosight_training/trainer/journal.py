"""What a run writes as it goes: a CSV of the losses, a terminal line with the time left, TensorBoard if asked for."""

import csv
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cargosight_training.trainer.cpu_time import cpu_seconds

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

COLUMNS = (
    "step",
    "size",
    "lr",
    "loss",
    "classes",
    "boxes",
    "positives",
    "anomaly",
    "images_per_second",
    "cpu_hours",
)


class Journal:
    """Rows of a run's progress.

    Args:
        folder: of the run; rows go to ``log.csv`` there.
        total: steps of the run.
        first: step that this process starts at; later rows of an earlier process are dropped.
        batch: images in a step.
        tensorboard: also write event files to ``folder/tensorboard``.
        cpu_hours: CPU time that earlier processes of the run have spent.
    """

    def __init__(
        self, folder: Path, *, total: int, first: int, batch: int, tensorboard: bool, cpu_hours: float
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._total, self._first, self._batch = folder / "log.csv", total, first, batch
        self._cpu_before = cpu_hours - cpu_seconds() / 3600.0
        self._start = self._last_time = time.perf_counter()
        self._last_step = first
        write_rows(self._path, COLUMNS, [row for row in read_rows(self._path) if int(row["step"]) < first])
        self._board: SummaryWriter | None = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter as Writer

            self._board = Writer(str(folder / "tensorboard"), purge_step=first)

    @property
    def cpu_hours(self) -> float:
        """CPU time of the run so far on this process and its loaders; evaluations are not counted."""
        return self._cpu_before + cpu_seconds() / 3600.0

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Time spent in the block is no training time."""
        times, clock = os.times(), time.perf_counter()
        try:
            yield
        finally:
            after = os.times()
            self._cpu_before -= (after.user + after.system - times.user - times.system) / 3600.0
            passed = time.perf_counter() - clock
            self._start += passed
            self._last_time += passed

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Append a row and show the progress.

        Args:
            step: the step that was just done, from 0.
            values: of the columns, but for those that the journal measures itself.
        """
        now = time.perf_counter()
        pace = (step + 1 - self._last_step) * self._batch / max(now - self._last_time, 1e-9)
        self._last_step, self._last_time = step + 1, now
        full = {"step": step, **values, "images_per_second": pace, "cpu_hours": self.cpu_hours}
        with self._path.open("a", newline="", encoding="utf-8") as out:
            csv.DictWriter(out, COLUMNS).writerow({k: _short(v) for k, v in full.items()})
        if self._board is not None:
            for key, value in full.items():
                if key != "step":
                    self._board.add_scalar(key, value, step)
        self._show(step, full)

    def close(self) -> None:
        """Finish the terminal line and the event file."""
        if sys.stderr.isatty():
            sys.stderr.write("\n")
        if self._board is not None:
            self._board.close()

    def _show(self, step: int, values: Mapping[str, float]) -> None:
        done = step + 1
        seconds = (time.perf_counter() - self._start) / max(1, done - self._first) * (self._total - done)
        left = f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d} left"
        bar = "█" * (20 * done // self._total)
        text = (
            f"{bar:░<20} step {done}/{self._total}  loss {values['loss']:.3f} "
            f"({values['classes']:.3f} classes, {values['boxes']:.3f} boxes)  "
            f"{values['size']:.0f} px  {values['images_per_second']:.1f} images/s  {left}"
        )
        sys.stderr.write(f"\r\x1b[K{text}" if sys.stderr.isatty() else text + "\n")
        sys.stderr.flush()


def note(text: str) -> None:
    """Say something about the run on a line of its own, over the progress line."""
    sys.stderr.write(("\r\x1b[K" if sys.stderr.isatty() else "") + text + "\n")
    sys.stderr.flush()


def read_rows(path: Path) -> list[dict[str, str]]:
    """The whole rows of a CSV file; none where there is no file. A row that a crash cut short is left out."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as source:
        lines = [line for line in source if line.endswith("\n")]
    rows = list(csv.DictReader(lines))
    return [row for row in rows if None not in row and None not in row.values() and row["step"].isdecimal()]


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Write a CSV file anew, so that a kill leaves the old one or the new one."""
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, columns)
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
