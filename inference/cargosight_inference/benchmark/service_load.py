"""The service under load: scans that arrive at a steady rate, consoles that wait for them, time and memory."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import cv2
import numpy as np

from cargosight_inference.benchmark.images import make_images
from cargosight_inference.benchmark.running_service import (
    Client,
    EventReader,
    RequestFailedError,
    RunningService,
)

LANE = "lane-1"
_SETTLE_SECONDS = 60.0
"""For which the last scans are waited for."""
_SAMPLE_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class ServiceLoad:
    """What a service did under load.

    Attributes:
        scans: that were sent and accepted.
        refused: that were not accepted.
        lost: that were accepted and have no inspection at the end, or not exactly one.
        clients: consoles that were connected.
        missed: events `scan.inspected` that a console did not get, of all consoles together.
        seconds: of sending.
        event_p50: seconds from the begin of an upload to its event at a console, median.
        event_p95: the same, 95th percentile.
        event_max: the same, longest.
        memory_first_mb: most memory of service and workers together in the second quarter of the time.
        memory_last_mb: the same in the last quarter.
    """

    scans: int
    refused: int
    lost: int
    clients: int
    missed: int
    seconds: float
    event_p50: float
    event_p95: float
    event_max: float
    memory_first_mb: float
    memory_last_mb: float


def measure_service(
    folder: Path,
    *,
    minutes: float,
    per_minute: float = 50.0,
    clients: int = 10,
    lane: dict[str, Any] | None = None,
) -> ServiceLoad:
    """Start a service, send it made scans at a steady rate, and watch.

    Args:
        folder: for its data.
        minutes: of sending.
        per_minute: scans.
        clients: consoles that read the events.
        lane: settings of the lane, beside its name.

    Raises:
        UsageError: the service does not start.
    """
    settings = {"lanes": [{"name": LANE, "deadline_seconds": 10, **(lane or {})}], "least_free_mb": 0}
    with RunningService(folder, settings) as service:
        service.start()
        administrator = service.administrator()
        scanner = service.scanner(LANE)
        readers = [EventReader(service.port, administrator.headers, LANE) for _ in range(clients)]
        for reader in readers:
            reader.start()
        time.sleep(1.0)
        sent, refused, memory, seconds = _send(service, scanner, folder, minutes, per_minute)
        wanted = set(sent)
        end = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < end and not all(wanted <= set(_inspected(reader)) for reader in readers):
            time.sleep(0.1)
        for reader in readers:
            reader.stop()
        lost = sum(len(administrator.call("GET", f"/scans/{scan}")["inspections"]) != 1 for scan in sent)
        service.stop()
    delays = [
        at - sent[scan] for reader in readers for scan, at in _inspected(reader).items() if scan in sent
    ]
    percentiles = quantiles(delays, n=100) if len(delays) > 1 else [float("nan")] * 99
    quarter = max(1, len(memory) // 4)
    return ServiceLoad(
        scans=len(sent),
        refused=refused,
        lost=lost,
        clients=clients,
        missed=sum(len(wanted - set(_inspected(reader))) for reader in readers),
        seconds=seconds,
        event_p50=percentiles[49],
        event_p95=percentiles[94],
        event_max=max(delays, default=float("nan")),
        memory_first_mb=max(memory[quarter : 2 * quarter], default=float("nan")),
        memory_last_mb=max(memory[-quarter:], default=float("nan")),
    )


def _send(
    service: RunningService,
    scanner: Client,
    folder: Path,
    minutes: float,
    per_minute: float,
) -> tuple[dict[int, float], int, list[float], float]:
    """Return when each scan's upload began, how many were refused, samples of memory, and the time it took."""
    pictures = [cv2.imread(str(path)) for path in make_images(folder)]
    random = np.random.default_rng(0)
    sent: dict[int, float] = {}
    memory: list[float] = []
    refused, sampled, started = 0, 0.0, time.monotonic()
    for number in range(max(1, round(minutes * per_minute))):
        content = _another(pictures[number % len(pictures)], random)
        while (left := started + number * 60.0 / per_minute - time.monotonic()) > 0:
            time.sleep(min(left, 0.2))
            if time.monotonic() - sampled >= _SAMPLE_SECONDS:
                memory.append(service.memory_mb())
                sampled = time.monotonic()
        begun = time.monotonic()
        try:
            status, answer = scanner.upload(LANE, f"bag-{number:05}.jpg", content)
        except RequestFailedError:
            refused += 1
            continue
        if status == 201:
            sent[answer["id"]] = begun
        else:
            refused += 1
    return sent, refused, memory, time.monotonic() - started


def _another(picture: Any, random: np.random.Generator) -> bytes:  # noqa: ANN401 - an array
    """Return a scan that is like another, but not the same: the same bytes would be one scan."""
    changed = picture.copy()
    y, x = int(random.integers(picture.shape[0] - 40)), int(random.integers(picture.shape[1] - 40))
    changed[y : y + 40, x : x + 40] //= 2
    changed[:8, :8] = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return cv2.imencode(".jpg", changed, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def _inspected(reader: EventReader) -> dict[int, float]:
    return {data["id"]: at for _, kind, data, at in list(reader.events) if kind == "scan.inspected"}
