"""Locks between processes, released by the system when their holder ends, however it ends.

They are POSIX record locks: a forked child does not hold its parent's, so that loader processes that outlive a killed
run for some seconds do not keep it locked. Threads of one process are not kept apart.
"""

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
                fcntl.lockf(file, fcntl.LOCK_EX | (0 if held is None else fcntl.LOCK_NB))
            except (BlockingIOError, PermissionError):  # which of them is the system's choice
                raise UsageError(str(held)) from None
        yield
