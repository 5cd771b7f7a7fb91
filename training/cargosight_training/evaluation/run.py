"""From a model file and a data set to scored images: every scan goes through the same pipeline as in use."""

from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from cargosight_inference.findings import Findings
from cargosight_inference.inspection import STAGES
from cargosight_inference.inspector import Inspector
from cargosight_inference.pipeline import inspect_with_scans
from cargosight_models.errors import DataSetError
from cargosight_models.geometry import DoubleArray
from cargosight_models.labels import ClassSet
from cargosight_training.datasets.records import ORIGINS, DataSet, ImageRecord, Origin, relabel
from cargosight_training.evaluation.global_look import look_of
from cargosight_training.evaluation.rates import SCORE_FLOOR
from cargosight_training.evaluation.scored import Scored, clean_scans, collect

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Inspected:
    """What a model found on a data set.

    Attributes:
        classes: Those of the data, then those that only the model has.
        images: The labelled images, over `classes`.
        findings: One for each image.
        looks: (N, F) features of the global look.
        milliseconds: Median time of each stage on one scan.
        notes: What was left out or limits the figures, one sentence each.
    """

    classes: ClassSet
    images: tuple[ImageRecord, ...]
    findings: tuple[Findings, ...]
    looks: DoubleArray
    milliseconds: dict[str, float]
    notes: tuple[str, ...]

    def by_origin(self) -> list[tuple[Scored, DoubleArray]]:
        """Scored images with their looks, apart for real, projected and simulated scans."""
        parts = []
        for origin in ORIGINS:
            rows = [row for row, image in enumerate(self.images) if image.origin == origin]
            if rows:
                pairs = [(self.images[row], self.findings[row]) for row in rows]
                parts.append((collect(pairs, self.classes), self.looks[rows]))
        return parts


def open_inspector(model: str) -> Inspector:
    """An inspector that reports everything from the score floor on."""
    return Inspector(model, threshold=SCORE_FLOOR)


def inspect_dataset(inspector: Inspector, dataset: DataSet, *, progress: Progress | None = None) -> Inspected:
    """Inspect every labelled image.

    Args:
        inspector: From `open_inspector`.
        dataset: Images of sources that label nothing are left out, since nothing can be counted on them.
        progress: Called with (done, total) after each image.

    Raises:
        DataSetError: An image cannot be read or has not the size that its annotations say, or no image is
            labelled.
    """
    names = tuple(dict.fromkeys((*dataset.classes.names, *inspector.contract.classes)))
    dataset = relabel(dataset, ClassSet(names))
    images = tuple(image for image in dataset.images if image.labelled.any())
    if not images:
        raise DataSetError(f"data set {dataset.name!r} has no image of a source that labels a class")
    findings, looks, timings = [], [], []
    with closing(inspect_with_scans(inspector, (image.path for image in images))) as pairs:
        for done, (image, (inspection, scan)) in enumerate(zip(images, pairs, strict=True), start=1):
            if scan is None:
                raise DataSetError(f"image {image.path} cannot be read: {inspection.error}")
            if (inspection.width, inspection.height) != (image.width, image.height):
                raise DataSetError(
                    f"image {image.path} is {inspection.width} by {inspection.height}, but its annotations "
                    f"say {image.width} by {image.height}; boxes are in pixels of the stored image"
                )
            findings.append(inspection.findings)
            looks.append(look_of(scan))
            timings.append([inspection.timings_ms.get(stage, 0.0) for stage in STAGES])
            if progress is not None:
                progress(done, len(images))
    medians = np.median(timings, axis=0)
    return Inspected(
        classes=dataset.classes,
        images=images,
        findings=tuple(findings),
        looks=np.array(looks),
        milliseconds={stage: float(value) for stage, value in zip(STAGES, medians, strict=True)},
        notes=(*dataset.notes, *_notes(inspector, dataset, len(images))),
    )


def count_clean(dataset: DataSet, known: Collection[str]) -> tuple[int, Origin]:
    """How many scans will count as clean (see `Scored.clean`) for a model that knows the classes `known`.

    Told by the labels alone, before anything is inspected; of the real scans, where there are any that count.

    Returns:
        The count, and the origin of the scans that are counted.
    """
    labelled = [image for image in dataset.images if image.labelled.any()]
    if not labelled:
        return 0, "real"
    origin = min((image.origin for image in labelled), key=ORIGINS.index)
    counted = [image for image in labelled if image.origin == origin]
    checked = np.stack([image.labelled for image in counted]) & np.isin(dataset.classes.names, list(known))
    present = np.array([[len(image.annotations) > 0] for image in counted])
    return int(clean_scans(checked, present).sum()), origin


def _notes(inspector: Inspector, dataset: DataSet, counted: int) -> list[str]:
    notes = []
    left_out = len(dataset) - counted
    if left_out:
        notes.append(f"{left_out} images of sources that label nothing were left out")
    unknown = [
        name
        for index, name in enumerate(dataset.classes.names)
        if name not in inspector.contract.classes and any(i.labelled[index] for i in dataset.images)
    ]
    if unknown:
        notes.append(f"the model does not know {', '.join(unknown)}; no average counts them")
    unlabelled = [
        name
        for index, name in enumerate(dataset.classes.names)
        if name in inspector.contract.classes and not any(i.labelled[index] for i in dataset.images)
    ]
    if unlabelled:
        notes.append(f"no source here labels {', '.join(unlabelled)}; nothing is said of them")
    suppression = inspector.contract.suppression
    if suppression.score_floor > SCORE_FLOOR or suppression.max_per_class < 100:
        notes.append(
            f"the model file keeps at most {suppression.max_per_class} findings of a class on a scan, from a "
            f"score of {suppression.score_floor:g} on; COCO counts 100 from {SCORE_FLOOR:g} on, so the averages "
            "may be too low"
        )
    return notes
