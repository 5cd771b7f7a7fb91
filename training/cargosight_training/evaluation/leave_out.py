"""Leaving a group out: how much of a full run's precision remains on a scanner or source that was never trained on.

Two runs of the same budget are compared on one group (a source, or a scanner of it): the *held-out* run was trained
without it, the *full* run with it. Both are averaged over the same classes. Which images they are scored on can be
read in several ways, and each is computed:

- `headline`: the held-out run on **all** images of the group, training and validation files together, since it has seen
  none of them; the full run on the group's **validation images alone**, since it was trained on the others and would
  be flattered by them.
- `same_images`: both on the group's validation images alone. The fairest pairing, on few images.
- `all_images`: both on all images. The full run was trained on most of them, so this ratio is a lower bound.
- `every_class`: as `headline`, averaged over every class that both can know, however few boxes it has.

A class counts in the first three where the group has enough boxes of it, enough of them on validation images, and the
training data without the group has enough of them too: what nobody else labels cannot be learnt from the others, by
any method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cargosight_models.errors import DataSetError
from cargosight_models.geometry import BoolArray, DoubleArray
from cargosight_training.evaluation.average_precision import (
    HEADLINE_BOXES,
    RankedClass,
    average_precisions,
    rank,
)
from cargosight_training.evaluation.bootstrap import (
    SAMPLES,
    Interval,
    draw_weights,
    interval_of_mean,
    weighted_average_precision,
)
from cargosight_training.evaluation.matching import match
from cargosight_training.evaluation.scored import Scored

READINGS: Mapping[str, str] = {
    "headline": "held-out run on all images of the group, full run on its validation images (unseen by both)",
    "same_images": "both runs on the group's validation images",
    "all_images": "both runs on all images of the group; the full run was trained on most of them",
    "every_class": "as headline, over every class with a box on validation images and one in the other groups",
}

PAIRINGS = ("held_out", "held_out_unseen", "full_unseen", "full_all")
"""A run and the images it is scored on; the names of the figures in `ClassScore`."""
_PAIRED: Mapping[str, tuple[str, str]] = {
    "headline": ("held_out", "full_unseen"),
    "same_images": ("held_out_unseen", "full_unseen"),
    "all_images": ("held_out", "full_all"),
    "every_class": ("held_out", "full_unseen"),
}


@dataclass(frozen=True)
class Rules:
    """From how many boxes on a class counts.

    Attributes:
        boxes: On all images of the group.
        unseen: On the group's validation images.
        elsewhere: In the training data without the group.
    """

    boxes: int = HEADLINE_BOXES
    unseen: int = 5
    elsewhere: int = HEADLINE_BOXES

    def __post_init__(self) -> None:
        if min(self.boxes, self.unseen, self.elsewhere) < 1:
            raise ValueError(f"{self} found; a class counts from 1 box on, or more")


@dataclass(frozen=True)
class ClassScore:
    """AP at IoU 0.5 of one class on the group.

    Attributes:
        name: The class.
        boxes: On all images.
        unseen_boxes: On the validation images.
        boxes_elsewhere: In the training data without the group.
        held_out: Held-out run on all images.
        held_out_unseen: Held-out run on the validation images; None without a box there.
        full_unseen: Full run on the validation images; None without a box there.
        full_all: Full run on all images.
        left_out_because: Why the class is in no headline average, None where it is.
    """

    name: str
    boxes: int
    unseen_boxes: int
    boxes_elsewhere: int
    held_out: float
    held_out_unseen: float | None
    full_unseen: float | None
    full_all: float
    left_out_because: str | None


@dataclass(frozen=True)
class Ratio:
    """Two mAP50 over the same classes; everything is None where there is no class.

    Attributes:
        classes: Names of the classes.
        held_out: Of the held-out run.
        held_out_interval: Bootstrap by scan.
        full: Of the full run.
        full_interval: Bootstrap by scan.
        ratio: Held-out by full; None where the full run finds nothing.
        ratio_interval: Bootstrap by scan; images that both are scored on are drawn for both alike.
    """

    classes: tuple[str, ...]
    held_out: float | None = None
    held_out_interval: Interval | None = None
    full: float | None = None
    full_interval: Interval | None = None
    ratio: float | None = None
    ratio_interval: Interval | None = None


@dataclass(frozen=True)
class GroupScore:
    """One group.

    Attributes:
        group: `source` or `source/scanner`.
        images: All its images.
        unseen_images: Those of the validation files.
        boxes: On all images.
        unseen_boxes: On the validation images.
        classes: With a box in the group.
        ratios: By the names in READINGS.
        samples: Ratios of the bootstrap samples by the same names, None where undefined.
    """

    group: str
    images: int
    unseen_images: int
    boxes: int
    unseen_boxes: int
    classes: tuple[ClassScore, ...]
    ratios: Mapping[str, Ratio]
    samples: Mapping[str, tuple[float | None, ...]]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "GroupScore":
        """What `to_dict` gave, also after a round trip through JSON."""
        return cls(
            **{key: document[key] for key in ("group", "images", "unseen_images", "boxes", "unseen_boxes")},
            classes=tuple(ClassScore(**one) for one in document["classes"]),
            ratios={name: _ratio_from(one) for name, one in document["ratios"].items()},
            samples={name: tuple(values) for name, values in document["samples"].items()},
        )


@dataclass(frozen=True)
class MeanRatio:
    """The average of the groups' ratios.

    Attributes:
        groups: Groups with a ratio.
        value: None without any.
        interval: Bootstrap by scan within each group; it does not hold the chance of another training run.
    """

    groups: tuple[str, ...]
    value: float | None
    interval: Interval | None


def score_group(
    group: str,
    held_out: Scored,
    full: Scored,
    *,
    unseen: BoolArray,
    elsewhere: Mapping[str, int],
    rules: Rules,
    samples: int = SAMPLES,
    seed: int = 0,
) -> GroupScore:
    """Compare two runs on one group.

    Args:
        group: Its name.
        held_out: What the held-out run found on all images of the group.
        full: What the full run found on the same images, in the same order.
        unseen: (N,) bool, the images of the validation files.
        elsewhere: Boxes by class in the training data without the group.
        rules: Which classes count.
        samples: Bootstrap samples; 0 draws no interval.
        seed: Of the bootstrap.

    Raises:
        DataSetError: The group has no image in the validation files.
    """
    if [image.path for image in held_out.images] != [image.path for image in full.images]:
        raise ValueError("the two runs were scored on different images")
    if not unseen.any():
        raise DataSetError(
            f"{group} has no image in the validation files, so that nothing is unseen by the full run"
        )
    names = held_out.classes.names
    pairs = {
        name: pair
        for name, known, *pair in zip(
            names, held_out.known, rank(match(held_out)), rank(match(full)), strict=True
        )
        if known and pair[0].boxes
    }
    classes = tuple(
        _class_score(name, pair, unseen, elsewhere=elsewhere.get(name, 0), rules=rules)
        for name, pair in pairs.items()
    )
    draws = _draws(list(pairs.values()), unseen, samples=samples, seed=seed)
    ratios, drawn = {}, {}
    for reading, (above, below) in _PAIRED.items():
        rows = [row for row, one in enumerate(classes) if _counts(one, reading)]
        ratios[reading], drawn[reading] = _ratio(classes, draws, rows, above, below)
    return GroupScore(
        group=group,
        images=len(unseen),
        unseen_images=int(unseen.sum()),
        boxes=len(held_out.truths),
        unseen_boxes=int(unseen[held_out.truths.image].sum()),
        classes=classes,
        ratios=ratios,
        samples=drawn,
    )


def mean_ratio(scores: Sequence[GroupScore], reading: str) -> MeanRatio:
    """The average over groups of one of the READINGS, each group with the same weight."""
    counted = [score for score in scores if score.ratios[reading].ratio is not None]
    if not counted:
        return MeanRatio((), None, None)
    table = np.array(
        [[np.nan if value is None else value for value in score.samples[reading]] for score in counted],
        dtype=np.float64,
    )
    values = [score.ratios[reading].ratio for score in counted]
    return MeanRatio(
        tuple(score.group for score in counted),
        float(np.mean([value for value in values if value is not None])),
        interval_of_mean(table) if table.size else None,
    )


def _counts(one: ClassScore, reading: str) -> bool:
    """Whether the class is in the averages of a reading."""
    if reading == "every_class":
        return one.unseen_boxes > 0 and one.boxes_elsewhere > 0
    return one.left_out_because is None


def _class_score(
    name: str, pair: Sequence[RankedClass], unseen: BoolArray, *, elsewhere: int, rules: Rules
) -> ClassScore:
    held_out, full = pair
    held_out_unseen, full_unseen = held_out.within(unseen), full.within(unseen)
    counts = (held_out.boxes, held_out_unseen.boxes, elsewhere)
    return ClassScore(
        name,
        *counts,
        held_out=float(average_precisions(held_out)[0]),
        held_out_unseen=float(average_precisions(held_out_unseen)[0]) if counts[1] else None,
        full_unseen=float(average_precisions(full_unseen)[0]) if counts[1] else None,
        full_all=float(average_precisions(full)[0]),
        left_out_because=_reason(counts, rules),
    )


def _reason(counts: tuple[int, int, int], rules: Rules) -> str | None:
    boxes, unseen, elsewhere = counts
    if elsewhere == 0:
        return "no other group labels it"
    if elsewhere < rules.elsewhere:
        return f"{elsewhere} boxes to learn from without the group, fewer than {rules.elsewhere}"
    if boxes < rules.boxes:
        return f"{boxes} boxes in the group, fewer than {rules.boxes}"
    if unseen < rules.unseen:
        return f"{unseen} boxes on its validation images, fewer than {rules.unseen}"
    return None


def _draws(
    pairs: Sequence[Sequence[RankedClass]], unseen: BoolArray, *, samples: int, seed: int
) -> dict[str, DoubleArray]:
    """AP50 (classes, samples) of each pairing of run and images; NaN where a sample has no box.

    Images of the training and of the validation files are drawn apart, as many of each as there are.
    """
    weights = np.zeros((samples, len(unseen)))
    for part, images in enumerate((unseen, ~unseen)):
        if samples and images.any():
            weights[:, images] = draw_weights(int(images.sum()), samples=samples, seed=seed + part)
    pairings: dict[str, list[DoubleArray]] = {name: [] for name in PAIRINGS}
    for held_out, full in pairs:
        scored = (held_out, held_out.within(unseen), full.within(unseen), full)
        for name, one in zip(PAIRINGS, scored, strict=True):
            pairings[name].append(weighted_average_precision(one, weights))
    return {name: np.array(values).reshape(len(pairs), samples) for name, values in pairings.items()}


def _ratio(
    classes: Sequence[ClassScore],
    draws: Mapping[str, DoubleArray],
    rows: Sequence[int],
    above: str,
    below: str,
) -> tuple[Ratio, tuple[float | None, ...]]:
    """The ratio of two pairings over the classes in `rows`, and its bootstrap samples."""
    if not rows:
        return Ratio(()), ()
    top = float(np.mean([getattr(classes[row], above) for row in rows]))
    bottom = float(np.mean([getattr(classes[row], below) for row in rows]))
    numerators, denominators = draws[above][list(rows)], draws[below][list(rows)]
    # A class without a box in a sample is left out of both sides of it.
    defined = ~np.isnan(numerators) & ~np.isnan(denominators)
    sums = np.where(defined, denominators, 0.0).sum(axis=0)
    ratios = np.full(sums.shape, np.nan)
    np.divide(np.where(defined, numerators, 0.0).sum(axis=0), sums, out=ratios, where=sums > 0)
    return (
        Ratio(
            classes=tuple(classes[row].name for row in rows),
            held_out=top,
            held_out_interval=_interval(numerators),
            full=bottom,
            full_interval=_interval(denominators),
            ratio=top / bottom if bottom > 0 else None,
            ratio_interval=_interval(ratios[None]),
        ),
        tuple(None if np.isnan(value) else round(float(value), 5) for value in ratios),
    )


def _interval(values: DoubleArray) -> Interval | None:
    return interval_of_mean(values) if values.size else None


def _ratio_from(document: Mapping[str, Any]) -> Ratio:
    intervals = {
        key: None if document[key] is None else Interval(**document[key])
        for key in ("held_out_interval", "full_interval", "ratio_interval")
    }
    return Ratio(
        classes=tuple(document["classes"]),
        held_out=document["held_out"],
        full=document["full"],
        ratio=document["ratio"],
        **intervals,
    )
