"""Decoding by OpenCV, kept silent, strict where OpenCV is lenient, and always in RGB order."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.sniff import ImageHeader, jpeg_header, png_chunks
from cargosight_inference.scans.tiff import JPEG_TABLES, TiffFile, TiffPage
from cargosight_inference.scans.tiff_pieces import demand_whole_pieces
from cargosight_models.errors import ScanError

Pixels = npt.NDArray[Any]

_UPRIGHT_RGB = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
_HALVED_GREY = tuple(
    cv2.IMREAD_IGNORE_ORIENTATION | halved
    for halved in (
        cv2.IMREAD_REDUCED_GRAYSCALE_2,
        cv2.IMREAD_REDUCED_GRAYSCALE_4,
        cv2.IMREAD_REDUCED_GRAYSCALE_8,
    )
)
_HALVED_RGB = tuple(cv2.IMREAD_COLOR_RGB | flags for flags in _HALVED_GREY)  # REDUCED_COLOR means BGR
_PNG_ESSENTIALS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_JPEG_FILL = 128
_JPEG_START = b"\xff\xd8"
_TIFF_JPEG = 7
_PROGRESSIVE, _JPEG_SCAN = b"\xff\xc2", b"\xff\xda"
_LUMA = np.array([0.299, 0.587, 0.114])  # BT.601, which JFIF uses
_ROUNDING = 2.0
_LOGGING: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV up to 4.12 has the two functions at its top
_SILENT = 0
_OPAQUE = 255


class _Quiet:
    """Turns OpenCV's log off while anyone decodes, and back to what it was after the last of them.

    The log level is one for the whole process and several threads decode at once, so they are counted.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._level = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._inside == 0:
                self._level = _LOGGING.getLogLevel()
                _LOGGING.setLogLevel(_SILENT)
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    _LOGGING.setLogLevel(self._level)


_quiet = _Quiet()


