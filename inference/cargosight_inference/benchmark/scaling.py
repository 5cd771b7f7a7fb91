"""How the pipeline's speed grows with processes, and what it costs at other sizes of the scans."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cargosight_inference.benchmark.children import Contender, Team
from cargosight_inference.benchmark.images import make_images
from cargosight_inference.benchmark.measures import Spread
from cargosight_models.catalog import ModelFile

SIZES = ((600, 400), (900, 600), (1800, 1200))
"""(width, height) in pixels; the largest is decoded at half its size for a network of 512 pixels."""
WORKERS = (1, 2)


@dataclass(frozen=True)
class Scaling:
    """One size of scans with one number of processes, one thread each.

    Attributes:
        width: of the scans in pixels.
        height: of the scans in pixels.
        workers: processes at once, each with all the images.
        images_per_second: of all of them by the clock, by round.
        cpu_ms: CPU-time of one image, by round.
        against_one: images a second over those of one process, of the same round.
    """

    width: int
    height: int
    workers: int
    images_per_second: Spread
    cpu_ms: Spread
    against_one: Spread


def measure_scaling(
    model: ModelFile,
    folder: Path,
    *,
    rounds: int,
    count: int = 16,
    sizes: Sequence[tuple[int, int]] = SIZES,
) -> tuple[Scaling, ...]:
    """Measure each size with 1 and 2 processes in turns.

    Args:
        model: the model file.
        folder: for the scans that are made.
        rounds: how often.
        count: scans of each size.
        sizes: (width, height) of the scans.
    """
    rows: list[Scaling] = []
    for width, height in sizes:
        place = folder / f"{width}x{height}"
        place.mkdir()
        paths = make_images(place, count, width=width, height=height)
        rows += _measured(model, paths, width, height, rounds)
    return tuple(rows)


def _measured(model: ModelFile, paths: Sequence[Path], width: int, height: int, rounds: int) -> list[Scaling]:
    settings = {"model": str(model.path.absolute()), "threads": 1}
    rates: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    cpu: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    with Team(Contender("a worker", "pipeline", paths, settings, copies=max(WORKERS))) as team:
        team.run()
        for _ in range(rounds):
            for workers in WORKERS:
                found = team.run(workers)
                rates[workers].append(found.per_second)
                cpu[workers].append(found.cpu_ms)
    return [
        Scaling(
            width,
            height,
            workers,
            Spread.of(rates[workers]),
            Spread.of(cpu[workers]),
            Spread.of([mine / one for mine, one in zip(rates[workers], rates[1], strict=True)]),
        )
        for workers in WORKERS
    ]
