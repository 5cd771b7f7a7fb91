"""Who is looking at which scan, so that two operators of a lane do not work on the same one."""

from threading import Lock
from time import monotonic

SECONDS = 60.0
"""A console says anew what it shows; whoever said nothing for so long has gone."""


class Viewers:
    """The scan that each account looks at; of several windows the one that was opened last."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, float]] = {}
        self._lock = Lock()

    def see(self, scan: int, account: str) -> None:
        """Note that an account looks at a scan, and at no other."""
        with self._lock:
            self._seen[account] = (scan, monotonic())

    def of(self, scan: int) -> list[str]:
        """Return the accounts that look at a scan, by name."""
        since = monotonic() - SECONDS
        with self._lock:
            return sorted(name for name, (seen, at) in self._seen.items() if seen == scan and at >= since)
