"""Cutting a radiograph into pieces that are flat enough to be averaged and end at edges."""

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]

_DEEPEST = 7.0  # -ln T that is drawn black for the flooding


def superpixels(plane: Plane, side: int = 28, smooth: int = 5) -> Labels:
    """Return labels (H, W) int32 from 0 up, of pieces of about `side` x `side` pixels that follow the edges.

    Every cell of a grid is flooded from its flattest pixel (watershed by flooding, F. Meyer, 1992), so that a cell
    that holds an edge is divided along it.

    Args:
        plane: (H, W) transmission of the more penetrating channel.
        side: of a cell in pixels; 28 gives pieces of about 800.
        smooth: side of the windows that noise is taken out in, 3 or 5 pixels.
    """
    calm = cv2.medianBlur(np.ascontiguousarray(plane), smooth)
    depth = -np.log(np.maximum(calm, np.float32(np.exp(-_DEEPEST))))
    depth = cv2.blur(depth, (3, 3))
    steep = np.abs(cv2.Sobel(depth, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(depth, cv2.CV_32F, 0, 1))
    seeds = _seeds(np.asarray(cv2.blur(steep, (smooth, smooth)), dtype=np.float32), side)
    drawn = np.rint(depth * np.float32(255.0 / _DEEPEST)).astype(np.uint8)
    labels = cv2.watershed(cv2.merge([drawn, drawn, drawn]), seeds)
    # Watershed leaves lines of -1 between pieces, and a frame around the image: they go to the neighbour at hand.
    grown = cv2.dilate(labels.astype(np.float32), np.ones((3, 3), np.uint8))
    return np.where(labels > 0, labels - 1, np.maximum(grown.astype(np.int32) - 1, 0)).astype(np.int32)


def _seeds(calm: Plane, side: int) -> Labels:
    """Return markers (H, W): at each cell's flattest pixel, its number from 1."""
    height, width = calm.shape
    down, across = -(-height // side), -(-width // side)
    missing = ((0, down * side - height), (0, across * side - width))
    cells = np.pad(calm, missing, constant_values=np.inf).reshape(down, side, across, side)
    flattest = cells.transpose(0, 2, 1, 3).reshape(down, across, -1).argmin(axis=2)
    rows = flattest // side + side * np.arange(down)[:, None]
    columns = flattest % side + side * np.arange(across)
    markers = np.zeros((height, width), dtype=np.int32)
    markers[rows, columns] = np.arange(1, flattest.size + 1).reshape(flattest.shape)
    return markers


def sums(labels: Labels, values: npt.NDArray[np.floating] | None = None) -> npt.NDArray[np.float64]:
    """Return the sum of values over each label, or the number of its pixels."""
    weights = None if values is None else values.ravel()
    return np.bincount(labels.ravel(), weights, int(labels.max()) + 1).astype(np.float64)
