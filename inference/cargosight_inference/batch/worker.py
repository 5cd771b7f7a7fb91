"""A worker seen from the run: a process that scores one range of inputs at a time, and what it says of itself."""

import json
import mmap
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from cargosight_inference.batch.places import BatchError

MODULE = "cargosight_inference.batch.worker_main"
COMMAND = (sys.executable, "-P", "-m", MODULE)
"""-P: what lies in the working folder under a library's name is not imported."""
_COUNT = struct.Struct("=q")
_READ = 1 << 16


class Counter:
    """A number in a file that two processes have mapped: written by one of them, read by the other at any time.

    What is written there outlives its writer, so that it is known at which input a worker died.
    """

    def __init__(self, file: Path, *, make: bool = False) -> None:
        """Map the file.

        Raises:
            OSError: it cannot be made or mapped.
        """
        if make:
            file.write_bytes(bytes(_COUNT.size))
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), _COUNT.size)

    @property
    def value(self) -> int:
        """The number."""
        return int(_COUNT.unpack_from(self._map)[0])

    def set(self, value: int) -> None:
        """Write the number."""
        _COUNT.pack_into(self._map, 0, value)

    def close(self) -> None:
        """Unmap it."""
        self._map.close()


@contextmanager
def _held_back() -> Iterator[None]:
    """Hold back the signals that are meant for the run: a process that is started meanwhile never gets them.

    They are held back and not ignored, so that the run itself gets what came meanwhile.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Worker:
    """The handle of one process; one thread uses it and never waits for it.

    Attributes:
        pid: of the process.
        changed_at: on the clock of `monotonic`, when it last began or finished an input.
    """

    def __init__(
        self, command: Sequence[str], hello: Mapping[str, Any], counter_file: Path, memory_mb: int | None
    ) -> None:
        """Start a process and tell it its job.

        Args:
            command: that runs `worker_main`.
            hello: its first message.
            counter_file: to be made.
            memory_mb: limit of its address space in 10^6 bytes, None for none.

        Raises:
            BatchError: the system has no process, or no file, to give.
        """
        try:
            self._file = counter_file
            self._counter = Counter(counter_file, make=True)
            words = [*command, "--counter", str(counter_file)]
            if memory_mb is not None:
                words += ["--memory-mb", str(memory_mb)]
            with _held_back():
                self._process = subprocess.Popen(
                    words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
                )
        except OSError as error:
            raise BatchError(f"no worker could be started: {error.strerror or error}") from error
        assert self._process.stdin is not None and self._process.stdout is not None
        self._into, self._out = self._process.stdin, self._process.stdout
        os.set_blocking(self._out.fileno(), False)
        self.pid = self._process.pid
        self._rest = b""
        self._seen = 0
        self.changed_at = monotonic()
        self.tell(hello)

    def fileno(self) -> int:
        """Descriptor that can be read when it has said something, or has ended."""
        return self._out.fileno()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message; a worker that is gone is found out by its end. Messages are far smaller than a pipe."""
        try:
            self._into.write(json.dumps(message).encode("ascii") + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            return

    def begin(self, message: Mapping[str, Any]) -> None:
        """Give it a range of inputs."""
        self._counter.set(0)
        self._seen, self.changed_at = 0, monotonic()
        self.tell(message)

    @property
    def done(self) -> int:
        """Inputs of its range that are finished."""
        return self._counter.value

    def idle_seconds(self) -> float:
        """Return for how long it has finished no input."""
        if (now_done := self._counter.value) != self._seen:
            self._seen, self.changed_at = now_done, monotonic()
        return monotonic() - self.changed_at

    def messages(self) -> Iterator[dict[str, Any] | None]:
        """Yield what it has said; None last where its end of the pipe is closed."""
        while True:
            try:
                piece = os.read(self._out.fileno(), _READ)
            except BlockingIOError:
                return
            if not piece:
                yield None
                return
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line in lines:
                yield json.loads(line)

    def hang_up(self) -> None:
        """Close the pipe, upon which it stops after the input it is at."""
        if not self._into.closed:
            self._into.close()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def ended(self, seconds: float) -> bool:
        """Return whether it has ended, or does within a time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def close(self) -> str:
        """Kill it where it still runs, and say how it ended."""
        self.hang_up()
        # What closed its pipe is about to end by itself, and how it does is worth knowing.
        if not self.ended(1.0):
            self.kill()
        code = self._process.wait()
        self._out.close()
        self._counter.close()
        self._file.unlink(missing_ok=True)
        return how_ended(code)


def how_ended(code: int) -> str:
    """Say how a process ended, by its exit code; minus the number of a signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # a real-time signal
        name = f"signal {-code}"
    return f"was ended by {name}"
