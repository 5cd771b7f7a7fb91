"""Inputs on their way to the network: local ones where they lie, others fetched ahead into temporary files."""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cargosight_inference.batch.places import is_url
from cargosight_inference.batch.plan import Planned
from cargosight_inference.batch.scratch import Scratch
from cargosight_inference.batch.sources import Body, Denied, changed, open_input, stated
from cargosight_inference.scans.readers import largest_file
from cargosight_models.errors import ScanError

AHEAD = 8
"""Inputs that are fetched at a time: what a worker holds on disk, and more than hides the way to a storage."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Ready:
    """An input that can be read.

    Attributes:
        planned: the input.
        file: local path to read it from.
        is_temporary: whether it was fetched, and is to be removed.
        changed: whether it is another one than was planned.
        error: why it could not be fetched, None where it was.
        is_denied: whether that is since the run may not read it.
    """

    planned: Planned
    file: str
    is_temporary: bool = False
    changed: bool = False
    error: str | None = None
    is_denied: bool = False


def ready_inputs(
    inputs: Sequence[Planned], scratch: Scratch, max_pixels: int
) -> Generator[Ready, None, None]:
    """Yield the inputs in order; close the iterator to stop fetching. Threads are started for URLs alone.

    Args:
        inputs: of a shard.
        scratch: for what is fetched; who takes an input removes its file.
        max_pixels: of a scan that is still read; a file that must hold more is not fetched, or where the storage does
            not tell how large it is, only until that is known.

    Raises:
        BatchError: a storage does not answer now.
    """
    if not any(is_url(planned.item.path) for planned in inputs):
        yield from map(_local, inputs)
        return
    largest = largest_file(max_pixels)

    def get(planned: Planned) -> Ready:
        return _fetch(planned, scratch, largest) if is_url(planned.item.path) else _local(planned)

    waiting: deque[Future[Ready]] = deque()
    rest = iter(inputs)
    with ThreadPoolExecutor(AHEAD, "cargosight-fetch") as pool:
        try:
            waiting.extend(pool.submit(get, planned) for planned in islice(rest, AHEAD))
            while waiting:
                ready = waiting.popleft().result()
                waiting.extend(pool.submit(get, planned) for planned in islice(rest, 1))
                yield ready
        finally:
            for future in waiting:
                if not future.cancel() and future.exception() is None:
                    _remove(future.result())


def _remove(ready: Ready) -> None:
    if ready.is_temporary:
        Path(ready.file).unlink(missing_ok=True)


def _local(planned: Planned) -> Ready:
    path = planned.item.path
    now = stated(path)
    return Ready(planned, path, changed=changed(planned.item, now.size, now.version))


def _fetch(planned: Planned, scratch: Scratch, largest: int) -> Ready:
    item = planned.item
    target = scratch.path(Path(item.path).suffix)
    try:
        body = open_input(item.path)
    except ScanError as error:
        return Ready(planned, str(target), error=str(error), is_denied=isinstance(error, Denied))
    try:
        is_other = changed(item, body.size, body.version)
        size = body.size or 0
        if size <= largest:
            size = _copy(body, target, largest)
        if size > largest:
            target.unlink(missing_ok=True)
            sentence = f"{size:,} bytes are more than the largest scan that is read has ({largest:,})"
            return Ready(planned, str(target), changed=is_other, error=sentence)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        body.close()
    return Ready(planned, str(target), is_temporary=True, changed=is_other)


def _copy(body: Body, target: Path, largest: int) -> int:
    """Write a body into a file, no further than it may be large; return how many bytes were read."""
    size = 0
    with target.open("wb") as out:
        while size <= largest and (chunk := body.read(_CHUNK)):
            size += len(chunk)
            out.write(chunk)
    return size
