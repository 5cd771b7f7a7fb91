"""`cargosight simulate`: simulated scans with boxes, for trials, tests and as a declared training source."""

import argparse
import sys
from pathlib import Path

import numpy as np

from cargosight_inference.arguments import path_argument
from cargosight_inference.progress import Progress
from cargosight_models.errors import UsageError
from cargosight_training.datasets.records import DataSet
from cargosight_training.simulation import writing as bag_files
from cargosight_training.simulation.baggage import BagSettings
from cargosight_training.simulation.cargo import ContainerSettings
from cargosight_training.simulation.cargo import writing as container_files
from cargosight_training.simulation.cargo.threats import LOOKALIKES, THREATS

SUMMARY = "simulate scans of bags or of cargo, with boxes"
_BAGGAGE_ONLY = ("size", "classes", "clean_share", "grey_share")
_CONTAINER_ONLY = ("families", "vehicles", "energies", "empty_share", "threat_share")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("subject", choices=("baggage", "container"), help="what to simulate")
    parser.add_argument("--count", type=int, default=20, metavar="N", help="how many scans (default: 20)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="number of the series (default: 0)")
    parser.add_argument("--out", type=path_argument, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument(
        "--format",
        choices=("png", "jpeg", "tiff"),
        help="8-bit pictures as a scanner shows them, or 16-bit transmission at two energies "
        "(default: png for bags, tiff for containers)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with a series that was interrupted: same seed, format and settings (with none, one begins)",
    )
    _add_baggage(parser.add_argument_group("baggage"))
    _add_container(parser.add_argument_group("container"))


def _add_baggage(group: argparse._ArgumentGroup) -> None:
    defaults = BagSettings()
    group.add_argument("--size", metavar="WxH", help="pixels of every scan (default: varied, about 640x480)")
    group.add_argument(
        "--classes",
        metavar="CLASS,CLASS",
        help="hide only these kinds of items (default: all eighteen); "
        "laptop cells are boxed as battery all the same",
    )
    group.add_argument(
        "--clean-share",
        type=float,
        metavar="SHARE",
        help=f"share of bags in which nothing is hidden (default: {defaults.clean_share})",
    )
    group.add_argument(
        "--grey-share",
        type=float,
        metavar="SHARE",
        help=f"share of grey pictures (default: {defaults.grey_share})",
    )


def _add_container(group: argparse._ArgumentGroup) -> None:
    defaults = ContainerSettings()
    group.add_argument(
        "--families",
        metavar="NAME,NAME",
        help=f"kinds of cargo to draw from (default: all: {', '.join(defaults.families)})",
    )
    group.add_argument(
        "--vehicles",
        metavar="NAME,NAME",
        help=f"kinds of vehicle to draw from (default: all: {', '.join(defaults.vehicles)})",
    )
    group.add_argument(
        "--energies",
        metavar="MV,MV",
        help="of both channels, the more penetrating first, such as 9,4 (default: 6,4 or 9,6 drawn for each scan)",
    )
    group.add_argument(
        "--empty-share",
        type=float,
        metavar="SHARE",
        help=f"share of scans without cargo (default: {defaults.empty_share})",
    )
    group.add_argument(
        "--threat-share",
        type=float,
        metavar="SHARE",
        help=f"share of scans with one to three threats (default: {defaults.threat_share})",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code.

    Raises:
        UsageError: an option is wrong, or the folder holds a series already.
        DataSetError: an unknown class name.
    """
    others = _CONTAINER_ONLY if args.subject == "baggage" else _BAGGAGE_ONLY
    for name in others:
        if getattr(args, name, None) is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} does not go with `simulate {args.subject}`; leave it out"
            )
    bar = Progress(args.count)
    try:
        path, dataset = _bags(args, bar) if args.subject == "baggage" else _containers(args, bar)
    finally:
        bar.erase()
    sys.stdout.write(_summary(path, dataset))
    return 0


def _bags(args: argparse.Namespace, bar: Progress) -> tuple[Path, DataSet]:
    defaults = BagSettings()
    settings = BagSettings(
        clean_share=defaults.clean_share if args.clean_share is None else args.clean_share,
        grey_share=defaults.grey_share if args.grey_share is None else args.grey_share,
        classes=defaults.classes if args.classes is None else _names(args.classes),
        size=_size(args.size),
    )
    dataset = bag_files.write_bags(
        args.out,
        count=args.count,
        seed=args.seed,
        form=args.format or "png",
        settings=settings,
        resume=args.resume,
        done=bar.advance,
    )
    return args.out / bag_files.ANNOTATIONS, dataset


def _containers(args: argparse.Namespace, bar: Progress) -> tuple[Path, DataSet]:
    defaults = ContainerSettings()
    settings = ContainerSettings(
        families=defaults.families if args.families is None else _names(args.families),
        vehicles=defaults.vehicles if args.vehicles is None else _names(args.vehicles),
        megavolts=defaults.megavolts if args.energies is None else (_energies(args.energies),),
        empty_share=defaults.empty_share if args.empty_share is None else args.empty_share,
        threat_share=defaults.threat_share if args.threat_share is None else args.threat_share,
    )
    dataset = container_files.write_containers(
        args.out,
        count=args.count,
        seed=args.seed,
        settings=settings,
        threats=THREATS,
        lookalikes=LOOKALIKES,
        form=args.format or "tiff",
        resume=args.resume,
        done=bar.advance,
    )
    return args.out / container_files.ANNOTATIONS, dataset


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _energies(text: str) -> tuple[float, float]:
    try:
        high, low = (float(part) for part in text.split(","))
    except ValueError:
        high, low = 0.0, 0.0
    if not 25.0 >= high > low >= 1.0:
        raise UsageError(
            f"the energies are {text!r}; expected two from 25 down to 1 MV, the more penetrating first, such as 6,4"
        )
    return high, low


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
