"""What a data set is in memory: image records with their labels, and how to choose among them.

Labels are partial: each image carries the mask of the classes that its source labels. A class outside that
mask says nothing on that image, neither by a box nor by its absence.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from cargosight_models.errors import DataSetError, nearest_spelling
from cargosight_models.labels import Annotations, ClassSet

Origin = Literal["real", "projected", "simulated"]
ORIGINS: tuple[str, ...] = get_args(Origin)


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """One image of a data set with its labels.

    Attributes:
        image_id: Identifier within its annotation file.
        path: The image file.
        width: Width in pixels, > 0.
        height: Height in pixels, > 0.
        source: Name of the collection the image comes from; it decides which classes are labelled.
        scanner: Scanner within the source, None where unknown.
        labelled: (C,) bool, the classes that the source labels on all its images.
        annotations: The boxes, in pixels of this image, all of labelled classes.
        origin: Whether the scan is real, a real bag with a projected item, or simulated.
        near_duplicates: Name that near-duplicates of one scan share, None for a scan that has none. They are never
            divided between what fits a threshold and what it is measured on.
    """

    image_id: int
    path: Path
    width: int
    height: int
    source: str
    scanner: str | None
    labelled: NDArray[np.bool_]
    annotations: Annotations
    origin: Origin = "real"
    near_duplicates: str | None = None

    def __post_init__(self) -> None:
        if self.width <= 0 or self.height <= 0:
            raise DataSetError(
                f"image {self.path}: size {self.width} by {self.height} found, expected at least 1 by 1"
            )
        if self.labelled.ndim != 1 or self.labelled.dtype != np.bool_:
            raise DataSetError(
                f"image {self.path}: the label mask has shape {self.labelled.shape} and type "
                f"{self.labelled.dtype}, expected one bool per class"
            )
        if self.origin not in ORIGINS:
            raise DataSetError(
                f"image {self.path}: origin {self.origin!r} found, expected one of {', '.join(ORIGINS)}"
            )
        ids = self.annotations.class_ids
        if ids.size and (ids.min() < 0 or ids.max() >= self.labelled.size):
            raise DataSetError(
                f"image {self.path}: class ids {ids.min()} to {ids.max()} found, but there are "
                f"{self.labelled.size} classes"
            )
        if ids.size and not self.labelled[ids].all():
            raise DataSetError(f"image {self.path}: it has a box of a class that its source does not label")

    @property
    def group(self) -> str:
        """`source/scanner` where the scanner is known, else `source`."""
        return self.source if self.scanner is None else f"{self.source}/{self.scanner}"


@dataclass(frozen=True, eq=False)
class DataSet:
    """Images with labels over one class list.

    Attributes:
        name: What reports call it.
        classes: The class list that `class_ids` and `labelled` of the images refer to.
        images: At least one record.
        notes: What the reader changed or assumed, one sentence each; reports repeat it.
    """

    name: str
    classes: ClassSet
    images: tuple[ImageRecord, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.images:
            raise DataSetError(f"data set {self.name!r} has no images")
        for image in self.images:
            if image.labelled.size != len(self.classes):
                raise DataSetError(
                    f"data set {self.name!r}, image {image.path}: a label mask over {image.labelled.size} "
                    f"classes found, but the data set has {len(self.classes)}"
                )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources, sorted."""
        return tuple(sorted({image.source for image in self.images}))

    @property
    def groups(self) -> tuple[str, ...]:
        """Names that `only` and `without` accept: every source and every `source/scanner`, sorted."""
        return tuple(sorted({name for image in self.images for name in (image.source, image.group)}))


def only(dataset: DataSet, groups: Iterable[str]) -> DataSet:
    """The images of the given groups.

    Args:
        dataset: Where to choose from.
        groups: Names like `site-2022` (a whole source) or `six-scanners/3` (one scanner of it).

    Raises:
        DataSetError: A group does not occur in the data set.
    """
    chosen = _named_groups(dataset, groups)
    return replace(dataset, images=tuple(i for i in dataset.images if {i.source, i.group} & chosen))


