"""Medians with their spread, and the memory of this process and of others."""

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_STATUS = Path("/proc/self/status")
_KIB = 1024


@dataclass(frozen=True)
class Spread:
    """Repeated measurements in short.

    Attributes:
        median: of them.
        lowest: of them.
        highest: of them.
        count: how many.
    """

    median: float
    lowest: float
    highest: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise at least one measurement."""
        return cls(median(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Memory:
    """Memory of this process in MB (10^6 bytes).

    Attributes:
        now: resident now; None where the system does not tell.
        peak: most that was resident since the process started its program.
    """

    now: float | None
    peak: float


def memory() -> Memory:
    """Return this process's memory, from /proc on Linux and from `resource` elsewhere.

    /proc's peak starts anew with each program; that of `resource` starts with the parent's memory at the
    fork.

    Raises:
        OSError: the system has neither.
    """
    if _STATUS.exists():
        status = _STATUS.read_text(encoding="ascii", errors="replace")
        found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, flags=re.MULTILINE))
        return Memory(int(found["VmRSS"]) * _KIB / 1e6, int(found["VmHWM"]) * _KIB / 1e6)
    try:
        import resource  # not on Windows
    except ImportError as error:
        raise OSError("this system tells a process nothing about its memory") from error
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Memory(None, peak / 1e6 if sys.platform == "darwin" else peak * _KIB / 1e6)


def family(process: int) -> list[int]:
    """Return a process and its children, by number; the process alone where the system does not tell."""
    found = [process]
    for children in Path(f"/proc/{process}/task").glob("*/children"):  # each thread has those that it started
        with suppress(OSError):  # the thread has ended meanwhile
            found += [int(word) for word in children.read_text(encoding="ascii").split()]
    return found


def memory_of(processes: Sequence[int], name: str) -> float | None:
    """Return the sum of an entry of the processes' status in MB (10^6 bytes), None where the system does not tell."""
    total = 0.0
    for process in processes:
        try:
            status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        found = re.search(rf"^{name}:\s+(\d+) kB", status, flags=re.MULTILINE)
        if found is None:
            return None
        total += int(found.group(1)) * _KIB / 1e6
    return total
