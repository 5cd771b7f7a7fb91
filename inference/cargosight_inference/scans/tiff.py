"""TIFF 6.0 and BigTIFF: the directories are parsed and checked here, the pixels are decoded elsewhere.

Read are pages of 8-bit grey, RGB (with or without alpha) or palette colour and of 16-bit grey,
uncompressed or with LZW, Deflate, PackBits or JPEG compression. What decoders would turn into something
else without a word (separate planes, two samples a pixel, CMYK, 16-bit colour) is refused by name.
"""

import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cargosight_models.errors import ScanError

_MOST_PAGES = 16
_MOST_ENTRIES = 4096  # of a directory; real ones have about twenty
_MOST_VALUES = 1 << 22  # of a tag; a scan of 200 million pixels has fewer strips
_LARGEST_SIDE = 1 << 24
_LARGEST_TILE = 1 << 16
_CLASSIC_BYTES = (1 << 32) - (1 << 27)  # 32-bit offsets, less room for a directory
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
_WHOLE_NUMBERS = {1: "u1", 3: "u2", 4: "u4", 7: "u1", 13: "u4", 16: "u8", 18: "u8"}
_COMPRESSIONS = {1: "none", 5: "LZW", 7: "JPEG", 8: "Deflate", 32946: "Deflate", 32773: "PackBits"}
_ORIENTATION = 274
_COLOUR_MAP = 320
_PIECES = (273, 279, 324, 325)
_SINGLE = (256, 257, 259, 277, 278, 284, 317, 322, 323)  # what a decoder needs of one number
_TAGS = {*_SINGLE, *_PIECES, 254, 258, 262, 266, _ORIENTATION, _COLOUR_MAP, 338, 339, 347, 530}
_SHORT, _LONG, _UNDEFINED, _LONG8 = 3, 4, 7, 16
_BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 1, 2, 3, 6
_MULTIPLIED, _STRAIGHT = 1, 2
_SUBSAMPLING = 530
JPEG_TABLES = 347

ByteOrder = Literal["<", ">"]
Alpha = Literal["none", "multiplied", "straight"]
IndexArray = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class TiffPage:
    """One full-resolution page, checked.

    Attributes:
        index: of the page in the file.
        width: in pixels.
        height: in pixels.
        bits: 8 or 16.
        samples: of a pixel as stored, 1, 3 or 4.
        palette: (256, 3) uint8 RGB that the samples point into, None for none.
        alpha: whether the fourth sample is opacity, and whether the colours are already multiplied by it.
        zero_is_white: whether small numbers are meant to be shown bright.
        orientation: the tag, 1 for upright.
        compression: the tag.
        offsets: of the strips or tiles ("pieces").
        lengths: of the pieces in bytes, as stored.
        due: bytes of the pieces, unpacked.
        tags: all that a decoder has to know.
    """

    index: int
    width: int
    height: int
    bits: int
    samples: int
    palette: npt.NDArray[np.uint8] | None
    alpha: Alpha
    zero_is_white: bool
    orientation: int
    compression: int
    offsets: IndexArray
    lengths: IndexArray
    due: IndexArray
    tags: dict[int, IndexArray]


