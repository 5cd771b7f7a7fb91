"""Results in files: an overlay PNG and an inspection JSON for each scan."""

import json
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from types import TracebackType

import cv2

from cargosight_inference.inspection import Inspection
from cargosight_inference.overlay import draw_overlay
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import UsageError

OVERLAY_SUFFIX = ".overlay.png"
INSPECTION_SUFFIX = ".inspection.json"

_BACKLOG = 2
_PNG_EFFORT = 1
"""Of 0 to 9: the least that compresses; more takes longer than the network and saves little."""


class ResultWriter:
    """Writes results into a folder, in a thread of its own beside the session.

    `a/bag.jpg` gives `bag.overlay.png` and `bag.inspection.json`. When that JSON is already there and
    belongs to another input (its `path` says so), as for `b/bag.jpg` or `a/bag.png`, the name is `bag~` and
    the first eight hex digits of the SHA-256 of the input's absolute path. So no two inputs share a name,
    the same input gets the same name in every run and replaces its former results, and no list of names is
    kept. An unreadable file has no overlay. Files appear whole or not at all. Two processes that write at
    the same time need folders of their own.
    """

    def __init__(self, folder: Path) -> None:
        """Create the folder where it does not exist.

        Raises:
            UsageError: it cannot be created.
        """
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"the output folder {folder} cannot be created: {error.strerror}") from error
        self._thread = ThreadPoolExecutor(1, "cargosight-results")
        self._waiting: deque[Future[None]] = deque()

    def write(self, inspection: Inspection, scan: Scan | None, place: str = "") -> None:
        """Queue one result for writing; waits while several are queued already.

        Args:
            inspection: with a path.
            scan: that was inspected, None when unreadable.
            place: folder below the output folder.

        Raises:
            UsageError: an earlier result could not be written.
        """
        self._waiting.append(self._thread.submit(_write, self._folder / place, inspection, scan))
        while len(self._waiting) > _BACKLOG:
            self._waiting.popleft().result()

    def __enter__(self) -> "ResultWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait until everything is written; after an error, only until the file under way is."""
        self._thread.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for future in self._waiting:
                future.result()


def _write(folder: Path, inspection: Inspection, scan: Scan | None) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stem = _stem(folder, inspection.path or "scan")
        overlay = folder / f"{stem}{OVERLAY_SUFFIX}"
        if scan is None:
            overlay.unlink(missing_ok=True)  # of an earlier run, when the file could still be read
        else:
            picture = cv2.cvtColor(draw_overlay(scan, inspection), cv2.COLOR_RGB2BGR)
            _, encoded = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT])
            _appear(overlay, encoded.tobytes())
        text = json.dumps(inspection.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        # A path that is no UTF-8 holds surrogates, which are written as they stand in the file system.
        _appear(folder / f"{stem}{INSPECTION_SUFFIX}", text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise UsageError(f"the results of {inspection.path} cannot be written: {error}") from error


def _stem(folder: Path, path: str) -> str:
    stem = Path(path).stem
    owner = folder / f"{stem}{INSPECTION_SUFFIX}"
    if _owner(owner) in (None, path):
        return stem
    digest = sha256(os.fsencode(Path(path).absolute())).hexdigest()
    return f"{stem}~{digest[:8]}"


def _owner(inspection_file: Path) -> str | None:
    """Return the path of the input that a file of ours belongs to, None where there is no such file."""
    try:
        found = json.loads(inspection_file.read_bytes().decode("utf-8", "surrogateescape"))
    except FileNotFoundError:
        return None
    except ValueError:
        return ""
    return str(found.get("path", "")) if isinstance(found, dict) else ""


def _appear(target: Path, content: bytes) -> None:
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
