"""Where the labels of an overlay go: beside their item, never on an item or on each other.

Rectangles are (x1, y1, x2, y2) in picture pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rectangle = tuple[float, float, float, float]

_RINGS = 8
"""How many label heights away from its item a label may be before it goes into the margin."""


@dataclass(frozen=True)
class Label:
    """A placed label.

    Attributes:
        rectangle: where it goes; to the right of the picture when `in_margin`.
        detached: whether it is away from its item and needs a line to it.
        in_margin: whether no free place was left in the picture.
    """

    rectangle: Rectangle
    detached: bool = False
    in_margin: bool = False


def place_labels(
    items: npt.NDArray[np.floating],
    sizes: Sequence[tuple[float, float]],
    picture: tuple[float, float],
    gap: float,
) -> list[Label]:
    """Place one label for each item.

    A label goes to the first free place around its item: above, below, beside, then further out. Free means
    inside the picture, on no item and on no label. What finds no place is stacked to the right of the
    picture in the order of the items' heights, level with its item where one column holds all, else in as
    many columns as it takes.

    Args:
        items: (N, 4) rectangles, the most important first.
        sizes: (width, height) of each label.
        picture: (width, height).
        gap: least distance of a label from its item.

    Returns:
        A label for each item, in their order.
    """
    blocked = np.asarray(items, dtype=np.float64).reshape(-1, 4)
    placed: dict[int, Label] = {}
    for index, (item, size) in enumerate(zip(blocked[: len(sizes)].copy(), sizes, strict=True)):
        for ring, rectangle in _places(item, size, gap):
            if _is_inside(rectangle, picture) and not _overlaps(rectangle, blocked):
                placed[index] = Label(rectangle, detached=ring > 0)
                blocked = np.vstack([blocked, rectangle])
                break
    homeless = [index for index in range(len(sizes)) if index not in placed]
    homeless.sort(key=lambda index: float(items[index][1] + items[index][3]))
    stacked = _stack(homeless, sizes, picture, gap)
    if len({label.rectangle[0] for label in stacked.values()}) == 1:
        stacked = _level_with_items(stacked, items, picture[1], gap)
    placed |= stacked
    return [placed[index] for index in range(len(sizes))]


def _places(
    item: npt.NDArray[np.float64], size: tuple[float, float], gap: float
) -> Iterator[tuple[int, Rectangle]]:
    """Yield the places around an item, nearest first, with how many label heights away they are."""
    x1, y1, x2, y2 = item.tolist()
    width, height = size
    middle_x, middle_y = (x1 + x2 - width) / 2, (y1 + y2 - height) / 2
    for ring in range(_RINGS + 1):
        away = gap + ring * height
        above, below = y1 - away - height, y2 + away
        left, right = x1 - away - width, x2 + away
        corners = [(x, y) for y in (above, below) for x in (x1, x2 - width, middle_x)]
        corners += [(x, y) for x in (right, left) for y in (y1, y2 - height, middle_y)]
        corners += [(x, y) for y in (above, below) for x in (left, right)] if ring else []
        for x, y in corners:
            yield ring, (x, y, x + width, y + height)


def _is_inside(rectangle: Rectangle, picture: tuple[float, float]) -> bool:
    x1, y1, x2, y2 = rectangle
    return x1 >= 0 and y1 >= 0 and x2 <= picture[0] and y2 <= picture[1]


def _overlaps(rectangle: Rectangle, blocked: npt.NDArray[np.float64]) -> bool:
    x1, y1, x2, y2 = rectangle
    return bool(
        ((blocked[:, 0] < x2) & (x1 < blocked[:, 2]) & (blocked[:, 1] < y2) & (y1 < blocked[:, 3])).any()
    )


def _stack(
    indices: list[int], sizes: Sequence[tuple[float, float]], picture: tuple[float, float], gap: float
) -> dict[int, Label]:
    """Stack labels in columns to the right of the picture, filled from the top."""
    stacked: dict[int, Label] = {}
    left, y, widest = picture[0] + gap, gap, 0.0
    for index in indices:
        width, height = sizes[index]
        if y > gap and y + height > picture[1]:
            left, y, widest = left + widest + gap, gap, 0.0
        stacked[index] = Label((left, y, left + width, y + height), detached=True, in_margin=True)
        y += height + gap
        widest = max(widest, width)
    return stacked


def _level_with_items(
    column: dict[int, Label], items: npt.NDArray[np.floating], picture_height: float, gap: float
) -> dict[int, Label]:
    """Move the labels of one filled column down towards the heights of their items, keeping their order."""
    floor = picture_height
    moved: dict[int, Label] = {}
    for index, label in reversed(column.items()):
        x1, y1, x2, y2 = label.rectangle
        wanted = float(items[index][1] + items[index][3]) / 2 - (y2 - y1) / 2
        top = max(y1, min(wanted, floor - (y2 - y1)))
        moved[index] = Label((x1, top, x2, top + y2 - y1), detached=True, in_margin=True)
        floor = top - gap
    return moved
