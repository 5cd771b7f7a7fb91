"""The scan: one array, what its numbers mean, and where it came from."""

import hashlib
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

Kind = Literal["pseudocolour", "display_grey", "transmission"]
Subject = Literal["baggage", "cargo", "unknown"]
Polarity = Literal["air_bright", "air_dark"]

MOST_HALVINGS = 3
"""A JPEG's blocks have 8 x 8 pixels: one is left of each."""


@dataclass(frozen=True, eq=False)
class Scan:
    """One X-ray image.

    Attributes:
        pixels: by `kind`: `pseudocolour` uint8 (H, W, 3) RGB; `display_grey` uint8 (H, W), tone-mapped by a
            vendor, so that no areal density or material is ever computed from it; `transmission` float32
            (H, W, C) in [0, 1], C = 1 or 2, 1 = air, channel 0 the more penetrating (higher) energy. Kept as
            a read-only view.
        kind: what the numbers are.
        subject: what was scanned; it comes from the caller, never from the pixels.
        path: of the source file, None for a scan made in memory.
        sha256: of the file's bytes (64 hex digits); of the pixels for a scan made in memory.
        pixel_pitch_mm: (x, y) size of a pixel, None when unknown.
        energies_mv: one for each channel of a transmission scan, None when unknown.
        polarity: of the source: `air_bright` or `air_dark`. Transmission pixels are always air bright; an
            8-bit scan is kept as it came.
        air_level: counts in air of the more penetrating channel, as given or as the reader found it; after inversion of
            a source with dark air. None of what did not come as counts.
        polarity_given: whether the caller said the polarity, so that nobody looks for another.
        halved: how often the image was halved while it was decoded, 0 to `MOST_HALVINGS`: `pixels` have a half, a
            quarter or an eighth of the scan's width and height, an odd last row or column dropped. Only 8-bit scans.
        full_size: (width, height) of the scan where it was halved, None otherwise.
        assumptions: what the reader had to assume, one sentence each.
        markings: bool (H, W), pixels over which a vendor's console burnt coloured lines and captions; None when
            there are none. Read-only.
    """

    pixels: npt.NDArray[Any]
    kind: Kind
    subject: Subject
    path: str | None
    sha256: str
    pixel_pitch_mm: tuple[float, float] | None = None
    energies_mv: tuple[float, ...] | None = None
    polarity: Polarity = "air_bright"
    halved: int = 0
    full_size: tuple[int, int] | None = None
    assumptions: tuple[str, ...] = ()
    markings: npt.NDArray[np.bool_] | None = None
    polarity_given: bool = False
    air_level: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"a scan's kind is {self.kind!r}; expected one of {', '.join(get_args(Kind))}")
        if self.subject not in get_args(Subject):
            raise ValueError(
                f"a scan's subject is {self.subject!r}; expected one of {', '.join(get_args(Subject))}"
            )
        if self.polarity not in get_args(Polarity):
            raise ValueError(f"a scan's polarity is {self.polarity!r}; expected air_bright or air_dark")
        if len(self.sha256) != 64:
            raise ValueError(f"a scan's sha256 is {self.sha256!r}; expected 64 hex digits")
        if self.pixel_pitch_mm is not None and not all(
            math.isfinite(pitch) and pitch > 0.0 for pitch in self.pixel_pitch_mm
        ):
            raise ValueError(
                f"a scan's pixel pitch is {self.pixel_pitch_mm}; expected two positive numbers in mm"
            )
        if self.air_level is not None and not (math.isfinite(self.air_level) and self.air_level > 0.0):
            raise ValueError(f"a scan's air level is {self.air_level}; expected counts above 0, or None")
        _check_pixels(self.pixels, self.kind)
        self._check_halved()
        if self.energies_mv is not None and (
            self.kind != "transmission" or len(self.energies_mv) != self.pixels.shape[2]
        ):
            raise ValueError(
                f"a {self.kind} scan of shape {self.pixels.shape} has the energies {self.energies_mv}; "
                "expected one for each channel of a transmission scan"
            )
        object.__setattr__(self, "pixels", _read_only(self.pixels))
        if self.markings is not None:
            _check_markings(self.markings, self.pixels.shape)
            object.__setattr__(self, "markings", _read_only(self.markings))

    @classmethod
    def in_memory(cls, pixels: npt.NDArray[Any], *, kind: Kind, subject: Subject) -> "Scan":
        """Return a scan of an array that comes from no file; its sha256 is that of the array's bytes."""
        digest = hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()
        return cls(pixels, kind, subject, None, digest)

    @property
    def width(self) -> int:
        """Width of the scan in pixels, that of the file, also where it was decoded at reduced size."""
        return int(self.pixels.shape[1]) if self.full_size is None else self.full_size[0]

    @property
    def height(self) -> int:
        """Height of the scan in pixels, that of the file, also where it was decoded at reduced size."""
        return int(self.pixels.shape[0]) if self.full_size is None else self.full_size[1]

    @property
    def decode_scale(self) -> float:
        """Decoded pixels per pixel of the file along a side: 1, 0.5, 0.25 or 0.125."""
        return 1.0 / (1 << self.halved)

    def _check_halved(self) -> None:
        if not 0 <= self.halved <= MOST_HALVINGS or (self.halved > 0) != (self.full_size is not None):
            raise ValueError(
                f"a scan was halved {self.halved} times and has the full size {self.full_size}; expected 0 to "
                f"{MOST_HALVINGS} times, and a full size where it was halved"
            )
        if self.full_size is None:
            return
        due = (self.full_size[1] >> self.halved, self.full_size[0] >> self.halved)
        if self.pixels.shape[:2] != due or self.kind == "transmission" or self.markings is not None:
            raise ValueError(
                f"a {self.kind} scan of {self.full_size[0]} x {self.full_size[1]}, halved {self.halved} times, has "
                f"pixels {self.pixels.shape}; expected an 8-bit one without markings of {due[1]} x {due[0]}"
            )


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def _check_markings(markings: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> None:
    if markings.dtype != np.bool_ or markings.shape != shape[:2]:
        raise ValueError(
            f"the markings of a scan are {markings.dtype} {markings.shape}; expected bool {shape[:2]}, as its pixels"
        )


def _check_pixels(pixels: npt.NDArray[Any], kind: Kind) -> None:
    shape = pixels.shape
    if kind == "pseudocolour":
        fits, expected = pixels.dtype == np.uint8 and len(shape) == 3 and shape[2] == 3, "uint8 (H, W, 3)"
    elif kind == "display_grey":
        fits, expected = pixels.dtype == np.uint8 and len(shape) == 2, "uint8 (H, W)"
    else:
        fits = pixels.dtype == np.float32 and len(shape) == 3 and shape[2] in (1, 2)
        expected = "float32 (H, W, 1 or 2)"
    if not fits:
        raise ValueError(f"the pixels of a {kind} scan are {pixels.dtype} {shape}; expected {expected}")
    if pixels.size == 0:
        raise ValueError(f"the pixels of a scan have shape {shape}; expected at least one pixel")
    if kind == "transmission":
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0.0 and high <= 1.0):  # also false for NaN
            raise ValueError(
                f"transmission spans {low} to {high}; expected [0, 1] with 1 for air (divide raw counts "
                "by the air level)"
            )
