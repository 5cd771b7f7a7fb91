"""The geometry of a letterbox: which shape a scan gets, how large it is inside, how often it may be halved before.

Pure numbers, so that the reader, which decodes a JPEG no larger than needed, and `preprocess` agree on them.
"""

Shape = tuple[int, int]
"""(height, width) in pixels."""


def choose_shape(width: int, height: int, shapes: tuple[Shape, ...]) -> Shape:
    """Return the (height, width) of `shapes` that shows a scan largest, of equals the smallest.

    Args:
        width: of the scan in pixels.
        height: of the scan in pixels.
        shapes: (height, width) pairs, at least one.
    """
    return min(shapes, key=lambda shape: (-_scale(width, height, shape), shape[0] * shape[1]))


def size_inside(width: int, height: int, shape: Shape) -> tuple[int, int]:
    """Return the (width, height) of a scan inside the letterbox, at least one pixel each way."""
    scale = _scale(width, height, shape)
    inner_width = min(shape[1], max(1, round(width * scale)))
    inner_height = min(shape[0], max(1, round(height * scale)))
    return inner_width, inner_height


def halvings(width: int, height: int, inner_width: int, inner_height: int) -> int:
    """Return how often a scan can be halved, an odd last row or column dropped, and stay at least as large as wanted.

    Args:
        width: of the scan in pixels.
        height: of the scan in pixels.
        inner_width: wanted, in pixels.
        inner_height: wanted, in pixels.
    """
    count = 0
    while width >> count >= 2 * inner_width and height >> count >= 2 * inner_height:
        count += 1
    return count


def halvings_for(width: int, height: int, shapes: tuple[Shape, ...]) -> int:
    """Return how often a scan is halved on its way into the best-fitting of `shapes`."""
    return halvings(width, height, *size_inside(width, height, choose_shape(width, height, shapes)))


def _scale(width: int, height: int, shape: Shape) -> float:
    return min(shape[1] / width, shape[0] / height)
