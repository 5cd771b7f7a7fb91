"""What both sides are scored on, by the same code, and the table that holds them beside each other."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cargosight_inference.findings import Findings
from cargosight_models.labels import ClassSet
from cargosight_training.datasets.coco import merge, only, read_coco, without
from cargosight_training.datasets.records import DataSet, ImageRecord, check_apart
from cargosight_training.evaluation.figures import Average, Figures, compute
from cargosight_training.evaluation.scored import collect

SCHEMA = 1
FINDINGS = 100
"""Counted on one scan, on both sides."""
VALIDATION = "validation"
LEFT_OUT = "left out"


@dataclass(frozen=True, eq=False)
class Task:
    """One comparison: what may be trained on, and what is scored.

    Attributes:
        training: The training images, without the group that is left out.
        scored: Image sets by name: `validation`, the validation files as they are, and with a group left out also
            `left out`, all its images, of the training and of the validation files.
        left_out: The group, None for none.
    """

    training: DataSet
    scored: Mapping[str, DataSet]
    left_out: str | None


def read_task(
    training: Sequence[tuple[Path, Path | None]],
    validation: Sequence[Path],
    *,
    images: Path | None,
    left_out: str | None,
) -> Task:
    """Read the annotation files and take a group out of the training images.

    Args:
        training: Annotation files of real scans, each with the folder of its pictures (None: `images` beside it).
        validation: Annotation files.
        images: Folder of the validation pictures, None for `images` beside each file.
        left_out: The group, None for none.

    Raises:
        DataSetError: A file is wrong, a class is not in the training files, there is no such group, or a validation
            image is trained on.
    """
    train = merge([read_coco(path, images_dir=folder) for path, folder in training])
    val = merge([read_coco(path, images_dir=images, classes=train.classes) for path in validation])
    check_apart(train, val)
    scored = {VALIDATION: val}
    if left_out is not None:
        scored[LEFT_OUT] = only(merge([train, val]), [left_out])
        train = without(train, [left_out])
    return Task(train, scored, left_out)


def score_findings(
    images: Sequence[ImageRecord],
    classes: ClassSet,
    findings: Sequence[Findings],
    *,
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """mAP50 with its bootstrap interval and AP50 by class; JSON-ready.

    Images of sources that label nothing are left out, since nothing can be counted on them. On each scan the best
    FINDINGS are counted, whoever found them.

    Args:
        images: Of real scans.
        classes: Those of the images and of the findings.
        findings: One for each image, in their order.
        samples: Of the bootstrap.
        seed: Of the bootstrap.
    """
    pairs = [
        (image, best_of(found)) for image, found in zip(images, findings, strict=True) if image.labelled.any()
    ]
    scored = collect(pairs, classes)
    figures: Figures = compute(scored, samples=samples, seed=seed)
    return {
        "images": len(scored),
        "boxes": len(scored.truths),
        "headline": _brief(figures.headline),
        "all_classes": _brief(figures.all_classes),
        "classes": {
            one.name: {"ap50": one.ap50, "boxes": one.boxes}
            for one in figures.classes
            if one.known and one.boxes
        },
    }


def best_of(findings: Findings) -> Findings:
    """The FINDINGS with the highest scores."""
    return findings.select(slice(FINDINGS))  # they are sorted by falling score


def _brief(average: Average) -> dict[str, Any]:
    document = average.to_dict()
    return {key: document[key] for key in ("classes", "map50", "map50_bootstrap95", "map")}


def write_result(folder: Path, name: str, result: Mapping[str, Any]) -> Path:
    """Write one result and the table of all results in the folder; returns the result's file."""
    path = folder / f"{slug(name)}.result.json"
    partial = path.with_suffix(".partial")
    partial.write_text(
        json.dumps({"schema": SCHEMA, "name": name, **result}, indent=1, allow_nan=False) + "\n"
    )
    partial.replace(path)
    (folder / "table.md").write_text(table(read_results(folder)), encoding="utf-8")
    return path


def read_results(folder: Path) -> list[dict[str, Any]]:
    """The results in the folder, those of other programs last."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.result.json"))]
    return sorted(results, key=lambda result: (result["rival"], result["name"]))


def slug(name: str) -> str:
    """A name as part of a file name."""
    return "".join(letter if letter.isalnum() or letter in "-." else "-" for letter in name)


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """All results as Markdown: one table for each set of scored images, with the ratio to each rival."""
    lines = ["# At equal CPU time", ""]
    for name, rows in _alike(results):
        scored = rows[0]["scored"][name]
        group = "" if name == VALIDATION else f" ({rows[0]['left_out']})"
        rivals = [row for row in rows if row["rival"]]
        lines += [
            f"## {name.capitalize()}{group}: {scored['images']} images, {scored['boxes']} boxes, "
            f"{len(scored['headline']['classes'])} classes with 20 boxes or more",
            "",
            "| run | trained without | CPU seconds, budget | used | mAP50 | 95 % by scan | all classes "
            "| mAP50 per CPU-hour |" + "".join(f" by {rival['name']} |" for rival in rivals),
            "| --- | --- | ---: | ---: | ---: | --- | ---: | ---: |" + " ---: |" * len(rivals),
        ]
        lines += [_row(row, name, rivals) for row in rows]
        lines.append("")
    lines.append(
        "CPU time is that of training with its data loaders; scoring, export and the reading of data before"
    )
    lines += ["training are not counted.", ""]
    return "\n".join(lines)


def _alike(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Results that were scored on the same images and boxes, by the name of the image set."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for name in (VALIDATION, LEFT_OUT):
        for result in results:
            if name in result["scored"]:
                scored = result["scored"][name]
                group = result["left_out"] if name == LEFT_OUT else None
                groups.setdefault((name, group, scored["images"], scored["boxes"]), []).append(result)
    return [(key[0], rows) for key, rows in groups.items()]


def _row(result: Mapping[str, Any], name: str, rivals: Sequence[Mapping[str, Any]]) -> str:
    scored = result["scored"][name]
    map50, interval = scored["headline"]["map50"], scored["headline"]["map50_bootstrap95"]
    used = result["used_cpu_seconds"]
    cells = [
        result["name"],
        result["left_out"] or "-",
        f"{result['budget_cpu_seconds']:.0f}",
        f"{used:.0f}",
        _number(map50),
        "" if interval is None else f"{interval['low']:.3f} to {interval['high']:.3f}",
        _number(scored["all_classes"]["map50"]),
        _number(None if map50 is None or used <= 0 else map50 / (used / 3600)),
        *(_ratio(result, rival, name) for rival in rivals),
    ]
    return f"| {' | '.join(cells)} |"


def _ratio(result: Mapping[str, Any], rival: Mapping[str, Any], name: str) -> str:
    """How many times the rival's mAP50, where both left the same group out and ours had no larger budget."""
    if result["rival"] or result["left_out"] != rival["left_out"]:
        return ""
    if result["budget_cpu_seconds"] > rival["budget_cpu_seconds"]:
        return "larger budget"
    own, other = (one["scored"][name]["headline"]["map50"] for one in (result, rival))
    return "-" if own is None or not other else f"{own / other:.2f} times"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
