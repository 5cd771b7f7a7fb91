"""Fitting the load state's logistic regression on a site's own scans, and measuring it.

    python -m cargosight_training.load_state train.json --images FOLDER --out load_state.json

An annotation file is JSON with a list `images`, each with `file_name`, `load` (`empty` or `loaded`; others are left
out) and `group`: near-duplicates share a group, and no group is ever split between fitting and measuring.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cargosight_inference.scans.container import locate_container
from cargosight_inference.scans.load_features import FEATURES, load_features
from cargosight_inference.scans.load_state import LoadModel
from cargosight_inference.scans.radiograph import radiograph_of
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_models.errors import DataSetError
from cargosight_models.geometry import BoolArray, DoubleArray
from cargosight_training.evaluation.global_look import area_under_roc

FOLDS = 5
RIDGE = 1.0
"""Weight of the squared coefficients. Without it, classes that do not overlap drive them to infinity."""
EMPTY_BELOW, LOADED_ABOVE = 0.1, 0.9
_NEWTON_STEPS = 50
_DRAWS = 1000
_BINS = 10
_SURE = 0.9


@dataclass(frozen=True, eq=False)
class LoadTable:
    """Labelled scans.

    Attributes:
        names: (N,) file names.
        groups: (N,) near-duplicates share one.
        features: (N, F) in the order of `FEATURES`.
        loaded: (N,) bool.
        left_out: names of labelled scans without a box to look into.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    features: DoubleArray
    loaded: BoolArray
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.names)
        shapes = (len(self.groups), self.features.shape, self.loaded.shape)
        if shapes != (count, (count, len(FEATURES)), (count,)):
            raise ValueError(
                f"a load table of {count} names has groups, features, labels {shapes}; expected as many"
            )


@dataclass(frozen=True)
class LoadFigures:
    """Cross-validated figures.

    Attributes:
        auc: chance that a loaded box scores above an empty one.
        interval: 95 % of it, by a bootstrap over groups.
        empty: how many empty scans.
        loaded: how many loaded ones.
        brier: mean square of chance minus truth.
        calibration: (mean chance, share loaded, scans) of ten bins, empty bins left out.
        unsure: how many lie between the limits.
        wrong: how many are called the other thing.
        disagreements: (name, label, chance) where the label has less than 0.1: errors, or labels to look at again.
    """

    auc: float
    interval: tuple[float, float]
    empty: int
    loaded: int
    brier: float
    calibration: tuple[tuple[float, float, int], ...]
    unsure: int
    wrong: int
    disagreements: tuple[tuple[str, str, float], ...]


def gather(annotations: Sequence[Path], images: Path) -> LoadTable:
    """Read the labelled scans of annotation files and take their features.

    Raises:
        DataSetError: a file is no such annotation file.
        ScanError: an image cannot be read.
    """
    names: list[str] = []
    groups: list[str] = []
    rows: list[DoubleArray] = []
    loaded: list[bool] = []
    left_out: list[str] = []
    for path in annotations:
        for name, group, is_loaded in _labelled(path):
            radiograph = radiograph_of(read_scan(images / name, ReadOptions(subject="cargo")))
            features = load_features(radiograph, locate_container(radiograph))
            if features is None or radiograph.meaning == "palette":
                left_out.append(name)
                continue
            names.append(name)
            groups.append(group)
            rows.append(features)
            loaded.append(is_loaded)
    features = np.stack(rows) if rows else np.zeros((0, len(FEATURES)))
    return LoadTable(tuple(names), tuple(groups), features, np.array(loaded, dtype=np.bool_), tuple(left_out))


def _labelled(path: Path) -> list[tuple[str, str, bool]]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["images"]
        return [
            (str(entry["file_name"]), str(entry["group"]), entry["load"] == "loaded")
            for entry in entries
            if entry.get("load") in ("empty", "loaded")
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataSetError(
            f"{path} is no annotation file of load states ({error!r}); expected a list `images` with file_name, "
            "load and group"
        ) from error


def fit(features: DoubleArray, loaded: BoolArray, provenance: str = "", *, ridge: float = RIDGE) -> LoadModel:
    """Fit a ridge logistic regression by Newton's method.

    Args:
        features: (N, F).
        loaded: (N,) bool.
        provenance: a sentence on the scans and their terms, kept with the coefficients.
        ridge: weight of the squared coefficients; the intercept is free.

    Raises:
        DataSetError: all scans are of one kind.
    """
    if not 0 < int(loaded.sum()) < len(loaded):
        raise DataSetError(
            f"{int(loaded.sum())} of {len(loaded)} scans are loaded; expected some of both kinds"
        )
    spreads = features.std(axis=0)
    zeros = np.zeros(features.shape[1])
    shell = LoadModel(
        tuple(FEATURES), features.mean(axis=0), np.where(spreads > 1e-9, spreads, 1.0), zeros, 0.0,
        EMPTY_BELOW, LOADED_ABOVE, provenance,
    )  # fmt: skip
    inputs = np.concatenate([np.ones((len(features), 1)), shell.standardised(features)], axis=1)
    penalty = np.full(inputs.shape[1], ridge)
    penalty[0] = 1e-6
    weights = np.zeros(inputs.shape[1])
    for _ in range(_NEWTON_STEPS):
        chance = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -40.0, 40.0)))
        slope = inputs.T @ (chance - loaded) + penalty * weights
        bend = (inputs * (chance * (1.0 - chance))[:, None]).T @ inputs + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        weights -= step
        if float(np.abs(step).max()) < 1e-9:
            break
    return replace(shell, coefficients=weights[1:], intercept=float(weights[0]))


