"""`cargosight bench`: what an inspection costs on this machine."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any

import cv2
import numpy as np

from cargosight_inference.benchmark.archive import (
    GROWTH_MB,
    PLAN_MB,
    PLAN_SECONDS,
    ArchiveRun,
    Soak,
    measure_archive,
    measure_soak,
)
from cargosight_inference.benchmark.images import COUNT, HEIGHT, WIDTH, make_images
from cargosight_inference.benchmark.large_scans import LargeScan, measure_large_scans, reads_large_scans
from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.benchmark.overhead import Overhead, measure_overhead
from cargosight_inference.benchmark.processes import (
    RIVAL,
    RIVAL_WEIGHTS,
    Start,
    StreamMemory,
    measure_rival,
    measure_start,
    measure_stream,
    rival_is_installed,
)
from cargosight_inference.benchmark.projection import ProjectionTime, measure_projection
from cargosight_inference.benchmark.service_load import ServiceLoad, measure_service
from cargosight_inference.inputs import check_arguments, expand
from cargosight_inference.inspector import Inspector, default_model
from cargosight_inference.scans.readers import read_scan
from cargosight_models.errors import ScanError, UsageError

SUMMARY = "Measure the pipeline's overhead, the time to the first result, and memory."

RATIO_TARGET = 1.15
PEAK_TARGET_MB = 250.0
LARGE_PEAK_TARGET_MB = 400.0
FLAT_MB = 5.0
"""Growth that still counts as flat: the allocator's arenas move by a few MB."""

_PARTS = ("overhead", "start", "memory", "rival", "projection", "large-scan")
_BY_NAME = ("service", "archive", "soak")
"""Measured only where they are named: they take minutes."""
_THRESHOLD = 0.3
_MOST_IMAGES = 64
_MOST_MINUTES = 1440.0
_ROWS, _SOAK_ROWS, _LEAST_ROWS = 1_000_000, 100_000, 10_000

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
archive     only where it is named: `cargosight batch` over a simulated archive of --rows paths and a tiny network,
            killed --kills times at random points: seconds and memory of the plan (targets {PLAN_SECONDS:.0f} s and
            {PLAN_MB:.0f} MB for a million), and inputs that do not have exactly one row in the end
soak        only where it is named: memory of such a run and its worker over --rows rows; the target is a growth below
            {GROWTH_MB:.0f} MB for 10,000 rows

