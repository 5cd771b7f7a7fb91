"""From a file to a `Scan`.

The content decides which reader is used. In turn: the format by magic number, size and integrity by the
header, the pixel limit, decoding, and what the numbers mean:

- 8-bit grey, and 8-bit colour whose channels are equal, is `display_grey`; other 8-bit colour is
`pseudocolour`. A cargo scan whose only colour is a few thin burnt-in lines is `display_grey` too, with the lines as
its `markings`.
- 16-bit grey is raw detector counts and becomes `transmission`; two 16-bit TIFF pages are two energies.
- `.npy` files hold any of the three; see `npy` for the shapes and dtypes.

Who says into which shapes the network will letterbox the scan gets a JPEG decoded at a half, a quarter or an eighth of
its size where that is still no smaller than the network's picture: its decoder then leaves out work for what nobody
would see. The scan keeps the size of the file. Scans of cargo are always decoded whole, since their load is measured.

EXIF rotation is not applied, so that boxes are in the file's own pixels; the scan's assumptions say when
there was one.
"""

import errno
import hashlib
import math
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.letterbox import Shape, halvings_for
from cargosight_inference.scans.decode import decode_still, decode_tiff_page
from cargosight_inference.scans.markings import burnt_in_lines
from cargosight_inference.scans.npy import npy_array, npy_header
from cargosight_inference.scans.scan import MOST_HALVINGS, Kind, Polarity, Scan, Subject
from cargosight_inference.scans.sniff import (
    SUPPORTED,
    Format,
    bmp_header,
    identify,
    jpeg_header,
    png_header,
    webp_header,
)
from cargosight_inference.scans.tiff import TiffPage, parse_tiff
from cargosight_inference.scans.transmission import counts_to_transmission
from cargosight_models.errors import ScanError, UsageError

_STILLS = {"JPEG": jpeg_header, "PNG": png_header, "WebP": webp_header, "BMP": bmp_header}
_BYTES_PER_PIXEL = 16  # the fattest pixel that is read: two energies in float64
_SPARE_BYTES = 64 << 20
_EQUAL_WITHIN = 8
_COLOURED_SHARE = 0.001
_GRID = 96
_PAGE_ORDER = "page 0 is the more penetrating energy, page 1 the other"
_CHANNEL_ORDER = "channel 0 is the more penetrating energy, channel 1 the other"


LEAST_PITCH_MM, MOST_PITCH_MM = 0.05, 100.0
"""A small part's laboratory scanner and a train's are between them."""


@dataclass(frozen=True)
class ReadOptions:
    """Settings of the readers.

    Attributes:
        subject: what was scanned, told by the caller.
        max_pixels: files of more pixels are refused before they are decoded.
        air_level: counts in air of 16-bit scans, None to estimate it.
        polarity: whether air is bright or dark, None to find out (16-bit) or to take air as bright (8-bit).
        pixel_pitch_mm: (x, y) size of a pixel at the load, None where it is not known; no file is believed in it, since
            most carry the resolution of a screen.
        letterboxes: (height, width) of the shapes of which the network will get one; a JPEG that is no scan of cargo is
            decoded no larger than that needs. None of them: everything is decoded whole.
    """

    subject: Subject = "unknown"
    max_pixels: int = 200_000_000
    air_level: float | None = None
    polarity: Polarity | None = None
    pixel_pitch_mm: tuple[float, float] | None = None
    letterboxes: tuple[Shape, ...] = ()

    def __post_init__(self) -> None:
        if self.subject not in get_args(Subject):
            raise UsageError(
                f"the subject is {self.subject!r}; expected one of {', '.join(get_args(Subject))}"
            )
        if self.max_pixels < 1:
            raise UsageError(f"the pixel limit is {self.max_pixels}; expected 1 or more")
        if self.air_level is not None and not (math.isfinite(self.air_level) and self.air_level >= 1.0):
            raise UsageError(f"the air level is {self.air_level}; expected 1 count or more")
        if self.polarity is not None and self.polarity not in get_args(Polarity):
            raise UsageError(
                f"the polarity is {self.polarity!r}; expected one of {', '.join(get_args(Polarity))}"
            )
        if self.pixel_pitch_mm is not None and not all(
            LEAST_PITCH_MM <= side <= MOST_PITCH_MM for side in self.pixel_pitch_mm
        ):
            raise UsageError(
                f"the pixel pitch is {self.pixel_pitch_mm} mm; expected {LEAST_PITCH_MM:g} to {MOST_PITCH_MM:g} mm at "
                "the load, across and down"
            )


@dataclass(frozen=True, eq=False)
class _Meaning:
    """Decoded pixels, and what they mean."""

    pixels: npt.NDArray[Any]
    kind: Kind
    polarity: Polarity
    assumptions: tuple[str, ...]
    markings: npt.NDArray[np.bool_] | None = None
    air_level: float | None = None
    halved: int = 0
    full_size: tuple[int, int] | None = None


