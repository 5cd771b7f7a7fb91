"""Slowing down who guesses passwords: failures are counted by account and by address, in memory."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock
from time import monotonic
from typing import Literal

from cargosight_inference.service.api.errors import ApiError

SPAN_SECONDS = 300.0
MOST_OF_ACCOUNT = 5
MOST_OF_ADDRESS = 20
"""Higher than an account's: behind a proxy, and at a desk that is shared, many people have one address."""
_MOST_KEPT = 10_000
_HASHED_AT_ONCE = 2
"""Each takes 64 MB of memory and the whole of a core."""
_TURN_SECONDS = 10.0

_Keys = tuple[tuple[str, str], tuple[str, str]]
"""Of an account and of an address."""


@dataclass
class Attempt:
    """One password that is tried.

    Attributes:
        outcome: what came of it; of `unknown`, as after an error, nothing is counted.
    """

    outcome: Literal["unknown", "right", "wrong"] = "unknown"


class LoginGuard:
    """Counts the failures of the last five minutes; threads may share it.

    A failure is counted before the password is looked at, and taken back when it was right: of many that come at once
    no more are looked at than of as many that come one by one.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._failures: dict[tuple[str, str], deque[float]] = {}
        self._hashing = BoundedSemaphore(_HASHED_AT_ONCE)

    @contextmanager
    def attempt(self, account: str, address: str) -> Iterator[Attempt]:
        """Give the block the right to look at one password; it sets the outcome.

        Raises:
            ApiError: 429, there were too many failures; 503, too many passwords are looked at.
        """
        keys = (("account", account), ("address", address))
        self._count(keys)
        made = Attempt()
        try:
            with self._turn():
                yield made
        finally:
            if made.outcome != "wrong":
                self._take_back(keys, forgiven=made.outcome == "right")

    def _count(self, keys: _Keys) -> None:
        now = self._clock()
        with self._lock:
            self._forget(now)
            for key, most in zip(keys, (MOST_OF_ACCOUNT, MOST_OF_ADDRESS), strict=True):
                times = self._failures.get(key)
                if times is not None and len(times) >= most:
                    wait = int(SPAN_SECONDS - (now - times[0])) + 1
                    sentence = f"too many passwords were wrong; try again in {wait} s"
                    raise ApiError(429, "too_many_failures", sentence, retry_after=wait)
            for key in keys:
                self._failures.setdefault(key, deque()).append(now)

    def _take_back(self, keys: _Keys, *, forgiven: bool) -> None:
        """Take one failure back, and of an account whose password was known every one."""
        with self._lock:
            if forgiven:
                self._failures.pop(keys[0], None)
            for key in keys:
                times = self._failures.get(key)
                if times:
                    times.pop()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._hashing.acquire(timeout=_TURN_SECONDS):
            raise ApiError(503, "busy", "too many people sign in at once; try again", retry_after=5)
        try:
            yield
        finally:
            self._hashing.release()

    def _forget(self, now: float) -> None:
        """Drop what is too old, and the oldest keys where there are too many."""
        for key in list(self._failures):
            times = self._failures[key]
            while times and now - times[0] >= SPAN_SECONDS:
                times.popleft()
            if not times:
                del self._failures[key]
        while len(self._failures) > _MOST_KEPT:
            del self._failures[next(iter(self._failures))]
