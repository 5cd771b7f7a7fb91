"""What was measured, in lines for a terminal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cargosight_inference.benchmark.archive import (
    GROWTH_MB,
    PLAN_MB,
    PLAN_SECONDS,
    ArchiveRun,
    Soak,
)
from cargosight_inference.benchmark.batch_run import CPU_TARGET, SCALING_TARGET, BatchRun
from cargosight_inference.benchmark.compare import Compared, Measured, Ratio
from cargosight_inference.benchmark.large_scans import LargeScan
from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.benchmark.overhead import Overhead
from cargosight_inference.benchmark.processes import RIVAL, Start, StreamMemory
from cargosight_inference.benchmark.projection import ProjectionTime
from cargosight_inference.benchmark.scaling import Scaling
from cargosight_inference.benchmark.service_load import ServiceLoad
from cargosight_inference.tuning import Running

_Found = TypeVar("_Found")
RATIO_TARGET = 1.15
PEAK_TARGET_MB = 250.0
LARGE_PEAK_TARGET_MB = 400.0
FLAT_MB = 5.0
"""Growth that still counts as flat: the allocator's arenas move by a few MB."""


@dataclass(frozen=True)
class Report:
    """What was measured; a part that was not asked for, or a rival that is not installed, is None."""

    model: str
    fingerprint: str
    images: str
    processor: str
    overhead: Overhead | None = None
    start: Start | None = None
    memory: StreamMemory | None = None
    rival: Start | None = None
    projection: ProjectionTime | None = None
    large_scans: tuple[LargeScan, ...] | None = None
    service: ServiceLoad | None = None
    compare: Compared | None = None
    scaling: tuple[Scaling, ...] | None = None
    running: Running | None = None
    batch: BatchRun | None = None
    archive: ArchiveRun | None = None
    soak: Soak | None = None
    notes: tuple[str, ...] = ()


def lines_of(report: Report) -> list[str]:
    """Return the lines of what was measured."""
    lines = [
        f"model       {report.model} {report.fingerprint[:12]}, images: {report.images}; {report.processor}",
    ]
    lines += _of(report.running, _running_lines)
    lines += _of(report.overhead, _overhead_lines)
    lines += _of(report.start, lambda found: [f"start       {_start(found)}"])
    lines += _of(report.rival, lambda found: [f"rival       {_start(found)} ({RIVAL})"])
    lines += _of(report.memory, _memory_lines)
    lines += _of(report.projection, _projection_lines)
    for scan in report.large_scans or ():
        lines += _large_scan_lines(scan)
    lines += _of(report.service, _service_lines)
    lines += _of(report.compare, _compare_lines)
    lines += [_scaling_line(row) for row in report.scaling or ()]
    lines += _of(report.batch, _batch_lines)
    lines += _of(report.archive, _archive_lines)
    lines += _of(report.soak, _soak_lines)
    return lines + [f"note        {note}" for note in report.notes]


def _of(found: _Found | None, lines: Callable[[_Found], list[str]]) -> list[str]:
    return [] if found is None else lines(found)


def _overhead_lines(found: Overhead) -> list[str]:
    return [
        f"overhead    CPU-ms a scan: bare calls {_spread(found.bare)}",
        f"            whole pipeline {_spread(found.pipeline)}",
        f"            ratio {_spread(found.ratio, 3)}, {_against(found.ratio.median, RATIO_TARGET)}",
        f"            scans/s by the clock: {_spread(found.scans_per_second)}",
    ]


def _projection_lines(found: ProjectionTime) -> list[str]:
    return [
        f"projection  CPU-ms for {found.side} x {found.side} pixels, {len(found.energies)} energies, "
        f"{found.materials} materials: {_spread(found.full)}",
        f"            a tenth of them covered: {_spread(found.sparse)}",
    ]


def _running_lines(found: Running) -> list[str]:
    rates = ", ".join(f"{way}: {rate:.1f}" for way, rate in found.scans_per_second.items())
    return [
        f"running     {found.workers} processes of one thread; one process: {found.in_words()}",
        f"            scans/s of the network by processes x threads: {rates or 'not measured'}",
    ]


def _compare_lines(found: Compared) -> list[str]:
    lines = [f"compare     {found.images} images, {found.rounds} rounds in turns"]
    for one in found.measured:
        lines += _measured_lines(one)
    for ratio in found.ratios:
        lines += _ratio_lines(ratio)
    return lines + [f"            note: {note}" for note in found.notes]


def _measured_lines(one: Measured) -> list[str]:
    facts = "".join(f", {name} {value:.2f}" for name, value in one.facts.items() if isinstance(value, float))
    return [
        f"            {one.name}: {_spread(one.images_per_second)} images/s, CPU-ms {_spread(one.cpu_ms, 1)}",
        f"              peak {one.peak_mb:.0f} MB, first result after {_spread(one.first_seconds)} s{facts}",
    ]


def _ratio_lines(ratio: Ratio) -> list[str]:
    return [
        f"            {ratio.ours} / {ratio.other}: images/s {_spread(ratio.images_per_second)}, CPU-time "
        f"{_spread(ratio.cpu, 3)},",
        f"              memory {ratio.memory:.3f}, first result {ratio.first:.3f}",
    ]


def _scaling_line(row: Scaling) -> str:
    return (
        f"scaling     {row.width} x {row.height}, {row.workers} process{'es' * (row.workers > 1)}: "
        f"{_spread(row.images_per_second)} images/s, {_spread(row.against_one)} times one, CPU-ms "
        f"{_spread(row.cpu_ms, 1)}"
    )


def _batch_lines(found: BatchRun) -> list[str]:
    scaling = f"target {SCALING_TARGET:g}: {'reached' if found.against_one >= SCALING_TARGET else 'missed'}"
    lines = [
        f"batch       {found.scans:,} scans with two workers in {found.seconds:.0f} s: CPU-ms a scan "
        f"{found.cpu_ms:.2f}, bare calls {_spread(found.bare_ms)}",
        f"            ratio {found.ratio:.3f}, {_against(found.ratio, CPU_TARGET)}",
        f"            {found.against_one:.2f} times the throughput of one worker, {scaling}",
    ]
    if found.first_mb is None or found.last_mb is None:
        return lines
    return [*lines, f"            {found.first_mb:.0f} MB after a third, {found.last_mb:.0f} MB at the end"]


def _archive_lines(found: ArchiveRun) -> list[str]:
    peak = "unknown" if found.planning_peak_mb is None else f"{found.planning_peak_mb:.0f} MB"
    return [
        f"archive     {found.rows:,} rows planned in {found.planning_seconds:.1f} s, "
        f"{_against(found.planning_seconds, PLAN_SECONDS)}; {found.planning_cpu_seconds:.1f} CPU-seconds; "
        f"peak {peak}, target {PLAN_MB:g}",
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