@dataclass(frozen=True, eq=False)
class TiffFile:
    """A parsed TIFF.

    Attributes:
        pages: those of full resolution, thumbnails left out.
        page_count: of all pages.
        total_pixels: of all pages together, since all are decoded.
        byte_order: `<` or `>`.
        big: whether it is a BigTIFF.
    """

    pages: tuple[TiffPage, ...]
    page_count: int
    total_pixels: int
    byte_order: ByteOrder
    big: bool

    def alone(self, data: bytes, page: TiffPage) -> bytearray:
        """Return the file with one page, whose directory is written anew from the tags that were checked.

        So no decoder rotates, warns of harmless tags, unpacks another page or reads a tag in another way than
        was done here. A palette and the sense of grey are left out: the samples come out as they are stored.
        """
        order, count, entry, word, slot = (
            (self.byte_order, "Q", "HHQ", "Q", 8) if self.big else (self.byte_order, "H", "HHI", "I", 4)
        )
        out = bytearray(data)
        out += bytes(-len(out) % 8)
        struct.pack_into(order + word, out, 8 if self.big else 4, len(out))
        entries, behind = bytearray(), bytearray()
        behind_at = len(out) + struct.calcsize(order + count) + len(page.tags) * (4 + 2 * slot) + slot
        for tag, values in sorted(page.tags.items()):
            kind = _kind(tag, values, self.big)
            packed = values.astype(np.dtype(_WHOLE_NUMBERS[kind]).newbyteorder(order)).tobytes()
            entries += struct.pack(order + entry, tag, kind, values.size)
            if len(packed) <= slot:
                entries += packed.ljust(slot, b"\0")
            else:
                entries += struct.pack(order + word, behind_at + len(behind))
                behind += packed + bytes(-len(packed) % 8)
        out += struct.pack(order + count, len(page.tags)) + entries + bytes(slot) + behind
        return out  # not as bytes: that would be one more copy of the whole file


def _kind(tag: int, values: IndexArray, big: bool) -> int:
    """The smallest field type that holds a tag's values and that its readers expect."""
    if tag == JPEG_TABLES:
        return _UNDEFINED
    if tag in _PIECES:
        return _LONG8 if big else _LONG
    return _SHORT if int(values.max()) < 1 << 16 else _LONG


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
    if not big and len(data) > _CLASSIC_BYTES:
        raise ScanError(f"the TIFF has {len(data):,} bytes, more than its kind can; save it as a BigTIFF")
    pages: list[TiffPage] = []
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
        page, width, height = _page(directory, len(seen) - 1)
        total += width * height
        if page is not None:
            pages.append(page)
    if not pages:
        raise ScanError("the TIFF has no full-size page; expected one image or two energies; save it again")
    return TiffFile(tuple(pages), len(seen), total, order, big)


