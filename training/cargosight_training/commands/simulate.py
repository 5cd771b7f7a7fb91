"""`cargosight simulate`: simulated scans with boxes, for trials, tests and as a declared training source."""

import argparse
import sys
from pathlib import Path

import numpy as np

from cargosight_inference.arguments import path_argument
from cargosight_inference.progress import Progress
from cargosight_models.errors import UsageError
from cargosight_training.datasets.records import DataSet
from cargosight_training.simulation.baggage import BagSettings
from cargosight_training.simulation.writing import ANNOTATIONS, write_bags

SUMMARY = "simulate scans of bags, with boxes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    defaults = BagSettings()
    parser.add_argument("subject", choices=("baggage",), help="what to simulate")
    parser.add_argument("--count", type=int, default=20, metavar="N", help="how many scans (default: 20)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="number of the series (default: 0)")
    parser.add_argument("--out", type=path_argument, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument(
        "--format",
        choices=("png", "jpeg", "tiff"),
        default="png",
        help="the picture of a scanner, or 16-bit transmission at two energies (default: png)",
    )
    parser.add_argument("--size", metavar="WxH", help="pixels of every scan (default: varied, about 640x480)")
    parser.add_argument(
        "--classes",
        metavar="CLASS,CLASS",
        help="hide only these kinds of items (default: all eighteen); "
        "laptop cells are boxed as battery all the same",
    )
    parser.add_argument(
        "--clean-share",
        type=float,
        default=defaults.clean_share,
        metavar="SHARE",
        help=f"share of bags in which nothing is hidden (default: {defaults.clean_share})",
    )
    parser.add_argument(
        "--grey-share",
        type=float,
        default=defaults.grey_share,
        metavar="SHARE",
        help=f"share of grey pictures (default: {defaults.grey_share})",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code.

    Raises:
        UsageError: an option is wrong, or the folder holds a series already.
        DataSetError: an unknown class name.
    """
    classes = BagSettings().classes
    if args.classes is not None:
        classes = tuple(name.strip() for name in args.classes.split(",") if name.strip())
    settings = BagSettings(
        clean_share=args.clean_share, grey_share=args.grey_share, classes=classes, size=_size(args.size)
    )
    bar = Progress(args.count)
    try:
        dataset = write_bags(
            args.out, count=args.count, seed=args.seed, form=args.format, settings=settings, done=bar.advance
        )
    finally:
        bar.erase()
    sys.stdout.write(_summary(args.out / ANNOTATIONS, dataset))
    return 0


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise UsageError(f"the size is {text!r}; expected width x height in pixels, such as 640x480")
    return int(width), int(height)


def _summary(path: Path, dataset: DataSet) -> str:
    counts = np.zeros(len(dataset.classes), dtype=np.int64)
    for image in dataset.images:
        np.add.at(counts, image.annotations.class_ids, 1)
    clean = sum(not len(image.annotations) for image in dataset.images)
    named = zip(dataset.classes.names, counts.tolist(), strict=True)
    found = ", ".join(f"{name} {count}" for name, count in named if count)
    total = f"{path}: {len(dataset)} simulated scans, {clean} of them clean, {counts.sum()} boxes"
    return f"{total}\n{found}\n" if found else f"{total}\n"
