"""Training pictures read once, brought to a common size, and kept in one memory-mapped file.

The pictures are made by the same `preprocess` that every inspection uses, cut to the scan's own part of the
letterbox. 8-bit scans are stored as uint8 without loss; transmission is stored as uint16.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cargosight_inference.letterbox import Shape
from cargosight_inference.preprocess import preprocess
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_inference.scans.scan import Scan, Subject
from cargosight_models.contract import InputContract
from cargosight_models.errors import DataSetError, ScanError
from cargosight_models.geometry import FloatArray, clip_boxes
from cargosight_models.locking import exclusive
from cargosight_training.datasets.records import ImageRecord

Picture = npt.NDArray[Any]
_VERSION = 4  # raise it when the way pictures are made changes


@dataclass(frozen=True)
class _Entry:
    """Where a picture lies in the file, and the scale from scan pixels to its own."""

    offset: int
    height: int
    width: int
    wide: bool
    scale_x: float
    scale_y: float

    @property
    def size(self) -> int:
        return self.height * self.width * 3 * (2 if self.wide else 1)


class PictureCache:
    """Pictures of a list of records, addressed by position.

    Several processes may ask for the same cache: one builds it, the others wait.

    Args:
        records: the scans.
        folder: where the file is kept; a file made for the same scans, sizes and times is used again.
        pixels: longer side in pixels, a multiple of 32, of pictures in colour; None for radiographs at their own scale.
        subject: what was scanned.
        progress: called with (done, total) while pictures are read.

    Raises:
        DataSetError: a scan cannot be read, or has not the size that its annotations say.
    """

    def __init__(
        self,
        records: tuple[ImageRecord, ...],
        folder: Path,
        *,
        pixels: int | None,
        subject: Subject,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._records = records
        folder.mkdir(parents=True, exist_ok=True)
        key = _key(records, pixels, subject)
        self._data_path, index_path = folder / f"{key}.bin", folder / f"{key}.json"
        with exclusive(folder / f"{key}.lock"):
            entries = self._read_index(index_path)
            if entries is None:
                self._build(index_path, pixels, subject, progress)
                entries = self._read_index(index_path)
        assert entries is not None  # it has just been built
        self._entries = entries
        self._data: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def size(self, position: int) -> tuple[int, int]:
        """Width and height of a cached picture."""
        entry = self._entries[position]
        return entry.width, entry.height

    def picture(self, position: int) -> Picture:
        """A writable (H, W, 3) copy: uint8, or float32 in [0, 1] for transmission scans."""
        entry = self._entries[position]
        raw = self._raw(entry)
        if entry.wide:
            wide = raw.view(np.uint16).reshape(entry.height, entry.width, 3)
            return wide.astype(np.float32) / np.float32(65535.0)
        return np.array(raw).reshape(entry.height, entry.width, 3)

    def window(self, position: int, left: int, top: int, width: int, height: int) -> Picture:
        """A (height, width, 3) float32 copy in [0, 1] of a part of a picture, without reading the rest."""
        entry = self._entries[position]
        raw = self._raw(entry)
        stored = raw.view(np.uint16) if entry.wide else raw
        part = stored.reshape(entry.height, entry.width, 3)[top : top + height, left : left + width]
        return part.astype(np.float32) / np.float32(65535.0 if entry.wide else 255.0)

    def _raw(self, entry: _Entry) -> npt.NDArray[np.uint8]:
        if self._data is None:  # mapped on first use, so that each loader process has its own map
            self._data = np.memmap(self._data_path, dtype=np.uint8, mode="r")
        return self._data[entry.offset : entry.offset + entry.size]

    def boxes(self, position: int) -> FloatArray:
        """The record's boxes (N, 4) in pixels of the cached picture."""
        entry = self._entries[position]
        scale = np.array([entry.scale_x, entry.scale_y] * 2)
        scaled = (self._records[position].annotations.boxes * scale).astype(np.float32)
        return clip_boxes(scaled, entry.width, entry.height)

    def _read_index(self, path: Path) -> list[_Entry] | None:
        """The entries; None where there is no whole cache yet."""
        if not path.exists() or not self._data_path.exists():
            return None
        entries = [_Entry(*row) for row in json.loads(path.read_text(encoding="utf-8"))]
        whole = entries[-1].offset + entries[-1].size <= self._data_path.stat().st_size
        return entries if whole else None

    def _build(
        self,
        index_path: Path,
        pixels: int | None,
        subject: Subject,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        rows: list[_Entry] = []
        partial = self._data_path.with_suffix(".partial")
        with partial.open("wb") as out:
            for done, record in enumerate(self._records, start=1):
                picture, scale_x, scale_y = _picture_of(record, pixels, subject)
                wide = picture.dtype == np.uint16
                rows.append(_Entry(out.tell(), picture.shape[0], picture.shape[1], wide, scale_x, scale_y))
                out.write(picture.tobytes())
                out.write(b"\0" * (-out.tell() % 2))
                if progress is not None:
                    progress(done, len(self._records))
            out.flush()
            os.fsync(out.fileno())
        partial.replace(self._data_path)
        waiting = index_path.with_suffix(".waiting")
        waiting.write_text(json.dumps([astuple(row) for row in rows]), encoding="utf-8")
        waiting.replace(index_path)


def _picture_of(record: ImageRecord, pixels: int | None, subject: Subject) -> tuple[Picture, float, float]:
    scan = read_record(record, subject, () if pixels is None else ((pixels, pixels),))
    try:
        return _cached_picture(scan, pixels)
    except ScanError as error:
        raise DataSetError(f"image {record.path} cannot be trained on: {error}") from error


def read_record(record: ImageRecord, subject: Subject, letterboxes: tuple[Shape, ...] = ()) -> Scan:
    """Read the scan of a record.

    Args:
        record: of a data set.
        subject: what was scanned.
        letterboxes: shapes that it will be letterboxed into, so that it is decoded as in every inspection; none where
            all of its pixels are wanted.

    Raises:
        DataSetError: it cannot be read, or has not the size that its annotations say.
    """
    try:
        scan = read_scan(record.path, ReadOptions(subject=subject, letterboxes=letterboxes))
    except ScanError as error:
        raise DataSetError(
            f"image {record.path} cannot be read: {error}; replace it, or take it out of the annotation file"
        ) from error
    if (scan.width, scan.height) != (record.width, record.height):
        raise DataSetError(
            f"image {record.path} is {scan.width} by {scan.height}, but its annotations say {record.width} by "
            f"{record.height}; boxes are in pixels of the stored image"
        )
    return scan


def _cached_picture(scan: Scan, pixels: int | None) -> tuple[Picture, float, float]:
    """The picture (h, w, 3), uint8 or for transmission uint16, and the scale from scan pixels to its own."""
    if pixels is None:  # one tile that covers the scan
        whole = (scan.height + -scan.height % 32, scan.width + -scan.width % 32)
        contract = InputContract(shapes=(whole,), colour="radiograph", resize="tiles")
    else:
        contract = InputContract(shapes=((pixels, pixels),))
    view = preprocess(scan, contract)
    (scale_x, _, left), (_, scale_y, top) = view.to_input.matrix.tolist()
    # An odd last column that halving left out would reach a fraction of a pixel into the padding.
    width, height = int(scan.width * scale_x + 1e-6), int(scan.height * scale_y + 1e-6)
    x, y = round(left), round(top)
    inside = view.tensor[0, :, y : y + height, x : x + width].transpose(1, 2, 0)
    wide = scan.kind == "transmission" or pixels is None
    stored = (inside * (65535 if wide else 255)).round().astype(np.uint16 if wide else np.uint8)
    return stored, scale_x, scale_y


def _key(records: tuple[ImageRecord, ...], pixels: int | None, subject: Subject) -> str:
    digest = hashlib.sha256(f"{_VERSION} {pixels} {subject}".encode())
    for record in records:
        stat = record.path.stat()
        digest.update(f"{record.path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