def without(dataset: DataSet, groups: Iterable[str]) -> DataSet:
    """The images outside the given groups, named as for `only`.

    Raises:
        DataSetError: A group does not occur in the data set, or nothing is left.
    """
    dropped = _named_groups(dataset, groups)
    kept = tuple(i for i in dataset.images if not {i.source, i.group} & dropped)
    if not kept:
        raise DataSetError(
            f"nothing is left of data set {dataset.name!r} without {', '.join(sorted(dropped))}"
        )
    return replace(dataset, images=kept)


def relabel(dataset: DataSet, classes: ClassSet) -> DataSet:
    """The same images with class ids and label masks over another class list.

    Classes that the data set does not have count as not labelled on its images.

    Raises:
        DataSetError: A class of the data set is missing from `classes`.
    """
    if dataset.classes.names == classes.names:
        return dataset
    missing = [name for name in dataset.classes.names if name not in classes.names]
    if missing:
        raise DataSetError(
            f"data set {dataset.name!r} has boxes or labels of {', '.join(missing)}, which are not among the classes "
            f"{', '.join(classes.names)}; name all its classes, or take those out of its annotation file"
        )
    place = np.array([classes.index(name) for name in dataset.classes.names], dtype=np.int64)
    images = []
    for image in dataset.images:
        labelled = np.zeros(len(classes), dtype=np.bool_)
        labelled[place] = image.labelled
        moved = Annotations(image.annotations.boxes, place[image.annotations.class_ids])
        images.append(replace(image, labelled=labelled, annotations=moved))
    return replace(dataset, classes=classes, images=tuple(images))


def merge(datasets: Sequence[DataSet]) -> DataSet:
    """One data set out of several; the class list is the union, in order of first appearance.

    Raises:
        DataSetError: None was given, or the same image file is in two of them, so that it would count twice.
    """
    if not datasets:
        raise DataSetError("no data set was given; name at least one annotation file")
    if len(datasets) == 1:
        return datasets[0]
    classes = ClassSet(tuple(dict.fromkeys(name for d in datasets for name in d.classes.names)))
    seen: dict[Path, str] = {}
    for dataset in datasets:
        for image in dataset.images:
            path = image.path.absolute()
            if path in seen:
                raise DataSetError(
                    f"image {image.path} is in data set {seen[path]!r} and again in {dataset.name!r} and "
                    "would count twice; leave one of the two annotation files out"
                )
            seen[path] = dataset.name
    return DataSet(
        name=" + ".join(d.name for d in datasets),
        classes=classes,
        images=tuple(image for d in datasets for image in relabel(d, classes).images),
        notes=tuple(f"{d.name}: {note}" for d in datasets for note in d.notes),
    )


def check_apart(training: DataSet, validation: DataSet) -> None:
    """Refuse image files that are both trained on and validated on: every figure on them would flatter.

    Raises:
        DataSetError: The message counts them and names the first.
    """
    trained = {image.path.absolute() for image in training.images}
    both = [image.path for image in validation.images if image.path.absolute() in trained]
    if both:
        raise DataSetError(
            f"{len(both)} of the {len(validation)} validation images of {validation.name!r} are trained on, too "
            f"(the first: {both[0]}), and figures on them would flatter: take them out of one of the two annotation "
            "files"
        )


def _named_groups(dataset: DataSet, groups: Iterable[str]) -> set[str]:
    chosen = set(groups)
    if not chosen:
        raise DataSetError(f"no group was named; data set {dataset.name!r} has {', '.join(dataset.groups)}")
    check_groups(dataset, chosen)
    return chosen


def check_groups(dataset: DataSet, groups: Iterable[str]) -> None:
    """Refuse names, as for `only`, that no image of the data set has.

    Raises:
        DataSetError: A group does not occur in the data set.
    """
    for name in sorted(groups):
        if name not in dataset.groups:
            raise DataSetError(
                f"data set {dataset.name!r} has no group {name!r}"
                f"{nearest_spelling(name, dataset.groups)}; it has {', '.join(dataset.groups)}"
            )
