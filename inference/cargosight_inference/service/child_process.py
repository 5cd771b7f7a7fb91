"""The process of a worker: how it is started, asked and ended, and how its end is put into words."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from time import monotonic
from typing import Any

from cargosight_inference.service.messages import Pipes
from cargosight_models.errors import WorkerDied

_END_SECONDS = 10.0
_MODULE = "cargosight_inference.service.worker_main"


class ChildProcess:
    """One process and the pipes to it. It is asked by one thread at a time, and may be killed by any."""

    def __init__(self, memory_mb: int | None) -> None:
        """Start it; its first message says that it is ready.

        Args:
            memory_mb: limit of its address space in 10^6 bytes, None for none.

        Raises:
            WorkerDied: the system has no process to give.
        """
        limit = [] if memory_mb is None else ["--memory-mb", str(memory_mb)]
        try:
            # -P: what lies in the working folder under a library's name is not imported.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", _MODULE, *limit],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
        except OSError as error:
            raise WorkerDied(f"no worker could be started: {error.strerror or error}") from error
        assert self._process.stdin is not None and self._process.stdout is not None
        self._streams = self._process.stdin, self._process.stdout
        self._pipes = Pipes(self._process.stdout.fileno(), self._process.stdin.fileno())
        self._ended = False

    @property
    def alive(self) -> bool:
        """Whether it can be asked something."""
        return not self._ended and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def kill(self) -> None:
        """End it without a word; whoever waits for its answer gets `WorkerDied`."""
        self._process.kill()

    def ask(
        self, call: str, request: Mapping[str, Any] | None, seconds: float
    ) -> tuple[dict[str, Any], bytes]:
        """Send a request and wait for the answer.

        Args:
            call: what it is about, for the error.
            request: None to wait for a message alone.
            seconds: for both; then it is killed.

        Raises:
            WorkerDied: it died, or was killed.
        """
        deadline = monotonic() + seconds
        answer, too_late, code = None, False, None
        try:
            if request is not None:
                self._pipes.send(request, deadline=deadline)
            answer = self._pipes.receive(deadline=deadline)
        except TimeoutError:
            too_late = True
        except (EOFError, ValueError):  # what came is no message, and nothing after it will be
            answer = None
        finally:  # also of Ctrl-C between question and answer, which would be taken for that of the next question
            if answer is None:
                code = self.end(at_once=too_late)
        if answer is None:
            raise _death(call, code, seconds if too_late else None)
        return answer

    def end(self, *, at_once: bool = False) -> int | None:
        """Close the pipes, upon which it ends, and return its exit code; None where the kernel does not let it go.

        Args:
            at_once: whether it is killed without a word.
        """
        self._ended = True
        if at_once:
            self._process.kill()
        for stream in self._streams:
            stream.close()
        for _ in range(2):
            try:
                return self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return None


def _death(call: str, code: int | None, seconds: float | None) -> WorkerDied:
    """Return the error of a process that ended during a call.

    Args:
        call: what it was at.
        code: its exit code, negative for a signal; None of a process that the kernel keeps.
        seconds: that it had where it was killed for taking longer, None where it ended of itself.
    """
    if seconds is not None or code == -signal.SIGALRM:
        limit = "its time" if seconds is None else f"{seconds:g} s"
        return WorkerDied(
            f"the worker had not done {call} after {limit} and was ended; look at the file, or allow more time",
            "timeout",
        )
    if code is None or code >= 0:
        return WorkerDied(
            f"the worker ended with exit code {code} during {call}; what it said last is on the service's standard "
            "error"
        )
    return WorkerDied(
        f"the worker was ended during {call} by {_signal_name(-code)}; where nobody sent that, a library crashed, or "
        "the system was out of memory",
        "signal",
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
