"""What one pass of a network gives the candidates: the map of its own head, and patches at stride 16.

A patch is a column of what the network says of a place of 16 x 16 pixels: the neck's maps at strides 16 and 8 (the
finer one averaged), and the backbone's, averaged over 3 x 3 places so that a patch knows its surroundings (Roth et
al., "Towards total recall in industrial anomaly detection", CVPR 2022).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from cargosight_inference.preprocess import preprocess
from cargosight_inference.scans.scan import Scan
from cargosight_inference.tiles import CELL
from cargosight_models.contract import InputContract
from cargosight_models.errors import ConfigurationError
from cargosight_models.geometry import BoolArray, FloatArray
from cargosight_models.networks.backbones import Backbone
from cargosight_models.networks.detector import Detector
from cargosight_training.augmentation.sample import whole
from cargosight_training.augmentation.threats import SignatureBank, ThreatInsertion
from cargosight_training.config import InsertConfig
from cargosight_training.datasets.cache import read_record
from cargosight_training.datasets.records import ImageRecord
from cargosight_training.trainer.checkpoint import load_detector

Halves = npt.NDArray[np.float16]

PATCH = 2 * CELL
WINDOW = 512
"""Side of the windows of training scans, and of the tile that times are given for."""
_WINDOWS_A_SCAN = 2
_SEEN, _CHANGED = 224, 112
"""Pixels around a threat that a network is shown, and of those the ones whose map is taken over: farther off it hardly
changes, and near the edge of the window it would be another's."""
_ODD_SHAPES = 2.0
"""Mean number in a window: so many that a regression sees them."""


@dataclass(frozen=True, eq=False)
class Features:
    """One pass.

    Attributes:
        head: float32 (h, w), logits of the network's own map, cells of 8 pixels.
        neck: float16 (h16, w16, N), of the neck at strides 16 and 8.
        backbone: float16 (h16, w16, B), of the backbone at strides 16 and 8.
    """

    head: FloatArray
    neck: Halves
    backbone: Halves


@dataclass(frozen=True, eq=False)
class Window:
    """A window of a training scan.

    Attributes:
        features: Of the window.
        usable: bool (h16, w16), patches of normal cargo or of something odd: no annotated item, nothing beyond the
            scan.
        odd: bool (h16, w16), patches of something odd that was projected.
    """

    features: Features
    usable: BoolArray
    odd: BoolArray


class Pass:
    """A network that was trained, as the source of features.

    Args:
        weights: A checkpoint (its average weights) or a weights file.

    Raises:
        ConfigurationError: No network can be built of it, or it has no map of the unusual.
    """

    def __init__(self, weights: Path) -> None:
        self.detector: Detector = load_detector(weights)[0]
        if self.detector.anomaly is None or self.detector.settings.colour != "radiograph":
            raise ConfigurationError(
                f"the network of {weights} has no map of the unusual of radiographs; train one with model.anomaly=true"
            )

    @torch.inference_mode()
    def pyramid(self, tensor: FloatArray) -> tuple[torch.Tensor, ...]:
        """(1, 3, H, W) in [0, 1], multiples of 32, to the backbone's maps at strides 8 and 16, and the neck's."""
        detector = self.detector
        normed = (detector.tone(torch.from_numpy(tensor)) - detector.mean) / detector.std
        below = cast(Backbone, detector.backbone)(normed)
        above = detector.neck(below)
        return below[0], below[1], above[0], above[1]

    @torch.inference_mode()
    def features(self, tensor: FloatArray) -> Features:
        """(1, 3, H, W) in [0, 1], multiples of 32, to features."""
        below8, below16, above8, above16 = self.pyramid(tensor)
        return Features(self.head(above8), neck_patches(above8, above16), backbone_patches(below8, below16))

    @torch.inference_mode()
    def head(self, above8: torch.Tensor) -> FloatArray:
        """The neck's map at stride 8 to logits (h, w)."""
        assert self.detector.anomaly is not None  # it was checked at the start
        logits: FloatArray = self.detector.anomaly(above8)[0, 0].float().numpy()
        return logits


def neck_patches(above8: torch.Tensor, above16: torch.Tensor) -> Halves:
    """(1, C, h, w) and (1, C, h16, w16) to (h16, w16, 2 C), the coarser one first."""
    return _columns(torch.cat([above16, functional.avg_pool2d(above8, 2)], dim=1))


def backbone_patches(below8: torch.Tensor, below16: torch.Tensor) -> Halves:
    """The same of the backbone, each patch with its surroundings."""
    joined = torch.cat([below16, functional.avg_pool2d(below8, 2)], dim=1)
    return _columns(functional.avg_pool2d(joined, 3, stride=1, padding=1, count_include_pad=False))


def _columns(joined: torch.Tensor) -> Halves:
    columns: Halves = joined[0].permute(1, 2, 0).half().contiguous().numpy()
    return columns


