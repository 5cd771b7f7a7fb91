"""One unit vector a scan, from what the network says of each of its tiles."""

from typing import Any

import numpy as np
import numpy.typing as npt

from cargosight_inference.preprocess import NetworkInput
from cargosight_models.errors import ContractError
from cargosight_models.geometry import FloatArray

Box = tuple[float, float, float, float]


def scan_embedding(tiles: npt.NDArray[Any], network_input: NetworkInput, box: Box | None) -> FloatArray:
    """Pool the embeddings of tiles into one of the scan: their mean, by how much of the cargo box each tile shows.

    Args:
        tiles: (T, D), of each tile.
        network_input: what the network was given.
        box: x1, y1, x2, y2 of the cargo box in scan pixels; None for the whole scan.

    Returns:
        float32 (D,) of length 1.

    Raises:
        ContractError: embeddings of another shape, or numbers that are not finite or all 0.
    """
    count = len(network_input.views)
    if tiles.ndim != 2 or len(tiles) != count:
        raise ContractError(
            f"the model gave embeddings {tiles.shape}; expected ({count}, D); export it again"
        )
    whole = (0.0, 0.0, float(network_input.scan_width), float(network_input.scan_height))
    weights = _overlaps(network_input, box or whole)
    if weights.sum() == 0.0:  # a box of no area
        weights = _overlaps(network_input, whole)
    pooled = weights @ tiles.astype(np.float64) / weights.sum()
    length = float(np.linalg.norm(pooled))
    if not (np.isfinite(length) and length > 0.0):
        raise ContractError(
            f"the model gave an embedding of length {length}; expected a finite one above 0; export it again"
        )
    unit: FloatArray = (pooled / length).astype(np.float32)
    return unit


def _overlaps(network_input: NetworkInput, box: Box) -> npt.NDArray[np.float64]:
    """Square pixels of the scan that each tile has in common with a box."""
    found = np.empty(len(network_input.views))
    for tile in range(len(found)):
        left, top, right, bottom = network_input.window(tile)
        across = min(right, box[2]) - max(left, box[0])
        down = min(bottom, box[3]) - max(top, box[1])
        found[tile] = max(0.0, across) * max(0.0, down)
    return found
