"""From the maps of single tiles to one map of how unlike normal cargo each place of a scan is."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.findings import ANOMALY, Findings
from cargosight_inference.preprocess import NetworkInput
from cargosight_inference.tiles import CELL
from cargosight_models.errors import ContractError

_MOST = 20
"""Anomalies reported of one scan: who has to look at more looks at the map."""

Cells = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class AnomalyMap:
    """How unlike normal cargo the cells of a scan are.

    Attributes:
        cells: float32 (ceil(H / 8), ceil(W / 8)) in [0, 1], each of 8 x 8 scan pixels from the upper left corner on.
        width: of the scan in pixels.
        height: of the scan in pixels.
    """

    cells: Cells
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.cells.dtype != np.float32 or self.cells.ndim != 2 or self.cells.size == 0:
            raise ValueError(
                f"an anomaly map is {self.cells.dtype} {self.cells.shape}; expected float32 (h, w)"
            )
        if not (self.cells.min() >= 0.0 and self.cells.max() <= 1.0):  # also false for NaN
            raise ValueError(
                f"an anomaly map spans {self.cells.min()} to {self.cells.max()}; expected numbers in [0, 1]"
            )


def join_maps(maps: npt.NDArray[np.float32], network_input: NetworkInput) -> AnomalyMap:
    """Join the maps of tiles, where they overlap by a mean that trusts the middle of a tile more than its edge.

    Args:
        maps: (T, 1, h, w) in [0, 1], cells of 8 pixels of each tile.
        network_input: what the network was given, in tiles.

    Raises:
        ContractError: maps of another shape, or numbers outside [0, 1].
    """
    tiles, _, height, width = network_input.tiles.shape
    if maps.shape != (tiles, 1, height // CELL, width // CELL):
        raise ContractError(
            f"the model gave anomaly maps {maps.shape}; expected {(tiles, 1, height // CELL, width // CELL)}; export "
            "it again"
        )
    if not (maps.min() >= 0.0 and maps.max() <= 1.0):  # also false for NaN
        raise ContractError(
            f"the model gave anomaly maps from {maps.min()} to {maps.max()}; expected [0, 1]; export it again"
        )
    rows, columns = -(-network_input.scan_height // CELL), -(-network_input.scan_width // CELL)
    total = np.zeros((rows, columns), dtype=np.float32)
    trust = np.zeros((rows, columns), dtype=np.float32)
    weight = np.outer(_tent(maps.shape[2]), _tent(maps.shape[3]))
    for tile in range(tiles):
        left, top, _, _ = (round(edge / CELL) for edge in network_input.window(tile))
        down, across = min(maps.shape[2], rows - top), min(maps.shape[3], columns - left)
        place = (slice(top, top + down), slice(left, left + across))
        total[place] += maps[tile, 0, :down, :across] * weight[:down, :across]
        trust[place] += weight[:down, :across]
    cells = np.clip(total / trust, np.float32(0.0), np.float32(1.0))
    return AnomalyMap(cells, network_input.scan_width, network_input.scan_height)


def with_anomalies(findings: Findings, found: AnomalyMap, threshold: float) -> Findings:
    """Return known findings together with the regions of a map that reach a threshold, by falling score.

    Cells that touch are one region, which scores what its most unusual cell does. One whose middle lies in a known
    finding is that finding.

    Args:
        findings: of known items.
        found: of the same scan.
        threshold: in [0, 1].
    """
    count, labels, stats, middles = cv2.connectedComponentsWithStats(
        (found.cells >= np.float32(threshold)).astype(np.uint8), connectivity=8
    )
    rows = []
    for region in range(1, count):
        middle = (middles[region] + 0.5) * CELL
        if ((findings.boxes[:, :2] <= middle) & (middle <= findings.boxes[:, 2:])).all(axis=1).any():
            continue
        left, top, across, down = (int(value) * CELL for value in stats[region][:4])
        box = (left, top, min(left + across, found.width), min(top + down, found.height))
        rows.append((float(found.cells[labels == region].max()), box))
    rows = sorted(rows, reverse=True)[:_MOST]
    return findings.joined(ANOMALY, [box for _, box in rows], [score for score, _ in rows])


def _tent(length: int) -> Cells:
    """Rises from the edge to the middle and falls again, above 0 everywhere."""
    place = np.arange(length, dtype=np.float32) + np.float32(0.5)
    tent: Cells = np.minimum(place, np.float32(length) - place)
    return tent