def network_input(scan: Scan) -> FloatArray:
    """A cargo scan as one tile (1, 3, H, W) of multiples of 32, as a network for radiographs reads it."""
    whole_scan = (scan.height + -scan.height % 32, scan.width + -scan.width % 32)
    return preprocess(scan, InputContract(shapes=(whole_scan,), colour="radiograph", resize="tiles")).tensor


def cells_of(scan: Scan) -> tuple[int, int]:
    """Rows and columns of the map of a scan."""
    return -(-scan.height // CELL), -(-scan.width // CELL)


@dataclass(frozen=True)
class Surroundings:
    """The part of a scan that a projection changes, as far as a network sees.

    Attributes:
        rows: Of the window in pixels, multiples of 32.
        columns: Of the window.
        changed_rows: Of cells that are taken over from the window's map, in cells of the scan.
        changed_columns: Of those cells.
    """

    rows: slice
    columns: slice
    changed_rows: slice
    changed_columns: slice

    @staticmethod
    def of(box: tuple[float, float, float, float], cells: tuple[int, int]) -> "Surroundings":
        """Those of a threat's box in scan pixels, of a scan with so many rows and columns of cells."""
        parts = []
        for low, high, count in ((box[1], box[3], cells[0]), (box[0], box[2], cells[1])):
            side = CELL * count
            start = max(0, int(low - _SEEN) // 32 * 32)
            end = min(side + -side % 32, -(-int(high + _SEEN) // 32) * 32)
            parts.append(slice(start, end))
            parts.append(
                slice(max(0, int(low - _CHANGED) // CELL), -(-min(side, int(high + _CHANGED)) // CELL))
            )
        return Surroundings(parts[0], parts[2], parts[1], parts[3])

    def cut(self, tensor: FloatArray) -> FloatArray:
        """The window of an input tensor (1, 3, H, W)."""
        return np.ascontiguousarray(tensor[:, :, self.rows, self.columns])

    def pasted(self, whole_map: FloatArray, window_map: FloatArray) -> FloatArray:
        """The map (h, w) of the clean scan with what the window's map says of the changed cells."""
        made = whole_map.copy()
        top, left = self.rows.start // CELL, self.columns.start // CELL
        down, across = self.changed_rows, self.changed_columns
        made[down, across] = window_map[
            down.start - top : down.stop - top, across.start - left : across.stop - left
        ]
        return made


def training_windows(
    network: Pass, records: Sequence[ImageRecord], *, seed: int
) -> Iterator[tuple[int, Window, Window]]:
    """Windows of training scans: the place of the scan in the list, a window as it is, and with odd shapes projected.

    Args:
        network: Whose features are wanted.
        records: The scans; annotated items are no normal cargo and are left out.
        seed: Of windows and shapes.

    Raises:
        DataSetError: A scan cannot be read.
    """
    odd = ThreatInsertion(
        SignatureBank({}, pitch_mm=(4.0, 6.0), each=1, seed=seed),
        None,
        InsertConfig(known=0.0, odd=_ODD_SHAPES, lookalikes=0.0, nothing=0.0),
    )
    for place, record in enumerate(records):
        rng = np.random.default_rng((seed, place))
        tensor = network_input(read_record(record, "cargo"))
        for _ in range(_WINDOWS_A_SCAN):
            yield (place, *_pair_of_windows(network, record, tensor, odd, rng))


def _pair_of_windows(
    network: Pass,
    record: ImageRecord,
    tensor: FloatArray,
    odd: ThreatInsertion,
    rng: np.random.Generator,
) -> tuple[Window, Window]:
    height, width = (min(WINDOW, side) for side in tensor.shape[2:])
    top, left = (
        PATCH * int(rng.integers((side - size) // PATCH + 1))
        for side, size in zip(tensor.shape[2:], (height, width), strict=True)
    )
    picture = np.ascontiguousarray(tensor[0, :, top : top + height, left : left + width].transpose(1, 2, 0))
    usable = np.zeros((height, width), dtype=np.bool_)
    usable[: record.height - top, : record.width - left] = True
    for x1, y1, x2, y2 in record.annotations.boxes.astype(int).tolist():
        usable[max(0, y1 - top) : max(0, y2 + 1 - top), max(0, x1 - left) : max(0, x2 + 1 - left)] = False
    inside = usable.reshape(height // PATCH, PATCH, width // PATCH, PATCH).all(axis=(1, 3))
    none = np.zeros((0, 4), dtype=np.float32)
    sample = whole(picture, none, np.zeros(0, dtype=np.int64), record.labelled)
    changed = odd.insert(sample, rng)
    assert changed.unusual is not None  # an insertion always says
    by_patch = changed.unusual.reshape(height // PATCH, 2, width // PATCH, 2)
    there, unknown = (by_patch == 1.0).any(axis=(1, 3)), (by_patch < 0.0).any(axis=(1, 3))
    return (
        Window(_features_of(network, picture), inside, np.zeros_like(there)),
        Window(_features_of(network, changed.picture), inside & (there | ~unknown), there),
    )


def _features_of(network: Pass, picture: FloatArray) -> Features:
    return network.features(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))
