"""Locks between processes, released by the system when their holder ends, however it ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cargosight_models.errors import UsageError

if sys.platform != "win32":
    import fcntl


@contextmanager
def exclusive(path: Path, *, held: str | None = None) -> Iterator[None]:
    """Hold a lock file while the block runs. On Windows, which has no such locks, nothing is held.

    Args:
        path: the lock file; it is made where it does not exist, and stays.
        held: the sentence for the error when another process holds the lock; None waits for it instead.

    Raises:
        UsageError: another process holds the lock, and `held` says not to wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if sys.platform != "win32":
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if held is None else fcntl.LOCK_NB))
            except BlockingIOError:
                raise UsageError(str(held)) from None
        yield
