"""`cargosight evaluate`: how good a model is on labelled scans, and at which thresholds it should run."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cargosight_inference.arguments import path_argument
from cargosight_inference.progress import Progress
from cargosight_models.catalog import list_models
from cargosight_models.contract import file_fingerprint
from cargosight_models.errors import CatalogError, DataSetError, UsageError
from cargosight_models.operating_points import Sidecar, sidecar_path
from cargosight_training.datasets.coco import merge, only, read_coco, without
from cargosight_training.datasets.records import DataSet
from cargosight_training.evaluation.bootstrap import SAMPLES
from cargosight_training.evaluation.operating_points import CLEAN, check_origin
from cargosight_training.evaluation.results import REFERENCE_PFA, Evaluation, evaluate
from cargosight_training.evaluation.run import count_clean, open_inspector
from cargosight_training.evaluation.summary import summary

SUMMARY = "Measure a model on labelled scans; choose its operating points."

_EPILOG = """\
Every scan goes through the same pipeline as in use. For each class only the scans count whose source labels
it (the table `sources` of the annotation file); averages use the classes with 20 boxes or more. GROUP is a
source, or source/scanner, such as six-scanners/3.

With --out, DIR gets evaluation.json and report.html, one file to open in any browser.

With --null-projections every clean scan is also scored after projection of nothing (areal density zero) and
of decoys (pieces of other bags of its source without an annotated item), by the code that projects items
for training: a model that learnt the traces of projection alarms on them.

With --projections the scans are clean ones of cargo (`cargosight convert clean`). Into each, threats are
projected one at a time, and detection rates at fixed shares of clean scans that alarm are counted by family,
size and visibility, beside the alarms of null projections and of harmless look-alikes, and the map of the
unusual by itself. Models of a cross-validation are pooled: each with its own unseen scans, by --fold.
With --left-out each model is shown only the families that it was not taught (`data.classes` of its training):
how the map marks a threat that nobody has heard of.

With --precisions the model runs in fp32, in int8 (a file of `cargosight export --int8`, or one made here of the
scans of --calibrate-on), and in what other providers of this machine offer; the table says what each finds and
costs, which may be the default, and what could not be run here.

With --choose-operating-points the thresholds for false-alarm rates of 1, 5 and 10 % of clean scans, with
the rates measured, are written into the sidecar beside the model file (MODEL.points.json). These must be
real scans, unless the model was trained on simulated ones alone.

