"""CPU-time of several ways to do the same, taken in turn so that a busy machine slows all of them alike."""

from collections.abc import Callable, Sequence
from time import process_time


def alternate(jobs: Sequence[Callable[[], object]], rounds: int) -> list[tuple[float, ...]]:
    """Run the jobs in turn, once each to warm up and then `rounds` times.

    Returns:
        CPU-seconds of this process for each job, by round.
    """
    for job in jobs:
        job()
    return [tuple(_cpu_seconds(job) for job in jobs) for _ in range(rounds)]


def _cpu_seconds(job: Callable[[], object]) -> float:
    started = process_time()
    job()
    return process_time() - started
