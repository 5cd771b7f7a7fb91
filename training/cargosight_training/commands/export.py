"""`cargosight export`: trained weights to a model file, checked against torch."""

import argparse
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cargosight_inference.arguments import path_argument
from cargosight_models import catalog
from cargosight_models.contract import DataTerms, file_fingerprint
from cargosight_models.errors import ConfigurationError, MissingExtraError, UsageError
from cargosight_models.operating_points import sidecar_path

if TYPE_CHECKING:
    from cargosight_inference.scans.scan import Scan
    from cargosight_models.networks.detector import Detector
    from cargosight_training.config import TrainConfig
    from cargosight_training.datasets.records import DataSet

SUMMARY = "Write trained weights as a model file, checked against the network."

_EPILOG = """\
WEIGHTS is best.pt or last.pt of a run, or any file of half-precision weights. Of several files, from runs that
began from the same weights, the mean is exported: it is often better than each of them. The configuration is the
one that they were trained with (default: config.yaml beside the first WEIGHTS); it names the training data, whose
sources and terms are written into the file, and with the settings export.* the input shapes and how candidates are
suppressed.

    cargosight export runs/a/best.pt runs/b/best.pt --out mean.onnx --save-weights mean.pt

The file is compared with the network in torch, on scans of the training data and on random input, and is not
written where the two differ. With --int8 an 8-bit version is made beside it and takes its place only if it
loses less than half a point of mAP50, and less than one of the detection rate at a false-alarm rate of 5 %, on
the validation scans, and runs faster.

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
    # argparse gives all of these to the first; `_weights_and_settings` tells them apart.
    parser.add_argument(
        "weights",
        type=_not_empty,
        metavar="WEIGHTS",
        nargs="+",
        help="weights or checkpoint of a run; several are averaged",
    )
    parser.add_argument("settings", metavar="key=value", nargs="*", help="a setting in place of the file's")
    parser.add_argument(
        "--config",
        metavar="CONFIG",
        help="a YAML file, or the name of a configuration shipped with it (default: config.yaml beside the first "
        "WEIGHTS)",
    )
    parser.add_argument("--out", type=path_argument, metavar="FILE.onnx", help="the file to write")
    parser.add_argument(
        "--bundle",
        metavar="NAME",
        help="write NAME.onnx and its checksum where bundled models lie, and call the model NAME",
    )
    parser.add_argument(
        "--save-weights",
        type=path_argument,
        metavar="FILE.pt",
        help="also write the weights, or their mean, as one file to train on from",
    )
    parser.add_argument("--force", action="store_true", help="replace the files if they exist")
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


def _not_empty(text: str) -> str:
    path_argument(text)
    return text


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code.

    Raises:
        MissingExtraError: the extra `train` is not installed.
        CargosightError: a setting or the data is wrong, or the graph differs from the network.
    """
    if any(find_spec(name) is None for name in _NEEDED):
        raise MissingExtraError("train", "cargosight export")
    from cargosight_training.config_files import find_config, load_config
    from cargosight_training.export.detector import export_detector
    from cargosight_training.export.storage import folder_beside, write_checksum
    from cargosight_training.trainer.averaging import mean_detector
    from cargosight_training.trainer.checkpoint import save_weights
    from cargosight_training.trainer.run import read_training_data

    path = _target(args)
    weights, settings = _weights_and_settings(args)
    given = args.config if args.config is not None else str(weights[0].parent / "config.yaml")
    config = load_config(find_config(given), settings)
    if args.bundle is not None:
        config = config.model_copy(update={"name": args.bundle})
    detector, classes = mean_detector(weights)
    data = read_training_data(config)
    _check_match(config, data, detector, classes)
    validation = _validation(args, config, data) if args.int8 else None
    terms = _terms(weights, config, data)
    scans = list(_spread(data, config, _PARITY_SCANS))
    # Nothing gets its name before all is done: a failure, of int8 too, leaves the files before as they were.
    with folder_beside(path) as folder:
        ready = folder / path.name
        export_detector(detector, classes, config, ready, terms, scans=scans)
        if validation is not None:
            _quantise_if_it_pays(ready, _spread(data, config, _CALIBRATION_SCANS), validation)
        if args.save_weights is not None:
            save_weights(args.save_weights, detector, detector.settings, classes, training_data=terms)
        ready.replace(path)
    _drop_points_of(path)
    if args.bundle is not None:
        write_checksum(path)
    _report(path)
    if args.save_weights is not None:
        sys.stdout.write(f"wrote {args.save_weights}: {_named(weights)}\n")
    if args.compare_suppression:
        _compare_suppression(path, scans)
    return 0


