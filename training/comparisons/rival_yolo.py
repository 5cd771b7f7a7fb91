"""The rival: a YOLO detector trained from scratch by ultralytics for a budget of CPU-seconds, scored as ours is.

ultralytics is AGPL and no dependency of this project. This script uses it where it is installed, in an environment of
its own; nothing of it is copied, and no model that it makes is shipped.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from training.comparisons.cpu_time import Stopwatch, cpu_seconds
from training.comparisons.scoring import (
    FINDINGS,
    Task,
    best_of,
    read_task,
    score_findings,
    slug,
    write_result,
)
from training.comparisons.yolo_labels import write_yolo_folder

from cargosight_inference.arguments import path_argument
from cargosight_inference.findings import Findings
from cargosight_models.errors import CargosightError, DataSetError, UsageError
from cargosight_models.geometry import clip_boxes
from cargosight_training.datasets.records import DataSet
from cargosight_training.evaluation.bootstrap import SAMPLES
from cargosight_training.evaluation.rates import SCORE_FLOOR

WATCHED = 16
"""Validation pictures that ultralytics sees; it wants some, and nothing is chosen by them."""


def make_parser() -> argparse.ArgumentParser:
    """The options of the script."""
    parser = argparse.ArgumentParser(prog="python -m training.comparisons.rival_yolo", description=__doc__)
    parser.add_argument("--train", type=path_argument, nargs="+", required=True, metavar="FILE.json")
    parser.add_argument("--val", type=path_argument, nargs="+", required=True, metavar="FILE.json")
    parser.add_argument(
        "--images", type=path_argument, metavar="DIR", help="default: `images` beside each file"
    )
    parser.add_argument(
        "--out", type=path_argument, required=True, metavar="DIR", help="of runs, results and the table"
    )
    parser.add_argument(
        "--cpu-seconds", type=float, default=7200.0, help="budget of training (default: 7200)"
    )
    parser.add_argument(
        "--without", metavar="GROUP", help="leave this source or source/scanner out of training"
    )
    parser.add_argument("--model", default="yolo11n.yaml", help="what to train (default: yolo11n.yaml)")
    parser.add_argument("--size", type=int, default=416, help="side of the pictures in pixels (default: 416)")
    parser.add_argument("--batch", type=int, default=16, help="pictures in a step (default: 16)")
    parser.add_argument("--workers", type=int, default=1, help="loader processes (default: 1)")
    parser.add_argument(
        "--cache", choices=("no", "ram", "disk"), default="no", help="of decoded pictures (default: no)"
    )
    parser.add_argument(
        "--nms-iou",
        type=float,
        default=0.7,
        help="of its suppression (default: 0.7, as in its own validation)",
    )
    parser.add_argument(
        "--samples", type=int, default=SAMPLES, help=f"bootstrap samples (default: {SAMPLES})"
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Train, score, write the result; returns the exit code."""
    args = make_parser().parse_args(argv)
    try:
        run(args)
    except CargosightError as error:
        sys.stderr.write(f"rival_yolo: {error}\n")
        return 2
    return 0


def run(args: argparse.Namespace) -> None:
    """Train the rival where it has not been yet, score it and write the result.

    Raises:
        UsageError: ultralytics is not installed here, or an option is out of range.
        DataSetError: The data is wrong.
    """
    if find_spec("ultralytics") is None:
        raise UsageError(
            "ultralytics is not installed here: make an environment for it (`python -m venv rival`, then "
            "`rival/bin/pip install ultralytics` and this project) and run this script there"
        )
    if args.cpu_seconds <= 0:
        raise UsageError(f"--cpu-seconds {args.cpu_seconds} found; expected more than 0")
    training = [(path, args.images) for path in args.train]
    task = read_task(training, args.val, images=args.images, left_out=args.without)
    name = f"{Path(args.model).stem} from scratch" + (
        "" if task.left_out is None else f" without {task.left_out}"
    )
    folder = args.out / slug(name)
    folder.mkdir(parents=True, exist_ok=True)
    _isolate(folder)
    trained = _train_once(args, task, folder)
    scored = {}
    for set_name, dataset in task.scored.items():
        findings = list(_predict(folder / "last.pt", dataset, args))
        scored[set_name] = score_findings(
            dataset.images, dataset.classes, findings, samples=args.samples, seed=0
        )
    result = {"rival": True, "left_out": task.left_out, **trained, "scored": scored}
    path = write_result(args.out, name, result)
    sys.stdout.write((args.out / "table.md").read_text(encoding="utf-8"))
    sys.stdout.write(f"wrote {path}\n")


