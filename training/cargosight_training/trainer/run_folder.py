"""The folder of a run: what lies in it, and whether a run may begin or go on there."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from cargosight_models.errors import UsageError
from cargosight_training.config import TrainConfig
from cargosight_training.config_files import dump_config
from cargosight_training.trainer import checkpoint


@dataclass(frozen=True)
class RunFolder:
    """The files of a run.

    Attributes:
        path: the folder; other files in it are left alone.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def checkpoint(self) -> Path:
        """All that a resumed run needs."""
        return self.path / "last.pt"

    @property
    def log(self) -> Path:
        """Losses, one row for some steps each."""
        return self.path / "log.csv"

    @property
    def evaluations(self) -> Path:
        """Figures on the validation scans, one row for each evaluation."""
        return self.path / "evaluations.csv"

    @property
    def last_model(self) -> Path:
        """The average weights of the last evaluation, exported."""
        return self.path / "last.onnx"

    @property
    def best_model(self) -> Path:
        """The best of them so far."""
        return self.path / "best.onnx"

    @property
    def best_weights(self) -> Path:
        """The same in half precision for torch, to start other runs from."""
        return self.path / "best.pt"

    @property
    def curves(self) -> Path:
        """Plots of losses and mAP."""
        return self.path / "curves.png"

    @property
    def sheet(self) -> Path:
        """Validation scans as annotated and as found by the last evaluation."""
        return self.path / "predictions.png"

    @property
    def lock(self) -> Path:
        """Held by the process that trains here."""
        return self.path / "run.lock"

    @property
    def held(self) -> str:
        """The sentence for who finds the lock held."""
        return f"another process is training in {self.path}: wait for it, or set `out` to another folder"

    def check(self, config: TrainConfig, *, resume: bool, fresh: bool) -> None:
        """Refuse what does not fit the folder; nothing is changed.

        Args:
            config: of the run.
            resume: go on with the run in the folder.
            fresh: delete the run in the folder and begin anew.

        Raises:
            UsageError: there is a run and neither was asked for, or none to resume.
        """
        begun = any(file.exists() for file in (self.checkpoint, self.log, self.config))
        if resume and not begun:
            raise UsageError(f"there is no run in {self.path} to resume: leave --resume out to begin one")
        if begun and not resume and not fresh:
            raise UsageError(self._refusal(config.total_steps))

    def write_config(self, config: TrainConfig) -> None:
        """Note what the run was asked for."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.config.write_text(dump_config(config), encoding="utf-8")

    def _refusal(self, total: int) -> str:
        done = checkpoint.load_run(self.checkpoint)["step"] if self.checkpoint.exists() else 0
        if done >= total:
            return (
                f"{self.path} holds a finished run of {done} steps: set `out` to another folder, or delete the run "
                "and begin anew with --fresh"
            )
        return (
            f"{self.path} holds a run that has done {done} of {total} steps: go on with --resume, or delete it and "
            "begin anew with --fresh"
        )

    def clear(self) -> None:
        """Delete the run; what else lies in the folder stays."""
        for file in (
            self.config,
            self.checkpoint,
            self.log,
            self.evaluations,
            self.last_model,
            self.best_model,
            self.best_weights,
            self.curves,
            self.sheet,
        ):
            file.unlink(missing_ok=True)
        if (self.path / "tensorboard").is_dir():
            shutil.rmtree(self.path / "tensorboard")