exit code: 0 done, 2 misuse or wrong data, 130 interrupted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate`."""
    parser.epilog = _EPILOG
    parser.add_argument("model", metavar="MODEL", help="model by catalog name, or an .onnx file")
    parser.add_argument(
        "--data",
        type=path_argument,
        nargs="+",
        required=True,
        metavar="FILE.json",
        help="COCO annotation files",
    )
    parser.add_argument(
        "--images",
        type=path_argument,
        metavar="DIR",
        help="where file names start (default: `images` beside each file)",
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="GROUP", help="only this group; may be repeated"
    )
    parser.add_argument(
        "--without", action="append", default=[], metavar="GROUP", help="without this group; may be repeated"
    )
    parser.add_argument(
        "--out", type=path_argument, metavar="DIR", help="write evaluation.json and report.html there"
    )
    parser.add_argument("--json", action="store_true", help="write the figures as JSON to stdout")
    parser.add_argument(
        "--choose-operating-points", action="store_true", help="write thresholds into the model's sidecar"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the operating points of a bundled model, too"
    )
    parser.add_argument(
        "--null-projections",
        action="store_true",
        help="also score the clean scans with nothing, and with decoys, projected into them",
    )
    parser.add_argument(
        "--projections",
        action="store_true",
        help="clean scans of cargo only: project threats, nothing and look-alikes into them and count those instead",
    )
    parser.add_argument(
        "--threats", type=int, default=3, metavar="N", help="with --projections: into each scan (default: 3)"
    )
    parser.add_argument(
        "--fold",
        nargs=2,
        action="append",
        default=[],
        metavar=("MODEL", "FILE.json"),
        help="with --projections: a further model with scans that it never saw; may be repeated",
    )
    parser.add_argument(
        "--left-out",
        action="store_true",
        help="with --projections: project only the families that are no class of the model",
    )
    parser.add_argument(
        "--precisions",
        action="store_true",
        help="compare the model in every precision that this machine runs",
    )
    parser.add_argument(
        "--int8", type=path_argument, metavar="FILE.onnx", help="with --precisions: the int8 file"
    )
    parser.add_argument(
        "--calibrate-on",
        type=path_argument,
        metavar="FILE.json",
        help="with --precisions: training scans to make an int8 file of",
    )
    parser.add_argument(
        "--samples", type=int, default=SAMPLES, help=f"bootstrap samples, 0 for none (default: {SAMPLES})"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of folds, bootstrap and null projections (default: 0)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code.

    Raises:
        CargosightError: The model or the data is wrong; no result was written.
    """
    if args.samples < 0:
        raise UsageError(f"--samples {args.samples} found; expected 0 or more")
    if args.seed < 0:
        raise UsageError(f"--seed {args.seed} found; expected 0 or more")
    if args.choose_operating_points and not args.force:
        _check_may_be_replaced(args.model)
    dataset = load_data(args.data, images=args.images, chosen=args.only, left_out=args.without)
    _check_companions(args)
    if args.projections:
        return _projections(args, dataset)
    if args.precisions:
        from cargosight_training.commands.evaluate_precisions import evaluate_precisions

        return evaluate_precisions(args, dataset)
    written = []
    if args.choose_operating_points:
        with _without_stale_points(args.model):
            evaluation, model_path = _evaluate(args, dataset)
            written.append(write_operating_points(evaluation, model_path))
    else:
        evaluation, _ = _evaluate(args, dataset)
    if args.out is not None:
        written += write_report(evaluation, args.out)
    if args.json:
        sys.stdout.write(json.dumps(evaluation.to_dict(), allow_nan=False) + "\n")
    else:
        sys.stdout.write(summary(evaluation))
        sys.stdout.writelines(f"wrote {path}\n" for path in written)
    return 0


def _check_companions(args: argparse.Namespace) -> None:
    """Refuse an option without the one that it goes with.

    Raises:
        UsageError: the message names both.
    """
    companions = {
        "--projections": ((args.fold, "--fold"), (args.left_out, "--left-out")),
        "--precisions": ((args.int8, "--int8"), (args.calibrate_on, "--calibrate-on")),
    }
    asked = {"--projections": args.projections, "--precisions": args.precisions}
    for needed, options in companions.items():
        for given, option in options:
            if given and not asked[needed]:
                raise UsageError(f"{option} goes with {needed}; add it, or leave {option} out")
    others = args.projections or args.choose_operating_points or args.null_projections
    if args.precisions and others:
        raise UsageError(
            "--precisions compares figures of the model alone; leave the other kinds of evaluation out"
        )


def _projections(args: argparse.Namespace, dataset: DataSet) -> int:
    from cargosight_training.commands.evaluate_projections import evaluate_projections

    if args.choose_operating_points or args.null_projections:
        raise UsageError(
            "--projections counts projected threats alone; `cargosight calibrate` sets the thresholds of a model for "
            "cargo, and null projections are part of --projections: leave the other option out"
        )
    folds = [
        (model, load_data([Path(file)], images=args.images, chosen=[], left_out=[]))
        for model, file in args.fold
    ]
    return evaluate_projections(args, [(args.model, dataset), *folds])


def _check_may_be_replaced(model: str) -> None:
    """Refuse to replace the operating points of a bundled model: its card and every other site count on them.

    Raises:
        UsageError: The message says how a site gets its own.
    """
    for one in list_models():
        points = sidecar_path(one.path)
        bundled = one.origin == "bundled" and (one.name == model or one.path == Path(model).absolute())
        if bundled and points.is_file() and not _is_stale(points, one.path):
            raise UsageError(
                f"{one.name} is bundled and has operating points, which its card describes; install a copy of your own "
                f"(`cargosight models install {one.path} --name NAME`) and choose points for that, or give --force"
            )


def _evaluate(args: argparse.Namespace, dataset: DataSet) -> tuple[Evaluation, Path]:
    """The evaluation, with a bar on the terminal, and the model file's path."""
    inspector = open_inspector(args.model)
    if args.choose_operating_points and "anomaly_map" in inspector.contract.outputs:
        raise UsageError(
            f"the model {inspector.contract.name} has a map of the unusual, which labelled scans give no threshold: "
            "the map would be silent; set the thresholds of both from clean scans, `cargosight calibrate`"
        )
    clean, origin = count_clean(dataset, inspector.contract.classes)
    wanted = 2 if args.choose_operating_points else int(args.null_projections)
    if clean < wanted:
        raise DataSetError(
            f"{clean} clean scans found in {dataset.name!r}, expected {wanted} or more: {CLEAN}; add scans of bags "
            "without items, or leave --choose-operating-points and --null-projections out"
        )
    if args.choose_operating_points:
        check_origin(origin, dataset.name, inspector.contract.training_data)
    if args.out is not None:  # a folder that cannot be made is better known before the scoring than after it
        args.out.mkdir(parents=True, exist_ok=True)
    bar = Progress()

    def show(done: int, total: int) -> None:
        bar.total = (
            bar.done + 1 + total - done
        )  # null projections are counted anew, after the scans as they are
        bar.advance()

    try:
        evaluation = evaluate(
            inspector,
            dataset,
            only=args.only,
            without=args.without,
            samples=args.samples,
            seed=args.seed,
            null_projections=args.null_projections,
            progress=show,
        )
    finally:
        bar.erase()
    return evaluation, inspector.model.path


@contextmanager
def _without_stale_points(model: str) -> Iterator[None]:
    """Move a sidecar that belongs to another file aside, since the catalog refuses a model that has one.

    It comes back when no new one was written in its place.
    """
    named = {one.name: one.path for one in list_models()}
    model_path = named.get(model, Path(model))
    points = sidecar_path(model_path)
    aside = points.with_name(f".{points.name}.stale")
    if points.is_file() and _is_stale(points, model_path):
        points.replace(aside)
    try:
        yield
    finally:
        if aside.is_file():
            if points.is_file():
                aside.unlink()
            else:
                aside.replace(points)


def _is_stale(points: Path, model_path: Path) -> bool:
    try:
        return Sidecar.read(points).fingerprint != file_fingerprint(model_path)
    except (CatalogError, OSError):
        return True


def load_data(
    paths: list[Path], *, images: Path | None = None, chosen: list[str], left_out: list[str]
) -> DataSet:
    """Read and join annotation files and choose groups.

    Raises:
        DataSetError: A file is wrong, or a group does not exist.
    """
    dataset = merge([read_coco(path, images_dir=images) for path in paths])
    if chosen:
        dataset = only(dataset, chosen)
    return without(dataset, left_out) if left_out else dataset


def write_operating_points(evaluation: Evaluation, model_path: Path) -> Path:
    """Write the fitted points into the model's sidecar; real scans where there are any. Returns the sidecar.

    Raises:
        DataSetError: No points can be fitted to the data.
    """
    part = evaluation.parts[0]
    if not part.points:
        raise DataSetError(f"no operating points were chosen: {part.points_missing}")
    sidecar = Sidecar(
        fingerprint=str(evaluation.model["fingerprint"]),
        operating_points=part.points,
        default=f"pfa={REFERENCE_PFA:g}",
    )
    path = sidecar_path(model_path)
    sidecar.write(path)
    return path


def write_report(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write evaluation.json and report.html into a folder that exists; returns both paths."""
    from cargosight_training.evaluation.report import render

    figures, report = folder / "evaluation.json", folder / "report.html"
    report.write_text(render(evaluation), encoding="utf-8")
    figures.write_text(json.dumps(evaluation.to_dict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return [figures, report]
