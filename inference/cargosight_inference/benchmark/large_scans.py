"""What inspecting a scan of thousands of pixels costs, of one energy and of two."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.benchmark.cargo_scans import HEIGHT, WIDTH, write_dual_energy, write_grey
from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.benchmark.processes import measure_results
from cargosight_inference.inspector import Inspector
from cargosight_inference.overlay import draw_overlay
from cargosight_inference.preprocess import preprocess
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_inference.session import Session
from cargosight_models.contract import InputContract
from cargosight_models.geometry import FloatArray

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class LargeScan:
    """One made cargo scan of 4,000 x 1,200 pixels.

    Attributes:
        name: what it is.
        tiles: that the network reads of it.
        bare: CPU-ms of decoding by OpenCV and of `session.run` on tiles that were laid out beforehand; at a scan's own
            scale there is nothing to resize.
        pipeline: CPU-ms of everything from path to decision, what is read of the load included.
        ratio: of the two in the same round.
        seconds: of the pipeline, by the clock.
        overlay: CPU-ms of drawing the overlay, which is not in the pipeline's.
        peak_mb: most resident memory of a process that inspects it and writes overlay, materials and JSON.
    """

    name: str
    tiles: int
    bare: Spread
    pipeline: Spread
    ratio: Spread
    seconds: Spread
    overlay: Spread
    peak_mb: float


def reads_large_scans(contract: InputContract) -> bool:
    """Return whether a model covers cargo scans with tiles, which is what is measured."""
    return contract.resize == "tiles" and contract.colour == "radiograph"


def measure_large_scans(inspector: Inspector, folder: Path, rounds: int) -> tuple[LargeScan, ...]:
    """Make an 8-bit grey scan and a 16-bit one of two energies, and measure both.

    Args:
        inspector: of a model that `reads_large_scans`, with one threshold for everything.
        folder: for the scans and their results.
        rounds: how often bare parts and pipeline run, in turns.
    """
    grey, dual = write_grey(folder / "grey.png"), write_dual_energy(folder / "dual-energy.tif")
    return (
        _measured(f"8-bit grey of {WIDTH} x {HEIGHT}", grey, _decode, inspector, rounds),
        _measured(f"16-bit dual energy of {WIDTH} x {HEIGHT}", dual, _decode_pages, inspector, rounds),
    )


def _measured(
    name: str,
    path: Path,
    decode: Callable[[Bytes], None],
    inspector: Inspector,
    rounds: int,
) -> LargeScan:
    threshold = next(iter(inspector.thresholds.values()))
    encoded = np.fromfile(path, dtype=np.uint8)
    scan = read_scan(path, ReadOptions(subject="cargo"))
    tiles = preprocess(scan, inspector.contract.input).tensor
    session = Session(inspector.model, inspector.threads)
    inspection = inspector.inspect(path)  # and all is warm now
    bare, pipeline, seconds, overlay = [], [], [], []
    for _ in range(rounds):
        bare.append(_bare(encoded, decode, session, tiles))
        clock, started = perf_counter(), process_time()
        for _found in inspector.stream([path]):
            pass
        pipeline.append((process_time() - started) * 1e3)
        seconds.append(perf_counter() - clock)
        started = process_time()
        draw_overlay(scan, inspection)
        overlay.append((process_time() - started) * 1e3)
    ratios = [whole / part for whole, part in zip(pipeline, bare, strict=True)]
    return LargeScan(
        name=name,
        tiles=len(tiles),
        bare=Spread.of(bare),
        pipeline=Spread.of(pipeline),
        ratio=Spread.of(ratios),
        seconds=Spread.of(seconds),
        overlay=Spread.of(overlay),
        peak_mb=measure_results(str(inspector.model.path), threshold, path, path.parent / path.stem),
    )


def _bare(encoded: Bytes, decode: Callable[[Bytes], None], session: Session, tiles: FloatArray) -> float:
    """Return CPU-milliseconds."""
    started = process_time()
    decode(encoded)
    session.run(tiles)
    return (process_time() - started) * 1e3


def _decode(encoded: Bytes) -> None:
    cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)


def _decode_pages(encoded: Bytes) -> None:
    cv2.imdecodemulti(encoded, cv2.IMREAD_UNCHANGED)
