"""A model in every precision that this machine runs: what it finds, what it costs, which may be the default.

fp32 on the CPU is the measure. A faster precision may be the default only where it loses less than half a point of
mAP50 and less than one point of the detection rate at a false-alarm rate of 5 % (see `accuracy`), on real scans. What
cannot be run here has its reason in the table and no figure.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.inspector import Inspector
from cargosight_inference.providers import ARITHMETICS, CPU, PROVIDERS, Execution, available, check
from cargosight_inference.session import Session
from cargosight_models.errors import UsageError
from cargosight_training.datasets.records import DataSet
from cargosight_training.evaluation.accuracy import ALLOWED_DETECTION, ALLOWED_MAP50, Accuracy, accuracy_on
from cargosight_training.evaluation.intervals import Rate
from cargosight_training.evaluation.rates import SCORE_FLOOR
from cargosight_training.export.timing import alternate

Progress = Callable[[int, int], None]
SCHEMA = 1
_WITHOUT_INT8 = "no int8 file was given"


@dataclass(frozen=True)
class Way:
    """One way of running a model.

    Attributes:
        precision: of the arithmetic.
        execution: where, and in which arithmetic.
        model: the file; None where there is none.
    """

    precision: str
    execution: Execution
    model: Path | None


@dataclass(frozen=True)
class PrecisionRow:
    """What one way of running a model does.

    Attributes:
        precision: of the arithmetic.
        provider: that ran it.
        accuracy: on the scans; None where it was not measured.
        ratio: CPU-time of a run over that of fp32 on the CPU, by round; None likewise.
        missing: why it was not measured, None where it was.
        may_be_default: it loses little enough, and is faster than fp32 on the CPU.
    """

    precision: str
    provider: str
    accuracy: Accuracy | None
    ratio: Spread | None
    missing: str | None
    may_be_default: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def ways(model: Path, int8: Path | None) -> tuple[Way, ...]:
    """Return fp32 and int8 on the CPU, every arithmetic of the other providers that are here, and bf16 always."""
    here = available()
    found = [Way("fp32", CPU, model), Way("int8", CPU, int8)]
    others = [Execution(provider=p, arithmetic=a) for p in PROVIDERS if p != "cpu" for a in ARITHMETICS[p]]
    found += [
        Way(one.arithmetic, one, model)
        for one in others
        if one.provider in here or (one.provider, one.arithmetic) == ("openvino", "bf16")
    ]
    return tuple(found)


def compare_precisions(
    chosen: Sequence[Way], dataset: DataSet, *, rounds: int = 30, progress: Progress | None = None
) -> tuple[PrecisionRow, ...]:
    """Measure each way of running a model, the first of which the others are compared with.

    Args:
        chosen: from `ways`.
        dataset: labelled validation scans; real ones where there are any.
        rounds: how often runs are timed, in turn, on one thread.
        progress: called with (done, total) after each scan of each way.

    Raises:
        DataSetError: the data has no box of a class that the model finds, or cannot be read.
        CargosightError: the first way cannot be run.
    """
    reasons = [_reason(way) for way in chosen]
    if reasons[0] is not None:
        raise UsageError(f"there is nothing to compare with: {reasons[0]}")
    run = [place for place, reason in enumerate(reasons) if reason is None]
    accuracies = {
        place: _accuracy(chosen[place], dataset, _part(progress, done, len(run)))
        for done, place in enumerate(run)
    }
    ratios = dict(zip(run, _ratios([chosen[place] for place in run], rounds), strict=True))
    rows = []
    for place, (way, reason) in enumerate(zip(chosen, reasons, strict=True)):
        accuracy, ratio = accuracies.get(place), ratios.get(place)
        kept = place > 0 and accuracy is not None and accuracies[0].keeps(accuracy)
        rows.append(
            PrecisionRow(
                way.precision,
                way.execution.provider,
                accuracy,
                ratio,
                reason,
                may_be_default=kept and ratio is not None and ratio.median < 1.0,
            )
        )
    return tuple(rows)


def _reason(way: Way) -> str | None:
    """Say why a way cannot be run here; None where it can."""
    if way.model is None:
        return _WITHOUT_INT8
    try:
        check(way.execution)
    except UsageError as error:
        return str(error)
    return None


def _part(progress: Progress | None, place: int, count: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, total: progress(place * total + done, count * total)


def _accuracy(way: Way, dataset: DataSet, progress: Progress | None) -> Accuracy:
    inspector = Inspector(str(way.model), threshold=SCORE_FLOOR, execution=way.execution)
    if inspector.precision != way.precision:
        raise UsageError(f"{way.model} is {inspector.precision}; expected a file in {way.precision}")
    return accuracy_on(inspector, dataset, progress=progress)


def _ratios(run: Sequence[Way], rounds: int) -> Iterator[Spread]:
    """CPU-time of each over that of the first, by round, at the largest shape."""
    sessions = [Session(way.model, execution=way.execution) for way in run if way.model is not None]
    wanted = sessions[0].contract.input
    height, width = max(wanted.shapes, key=lambda shape: shape[0] * shape[1])
    tensor = np.random.default_rng(0).random((1, wanted.channels, height, width), dtype=np.float32)
    rows = alternate([partial(session.run, tensor) for session in sessions], rounds)
    return (Spread.of([row[place] / row[0] for row in rows]) for place in range(len(sessions)))


def markdown(rows: Sequence[PrecisionRow], data: str, processor: str) -> str:
    """Return the table as it stands in a model's card."""
    scans = next(row.accuracy.scans for row in rows if row.accuracy is not None)
    lines = [
        f"On {scans:,} scans of {data}; CPU-time of one run on one thread of a {processor}, over fp32's. A faster "
        f"precision may be the default where it loses less than {ALLOWED_MAP50:g} of mAP50 and less than "
        f"{ALLOWED_DETECTION:g} of the detection rate.",
        "",
        "| precision | provider | mAP50 | boxes found at PFA 5 % | clean scans that alarm | CPU-time | default? |",
        "|---|---|---|---|---|---|---|",
    ]
    for place, row in enumerate(rows):
        if row.accuracy is None or row.ratio is None:
            lines.append(f"| {row.precision} | {row.provider} | not measured: {row.missing} | | | | no |")
            continue
        ratio = (
            f"{row.ratio.median:.2f} ({row.ratio.lowest:.2f} to {row.ratio.highest:.2f})" if place else "1"
        )
        lines.append(
            f"| {row.precision} | {row.provider} | {row.accuracy.map50:.4f} | {_rate(row.accuracy.detected)} | "
            f"{_rate(row.accuracy.alarmed)} | {ratio} | {_verdict(row, place)} |"
        )
    return "\n".join(lines) + "\n"


def _verdict(row: PrecisionRow, place: int) -> str:
    return "the measure" if place == 0 else "yes" if row.may_be_default else "no"


def _rate(rate: Rate | None) -> str:
    if rate is None or rate.value is None:
        return "no clean scans"
    return f"{rate.value:.1%} ({rate.count} of {rate.of})"
