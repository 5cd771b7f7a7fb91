"""CPU time of a process and everything it started."""

import multiprocessing
import os
from pathlib import Path


def cpu_seconds() -> float:
    """User and system time in seconds of this process, of its ended children, and of its running ones.

    Running children are those started by `multiprocessing`, such as data loaders; where the system has no /proc they
    are counted once they have ended.
    """
    # In this order a child that ends in between is missed for a moment and never counted twice.
    times = os.times()
    running = sum(_of_process(child.pid) for child in multiprocessing.active_children())
    return times.user + times.system + times.children_user + times.children_system + running


def _of_process(pid: int | None) -> float:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    # The name before the last bracket may hold spaces; user and system time are the fields 14 and 15.
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
