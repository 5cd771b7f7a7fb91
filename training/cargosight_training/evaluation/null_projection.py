"""Null projections: whether the act of projecting alarms by itself.

Training projects items into bags. If a model learnt the traces of projection instead of items, bags with null
projections (see `null_pictures`) alarm more often than the same bags as they are. Every clean scan is therefore
scored three times, at the same thresholds: as it is, with nothing projected, and with decoys projected. The first
is a figure on real scans, the other two are figures on projected ones, and each stands in a row of its own.

Where thresholds are fitted to these very scans they are cross-fitted, so that the scans as they are have no
advantage over the projected ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from cargosight_inference.findings import Findings
from cargosight_inference.inspector import Inspector
from cargosight_inference.pipeline import inspect_with_scans
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import DataSetError
from cargosight_models.geometry import BoolArray, FloatArray, IndexArray
from cargosight_models.operating_points import OperatingPoint, Sidecar
from cargosight_training.evaluation.intervals import Rate
from cargosight_training.evaluation.matching import Matched
from cargosight_training.evaluation.null_pictures import PIECES, NullPair, null_pairs
from cargosight_training.evaluation.operating_points import (
    CLEAN,
    cross_fitted_thresholds,
    deal_folds,
    thresholds_of,
)
from cargosight_training.evaluation.rates import fit_threshold
from cargosight_training.evaluation.scored import Scored, collect

Progress = Callable[[int, int], None]
Variant = Literal["as they are", "nothing projected", "decoys projected"]
VARIANTS: tuple[Variant, ...] = ("as they are", "nothing projected", "decoys projected")
CLASS_PFA = 0.05

DEFINITION = (
    "clean scans (no box of any class their source labels) as they are, after projection of zero areal density by "
    f"the code that projects items for training, and after projection of up to {PIECES} decoys (pieces of other "
    "bags of the same source without an annotated item) by the same code; an alarm is a finding at or above its "
    "threshold of any class that the source labels"
)


@dataclass(frozen=True)
class AlarmRow:
    """How many scans of one variant alarm.

    Attributes:
        scans: Which variant.
        alarms: Scans that alarm.
        by_source: The same for each source.
        by_class: Scans that alarm for a class, of those whose source labels it.
        only_here: Scans that alarm in this variant and not as they are.
        only_as_they_are: Scans that alarm as they are and not in this variant.
    """

    scans: Variant
    alarms: Rate
    by_source: Mapping[str, Rate]
    by_class: Mapping[str, Rate]
    only_here: int
    only_as_they_are: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "scans": self.scans,
            "origin": "real" if self.scans == VARIANTS[0] else "projected",
            "alarms": self.alarms.to_dict(),
            "alarm_only_here": self.only_here,
            "alarm_only_as_they_are": self.only_as_they_are,
            "by_source": {name: rate.to_dict() for name, rate in self.by_source.items()},
            "by_class": {name: rate.to_dict() for name, rate in self.by_class.items()},
        }


@dataclass(frozen=True)
class AlarmTable:
    """The three variants at one set of thresholds.

    Attributes:
        name: Of the thresholds.
        chosen_on: Where they come from, in words.
        rows: In the order of VARIANTS.
    """

    name: str
    chosen_on: str
    rows: tuple[AlarmRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "thresholds": self.name,
            "chosen_on": self.chosen_on,
            "rows": [row.to_dict() for row in self.rows],
        }


@dataclass(frozen=True)
class NullProjections:
    """What null projections do to the alarms of clean scans.

    Attributes:
        identical: Scans that were the same, bit for bit and in type, after nothing was projected.
        left_out: Clean scans in which no place was found for a piece; they count in no row.
        decoy_pixels: Median share of a scan's pixels that the decoys changed.
        tables: One for each set of thresholds.
        notes: Sets of thresholds that could not be measured, and why.
    """

    identical: Rate
    left_out: int
    decoy_pixels: float
    tables: tuple[AlarmTable, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "definition": DEFINITION,
            "identical_with_nothing_projected": {"count": self.identical.count, "of": self.identical.of},
            "clean_scans_without_place": self.left_out,
            "median_share_of_pixels_changed_by_decoys": self.decoy_pixels,
            "tables": [table.to_dict() for table in self.tables],
            "notes": list(self.notes),
        }


def measure_null_projections(
    inspector: Inspector,
    matched: Matched,
    *,
    points: Sequence[OperatingPoint],
    sidecar: Sidecar | None,
    seed: int = 0,
    progress: Progress | None = None,
) -> NullProjections:
    """Score clean scans with null projections beside the same scans as they are.

    Args:
        inspector: From `run.open_inspector`.
        matched: What it found on the real scans as they are.
        points: The operating points fitted to these scans; their thresholds are fitted anew, by folds.
        sidecar: The model's own operating points, None where it has none.
        seed: Of the folds and of the projections.
        progress: Called with (done, total) after each inspected scan.

    Raises:
        DataSetError: There are no clean real scans, or no piece found a place in any.
    """
    scored = matched.scored
    rows = np.flatnonzero(scored.clean)
    if scored.origin != "real" or not len(rows):
        raise DataSetError(
            f"null projections need clean real scans, found {len(rows)} clean {scored.origin} ones; a clean scan is "
            f"{CLEAN}"
        )
    pairs = null_pairs(scored.images, rows, subject=inspector.subject, seed=seed)
    kept, nothing, decoys = _inspect(inspector, pairs, total=2 * len(rows), progress=progress)
    if not kept:
        raise DataSetError(
            f"in none of the {len(rows)} clean scans a place was found for a piece of another scan of its source: "
            "null projections need sources of several scans that show a bag"
        )
    used = np.array([row for row, _, _ in kept], dtype=np.int64)
    scores = (
        scored.scan_scores[used],
        _scan_scores(scored, used, nothing),
        _scan_scores(scored, used, decoys),
    )
    tables, notes = [], []
    for name, chosen_on, fit in _threshold_sets(matched, points, sidecar, seed):
        try:
            thresholds = fit()
        except DataSetError as error:
            notes.append(f"{name}: {error}")
            continue
        tables.append(AlarmTable(name, chosen_on, _rows(scored, used, scores, thresholds[used])))
    return NullProjections(
        identical=Rate(sum(same for _, same, _ in kept), len(kept)),
        left_out=len(rows) - len(kept),
        decoy_pixels=float(np.median([changed for _, _, changed in kept])),
        tables=tuple(tables),
        notes=tuple(notes),
    )


def _inspect(
    inspector: Inspector, pairs: Iterator[NullPair], *, total: int, progress: Progress | None
) -> tuple[list[tuple[int, bool, float]], list[Findings], list[Findings]]:
    """(row, identical, changed share) of each pair, and the findings with nothing and with decoys projected."""
    kept: list[tuple[int, bool, float]] = []

    def scans() -> Iterator[Scan]:
        for pair in pairs:
            kept.append((pair.row, pair.identical, pair.changed))
            yield pair.nothing
            yield pair.decoy

    found: list[Findings] = []
    with closing(inspect_with_scans(inspector, scans())) as inspected:
        for inspection, _ in inspected:
            if inspection.error is not None:
                raise DataSetError(f"image {inspection.path} cannot be inspected: {inspection.error}")
            found.append(inspection.findings)
            if progress is not None:
                progress(len(found), total)
    return kept, found[::2], found[1::2]


def _scan_scores(scored: Scored, rows: IndexArray, findings: Sequence[Findings]) -> FloatArray:
    """(M, C) float32, the greatest score of each class on projected scans."""
    images = (replace(scored.images[row], origin="projected") for row in rows.tolist())
    return collect(zip(images, findings, strict=True), scored.classes).scan_scores


def _threshold_sets(
    matched: Matched, points: Sequence[OperatingPoint], sidecar: Sidecar | None, seed: int
) -> Iterator[tuple[str, str, Callable[[], FloatArray]]]:
    """Name, origin and maker of each set of thresholds (N, C)."""
    scored = matched.scored
    shape = (len(scored), len(scored.classes))
    for point in () if sidecar is None else sidecar.operating_points:
        values = np.broadcast_to(thresholds_of(scored, point), shape)
        yield f"{point.name} of the model's sidecar", point.data, partial(np.asarray, values)
    folds = deal_folds(scored, seed)
    for pfa in [point.wanted_pfa for point in points if point.wanted_pfa is not None]:
        yield (
            f"pfa={pfa:g} fitted here",
            "these scans as they are, cross-fitted",
            partial(_point_thresholds, matched, folds, pfa),
        )
    yield (
        f"each class at PFA {CLASS_PFA:.0%}",
        "the scans of the same source without the class, as they are, cross-fitted",
        partial(_class_thresholds, scored, folds),
    )


def _point_thresholds(matched: Matched, folds: IndexArray, wanted_pfa: float) -> FloatArray:
    return cross_fitted_thresholds(matched, folds, wanted_pfa)[0]


def _class_thresholds(scored: Scored, folds: IndexArray) -> FloatArray:
    """(N, C) float32: the threshold that lets CLASS_PFA of the scans of the same source without the class pass."""
    scan_scores, negative = scored.scan_scores, scored.negative
    values = np.ones((len(scored), len(scored.classes)), dtype=np.float32)
    for name in sorted({image.source for image in scored.images}):
        images = scored.of_sources([name])
        for fold in np.unique(folds[images]):
            inside, outside = images & (folds == fold), images & (folds != fold)
            for class_id in range(len(scored.classes)):
                others = scan_scores[outside & negative[:, class_id], class_id]
                values[inside, class_id] = fit_threshold(others, CLASS_PFA).value
    return values


def _rows(
    scored: Scored, rows: IndexArray, scores: Sequence[FloatArray], thresholds: FloatArray
) -> tuple[AlarmRow, ...]:
    """One row for each variant.

    Args:
        scored: All images.
        rows: (M,) the clean scans that count.
        scores: For each variant (M, C).
        thresholds: (M, C).
    """
    labelled = scored.checked[rows]
    sources = np.array([scored.images[row].source for row in rows.tolist()])
    before: BoolArray | None = None
    table = []
    for variant, values in zip(VARIANTS, scores, strict=True):
        by_class = (values >= thresholds) & labelled
        alarms: BoolArray = np.asarray(by_class.any(axis=1))
        before = alarms if before is None else before
        table.append(
            AlarmRow(
                scans=variant,
                alarms=Rate(int(alarms.sum()), len(alarms)),
                by_source={
                    str(name): Rate(int(alarms[sources == name].sum()), int((sources == name).sum()))
                    for name in np.unique(sources)
                },
                by_class={
                    name: Rate(int(by_class[:, class_id].sum()), int(labelled[:, class_id].sum()))
                    for class_id, name in enumerate(scored.classes.names)
                    if labelled[:, class_id].any()
                },
                only_here=int((alarms & ~before).sum()),
                only_as_they_are=int((before & ~alarms).sum()),
            )
        )
    return tuple(table)