def decode_still(data: bytes, header: ImageHeader, *, halved: int = 0) -> tuple[Pixels, bool]:
    """Decode a JPEG, PNG, WebP or BMP whose header was read.

    Args:
        data: the file.
        header: of it.
        halved: of a JPEG, how often its sides are halved, 0 to 3; an odd last row or column is dropped.

    Returns:
        The pixels, uint8 (H, W), uint8 (H, W, 3) RGB or uint16 (H, W), and whether transparency was laid
        over white.

    Raises:
        ScanError: the image data is damaged.
    """
    source = _essential_png(data) if header.format == "PNG" else data
    flags = _UPRIGHT_RGB if header.colour and not header.alpha else cv2.IMREAD_UNCHANGED
    if halved:
        flags = (_HALVED_RGB if header.colour else _HALVED_GREY)[halved - 1]
    pixels = _imdecode(source, flags, header.format)
    width, height = (-(-side // (1 << halved)) for side in (header.width, header.height))
    if pixels.shape[:2] != (height, width):
        raise ScanError(
            f"the {header.format} decodes to {pixels.shape[1]} x {pixels.shape[0]} pixels where its "
            f"header says {width} x {height}; it is damaged, copy the file again"
        )
    if header.format == "JPEG":
        _demand_whole_jpeg(data, pixels, flags)
        # The last of an odd number stands for half as many pixels as the others.
        pixels = pixels[: header.height >> halved, : header.width >> halved]
    return _over_white(pixels) if header.alpha else (pixels, False)


def decode_tiff_page(data: bytes, tiff: TiffFile, page: TiffPage) -> tuple[Pixels, bool]:
    """Decode a page of a TIFF that was parsed.

    Returns:
        What `decode_still` returns. 8-bit grey is turned to bright where small numbers mean white, 16-bit
        counts are not.

    Raises:
        ScanError: the image data is damaged.
    """
    demand_whole_pieces(data, page)
    if page.compression == _TIFF_JPEG:
        _demand_whole_jpeg_pieces(data, page)
    alone = tiff.alone(data, page)
    stored = _imdecode(alone, cv2.IMREAD_UNCHANGED, "TIFF") if page.bits == 16 else _unpack_bytes(alone)
    found = *stored.shape[:2], stored.shape[2] if stored.ndim == 3 else 1, stored.dtype.itemsize * 8
    due = page.height, page.width, page.samples, page.bits
    if found != due:
        raise ScanError(
            f"page {page.index} of the TIFF decodes to {found} (height, width, samples, bits) where {due} is "
            "announced; save the scan again"
        )
    if page.bits == 16:
        return stored, False
    if page.palette is not None:
        return page.palette[stored], False
    if page.alpha == "multiplied":  # what is missing to opaque is white
        missing = _OPAQUE - stored[:, :, 3:]
        return cv2.add(stored[:, :, :3], np.repeat(missing, 3, axis=2)), bool(missing.any())
    if page.alpha == "straight":
        return _blend_with_white(stored)
    return (_OPAQUE - stored if page.zero_is_white else stored), False


def _unpack_bytes(data: bytes | bytearray) -> Pixels:
    """Decode a TIFF of 8-bit samples by Pillow: OpenCV lets pieces that do not unpack pass as black ones."""
    from PIL.TiffImagePlugin import TiffImageFile  # only who reads such a file waits for it

    try:
        with TiffImageFile(io.BytesIO(data)) as image:
            return np.array(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise ScanError(
            f"the TIFF cannot be decoded ({error}): its image data is damaged; copy the file again"
        ) from error


def _demand_whole_jpeg_pieces(data: bytes, page: TiffPage) -> None:
    """Refuse a page one of whose JPEG pieces ends early; the tables of all lie in a tag (TIFF Technical Note 2)."""
    tables = page.tags.get(JPEG_TABLES, np.zeros(0)).astype(np.uint8).tobytes()[:-2] or _JPEG_START
    for offset, length in zip(page.offsets.tolist(), page.lengths.tolist(), strict=True):
        piece = tables + data[offset + len(_JPEG_START) : offset + length]
        jpeg_header(piece)
        _demand_whole_jpeg(piece, _imdecode(piece, _UPRIGHT_RGB, "TIFF"), _UPRIGHT_RGB)


def _imdecode(data: bytes | bytearray, flags: int, what: str) -> Pixels:
    try:
        with _quiet():
            return _present(cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags), what)
    except cv2.error as error:
        raise _damaged(what, error) from error


def _present(pixels: Pixels | None, what: str) -> Pixels:
    if pixels is None:
        raise ScanError(f"the {what} cannot be decoded: its image data is damaged; copy the file again")
    return pixels


def _damaged(what: str, error: cv2.error) -> ScanError:
    return ScanError(f"the {what} cannot be decoded ({error.err or 'no reason given'}); copy the file again")


def _essential_png(data: bytes) -> bytes:
    """Return the PNG without its ancillary chunks: libpng warns of harmless ones straight to stderr."""
    chunks = list(png_chunks(data, verify=False))
    if all(name in _PNG_ESSENTIALS for name, _, _ in chunks):
        return data
    kept = [data[start - 8 : end + 4] for name, start, end in chunks if name in _PNG_ESSENTIALS]
    return b"".join([data[:8], *kept])


def _demand_whole_jpeg(data: bytes, pixels: Pixels, flags: int) -> None:
    """Refuse a JPEG that ends early in spite of an end marker.

    Its decoder fills the missing blocks with mid-grey, the last pixel's brightness with them. Grey may also be in
    the scan, so that is only a suspicion: bytes put in front of the end marker change the image if blocks are
    missing, and nothing otherwise. A progressive JPEG is all there at every stage, only coarser, so it is always
    tried; of one that lacks whole refinements nothing is noticed.
    """
    last = pixels[-1, -1].astype(np.float64)
    luma = float(last @ _LUMA) if pixels.ndim == 3 else float(last)
    if abs(luma - _JPEG_FILL) > _ROUNDING and _PROGRESSIVE not in data[: data.find(_JPEG_SCAN)]:
        return
    end = data.rfind(b"\xff\xd9")
    longer = _imdecode(data[:end] + bytes(range(1, 128)) * 4 + data[end:], flags, "JPEG")
    if not np.array_equal(longer, pixels):
        raise ScanError(
            "the JPEG ends before its image does: blocks are missing; copy the file again from its source"
        )


def _over_white(pixels: Pixels) -> tuple[Pixels, bool]:
    """Lay an image with transparency (H, W, 4) BGRA over white, the colour of air; give RGB."""
    if pixels.ndim != 3 or pixels.shape[2] != 4:  # the file allows for transparency and has none
        return (pixels, False) if pixels.ndim == 2 else (cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), False)
    return _blend_with_white(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA))


def _blend_with_white(rgba: Pixels) -> tuple[Pixels, bool]:
    """Return RGB of (H, W, 4) over white, and whether anything was transparent."""
    rgb, alpha = np.ascontiguousarray(rgba[:, :, :3]), rgba[:, :, 3:].astype(np.uint16)
    if int(alpha.min()) == _OPAQUE:
        return rgb, False
    mixed = (rgb * alpha + _OPAQUE * (_OPAQUE - alpha) + _OPAQUE // 2) // _OPAQUE
    return mixed.astype(np.uint8), True
