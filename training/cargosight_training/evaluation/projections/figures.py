"""How many projected threats are found at a fixed share of clean scans that alarm, and how well the map ranks them.

Thresholds are those that `calibrate` would set: a share of clean scans common to all classes and the map. They are
fitted on the clean scans of four fifths of the groups of near-duplicates and used on the scans of the last fifth, so
that nothing is measured on scans that set its threshold. Several models, each with scans that it never saw, are
counted one by one and then added.

A threat is *found* where a finding of any class has IoU >= 0.5 with it or its middle in the threat's box, or where the
map reaches its threshold on the threat, and the clean scan's findings do neither there. It is *named* where a finding
of its own class has IoU >= 0.5.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cargosight_models.geometry import FloatArray, IndexArray
from cargosight_training.calibration import SCANS_PER_ALARM, common_thresholds
from cargosight_training.evaluation.anomaly_figures import MapFigures, anomaly_figures
from cargosight_training.evaluation.intervals import FOLDS, Rate, make_folds
from cargosight_training.evaluation.projections.scoring import Row, ScoredVariants
from cargosight_training.evaluation.projections.variants import PLAIN_VISIBILITY

WANTED_PFA = (0.01, 0.05, 0.06, 0.1)
"""Of clean scans. 6 % is that of the published mark for cargo: 90 % of metallic threats found below it."""
_SMALL_MM, _LARGE_MM = 150.0, 400.0

Chooses = Callable[[Row], bool]


@dataclass(frozen=True)
class Counts:
    """Threats of one kind at one operating point.

    Attributes:
        found: by any finding.
        named: by a finding of the right class.
        by_map: by the map of the unusual.
    """

    found: Rate
    named: Rate
    by_map: Rate

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.found + other.found, self.named + other.named, self.by_map + other.by_map)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "found": self.found.to_dict(),
            "named": self.named.to_dict(),
            "by_map": self.by_map.to_dict(),
        }


@dataclass(frozen=True)
class AtPoint:
    """What one operating point finds and costs.

    Attributes:
        wanted_pfa: share of clean scans that may alarm; None at a point of the model's own.
        enough: whether there were clean scans enough for that rate to be claimed.
        clean: clean scans that alarm.
        clean_items: clean scans on which a known class alarms.
        nothing: scans with nothing projected into them that alarm; beside it their clean scans.
        nothing_clean: the same scans without.
        lookalikes: places of harmless look-alikes that alarm.
        lookalikes_before: the same places in the clean scans.
        threats: counts by kind of threat.
    """

    wanted_pfa: float | None
    enough: bool
    clean: Rate
    clean_items: Rate
    nothing: Rate
    nothing_clean: Rate
    lookalikes: Rate
    lookalikes_before: Rate
    threats: dict[str, Counts]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        rates = ("clean", "clean_items", "nothing", "nothing_clean", "lookalikes", "lookalikes_before")
        return {
            "wanted_pfa": self.wanted_pfa,
            "enough_clean_scans": self.enough,
            **{name: getattr(self, name).to_dict() for name in rates},
            "threats": {name: counts.to_dict() for name, counts in self.threats.items()},
        }


@dataclass(frozen=True)
class ProjectionFigures:
    """Everything that is counted on clean scans and what was projected into them.

    Attributes:
        models: name and fingerprint of each.
        clean: clean scans.
        groups: of near-duplicates among them.
        asked: threats that were to be projected.
        placed: threats for which a place was found.
        points: by wanted false-alarm rate.
        own_points: at the operating points beside the one model, by their names; none of several models.
        maps: figures of the map by kind of threat, empty of models without one.
    """

    models: tuple[tuple[str, str], ...]
    clean: int
    groups: int
    asked: int
    placed: int
    points: tuple[AtPoint, ...]
    own_points: dict[str, AtPoint]
    maps: dict[str, MapFigures]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "models": [{"name": name, "fingerprint": fingerprint} for name, fingerprint in self.models],
            "clean_scans": self.clean,
            "groups": self.groups,
            "threats_asked_for": self.asked,
            "threats_placed": self.placed,
            "points": [point.to_dict() for point in self.points],
            "own_points": {name: point.to_dict() for name, point in self.own_points.items()},
            "maps": {name: figures.to_dict() for name, figures in self.maps.items()},
        }


def kinds_of_threat(families: Sequence[str]) -> dict[str, Chooses]:
    """Return the kinds that are counted: by substance and visibility, by size, by family."""

    def plain(row: Row) -> bool:
        return row.thing.visibility >= PLAIN_VISIBILITY

    kinds: dict[str, Chooses] = {
        "metallic, visibility >= 5": lambda row: row.thing.metallic and plain(row),
        "organic, visibility >= 5": lambda row: not row.thing.metallic and plain(row),
        "metallic, visibility 1 to 5": lambda row: row.thing.metallic and not plain(row),
        "organic, visibility 1 to 5": lambda row: not row.thing.metallic and not plain(row),
        "under 150 mm": lambda row: plain(row) and row.thing.length_mm < _SMALL_MM,
        "150 to 400 mm": lambda row: plain(row) and _SMALL_MM <= row.thing.length_mm < _LARGE_MM,
        "400 mm and more": lambda row: plain(row) and row.thing.length_mm >= _LARGE_MM,
    }
    for family in families:
        kinds[family] = lambda row, family=family: plain(row) and row.thing.family == family  # type: ignore[misc]
    return kinds


def figures(
    parts: Sequence[ScoredVariants], families: Sequence[str], *, samples: int, seed: int = 0
) -> ProjectionFigures:
    """Count.

    Args:
        parts: one for each model, over scans that it never saw.
        families: that were projected.
        samples: of the bootstrap of the map's figures.
        seed: of folds and bootstrap.
    """
    kinds = kinds_of_threat(families)
    clean = sum(len(part.clean_scores) for part in parts)
    points = []
    for pfa in WANTED_PFA:
        counted = [_at_point(part, kinds, pfa, limits_of(part, pfa, seed)) for part in parts]
        points.append(_added(counted, pfa, enough=clean * pfa >= SCANS_PER_ALARM - 1e-9))
    return ProjectionFigures(
        models=tuple(part.model for part in parts),
        clean=clean,
        groups=sum(len(np.unique(part.clean_groups)) for part in parts),
        asked=sum(part.asked for part in parts),
        placed=sum(len(part.of_role("threat")) for part in parts),
        points=tuple(points),
        own_points=_own_points(parts[0], kinds) if len(parts) == 1 else {},
        maps=_maps(parts, kinds, samples, seed),
    )


def limits_of(part: ScoredVariants, pfa: float, seed: int) -> dict[int, FloatArray]:
    """Thresholds (C + 1,) of each clean scan, by its position, fitted on the other folds of groups."""
    scores, groups = part.clean_scores, part.clean_groups
    count = int(groups.max()) + 1
    of_group: IndexArray = make_folds(["clean"] * count, folds=min(FOLDS, count), seed=seed)
    folds = of_group[groups]
    limits: dict[int, FloatArray] = {}
    for fold in np.unique(folds):
        values = common_thresholds(scores[folds != fold], pfa, seed)
        for index in np.flatnonzero(folds == fold).tolist():
            limits[part.of_role("clean")[index].thing.row] = values
    return limits


def _own_points(part: ScoredVariants, kinds: dict[str, Chooses]) -> dict[str, AtPoint]:
    rows = range(len(part.names))
    return {
        name: _at_point(part, kinds, None, dict.fromkeys(rows, limits))
        for name, limits in part.own_points.items()
    }


def _at_point(
    part: ScoredVariants, kinds: dict[str, Chooses], pfa: float | None, limits: dict[int, FloatArray]
) -> AtPoint:
    def reaches(scores: FloatArray, row: Row) -> bool:
        return bool((scores >= limits[row.thing.row]).any())

    def rate(flags: list[bool]) -> Rate:
        return Rate(sum(flags), len(flags))

    clean = {row.thing.row: row for row in part.of_role("clean")}
    nothing, lookalikes = part.of_role("nothing"), part.of_role("lookalike")
    threats = {}
    for name, chooses in kinds.items():
        rows = [row for row in part.of_role("threat") if chooses(row)]
        new = [not reaches(row.before, row) for row in rows]
        found = [reaches(row.hits, row) and fresh for row, fresh in zip(rows, new, strict=True)]
        named = [_named(row, part.classes, limits[row.thing.row]) for row in rows]
        mapped = [
            bool(row.hits[-1] >= limits[row.thing.row][-1]) and fresh
            for row, fresh in zip(rows, new, strict=True)
        ]
        threats[name] = Counts(rate(found), rate(named), rate(mapped))
    return AtPoint(
        wanted_pfa=pfa,
        enough=True,
        clean=rate([reaches(row.greatest, row) for row in clean.values()]),
        clean_items=rate(
            [bool((row.greatest[:-1] >= limits[index][:-1]).any()) for index, row in clean.items()]
        ),
        nothing=rate([reaches(row.greatest, row) for row in nothing]),
        nothing_clean=rate([reaches(clean[row.thing.row].greatest, row) for row in nothing]),
        lookalikes=rate([reaches(row.hits, row) for row in lookalikes]),
        lookalikes_before=rate([reaches(row.before, row) for row in lookalikes]),
        threats=threats,
    )


def _named(row: Row, classes: tuple[str, ...], limits: FloatArray) -> bool:
    if row.thing.family not in classes:
        return False  # a family that the model was not taught has no name to be called by
    column = classes.index(row.thing.family)
    return bool(row.named[column] >= limits[column])


def _added(counted: Sequence[AtPoint], pfa: float, *, enough: bool) -> AtPoint:
    def total(name: str) -> Rate:
        return sum((getattr(one, name) for one in counted), Rate(0, 0))

    threats: dict[str, Counts] = {}
    for one in counted:
        for name, counts in one.threats.items():
            threats[name] = threats[name] + counts if name in threats else counts
    return AtPoint(
        pfa,
        enough,
        total("clean"),
        total("clean_items"),
        total("nothing"),
        total("nothing_clean"),
        total("lookalikes"),
        total("lookalikes_before"),
        threats,
    )


def _maps(
    parts: Sequence[ScoredVariants], kinds: dict[str, Chooses], samples: int, seed: int
) -> dict[str, MapFigures]:
    """Figures of the map, by kind: a model's threats of it beside all its clean scans, where it was shown any.

    Maps of several models are compared as shares of ranks among their own clean scans' cells, since their numbers
    have no common scale.
    """
    if any(row.cells is None for part in parts for row in part.rows):
        return {}
    made: dict[str, MapFigures] = {}
    for name, chooses in kinds.items():
        maps, truths, groups = [], [], []
        for part in parts:
            ranks = _ranker(part) if len(parts) > 1 else _as_they_are
            chosen = [row for row in part.of_role("threat") if chooses(row)]
            for row in (*part.of_role("clean"), *chosen) if chosen else ():
                assert row.cells is not None  # asked above
                clean = row.thing.role == "clean"
                cells = row.cells.astype(np.float32)
                truth = np.zeros(cells.shape, np.bool_) if clean else row.truth
                if truth is None or not (clean or truth.any()):
                    continue
                maps.append(ranks(cells))
                truths.append(truth)
                groups.append(part.groups[row.thing.row])  # of one scan, by whatever model
        if any(truth.any() for truth in truths):
            made[name] = anomaly_figures(maps, truths, groups, samples=samples, seed=seed)
    return made


def _as_they_are(cells: FloatArray) -> FloatArray:
    return cells


def _ranker(part: ScoredVariants) -> Callable[[FloatArray], FloatArray]:
    """Return a rising map of cell values to [0, 1]: their rank among the greatest cells of clean scans and below."""
    greatest = np.sort(part.clean_scores[:, -1])
    values, first = np.unique(greatest, return_index=True)
    knots = np.concatenate([[0.0], values, [1.0]])
    places = np.concatenate([[0.0], (first + 1.0) / (len(greatest) + 1.0), [1.0]])

    def ranked(cells: FloatArray) -> FloatArray:
        found: FloatArray = np.interp(cells, knots, places).astype(np.float32)
        return found

    return ranked
