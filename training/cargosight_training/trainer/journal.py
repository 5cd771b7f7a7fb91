"""What a run writes as it goes: a CSV of the losses, a terminal line with the time left, TensorBoard if asked for."""

import csv
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

COLUMNS = ("step", "size", "lr", "loss", "classes", "boxes", "positives", "images_per_second", "cpu_hours")


class Journal:
    """Rows of a run's progress.

    Args:
        folder: of the run; rows go to ``log.csv`` there.
        total: steps of the run.
        first: step that this process starts at; later rows of an earlier process are dropped.
        tensorboard: also write event files to ``folder/tensorboard``.
        cpu_hours: CPU time that earlier processes of the run have spent.
    """

    def __init__(self, folder: Path, *, total: int, first: int, tensorboard: bool, cpu_hours: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path, self._total, self._first = folder / "log.csv", total, first
        self._start, self._cpu_before = time.perf_counter(), cpu_hours - _cpu_hours()
        rows = [row for row in read_rows(self._path) if int(row["step"]) < first]
        with self._path.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        self._board: SummaryWriter | None = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=first)

    @property
    def cpu_hours(self) -> float:
        """CPU time of the run so far, loaders included."""
        return self._cpu_before + _cpu_hours()

    def row(self, step: int, values: dict[str, float]) -> None:
        """Append a row and show the progress."""
        values = {"step": step, **values, "cpu_hours": self.cpu_hours}
        with self._path.open("a", newline="", encoding="utf-8") as out:
            csv.DictWriter(out, COLUMNS).writerow({k: _short(v) for k, v in values.items()})
        if self._board is not None:
            for key, value in values.items():
                if key != "step":
                    self._board.add_scalar(key, value, step)
        self._show(step, values)

    def note(self, text: str) -> None:
        """Say something about the run on a line of its own."""
        sys.stderr.write(("\r\x1b[K" if sys.stderr.isatty() else "") + text + "\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Finish the terminal line and the event file."""
        if sys.stderr.isatty():
            sys.stderr.write("\n")
        if self._board is not None:
            self._board.close()

    def _show(self, step: int, values: dict[str, float]) -> None:
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


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a ``log.csv``; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as source:
        return list(csv.DictReader(source))


def _cpu_hours() -> float:
    """CPU time of this process and of its finished children."""
    times = os.times()
    return (times.user + times.system + times.children_user + times.children_system) / 3600.0


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
