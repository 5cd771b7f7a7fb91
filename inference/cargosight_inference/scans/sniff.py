"""What a file's bytes are and how large its image is, from the header alone: nothing is decoded here.

The content decides, never the suffix. Each header parser also checks that the file is whole (end marker,
chunk checksums, container size), because decoders fill what is missing with grey and say nothing.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from cargosight_models.errors import ScanError

Format = Literal["JPEG", "PNG", "WebP", "BMP", "TIFF", "npy"]

SUPPORTED = "JPEG, PNG, WebP, BMP, TIFF or .npy"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
NPY_MAGIC = b"\x93NUMPY"

_MAGICS: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (PNG_MAGIC, "PNG"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (NPY_MAGIC, "npy"),
)

_STRANGERS: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive (or an .npz or office file)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 code stream"),
    (b"IM\0\0", "an AS&E .ase scan"),
)


@dataclass(frozen=True)
class ImageHeader:
    """What the header of a JPEG, PNG, WebP or BMP file says.

    Attributes:
        format: of the file.
        width: in pixels, 1 or more.
        height: in pixels, 1 or more.
        bits: of one sample as decoded, 8 or 16.
        colour: whether the decoded image has colour channels.
        alpha: whether pixels may be transparent.
        orientation: the EXIF tag, 1 for upright or none.
    """

    format: Format
    width: int
    height: int
    bits: int
    colour: bool
    alpha: bool
    orientation: int


def identify(data: bytes) -> Format:
    """Return the format of a file by its first bytes.

    Raises:
        ScanError: the file is empty, or of no format that is read; the message says what it looks like.
    """
    if not data:
        raise ScanError(f"the file is empty; expected {SUPPORTED}; copy it again")
    for magic, known in _MAGICS:
        if data.startswith(magic):
            return known
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    raise ScanError(f"the file is {_resembles(data)}; expected {SUPPORTED}; convert it to one of these")


def _resembles(data: bytes) -> str:
    for magic, what in _STRANGERS:
        if data.startswith(magic):
            return what
    if data[128:132] == b"DICM":
        return "a DICOM or DICOS file"
    head = data[:256]
    if not head.strip(b"\0"):
        return "filled with zeros"
    if all(byte >= 32 or byte in b"\t\r\n" for byte in head) and 127 not in head:
        return "text"
    return f"of an unknown format (it starts with {head[:8].hex(' ')})"


def jpeg_header(data: bytes) -> ImageHeader:
    """Read the frame header of a JPEG (ITU-T T.81, annex B) and check that its end marker is there.

    Raises:
        ScanError: truncated, damaged, or of a kind that is not read (CMYK, 12 bits, lossless, arithmetic).
    """
    frame: tuple[int, int, int, int] | None = None  # marker, height, width, components
    orientation = 1
    at = 2
    while True:
        marker, body, at = _jpeg_segment(data, at)
        if marker == 0xDA:
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if len(body) < 6:
                raise ScanError("the JPEG has a damaged frame header; copy the file again")
            precision, height, width, components = struct.unpack(">BHHB", body[:6])
            if marker > 0xC2:
                raise ScanError(
                    f"the JPEG uses process SOF{marker - 0xC0}; expected baseline or progressive; save it "
                    "as PNG"
                )
            if precision != 8:
                raise ScanError(
                    f"the JPEG has {precision} bits a sample; expected 8; save it as 16-bit PNG or TIFF"
                )
            frame = marker, height, width, components
        elif marker == 0xE1 and body[:6] == b"Exif\0\0":
            orientation = exif_orientation(body[6:])
    if frame is None:
        raise ScanError("the JPEG has no frame header before its data; copy the file again")
    _, height, width, components = frame
    _demand_size("JPEG", width, height)
    if components not in (1, 3):
        raise ScanError(
            f"the JPEG has {components} components (CMYK?); expected grey or three colours; save it as RGB"
        )
    if data.rfind(b"\xff\xd9", at) < 0:
        raise ScanError(
            f"the JPEG has no end marker: it is cut off after {len(data):,} bytes; copy the file again "
            "from its source"
        )
    # Each of its 8 x 8 blocks has a code of one bit or more (T.81, F.1.2.1 and G.1.2.1: runs of empty blocks exist
    # for the other coefficients only). Checked here, since a decoder makes room for all that is announced.
    blocks = -(-width // 8) * -(-height // 8)
    if (len(data) - at) * 8 < blocks:
        raise ScanError(
            f"the JPEG announces {width} x {height} pixels, which take {blocks // 8:,} bytes or more, and has "
            f"{len(data) - at:,}: blocks are missing; copy the file again from its source"
        )
    return ImageHeader("JPEG", width, height, 8, components == 3, False, orientation)


def _jpeg_segment(data: bytes, at: int) -> tuple[int, bytes, int]:
    """Return marker, body and the position behind the segment that starts at `at`."""
    while data[at : at + 2] == b"\xff\xff":  # fill bytes
        at += 1
    if at + 4 > len(data):
        raise ScanError(f"the JPEG is cut off in its header, after {len(data):,} bytes; copy the file again")
    mark, marker, length = struct.unpack(">BBH", data[at : at + 4])
    if mark != 0xFF or length < 2:
        raise ScanError(
            f"the JPEG has no marker at byte {at:,} where one is due; it is damaged, copy the file again"
        )
    end = at + 2 + length
    if end > len(data):
        raise ScanError(f"the JPEG is cut off in its header, after {len(data):,} bytes; copy the file again")
    return marker, data[at + 4 : end], end


def png_chunks(data: bytes, *, verify: bool = True) -> Iterator[tuple[bytes, int, int]]:
    """Walk a PNG up to its IEND and yield type, start and end of each chunk's body.

    Args:
        data: the file.
        verify: whether to check the checksums; once is enough.

    Raises:
        ScanError: a chunk is cut off or damaged, or there is no IEND.
    """
    view = memoryview(data)
    at = len(PNG_MAGIC)
    while True:
        if at + 12 > len(data):
            raise ScanError(f"the PNG is cut off: {len(data):,} bytes and no IEND chunk; copy the file again")
        (length,) = struct.unpack_from(">I", data, at)
        name, start, end = data[at + 4 : at + 8], at + 8, at + 8 + length
        called = name.decode("latin-1")
        if end + 4 > len(data):
            raise ScanError(
                f"the PNG is cut off: its {called!r} chunk ends at byte {end + 4:,} of {len(data):,}; "
                "copy the file again"
            )
        if verify and zlib.crc32(view[at + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise ScanError(f"the PNG is damaged: the checksum of {called!r} is wrong; copy the file again")
        yield name, start, end
        if name == b"IEND":
            return
        at = end + 4


def png_header(data: bytes) -> ImageHeader:
    """Read the header of a PNG (ISO/IEC 15948) and check every chunk of it.

    Raises:
        ScanError: truncated, damaged, animated, or 16-bit colour.
    """
    header = data[8:33]
    if len(header) < 25 or header[:8] != b"\0\0\0\rIHDR":
        raise ScanError("the PNG has no whole IHDR chunk at its start; copy the file again")
    width, height, bits, colour_type = struct.unpack(">IIBB", header[8:18])
    _demand_size("PNG", width, height)
    if colour_type not in (0, 2, 3, 4, 6):
        raise ScanError(f"the PNG has the colour type {colour_type}; expected 0, 2, 3, 4 or 6; save it again")
    if bits == 16 and colour_type != 0:
        raise ScanError(
            "the PNG has 16-bit colour or alpha; expected 16-bit grey or 8-bit colour; save it so"
        )
    transparent, orientation, has_data = colour_type in (4, 6), 1, False
    for name, start, end in png_chunks(data):
        if name == b"IDAT":
            has_data = True
        elif name == b"acTL":
            raise ScanError("the PNG is an animation; expected one image; save the frame that counts")
        elif name == b"tRNS" and colour_type in (2, 3):
            transparent = True
        elif name == b"eXIf":
            orientation = exif_orientation(data[start:end])
    if not has_data:
        raise ScanError("the PNG has no image data (no IDAT chunk); save it again")
    colour = colour_type in (2, 3, 6)
    return ImageHeader("PNG", width, height, 16 if bits == 16 else 8, colour, transparent, orientation)


def webp_header(data: bytes) -> ImageHeader:
    """Read the header of a WebP (RFC 9649) and check the sizes of its container and chunks.

    Raises:
        ScanError: truncated, damaged or animated.
    """
    if len(data) < 20:
        raise ScanError(f"the WebP is cut off after {len(data)} bytes; copy the file again")
    total = 8 + int.from_bytes(data[4:8], "little")
    if total > len(data):
        raise ScanError(f"the WebP is cut off: {len(data):,} bytes of {total:,}; copy the file again")
    size: tuple[int, int] | None = None
    alpha, orientation, has_frame, at = False, 1, False, 12
    while at + 8 <= total:
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : min(at + 8 + length, at + 8 + 16)]
        if at + 8 + length > total:
            raise ScanError("the WebP is damaged: one of its chunks goes past its end; copy the file again")
        if name == b"VP8X" and length >= 10:
            if body[0] & 0x02:
                raise ScanError("the WebP is an animation; expected one image; save the frame that counts")
            alpha = bool(body[0] & 0x10)
            size = 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
        elif name == b"VP8 " and length >= 10:
            has_frame = True
            width, height = struct.unpack("<HH", body[6:10])
            size = size or (width & 0x3FFF, height & 0x3FFF)
        elif name == b"VP8L" and length >= 5:
            has_frame = True
            packed = int.from_bytes(body[1:5], "little")
            alpha = alpha or bool(packed >> 28 & 1)
            size = size or (1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF))
        elif name == b"EXIF":
            orientation = exif_orientation(data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
        at += 8 + length + (length & 1)
    if size is None or not has_frame:
        raise ScanError("the WebP has no image chunk; copy the file again or save it as PNG")
    _demand_size("WebP", *size)
    return ImageHeader("WebP", *size, 8, True, alpha, orientation)


def bmp_header(data: bytes) -> ImageHeader:
    """Read the header of an uncompressed BMP and check that its pixels are all there.

    Raises:
        ScanError: truncated, damaged or compressed.
    """
    if len(data) < 30:
        raise ScanError(f"the BMP is cut off after {len(data)} bytes; copy the file again")
    start, info_size = struct.unpack_from("<II", data, 10)
    if info_size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    elif info_size >= 40 and len(data) >= 34:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
        height = abs(height)  # a negative height only means that rows run from the top
    else:
        raise ScanError(
            f"the BMP has an info header of {info_size} bytes; expected 12 or at least 40; save it as PNG"
        )
    _demand_size("BMP", width, height)
    if bits not in (1, 4, 8, 16, 24, 32) or compression not in (0, 3):
        raise ScanError(
            f"the BMP has {bits} bits a pixel and compression {compression}; expected an uncompressed one "
            "of 1 to 32 bits; save it as PNG"
        )
    end = start + (width * bits + 31) // 32 * 4 * height
    if end > len(data) or start < 14 + info_size:
        raise ScanError(f"the BMP is cut off: {len(data):,} bytes of {end:,}; copy the file again")
    return ImageHeader("BMP", width, height, 8, True, False, 1)


def exif_orientation(exif: bytes) -> int:
    """Return the orientation tag (1 to 8) of an EXIF block, 1 where there is none or the block is damaged."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return 1
    (at,) = struct.unpack_from(order + "I", exif, 4)
    if at + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(order + "H", exif, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, entry)
        if tag == 0x0112 and kind == 3 and 1 <= value <= 8:
            return int(value)
    return 1


def _demand_size(what: str, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ScanError(
            f"the {what} is {width} x {height} pixels; expected at least one pixel; save it again"
        )
