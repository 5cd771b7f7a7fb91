"""TIFF 6.0 and BigTIFF: the directory is parsed and checked here, the pixels are decoded by OpenCV.

Read are pages of 8-bit grey, RGB (with or without alpha) or palette colour and of 16-bit grey,
uncompressed or with LZW, Deflate, PackBits or JPEG compression. What OpenCV would decode to something
else without a word (separate planes, two samples a pixel, CMYK, 16-bit colour) is refused by name.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cargosight_models.errors import ScanError

_MOST_PAGES = 16
_MOST_ENTRIES = 4096  # of a directory; real ones have about twenty
_MOST_VALUES = 1 << 22  # of a tag; a scan of 200 million pixels has fewer strips
_FIELD_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_WHOLE_NUMBERS = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8", 18: "u8"}
_DEFLATE = (8, 32946)
_COMPRESSIONS = {1: "none", 5: "LZW", 7: "JPEG", 8: "Deflate", 32946: "Deflate", 32773: "PackBits"}
_ORIENTATION = 274
_TAGS = (254, 256, 257, 258, 259, 262, 273, _ORIENTATION, 277, 278, 279, 284, 322, 323, 324, 325, 339)

ByteOrder = Literal["<", ">"]
IndexArray = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class TiffPage:
    """One full-resolution page, checked.

    Attributes:
        index: of the page in the file.
        width: in pixels.
        height: in pixels.
        bits: 8 or 16.
        colour: whether it has colour channels.
        alpha: whether it has an alpha channel.
        zero_is_white: whether small numbers are meant to be shown bright.
        orientation: the tag, 1 for upright.
        compression: the tag.
        offsets: of the strips or tiles.
        lengths: of the strips or tiles in bytes.
    """

    index: int
    width: int
    height: int
    bits: int
    colour: bool
    alpha: bool
    zero_is_white: bool
    orientation: int
    compression: int
    offsets: IndexArray
    lengths: IndexArray


@dataclass(frozen=True, eq=False)
class TiffFile:
    """A parsed TIFF.

    Attributes:
        pages: those of full resolution, thumbnails left out.
        page_count: of all pages.
        total_pixels: of all pages together, since all are decoded.
        orientation_entries: where the values of orientation tags lie, for `upright`.
        byte_order: `<` or `>`.
    """

    pages: tuple[TiffPage, ...]
    page_count: int
    total_pixels: int
    orientation_entries: tuple[int, ...]
    byte_order: ByteOrder

    def upright(self, data: bytes) -> bytes:
        """Return the file with every orientation tag set to 1, since OpenCV always rotates a TIFF."""
        if all(page.orientation == 1 for page in self.pages):
            return data
        changed = bytearray(data)
        for at in self.orientation_entries:
            struct.pack_into(self.byte_order + "H", changed, at, 1)
        return bytes(changed)


def parse_tiff(data: bytes) -> TiffFile:
    """Parse the directories of a TIFF and check that all pixel data is inside the file.

    Raises:
        ScanError: truncated, damaged, or a page is of a kind that is not read.
    """
    order: ByteOrder = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    try:
        at = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    except struct.error:
        raise ScanError(f"the TIFF is cut off after {len(data)} bytes; copy the file again") from None
    pages: list[TiffPage] = []
    entries: list[int] = []
    seen: set[int] = set()
    total = 0
    while at:
        if at in seen or len(seen) >= _MOST_PAGES:
            raise ScanError(
                f"the TIFF has more than {_MOST_PAGES} pages or a directory that points to itself; "
                "expected one image or two energies; save those alone"
            )
        seen.add(at)
        directory = _Directory(data, at, order, big)
        at = directory.next
        entries += directory.orientation_entries
        page, width, height = _page(directory, len(seen) - 1)
        total += width * height
        if page is not None:
            pages.append(page)
    if not pages:
        raise ScanError("the TIFF has no full-size page; expected one image or two energies; save it again")
    return TiffFile(tuple(pages), len(seen), total, tuple(entries), order)


def check_deflate(data: bytes, page: TiffPage) -> None:
    """Unpack each Deflate strip once more, since OpenCV decodes damaged ones without a word.

    Raises:
        ScanError: a strip does not unpack to its end.
    """
    if page.compression not in _DEFLATE:
        return
    view = memoryview(data)
    for offset, length in zip(page.offsets.tolist(), page.lengths.tolist(), strict=True):
        unpacker = zlib.decompressobj()
        left: bytes | memoryview = view[offset : offset + length]
        try:
            while not unpacker.eof:
                piece = unpacker.decompress(left, 1 << 20)  # a bomb of zeros must not fill the memory
                left = unpacker.unconsumed_tail
                if not piece and not left:
                    break
        except zlib.error as error:
            raise ScanError(
                f"the TIFF is damaged: a strip does not unpack ({error}); copy the file again"
            ) from error
        if not unpacker.eof:
            raise ScanError("the TIFF is damaged: a strip ends too early; copy the file again")


class _Directory:
    """The tags of one page, as arrays of whole numbers."""

    def __init__(self, data: bytes, at: int, order: ByteOrder, big: bool) -> None:
        self._data, self._order = data, order
        self._values: dict[int, npt.NDArray[np.uint64]] = {}
        self.orientation_entries: list[int] = []
        count_format, entry_format, entry_size, inline = ("Q", "HHQ", 20, 8) if big else ("H", "HHI", 12, 4)
        try:
            (count,) = struct.unpack_from(order + count_format, data, at)
            start = at + struct.calcsize(order + count_format)
            if count > _MOST_ENTRIES:
                raise ScanError(f"the TIFF is damaged: a directory of {count:,} tags; copy the file again")
            self.next: int = struct.unpack_from(
                order + ("Q" if big else "I"), data, start + entry_size * count
            )[0]
        except (struct.error, OverflowError):
            raise ScanError(
                f"the TIFF is cut off: a directory is due at byte {at:,} of {len(data):,}; copy the file "
                "again"
            ) from None
        for entry in range(start, start + entry_size * count, entry_size):
            tag, kind, length = struct.unpack_from(order + entry_format, data, entry)
            value_at = entry + entry_size - inline
            size = _FIELD_BYTES.get(kind, 0) * length
            if size > inline:
                (value_at,) = struct.unpack_from(order + ("Q" if big else "I"), data, value_at)
                if value_at + size > len(data):
                    raise ScanError(
                        f"the TIFF is cut off: tag {tag} ends at byte {value_at + size:,} of "
                        f"{len(data):,}; copy the file again"
                    )
            if tag in _TAGS and kind in _WHOLE_NUMBERS:
                if length > _MOST_VALUES:
                    raise ScanError(
                        f"the TIFF has {length:,} values of tag {tag}; it is damaged, copy it again"
                    )
                dtype = np.dtype(_WHOLE_NUMBERS[kind]).newbyteorder(order)
                found = np.frombuffer(data, dtype, length, value_at).astype(np.uint64)
                self._values[tag] = found
                if tag == _ORIENTATION and kind == 3 and length == 1:
                    self.orientation_entries.append(value_at)

    def many(self, tag: int) -> npt.NDArray[np.uint64]:
        """Return all values of a tag, empty where it is missing."""
        return self._values.get(tag, np.zeros(0, dtype=np.uint64))

    def one(self, tag: int, missing: int) -> int:
        """Return the first value of a tag."""
        values = self.many(tag)
        return int(values[0]) if values.size else missing

    def demand_data(self, width: int, height: int, row_bytes: int) -> tuple[IndexArray, IndexArray]:
        """Return offsets and lengths of the strips or tiles, all of which must lie inside the file."""
        tiled = self.many(322).size > 0
        offsets, lengths = (self.many(324), self.many(325)) if tiled else (self.many(273), self.many(279))
        if tiled:
            across, down = max(self.one(322, 1), 1), max(self.one(323, 1), 1)
            wanted = -(-width // across) * -(-height // down)
        else:
            wanted = -(-height // min(max(self.one(278, height), 1), height))
        if offsets.size != lengths.size or offsets.size < wanted:
            raise ScanError(
                f"the TIFF lists {offsets.size} offsets and {lengths.size} lengths for {wanted} pieces of "
                "its image; it is damaged, copy the file again"
            )
        offsets, lengths = offsets[:wanted], lengths[:wanted]
        size = np.uint64(len(self._data))
        outside = (offsets > size) | (lengths > size - np.minimum(offsets, size)) | (lengths == 0)
        if outside.any():
            raise ScanError(
                f"the TIFF is cut off: {int(outside.sum())} of {wanted} pieces of its image lie outside "
                f"its {len(self._data):,} bytes; copy the file again"
            )
        if self.one(259, 1) == 1 and not tiled and int(lengths.sum()) < row_bytes * height:
            raise ScanError(
                f"the TIFF holds {int(lengths.sum()):,} bytes of pixels where {row_bytes * height:,} are "
                "due; copy the file again"
            )
        return offsets, lengths


def _page(directory: _Directory, index: int) -> tuple[TiffPage | None, int, int]:
    """Return the checked page (None for a thumbnail) with its width and height."""
    width, height = directory.one(256, 0), directory.one(257, 0)
    if width < 1 or height < 1:
        raise ScanError(
            f"page {index} of the TIFF is {width} x {height} pixels; expected at least one; save it again"
        )
    if directory.one(254, 0) & 1:
        return None, width, height
    samples = directory.one(277, 1)
    all_bits = {int(bits) for bits in directory.many(258)} or {1}
    photometric = directory.one(262, 1)
    compression = directory.one(259, 1)
    bits = all_bits.pop() if len(all_bits) == 1 else 0
    grey = photometric in (0, 1) and samples == 1 and bits in (8, 16)
    colour = bits == 8 and (
        (photometric in (2, 6) and samples == 3)
        or (photometric == 2 and samples == 4)
        or (photometric, samples) == (3, 1)
    )
    if not grey and not colour:
        raise ScanError(
            f"page {index} of the TIFF has {samples} samples of {bits or 'mixed'} bits and photometric "
            f"{photometric}; expected 8- or 16-bit grey or 8-bit RGB; save it so"
        )
    if directory.one(339, 1) != 1:
        raise ScanError(
            f"page {index} of the TIFF holds signed or floating-point numbers; expected unsigned ones; "
            "save it as .npy"
        )
    if directory.one(284, 1) != 1 and samples > 1:
        raise ScanError(f"page {index} of the TIFF keeps its colours in separate planes; save it interleaved")
    if compression not in _COMPRESSIONS:
        raise ScanError(
            f"page {index} of the TIFF has compression {compression}; expected none, LZW, Deflate, "
            "PackBits or JPEG; save it so"
        )
    offsets, lengths = directory.demand_data(width, height, (width * samples * bits + 7) // 8)
    orientation = directory.one(_ORIENTATION, 1)
    page = TiffPage(
        index=index,
        width=width,
        height=height,
        bits=bits,
        colour=colour,
        alpha=samples == 4,
        zero_is_white=photometric == 0,
        orientation=orientation if 1 <= orientation <= 8 else 1,
        compression=compression,
        offsets=offsets,
        lengths=lengths,
    )
    return page, width, height