class CpuBudget:
    """Callbacks that end an ultralytics training at a budget of CPU time and anneal its learning rate towards it.

    ultralytics can do the same with its option `time`, for the time of the clock: after each epoch it sets the number
    of epochs to what fits, and makes its schedule anew. This does so for CPU time.

    Args:
        seconds: The budget.
        clock: Gives the CPU seconds of the process and its loaders.

    Attributes:
        used: CPU seconds from the first batch to the last.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = cpu_seconds) -> None:
        self._seconds, self._clock = seconds, clock
        self._start = 0.0
        self.used = 0.0

    def start(self, _trainer: Any) -> None:  # noqa: ANN401 - ultralytics' trainer has no type here
        """Begin to count."""
        self._start = self._clock()

    def after_batch(self, trainer: Any) -> None:  # noqa: ANN401
        """Stop at the end of the batch in which the budget ran out."""
        self.used = self._clock() - self._start
        if self.used >= self._seconds:
            trainer.stop = True

    def after_epoch(self, trainer: Any) -> None:  # noqa: ANN401
        """Set the number of epochs to what the budget allows, and the learning rate with it."""
        if self.used >= self._seconds:
            return
        done = trainer.epoch - trainer.start_epoch + 1
        trainer.epochs = trainer.args.epochs = trainer.start_epoch + math.ceil(
            self._seconds / (self.used / done)
        )
        trainer._setup_scheduler()
        trainer.scheduler.last_epoch = trainer.epoch

    def attach(self, model: Any) -> None:  # noqa: ANN401
        """Register with an ultralytics model."""
        model.add_callback("on_train_start", self.start)
        model.add_callback("on_train_batch_end", self.after_batch)
        model.add_callback("on_fit_epoch_end", self.after_epoch)


def findings_from_rows(
    boxes: npt.ArrayLike,
    scores: npt.ArrayLike,
    class_ids: npt.ArrayLike,
    *,
    names: tuple[str, ...],
    width: int,
    height: int,
) -> Findings:
    """A detector's rows as findings: the best FINDINGS from SCORE_FLOOR on, clipped to the scan.

    Args:
        boxes: (N, 4) x1, y1, x2, y2 in scan pixels.
        scores: (N,) in [0, 1].
        class_ids: (N,) positions in `names`.
        names: The classes.
        width: Of the scan in pixels.
        height: Of the scan in pixels.
    """
    clipped = clip_boxes(np.asarray(boxes, dtype=np.float32).reshape(-1, 4), width, height)
    values = np.clip(np.asarray(scores, dtype=np.float32), 0.0, 1.0)
    order = np.argsort(-values, kind="stable")
    findings = Findings.of_items(
        boxes=clipped[order],
        scores=values[order],
        class_ids=np.asarray(class_ids).astype(np.int32)[order],
        class_names=names,
    )
    return best_of(findings.above(SCORE_FLOOR))


def _isolate(folder: Path) -> None:
    """Settings and downloads of ultralytics stay in the folder; nothing is sent, fetched or installed."""
    os.environ["YOLO_CONFIG_DIR"] = str(folder.absolute() / "settings")
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"


def _train_once(args: argparse.Namespace, task: Task, folder: Path) -> dict[str, Any]:
    """Train, or take what an earlier call of this script trained; returns how."""
    note, weights = folder / "trained.json", folder / "last.pt"
    if note.is_file() and weights.is_file():
        trained: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        kept = {"cpu_seconds": trained["budget_cpu_seconds"], **trained["settings"]}
        asked = {"cpu_seconds": args.cpu_seconds, **_asked(args), "images": len(task.training)}
        other = [
            f"{key} {kept.get(key)} and not {value}" for key, value in asked.items() if kept.get(key) != value
        ]
        if other:
            raise UsageError(
                f"{folder} holds a run with {', '.join(other)}: name another folder, or delete that one"
            )
        sys.stderr.write(f"the finished run in {folder} is kept\n")
        return trained
    import ultralytics

    from cargosight_training.trainer.machine import keep_freed_memory

    keep_freed_memory()  # as our trainer does: page faults are CPU time, too
    classes = task.training.classes
    watched = DataSet("watched", classes, task.scored["validation"].images[:WATCHED])
    data = write_yolo_folder(folder / "data", {"train": task.training, "val": watched})
    model = ultralytics.YOLO(args.model)
    budget = CpuBudget(args.cpu_seconds)
    budget.attach(model)
    stopwatch = Stopwatch()
    model.train(
        data=str(data),
        imgsz=args.size,
        batch=args.batch,
        workers=args.workers,
        amp=False,  # bf16 of ultralytics needs CUDA
        cache=False if args.cache == "no" else args.cache,
        seed=args.seed,
        pretrained=False,
        device="cpu",
        val=False,
        plots=False,
        patience=0,
        project=str(folder.absolute()),
        name="run",
        exist_ok=True,
    )
    trained = {
        "budget_cpu_seconds": args.cpu_seconds,
        "used_cpu_seconds": budget.used,
        "settings": {
            **_asked(args),
            "epochs": int(model.trainer.epoch) + 1,
            "images": len(task.training),
            "with_setup_cpu_seconds": stopwatch.cpu,
            "wall_seconds": stopwatch.wall,
            "ultralytics": ultralytics.__version__,
        },
    }
    Path(model.trainer.last).replace(weights)
    note.write_text(json.dumps(trained, indent=1) + "\n", encoding="utf-8")
    return trained


def _asked(args: argparse.Namespace) -> dict[str, Any]:
    """The options that make one run differ from another."""
    return {
        key: getattr(args, key) for key in ("model", "size", "batch", "workers", "cache", "seed", "nms_iou")
    }


def _predict(weights: Path, dataset: DataSet, args: argparse.Namespace) -> Iterator[Findings]:
    """The rival's findings on each image, with several classes to a place, as its own validation allows."""
    from ultralytics import YOLO
    from ultralytics.models.yolo.detect import DetectionPredictor
    from ultralytics.utils import nms

    class SeveralClasses(DetectionPredictor):  # type: ignore[misc] # ultralytics has no types
        def postprocess(self, preds: Any, img: Any, orig_imgs: Any, **_: Any) -> Any:  # noqa: ANN401
            kept = nms.non_max_suppression(
                preds, self.args.conf, self.args.iou, multi_label=True, max_det=self.args.max_det
            )
            return self.construct_results(kept, img, orig_imgs)

    model = YOLO(str(weights))
    names = dataset.classes.names
    if tuple(model.names.values()) != names:
        raise DataSetError(
            f"{weights} knows the classes {', '.join(model.names.values())}, but the data has {', '.join(names)}: the "
            "run is of other data; name another folder"
        )
    for image in dataset.images:
        (result,) = model.predict(
            str(image.path),
            predictor=SeveralClasses,
            imgsz=args.size,
            conf=SCORE_FLOOR,
            iou=args.nms_iou,
            max_det=FINDINGS,
            device="cpu",
            verbose=False,
            save=False,
        )
        rows = result.boxes
        yield findings_from_rows(
            rows.xyxy.numpy(),
            rows.conf.numpy(),
            rows.cls.numpy(),
            names=names,
            width=image.width,
            height=image.height,
        )


if __name__ == "__main__":
    sys.exit(main())
