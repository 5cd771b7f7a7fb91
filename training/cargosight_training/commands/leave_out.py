"""`cargosight leave-out`: how much precision remains on scanners and sources that were never trained on."""

import argparse
import hashlib
import json
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from cargosight_inference.arguments import path_argument
from cargosight_inference.progress import Progress
from cargosight_models.contract import file_fingerprint
from cargosight_models.errors import ConfigurationError, DataSetError, MissingExtraError, UsageError
from cargosight_training.datasets.coco import merge, only, read_coco, without
from cargosight_training.datasets.records import DataSet
from cargosight_training.evaluation.bootstrap import SAMPLES
from cargosight_training.evaluation.leave_out import READINGS, GroupScore, Rules, mean_ratio, score_group
from cargosight_training.evaluation.leave_out_table import leave_out_markdown
from cargosight_training.evaluation.run import inspect_dataset, open_inspector
from cargosight_training.evaluation.scored import Scored

if TYPE_CHECKING:
    from cargosight_training.child_runs import ChildRun
    from cargosight_training.config import TrainConfig

SUMMARY = "Leave groups out of training in turn and measure what remains on them."

SCHEMA = 1
FULL = "full"
EXIT_STOPPED = 130

_EPILOG = """\
Trains one run on everything and one without each GROUP (a source, or source/scanner such as six-scanners/3), all
from the same CONFIG and for the same steps, then compares them group by group:

- the run without the group on all its images, training and validation files together: it has seen none of them;
- the full run on the group's images in the validation files (--data) alone: it was trained on the others;

both averaged over the same classes. Beside this headline: both runs on the validation images alone, both on all
images, and every class. No run looks at validation scans: the weights of its last step are taken.

DIR gets leave_out.json, leave_out.md, and a folder for each run. The same command goes on where an earlier one
stopped: finished runs and groups are kept, a run that was stopped is resumed.

exit code: 0 done, 2 misuse or wrong data, 130 stopped early."""

_NEEDED = ("albumentations", "matplotlib", "onnx", "pydantic", "torch", "torchvision")


@dataclass(frozen=True, eq=False)
class Material:
    """The data of the measurement.

    Attributes:
        training: What the full run is trained on.
        everything: All real images, of the training files and of the validation files.
        unseen: The paths of the images of the validation files.
    """

    training: DataSet
    everything: DataSet
    unseen: frozenset[Path]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `leave-out`."""
    parser.epilog = _EPILOG
    # So that settings may stand behind an option, too.
    parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
    parser.add_argument(
        "config", metavar="CONFIG", help="a YAML file, or the name of a configuration shipped with it"
    )
    parser.add_argument("settings", metavar="key=value", nargs="*", help="a setting in place of the file's")
    parser.add_argument(
        "--groups", required=True, metavar="GROUP,GROUP", help="what is left out, one at a time"
    )
    parser.add_argument(
        "--data", type=path_argument, nargs="+", required=True, metavar="FILE.json", help="validation files"
    )
    parser.add_argument(
        "--images",
        type=path_argument,
        metavar="DIR",
        help="where their file names start (default: `images` beside each)",
    )
    parser.add_argument(
        "--out", type=path_argument, required=True, metavar="DIR", help="of the runs and the tables"
    )
    rules = Rules()
    parser.add_argument(
        "--least-boxes",
        type=int,
        default=rules.boxes,
        help=f"boxes in the group, and in the training data without it, from which a class counts "
        f"(default: {rules.boxes})",
    )
    parser.add_argument(
        "--least-unseen-boxes",
        type=int,
        default=rules.unseen,
        help=f"boxes on the group's validation images from which a class counts (default: {rules.unseen})",
    )
    parser.add_argument(
        "--weights-saw-none",
        action="store_true",
        help="confirm that model.weights, which every run starts from, were trained on none of the groups",
    )
    parser.add_argument(
        "--samples", type=int, default=SAMPLES, help=f"bootstrap samples, 0 for none (default: {SAMPLES})"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")
    parser.add_argument("--json", action="store_true", help="write the figures as JSON to stdout")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code.

    Raises:
        MissingExtraError: The extra `train` is not installed.
        CargosightError: A setting, the data, or a folder of an earlier run is wrong, or a run fails.
    """
    if any(find_spec(name) is None for name in _NEEDED):
        raise MissingExtraError("train", "cargosight leave-out")
    from cargosight_training.config_files import find_config, load_config

    rules = _rules(args)
    groups = tuple(dict.fromkeys(name.strip() for name in args.groups.split(",") if name.strip()))
    if not groups:
        raise UsageError("--groups names no group; give a source, or source/scanner, or several with commas")
    if FULL in groups:
        raise UsageError(
            f"the group {FULL!r} has the name of the run that leaves out none; give the source another name in the "
            "annotation files"
        )
    if args.samples < 0:
        raise UsageError(f"--samples {args.samples} found; expected 0 or more")
    if args.seed < 0:
        raise UsageError(f"--seed {args.seed} found; expected 0 or more")
    config = load_config(find_config(args.config), args.settings)
    if config.model.weights is not None and not args.weights_saw_none:
        raise ConfigurationError(
            f"model.weights is {config.model.weights}: weights that were trained on a group make leaving it out "
            "worthless; leave them out, or confirm with --weights-saw-none that they saw none of the groups"
        )
    material = read_material(config, args.data, images=args.images)
    _check_groups(material, groups)
    runs = plan_runs(config, groups, args.out)
    for child in runs.values():
        child.check()
    scores: list[GroupScore] = []
    for name, child in runs.items():
        if not _train(child, name):
            sys.stderr.write("stopped; the same command goes on from here\n")
            return EXIT_STOPPED
        if name != FULL:
            scores.append(
                scored_group(
                    name, child, runs[FULL], material, rules=rules, samples=args.samples, seed=args.seed
                )
            )
            document = write_tables(args.out, runs, scores, rules=rules, data=material.everything.name)
    if args.json:
        sys.stdout.write(json.dumps(document, allow_nan=False) + "\n")
    else:
        sys.stdout.write((args.out / "leave_out.md").read_text(encoding="utf-8"))
        sys.stdout.writelines(f"wrote {args.out / name}\n" for name in ("leave_out.json", "leave_out.md"))
    return 0


