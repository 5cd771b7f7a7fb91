"""How well declared headings and looks agree on labelled scans: the figures of a gallery, cross-validated by group.

    python -m cargosight_training.declared_headings train.json val.json --images FOLDER --model container.onnx

An annotation file is JSON with a list `images`, each with `file_name`, `declared_hs`, `load` and `group`; only what is
`loaded` and has a heading counts. Every scan is compared with a gallery of all others but those of its own group, by
the code that inspects, once with the model's embedding and once with a plain histogram of the cargo box in its place.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cargosight_inference.gallery.references import LEAST_REFERENCES, Gallery, Reference
from cargosight_inference.inspector import Inspector
from cargosight_inference.pipeline import inspect_with_scans
from cargosight_inference.progress import Progress
from cargosight_inference.scans.radiograph import radiograph_of
from cargosight_models.errors import DataSetError
from cargosight_models.geometry import DoubleArray, FloatArray
from cargosight_models.intervals import wilson
from cargosight_training.evaluation.global_look import area_under_roc

BINS = 32
_DRAWS = 1000
_LEVELS = (0.05, 0.1)


@dataclass(frozen=True, eq=False)
class HeadingTable:
    """Labelled loads.

    Attributes:
        names: (N,) file names.
        headings: (N,) that were declared.
        groups: (N,) near-duplicates share one.
        looks: (N, D) unit vectors of each way to look at a scan, by its name.
    """

    names: tuple[str, ...]
    headings: tuple[str, ...]
    groups: tuple[str, ...]
    looks: dict[str, FloatArray]


@dataclass(frozen=True)
class HeadingFigures:
    """Cross-validated figures of one way to look at scans.

    Attributes:
        headings: how many are compared.
        scans: how many have one of them.
        first: how many scans have their own heading as the nearest.
        first_three: how many have it among the nearest three.
        auc: chance that a scan's typicality is higher of its own heading than of another.
        interval: 95 % of it, by a bootstrap over groups.
        called: level, share of own headings with a typicality at or below, and share of others.
    """

    headings: int
    scans: int
    first: int
    first_three: int
    auc: float
    interval: tuple[float, float]
    called: tuple[tuple[float, float, float], ...]


def gather(
    annotations: Sequence[Path], images: Path, inspector: Inspector, *, progress: Callable[[], None]
) -> HeadingTable:
    """Look at the labelled loads of annotation files.

    Raises:
        DataSetError: a file is no such annotation file, or an image cannot be read.
    """
    rows = [row for path in annotations for row in _labelled(path)]
    embeddings, histograms = [], []
    stream = inspect_with_scans(inspector, [str(images / name) for name, _, _ in rows], queue=2)
    for (name, _, _), (inspection, scan) in zip(rows, stream, strict=True):
        if scan is None or inspection.embedding is None:
            raise DataSetError(f"{name} gave no embedding: {inspection.error or 'the model gives none'}")
        embeddings.append(inspection.embedding)
        x1, y1, x2, y2 = (round(edge) for edge in inspection.cargo_box or (0, 0, scan.width, scan.height))
        plane = radiograph_of(scan).plane[max(0, y1) : y2, max(0, x1) : x2, 0]
        counts = np.histogram(plane, bins=BINS, range=(0.0, 1.0))[0]
        histograms.append(np.sqrt(counts / max(1, counts.sum())))  # of length 1
        progress()
    looks = {
        "embedding": np.array(embeddings, dtype=np.float32),
        "histogram": np.array(histograms, dtype=np.float32),
    }
    names, headings, groups = (tuple(column) for column in zip(*rows, strict=True))
    return HeadingTable(names, headings, groups, looks)


def _labelled(path: Path) -> list[tuple[str, str, str]]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["images"]
        return [
            (str(entry["file_name"]), str(entry["declared_hs"]), str(entry["group"]))
            for entry in entries
            if entry.get("load") == "loaded" and entry.get("declared_hs")
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataSetError(
            f"{path} is no annotation file of declared loads ({error!r}); expected a list `images` with file_name, "
            "declared_hs, load and group"
        ) from error


def measure(table: HeadingTable, look: str, *, seed: int = 0) -> HeadingFigures:
    """Return the figures of one way to look at scans.

    Args:
        table: from `gather`.
        look: one of its looks.
        seed: of the bootstrap.

    Raises:
        DataSetError: fewer than two headings have enough groups.
    """
    own, others, ranks, groups = [], [], [], []
    headings = _headings(table)
    for row, near in _compared(table, table.looks[look], headings):
        order = [name for name in near if name in headings]
        ranks.append(order.index(table.headings[row]) + 1)
        own.append(near[table.headings[row]])
        others.append([near[name] for name in headings if name != table.headings[row]])
        groups.append(table.groups[row])
    true, swapped = np.array(own), np.array(others)
    found, place = np.array(ranks), np.array(groups)
    called = tuple(
        (level, float((true <= level).mean()), float((swapped <= level).mean())) for level in _LEVELS
    )
    return HeadingFigures(
        len(headings),
        len(true),
        int((found == 1).sum()),
        int((found <= 3).sum()),
        _auc(true, swapped),
        _interval(true, swapped, place, seed),
        called,
    )


def _headings(table: HeadingTable) -> tuple[str, ...]:
    """Headings that keep enough groups when one is left out."""
    pairs = set(zip(table.headings, table.groups, strict=True))
    counts = Counter(heading for heading, _ in pairs)
    headings = tuple(sorted(name for name, count in counts.items() if count > LEAST_REFERENCES))
    if len(headings) < 2:
        raise DataSetError(
            f"{len(headings)} headings have more than {LEAST_REFERENCES} groups; expected two or more to compare"
        )
    return headings


def _compared(
    table: HeadingTable, looks: FloatArray, headings: Sequence[str]
) -> list[tuple[int, dict[str, float]]]:
    """Return typicality by heading, nearest first, of each scan of these headings."""
    found = []
    for group in sorted(set(table.groups)):
        rest = [
            row
            for row, (heading, own) in enumerate(zip(table.headings, table.groups, strict=True))
            if own != group and heading in headings
        ]
        references = tuple(Reference(table.headings[row], table.groups[row], str(row)) for row in rest)
        gallery = Gallery("measured", "", references, looks[rest])
        for row, own in enumerate(table.groups):
            if own == group and table.headings[row] in headings:
                near = gallery.nearness(looks[row])
                found.append((row, {one.heading: one.typicality for one in near}))
    return found


def _auc(true: DoubleArray, swapped: DoubleArray) -> float:
    scores = np.concatenate([true, swapped.ravel()])
    return area_under_roc(scores, np.arange(len(scores)) < len(true))


def _interval(true: DoubleArray, swapped: DoubleArray, groups: np.ndarray, seed: int) -> tuple[float, float]:
    """Return 95 % of the AUC by drawing groups with replacement."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    found = []
    for _ in range(_DRAWS):
        rows = np.concatenate([members[k] for k in rng.integers(0, len(members), len(members)).tolist()])
        found.append(_auc(true[rows], swapped[rows]))
    low, high = np.percentile(found, [2.5, 97.5]).tolist()
    return low, high


