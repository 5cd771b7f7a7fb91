"""`cargosight train`: a detector from one YAML file."""

import argparse
import shlex
import sys
from importlib import import_module
from os import environ

from cargosight_models.errors import MissingExtraError

SUMMARY = "Train a detector on annotated scans, from one YAML file."

EXIT_STOPPED = 130

_EPILOG = """\
CONFIG names what differs from the defaults; every setting can also be given as key=value, where the value is
YAML and lists are counted from 0:

    cargosight train baggage-nano out=runs/first data.train.0.file=mine/train.json data.val.0.file=mine/val.json

The folder `out` gets config.yaml (every setting), log.csv (losses), evaluations.csv (mAP on the validation
scans), curves.png, predictions.png (validation scans as annotated and as found), last.pt (to resume), and the
best weights so far as best.onnx (to inspect, export and evaluate) and best.pt (to start another run from:
model.weights=FILE).

Ctrl-C or SIGTERM ends a run after the step under way, with a checkpoint; --resume goes on with it to the very
same result. A run that was killed goes on from its last checkpoint.

Several processes share a run (every batch is divided among them) when torchrun starts them:

    torchrun --standalone --nproc_per_node=2 --no-python cargosight train CONFIG key=value ...

exit code: 0 trained to the end, 2 misuse or wrong data, 130 stopped early."""

_NEEDED = ("albumentations", "matplotlib", "onnx", "onnxscript", "pydantic", "torch", "torchvision")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `train`."""
    parser.epilog = _EPILOG
    # So that settings may stand behind an option, too.
    parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
    parser.add_argument(
        "config", metavar="CONFIG", help="a YAML file, or the name of a configuration shipped with it"
    )
    parser.add_argument("settings", metavar="key=value", nargs="*", help="a setting in place of the file's")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--resume", action="store_true", help="go on with the run in the folder `out`")
    choice.add_argument(
        "--fresh", action="store_true", help="delete the run in the folder `out` and begin anew"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code.

    Raises:
        MissingExtraError: the extra `train` is not installed.
        CargosightError: a setting, the data or the folder of the run is wrong.
    """
    for name in _NEEDED:
        try:
            import_module(name)
        except ImportError as error:
            raise MissingExtraError("train", "cargosight train") from error
    from cargosight_training.config_files import find_config, load_config
    from cargosight_training.trainer.run import train
    from cargosight_training.trainer.run_folder import RunFolder

    config = load_config(find_config(args.config), args.settings)
    finished = train(config, resume=args.resume, fresh=args.fresh)
    folder = RunFolder(config.out)
    if environ.get("RANK", "0") == "0":  # several processes say it once
        if finished:
            sys.stdout.write(f"trained to the end: {folder.best_model}\n")
        else:
            sys.stdout.write(f"stopped; go on with: {_again(str(folder.config))}\n")
    return 0 if finished else EXIT_STOPPED


def _again(config: str) -> str:
    """The command that resumes the run, from the same folder."""
    launcher = ""
    if int(environ.get("WORLD_SIZE", "1")) > 1:
        launcher = (
            f"torchrun --standalone --nproc_per_node={environ.get('LOCAL_WORLD_SIZE', '1')} --no-python "
        )
    return f"{launcher}cargosight train {shlex.quote(config)} --resume"
