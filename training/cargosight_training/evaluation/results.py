"""One evaluation: a model's figures on a data set, apart for real, projected and simulated scans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cargosight_inference.inspector import Inspector
from cargosight_models.errors import DataSetError
from cargosight_models.geometry import DoubleArray, FloatArray
from cargosight_models.operating_points import OperatingPoint, Sidecar
from cargosight_training.datasets.records import DataSet
from cargosight_training.evaluation.bootstrap import SAMPLES
from cargosight_training.evaluation.confusion import Confusion, confusion
from cargosight_training.evaluation.figures import Figures, compute
from cargosight_training.evaluation.null_projection import NullProjections, measure_null_projections
from cargosight_training.evaluation.operating_points import (
    choose,
    measure_at,
    measured_to_json,
    thresholds_of,
)
from cargosight_training.evaluation.rates import fit_threshold
from cargosight_training.evaluation.run import Inspected, Progress, inspect_dataset
from cargosight_training.evaluation.scored import Scored

SCHEMA = 1
REFERENCE_PFA = 0.05


@dataclass(frozen=True, eq=False)
class Part:
    """The figures on scans of one origin.

    Attributes:
        figures: What does not depend on a threshold, and PD at fixed PFA.
        points: Operating points fitted to these scans, rates cross-fitted; empty where they cannot be.
        points_missing: Why there are none, else None.
        stored: What the operating points in the model's sidecar do on these scans, by name.
        thresholds: (C,) those of the confusion matrix and of the galleries.
        thresholds_from: Where these come from, in words.
        confusion: At these thresholds.
    """

    figures: Figures
    points: tuple[OperatingPoint, ...]
    points_missing: str | None
    stored: Mapping[str, Mapping[str, Any]]
    thresholds: FloatArray
    thresholds_from: str
    confusion: Confusion

    @property
    def scored(self) -> Scored:
        """Images, findings and boxes."""
        return self.figures.matched.scored

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            **self.figures.to_dict(),
            "operating_points_fitted_here": {
                point.name: {"thresholds": dict(point.thresholds), **point.measured} for point in self.points
            },
            "operating_points_missing": self.points_missing,
            "operating_points_of_the_model": dict(self.stored),
            "confusion": {"thresholds_from": self.thresholds_from, **self.confusion.to_dict()},
        }


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one model does on one data set.

    Attributes:
        model: Name, file name, fingerprint, precision, code version and class names of the model.
        data: Name of the data set, and which groups were chosen or left out.
        notes: What was left out or limits the figures.
        milliseconds: Median time of each stage on one scan.
        parts: One for each origin that occurs, real scans first.
        null_projections: What they do to the alarms of clean real scans; None where they were not asked for.
    """

    model: Mapping[str, Any]
    data: Mapping[str, Any]
    notes: tuple[str, ...]
    milliseconds: Mapping[str, float]
    parts: tuple[Part, ...]
    null_projections: NullProjections | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; schema 1."""
        null = self.null_projections
        return {
            "schema": SCHEMA,
            "model": dict(self.model),
            "data": dict(self.data),
            "notes": list(self.notes),
            "median_ms": dict(self.milliseconds),
            "parts": {part.scored.origin: part.to_dict() for part in self.parts},
            "null_projections": None if null is None else null.to_dict(),
        }


def evaluate(
    inspector: Inspector,
    dataset: DataSet,
    *,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
    samples: int = SAMPLES,
    seed: int = 0,
    null_projections: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Inspect a data set and compute every figure.

    Args:
        inspector: From `run.open_inspector`.
        dataset: The images, groups chosen already.
        only: The groups that were chosen, to be stated with the figures.
        without: The groups that were left out, likewise.
        samples: Bootstrap samples; 0 draws no interval.
        seed: Of folds, bootstrap and null projections.
        null_projections: Also score the clean real scans with nothing and with decoys projected into them.
        progress: Called with (done, total) after each image.

    Raises:
        DataSetError: An image cannot be read or does not fit its annotations, nothing is labelled, or there is
            no clean real scan for null projections.
    """
    inspected = inspect_dataset(inspector, dataset, progress=progress)
    contract = inspector.contract
    data = {"name": dataset.name, "only": list(only), "without": list(without)}
    sidecar = inspector.model.sidecar
    parts = evaluate_parts(inspected, sidecar=sidecar, data=data, samples=samples, seed=seed)
    null = None
    if null_projections:
        null = measure_null_projections(
            inspector,
            parts[0].figures.matched,
            points=parts[0].points,
            sidecar=sidecar,
            seed=seed,
            progress=progress,
        )
    return Evaluation(
        model={
            "name": contract.name,
            "file": inspector.model.path.name,
            "fingerprint": inspector.fingerprint,
            "precision": contract.precision,
            "code_version": contract.code_version,
            "classes": list(contract.classes),
        },
        data=data,
        notes=inspected.notes,
        milliseconds=inspected.milliseconds,
        parts=parts,
        null_projections=null,
    )