class _Directory:
    """The tags of one page, as arrays of whole numbers."""

    def __init__(self, data: bytes, at: int, order: ByteOrder, big: bool) -> None:
        self._data, self._order = data, order
        self._values: dict[int, npt.NDArray[np.uint64]] = {}
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

    def many(self, tag: int) -> npt.NDArray[np.uint64]:
        """Return all values of a tag, empty where it is missing."""
        return self._values.get(tag, np.zeros(0, dtype=np.uint64))

    def one(self, tag: int, missing: int) -> int:
        """Return the first value of a tag."""
        values = self.many(tag)
        return int(values[0]) if values.size else missing

    def pieces(self, width: int, height: int, row_bytes: int) -> tuple[IndexArray, IndexArray, IndexArray]:
        """Return offsets, lengths and unpacked bytes of the strips or tiles, all of which must lie inside the file."""
        tiled = self.many(322).size > 0
        offsets, lengths = (self.many(324), self.many(325)) if tiled else (self.many(273), self.many(279))
        if tiled:
            across, down = max(self.one(322, 1), 1), max(self.one(323, 1), 1)
            if max(across, down) > _LARGEST_TILE:
                raise ScanError(
                    f"the TIFF has tiles of {across} x {down} pixels; it is damaged, copy the file again"
                )
            wanted = -(-width // across) * -(-height // down)
            whole = last = -(-row_bytes * across // width) * down
        else:
            rows = min(max(self.one(278, height), 1), height)
            wanted = -(-height // rows)
            whole, last = rows * row_bytes, (height - (wanted - 1) * rows) * row_bytes
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
        due = np.full(wanted, whole, dtype=np.uint64)
        due[-1] = last
        return offsets, lengths, due

    def palette(self) -> npt.NDArray[np.uint8]:
        """Return the colour map, (256, 3) RGB."""
        values = self.many(_COLOUR_MAP)
        if values.size != 3 * 256:
            raise ScanError(
                f"the TIFF has a colour map of {values.size} values; expected 768; save the scan as RGB"
            )
        # Meant to have 16 bits; some writers fill in eight.
        deep = int(values.max()) > 255
        return np.ascontiguousarray(
            (values >> np.uint64(8 if deep else 0)).astype(np.uint8).reshape(3, 256).T
        )

    def decoder_tags(
        self, offsets: IndexArray, lengths: IndexArray, photometric: int
    ) -> dict[int, IndexArray]:
        """Return the tags that a decoder has to know, the photometric interpretation replaced."""
        tags = {tag: self.many(tag)[:1] for tag in _SINGLE if self.many(tag).size}
        tags |= {tag: self.many(tag) for tag in (JPEG_TABLES, _SUBSAMPLING) if self.many(tag).size}
        first, second = _PIECES[2:] if 322 in tags else _PIECES[:2]
        samples = self.one(277, 1)
        tags |= {first: offsets, second: lengths, 262: np.array([photometric], dtype=np.uint64)}
        tags[258] = np.repeat(self.many(258)[:1], samples)
        if samples == 4:
            tags[338] = np.array([_STRAIGHT], dtype=np.uint64)  # so that it is handed out as it is stored
        return tags


def _page(directory: _Directory, index: int) -> tuple[TiffPage | None, int, int]:
    """Return the checked page (None for a thumbnail) with its width and height."""
    width, height = directory.one(256, 0), directory.one(257, 0)
    if not (1 <= width <= _LARGEST_SIDE and 1 <= height <= _LARGEST_SIDE):
        raise ScanError(
            f"page {index} of the TIFF is {width} x {height} pixels; expected at least one, and at most "
            f"{_LARGEST_SIDE:,} on each side; save it again"
        )
    if directory.one(254, 0) & 1:
        return None, width, height
    samples, bits, photometric = _demand_kind(directory, index)
    alpha = _alpha(directory, index) if samples == 4 else "none"
    offsets, lengths, due = directory.pieces(width, height, (width * samples * bits + 7) // 8)
    orientation = directory.one(_ORIENTATION, 1)
    page = TiffPage(
        index=index,
        width=width,
        height=height,
        bits=bits,
        samples=samples,
        palette=directory.palette() if photometric == _PALETTE else None,
        alpha=alpha,
        zero_is_white=photometric == 0,
        orientation=orientation if 1 <= orientation <= 8 else 1,
        compression=directory.one(259, 1),
        offsets=offsets,
        lengths=lengths,
        due=due,
        tags=directory.decoder_tags(offsets, lengths, _BLACK_IS_ZERO if samples == 1 else photometric),
    )
    return page, width, height


def _demand_kind(directory: _Directory, index: int) -> tuple[int, int, int]:
    """Return samples, bits and photometric interpretation of a page that can be read."""
    samples = directory.one(277, 1)
    all_bits = {int(bits) for bits in directory.many(258)} or {1}
    photometric = directory.one(262, _BLACK_IS_ZERO)
    compression = directory.one(259, 1)
    bits = all_bits.pop() if len(all_bits) == 1 else 0
    grey = photometric in (0, _BLACK_IS_ZERO) and samples == 1 and bits in (8, 16)
    colour = bits == 8 and (photometric, samples) in ((_RGB, 3), (_YCBCR, 3), (_RGB, 4), (_PALETTE, 1))
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
    if photometric == _YCBCR and _COMPRESSIONS[compression] != "JPEG":
        raise ScanError(
            f"page {index} of the TIFF holds brightness and colour apart; expected RGB; save it so"
        )
    if directory.one(266, 1) != 1:
        raise ScanError(f"page {index} of the TIFF stores the bits of a byte in reverse; save it again")
    return samples, bits, photometric


def _alpha(directory: _Directory, index: int) -> Alpha:
    """Return what the fourth sample of a pixel is, which the file has to say (TIFF 6.0, ExtraSamples)."""
    meaning = directory.one(338, 0)
    if meaning not in (_MULTIPLIED, _STRAIGHT):
        raise ScanError(
            f"page {index} of the TIFF has four samples and does not say what the fourth is; expected RGB, or "
            "RGB with alpha (tag ExtraSamples 1 or 2); save it so"
        )
    return "multiplied" if meaning == _MULTIPLIED else "straight"