def read_material(config: "TrainConfig", validation: Sequence[Path], *, images: Path | None) -> Material:
    """Read the training files of a configuration, without its own left-out groups, and the validation files.

    Simulated scans take part in training, and in no figure.

    Raises:
        DataSetError: A file is wrong, or an image is in two of them.
    """
    files = [(read_coco(file.file, images_dir=file.images), file.simulated) for file in config.data.train]
    training = merge([part for part, _ in files])
    if config.data.without:
        training = without(training, config.data.without)
    unseen = merge([read_coco(path, images_dir=images) for path in validation])
    real = [part for part, simulated in files if not simulated]
    return Material(training, merge([*real, unseen]), frozenset(image.path for image in unseen.images))


def plan_runs(config: "TrainConfig", groups: Sequence[str], out: Path) -> "dict[str, ChildRun]":
    """The full run and one without each group, each in its own folder below `out`."""
    from cargosight_training.child_runs import ChildRun

    log = config.log.model_copy(update={"evaluate_every": 0, "sheet": 0})
    runs = {}
    for name in (FULL, *groups):
        folder = out / _folder_name(name)
        left_out = config.data.without if name == FULL else (*config.data.without, name)
        # Each run without a group has other pictures: their cache lies in its folder until it is done.
        cache = config.data.cache if name == FULL else folder / "cache"
        data = config.data.model_copy(update={"without": left_out, "val": (), "cache": cache})
        runs[name] = ChildRun(config.model_copy(update={"out": folder, "data": data, "log": log}))
    return runs


def _folder_name(run: str) -> str:
    """The folder of a run: a name of its own for every group, also for one called `..`; a + stands for a slash."""
    return FULL if run == FULL else f"without-{quote(run, safe='').replace('%2F', '+')}"


def scored_group(
    group: str,
    held_out: "ChildRun",
    full: "ChildRun",
    material: Material,
    *,
    rules: Rules,
    samples: int,
    seed: int,
) -> GroupScore:
    """The comparison on one group; taken from the run's folder where it was made for the same models and data.

    Raises:
        DataSetError: An image cannot be read.
    """
    left = only(material.everything, [group])
    unseen = np.array([image.path in material.unseen for image in left.images], dtype=np.bool_)
    elsewhere = _boxes_by_class(without(material.training, [group]))
    key = {
        "models": [file_fingerprint(held_out.model), file_fingerprint(full.model)],
        "images": [str(image.path) for image in left.images],
        "unseen": unseen.tolist(),
        "labels": _digest_of_labels(left),
        "elsewhere": dict(sorted(elsewhere.items())),
        "rules": asdict(rules),
        "samples": samples,
        "seed": seed,
    }
    kept = held_out.folder / "score.json"
    if kept.is_file():
        document = json.loads(kept.read_text(encoding="utf-8"))
        if document["key"] == key:
            return GroupScore.from_dict(document["score"])
    score = score_group(
        group,
        _found_by(held_out, left),
        _found_by(full, left),
        unseen=unseen,
        elsewhere=elsewhere,
        rules=rules,
        samples=samples,
        seed=seed,
    )
    partial = kept.with_suffix(".partial")
    partial.write_text(json.dumps({"key": key, "score": score.to_dict()}, allow_nan=False), encoding="utf-8")
    partial.replace(kept)
    return score


