"""Square blocks of a scan's pixels, in which large scans are read where nothing finer is needed."""

import cv2
import numpy as np
import numpy.typing as npt


def expanded(cells: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """Return the blocks (h, w) of a reduced radiograph as pixels (height, width) of its scan; the last are repeated."""
    factor = max(1, height // cells.shape[0])
    if factor == 1:
        return cells
    size = (cells.shape[1] * factor, cells.shape[0] * factor)
    whole = cv2.resize(cells, size, interpolation=cv2.INTER_NEAREST)
    missing = (0, height - size[1], 0, width - size[0])
    return np.asarray(cv2.copyMakeBorder(whole, *missing, cv2.BORDER_REPLICATE), dtype=np.uint8)
