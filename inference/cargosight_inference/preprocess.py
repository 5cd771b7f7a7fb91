"""From a scan to the network's input, and back: the only code that does either.

Training, evaluation and every inspection call `preprocess`, so that there is one road to the numbers a
network sees. The scan is letterboxed: scaled by one factor, centred, the rest padded with `pad_value` (1.0
is air).
"""

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.pseudocolour import pseudocolour
from cargosight_inference.scans.scan import Scan
from cargosight_models.contract import InputContract
from cargosight_models.errors import ScanError
from cargosight_models.geometry import Affine, FloatArray, clip_boxes

Pixels = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """One input tensor and the geometry that undoes it.

    Attributes:
        tensor: float32 (1, C, H, W), C-contiguous, in [0, 1].
        to_input: maps scan pixels to input pixels, both in pixel-edge coordinates.
        scan_width: in pixels.
        scan_height: in pixels.
    """

    tensor: FloatArray
    to_input: Affine
    scan_width: int
    scan_height: int

    def __post_init__(self) -> None:
        if self.tensor.dtype != np.float32 or self.tensor.ndim != 4 or self.tensor.shape[0] != 1:
            raise ValueError(
                f"an input tensor is {self.tensor.dtype} {self.tensor.shape}; expected float32 (1, C, H, W)"
            )

    def boxes_to_scan(self, boxes: FloatArray) -> FloatArray:
        """Map boxes (N, 4) from input pixels to scan pixels, clipped to the scan.

        A box that lies wholly in the padding becomes empty (area 0).
        """
        return clip_boxes(self.to_input.inverse().boxes(boxes), self.scan_width, self.scan_height)


def choose_shape(width: int, height: int, shapes: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """Return the (height, width) of `shapes` that shows a scan largest, of equals the smallest.

    Args:
        width: of the scan in pixels.
        height: of the scan in pixels.
        shapes: (height, width) pairs, at least one.
    """
    return min(shapes, key=lambda shape: (-_letterbox_scale(width, height, shape), shape[0] * shape[1]))


def preprocess(scan: Scan, contract: InputContract) -> NetworkInput:
    """Letterbox a scan into the best-fitting shape of a model's input.

    The scan is resized in its own dtype: halved by 2 x 2 means while it is at least twice too large, then
    brought to size bilinearly. That is as free of aliasing as area averaging at a tenth of its cost. Only
    then does it become float32 (uint8 divided by 255). An air-dark grey scan is inverted, grey is
    replicated to three channels, two-energy transmission is rendered in pseudo-colour for a model that
    reads colour.

    Raises:
        ScanError: the model reads transmission and the scan has none, or too few energies.
    """
    height, width = choose_shape(scan.width, scan.height, contract.shapes)
    inner_width, inner_height = _letterboxed_size(scan.width, scan.height, (height, width))
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    resized, covered_width, covered_height = _resize(scan.pixels, inner_width, inner_height)
    planes = _planes(scan, resized, contract)

    tensor = np.empty((1, contract.channels, height, width), dtype=np.float32)
    inside = (slice(top, top + inner_height), slice(left, left + inner_width))
    _pad_borders(tensor, inside, contract.pad_value)
    for channel, plane in enumerate(planes):
        target = tensor[0, channel][inside]
        if plane.dtype == np.uint8:
            np.divide(plane, np.float32(255.0), out=target)
        else:
            np.copyto(target, plane)
    to_input = Affine(
        np.array([[inner_width / covered_width, 0.0, left], [0.0, inner_height / covered_height, top]])
    )
    return NetworkInput(tensor, to_input, scan.width, scan.height)


def _letterbox_scale(width: int, height: int, shape: tuple[int, int]) -> float:
    return min(shape[1] / width, shape[0] / height)


def _letterboxed_size(width: int, height: int, shape: tuple[int, int]) -> tuple[int, int]:
    """Return the (width, height) of the scan inside the letterbox, at least one pixel each way."""
    scale = _letterbox_scale(width, height, shape)
    inner_width = min(shape[1], max(1, round(width * scale)))
    inner_height = min(shape[0], max(1, round(height * scale)))
    return inner_width, inner_height


def _resize(pixels: Pixels, width: int, height: int) -> tuple[Pixels, int, int]:
    """Resize `pixels` (H, W[, C]); also return the width and height in source pixels that the result covers.

    Halving drops an odd last row or column, always less than one pixel of the result; the covered size says
    so, and the affine map is exact.
    """
    halvings = 0
    while pixels.shape[1] >= 2 * width and pixels.shape[0] >= 2 * height:
        half_width, half_height = pixels.shape[1] // 2, pixels.shape[0] // 2
        even = pixels[: 2 * half_height, : 2 * half_width]
        pixels = _with_channels(
            cv2.resize(even, (half_width, half_height), interpolation=cv2.INTER_AREA), pixels.ndim
        )
        halvings += 1
    covered_width, covered_height = pixels.shape[1] << halvings, pixels.shape[0] << halvings
    if (pixels.shape[1], pixels.shape[0]) != (width, height):
        resized = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
        pixels = _with_channels(resized, pixels.ndim)
    if pixels.dtype == np.float32:
        # Bilinear weights sum to 1 but for the last digit; transmission must not leave [0, 1].
        pixels = np.clip(pixels, np.float32(0.0), np.float32(1.0))
    return pixels, covered_width, covered_height


def _with_channels(pixels: Pixels, ndim: int) -> Pixels:
    """Put back the channel axis that OpenCV drops from one-channel images."""
    return pixels if pixels.ndim == ndim else pixels[:, :, np.newaxis]


def _planes(scan: Scan, pixels: Pixels, contract: InputContract) -> tuple[Pixels, ...]:
    """Return one (h, w) plane for each input channel: uint8 of 0..255, or float32 in [0, 1]."""
    if contract.colour == "rgb":
        return _colour_planes(scan, pixels)
    if scan.kind == "display_grey" and contract.channels == 1:
        return (_air_bright(scan, pixels),)
    if scan.kind != "transmission" or pixels.shape[2] < contract.channels:
        found = "transmission of one energy" if scan.kind == "transmission" else scan.kind
        wanted = "two energies" if contract.channels == 2 else "one energy"
        raise ScanError(
            f"the scan is {found}, but the model reads transmission of {wanted}; "
            "choose a model for this kind of scan"
        )
    return tuple(pixels[:, :, channel] for channel in range(contract.channels))


def _colour_planes(scan: Scan, pixels: Pixels) -> tuple[Pixels, ...]:
    if scan.kind == "pseudocolour":
        return cast(tuple[Pixels, ...], tuple(cv2.split(pixels)))
    if scan.kind == "display_grey":
        grey = _air_bright(scan, pixels)
        return grey, grey, grey
    if pixels.shape[2] == 2:
        colours = pseudocolour(pixels)
        return tuple(colours[:, :, channel] for channel in range(3))
    return (pixels[:, :, 0],) * 3


def _air_bright(scan: Scan, pixels: Pixels) -> Pixels:
    return np.invert(pixels) if scan.polarity == "air_dark" else pixels


def _pad_borders(tensor: FloatArray, inside: tuple[slice, slice], value: float) -> None:
    """Fill what lies outside of `inside`; the inside is written once, by the caller."""
    rows, columns = inside
    tensor[:, :, : rows.start] = value
    tensor[:, :, rows.stop :] = value
    tensor[:, :, rows, : columns.start] = value
    tensor[:, :, rows, columns.stop :] = value
