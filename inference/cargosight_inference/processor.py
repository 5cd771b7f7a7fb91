"""What computes here: the processor's name, without which figures of speed mean nothing, and how many there are."""

import os
import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16", "avx_ne_convert"})


def processor_name() -> str:
    """Return the processor's name, such as `AMD EPYC`; the architecture where the system does not tell."""
    return _told("model name") or platform.processor() or platform.machine() or "unknown"


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def has_bf16() -> bool:
    """Return whether the processor says that it computes in bf16; False where the system does not tell."""
    return not _BF16_FLAGS.isdisjoint(_told("flags", "Features").split())


def _told(*keys: str) -> str:
    """Return what Linux tells of the first processor under one of these keys, empty where it tells nothing."""
    if not _CPUINFO.exists():
        return ""
    with _CPUINFO.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key.strip() in keys and value.strip():
                return value.strip()
    return ""
