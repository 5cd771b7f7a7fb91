"""`cargosight export`: trained weights to a model file, checked against torch."""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cargosight_inference.arguments import path_argument
from cargosight_models import catalog
from cargosight_models.contract import file_fingerprint
from cargosight_models.errors import ConfigurationError, MissingExtraError, UsageError
from cargosight_models.operating_points import sidecar_path

if TYPE_CHECKING:
    from cargosight_inference.scans.scan import Scan
    from cargosight_models.networks.detector import Detector
    from cargosight_training.config import TrainConfig
    from cargosight_training.datasets.records import DataSet

SUMMARY = "Write trained weights as a model file, checked against the network."

_EPILOG = """\
WEIGHTS is best.pt or last.pt of a run, or any file of half-precision weights. The configuration is the one that
they were trained with (default: config.yaml beside WEIGHTS); it names the training data, whose sources and terms
are written into the file, and with the settings export.* the input shapes and how candidates are suppressed.

The file is compared with the network in torch, on scans of the training data and on random input, and is not
written where the two differ. With --int8 an 8-bit version is made beside it and takes its place only if it
loses less than half a point of mAP50 on the validation scans and runs faster.

exit code: 0 done, 2 misuse, wrong data or a graph that differs."""

_NEEDED = ("onnx", "onnxscript", "pydantic", "torch")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PARITY_SCANS = 3
_CALIBRATION_SCANS = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export`."""
    parser.epilog = _EPILOG
    # So that settings may stand behind an option, too.
    parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
    parser.add_argument(
        "weights", type=path_argument, metavar="WEIGHTS", help="weights or checkpoint of a run"
    )
    parser.add_argument("settings", metavar="key=value", nargs="*", help="a setting in place of the file's")
    parser.add_argument(
        "--config",
        metavar="CONFIG",
        help="a YAML file, or the name of a configuration shipped with it (default: config.yaml beside WEIGHTS)",
    )
    parser.add_argument("--out", type=path_argument, metavar="FILE.onnx", help="the file to write")
    parser.add_argument(
        "--bundle",
        metavar="NAME",
        help="write NAME.onnx and its checksum where bundled models lie, and call the model NAME",
    )
    parser.add_argument("--force", action="store_true", help="replace the file if it exists")
    parser.add_argument("--int8", action="store_true", help="quantise, and keep that if it pays")
    parser.add_argument(
        "--data",
        type=path_argument,
        nargs="+",
        metavar="FILE.json",
        help="validation data for --int8 (default: the configuration's)",
    )
    parser.add_argument(
        "--compare-suppression",
        action="store_true",
        help="also measure suppression on the host against suppression in the graph",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code.

    Raises:
        MissingExtraError: the extra `train` is not installed.
        CargosightError: a setting or the data is wrong, or the graph differs from the network.
    """
    if any(find_spec(name) is None for name in _NEEDED):
        raise MissingExtraError("train", "cargosight export")
    from cargosight_training.config import find_config, load_config
    from cargosight_training.export.contract import training_terms, unused_terms
    from cargosight_training.export.detector import export_detector
    from cargosight_training.trainer import checkpoint
    from cargosight_training.trainer.journal import note
    from cargosight_training.trainer.run import read_training_data

    path = _target(args)
    if path.exists() and not args.force:
        raise UsageError(f"{path} exists; give --force to replace it")
    if not args.weights.is_file():
        raise UsageError(f"there is no file {args.weights}; give the weights or the checkpoint of a run")
    given = args.config if args.config is not None else str(args.weights.parent / "config.yaml")
    config = load_config(find_config(given), args.settings)
    if args.bundle is not None:
        config = config.model_copy(update={"name": args.bundle})
    detector, classes = checkpoint.load_detector(args.weights)
    data = read_training_data(config)
    _check_match(config, data, detector, classes)
    validation = _validation(args, config, data) if args.int8 else None
    terms = checkpoint.training_data_of(args.weights)
    if not terms:
        terms = training_terms(config, data)
        unused = unused_terms(config, data)
        if unused is not None:
            note(unused)
    scans = list(_spread(data, config, _PARITY_SCANS))
    export_detector(detector, classes, config, path, terms, scans=scans)
    stale = sidecar_path(path)
    if stale.exists():  # bound to the file that was replaced, and refused beside the new one
        stale.unlink()
        sys.stdout.write(f"removed {stale}, which held operating points of the file before\n")
    if validation is not None:
        _quantise_if_it_pays(path, _spread(data, config, _CALIBRATION_SCANS), validation)
    if args.bundle is not None:
        from cargosight_training.export.storage import write_checksum

        write_checksum(path)
    _report(path)
    if args.compare_suppression:
        _compare_suppression(path, scans)
    return 0


def _target(args: argparse.Namespace) -> Path:
    """The file to write."""
    if (args.out is None) == (args.bundle is None):
        raise UsageError("give either --out FILE.onnx or --bundle NAME")
    if args.out is not None:
        out: Path = args.out
        if out.suffix != ".onnx":
            raise UsageError(f"--out {out} found; expected a file that ends in .onnx")
        return out
    name: str = args.bundle
    if not _NAME.fullmatch(name) or name.lower().endswith(".onnx"):
        raise UsageError(
            f"a model cannot be called {name!r}; use letters, digits, dots, dashes and underscores"
        )
    return catalog.BUNDLED / name / f"{name}.onnx"


def _check_match(
    config: "TrainConfig", data: "DataSet", detector: "Detector", classes: tuple[str, ...]
) -> None:
    """Refuse a configuration that the weights cannot come from, since its data would be stated wrongly.

    Raises:
        ConfigurationError: the backbones or the classes differ.
    """
    if config.model.backbone != detector.settings.backbone:
        raise ConfigurationError(
            f"the weights are of the backbone {detector.settings.backbone}, but the configuration says "
            f"{config.model.backbone}; give the configuration that they were trained with"
        )
    if data.classes.names != classes:
        raise ConfigurationError(
            f"the weights score {', '.join(classes)}, but the configuration's data has "
            f"{', '.join(data.classes.names)}; give the configuration that they were trained with"
        )


def _spread(data: "DataSet", config: "TrainConfig", count: int) -> "Iterator[Scan]":
    """Scans from all over a data set, read one by one."""
    from cargosight_training.datasets.cache import read_record

    count = min(count, len(data))
    for number in range(count):
        yield read_record(data.images[number * len(data) // count], config.subject)


def _validation(args: argparse.Namespace, config: "TrainConfig", data: "DataSet") -> "DataSet":
    """What int8 is measured on."""
    from cargosight_training.datasets.coco import read_coco
    from cargosight_training.datasets.records import merge
    from cargosight_training.trainer.run import read_validation_data

    if args.data is not None:
        return merge([read_coco(file) for file in args.data])
    validation = read_validation_data(config, data.classes)
    if validation is None:
        raise UsageError("--int8 needs validation scans to measure on; name their file with --data FILE.json")
    return validation


def _quantise_if_it_pays(path: Path, scans: "Iterator[Scan]", validation: "DataSet") -> None:
    """Replace a model file by its int8 version where that is good and fast enough; say what was measured."""
    from cargosight_inference.progress import Progress
    from cargosight_training.export.quantise import compare, quantise

    bar = Progress()

    def show(_: int, total: int) -> None:
        bar.total = total
        bar.advance()

    with tempfile.TemporaryDirectory(prefix=".int8-", dir=path.parent) as folder:
        candidate = Path(folder) / path.name
        quantise(path, scans, candidate)
        try:
            found = compare(path, candidate, validation, progress=show)
        finally:
            bar.erase()
        if found.keeps_int8:
            candidate.replace(path)
    sys.stdout.write(f"{found.sentence()}\n")


def _report(path: Path) -> None:
    from cargosight_inference.session import Session

    precision = Session(path).contract.precision
    size = path.stat().st_size / 1e6
    sys.stdout.write(f"wrote {path}: {precision}, {size:.1f} MB, fingerprint {file_fingerprint(path)[:12]}\n")


def _compare_suppression(path: Path, scans: "list[Scan]") -> None:
    from cargosight_training.export.suppression import compare_suppression

    for row in compare_suppression(path, scans):
        sys.stdout.write(
            f"suppression at threshold {row.threshold:g}: {row.host_ms.median:.2f} CPU-ms a scan on the host, "
            f"{row.graph_ms.median:.2f} in the graph, {row.ratio.median:.2f} times as much "
            f"({row.ratio.lowest:.2f} to {row.ratio.highest:.2f})\n"
        )
