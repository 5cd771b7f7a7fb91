"""Ctrl-C and SIGTERM: a run ends after the step under way, with a checkpoint."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from cargosight_training.trainer.journal import note

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Notes the signals that ask a run to end, while the block runs. Only the main thread can hear them.

    Args:
        insist: whether a second Ctrl-C interrupts at once. Where several processes share a run it must not: their
            launcher passes on a signal that they have already had from the terminal.
    """

    def __init__(self, *, insist: bool) -> None:
        self._wanted, self._insist = False, insist
        self._before: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        """Whether the run should end."""
        return self._wanted

    def __enter__(self) -> "StopRequest":
        """Listen from now on."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back to who had them."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self._wanted and self._insist and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self._wanted:
            note("stopping after this step" + ("; Ctrl-C again stops at once" if self._insist else ""))
        self._wanted = True