def evaluate_parts(
    inspected: Inspected,
    *,
    sidecar: Sidecar | None,
    data: Mapping[str, Any],
    samples: int = SAMPLES,
    seed: int = 0,
) -> tuple[Part, ...]:
    """The figures of each origin, from what was found; see `evaluate`."""
    return tuple(
        _part(scored, looks, sidecar, describe(scored, data), samples=samples, seed=seed)
        for scored, looks in inspected.by_origin()
    )


def describe(scored: Scored, data: Mapping[str, Any]) -> str:
    """On which data, in one phrase: `val: 1125 real scans (sixray 103, …), without site-2022`."""
    counts: dict[str, int] = {}
    for image in scored.images:
        counts[image.source] = counts.get(image.source, 0) + 1
    sources = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    text = f"{data['name']}: {len(scored)} {scored.origin} scans ({sources})"
    for key in ("only", "without"):
        if data[key]:
            text += f", {key} {', '.join(data[key])}"
    return text


def _part(
    scored: Scored, looks: DoubleArray, sidecar: Sidecar | None, data: str, *, samples: int, seed: int
) -> Part:
    figures = compute(scored, looks=looks, samples=samples, seed=seed)
    points: tuple[OperatingPoint, ...] = ()
    missing = None
    try:
        points = choose(figures.matched, data=data, seed=seed)
    except DataSetError as error:
        missing = str(error)
    thresholds, source = _reference(figures, sidecar, points)
    return Part(
        figures=figures,
        points=points,
        points_missing=missing,
        stored={} if sidecar is None else _measure_stored(figures, sidecar),
        thresholds=thresholds,
        thresholds_from=source,
        confusion=confusion(figures.matched, thresholds),
    )


def _reference(
    figures: Figures, sidecar: Sidecar | None, points: Sequence[OperatingPoint]
) -> tuple[FloatArray, str]:
    """The thresholds of the confusion matrix and the galleries, and where they come from."""
    scored = figures.matched.scored
    if sidecar is not None:
        point = sidecar.point(sidecar.default)
        return thresholds_of(scored, point), f"the model's operating point {point.name}"
    for point in points:
        if point.wanted_pfa == REFERENCE_PFA:
            return thresholds_of(scored, point), f"the operating point {point.name} fitted to these scans"
    scan_scores, negative = scored.scan_scores, scored.negative
    values = [
        fit_threshold(scan_scores[negative[:, class_id], class_id], REFERENCE_PFA).value
        for class_id in range(len(scored.classes))
    ]
    return (
        np.array(values, dtype=np.float32),
        f"a false-alarm rate of {REFERENCE_PFA:.0%} for each class on these scans",
    )


def _measure_stored(figures: Figures, sidecar: Sidecar) -> dict[str, Mapping[str, Any]]:
    scored = figures.matched.scored
    nothing_short = np.zeros(len(scored.classes), dtype=np.bool_)
    stored: dict[str, Mapping[str, Any]] = {}
    for point in sidecar.operating_points:
        values = np.broadcast_to(thresholds_of(scored, point), (len(scored), len(scored.classes)))
        wanted = point.wanted_pfa if point.wanted_pfa is not None else 0.0
        measured = measure_at(figures.matched, values, wanted, nothing_short)
        stored[point.name] = {"chosen_on": point.data, **measured_to_json(figures.matched, measured)}
    return stored