def _weights_and_settings(args: argparse.Namespace) -> tuple[list[Path], list[str]]:
    """Tell files of weights from settings, which have an equals sign.

    Raises:
        UsageError: there are no files, or one is not there.
    """
    given: list[str] = [*args.weights, *args.settings]
    settings = [text for text in given if "=" in text and not Path(text).is_file()]
    weights = [Path(text) for text in given if text not in settings]
    if not weights:
        raise UsageError(
            f"no weights were given beside {settings[0]}; give the weights or the checkpoint of a run"
        )
    for path in weights:
        if not path.is_file():
            raise UsageError(f"there is no file {path}; give the weights or the checkpoint of a run")
    return weights, settings


def _target(args: argparse.Namespace) -> Path:
    """The model file to write.

    Raises:
        UsageError: options contradict each other, a name is wrong, or a file exists.
    """
    if (args.out is None) == (args.bundle is None):
        raise UsageError("give either --out FILE.onnx or --bundle NAME")
    if args.data is not None and not args.int8:
        raise UsageError(
            "--data is what --int8 is measured on, and changes nothing without it; give --int8 as well"
        )
    if args.out is not None and args.out.suffix != ".onnx":
        raise UsageError(f"--out {args.out} found; expected a file that ends in .onnx")
    if args.save_weights is not None and args.save_weights.suffix != ".pt":
        raise UsageError(f"--save-weights {args.save_weights} found; expected a file that ends in .pt")
    path: Path = args.out if args.out is not None else _bundled(args.bundle)
    for target in (path, args.save_weights):
        if target is not None and target.exists() and not args.force:
            raise UsageError(f"{target} exists; give --force to replace it")
    return path


def _bundled(name: str) -> Path:
    """The file of a bundled model."""
    if not _NAME.fullmatch(name) or name.lower().endswith(".onnx"):
        raise UsageError(
            f"a model cannot be called {name!r}; use letters, digits, dots, dashes and underscores"
        )
    return catalog.BUNDLED / name / f"{name}.onnx"


def _terms(weights: list[Path], config: "TrainConfig", data: "DataSet") -> tuple[DataTerms, ...]:
    """What taught the weights: as their files say it, or the configuration where none does."""
    from cargosight_training.export.contract import training_terms, unused_terms
    from cargosight_training.trainer.averaging import training_data_of_all
    from cargosight_training.trainer.journal import note

    terms = training_data_of_all(weights)
    if terms:
        return terms
    unused = unused_terms(config, data)
    if unused is not None:
        note(unused)
    return training_terms(config, data)


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
    shapes = config.export.shapes if config.export.resize == "letterbox" else ()
    for number in range(count):
        yield read_record(data.images[number * len(data) // count], config.subject, shapes)


def _validation(args: argparse.Namespace, config: "TrainConfig", data: "DataSet") -> "DataSet":
    """What int8 is measured on.

    Raises:
        UsageError: there is none.
        DataSetError: a file is wrong, or an image in it was trained on.
    """
    from cargosight_training.datasets.coco import read_coco
    from cargosight_training.datasets.records import check_apart, merge
    from cargosight_training.trainer.run import read_validation_data

    if args.data is not None:
        validation = merge([read_coco(file) for file in args.data])
    elif (configured := read_validation_data(config, data.classes)) is not None:
        validation = configured
    else:
        raise UsageError("--int8 needs validation scans to measure on; name their file with --data FILE.json")
    check_apart(data, validation)
    return validation


def _quantise_if_it_pays(path: Path, scans: "Iterator[Scan]", validation: "DataSet") -> None:
    """Replace a model file by its int8 version where that is good and fast enough; say what was measured."""
    from cargosight_inference.progress import Progress
    from cargosight_training.export.quantise import compare, quantise

    bar = Progress()

    def show(_: int, total: int) -> None:
        bar.total = total
        bar.advance()

    candidate = path.with_name(f"int8-{path.name}")
    quantise(path, scans, candidate)
    try:
        found = compare(path, candidate, validation, progress=show)
    finally:
        bar.erase()
    if found.keeps_int8:
        candidate.replace(path)
    sys.stdout.write(f"{found.sentence()}\n")


def _drop_points_of(path: Path) -> None:
    """Remove the operating points of the file that was replaced: they would be refused beside the new one."""
    stale = sidecar_path(path)
    if stale.exists():
        stale.unlink()
        sys.stdout.write(f"removed {stale}, which held operating points of the file before\n")


def _named(weights: list[Path]) -> str:
    names = ", ".join(map(str, weights))
    return f"the weights of {names}" if len(weights) == 1 else f"the mean of {names}"


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
