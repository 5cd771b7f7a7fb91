"""`cargosight bench`: what an inspection costs on this machine."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import cv2
import numpy as np

from cargosight_inference.arguments import path_argument
from cargosight_inference.benchmark.archive import (
    GROWTH_MB,
    PLAN_MB,
    PLAN_SECONDS,
    measure_archive,
    measure_soak,
)
from cargosight_inference.benchmark.batch_run import CPU_TARGET, SCALING_TARGET, measure_batch
from cargosight_inference.benchmark.compare import Compared, Rivals, measure_compare
from cargosight_inference.benchmark.images import COUNT, HEIGHT, WIDTH, make_images
from cargosight_inference.benchmark.large_scans import measure_large_scans, reads_large_scans
from cargosight_inference.benchmark.overhead import measure_overhead
from cargosight_inference.benchmark.plot import draw
from cargosight_inference.benchmark.processes import (
    RIVAL,
    RIVAL_WEIGHTS,
    measure_rival,
    measure_start,
    measure_stream,
    rival_is_installed,
)
from cargosight_inference.benchmark.projection import measure_projection
from cargosight_inference.benchmark.report import (
    LARGE_PEAK_TARGET_MB,
    PEAK_TARGET_MB,
    RATIO_TARGET,
    Report,
    lines_of,
)
from cargosight_inference.benchmark.scaling import measure_scaling
from cargosight_inference.benchmark.service_load import measure_service
from cargosight_inference.default_model import default_model
from cargosight_inference.inputs import check_arguments, expand
from cargosight_inference.inspector import Inspector
from cargosight_inference.processor import processor_name
from cargosight_inference.providers import CPU
from cargosight_inference.running_arguments import add_execution_arguments, execution_of
from cargosight_inference.scans.readers import read_scan
from cargosight_inference.tuning import measure as measure_running
from cargosight_models.catalog import ModelFile
from cargosight_models.errors import ScanError, UsageError

SUMMARY = "Measure the pipeline's overhead, the time to the first result, and memory."

_PARTS = ("overhead", "start", "memory", "rival", "projection", "large-scan")
_BY_NAME = ("service", "compare", "scaling", "running", "batch", "archive", "soak")
"""Measured only where they are named: they take minutes, or are kept."""
_THRESHOLD = 0.3
_MOST_IMAGES = 64
_MOST_MINUTES = 1440.0
_ROWS, _SOAK_ROWS, _LEAST_ROWS = 1_000_000, 100_000, 10_000
_SCANS, _BATCH_SCANS = 1_000, 10_000

_EPILOG = f"""\
overhead    CPU-time of the whole pipeline beside bare cv2.imdecode, cv2.resize and session.run, in turns in
            this process; the target is a ratio of at most {RATIO_TARGET}
start       seconds from the start of a fresh process to its first result, and its peak memory
memory      memory of a process through a stream of scans; the target is a peak below {PEAK_TARGET_MB:.0f} MB, and
            flat
rival       start and memory of {RIVAL} predict, where it is installed
projection  CPU-time of putting a threat into a window of 256 x 256 pixels at two energies
large-scan  a made cargo scan of 4,000 x 1,200 in 8-bit grey, and one of two energies: CPU-time of the whole pipeline
            beside decoding and session.run on the same tiles, seconds, and the peak memory of a process that also
            writes the overlay; of a model that covers cargo scans with tiles. The targets are {RATIO_TARGET} and
            {LARGE_PEAK_TARGET_MB:.0f} MB
service     only where it is named: `cargosight serve` in a process of its own, to which 50 made scans a minute are
            sent for --minutes, with ten consoles connected: what was lost, seconds from upload to event, and memory of
            service and workers together
compare     only where it is named: bare `session.run`, the bare calls, this package (one thread, one for each core, a
            process for each core) and, where they are installed, {RIVAL} predict (on a network of about the same cost,
            and on this very network) and an inferencer of anomalib, each in a process of its own, in turns: images a
            second, CPU-time, memory, cold start
scaling     only where it is named: one and two processes, on scans of three sizes
running     only where it is named: how many processes and threads are fastest with --provider and --precision, kept
            for later runs on this machine
batch       only where it is named: `cargosight batch` on --scans made JPEGs with two workers, on half as many with one,
            and the bare calls, by turns: CPU-time of all processes beside theirs (target {CPU_TARGET:g}), the
            throughput of two beside one (target {SCALING_TARGET:g}), and memory
