"""From a scan to the network's input, and back: the only code that does either.

Training, evaluation and every inspection call `preprocess`, so that there is one road to the numbers a
network sees. By the model's contract the scan is letterboxed: scaled by one factor, centred, the rest padded
with `pad_value` (1.0 is air); or it is covered by tiles at its own scale (see `tiles`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.letterbox import choose_shape, halvings, halvings_for, size_inside
from cargosight_inference.scans.pseudocolour import pseudocolour
from cargosight_inference.scans.scan import Scan
from cargosight_inference.tiles import TileGrid, tile_grid
from cargosight_models.contract import InputContract
from cargosight_models.errors import ScanError
from cargosight_models.geometry import Affine, FloatArray, clip_boxes

if TYPE_CHECKING:
    from cargosight_inference.scans.radiograph import Radiograph

Pixels = npt.NDArray[Any]


class Tiles(Protocol):
    """What a network reads of one scan: an array (T, C, H, W), or tiles that are laid out when asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, C, H, W)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32."""
        ...

    def __getitem__(self, tile: int, /) -> FloatArray:
        """Return (C, H, W) float32 in [0, 1], C-contiguous."""
        ...


@dataclass(frozen=True, eq=False)
class CutTiles:
    """Tiles of a scan at its own scale; each is laid out anew whenever it is asked for, and held by nobody here.

    A scan of 4,000 x 1,200 pixels has 33 tiles of 512 x 512, which take 104 MB together and 3 MB one by one.

    Attributes:
        planes: (H, W) each, one for every channel.
        grid: where the tiles lie.
        pad_value: of what lies beyond the scan.
    """

    planes: tuple[Pixels, ...]
    grid: TileGrid
    pad_value: float

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, C, H, W)."""
        return len(self.grid.origins), len(self.planes), self.grid.height, self.grid.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32."""
        return np.dtype(np.float32)

    def __getitem__(self, tile: int, /) -> FloatArray:
        """Return (C, H, W) float32 in [0, 1], C-contiguous."""
        left, top = self.grid.origins[tile]
        laid = np.empty(self.shape[1:], dtype=np.float32)
        for plane, channel in zip(self.planes, laid, strict=True):
            part = plane[top : top + self.grid.height, left : left + self.grid.width]
            _fill(channel[: part.shape[0], : part.shape[1]], part)
            channel[part.shape[0] :] = self.pad_value
            channel[: part.shape[0], part.shape[1] :] = self.pad_value
        return laid


@dataclass(frozen=True, eq=False)
class NetworkInput:
    """What a network reads of one scan, and the geometry that undoes it.

    Attributes:
        tiles: T tiles, or one letterbox, float32 (C, H, W) each.
        views: for each of them the map from scan pixels to its pixels, both in pixel-edge coordinates.
        scan_width: in pixels.
        scan_height: in pixels.
    """

    tiles: Tiles
    views: tuple[Affine, ...]
    scan_width: int
    scan_height: int

    def __post_init__(self) -> None:
        shape, dtype = self.tiles.shape, self.tiles.dtype
        if dtype != np.float32 or len(shape) != 4 or shape[0] != len(self.views):
            raise ValueError(
                f"network input is {dtype} {shape} with {len(self.views)} views; expected float32 (T, C, H, W) and "
                "T views"
            )

    @property
    def tensor(self) -> FloatArray:
        """All of it at once, (T, C, H, W) C-contiguous."""
        if isinstance(self.tiles, np.ndarray):
            return self.tiles
        return np.stack([self.tiles[tile] for tile in range(len(self.views))])

    @property
    def to_input(self) -> Affine:
        """The map from scan pixels to the pixels of the first tile, or of the letterbox."""
        return self.views[0]

    def window(self, tile: int) -> tuple[float, float, float, float]:
        """Return x1, y1, x2, y2 of a tile in scan pixels; it may reach beyond the scan."""
        height, width = self.tiles.shape[2:]
        corners = np.array([[0.0, 0.0, width, height]], dtype=np.float32)
        x1, y1, x2, y2 = self.views[tile].inverse().boxes(corners)[0].tolist()
        return x1, y1, x2, y2

    def boxes_to_scan(self, boxes: FloatArray, tile: int = 0) -> FloatArray:
        """Map boxes (N, 4) from a tile's pixels to scan pixels, clipped to the scan.

        A box that lies wholly in the padding becomes empty (area 0).
        """
        return clip_boxes(self.views[tile].inverse().boxes(boxes), self.scan_width, self.scan_height)


def preprocess(scan: Scan, contract: InputContract, radiograph: "Radiograph | None" = None) -> NetworkInput:
    """Bring a scan to a model's input: letterboxed into the best-fitting shape, or cut into tiles.

    A letterboxed scan is resized in its own dtype: halved by 2 x 2 means while it is at least twice too large, then
    brought to size bilinearly. That is as free of aliasing as area averaging at a tenth of its cost. A scan that was
    decoded at a half, a quarter or an eighth has had as many of the halvings already. Only then does it become float32
    (uint8 divided by 255). An air-dark grey scan is inverted, grey is replicated to three channels, two-energy
    transmission is rendered in pseudo-colour for a model that reads colour. A model of radiographs gets the plane of
    the `Radiograph`, in which air is 1 and no line is burnt in.

    Args:
        scan: to be inspected.
        contract: of the model's input.
        radiograph: of this scan where it was made already.

    Raises:
        ScanError: the model reads transmission and the scan has none, or too few energies; or the model reads tiles, or
            more pixels, and the scan was decoded at reduced size.
        UsageError: the model reads radiographs and the scan is none of cargo.
    """
    wanted = 0 if contract.resize == "tiles" else halvings_for(scan.width, scan.height, contract.shapes)
    if scan.halved > wanted:
        raise ScanError(
            f"the scan was decoded at {scan.decode_scale:g} of its size and the network reads "
            f"{1 / (1 << wanted):g} of it; read it again without `letterboxes`, or with those of this model"
        )
    if contract.resize == "tiles":
        return _tiled(scan, contract, radiograph)
    return _letterboxed(scan, contract)


def _tiled(scan: Scan, contract: InputContract, radiograph: "Radiograph | None") -> NetworkInput:
    grid = tile_grid(scan.width, scan.height, contract.shapes, contract.overlap)
    if contract.colour == "radiograph":
        from cargosight_inference.scans.radiograph import radiograph_of  # not at the start of a model of bags

        planes = _radiograph_planes(radiograph or radiograph_of(scan))
    else:
        planes = _planes(scan, scan.pixels, contract)
    views = tuple(Affine.translation(-float(left), -float(top)) for left, top in grid.origins)
    return NetworkInput(CutTiles(planes, grid, contract.pad_value), views, scan.width, scan.height)


def _letterboxed(scan: Scan, contract: InputContract) -> NetworkInput:
    height, width = choose_shape(scan.width, scan.height, contract.shapes)
    inner_width, inner_height = size_inside(scan.width, scan.height, (height, width))
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    resized, covered_width, covered_height = _resize(scan.pixels, inner_width, inner_height)
    covered_width, covered_height = covered_width << scan.halved, covered_height << scan.halved
    planes = _planes(scan, resized, contract)

    tensor = np.empty((1, contract.channels, height, width), dtype=np.float32)
    inside = (slice(top, top + inner_height), slice(left, left + inner_width))
    _pad_borders(tensor, inside, contract.pad_value)
    for channel, plane in enumerate(planes):
        _fill(tensor[0, channel][inside], plane)
    to_input = Affine(
        np.array([[inner_width / covered_width, 0.0, left], [0.0, inner_height / covered_height, top]])
    )
    return NetworkInput(tensor, (to_input,), scan.width, scan.height)


def _fill(target: FloatArray, plane: Pixels) -> None:
    if plane.dtype == np.uint8:
        np.divide(plane, np.float32(255.0), out=target)
    else:
        np.copyto(target, plane)


def _resize(pixels: Pixels, width: int, height: int) -> tuple[Pixels, int, int]:
    """Resize `pixels` (H, W[, C]); also return the width and height in source pixels that the result covers.

    Halving drops an odd last row or column, always less than one pixel of the result; the covered size says
    so, and the affine map is exact.
    """
    count = halvings(pixels.shape[1], pixels.shape[0], width, height)
    for _ in range(count):
        half_width, half_height = pixels.shape[1] // 2, pixels.shape[0] // 2
        even = pixels[: 2 * half_height, : 2 * half_width]
        pixels = _with_channels(
            cv2.resize(even, (half_width, half_height), interpolation=cv2.INTER_AREA), pixels.ndim
        )
    covered_width, covered_height = pixels.shape[1] << count, pixels.shape[0] << count
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


def _radiograph_planes(radiograph: "Radiograph") -> tuple[Pixels, ...]:
    """Both energies, the one there is twice, and a plane that says which of the two cases it is."""
    plane = radiograph.plane
    single = np.broadcast_to(np.float32(plane.shape[2] == 1), plane.shape[:2])
    return plane[:, :, 0], plane[:, :, -1], single


def _air_bright(scan: Scan, pixels: Pixels) -> Pixels:
    return np.invert(pixels) if scan.polarity == "air_dark" else pixels


def _pad_borders(tensor: FloatArray, inside: tuple[slice, slice], value: float) -> None:
    """Fill what lies outside of `inside`; the inside is written once, by the caller."""
    rows, columns = inside
    tensor[:, :, : rows.start] = value
    tensor[:, :, rows.stop :] = value
    tensor[:, :, rows, : columns.start] = value
    tensor[:, :, rows, columns.stop :] = value
