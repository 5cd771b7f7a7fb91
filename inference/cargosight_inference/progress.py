"""A progress bar on stderr, for people: it shows on a terminal only, and only when the work takes long."""

import sys
from time import monotonic
from typing import TextIO

_PATIENCE_S = 1.0
_INTERVAL_S = 0.1
_BAR = 24
_ERASE = "\r\x1b[K"


def clock(seconds: float) -> str:
    """Return a time as hours, minutes and seconds."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"


class Progress:
    """Counts scans and draws a line that is erased at the end.

    Attributes:
        total: how many there are, None while it is unknown; may be set at any time.
        done: how many are done.
    """

    def __init__(self, total: int | None = None, stream: TextIO | None = None) -> None:
        self.total = total
        self.done = 0
        self._stream = sys.stderr if stream is None else stream
        self._shows = self._stream.isatty()
        self._started = monotonic()
        self._drawn_at = self._started
        self._is_drawn = False

    @property
    def shows(self) -> bool:
        """Whether there is a terminal to draw on."""
        return self._shows

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return monotonic() - self._started

    def advance(self) -> None:
        """Count one scan, and draw when it is time."""
        self.done += 1
        now = monotonic()
        if self._shows and now - self._started > _PATIENCE_S and now - self._drawn_at > _INTERVAL_S:
            self._stream.write(f"{_ERASE}{self.line()}")
            self._stream.flush()
            self._drawn_at, self._is_drawn = now, True

    def erase(self) -> None:
        """Take the bar away, for a line of output or for good."""
        if self._is_drawn:
            self._stream.write(_ERASE)
            self._stream.flush()
            self._is_drawn, self._drawn_at = False, 0.0

    def line(self) -> str:
        """Return the bar as text: what is done, the rate, and where the total is known the time left."""
        rate = self.done / max(self.elapsed, 1e-9)
        if self.total is None or self.total < self.done:
            return f"{self.done:,} scans, {rate:.1f}/s"
        filled = _BAR * self.done // max(1, self.total)
        left = clock((self.total - self.done) / max(rate, 1e-9))
        bar = "#" * filled + "-" * (_BAR - filled)
        return f"[{bar}] {self.done:,} of {self.total:,}, {rate:.1f}/s, {left} left"