archive     only where it is named: `cargosight batch` over a simulated archive of --rows paths and a tiny network,
            killed --kills times at random points: seconds and memory of the plan (targets {PLAN_SECONDS:.0f} s and
            {PLAN_MB:.0f} MB for a million), and inputs that do not have exactly one row in the end
soak        only where it is named: memory of such a run and its worker over --rows rows, which should be 40,000
            or more; the target is a growth below {GROWTH_MB:.0f} MB for 10,000 rows

Nothing is fetched. Times and memory depend on the machine, ratios hardly. Targets are reported, the exit code
does not follow them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `bench`."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE",
        help=f"images or folders; {COUNT} made JPEGs of {WIDTH} x {HEIGHT} if none",
    )
    parser.add_argument(
        "--model", metavar="NAME|FILE.onnx", help="model by catalog name or file (default: baggage)"
    )
    parser.add_argument(
        "--only", action="append", choices=_PARTS + _BY_NAME, help="measure this part; may be repeated"
    )
    parser.add_argument(
        "--rounds", type=int, default=7, metavar="N", help="rounds of overhead and projection (default: 7)"
    )
    parser.add_argument("--starts", type=int, default=5, metavar="N", help="fresh processes (default: 5)")
    parser.add_argument(
        "--scans",
        type=int,
        metavar="N",
        help=f"of the stream (default: {_SCANS:,}), of batch ({_BATCH_SCANS:,})",
    )
    parser.add_argument(
        "--minutes", type=float, default=5.0, metavar="N", help="of the service's load (default: 5)"
    )
    parser.add_argument(
        "--rows",
        type=int,
        metavar="N",
        help="of the simulated archive (default: 1,000,000, of soak 100,000)",
    )
    parser.add_argument(
        "--kills", type=int, default=20, metavar="N", help="of the archive's run (default: 20)"
    )
    parser.add_argument(
        "--rival-weights",
        default=RIVAL_WEIGHTS,
        metavar="FILE",
        help="model of the rival (default: %(default)s)",
    )
    parser.add_argument(
        "--rival-python",
        default=sys.executable,
        metavar="FILE",
        help="compare: Python of the environment where the others are installed (default: this one)",
    )
    parser.add_argument(
        "--rival-size", type=int, default=640, metavar="N", help="compare: its input in pixels (default: 640)"
    )
    parser.add_argument(
        "--anomalib-model",
        metavar="FILE.pt",
        help="compare: exported model of anomalib (default: one with random weights)",
    )
    parser.add_argument(
        "--plot", type=path_argument, metavar="FILE.svg", help="draw what compare and scaling measured"
    )
    add_execution_arguments(parser)
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(arguments: argparse.Namespace) -> int:
    """Measure and report."""
    for name in ("rounds", "starts", "scans", "rival_size"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')} is {value}; expected 1 or more")
    if arguments.rows is not None and arguments.rows < _LEAST_ROWS:
        raise UsageError(f"--rows is {arguments.rows}; expected {_LEAST_ROWS:,} or more")
    if arguments.kills < 1:
        raise UsageError(f"--kills is {arguments.kills}; expected 1 or more")
    if execution_of(arguments) != CPU and arguments.only != ["running"]:
        raise UsageError(
            "--provider and --precision are of --only running alone; the other parts run on the CPU"
        )
    if arguments.plot is not None and not {"compare", "scaling"} & set(arguments.only or ()):
        raise UsageError(
            "--plot draws what --only compare and --only scaling measure; name one of them, or leave it out"
        )
    if arguments.plot is not None and not arguments.plot.parent.is_dir():
        raise UsageError(
            f"there is no folder {arguments.plot.parent} for {arguments.plot.name}; make it first"
        )
    if not 0.0 < arguments.minutes <= _MOST_MINUTES:
        raise UsageError(
            f"--minutes is {arguments.minutes:g}; expected more than 0 and at most {_MOST_MINUTES:g}"
        )
    cv2.setNumThreads(1)
    check_arguments(arguments.images)
    with TemporaryDirectory(prefix="cargosight-bench-") as folder:
        paths, notes = _images(arguments.images, Path(folder))
        report = _measure(arguments, paths, notes, Path(folder))
    if arguments.json:
        sys.stdout.write(json.dumps(asdict(report), indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(lines_of(report)) + "\n")
    if arguments.plot is not None:
        title = f"cargosight bench, {report.model}, {report.images}, {report.processor}"
        arguments.plot.write_text(draw(report.compare, report.scaling, title), encoding="utf-8")
    return 0


def _images(given: Sequence[str], folder: Path) -> tuple[list[Path], list[str]]:
    """Return the images to measure on, and a note where files that were given are not among them."""
    if not given:
        return make_images(folder), []
    paths = [Path(found.path) for found in islice(expand(given, stop=Event()), _MOST_IMAGES)]
    refused = {path: reason for path in paths if (reason := _refusal(path)) is not None}
    first = next((f"{path}: {reason}" for path, reason in refused.items()), "there is none")
    if len(refused) == len(paths):
        raise UsageError(f"nothing to measure on in {', '.join(given)}: {first}")
    notes = [f"{len(refused)} of {len(paths)} files were left out, the first {first}"] if refused else []
    return [path for path in paths if path not in refused], notes


def _refusal(path: Path) -> str | None:
    """Say why the bare calls cannot read a file; None where they can."""
    try:
        read_scan(path)
    except ScanError as error:
        return str(error)
    if cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_COLOR) is None:
        return "not an image that OpenCV decodes; expected one, since the bare calls are its own"
    return None


def _measure(arguments: argparse.Namespace, paths: Sequence[Path], notes: list[str], folder: Path) -> Report:
    parts = arguments.only or _PARTS
    model = default_model("baggage") if arguments.model is None else arguments.model
    inspector = Inspector(model, threshold=_THRESHOLD)
    path = str(inspector.model.path)
    results: dict[str, Any] = {}
    jobs: dict[str, Callable[[], object]] = {
        "overhead": lambda: measure_overhead(inspector, paths, arguments.rounds),
        "start": lambda: measure_start(path, _THRESHOLD, paths, arguments.starts),
        "memory": lambda: measure_stream(path, _THRESHOLD, paths, arguments.scans or _SCANS),
        "rival": lambda: measure_rival(paths, arguments.starts, arguments.rival_weights),
        "projection": lambda: measure_projection(arguments.rounds),
        "large-scan": lambda: measure_large_scans(inspector, folder, arguments.rounds),
        "compare": lambda: _compare(arguments, inspector.model, paths, folder),
        "scaling": lambda: measure_scaling(inspector.model, folder, rounds=arguments.rounds),
        "running": lambda: measure_running(inspector.model, execution_of(arguments)),
        "service": lambda: measure_service(folder, minutes=arguments.minutes, lane={"model": path}),
        "batch": lambda: measure_batch(inspector.model, folder / "batch", arguments.scans or _BATCH_SCANS),
        "archive": lambda: measure_archive(folder / "archive", arguments.rows or _ROWS, arguments.kills),
        "soak": lambda: measure_soak(folder / "soak", arguments.rows or _SOAK_ROWS),
    }
    for part in _PARTS + _BY_NAME:
        if part not in parts:
            continue
        if part == "rival" and not rival_is_installed():
            notes = [*notes, f"{RIVAL} is not installed in this environment, so it was not measured"]
            continue
        if part == "large-scan" and not reads_large_scans(inspector.contract.input):
            if arguments.only:
                name = inspector.contract.name
                notes = [*notes, f"large-scan: {name} does not read cargo in tiles; name a model that does"]
            continue
        results[part] = jobs[part]()
    images = f"{len(paths)} given" if arguments.images else f"{len(paths)} made JPEGs of {WIDTH} x {HEIGHT}"
    large = results.pop("large-scan", None)
    return Report(
        inspector.contract.name,
        inspector.fingerprint,
        images,
        processor_name(),
        large_scans=large,
        notes=tuple(notes),
        **results,
    )


def _compare(
    arguments: argparse.Namespace, model: ModelFile, paths: Sequence[Path], folder: Path
) -> Compared:
    rivals = Rivals(
        python=arguments.rival_python,
        weights=arguments.rival_weights,
        size=arguments.rival_size,
        anomalib_model=arguments.anomalib_model,
    )
    return measure_compare(
        model, paths, folder, rounds=arguments.rounds, starts=arguments.starts, rivals=rivals
    )
