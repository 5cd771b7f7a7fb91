"""CPU and wall time of a stretch of a script."""

import time

from cargosight_training.trainer.cpu_time import cpu_seconds


class Stopwatch:
    """CPU and wall time since it was started."""

    def __init__(self) -> None:
        self._cpu, self._wall = cpu_seconds(), time.perf_counter()

    @property
    def cpu(self) -> float:
        """CPU seconds."""
        return cpu_seconds() - self._cpu

    @property
    def wall(self) -> float:
        """Seconds of the clock."""
        return time.perf_counter() - self._wall
