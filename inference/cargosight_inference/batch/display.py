"""Progress of a run on the standard error."""

import sys
from time import monotonic

from cargosight_inference.batch.running import Tally
from cargosight_inference.progress import clock
from cargosight_inference.spelling import spelled_out

_LINE_SECONDS = 30.0
"""Between lines of progress where there is no terminal to draw a bar on."""
_ERASE = "\r\x1b[K"


class Display:
    """Progress on stderr: a bar on a terminal, otherwise a line now and then."""

    def __init__(self) -> None:
        self._shows = sys.stderr.isatty()
        self._drawn = False
        self._line_at = monotonic()

    def __enter__(self) -> "Display":
        return self

    def __exit__(self, *_: object) -> None:
        self._erase()

    def say(self, sentence: str) -> None:
        """Write a line."""
        self._erase()
        sys.stderr.write(spelled_out(sentence) + "\n")
        sys.stderr.flush()

    def planned(self, inputs: int) -> None:
        """Show how many inputs were listed so far."""
        self._draw(f"{inputs:,} inputs listed")

    def told(self, tally: Tally) -> None:
        """Show where the run stands."""
        left = "" if tally.left_seconds is None else f", {clock(tally.left_seconds)} left"
        share = tally.done / tally.inputs
        self._draw(f"{tally.done:,} of {tally.inputs:,} ({share:.1%}), {tally.rate:.1f} scans/s{left}")

    def _draw(self, line: str) -> None:
        if self._shows:
            sys.stderr.write(_ERASE + line)
            sys.stderr.flush()
            self._drawn = True
        elif monotonic() - self._line_at > _LINE_SECONDS:
            self._line_at = monotonic()
            self.say(line)

    def _erase(self) -> None:
        if self._drawn:
            sys.stderr.write(_ERASE)
            self._drawn = False
