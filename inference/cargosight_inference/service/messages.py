"""Messages between the service and a worker: JSON, and bytes behind it, through two pipes.

JSON and not pickle: a worker decodes files of strangers, and a pickle from one that was taken over by such a file would
run its code in the service.
"""

import json
import os
import select
import struct
from collections.abc import Mapping
from time import monotonic
from typing import Any

_PREFIX = struct.Struct(">II")
_LONGEST_HEAD = 64 << 20
_LONGEST_BODY = 1 << 30
_PIECE = 1 << 20


class Pipes:
    """One end of the two pipes between two processes, used by one thread at a time. POSIX alone has what it takes."""

    def __init__(self, reading: int, writing: int) -> None:
        """Take two file descriptors; they stay their owner's to close."""
        self._reading, self._writing = reading, writing
        os.set_blocking(writing, False)

    def send(self, head: Mapping[str, Any], body: bytes = b"", *, deadline: float | None = None) -> None:
        """Send a message.

        Args:
            head: JSON-ready values. Names of files that are no UTF-8 hold surrogates, which come through.
            body: bytes behind it.
            deadline: on the clock of `time.monotonic`, None for none.

        Raises:
            EOFError: nobody reads any more.
            TimeoutError: the deadline is over.
        """
        packed = json.dumps(head, allow_nan=False).encode("ascii")
        for part in (_PREFIX.pack(len(packed), len(body)), packed, body):
            rest = memoryview(part)
            while rest:
                _wait(self._writing, select.POLLOUT, deadline)
                try:
                    rest = rest[os.write(self._writing, rest[:_PIECE]) :]
                except BlockingIOError:  # room, and not enough of it for an undivided piece
                    continue
                except (BrokenPipeError, ConnectionResetError) as error:
                    raise EOFError("the other side of the pipe is closed") from error

    def receive(self, *, deadline: float | None = None) -> tuple[dict[str, Any], bytes]:
        """Wait for a message and return its head and body.

        Raises:
            EOFError: nobody writes any more.
            TimeoutError: the deadline is over.
            ValueError: what came is no message.
        """
        head, body = _PREFIX.unpack(self._take(_PREFIX.size, deadline))
        if head > _LONGEST_HEAD or body > _LONGEST_BODY:
            raise ValueError(f"a message of {head:,} and {body:,} bytes was announced; it is none")
        found = json.loads(self._take(head, deadline))
        if not isinstance(found, dict):
            raise ValueError(f"a message is a JSON {type(found).__name__}; expected an object")
        return found, bytes(self._take(body, deadline))

    def _take(self, count: int, deadline: float | None) -> bytearray:
        taken = bytearray()
        while len(taken) < count:
            _wait(self._reading, select.POLLIN, deadline)
            piece = os.read(self._reading, min(count - len(taken), _PIECE))
            if not piece:
                raise EOFError("the other side of the pipe is closed")
            taken += piece
        return taken

    def wait_for_end(self) -> None:
        """Return when nobody can write to this side any more; safe beside another thread that reads."""
        _wait(self._reading, 0, None)


def _wait(handle: int, event: int, deadline: float | None) -> None:
    """Wait for an event, or for the end of the pipe, which every poll tells."""
    poll = select.poll()
    poll.register(handle, event)
    left = None if deadline is None else max(0.0, deadline - monotonic()) * 1e3
    if not poll.poll(left):
        raise TimeoutError("the other side of the pipe took too long")