_DEFAULTS = ReadOptions()


def read_scan(path: str | Path, options: ReadOptions = _DEFAULTS) -> Scan:
    """Read a file.

    Args:
        path: of a JPEG, PNG, WebP, BMP, TIFF or .npy file, under any name.
        options: settings of the readers.

    Raises:
        ScanError: the file is missing, no regular file, unreadable, damaged, too large, or of no kind
            that is read. The message does not repeat the path, which is attached as a note.
    """
    try:
        return read_scan_bytes(_read_file(Path(path), options.max_pixels), options, str(path))
    except ScanError as error:
        error.add_note(f"in {path}")
        raise


def read_scan_and_whole(path: str | Path, options: ReadOptions = _DEFAULTS) -> tuple[Scan, Scan]:
    """Read a file once, and return the scan beside the same at full size, such as for an overlay.

    They are one where nothing was decoded at reduced size.

    Raises:
        ScanError: as `read_scan`.
    """
    try:
        data = _read_file(Path(path), options.max_pixels)
        scan = read_scan_bytes(data, options, str(path))
        if scan.halved == 0:
            return scan, scan
        return scan, read_scan_bytes(data, replace(options, letterboxes=()), str(path))
    except ScanError as error:
        error.add_note(f"in {path}")
        raise


def read_scan_bytes(data: bytes, options: ReadOptions = _DEFAULTS, path: str | None = None) -> Scan:
    """Read the bytes of a file; `path` is only recorded.

    Raises:
        ScanError: as `read_scan`.
    """
    format_ = identify(data)
    if format_ == "TIFF":
        meaning = _read_tiff(data, options)
    elif format_ == "npy":
        meaning = _read_npy(data, options)
    else:
        meaning = _read_still(data, format_, options)
    return Scan(
        pixels=meaning.pixels,
        kind=meaning.kind,
        subject=options.subject,
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        polarity=meaning.polarity,
        assumptions=meaning.assumptions,
        markings=meaning.markings,
        polarity_given=options.polarity is not None,
        pixel_pitch_mm=options.pixel_pitch_mm,
        air_level=meaning.air_level,
        halved=meaning.halved,
        full_size=meaning.full_size,
    )


def largest_file(max_pixels: int) -> int:
    """Return how many bytes a file of a scan of so many pixels may have: the fattest pixels, and a long header."""
    return max_pixels * _BYTES_PER_PIXEL + _SPARE_BYTES


