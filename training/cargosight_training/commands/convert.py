"""`cargosight convert`: Pascal VOC, YOLO and clean folders to COCO JSON with a table of what each source labels."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cargosight_inference.arguments import path_argument
from cargosight_inference.progress import Progress
from cargosight_models.errors import DataSetError, UsageError
from cargosight_training.datasets.clean import Part, read_clean, read_listed
from cargosight_training.datasets.records import ORIGINS, DataSet
from cargosight_training.datasets.voc import read_voc
from cargosight_training.datasets.writing import BoxedImage, SourceTerms, write_coco
from cargosight_training.datasets.yolo import read_yolo

SUMMARY = "convert a Pascal VOC or YOLO folder, or one of clean scans, to COCO JSON"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument(
        "format",
        choices=("voc", "yolo", "clean"),
        help="the format of the folder; clean: scans without any item",
    )
    parser.add_argument("folder", type=path_argument, metavar="IN", help="the data set's folder")
    parser.add_argument(
        "--out", type=path_argument, required=True, metavar="FILE.json", help="the file to write"
    )
    parser.add_argument("--split", help="only this split (a list in ImageSets/Main, a key of data.yaml)")
    parser.add_argument("--source", help="name of the source in reports (default: the folder's name)")
    parser.add_argument("--scanner", help="the scanner that all images come from")
    parser.add_argument(
        "--labelled",
        metavar="CLASS,CLASS",
        help="the classes that were looked for on every image (default: all that the folder names); "
        "yolo: some of those; voc: also one without a box, as for a folder of clean bags; clean: needed",
    )
    parser.add_argument(
        "--origin", choices=ORIGINS, default="real", help="what the scans are (default: real)"
    )
    parser.add_argument(
        "--first-pixel",
        type=int,
        choices=(0, 1),
        default=1,
        help="voc only: what the writing tool called the first pixel (default: 1, as VOC defines it)",
    )
    parser.add_argument(
        "--list",
        type=path_argument,
        nargs="+",
        metavar="FILE.json",
        help="clean only: the scans that the tables `images` of these files name, in place of all of the folder",
    )
    parser.add_argument(
        "--where", nargs="+", default=[], metavar="KEY=VALUE", help="with --list: only rows with these values"
    )
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument(
        "--part",
        metavar="K/N",
        help="with --list: only part K of N, about equal; scans of one `group` stay together",
    )
    parts.add_argument("--without-part", metavar="K/N", help="with --list: all but part K of N")
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code.

    Raises:
        DataSetError: Something in the folder is wrong; nothing was written.
    """
    if args.format == "clean" and args.labelled is None:
        raise UsageError("clean scans are clean of something: name it with --labelled CLASS,CLASS")
    if args.list is not None and args.format != "clean":
        raise UsageError(f"--list goes with `convert clean`, not with `convert {args.format}`; leave it out")
    if args.list is None and (args.where or args.part or args.without_part):
        raise UsageError(
            "--where, --part and --without-part choose among the scans of --list FILE.json: name one"
        )
    bar = Progress()
    broken: tuple[DataSetError, ...] = ()

    def show(_: int, total: int) -> None:
        bar.total = total
        bar.advance()

    try:
        if args.format == "voc":
            images, classes = read_voc(
                args.folder, split=args.split, first_pixel=args.first_pixel, progress=show
            )
        elif args.format == "clean":
            images, broken = _clean(args, show)
            classes = []
        else:
            images, classes = read_yolo(args.folder, split=args.split, progress=show)
    finally:
        bar.erase()
    labelled = None
    if args.labelled is not None:
        labelled = tuple(name.strip() for name in args.labelled.split(",") if name.strip())
        if args.format != "yolo":  # there is no list of classes, and a class may have been looked for in vain
            classes = sorted({*classes, *labelled})
    terms = SourceTerms(
        source=args.source or args.folder.resolve().name,
        scanner=args.scanner,
        labelled=labelled,
        origin=args.origin,
    )
    dataset = write_coco(args.out, images, classes, terms, force=args.force)
    sys.stdout.writelines(f"left out: {error}\n" for error in broken)
    sys.stdout.write(_summary(args.out, dataset))
    return 0


def _clean(
    args: argparse.Namespace, show: Callable[[int, int], None]
) -> tuple[list[BoxedImage], tuple[DataSetError, ...]]:
    """Return the clean scans, and what is wrong with those of a folder that are left out; of a list none is."""
    if args.list is None:
        return read_clean(args.folder, progress=show)
    where = dict(pair.partition("=")[::2] for pair in args.where)
    part = None
    if args.part or args.without_part:
        part = _part(args.part or args.without_part, outside=args.without_part is not None)
    return read_listed(args.folder, args.list, part=part, where=where, progress=show), ()


def _part(text: str, *, outside: bool) -> Part:
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal()):
        raise UsageError(f"the part {text!r} was asked for; expected a number of a number, such as 1/5")
    return Part(int(number), int(of), outside)


def _summary(path: Path, dataset: DataSet) -> str:
    counts = np.zeros(len(dataset.classes), dtype=np.int64)
    for image in dataset.images:
        np.add.at(counts, image.annotations.class_ids, 1)
    classes = ", ".join(f"{name} {count}" for name, count in zip(dataset.classes.names, counts, strict=True))
    lines = [f"{path}: {len(dataset)} images, {counts.sum()} boxes ({classes})", *dataset.notes]
    return "".join(f"{line}\n" for line in lines)
