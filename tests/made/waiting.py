"""Waiting until something has come about."""

import time
from collections.abc import Callable
from typing import Any

_POLL_SECONDS = 0.01


def until(what: Callable[[], Any], seconds: float = 60.0, told: str = "it") -> Any:
    """Return what is found, once it is something; fail where it is not in time."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"waited {seconds:g} s in vain for {told}"
        time.sleep(_POLL_SECONDS)
    return found
