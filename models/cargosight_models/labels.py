"""Class names, annotated boxes, and label masks for sources that label only some classes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cargosight_models.errors import DataSetError, nearest_spelling
from cargosight_models.geometry import BoolArray, FloatArray, IndexArray, as_boxes, contains_points


@dataclass(frozen=True)
class ClassSet:
    """The classes of a data set or model; a class id is the position of its name.

    Attributes:
        names: unique, non-empty names; at least one.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        if not self.names:
            raise DataSetError("a class set has no names; expected at least one class")
        for name in self.names:
            if not isinstance(name, str) or not name.strip():
                raise DataSetError(f"a class is named {name!r}; expected a non-empty string")
            if self.names.count(name) > 1:
                raise DataSetError(f"the class {name!r} is listed twice; name each class once")

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Return the class id of `name`.

        Raises:
            DataSetError: no such class; the message names the nearest spelling and all classes.
        """
        try:
            return self.names.index(name)
        except ValueError:
            hint = nearest_spelling(name, self.names)
            raise DataSetError(
                f"unknown class {name!r}{hint}; the classes are {', '.join(self.names)}"
            ) from None

    def mask(self, names: Iterable[str]) -> BoolArray:
        """Return (C,) bool, true for the classes in `names`.

        Raises:
            DataSetError: one of the names is no class of this set.
        """
        mask = np.zeros(len(self.names), dtype=np.bool_)
        for name in names:
            mask[self.index(name)] = True
        return mask


@dataclass(frozen=True, eq=False)
class Annotations:
    """The boxes that people drew on one scan.

    Attributes:
        boxes: (N, 4) float32 in scan pixels.
        class_ids: (N,) int64, not negative.
    """

    boxes: FloatArray
    class_ids: IndexArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", as_boxes(self.boxes))
        ids = np.asarray(self.class_ids)
        if ids.size and ids.dtype.kind not in "iu":
            raise ValueError(f"class ids have dtype {ids.dtype}; expected integers")
        ids = ids.astype(np.int64)
        if ids.shape != (len(self.boxes),):
            raise ValueError(
                f"class ids have shape {ids.shape}; expected ({len(self.boxes)},), one for each box"
            )
        if ids.size and ids.min() < 0:
            raise ValueError(f"a class id is {int(ids.min())}; expected 0 or more")
        object.__setattr__(self, "class_ids", ids)

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def empty(cls) -> "Annotations":
        """Return annotations without a box."""
        return cls(np.zeros((0, 4), dtype=np.float32), np.zeros(0, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class LabelledRegions:
    """Which classes are labelled where: a plain scan is one region, a mosaic one for each tile.

    Attributes:
        boxes: (R, 4) float32, the regions.
        masks: (R, C) bool, true where the region's source labels the class.
        unknown: (K, 4) float32, areas in which nothing counts as labelled, whatever the regions say: what is left of
            items that are cut off too far to be boxed is neither the item nor background.
    """

    boxes: FloatArray
    masks: BoolArray
    unknown: FloatArray = field(default_factory=lambda: np.zeros((0, 4), dtype=np.float32))

    def __post_init__(self) -> None:
        object.__setattr__(self, "boxes", as_boxes(self.boxes))
        object.__setattr__(self, "unknown", as_boxes(self.unknown))
        masks = np.asarray(self.masks)
        if masks.dtype != np.bool_:
            raise ValueError(f"label masks have dtype {masks.dtype}; expected bool")
        if masks.ndim != 2 or len(masks) != len(self.boxes):
            raise ValueError(f"label masks have shape {masks.shape}; expected ({len(self.boxes)}, classes)")
        object.__setattr__(self, "masks", masks)

    def mask_at(self, points: npt.NDArray[np.floating[Any]]) -> BoolArray:
        """Return (P, C) bool: the classes labelled at each of `points` (P, 2) as x, y.

        The masks of all regions that contain a point are joined by OR; where no region contains it, no class
        is labelled, and neither is one in an unknown area. The right and lower edges of a region do not belong to it.
        """
        inside = contains_points(self.boxes, points)
        labelled: BoolArray = inside.T @ self.masks  # a product of bools is the OR over regions
        labelled[contains_points(self.unknown, points).any(axis=0)] = False
        return labelled
