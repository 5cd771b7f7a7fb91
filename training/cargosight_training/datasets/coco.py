"""Reading COCO JSON annotation files, strictly.

Two extensions to COCO: an image may carry `source` and `scanner`, and the top-level table `sources` says of
each source which classes it labels and whether it is real, projected or simulated:

    "sources": {"site-2022": {"labelled": ["knife", "lighter"], "origin": "real"}}

What is decided here, so that no label is ever lost in silence:

- A box that reaches over the picture's edge by at most 2 px or 2 % of the side is clipped, and the data set's
  notes count it. One that reaches further is refused, since then a size or a coordinate is wrong.
- A box without area is refused. Dropping it would turn its image into a false negative example of its class.
- `iscrowd` boxes are refused: a false-alarm rate by scan has no place for "some, uncounted".
- A box of a class that the image's source does not label is refused, since the table contradicts itself.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from cargosight_models.errors import DataSetError, nearest_spelling
from cargosight_models.labels import Annotations, ClassSet
from cargosight_training.datasets.records import (
    ORIGINS,
    DataSet,
    ImageRecord,
    Origin,
    merge,
    only,
    relabel,
    without,
)

__all__ = ["DataSet", "ImageRecord", "Origin", "merge", "only", "read_coco", "relabel", "without"]

OVERHANG_PX = 2.0
OVERHANG_SHARE = 0.02
MAX_SIDE = 1_000_000  # beyond it a float32 box no longer holds a quarter of a pixel


@dataclass(frozen=True)
class _Source:
    labelled: NDArray[np.bool_]
    origin: Origin


@dataclass(frozen=True)
class _Raw:
    """The JSON document with its path, so that every error can say where."""

    path: Path
    document: Mapping[str, Any]

    def error(self, text: str) -> DataSetError:
        return DataSetError(f"{self.path}: {text}")

    def rows(self, key: str) -> list[Mapping[str, Any]]:
        rows = self.document.get(key)
        if rows is None:
            raise self.error(f"key {key!r} is missing; a COCO file has images, annotations and categories")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self.error(f"{key!r} must be a list of objects, found {type(rows).__name__}")
        return cast("list[Mapping[str, Any]]", rows)

    def integer(self, row: Mapping[str, Any], key: str, what: str) -> int:
        value = row.get(key)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(f"{what}: {key!r} must be a whole number, found {value!r}")
        return value

    def text(self, row: Mapping[str, Any], key: str, what: str) -> str:
        value = row.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{what}: {key!r} must be a non-empty text, found {value!r}")
        return value


def read_coco(
    path: str | Path, *, images_dir: Path | None = None, classes: ClassSet | None = None
) -> DataSet:
    """Read a COCO JSON file.

    Args:
        path: The annotation file.
        images_dir: Where `file_name` starts; by default the folder `images` beside the file if there is one,
            else the file's own folder.
        classes: The class list to use; it must hold every category of the file. By default the file's
            categories in the order of their ids.

    Returns:
        The data set, named by the file's stem, images in the file's order.

    Raises:
        DataSetError: The file or an image is missing, or an entry is wrong; the message names the entry.
    """
    path = Path(path)
    raw = _load(path)
    categories, own_classes = _categories(raw)
    sources = _sources(raw, own_classes)
    folder = images_dir if images_dir is not None else default_images_dir(path)
    boxes: dict[int, tuple[list[list[float]], list[int]]] = {}
    rows = _image_rows(raw)
    clipped = _collect_boxes(raw, rows, categories, boxes)
    records = tuple(
        _record(
            raw, row, folder=folder, classes=own_classes, sources=sources, boxes=boxes.get(image_id, ([], []))
        )
        for image_id, row in rows.items()
    )
    missing = [record.path for record in records if not record.path.is_file()]
    if missing:
        raise raw.error(
            f"{len(missing)} of {len(records)} images do not exist, first {missing[0]}; "
            "file names start at the folder `images` beside the file or at the given images folder"
        )
    notes = (f"{clipped} boxes reached over the picture's edge and were clipped to it",) if clipped else ()
    dataset = DataSet(path.stem, own_classes, records, notes)
    return dataset if classes is None else relabel(dataset, classes)


def default_images_dir(path: Path) -> Path:
    beside = path.parent / "images"
    return beside if beside.is_dir() else path.parent


def _load(path: Path) -> _Raw:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataSetError(f"annotation file {path} does not exist") from None
    except OSError as error:
        raise DataSetError(f"annotation file {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataSetError(f"{path} is not JSON: {error}") from error
    except RecursionError:
        raise DataSetError(f"{path} is not COCO JSON: it is nested too deeply") from None
    if not isinstance(document, dict):
        raise DataSetError(f"{path}: a JSON object was expected at the top, found {type(document).__name__}")
    return _Raw(path, document)


def _categories(raw: _Raw) -> tuple[dict[int, int], ClassSet]:
    """Category id -> class index, and the class list in the order of the category ids."""
    names: dict[int, str] = {}
    for row in raw.rows("categories"):
        category_id = raw.integer(row, "id", "a category")
        name = raw.text(row, "name", f"category {category_id}")
        if category_id in names:
            raise raw.error(f"category id {category_id} occurs twice, as {names[category_id]!r} and {name!r}")
        if name in names.values():
            raise raw.error(f"category name {name!r} occurs twice; give each class one id")
        names[category_id] = name
    if not names:
        raise raw.error("there are no categories, so no class can be learnt or scored")
    ordered = sorted(names)
    return {category_id: index for index, category_id in enumerate(ordered)}, ClassSet(
        tuple(names[category_id] for category_id in ordered)
    )


def _sources(raw: _Raw, classes: ClassSet) -> dict[str, _Source] | None:
    """The table `sources`, or None where the file has none."""
    table = raw.document.get("sources")
    if table is None:
        return None
    if not isinstance(table, dict):
        raise raw.error(
            f"'sources' must be an object {{name: {{'labelled': [...]}}}}, found {type(table).__name__}"
        )
    sources = {}
    for name, entry in table.items():
        labelled = entry.get("labelled") if isinstance(entry, dict) else None
        if not isinstance(labelled, list) or not all(isinstance(label, str) for label in labelled):
            raise raw.error(
                f"source {name!r} must carry 'labelled', a list of class names (an empty one for none)"
            )
        for label in labelled:
            if label not in classes.names:
                raise raw.error(
                    f"source {name!r} labels the class {label!r}, which is not among the categories"
                    f"{nearest_spelling(label, classes.names)}; categories are {', '.join(classes.names)}"
                )
        origin = entry.get("origin", "real")
        if origin not in ORIGINS:
            raise raw.error(f"source {name!r} has origin {origin!r}, expected one of {', '.join(ORIGINS)}")
        sources[name] = _Source(np.array([c in labelled for c in classes.names], dtype=np.bool_), origin)
    return sources


def _image_rows(raw: _Raw) -> dict[int, Mapping[str, Any]]:
    rows: dict[int, Mapping[str, Any]] = {}
    names: dict[str, int] = {}
    for row in raw.rows("images"):
        image_id = raw.integer(row, "id", "an image")
        if image_id in rows:
            raise raw.error(f"image id {image_id} occurs twice")
        name = os.path.normpath(raw.text(row, "file_name", f"image {image_id}"))
        if name in names:
            raise raw.error(f"images {names[name]} and {image_id} have the same file name {name!r}")
        for key in ("width", "height"):
            if not 0 < raw.integer(row, key, f"image {image_id}") <= MAX_SIDE:
                raise raw.error(f"image {image_id}: {key!r} must be 1 to {MAX_SIDE} px, found {row[key]}")
        rows[image_id] = row
        names[name] = image_id
    if not rows:
        raise raw.error("there are no images")
    return rows


def _collect_boxes(
    raw: _Raw,
    rows: Mapping[int, Mapping[str, Any]],
    categories: Mapping[int, int],
    boxes: dict[int, tuple[list[list[float]], list[int]]],
) -> int:
    """Fill `boxes` (image id -> corner boxes, class indices); returns how many boxes were clipped."""
    clipped = 0
    ids: set[int] = set()
    for row in raw.rows("annotations"):
        annotation_id = raw.integer(row, "id", "an annotation")
        what = f"annotation {annotation_id}"
        if annotation_id in ids:
            raise raw.error(f"annotation id {annotation_id} occurs twice")
        ids.add(annotation_id)
        image_id = raw.integer(row, "image_id", what)
        if image_id not in rows:
            raise raw.error(f"{what} belongs to image {image_id}, which is not among the images")
        category_id = raw.integer(row, "category_id", what)
        if category_id not in categories:
            known = ", ".join(str(known) for known in sorted(categories))
            raise raw.error(f"{what} has category {category_id}, which is not among the categories ({known})")
        if row.get("iscrowd", 0):
            raise raw.error(f"{what} is marked `iscrowd`; box each item by itself, or take the image out")
        corners, cut = _corners(raw, row, rows[image_id], what)
        clipped += cut
        of_image = boxes.setdefault(image_id, ([], []))
        of_image[0].append(corners)
        of_image[1].append(categories[category_id])
    return clipped


def _corners(
    raw: _Raw, row: Mapping[str, Any], image: Mapping[str, Any], what: str
) -> tuple[list[float], bool]:
    """Corner form of one COCO box, clipped to its image, and whether anything was cut off."""
    bbox = row.get("bbox")
    if (
        not isinstance(bbox, list)
        or len(bbox) != 4
        or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in bbox)
        or not all(abs(v) <= 2 * MAX_SIDE for v in bbox)  # also false for NaN
    ):
        raise raw.error(f"{what}: 'bbox' must be four numbers [x, y, width, height], found {bbox!r}")
    x, y, w, h = (float(v) for v in bbox)
    if np.float32(x + w) <= np.float32(x) or np.float32(y + h) <= np.float32(y):
        raise raw.error(f"{what}: its box {bbox} has no area; give it its real size, or take the image out")
    width, height = image["width"], image["height"]
    overhang = too_far_out((x, y, x + w, y + h), (width, height))
    if overhang is not None:
        raise raw.error(
            f"{what}: its box {bbox} reaches {overhang:g} px out of image {image['id']} "
            f"({width} by {height}); boxes are [x, y, width, height] in pixels of the stored image"
        )
    corners = [max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height))]
    return corners, corners != [x, y, x + w, y + h]


def too_far_out(box: tuple[float, float, float, float], size: tuple[int, int]) -> float | None:
    """By how many pixels a box (corners) reaches out of its picture (width, height), where that is too far to clip it.

    None where it is inside, or reaches out by no more than a tool rounds.
    """
    x1, y1, x2, y2 = box
    width, height = size
    over_x, over_y = max(-x1, x2 - width), max(-y1, y2 - height)
    allowed_x, allowed_y = (max(OVERHANG_PX, OVERHANG_SHARE * side) for side in size)
    outside = min(x2, width) <= max(x1, 0.0) or min(y2, height) <= max(y1, 0.0)
    return max(over_x, over_y) if outside or over_x > allowed_x or over_y > allowed_y else None


def _record(
    raw: _Raw,
    row: Mapping[str, Any],
    *,
    folder: Path,
    classes: ClassSet,
    sources: Mapping[str, _Source] | None,
    boxes: tuple[list[list[float]], list[int]],
) -> ImageRecord:
    what = f"image {row['id']}"
    source = raw.text(row, "source", what) if "source" in row else raw.path.stem
    scanner = row.get("scanner")
    if not (scanner is None or isinstance(scanner, int | str)):
        raise raw.error(f"{what}: 'scanner' must be a name or a number, found {scanner!r}")
    if sources is None:
        entry = _Source(np.ones(len(classes), dtype=np.bool_), "real")
    elif source in sources:
        entry = sources[source]
    else:
        hint = nearest_spelling(source, tuple(sources))
        raise raw.error(
            f"{what} is of source {source!r}, which the table `sources` does not have{hint}; add it there"
        )
    corners, class_ids = boxes
    for class_id in class_ids:
        if not entry.labelled[class_id]:
            raise raw.error(
                f"{what} has a box of {classes.names[class_id]!r}, but its source {source!r} does not label "
                "that class; add the class to the source's `labelled` if all its images are labelled for it, "
                "else take the box out"
            )
    return ImageRecord(
        image_id=row["id"],
        path=folder / row["file_name"],
        width=row["width"],
        height=row["height"],
        source=source,
        scanner=None if scanner is None else str(scanner),
        labelled=entry.labelled,
        annotations=Annotations(
            np.array(corners, dtype=np.float32).reshape(-1, 4), np.array(class_ids, dtype=np.int64)
        ),
        origin=entry.origin,
        near_duplicates=str(row["group"]) if isinstance(row.get("group"), int | str) else None,
    )
