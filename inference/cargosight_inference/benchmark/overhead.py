"""What the whole pipeline costs beside the three calls that nobody can do without."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

from cargosight_inference.benchmark.bare import Bare
from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.inspector import Inspector


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
    bare = Bare(inspector.model, paths, inspector.threads.intra_op)
    bare.run_all()
    _run_pipeline(inspector, paths)  # both are warm now
    bare_ms, pipeline_ms, rates = [], [], []
    for _ in range(rounds):
        bare_ms.append(bare.run_all() / len(paths) * 1e3)
        clock = perf_counter()
        pipeline_ms.append(_run_pipeline(inspector, paths) / len(paths) * 1e3)
        rates.append(len(paths) / (perf_counter() - clock))
    ratios = [whole / part for whole, part in zip(pipeline_ms, bare_ms, strict=True)]
    return Overhead(Spread.of(bare_ms), Spread.of(pipeline_ms), Spread.of(ratios), Spread.of(rates))


def _run_pipeline(inspector: Inspector, paths: Sequence[Path]) -> float:
    started = process_time()
    for _ in inspector.stream(paths):
        pass
    return process_time() - started
