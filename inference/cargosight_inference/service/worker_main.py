"""What runs in a worker's process: `python -m cargosight_inference.service.worker_main`, started by `WorkerProcess`.

Requests come through the standard input and answers go through the standard output, both under other numbers before any
library is imported: what those print goes to the standard error. An error that nobody expected ends the process; its
caller starts another.
"""

import argparse
import faulthandler
import fcntl
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from cargosight_inference.service.messages import Pipes

if TYPE_CHECKING:
    from cargosight_inference.service.calls import Worker

_GRACE = 5.0
"""Seconds that the caller has to end a late worker before the kernel does."""
_SACRIFICE = "500"
_FIRST_FREE = 3


def ending_after(seconds: float) -> None:
    """Have the kernel end this process after a time, whatever it does then; 0 takes that back.

    The caller ends a late worker by itself. This is for one whose caller is gone while native code holds Python's
    lock, so that no thread notices.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _take_streams() -> Pipes:
    """Return the pipes of requests and answers, and give the standard streams to libraries, which may print there."""
    reading, writing = (fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for stream in (0, 1))
    nothing = os.open(os.devnull, os.O_RDWR)  # becomes the standard error where that is closed
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return Pipes(reading, writing)


def _prepare_process(memory_mb: int | None) -> None:
    # Both are meant for the owner, which ends its workers in its own time.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if memory_mb is not None:
        limit = memory_mb * 1_000_000
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with suppress(OSError):  # Linux alone: when memory runs out, a worker goes and not the service
        Path("/proc/self/oom_score_adj").write_text(_SACRIFICE, encoding="ascii")
    if sys.stderr is not None:
        faulthandler.enable()


def _with_libraries() -> "Worker":
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # otherwise numpy starts one for each core at its import
    import cv2

    from cargosight_inference.service.calls import Worker

    cv2.setNumThreads(1)  # an engine says how many threads it may have
    return Worker()


def _end_with_owner(pipes: Pipes) -> None:
    pipes.wait_for_end()
    os._exit(0)  # in the midst of whatever: nobody waits for it


def main() -> int:
    """Answer requests until the owner closes the pipe or ends."""
    parser = argparse.ArgumentParser(description="A worker of the inspection service; the service starts it.")
    parser.add_argument("--memory-mb", type=int)
    arguments = parser.parse_args()
    # A person who tries it out reads a sentence, and not the first message.
    if sys.stdin is None or sys.stdout is None or sys.stdin.isatty():
        parser.error("the service starts its workers by itself: run `cargosight serve`")
    pipes = _take_streams()
    _prepare_process(arguments.memory_mb)
    Thread(target=_end_with_owner, args=(pipes,), name="cargosight-owner", daemon=True).start()
    worker = _with_libraries()
    with suppress(EOFError):
        pipes.send({"ready": True})
        while True:
            request, _ = pipes.receive()
            ending_after(request["seconds"] + _GRACE)
            head, body = worker.answer(request)
            ending_after(0.0)
            pipes.send(head, body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
