"""What the whole pipeline costs beside the three calls that nobody can do without."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.inspector import Inspector
from cargosight_inference.letterbox import choose_shape
from cargosight_inference.session import Session
from cargosight_models.errors import UsageError
from cargosight_models.geometry import FloatArray


@dataclass(frozen=True)
class Overhead:
    """CPU-time per scan, in milliseconds, by round.

    Attributes:
        bare: `cv2.imdecode`, `cv2.resize` and `session.run` one after the other, nothing else counted.
        pipeline: everything from path to decision.
        ratio: of the two in the same round.
        scans_per_second: of the pipeline, by the clock.
    """

    bare: Spread
    pipeline: Spread
    ratio: Spread
    scans_per_second: Spread


def measure_overhead(inspector: Inspector, paths: Sequence[Path], rounds: int) -> Overhead:
    """Run bare calls and pipeline alternately over the same images.

    The bare calls get the bytes already in memory, resize bilinearly straight to the size that the network
    needs, and run the session on tensors that were made beforehand, so that nothing but the three calls
    counts. CPU-time is that of the whole process, all threads together.

    Args:
        inspector: the model and its settings.
        paths: of images that OpenCV reads.
        rounds: how often.
    """
    bare = _Bare(inspector, paths)
    bare.run()
    _run_pipeline(inspector, paths)  # both are warm now
    bare_ms, pipeline_ms, rates = [], [], []
    for _ in range(rounds):
        bare_ms.append(bare.run() / len(paths) * 1e3)
        clock = perf_counter()
        pipeline_ms.append(_run_pipeline(inspector, paths) / len(paths) * 1e3)
        rates.append(len(paths) / (perf_counter() - clock))
    ratios = [whole / part for whole, part in zip(pipeline_ms, bare_ms, strict=True)]
    return Overhead(Spread.of(bare_ms), Spread.of(pipeline_ms), Spread.of(ratios), Spread.of(rates))


class _Bare:
    """The three calls for each image, prepared so that they can be timed alone."""

    def __init__(self, inspector: Inspector, paths: Sequence[Path]) -> None:
        contract = inspector.contract.input
        self._session = Session(inspector.model, inspector.threads)
        self._work: list[tuple[npt.NDArray[np.uint8], tuple[int, int], FloatArray]] = []
        for path in paths:
            encoded = np.frombuffer(path.read_bytes(), dtype=np.uint8)
            image = _decode(encoded)
            height, width = choose_shape(image.shape[1], image.shape[0], contract.shapes)
            scale = min(width / image.shape[1], height / image.shape[0])
            inner = (round(image.shape[1] * scale), round(image.shape[0] * scale))
            tensor = np.ones((1, contract.channels, height, width), dtype=np.float32)
            self._work.append((encoded, inner, tensor))

    def run(self) -> float:
        """Return the CPU-time in seconds of one pass."""
        total = 0.0
        for encoded, inner, tensor in self._work:
            started = process_time()
            cv2.resize(_decode(encoded), inner, interpolation=cv2.INTER_LINEAR)
            self._session.run(tensor)
            total += process_time() - started
        return total


def _decode(encoded: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    if image is None:
        raise UsageError("an image cannot be decoded; measure on images that are whole")
    return image


def _run_pipeline(inspector: Inspector, paths: Sequence[Path]) -> float:
    started = process_time()
    for _ in inspector.stream(paths):
        pass
    return process_time() - started
