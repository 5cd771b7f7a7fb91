"""Training runs in processes of their own: begun, resumed where they stopped, known to be finished.

What is measured between runs (`cargosight leave-out`, the comparisons at equal time) starts each of them as
`cargosight train` does, so that a run's memory and threads end with it and a figure never depends on the runs before.
"""

import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from cargosight_models.errors import ConfigurationError, UsageError
from cargosight_training.config import TrainConfig
from cargosight_training.config_changes import differences
from cargosight_training.config_files import dump_config, load_config
from cargosight_training.trainer.journal import read_rows

_PROGRAM = """\
import ctypes, signal, sys
if sys.platform == "linux":  # a parent that is killed takes its run along, which stops with a checkpoint
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
from cargosight_inference.cli import main
sys.exit(main(sys.argv[1:]))
"""
_STOPPED = (130, 143)
"""Exit codes of a run that was asked to end: after a step, or by SIGTERM before the first one."""
_STDERR = 2


@dataclass(frozen=True)
class ChildRun:
    """One run and its folder.

    Attributes:
        config: All its settings; `config.out` is the folder.
    """

    config: TrainConfig

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.config.out

    @property
    def model(self) -> Path:
        """The exported best weights; those of the last step where the run has no validation scans."""
        return self.folder / "best.onnx"

    @property
    def finished(self) -> bool:
        """Whether the run has done its last step and exported its weights."""
        return self.model.is_file() and self._last_row("evaluations.csv", "step") >= self.config.total_steps

    @property
    def cpu_hours(self) -> float:
        """CPU time that training has taken so far, evaluations not counted."""
        return self._last_row("evaluations.csv", "cpu_hours")

    def check(self) -> None:
        """Refuse a folder that holds a run with other settings.

        Raises:
            ConfigurationError: The settings there cannot be read.
            UsageError: They differ from those of this run; the message names them.
        """
        written = self.folder / "config.yaml"
        if not written.is_file():
            return
        differing = differences(load_config(written), self.config)
        if differing:
            key, (found, expected) = next(iter(differing.items()))
            raise UsageError(
                f"{self.folder} holds a run with other settings ({', '.join(differing)}; {key} is {found} there and "
                f"{expected} here): name another folder, or delete that one"
            )

    def train(self) -> bool:
        """Begin or resume the run and wait for its end; returns whether it got there, False when it was stopped.

        Ctrl-C and SIGTERM are passed on to it: it stops after the step under way, with a checkpoint.

        Raises:
            UsageError: The folder holds another run.
            ConfigurationError: The run failed; it has said why.
        """
        self.check()
        if self.finished:
            return True
        self.folder.mkdir(parents=True, exist_ok=True)
        written = self.folder / "config.yaml"
        written.write_text(dump_config(self.config), encoding="utf-8")
        # A folder with settings and no checkpoint is resumed at step 0.
        code = _run_child([sys.executable, "-c", _PROGRAM, "train", str(written), "--resume"])
        if code in _STOPPED:
            return False
        if code != 0 or not self.finished:
            raise ConfigurationError(
                f"the training run in {self.folder} ended with exit code {code} and without a model; it says why above"
            )
        return True

    def _last_row(self, name: str, column: str) -> float:
        values = [row[column] for row in read_rows(self.folder / name) if row[column]]
        return float(values[-1]) if values else 0.0


def _run_child(command: list[str]) -> int:
    """Run a command with its output on stderr, passing signals on to it; returns its exit code."""
    # In a session of its own a Ctrl-C reaches it once, from here, and not from the terminal as well.
    child = subprocess.Popen(command, stdout=_STDERR, start_new_session=True)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    heard = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
