"""Training pictures read once, brought to a common size, and kept in one memory-mapped file.

The pictures are made by the same `preprocess` that every inspection uses, cut to the scan's own part of the
letterbox. 8-bit scans are stored as uint8 without loss; transmission is stored as uint16.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cargosight_inference.preprocess import preprocess
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_inference.scans.scan import Subject
from cargosight_models.contract import InputContract
from cargosight_models.geometry import FloatArray
from cargosight_training.datasets.records import ImageRecord

Picture = npt.NDArray[Any]
_VERSION = 2  # raise it when the way pictures are made changes


@dataclass(frozen=True)
class _Entry:
    offset: int
    height: int
    width: int
    wide: bool


class PictureCache:
    """Pictures of a list of records, longest side at most ``pixels``, addressed by position.

    Args:
        records: the scans.
        folder: where the file is kept; a file made for the same scans, sizes and times is used again.
        pixels: longest side in pixels, a multiple of 32.
        subject: what was scanned.
        progress: called with (done, total) while pictures are read.
    """

    def __init__(
        self,
        records: tuple[ImageRecord, ...],
        folder: Path,
        *,
        pixels: int,
        subject: Subject,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._records = records
        folder.mkdir(parents=True, exist_ok=True)
        key = _key(records, pixels)
        self._data_path, index_path = folder / f"{key}.bin", folder / f"{key}.json"
        if not index_path.exists():
            self._build(index_path, pixels, subject, progress)
        rows = json.loads(index_path.read_text(encoding="utf-8"))
        self._entries = [_Entry(*row) for row in rows]
        self._data: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def size(self, position: int) -> tuple[int, int]:
        """Width and height of a cached picture."""
        entry = self._entries[position]
        return entry.width, entry.height

    def picture(self, position: int) -> Picture:
        """A writable (H, W, 3) copy: uint8, or float32 in [0, 1] for transmission scans."""
        if self._data is None:  # mapped on first use, so that each loader process has its own map
            self._data = np.memmap(self._data_path, dtype=np.uint8, mode="r")
        entry = self._entries[position]
        count = entry.height * entry.width * 3
        raw = self._data[entry.offset : entry.offset + count * (2 if entry.wide else 1)]
        if entry.wide:
            wide = raw.view(np.uint16).reshape(entry.height, entry.width, 3)
            return wide.astype(np.float32) / np.float32(65535.0)
        return np.array(raw).reshape(entry.height, entry.width, 3)

    def boxes(self, position: int) -> FloatArray:
        """The record's boxes (N, 4) in pixels of the cached picture."""
        record, entry = self._records[position], self._entries[position]
        scale = np.array([entry.width / record.width, entry.height / record.height] * 2, dtype=np.float32)
        return record.annotations.boxes * scale

    def _build(
        self, index_path: Path, pixels: int, subject: Subject, progress: Callable[[int, int], None] | None
    ) -> None:
        contract = InputContract(shapes=((pixels, pixels),))
        rows: list[tuple[int, int, int, bool]] = []
        partial = self._data_path.with_suffix(".partial")
        with partial.open("wb") as out:
            for done, record in enumerate(self._records):
                scan = read_scan(record.path, ReadOptions(subject=subject))
                view = preprocess(scan, contract)
                corners = np.array([[0.0, 0.0, scan.width, scan.height]], dtype=np.float32)
                left, top, right, bottom = view.to_input.boxes(corners).round().astype(int)[0]
                inside = view.tensor[0, :, top:bottom, left:right].transpose(1, 2, 0)
                wide = scan.kind == "transmission"
                stored = (inside * (65535 if wide else 255)).round().astype(np.uint16 if wide else np.uint8)
                rows.append((out.tell(), stored.shape[0], stored.shape[1], wide))
                out.write(stored.tobytes())
                out.write(b"\0" * (-out.tell() % 2))
                if progress is not None:
                    progress(done + 1, len(self._records))
        partial.replace(self._data_path)
        waiting = index_path.with_suffix(".waiting")
        waiting.write_text(json.dumps(rows), encoding="utf-8")
        waiting.replace(index_path)


def _key(records: tuple[ImageRecord, ...], pixels: int) -> str:
    digest = hashlib.sha256(f"{_VERSION} {pixels}".encode())
    for record in records:
        stat = record.path.stat()
        digest.update(f"{record.path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