def write_tables(
    out: Path, runs: "dict[str, ChildRun]", scores: Sequence[GroupScore], *, rules: Rules, data: str
) -> dict[str, Any]:
    """Write leave_out.json and leave_out.md of the groups done so far; returns the JSON document."""
    done = {score.group for score in scores}
    full = runs[FULL].config
    document = {
        "schema": SCHEMA,
        "model": full.name,
        "data": data,
        "rules": asdict(rules),
        "readings": dict(READINGS),
        "runs": {
            name: {
                "without": list(child.config.data.without),
                "steps": child.config.total_steps,
                "cpu_hours": child.cpu_hours,
                "fingerprint": file_fingerprint(child.model),
            }
            for name, child in runs.items()
            if child.finished
        },
        "average_ratio": {reading: asdict(mean_ratio(scores, reading)) for reading in READINGS},
        "groups": {score.group: _without_samples(score) for score in scores},
    }
    hours = [child.cpu_hours for name, child in runs.items() if name == FULL or name in done]
    budget = f"{full.total_steps} steps of {full.optimiser.batch} scans, {min(hours):.2f} to {max(hours):.2f} CPU-hours"
    text = leave_out_markdown(
        scores,
        title=f"{full.name}: leaving out one group at a time, scored on {data}",
        budget=budget,
        rules=rules,
        waiting=[name for name in runs if name != FULL and name not in done],
    )
    (out / "leave_out.json").write_text(
        json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    (out / "leave_out.md").write_text(text, encoding="utf-8")
    return document


def _rules(args: argparse.Namespace) -> Rules:
    if min(args.least_boxes, args.least_unseen_boxes) < 1:
        raise UsageError(
            f"--least-boxes {args.least_boxes} and --least-unseen-boxes {args.least_unseen_boxes} found; "
            "expected 1 or more"
        )
    return Rules(boxes=args.least_boxes, unseen=args.least_unseen_boxes, elsewhere=args.least_boxes)


def _check_groups(material: Material, groups: Sequence[str]) -> None:
    """Refuse groups that are not trained on, or have no unseen image.

    Raises:
        DataSetError: The message names the group.
    """
    for group in groups:
        only(material.training, [group])
        without(material.training, [group])
        unseen = [
            image for image in only(material.everything, [group]).images if image.path in material.unseen
        ]
        if not unseen:
            raise DataSetError(
                f"no validation file has an image of {group}, so that none is unseen by the full run; add one to --data"
            )


def _train(child: "ChildRun", name: str) -> bool:
    """Bring a run to its end; returns False when it was stopped."""
    if child.finished:
        sys.stderr.write(f"{name}: the finished run in {child.folder} is kept\n")
        return True
    sys.stderr.write(f"{name}: training {child.config.total_steps} steps in {child.folder}\n")
    finished = child.train()
    if finished and name != FULL:
        shutil.rmtree(child.config.data.cache, ignore_errors=True)
    return finished


def _found_by(child: "ChildRun", dataset: DataSet) -> Scored:
    """What a run's model finds on the images, over the classes of the data and the model."""
    bar = Progress(len(dataset))
    try:
        inspected = inspect_dataset(
            open_inspector(str(child.model)), dataset, progress=lambda _done, _total: bar.advance()
        )
    finally:
        bar.erase()
    (scored, _), *others = inspected.by_origin()
    if others or len(scored) != len(dataset):
        raise DataSetError(
            "a group that is left out must be of one origin and of a source that labels something, "
            f"but {dataset.images[0].group} is not"
        )
    return scored


def _boxes_by_class(dataset: DataSet) -> Counter[str]:
    names = dataset.classes.names
    return Counter(names[place] for image in dataset.images for place in image.annotations.class_ids.tolist())


def _digest_of_labels(dataset: DataSet) -> str:
    """SHA-256 of the class names and of each image's boxes, class ids and label mask, in order."""
    digest = hashlib.sha256(json.dumps(dataset.classes.names).encode())
    for image in dataset.images:
        for column in (image.annotations.boxes, image.annotations.class_ids, image.labelled):
            digest.update(f"{column.shape}".encode())
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _without_samples(score: GroupScore) -> dict[str, Any]:
    document = score.to_dict()
    del document["samples"]
    return document
