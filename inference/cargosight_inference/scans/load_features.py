"""Seven numbers that say how full a cargo box looks, for the load state.

All are taken inside the located box, at about 160 rows between roof and floor, without the posts at its ends, and are
shares, transmissions or logarithms of transmission, so that the size of the picture does not matter.
"""

from types import MappingProxyType

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.container import Container
from cargosight_inference.scans.radiograph import Radiograph

Plane = npt.NDArray[np.float32]
Features = npt.NDArray[np.float64]

FEATURES = MappingProxyType(
    {
        "depth_mean": "mean of -ln T",
        "depth_median": "median of -ln T",
        "depth_upper": "90th percentile of -ln T",
        "dark_share": "share of T below 0.5 times the box's light level",
        "dark_share_low": "the same in the lowest third",
        "shaded_share": "share of T below 0.8 times the light level",
        "texture": "mean steepness of ln T from pixel to pixel, limited",
    }
)
"""What each feature is, in the order of the vector; T is transmission or the grey that stands for it."""

_ROWS = 160
_ENDS, _ROOF, _FLOOR = 0.05, 0.05, 0.05  # shares of the box that are left out: posts, roof rail, floor
_DEEPEST = 0.02  # transmission under which pictures are black in their own ways
_STEEPEST = 0.3
_LEAST_LIGHT = 0.5  # of air: a light level below is no empty room's but a full load's


def load_features(radiograph: Radiograph, container: Container) -> Features | None:
    """Return the features (7,) float64 in the order of `FEATURES`; None where there is no box to look into."""
    room = _room(radiograph, container)
    if room is None:
        return None
    depth = -np.log(np.maximum(room, np.float32(_DEEPEST)))
    light = max(float(np.percentile(room, 90.0)), _LEAST_LIGHT)
    dark = room < 0.5 * light
    third = len(room) // 3
    steep = (
        np.minimum(np.abs(np.diff(depth, axis=1)), _STEEPEST)[1:]
        + np.minimum(np.abs(np.diff(depth, axis=0)), _STEEPEST)[:, 1:]
    )
    return np.array(
        [
            depth.mean(), np.median(depth), np.percentile(depth, 90.0),
            dark.mean(), dark[-third:].mean(), (room < 0.8 * light).mean(), steep.mean(),
        ],
        dtype=np.float64,
    )  # fmt: skip


def _room(radiograph: Radiograph, container: Container) -> Plane | None:
    """Return the inside of the box, upright, (about 160, W) float32, or None where it is too small."""
    x1, y1, x2, y2 = container.box
    width, height = x2 - x1, y2 - y1
    if not container.found or width < 16.0 or height < 16.0:
        return None
    plane, factor = radiograph.reduced.plane[:, :, 0], radiograph.reduced.factor
    x1, y1, x2, y2 = (edge / factor for edge in container.box)
    width, height = x2 - x1, y2 - y1
    scale = _ROWS / height
    size = (max(16, round(width * scale * (1.0 - 2.0 * _ENDS))), round(_ROWS * (1.0 - _ROOF - _FLOOR)))
    left, top = x1 + _ENDS * width, y1 + _ROOF * height
    middle = 0.5 * (x1 + x2)
    shrunk = cv2.blur(plane, (max(1, round(1.0 / scale)), max(1, round(1.0 / scale))))
    matrix = np.array(
        [
            [1.0 / scale, 0.0, left],
            [container.slope / scale, 1.0 / scale, top + container.slope * (left - middle)],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    room = cv2.warpAffine(shrunk, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(room, dtype=np.float32)
