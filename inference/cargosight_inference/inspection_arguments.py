"""The options of how scans are inspected, the same in every command that inspects files."""

import argparse
from typing import get_args

from cargosight_inference.arguments import path_argument
from cargosight_inference.inspector import MAX_PIXELS
from cargosight_inference.scans.scan import Polarity, Subject


def add_inspection_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what chooses the model and its thresholds, the policy, and how files are read."""
    parser.add_argument(
        "--model", metavar="NAME|FILE.onnx", help="model by catalog name or file (see `cargosight models`)"
    )
    parser.add_argument(
        "--subject", choices=get_args(Subject), help="what was scanned; chooses the model where none is named"
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--operating-point",
        metavar="NAME",
        help="operating point of the model, such as pfa=0.05 (default: the model's own)",
    )
    chosen.add_argument(
        "--threshold", type=float, metavar="SCORE", help="one threshold in [0, 1] for all classes instead"
    )
    parser.add_argument(
        "--policy",
        type=path_argument,
        metavar="FILE",
        help="YAML of which findings refer (default: all of them)",
    )
    parser.add_argument(
        "--max-pixels",
        type=int,
        default=MAX_PIXELS,
        metavar="N",
        help="refuse larger files before they are decoded (default: %(default)s)",
    )
    parser.add_argument(
        "--air-level",
        type=float,
        metavar="COUNTS",
        help="counts of air in raw 16-bit files (default: found in the image)",
    )
    parser.add_argument(
        "--polarity", choices=get_args(Polarity), help="whether air is bright or dark in grey files"
    )
    parser.add_argument(
        "--pitch",
        metavar="MM[,MM]",
        help="size of a pixel at the load, or across and down: gives places in metres",
    )
    parser.add_argument(
        "--correct",
        action="store_true",
        help="mend stripes and detectors that do not answer before a cargo scan is read (reported either way)",
    )
    parser.add_argument(
        "--gallery",
        type=path_argument,
        metavar="FILE.npz",
        help="reference scans to compare declared loads with (see `cargosight gallery`)",
    )
