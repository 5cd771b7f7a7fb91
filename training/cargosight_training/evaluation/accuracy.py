"""A model's accuracy in two numbers, to compare ways of running the same model on the same scans."""

from dataclasses import dataclass

from cargosight_inference.inspector import Inspector
from cargosight_models.errors import DataSetError
from cargosight_training.datasets.records import DataSet
from cargosight_training.evaluation.figures import Figures, compute
from cargosight_training.evaluation.intervals import Rate
from cargosight_training.evaluation.operating_points import deal_folds, measure
from cargosight_training.evaluation.run import Progress, inspect_dataset

REFERENCE_PFA = 0.05
ALLOWED_MAP50 = 0.005
"""A faster way of running a model may lose less than half a point of mAP50."""
ALLOWED_DETECTION = 0.01
"""And less than one point of the detection rate at a false-alarm rate of 5 %."""


@dataclass(frozen=True)
class Accuracy:
    """What a model finds on labelled scans.

    Attributes:
        map50: in [0, 1]: the average over the classes with 20 boxes or more, over all classes with a box where there is
            none.
        detected: boxes of all known classes that are found (IoU 0.5) at thresholds at which 5 % of the clean scans
            alarm, cross-fitted over folds of scans; None where fewer than two scans are clean.
        alarmed: clean scans that alarmed at them; None likewise.
        scans: that were counted.
    """

    map50: float
    detected: Rate | None
    alarmed: Rate | None
    scans: int

    def keeps(self, other: "Accuracy") -> bool:
        """Whether `other`, the same model run faster, loses so little that it may take the place of this one."""
        if self.map50 - other.map50 >= ALLOWED_MAP50:
            return False
        if self.detected is None or other.detected is None:
            return False
        before, after = self.detected.value, other.detected.value
        return before is not None and after is not None and before - after < ALLOWED_DETECTION


def accuracy_on(
    inspector: Inspector, dataset: DataSet, *, seed: int = 0, progress: Progress | None = None
) -> Accuracy:
    """Inspect a data set through the pipeline and count; of real scans, where there are any.

    Args:
        inspector: from `run.open_inspector`.
        dataset: labelled scans.
        seed: of the folds.
        progress: called with (done, total) after each scan.

    Raises:
        DataSetError: the data has no box of a class that the model finds, or cannot be read.
    """
    inspected = inspect_dataset(inspector, dataset, progress=progress)
    scored, _ = inspected.by_origin()[0]
    return accuracy_of(compute(scored, samples=0, seed=seed), dataset.name, seed=seed)


def accuracy_of(figures: Figures, data: str, *, seed: int = 0) -> Accuracy:
    """Return the two numbers of figures that were computed already.

    Raises:
        DataSetError: there is no box of a class that the model finds.
    """
    average = figures.headline if figures.headline.classes else figures.all_classes
    if average.map50 is None:
        raise DataSetError(
            f"the data set {data!r} has no box of a class that the model finds, so that no loss of accuracy can be "
            "measured; give data with boxes"
        )
    scored = figures.matched.scored
    if int(scored.clean.sum()) < 2:
        return Accuracy(average.map50, None, None, len(scored))
    measured = measure(figures.matched, deal_folds(scored, seed), REFERENCE_PFA)
    sources = {image.source for image in scored.images}
    found = sum((measured.by_group[name][0] for name in sources), Rate(0, 0))
    return Accuracy(average.map50, found, measured.clean, len(scored))
