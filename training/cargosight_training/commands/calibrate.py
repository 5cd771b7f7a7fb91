"""`cargosight calibrate`: a site's own thresholds, from its own clean scans."""

import argparse
import sys
from collections.abc import Iterator
from threading import Event
from typing import TYPE_CHECKING

from cargosight_inference.inputs import check_arguments, expand
from cargosight_inference.inspection import Inspection
from cargosight_inference.inspector import Inspector
from cargosight_inference.pipeline import inspect_many
from cargosight_inference.progress import Progress
from cargosight_models.catalog import ModelFile, find_model, free_place, install_model, list_models
from cargosight_models.errors import UsageError
from cargosight_models.operating_points import OperatingPoint, Sidecar, sidecar_path

if TYPE_CHECKING:  # a command's module is imported for its help, too
    from cargosight_training.calibration import CleanScores

SUMMARY = "Set the thresholds of a model for one site, from its own clean scans."

_EPILOG = """\
PATH is a file, a folder or a pattern, as for `inspect`; every scan must be clean: of everything that the model
looks for. Nothing needs to be labelled. A file that repeats another counts once. A rate of 5 % takes 60
scans, one of 1 % takes 300.

The points go into the sidecar beside the model file and replace those that are there. A bundled model keeps its own:
with --name a copy is installed under another name, with the site's points.

exit code: 0 done, 2 misuse or too few scans, 130 interrupted."""
_WANTED = (0.05, 0.1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `calibrate`."""
    parser.epilog = _EPILOG
    parser.add_argument("model", metavar="MODEL", help="model by catalog name, or an .onnx file")
    parser.add_argument("--clean", nargs="+", required=True, metavar="PATH", help="the site's clean scans")
    parser.add_argument(
        "--pfa",
        nargs="+",
        type=float,
        default=list(_WANTED),
        metavar="RATE",
        help="shares of clean scans that may alarm; the first is the default point (default: 0.05 0.1)",
    )
    parser.add_argument("--name", help="install a copy of the model under this name, with the points")
    parser.add_argument("--replace", action="store_true", help="replace an installed model of that name")
    parser.add_argument("--force", action="store_true", help="replace operating points that are there")
    parser.add_argument(
        "--site", type=str, default="the site", help="what the points call the scans (default: the site)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code.

    Raises:
        CargosightError: the model or the scans are wrong, or too few; nothing was written.
    """
    from cargosight_training.calibration import calibrate, check_rates

    check_rates(args.pfa)
    model = find_model(args.model)
    _check_may_write(model, args)
    check_arguments(args.clean)
    clean, unreadable, repeated = _score(args)
    sys.stdout.writelines(f"left out: {path}: {error}\n" for path, error in unreadable)
    for count, what in ((len(unreadable), "could not be read"), (repeated, "repeat others")):
        if count:
            sys.stdout.write(f"files that {what} and were left out: {count}\n")
    points = calibrate(clean, args.pfa, data=f"{len(clean)} clean scans of {args.site}")
    if args.name is not None:
        model = install_model(model.path, args.name, replace=args.replace)
    path = sidecar_path(model.path)
    Sidecar(model.sha256, points, default=points[0].name).write(path)
    for point in points:
        sys.stdout.write(_line(point))
    sys.stdout.write(f"wrote {path}\n")
    return 0


def _check_may_write(model: ModelFile, args: argparse.Namespace) -> None:
    """Refuse a name that is taken, and to replace points unasked, before any scan is read."""
    if args.name is not None:
        free_place(args.name, replace=args.replace)
        return
    if any(one.path == model.path.absolute() and one.origin == "bundled" for one in list_models()):
        raise UsageError(
            f"{model.name} is bundled, and its points are what its card describes; give --name NAME to install a copy "
            "with the points of your site"
        )
    if model.sidecar is not None and not args.force:
        raise UsageError(
            f"{sidecar_path(model.path)} holds operating points already; give --force to replace them, or --name NAME "
            "to install a copy with the points of your site"
        )


def _score(args: argparse.Namespace) -> tuple["CleanScores", list[tuple[str, str]], int]:
    """Return the greatest scores of the readable scans, the files that could not be read and why, and the copies."""
    from cargosight_training.calibration import greatest_scores
    from cargosight_training.evaluation.rates import SCORE_FLOOR

    inspector = Inspector(args.model, threshold=SCORE_FLOOR)
    bar = Progress()
    unreadable: list[tuple[str, str]] = []
    repeated = 0
    seen: set[str | None] = set()

    def inspections() -> Iterator[Inspection]:
        nonlocal repeated
        stop = Event()
        paths = (one.path for one in expand(args.clean, stop=stop))
        for inspection in inspect_many(inspector, paths):
            bar.advance()
            if inspection.decision == "unreadable":
                unreadable.append((inspection.path or "a scan", inspection.error or ""))
            elif inspection.sha256 in seen:  # one scan, however often it is named
                repeated += 1
            else:
                seen.add(inspection.sha256)
                yield inspection

    try:
        has_map = "anomaly_map" in inspector.contract.outputs
        clean = greatest_scores(inspections(), inspector.contract.classes, has_map=has_map)
    finally:
        bar.erase()
    return clean, unreadable, repeated


def _line(point: OperatingPoint) -> str:
    counted = point.measured["clean_scans"]
    low, high = counted["wilson95"]
    return (
        f"{point.name}: {counted['count']} of {counted['of']} clean scans alarm when they did not set the thresholds "
        f"({counted['rate']:.1%}, {low:.1%} to {high:.1%})\n"
    )
