"""What every figure is computed from: labelled images and what a model found on them, as flat arrays."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cargosight_inference.findings import Findings
from cargosight_models.errors import DataSetError
from cargosight_models.geometry import BoolArray, FloatArray, IndexArray
from cargosight_models.labels import ClassSet
from cargosight_training.datasets.records import ImageRecord, Origin

Table = TypeVar("Table", bound=NDArray[Any])


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of many images in one table, grouped by image in the order of the images.

    Attributes:
        image: (N,) int64, index into the images.
        class_id: (N,) int64.
        box: (N, 4) float32 in scan pixels.
        score: (N,) float32 in [0, 1], falling within an image; 1 for boxes that people drew.
    """

    image: IndexArray
    class_id: IndexArray
    box: FloatArray
    score: FloatArray

    def __post_init__(self) -> None:
        sizes = {len(self.image), len(self.class_id), len(self.box), len(self.score)}
        if len(sizes) != 1:
            raise ValueError(f"columns of one table have {sorted(sizes)} rows; expected equal numbers")
        if (np.diff(self.image) < 0).any():
            raise ValueError("rows are not grouped by image in rising order")

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True, eq=False)
class Scored:
    """Labelled images of one origin with a model's findings on them.

    Attributes:
        classes: The C classes; those of the data and those of the model.
        known: (C,) bool, the classes that the model can find.
        images: The N images, all real, all projected or all simulated.
        findings: Everything the model found, also of classes that an image's source does not label.
        truths: The annotated boxes.
    """

    classes: ClassSet
    known: BoolArray
    images: tuple[ImageRecord, ...]
    findings: Boxes
    truths: Boxes

    def __post_init__(self) -> None:
        if not self.images:
            raise DataSetError("there are no images to score")
        origins = sorted({image.origin for image in self.images})
        if len(origins) > 1:
            raise DataSetError(
                f"{' and '.join(origins)} scans were to share one figure; score each origin by itself"
            )
        if self.known.shape != (len(self.classes),):
            raise ValueError(f"`known` has shape {self.known.shape}; expected ({len(self.classes)},)")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def origin(self) -> Origin:
        """Whether the scans are real, projected or simulated."""
        return self.images[0].origin

    @cached_property
    def labelled(self) -> BoolArray:
        """(N, C) bool: the source of the image labels the class."""
        return _read_only(np.stack([image.labelled for image in self.images]))

    @cached_property
    def checked(self) -> BoolArray:
        """(N, C) bool: the source of the image labels the class, and the model knows it."""
        return _read_only(self.labelled & self.known)

    @cached_property
    def present(self) -> BoolArray:
        """(N, C) bool: the image has a box of the class."""
        present = np.zeros((len(self.images), len(self.classes)), dtype=np.bool_)
        present[self.truths.image, self.truths.class_id] = True
        return _read_only(present)

    @cached_property
    def negative(self) -> BoolArray:
        """(N, C) bool: the class is labelled on the image and absent from it."""
        return _read_only(self.labelled & ~self.present)

    @cached_property
    def scan_scores(self) -> FloatArray:
        """(N, C) float32 in [0, 1]: the greatest score of the class on the image, 0 without a finding."""
        scores = np.zeros((len(self.images), len(self.classes)), dtype=np.float32)
        np.maximum.at(scores, (self.findings.image, self.findings.class_id), self.findings.score)
        return _read_only(scores)

    @property
    def clean(self) -> BoolArray:
        """(N,) bool: the image has no box at all, and its source labels a class that the model knows.

        A scan on which the model can make no false alarm would only make its rate look lower.
        """
        return clean_scans(self.checked, self.present)

    def of_sources(self, names: Iterable[str]) -> BoolArray:
        """(N,) bool: the images of the named sources or groups (`source/scanner`)."""
        wanted = set(names)
        return np.array([bool({i.source, i.group} & wanted) for i in self.images], dtype=np.bool_)


def _read_only(table: Table) -> Table:
    """The same array, safe to be shared by all that ask for it."""
    table.flags.writeable = False
    return table


def clean_scans(checked: BoolArray, present: BoolArray) -> BoolArray:
    """(N,) bool: scans without any box that are checked for something; both arguments are (N, C) bool."""
    clean: BoolArray = np.asarray(checked).any(axis=1) & np.logical_not(present.any(axis=1))
    return clean


def collect(pairs: Iterable[tuple[ImageRecord, Findings]], classes: ClassSet) -> Scored:
    """Gather a model's findings on labelled images.

    Args:
        pairs: Each image, labelled over `classes`, with what the model found on it.
        classes: The classes of the data together with those of the model.

    Raises:
        DataSetError: No image, images of several origins, or a class that is not in `classes`.
    """
    images: list[ImageRecord] = []
    found: list[tuple[IndexArray, FloatArray, FloatArray]] = []
    known = np.zeros(len(classes), dtype=np.bool_)
    places: dict[tuple[str, ...], IndexArray] = {}
    for image, findings in pairs:
        names = findings.class_names
        if names not in places:
            places[names] = np.array([classes.index(name) for name in names], dtype=np.int64)
            known[places[names]] = True
        items = findings.of_kind("item")  # what is none has no class to be right or wrong about
        images.append(image)
        found.append(
            (places[names][findings.class_ids[items]], findings.boxes[items], findings.scores[items])
        )
    return Scored(classes, known, tuple(images), _finding_table(found), _truth_table(images))


def _finding_table(found: list[tuple[IndexArray, FloatArray, FloatArray]]) -> Boxes:
    counts = [len(class_ids) for class_ids, _, _ in found]
    return Boxes(
        image=np.repeat(np.arange(len(found), dtype=np.int64), counts),
        class_id=np.concatenate([np.zeros(0, np.int64), *(row[0] for row in found)]),
        box=np.concatenate([np.zeros((0, 4), np.float32), *(row[1] for row in found)]),
        score=np.concatenate([np.zeros(0, np.float32), *(row[2] for row in found)]),
    )


def _truth_table(images: list[ImageRecord]) -> Boxes:
    counts = [len(image.annotations.boxes) for image in images]
    class_ids = np.concatenate([np.zeros(0, np.int64), *(i.annotations.class_ids for i in images)])
    return Boxes(
        image=np.repeat(np.arange(len(images), dtype=np.int64), counts),
        class_id=class_ids,
        box=np.concatenate([np.zeros((0, 4), np.float32), *(i.annotations.boxes for i in images)]),
        score=np.ones(len(class_ids), dtype=np.float32),
    )
