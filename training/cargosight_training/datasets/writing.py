"""Writing COCO JSON with the `sources` table, from any annotation format that has been read into boxes."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cargosight_models.errors import DataSetError, nearest_spelling
from cargosight_training.datasets.coco import default_images_dir, read_coco, too_far_out
from cargosight_training.datasets.records import DataSet, Origin


@dataclass(frozen=True)
class BoxedImage:
    """One image as a converter read it.

    Attributes:
        path: The image file.
        width: Width in pixels.
        height: Height in pixels.
        boxes: Corner boxes x1, y1, x2, y2 in pixels; a W-wide image spans 0..W.
        names: The class of each box.
        details: Further keys of each box's annotation, such as `segmentation` and `area`; empty for none.
        facts: Further keys of the image's row.
    """

    path: Path
    width: int
    height: int
    boxes: tuple[tuple[float, float, float, float], ...]
    names: tuple[str, ...]
    details: tuple[Mapping[str, Any], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceTerms:
    """What is known of the whole folder that is converted.

    Attributes:
        source: Name of the source.
        scanner: Scanner of all its images, None where unknown.
        labelled: Classes that were looked for on every image, and are boxed wherever they are; None for every class
            that the folder names.
        origin: Real, projected or simulated.
    """

    source: str
    scanner: str | None = None
    labelled: tuple[str, ...] | None = None
    origin: Origin = "real"


def write_coco(
    path: Path,
    images: Sequence[BoxedImage],
    classes: Sequence[str],
    terms: SourceTerms,
    *,
    force: bool = False,
) -> DataSet:
    """Write one COCO JSON file and read it back, so that what was written is known to be sound.

    The file appears under its name only when it could be read back. File names are relative to the folder
    where `read_coco` will look for images: `images` beside the file if there is one, else the file's folder.

    Raises:
        DataSetError: The file exists and `force` is false, nothing was found to write, or an entry is wrong.
    """
    if path.is_dir():
        raise DataSetError(f"{path} is a folder; name the file to write")
    if path.exists() and not force:
        raise DataSetError(f"{path} exists already; name another file, or pass --force to replace it")
    if not images:
        raise DataSetError("no images were found, so there is nothing to convert")
    document = coco_document(images, classes, terms, images_dir=default_images_dir(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    # The hidden folder-mate has the same parent, so it resolves file names as the final file will.
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        dataset = read_coco(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return dataset


def coco_document(
    images: Sequence[BoxedImage], classes: Sequence[str], terms: SourceTerms, *, images_dir: Path
) -> dict[str, Any]:
    """The COCO document of the images, ids counted from 1.

    Raises:
        DataSetError: There are no classes, a class in `terms.labelled` is not among them, a box is of a class
            outside it, an image occurs twice, or the source has no name.
    """
    if not classes:
        raise DataSetError(
            f"none of the {len(images)} images has a box, so that the folder names no class; name those that were "
            "looked for with --labelled CLASS,CLASS"
        )
    if not terms.source.strip():
        raise DataSetError("the source has no name; give it one with --source")
    for label in terms.labelled or ():
        if label not in classes:
            raise DataSetError(
                f"the class {label!r} was to be labelled, but the folder does not name it"
                f"{nearest_spelling(label, tuple(classes))}; it names {', '.join(classes)}"
            )
    _check_images(images, terms)
    ids = {name: index for index, name in enumerate(classes, start=1)}
    rows: list[Mapping[str, Any]] = []
    annotations: list[Mapping[str, Any]] = []
    for image_id, image in enumerate(images, start=1):
        row = {
            **image.facts,
            "id": image_id,
            "file_name": Path(os.path.relpath(image.path, images_dir)).as_posix(),
            "width": image.width,
            "height": image.height,
            "source": terms.source,
        }
        rows.append(row if terms.scanner is None else {**row, "scanner": terms.scanner})
        details = image.details or ({},) * len(image.boxes)
        for (x1, y1, x2, y2), name, detail in zip(image.boxes, image.names, details, strict=True):
            bbox = [round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1)]
            annotations.append(
                {
                    "area": round(bbox[2] * bbox[3], 3),
                    **detail,
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": ids[name],
                    "bbox": bbox,
                    "iscrowd": 0,
                }
            )
    labelled = list(classes) if terms.labelled is None else list(terms.labelled)
    return {
        "sources": {terms.source: {"labelled": labelled, "origin": terms.origin}},
        "categories": [{"id": index, "name": name} for name, index in ids.items()],
        "images": rows,
        "annotations": annotations,
    }


def _check_images(images: Sequence[BoxedImage], terms: SourceTerms) -> None:
    seen: set[Path] = set()
    for image in images:
        if image.path in seen:
            raise DataSetError(f"the image {image.path} is listed twice; list each image once")
        seen.add(image.path)
        for name in image.names:
            if terms.labelled is not None and name not in terms.labelled:
                raise DataSetError(
                    f"{image.path} has a box of {name!r}, which --labelled leaves out; name it there if every image "
                    "was looked at for it, else take its boxes out"
                )


def check_box(box: tuple[float, float, float, float], size: tuple[int, int], where: str) -> None:
    """Refuse a box without area or outside its picture, with a message that names the file it came from.

    Args:
        box: Corners x1, y1, x2, y2 in pixels.
        size: Width and height of the picture in pixels.
        where: The file, and the line where there is one.

    Raises:
        DataSetError: Width or height is not above zero, or it reaches farther out than `read_coco` lets pass.
    """
    x1, y1, x2, y2 = box
    # A negated comparison is also true for NaN.
    if not (x2 > x1 and y2 > y1):
        raise DataSetError(
            f"{where}: a box from ({x1:g}, {y1:g}) to ({x2:g}, {y2:g}) has no area; "
            "give it its real size, or take the image out"
        )
    overhang = too_far_out(box, size)
    if overhang is not None:
        raise DataSetError(
            f"{where}: a box from ({x1:g}, {y1:g}) to ({x2:g}, {y2:g}) reaches {overhang:g} px out of its picture of "
            f"{size[0]} by {size[1]} pixels; correct it, or take the image out"
        )