def _read_file(path: Path, max_pixels: int) -> bytes:
    """Return a file's bytes; what is no regular file, or too large for the pixel limit, is not opened."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ScanError(_about_folder(path))
        if not stat.S_ISREG(status.st_mode):
            raise ScanError(
                f"the path is no regular file (a pipe, socket or device); expected a file: {SUPPORTED}"
            )
        most = largest_file(max_pixels)
        if status.st_size > most:
            raise ScanError(
                f"the file has {status.st_size:,} bytes; a scan of at most {max_pixels:,} pixels has "
                f"fewer than {most:,}; raise the pixel limit if it is a scan"
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ScanError("there is no such file; check the path") from error
    except OSError as error:
        reason = error.strerror or errno.errorcode.get(error.errno or 0, "unknown reason")
        raise ScanError(f"the file cannot be read ({reason}); check its permissions and the disk") from error
    except ValueError as error:  # a path with a zero byte in it
        raise ScanError(f"the path is malformed ({error}); check it") from error


def _about_folder(path: Path) -> str:
    """Say what is wrong with a folder in the place of a file: that it is one, or that nobody can look into it."""
    try:
        with os.scandir(path):
            return f"the path is a folder; expected a file: {SUPPORTED}"
    except OSError as error:
        return f"the folder cannot be listed ({error.strerror}); check its permissions and the disk"


def _demand_limit(what: str, width: int, height: int, total: int, options: ReadOptions) -> None:
    if total > options.max_pixels:
        raise ScanError(
            f"the {what} has {width} x {height} pixels, {total:,} to decode; the limit is "
            f"{options.max_pixels:,}; raise it if the file is a scan"
        )


def _read_still(data: bytes, format_: Format, options: ReadOptions) -> _Meaning:
    header = _STILLS[format_](data)
    _demand_limit(format_, header.width, header.height, header.width * header.height, options)
    halved = 0
    if format_ == "JPEG" and options.letterboxes and options.subject != "cargo":
        halved = min(MOST_HALVINGS, halvings_for(header.width, header.height, options.letterboxes))
    pixels, laid = decode_still(data, header, halved=halved)
    if pixels.dtype == np.uint16:
        return _from_counts((pixels,), options, _orientation_note(header.orientation))
    meaning = _from_display(pixels, options, header.orientation, transparent=laid)
    return replace(meaning, halved=halved, full_size=(header.width, header.height)) if halved else meaning


def _read_tiff(data: bytes, options: ReadOptions) -> _Meaning:
    tiff = parse_tiff(data)
    first = tiff.pages[0]
    _demand_limit("TIFF", first.width, first.height, tiff.total_pixels, options)
    if len(tiff.pages) > 1 and not _are_two_energies(tiff.pages):
        sizes = ", ".join(f"{page.width} x {page.height} of {page.bits} bits" for page in tiff.pages)
        raise ScanError(
            f"the TIFF has {len(tiff.pages)} pages ({sizes}); expected one image, or two 16-bit grey "
            "pages of one size (two energies); save those alone"
        )
    decoded = [decode_tiff_page(data, tiff, page) for page in tiff.pages]
    if first.bits == 8:
        return _from_display(decoded[0][0], options, first.orientation, transparent=decoded[0][1])
    notes = _orientation_note(first.orientation)
    if len(tiff.pages) == 2:
        notes = (_PAGE_ORDER, *notes)
    return _from_counts(
        tuple(pixels for pixels, _ in decoded), options, notes, zero_is_white=first.zero_is_white
    )


def _are_two_energies(pages: tuple[TiffPage, ...]) -> bool:
    first, second = pages[:2]
    return len(pages) == 2 and first.bits == second.bits == 16 and (first.width, first.height,
    first.orientation) == (
        second.width, second.height, second.orientation,
    )  # fmt: skip


def _read_npy(data: bytes, options: ReadOptions) -> _Meaning:
    header = npy_header(data)
    _demand_limit(".npy file", header.width, header.height, header.width * header.height, options)
    array = npy_array(data, header)
    if array.dtype == np.uint8:
        return _from_display(array, options, 1, transparent=False)
    planes = array[:, :, None] if array.ndim == 2 else array
    notes: tuple[str, ...] = (_CHANNEL_ORDER,) if planes.shape[2] == 2 else ()
    if array.dtype == np.uint16:
        return _from_counts(tuple(np.moveaxis(planes, 2, 0)), options, notes)
    low, high = float(planes.min()), float(planes.max())
    if not (low >= 0.0 and high <= 1.0):  # also false for NaN
        raise ScanError(
            f"the .npy file holds floating-point numbers from {low:g} to {high:g}; expected transmission "
            "in [0, 1] with 1 for air; divide the counts by the air level or save them as uint16"
        )
    notes += ("floating-point numbers are transmission, 1 for air",)
    return _Meaning(planes.astype(np.float32), "transmission", "air_bright", notes)


def _from_counts(
    channels: tuple[npt.NDArray[np.uint16], ...],
    options: ReadOptions,
    notes: tuple[str, ...],
    *,
    zero_is_white: bool = False,
) -> _Meaning:
    found = counts_to_transmission(
        channels,
        air_level=options.air_level,
        polarity=options.polarity,
        zero_is_white=zero_is_white,
        # A bag's scanner sees so many photons that the texture of its contents outweighs their noise.
        by_noise=options.subject != "baggage",
    )
    return _Meaning(
        found.pixels, "transmission", found.polarity, notes + found.assumptions, air_level=found.air_level
    )


def _from_display(
    pixels: npt.NDArray[np.uint8], options: ReadOptions, orientation: int, *, transparent: bool
) -> _Meaning:
    notes = _orientation_note(orientation)
    if transparent:
        notes += ("transparent pixels laid over white",)
    polarity: Polarity = options.polarity or "air_bright"
    if pixels.ndim == 2:
        return _Meaning(pixels, "display_grey", polarity, notes)
    # The lines are looked for first: a few of them slip through the grid by which channels are found equal.
    markings = burnt_in_lines(pixels) if options.subject == "cargo" else None
    if markings is not None:
        notes += (f"burnt-in coloured lines on {markings.mean():.1%} of the pixels; the rest is grey",)
    elif not channels_equal(pixels):
        return _Meaning(pixels, "pseudocolour", polarity, notes)
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    return _Meaning(grey, "display_grey", polarity, notes, markings)


def channels_equal(rgb: npt.NDArray[np.uint8]) -> bool:
    """Return whether an image (H, W, 3) uint8 is grey, judged on a grid of about 96 x 96 of its pixels.

    A pixel is grey when its channels lie within 8 of each other: lossy codecs move them apart by one or
    two, while real pseudo-colour has more than a tenth of its pixels beyond. One coloured sample in a
    thousand is let pass.
    """
    height, width, _ = rgb.shape
    grid = rgb[:: max(1, height // _GRID), :: max(1, width // _GRID)]
    red, green, blue = grid[..., 0], grid[..., 1], grid[..., 2]
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return int(np.count_nonzero(spread > _EQUAL_WITHIN)) <= _COLOURED_SHARE * spread.size


def _orientation_note(orientation: int) -> tuple[str, ...]:
    if orientation == 1:
        return ()
    return (f"the file's orientation tag {orientation} was not applied; boxes are in the file's own pixels",)
