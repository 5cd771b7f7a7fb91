"""Decoding by OpenCV, kept silent, strict where OpenCV is lenient, and always in RGB order."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.sniff import ImageHeader, png_chunks
from cargosight_inference.scans.tiff import TiffFile, TiffPage, check_deflate
from cargosight_models.errors import ScanError

Pixels = npt.NDArray[Any]

_UPRIGHT_RGB = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
_PNG_ESSENTIALS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_JPEG_FILL = 128
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


def decode_still(data: bytes, header: ImageHeader) -> tuple[Pixels, bool]:
    """Decode a JPEG, PNG, WebP or BMP whose header was read.

    Returns:
        The pixels, uint8 (H, W), uint8 (H, W, 3) RGB or uint16 (H, W), and whether transparency was laid
        over white.

    Raises:
        ScanError: the image data is damaged.
    """
    source = _essential_png(data) if header.format == "PNG" else data
    flags = _UPRIGHT_RGB if header.colour and not header.alpha else cv2.IMREAD_UNCHANGED
    pixels = _imdecode(source, flags, header.format)
    if pixels.shape[:2] != (header.height, header.width):
        raise ScanError(
            f"the {header.format} decodes to {pixels.shape[1]} x {pixels.shape[0]} pixels where its "
            f"header says {header.width} x {header.height}; it is damaged, copy the file again"
        )
    if header.format == "JPEG":
        _demand_whole_jpeg(data, pixels, flags)
    return _over_white(pixels) if header.alpha else (pixels, False)


def decode_tiff_pages(data: bytes, tiff: TiffFile, pages: tuple[TiffPage, ...]) -> list[tuple[Pixels, bool]]:
    """Decode some pages of a TIFF that was parsed.

    Returns:
        For each page what `decode_still` returns. 8-bit grey is turned to bright where small numbers mean
        white, 16-bit counts are not.

    Raises:
        ScanError: the image data is damaged.
    """
    for page in pages:
        check_deflate(data, page)
    buffer = np.frombuffer(tiff.upright(data), dtype=np.uint8)
    try:
        with _quiet():
            if tiff.page_count == 1:
                found: list[Pixels] = [_present(cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED), "TIFF")]
            else:
                found = list(cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED)[1])
    except cv2.error as error:
        raise _damaged("TIFF", error) from error
    if len(found) != tiff.page_count:
        raise ScanError(
            f"the TIFF decodes to {len(found)} of its {tiff.page_count} pages; it is damaged, copy the "
            "file again"
        )
    return [_as_announced(found[page.index], page) for page in pages]


def _as_announced(pixels: Pixels, page: TiffPage) -> tuple[Pixels, bool]:
    """Bring a decoded page to RGB order and check it against its directory."""
    channels = 4 if page.alpha else 3 if page.colour else 1
    found = (
        pixels.shape[0],
        pixels.shape[1],
        pixels.shape[2] if pixels.ndim == 3 else 1,
        pixels.dtype.itemsize * 8,
    )
    if found != (page.height, page.width, channels, page.bits):
        raise ScanError(
            f"page {page.index} of the TIFF decodes to {found} (height, width, channels, bits) where "
            f"{(page.height, page.width, channels, page.bits)} is announced; save the scan again"
        )
    if page.alpha:
        # The TIFF decoder hands out colours already multiplied by alpha: what is missing to opaque is white.
        missing = _OPAQUE - pixels[:, :, 3:]
        return np.ascontiguousarray(cv2.add(pixels[:, :, 2::-1], np.repeat(missing, 3, axis=2))), bool(
            missing.any()
        )
    if page.colour:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), False
    return pixels, False


def _imdecode(data: bytes, flags: int, what: str) -> Pixels:
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

    Its decoder fills the missing blocks with mid-grey. Grey may also be in the scan, so a grey last block
    is only a suspicion: bytes put in front of the end marker change the image if blocks are missing, and
    nothing otherwise.
    """
    if not (pixels[-8:, -8:] == _JPEG_FILL).all():
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
    rgb, alpha = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB), pixels[:, :, 3:].astype(np.uint16)
    if int(alpha.min()) == _OPAQUE:
        return rgb, False
    mixed = (rgb * alpha + _OPAQUE * (_OPAQUE - alpha) + _OPAQUE // 2) // _OPAQUE
    return mixed.astype(np.uint8), True
