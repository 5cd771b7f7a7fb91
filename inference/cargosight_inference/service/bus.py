"""Waking whoever waits for events: threads notify, coroutines wait."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Bus:
    """Tells every subscriber that something was recorded; what it was stands in the database."""

    def __init__(self) -> None:
        self._subscribers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = Lock()

    def notify(self) -> None:
        """Wake every subscriber; from any thread."""
        with self._lock:
            subscribers = list(self._subscribers.items())
        for woken, loop in subscribers:
            if not loop.is_closed():
                loop.call_soon_threadsafe(woken.set)

    @contextmanager
    def subscribed(self) -> Iterator[asyncio.Event]:
        """Give an event that is set at each notice, until the block ends; called within a running loop."""
        woken = asyncio.Event()
        with self._lock:
            self._subscribers[woken] = asyncio.get_running_loop()
        try:
            yield woken
        finally:
            with self._lock:
                del self._subscribers[woken]
