"""Evaluation while a run goes on: the average weights are exported and scored as they would be used."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from cargosight_inference.inspector import Inspector
from cargosight_inference.session import ThreadPolicy
from cargosight_models.contract import DataTerms
from cargosight_models.errors import ExportError
from cargosight_models.networks.detector import Detector
from cargosight_training.config import TrainConfig
from cargosight_training.datasets.records import DataSet
from cargosight_training.evaluation.figures import Figures, compute
from cargosight_training.evaluation.rates import SCORE_FLOOR
from cargosight_training.evaluation.run import Inspected, inspect_dataset
from cargosight_training.export.detector import export_detector
from cargosight_training.trainer import checkpoint
from cargosight_training.trainer.journal import note, read_rows, write_rows
from cargosight_training.trainer.pictures import draw_curves, draw_sheet
from cargosight_training.trainer.run_folder import RunFolder

FIGURES = ("map50", "map", "map50_all", "map_all")
"""Averages over the classes with 20 boxes or more (over all, where there is none), then over all with a box."""


class _StoppedError(Exception):
    """The run is to stop, so that an evaluation under way is left and done again when the run is resumed."""


class Validation:
    """Scores a run's average weights and keeps the best.

    Without validation scans the weights are exported all the same, and the latest count as the best.

    Args:
        config: the run.
        classes: class names by class id.
        data: the validation scans over the same classes, None for none.
        terms: of the training data, for the model file.
        stop: whether the run is to stop; asked between scans.
    """

    def __init__(
        self,
        config: TrainConfig,
        classes: tuple[str, ...],
        data: DataSet | None,
        terms: tuple[DataTerms, ...],
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._config, self._classes, self._data = config, classes, data
        self._terms, self._stop = terms, stop
        self._folder = RunFolder(config.out)

    def __call__(self, model: Detector, step: int, cpu_hours: float) -> None:
        """Evaluate; nothing where the step has its row already.

        Raises:
            ExportError: the final weights cannot be exported; earlier ones are passed over.
        """
        if any(int(row["step"]) == step for row in read_rows(self._folder.evaluations)):
            return
        try:
            self._evaluate(model, step, cpu_hours)
        except _StoppedError:
            note("the evaluation was left; it is done again when the run is resumed")
        except ExportError as error:
            if step >= self._config.total_steps:
                raise
            note(f"step {step} is not evaluated: {error}")

    def drop_after(self, step: int) -> None:
        """Forget the evaluations of steps that are to be done again."""
        rows = read_rows(self._folder.evaluations)
        if any(int(row["step"]) > step for row in rows):
            write_rows(self._folder.evaluations, list(rows[0]), [r for r in rows if int(r["step"]) <= step])

    def _evaluate(self, model: Detector, step: int, cpu_hours: float) -> None:
        folder = self._folder
        export_detector(model, self._classes, self._config, folder.last_model, self._terms)
        figures: dict[str, float | None] = dict.fromkeys(FIGURES)
        precisions: dict[str, float | None] = dict.fromkeys(self._classes)
        if self._data is not None:
            inspector = Inspector(
                folder.last_model,
                threshold=SCORE_FLOOR,
                threads=ThreadPolicy(intra_op=torch.get_num_threads()),
            )
            inspected = inspect_dataset(inspector, self._data, progress=self._check_stop)
            scored, _ = inspected.by_origin()[0]  # real scans, where there are any
            computed = compute(scored, samples=0)
            figures = _averages(computed)
            precisions = {one.name: one.ap50 for one in computed.classes}
            self._draw_sheet(inspector, inspected)
        if self._is_best(figures["map50"]):
            _copy(folder.last_model, folder.best_model)
            checkpoint.save_weights(
                folder.best_weights, model, model.settings, self._classes, training_data=self._terms
            )
        named = {f"ap50 {name}": precisions.get(name) for name in self._classes}
        self._append({"step": step, "cpu_hours": cpu_hours, **figures, **named})
        draw_curves(folder)
        if figures["map50"] is not None:
            best = max(float(row["map50"]) for row in read_rows(folder.evaluations) if row["map50"])
            note(f"step {step}: mAP50 {figures['map50']:.3f} on the validation scans, best so far {best:.3f}")

    def _check_stop(self, _done: int, _total: int) -> None:
        if self._stop():
            raise _StoppedError

    def _draw_sheet(self, inspector: Inspector, inspected: Inspected) -> None:
        if self._config.log.sheet:
            draw_sheet(
                self._folder.sheet,
                inspector,
                inspected.images,
                inspected.findings,
                count=self._config.log.sheet,
            )

    def _is_best(self, map50: float | None) -> bool:
        """Whether a result is the best so far; without a figure the latest is."""
        before = [float(row["map50"]) for row in read_rows(self._folder.evaluations) if row["map50"]]
        return not before if map50 is None else all(map50 > other for other in before)

    def _append(self, row: Mapping[str, float | None]) -> None:
        texts = {
            key: "" if value is None else str(value) if isinstance(value, int) else f"{value:.6g}"
            for key, value in row.items()
        }
        rows = [*read_rows(self._folder.evaluations), texts]
        write_rows(self._folder.evaluations, list(texts), rows)


def _averages(figures: Figures) -> dict[str, float | None]:
    everything = figures.all_classes
    headline = figures.headline if figures.headline.classes else everything
    values = (headline.map50, headline.map, everything.map50, everything.map)
    return dict(zip(FIGURES, values, strict=True))


def _copy(source: Path, target: Path) -> None:
    """Copy a file so that a reader finds the old one or the new one."""
    partial = target.with_suffix(".partial")
    shutil.copyfile(source, partial)
    partial.replace(target)
