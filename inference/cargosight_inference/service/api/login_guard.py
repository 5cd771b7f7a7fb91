"""Slowing down who guesses passwords, without locking anybody out elsewhere: failures are counted in memory.

Five wrong passwords for a name from one address stop that name there for a while. Failures for a name from everywhere
make the next one wait some seconds, which stops nobody for long. Who has signed in from an address before is
held up there by nobody else's failures.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from threading import BoundedSemaphore, Lock
from time import monotonic
from typing import Literal

from cargosight_inference.service.api.errors import ApiError

SPAN_SECONDS = 300.0
MOST_OF_PAIR = 5
"""Of a name from one address."""
FREE_OF_NAME = 5
"""Of a name from all addresses; the next wait 1, 2, 4 and then 8 s each."""
LONGEST_WAIT_SECONDS = 8.0
MOST_OF_ADDRESS = 20
"""Higher than a pair's: behind a proxy, and at a desk that is shared, many people have one address."""
_MOST_KEPT = 10_000
_HASHED_AT_ONCE = 2
"""Each takes 64 MB of memory and the whole of a core."""
_TURN_SECONDS = 10.0

_Key = tuple[Literal["pair", "name", "address"], str, str]


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
    no more are looked at than of as many that come one by one. Names that differ in case are one.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._failures: dict[_Key, deque[float]] = {}
        self._at_home: dict[_Key, None] = {}
        """Pairs that have signed in, the latest last."""
        self._hashing = BoundedSemaphore(_HASHED_AT_ONCE)

    @contextmanager
    def attempt(self, account: str, address: str) -> Iterator[Attempt]:
        """Give the block the right to look at one password; it sets the outcome.

        Raises:
            ApiError: 429, there were too many failures; 503, too many passwords are looked at.
        """
        name = account.casefold()
        pair: _Key = ("pair", name, address)
        keys = self._count(pair, ("name", name, ""), ("address", "", address))
        made = Attempt()
        try:
            with self._turn():
                yield made
        finally:
            if made.outcome != "wrong":
                self._take_back(keys, right=pair if made.outcome == "right" else None)

    def _count(self, pair: _Key, *others: _Key) -> tuple[_Key, ...]:
        """Count a failure, and return under which keys."""
        now = self._clock()
        with self._lock:
            self._forget(now)
            keys = (pair,) if pair in self._at_home else (pair, *others)
            wait = max(self._wait(key, now) for key in keys)
            if wait > 0.0:
                seconds = ceil(wait)
                sentence = f"too many passwords were wrong; try again in {seconds} s"
                raise ApiError(429, "too_many_failures", sentence, retry_after=seconds)
            for key in keys:
                self._failures.setdefault(key, deque()).append(now)
        return keys

    def _wait(self, key: _Key, now: float) -> float:
        """Return for how many seconds no password is looked at because of earlier failures, 0 or less for none."""
        times = self._failures.get(key) or deque()
        if key[0] == "name":
            over = len(times) - FREE_OF_NAME
            return 0.0 if over < 0 else times[-1] + min(2.0 ** min(over, 9), LONGEST_WAIT_SECONDS) - now
        most = MOST_OF_PAIR if key[0] == "pair" else MOST_OF_ADDRESS
        return 0.0 if len(times) < most else times[0] + SPAN_SECONDS - now

    def _take_back(self, keys: tuple[_Key, ...], *, right: _Key | None) -> None:
        """Take one failure back, and of a pair whose password was known every one."""
        with self._lock:
            if right is not None:
                self._failures.pop(right, None)
                self._at_home.pop(right, None)
                self._at_home[right] = None
                while len(self._at_home) > _MOST_KEPT:
                    del self._at_home[next(iter(self._at_home))]
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