def sentences(look: str, figures: HeadingFigures) -> str:
    """Return the figures in words."""
    lines = [f"{look}, {figures.scans} scans of {figures.headings} headings:"]
    for what, count, chance in (
        ("nearest", figures.first, 1 / figures.headings),
        ("among the nearest three", figures.first_three, min(1.0, 3 / figures.headings)),
    ):
        least, most = wilson(count, figures.scans)
        lines.append(
            f"  own heading {what}: {count} of {figures.scans} ({count / figures.scans:.1%}, {least:.1%} to "
            f"{most:.1%}); by chance {chance:.1%}"
        )
    low, high = figures.interval
    lines.append(
        f"  own against other headings by typicality: AUC {figures.auc:.3f} ({low:.3f} to {high:.3f})"
    )
    lines += [
        f"  typicality of {level:g} or less: {true:.1%} of own headings, {other:.1%} of others"
        for level, true, other in figures.called
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Look at the scans, compare, and write the figures."""
    parser = argparse.ArgumentParser(description="measure how well declared headings and looks agree")
    parser.add_argument("annotations", type=Path, nargs="+", help="annotation files")
    parser.add_argument(
        "--images", type=Path, required=True, help="the folder that file names are relative to"
    )
    parser.add_argument("--model", required=True, help="a model of cargo that gives an embedding")
    args = parser.parse_args(arguments)
    bar = Progress()
    try:
        inspector = Inspector(args.model, threshold=1.0)
        table = gather(args.annotations, args.images, inspector, progress=bar.advance)
    finally:
        bar.erase()
    compared = _headings(table)
    few = Counter(heading for heading in table.headings if heading not in compared)
    sys.stdout.write(
        f"{len(table.names)} loaded scans in {len(set(table.groups))} groups; too few to compare: "
        f"{', '.join(f'{count} of {name}' for name, count in sorted(few.items())) or 'none'}\n"
    )
    for look in table.looks:
        sys.stdout.write(sentences(look, measure(table, look)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
