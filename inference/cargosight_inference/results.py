"""Results in files: overlay and inspection JSON of each scan, and a picture of materials of cargo at two energies."""

import errno
import json
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from types import TracebackType

import cv2

from cargosight_inference.inspection import Inspection
from cargosight_inference.overlay import Picture, draw_overlay
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import UsageError
from cargosight_models.locking import exclusive

OVERLAY_SUFFIX = ".overlay.png"
INSPECTION_SUFFIX = ".inspection.json"
MATERIALS_SUFFIX = ".materials.png"
_LOCK = ".cargosight.lock"
_SUFFIXES = (OVERLAY_SUFFIX, MATERIALS_SUFFIX, INSPECTION_SUFFIX)

_BACKLOG = 2
_PNG_EFFORT = 1
"""Of 0 to 9: the least that compresses; more takes longer than the network and saves little."""

_LONGEST_NAME = 255
"""Bytes in the name of a file, on the usual file systems."""
_LONGEST_STEM = _LONGEST_NAME - len(f".{INSPECTION_SUFFIX}.part")
_DIGITS = (8, 64)
"""Of the SHA-256 of an input's path; 64 are all of it, for who gives a file the name that eight would give."""


class ResultWriter:
    """Writes results into a folder, in a thread of its own beside the session.

    `a/bag.jpg` gives `bag.overlay.png` and `bag.inspection.json`, the inspection with `absolute_path` beside
    its `path`. When that JSON is already there and belongs to another input (its absolute path says so), as
    for `b/bag.jpg` or `a/bag.png`, the name is `bag~` and the first eight hex digits of the SHA-256 of the
    input's absolute path; the same for a name that is too long for its suffixes, which is cut. So no two
    inputs share a name, the same input gets the same name in every run and replaces its former results, and
    no list of names is kept. An unreadable file has no overlay; a cargo scan of two energies has `bag.materials.png`
    beside it. Files appear whole or not at all. While the
    block runs the folder belongs to this process: a second one could give the same name to another input.
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
        self._held = ExitStack()
        self._thread = ThreadPoolExecutor(1, "cargosight-results")
        self._waiting: deque[Future[None]] = deque()

    def write(self, inspection: Inspection, scan: Scan | None, place: str = "") -> None:
        """Queue one result for writing; waits while several are queued already.

        Args:
            inspection: with a path.
            scan: that was inspected, None when unreadable.
            place: folder below the output folder; the output folder itself where there can be none, such as
                where a file has its name.

        Raises:
            UsageError: an earlier result could not be written.
        """
        self._waiting.append(self._thread.submit(_write, self._folder, place, inspection, scan))
        while len(self._waiting) > _BACKLOG:
            self._waiting.popleft().result()

    def __enter__(self) -> "ResultWriter":
        """Take hold of the folder.

        Raises:
            UsageError: another process writes results there.
        """
        held = f"another process writes results into {self._folder}: wait for it, or give this run a folder of its own"
        try:
            self._held.enter_context(exclusive(self._folder / _LOCK, held=held))
        except OSError as error:
            raise UsageError(
                f"the output folder {self._folder} cannot be written: {error.strerror}"
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait until everything is written; after an error, only until the file under way is."""
        with self._held:
            self._thread.shutdown(cancel_futures=kind is not None)
            if kind is None:
                for future in self._waiting:
                    future.result()


def _write(root: Path, place: str, inspection: Inspection, scan: Scan | None) -> None:
    try:
        folder = _make_folder(root, place)
        stem = _stem(folder, inspection.path or "scan")
        _picture(folder / f"{stem}{OVERLAY_SUFFIX}", None if scan is None else draw_overlay(scan, inspection))
        _picture(folder / f"{stem}{MATERIALS_SUFFIX}", _materials(scan, inspection))
        document = inspection.to_dict() | {"absolute_path": str(Path(inspection.path or "scan").absolute())}
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        # A path that is no UTF-8 holds surrogates, which are written as they stand in the file system.
        _appear(folder / f"{stem}{INSPECTION_SUFFIX}", text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise UsageError(
            f"the results of {inspection.path} cannot be written into {root}: {error.strerror or error}"
        ) from error


def _picture(target: Path, pixels: Picture | None) -> None:
    """Write a picture (H, W, 3) RGB; remove that of an earlier run where there is none now."""
    if pixels is None:
        target.unlink(missing_ok=True)
        return
    cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR, dst=pixels)
    _, encoded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT])
    _appear(target, encoded.data)


def _materials(scan: Scan | None, inspection: Inspection) -> Picture | None:
    if scan is None or inspection.material_map is None:
        return None
    # Not at the start of an inspection of bags.
    from cargosight_inference.scans.material import draw_materials

    return draw_materials(scan, inspection.material_map)


def _make_folder(root: Path, place: str) -> Path:
    """Make the folder for a place; the root where a file is in its way, or its path would be too long.

    A folder whose name is one that results could have gets a `~` behind it, so that neither is in the other's
    way.
    """
    named = [f"{part}~" if part.endswith(_SUFFIXES) else part for part in Path(place).parts]
    folder = root.joinpath(*named)
    try:
        if not folder.is_dir():
            root.mkdir(parents=True, exist_ok=True)
            # One by one: mkdir(parents=True) calls itself for each, and there may be more than Python lets it.
            for depth in range(1, len(named) + 1):
                root.joinpath(*named[:depth]).mkdir(exist_ok=True)
    except OSError as error:
        if place and error.errno in (errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG):
            return _make_folder(root, "")
        raise
    return folder


def _stem(folder: Path, path: str) -> str:
    """Return the name of an input's results without suffix: one that no other input's results have."""
    stem = Path(path).stem
    if len(os.fsencode(stem)) <= _LONGEST_STEM and _is_free(folder, stem, path):
        return stem
    digest = sha256(os.fsencode(Path(path).absolute())).hexdigest()
    while len(os.fsencode(stem)) > _LONGEST_STEM - 1 - len(digest):
        stem = stem[:-1]
    named = [f"{stem}~{digest[:digits]}" for digits in _DIGITS]
    return next((name for name in named if _is_free(folder, name, path)), named[-1])


def _is_free(folder: Path, stem: str, path: str) -> bool:
    """Whether a name is unused, or used by the former results of this very input."""
    return inspected_path(folder / f"{stem}{INSPECTION_SUFFIX}") in (None, str(Path(path).absolute()))


def inspected_path(inspection_file: Path) -> str | None:
    """Return the absolute path of the input that an inspection file belongs to, None where there is no such file.

    What is no inspection belongs to nobody that has a name: the empty path.
    """
    try:
        found = json.loads(inspection_file.read_bytes().decode("utf-8", "surrogateescape"))
    except FileNotFoundError:
        return None
    except (ValueError, IsADirectoryError, RecursionError):
        return ""
    return str(found.get("absolute_path", "")) if isinstance(found, dict) else ""


def _appear(target: Path, content: bytes | memoryview) -> None:
    part = target.with_name(
        f".{target.name}.part"
    )  # one name in every run: what a killed one left is replaced
    try:
        part.write_bytes(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