def cross_validated(table: LoadTable, *, seed: int = 0) -> DoubleArray:
    """Return the chance of a load (N,) of each scan by a model that saw no scan of its group."""
    folds = _folds(table, seed)
    chances = np.zeros(len(table.names))
    for fold in range(FOLDS):
        held = folds == fold
        chances[held] = fit(table.features[~held], table.loaded[~held]).chance(table.features[held])
    return chances


def _folds(table: LoadTable, seed: int) -> DoubleArray:
    """Deal whole groups to folds, the largest first, each to the fold that has the fewest scans."""
    names, sizes = np.unique(table.groups, return_counts=True)
    if len(names) < FOLDS:
        raise DataSetError(f"{len(names)} groups; expected {FOLDS} or more, one for each fold")
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-sizes[order], kind="stable")]
    counts = np.zeros(FOLDS)
    fold_of: dict[str, int] = {}
    for index in order.tolist():
        fold = int(np.argmin(counts))
        fold_of[str(names[index])] = fold
        counts[fold] += sizes[index]
    return np.array([fold_of[group] for group in table.groups], dtype=np.float64)


def measure(table: LoadTable, chances: DoubleArray, *, seed: int = 0) -> LoadFigures:
    """Return the figures of chances (N,) on a table."""
    loaded = table.loaded
    bins = np.minimum((chances * _BINS).astype(int), _BINS - 1)
    rows = [bins == index for index in range(_BINS)]
    calibration = tuple(
        (float(chances[row].mean()), float(loaded[row].mean()), int(row.sum())) for row in rows if row.any()
    )
    truth = np.where(loaded, chances, 1.0 - chances)
    doubted = np.flatnonzero(truth < 1.0 - _SURE)
    named = [
        (table.names[i], "loaded" if loaded[i] else "empty", float(chances[i]))
        for i in doubted[np.argsort(truth[doubted])].tolist()
    ]
    called_loaded, called_empty = chances > LOADED_ABOVE, chances < EMPTY_BELOW
    return LoadFigures(
        area_under_roc(chances, loaded), _interval(table, chances, seed), int((~loaded).sum()), int(loaded.sum()),
        float(((chances - loaded) ** 2).mean()), calibration,
        int((~called_loaded & ~called_empty).sum()), int(((called_loaded & ~loaded) | (called_empty & loaded)).sum()),
        tuple(named),
    )  # fmt: skip


def _interval(table: LoadTable, chances: DoubleArray, seed: int) -> tuple[float, float]:
    """Return 95 % of the AUC by drawing groups with replacement."""
    rng = np.random.default_rng(seed)
    _, group = np.unique(table.groups, return_inverse=True)
    members = [np.flatnonzero(group == index) for index in range(int(group.max()) + 1)]
    found = []
    for _ in range(_DRAWS):
        rows = np.concatenate(
            [members[index] for index in rng.integers(0, len(members), len(members)).tolist()]
        )
        if 0 < int(table.loaded[rows].sum()) < len(rows):
            found.append(area_under_roc(chances[rows], table.loaded[rows]))
    low, high = np.percentile(found, [2.5, 97.5]).tolist()
    return low, high


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, measure, and write the model."""
    parser = argparse.ArgumentParser(description="fit the load state on labelled radiographs")
    parser.add_argument("annotations", type=Path, nargs="+", help="annotation files")
    parser.add_argument(
        "--images", type=Path, required=True, help="the folder that file names are relative to"
    )
    parser.add_argument("--out", type=Path, required=True, help="the load_state.json to write")
    parser.add_argument("--provenance", required=True, help="a sentence on the scans and their terms")
    args = parser.parse_args(arguments)
    table = gather(args.annotations, args.images)
    figures = measure(table, cross_validated(table))
    model = fit(table.features, table.loaded, args.provenance)
    args.out.write_text(json.dumps(model.to_dict(), indent=2) + "\n", encoding="utf-8")
    low, high = figures.interval
    sys.stdout.write(
        f"{figures.empty} empty and {figures.loaded} loaded scans, {len(table.left_out)} left out: AUC "
        f"{figures.auc:.4f} ({low:.4f} to {high:.4f}), Brier score {figures.brier:.4f}, {figures.wrong} called "
        f"wrongly, {figures.unsure} unsure\n"
    )
    for name, label, chance in figures.disagreements:
        sys.stdout.write(f"look again: {name} is labelled {label}, chance of a load {chance:.3f}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
