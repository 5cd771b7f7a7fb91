"""The options of where and how a network runs, the same in every command that has them."""

import argparse
from typing import get_args

from cargosight_inference.providers import PROVIDERS, Arithmetic, Execution
from cargosight_inference.session import MOST_THREADS
from cargosight_inference.tuning import Running, choose_running, pinned
from cargosight_models.catalog import ModelFile
from cargosight_models.errors import UsageError

AUTOMATIC = "auto"


def add_execution_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --provider and --precision."""
    parser.add_argument(
        "--provider",
        choices=PROVIDERS,
        default="cpu",
        help="what runs the network (default: cpu); a missing one is refused, with what to install",
    )
    parser.add_argument(
        "--precision",
        choices=get_args(Arithmetic),
        default="fp32",
        help="arithmetic of the provider (default: fp32); a model file in int8 runs as it is",
    )


def add_running_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --provider, --precision and --threads."""
    add_execution_arguments(parser)
    parser.add_argument(
        "--threads",
        default=AUTOMATIC,
        metavar="N",
        help="threads of the network beside one that reads ahead; by default what `cargosight bench --only running` "
        "found best on this machine, 1 where it never ran",
    )


def execution_of(arguments: argparse.Namespace) -> Execution:
    """Return where the network is to run.

    Raises:
        UsageError: the provider does not compute in that precision.
    """
    return Execution(provider=arguments.provider, arithmetic=arguments.precision)


def running_of(arguments: argparse.Namespace, model: ModelFile, execution: Execution) -> Running:
    """Return the threads that were asked for, or those that were measured before; nothing is measured here.

    Args:
        arguments: of a command with `add_running_arguments`.
        model: the model file.
        execution: where it runs.

    Raises:
        UsageError: threads that are no number of them.
    """
    if arguments.threads == AUTOMATIC:
        return choose_running(model, execution)
    try:
        threads = int(arguments.threads)
    except ValueError:
        threads = 0
    if not 1 <= threads <= MOST_THREADS:
        raise UsageError(f"--threads {arguments.threads} found; expected {AUTOMATIC} or 1 to {MOST_THREADS}")
    return pinned(threads)
