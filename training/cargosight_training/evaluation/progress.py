"""One line that shows how far a long run is."""

import time
from types import TracebackType
from typing import Self, TextIO


class ProgressLine:
    """A line on a terminal, rewritten in place: `label  120/1143  10 %  time left 0:42`.

    Where the stream is not a terminal nothing is written, so that logs stay short. Use it as a context
    manager and call it with (done, total).
    """

    def __init__(self, label: str, stream: TextIO, *, interval_s: float = 0.2) -> None:
        self._label = label
        self._stream = stream
        self._interval_s = interval_s
        self._started = self._shown = time.monotonic()
        self._active = stream.isatty()
        self._dirty = False

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` steps are finished."""
        now = time.monotonic()
        if not self._active or (now - self._shown < self._interval_s and done < total):
            return
        self._shown = now
        left = (now - self._started) / max(done, 1) * (total - done)
        share = 100 * done // max(total, 1)
        text = f"{self._label}  {done}/{total}  {share} %  time left {int(left) // 60}:{int(left) % 60:02d}"
        self._stream.write(f"\r{text}\x1b[K")
        self._stream.flush()
        self._dirty = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._dirty:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
