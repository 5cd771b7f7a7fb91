"""Inspecting many scans: reading ahead in threads while the session runs, in order, with bounded memory."""

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count
from threading import Condition, Event
from typing import Final

from cargosight_inference.inspection import Inspection
from cargosight_inference.inspector import Inspector, Source
from cargosight_inference.prepared import Keep, Prepared
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import UsageError


class _End:
    """What a finished iterator of sources gives."""


_END: Final = _End()


def inspect_many(
    inspector: Inspector,
    sources: Iterable[Source],
    *,
    decoders: int = 1,
    queue: int = 4,
    stop: Event | None = None,
) -> Generator[Inspection, None, None]:
    """Inspect a stream of inputs; see `inspect_with_scans`, without the scans and their memory."""
    _check(sources, decoders, queue)
    return _without_scans(_run(inspector, sources, decoders, queue, stop, keep="nothing"))


def inspect_with_scans(
    inspector: Inspector,
    sources: Iterable[Source],
    *,
    decoders: int = 1,
    queue: int = 4,
    stop: Event | None = None,
) -> Generator[tuple[Inspection, Scan | None], None, None]:
    """Inspect a stream of inputs and hand out each scan beside its inspection, such as for overlays.

    The sources are drawn, read and preprocessed in other threads; the session runs in the caller's,
    whenever the next inspection is asked for. Every input gives exactly one inspection, in the order of the
    inputs; a broken file gives an `unreadable` one (its scan is None) and the stream goes on. At most
    `queue` inputs are under way, so neither a million sources nor a slow consumer makes memory grow. An
    error raised by `sources` itself comes out after the inspections of the inputs before it. When the
    consumer stops early, or an exception passes, the threads have ended before the generator has closed; it
    waits for the reads under way, and for a source that is blocked.

    Args:
        inspector: the model and its settings.
        sources: paths or scans; drawn in other threads, but never by two at once and never far ahead.
        decoders: threads that read and preprocess, 1 or more.
        queue: most inputs between source and session, 1 or more.
        stop: set at the end, however it comes, before the threads are waited for: sources that block, as for the
            next line of a list, can watch it.

    Raises:
        UsageError: fewer than one decoder or place in the queue, or a scan whose subject is not the model's.
        ContractError: the model fails on an input.
    """
    _check(sources, decoders, queue)
    return _run(inspector, sources, decoders, queue, stop, keep="whole")


def _check(sources: Iterable[Source], decoders: int, queue: int) -> None:
    if isinstance(sources, str | os.PathLike):
        raise UsageError(f"the sources are the one path {sources}; expected an iterable of paths or scans")
    if decoders < 1 or queue < 1:
        raise UsageError(f"{decoders} decoders and a queue of {queue}; expected 1 or more of each")


def _without_scans(
    pairs: Generator[tuple[Inspection, Scan | None], None, None],
) -> Generator[Inspection, None, None]:
    with closing(pairs):
        for inspection, _ in pairs:
            yield inspection


def _run(
    inspector: Inspector,
    sources: Iterable[Source],
    decoders: int,
    queue: int,
    stop: Event | None,
    *,
    keep: Keep,
) -> Generator[tuple[Inspection, Scan | None], None, None]:
    drawn = _InTurn(iter(sources))

    def prepare(number: int) -> Prepared | _End:
        source = drawn.take(number)
        return source if isinstance(source, _End) else inspector.prepare(source, keep=keep)

    with ExitStack() as threads:
        pool = ThreadPoolExecutor(decoders, "cargosight-decoder")
        threads.callback(pool.shutdown, cancel_futures=True)
        if stop is not None:
            threads.callback(stop.set)
        ahead = deque(pool.submit(prepare, number) for number in range(queue))
        for number in count(queue):
            prepared = ahead.popleft().result()
            if isinstance(prepared, _End):
                return
            ahead.append(pool.submit(prepare, number))
            yield inspector.finish(prepared), prepared.scan


class _InTurn:
    """Hands the items of an iterator to tasks in several threads: the k-th item to task k, one at a time.

    A pool starts its tasks in order, so whoever waits for its turn waits for tasks that are running.
    """

    def __init__(self, iterator: Iterator[Source]) -> None:
        self._iterator = iterator
        self._turn = 0
        self._turned = Condition()

    def take(self, number: int) -> Source | _End:
        """Return item `number`, or the end; an error of the iterator comes out of the task in turn."""
        with self._turned:
            self._turned.wait_for(lambda: self._turn == number)
            try:
                return next(self._iterator, _END)
            finally:
                self._turn += 1
                self._turned.notify_all()
