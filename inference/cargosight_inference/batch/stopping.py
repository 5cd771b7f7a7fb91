"""Stopping a run by a signal, gracefully."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from types import FrameType

from cargosight_inference.cli import EXIT_INTERRUPTED, EXIT_TERMINATED


class Heard:
    """Whether somebody asked the run to stop."""

    def __init__(self) -> None:
        self.stop = Event()
        self.exit_code = EXIT_INTERRUPTED


@contextmanager
def listening() -> Iterator[Heard]:
    """Let the first SIGTERM or Ctrl-C stop the run gracefully; the second does what it did before."""
    heard = Heard()
    if current_thread() is not main_thread():  # no other may say what a signal does
        yield heard
        return
    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def hear(number: int, _frame: FrameType | None) -> None:
        heard.exit_code = EXIT_TERMINATED if number == signal.SIGTERM else EXIT_INTERRUPTED
        heard.stop.set()
        signal.signal(number, before[number])

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, hear)
    try:
        yield heard
    finally:
        for heard_number, handler in before.items():
            signal.signal(heard_number, handler)