Times and memory depend on the machine, ratios hardly. Targets are reported, the exit code does not follow
them."""


@dataclass(frozen=True)
class Report:
    """What was measured; a part that was not asked for, or a rival that is not installed, is None."""

    model: str
    fingerprint: str
    images: str
    overhead: Overhead | None = None
    start: Start | None = None
    memory: StreamMemory | None = None
    rival: Start | None = None
    projection: ProjectionTime | None = None
    large_scans: tuple[LargeScan, ...] | None = None
    service: ServiceLoad | None = None
    archive: ArchiveRun | None = None
    soak: Soak | None = None
    notes: tuple[str, ...] = ()


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
        "--scans", type=int, default=1000, metavar="N", help="scans of the stream (default: 1000)"
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
    parser.add_argument("--json", action="store_true", help="write JSON")


def run(arguments: argparse.Namespace) -> int:
    """Measure and report."""
    for name in ("rounds", "starts", "scans"):
        if getattr(arguments, name) < 1:
            raise UsageError(f"--{name} is {getattr(arguments, name)}; expected 1 or more")
    if arguments.rows is not None and arguments.rows < _LEAST_ROWS:
        raise UsageError(f"--rows is {arguments.rows}; expected {_LEAST_ROWS:,} or more")
    if arguments.kills < 1:
        raise UsageError(f"--kills is {arguments.kills}; expected 1 or more")
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
        sys.stdout.write("\n".join(_lines(report)) + "\n")
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
        "memory": lambda: measure_stream(path, _THRESHOLD, paths, arguments.scans),
        "rival": lambda: measure_rival(paths, arguments.starts, arguments.rival_weights),
        "projection": lambda: measure_projection(arguments.rounds),
        "large-scan": lambda: measure_large_scans(inspector, folder, arguments.rounds),
        "service": lambda: measure_service(folder, minutes=arguments.minutes, lane={"model": path}),
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
        large_scans=large,
        notes=tuple(notes),
        **results,
    )


def _lines(report: Report) -> list[str]:
    lines = [f"model       {report.model} {report.fingerprint[:12]}, images: {report.images}"]
    if report.overhead is not None:
        overhead = report.overhead
        lines += [
            f"overhead    CPU-ms a scan: bare calls {_spread(overhead.bare)}",
            f"            whole pipeline {_spread(overhead.pipeline)}",
            f"            ratio {_spread(overhead.ratio, 3)}, {_against(overhead.ratio.median, RATIO_TARGET)}",
            f"            scans/s by the clock: {_spread(overhead.scans_per_second)}",
        ]
    if report.start is not None:
        lines.append(f"start       {_start(report.start)}")
    if report.rival is not None:
        lines.append(f"rival       {_start(report.rival)} ({RIVAL})")
    if report.memory is not None:
        lines += _memory_lines(report.memory)
    if report.projection is not None:
        found = report.projection
        lines += [
            f"projection  CPU-ms for {found.side} x {found.side} pixels, {len(found.energies)} energies, "
            f"{found.materials} materials: {_spread(found.full)}",
            f"            a tenth of them covered: {_spread(found.sparse)}",
        ]
    for scan in report.large_scans or ():
        lines += _large_scan_lines(scan)
    if report.service is not None:
        lines += _service_lines(report.service)
    if report.archive is not None:
        lines += _archive_lines(report.archive)
    if report.soak is not None:
        lines += _soak_lines(report.soak)
    return lines + [f"note        {note}" for note in report.notes]


def _archive_lines(found: ArchiveRun) -> list[str]:
    peak = "unknown" if found.planning_peak_mb is None else f"{found.planning_peak_mb:.0f} MB"
    return [
        f"archive     {found.rows:,} rows planned in {found.planning_seconds:.1f} s, "
        f"{_against(found.planning_seconds, PLAN_SECONDS)}; peak {peak}, target {PLAN_MB:g}",
        f"            killed {found.kills} times, {found.kills_while_planning} of them while planning: "
        f"{found.wrong:,} inputs without exactly one row",
        f"            {found.seconds:.0f} s in all, {found.resume_seconds:.1f} s from the last start to its first part",
    ]


def _soak_lines(found: Soak) -> list[str]:
    return [
        f"soak        {found.rows:,} rows in {found.seconds:.0f} s: {found.growth_mb:+.2f} MB for 10,000 rows, "
        f"{_against(found.growth_mb, GROWTH_MB)}",
        f"            {found.first_mb:.0f} MB after a third, {found.last_mb:.0f} MB at the end",
    ]


def _service_lines(found: ServiceLoad) -> list[str]:
    return [
        f"service     {found.scans} scans in {found.seconds:.0f} s, {found.clients} consoles: {found.refused} refused, "
        f"{found.lost} lost, {found.missed} events missed",
        f"            seconds from upload to event: median {found.event_p50:.2f}, p95 {found.event_p95:.2f}, "
        f"longest {found.event_max:.2f}",
        f"            memory of service and workers: {found.memory_first_mb:.0f} MB in the second quarter, "
        f"{found.memory_last_mb:.0f} MB in the last",
    ]


def _large_scan_lines(found: LargeScan) -> list[str]:
    return [
        f"large scan  {found.name}, {found.tiles} tiles: CPU-ms bare {_spread(found.bare, 0)}",
        f"            whole pipeline {_spread(found.pipeline, 0)}, {_spread(found.seconds)} s by the clock",
        f"            overlay {_spread(found.overlay, 0)} beside that",
        f"            ratio {_spread(found.ratio, 3)}, {_against(found.ratio.median, RATIO_TARGET)}",
        f"            peak {found.peak_mb:.0f} MB with the overlay, {_against(found.peak_mb, LARGE_PEAK_TARGET_MB)}",
    ]


def _memory_lines(found: StreamMemory) -> list[str]:
    reached = _against(found.peak_mb, PEAK_TARGET_MB)
    lines = [f"memory      {found.scans:,} scans, peak {found.peak_mb:.0f} MB, {reached}"]
    if found.growth_mb is not None:
        flat = "flat" if found.growth_mb <= FLAT_MB else "not flat"
        lines.append(f"            {flat}: {found.growth_mb:+.1f} MB after the first third")
    points = [f"{scans:,}: {now:.0f}" for scans, now in found.checkpoints if now is not None]
    return [*lines, f"            MB after scans: {', '.join(points)}"] if points else lines


def _spread(spread: Spread, digits: int = 2) -> str:
    return f"{spread.median:.{digits}f} ({spread.lowest:.{digits}f} to {spread.highest:.{digits}f})"


def _start(start: Start) -> str:
    return (
        f"first result after {_spread(start.seconds)} s, peak {_spread(start.peak_mb, 0)} MB, "
        f"{start.seconds.count} starts"
    )


def _against(value: float, target: float) -> str:
    return f"target {target:g}: {'reached' if value <= target else 'missed'}"
