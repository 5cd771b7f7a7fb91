"""YOLO folders: one text file per image, `class x-centre y-centre width height` as shares of the image.

Class names come from `data.yaml` (`names`, a list or a mapping from the number) or `classes.txt`. A label
file lies where its image lies, with `images` in the path replaced by `labels`, or beside the image. An image
without a label file has no boxes, as the format defines it. A polygon line (segmentation) becomes the
bounding box of its points.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cargosight_models.errors import DataSetError
from cargosight_models.strict_yaml import read_yaml
from cargosight_training.datasets.image_files import image_size, list_images, require_folder
from cargosight_training.datasets.text_files import read_lines
from cargosight_training.datasets.writing import BoxedImage, check_box

Progress = Callable[[int, int], None]


def read_yolo(
    folder: Path, *, split: str | None = None, progress: Progress | None = None
) -> tuple[list[BoxedImage], list[str]]:
    """Read a YOLO folder.

    Args:
        folder: The data set's folder, which holds `data.yaml` or `classes.txt`.
        split: Only the images that `data.yaml` names under this key (`train`, `val`, `test`); by default all.
        progress: Called with (done, total) after each image.

    Returns:
        The images, sorted by file, and the class names in the order of their numbers.

    Raises:
        DataSetError: No class names, no images, no label file at all, or a wrong line; the message names it.
        ConfigurationError: `data.yaml` cannot be read as YAML.
    """
    require_folder(folder)
    names, settings = _class_names(folder)
    paths = list_images(folder) if split is None else _of_split(folder, settings, split)
    if not paths:
        raise DataSetError(f"{folder} holds no images{'' if split is None else f' of the split {split!r}'}")
    images = []
    labelled = 0
    for done, path in enumerate(paths, start=1):
        label_file = _label_file(folder, path)
        width, height = image_size(path)
        lines: list[str] = []
        if label_file is not None:
            labelled += 1
            lines = read_lines(label_file)
        boxes, box_names = [], []
        for number, line in enumerate(lines, start=1):
            if line.strip():
                name, box = _parse_line(line, names, (width, height), f"{label_file}, line {number}")
                boxes.append(box)
                box_names.append(name)
        images.append(BoxedImage(path, width, height, tuple(boxes), tuple(box_names)))
        if progress is not None:
            progress(done, len(paths))
    if labelled == 0:
        raise DataSetError(
            f"none of the {len(paths)} images in {folder} has a label file; "
            "labels lie in `labels/` beside `images/`, or beside each image"
        )
    return images, names


def _class_names(folder: Path) -> tuple[list[str], dict[str, Any]]:
    for settings_file in (folder / "data.yaml", folder / "data.yml", folder / "dataset.yaml"):
        if settings_file.is_file():
            return _names_of_yaml(settings_file)
    listing = folder / "classes.txt"
    if listing.is_file():
        names = [line.strip() for line in read_lines(listing) if line.strip()]
        return _checked_names(names, listing), {}
    raise DataSetError(f"{folder} has neither data.yaml nor classes.txt, so its class numbers have no names")


def _names_of_yaml(settings_file: Path) -> tuple[list[str], dict[str, Any]]:
    settings = read_yaml(settings_file)
    names = settings.get("names") if isinstance(settings, dict) else None
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise DataSetError(
                f"{settings_file}: `names` must be numbered 0 to {len(names) - 1} without a gap"
            )
        names = [names[number] for number in range(len(names))]
    if not isinstance(settings, dict) or not isinstance(names, list):
        raise DataSetError(f"{settings_file}: `names` must be a list or a mapping of class names")
    return _checked_names([str(name) for name in names], settings_file), settings


def _checked_names(names: list[str], where: Path) -> list[str]:
    if not names or len(set(names)) != len(names) or not all(name.strip() for name in names):
        raise DataSetError(
            f"{where} must name each class once, found {', '.join(map(repr, names)) or 'none'}"
        )
    return names


def _of_split(folder: Path, settings: dict[str, Any], split: str) -> list[Path]:
    entry = settings.get(split)
    entries = entry if isinstance(entry, list) else [entry]
    paths: list[Path] = []
    for item in entries:
        if not isinstance(item, str):
            raise DataSetError(f"data.yaml in {folder} has no images under the key {split!r}")
        # Exported data sets often say ../train/images where train/images is meant.
        places = [folder / item, folder / item.removeprefix("../")]
        if isinstance(settings.get("path"), str):
            places.insert(0, folder / settings["path"] / item)
        place = next((place for place in places if place.exists()), None)
        if place is None:
            raise DataSetError(f"data.yaml in {folder}: {split!r} names {item!r}, which does not exist")
        if place.is_dir():
            paths += list_images(place)
        else:
            listed = (line.strip() for line in read_lines(place))
            paths += [place.parent / line for line in listed if line]
    return sorted(paths)


def _label_file(folder: Path, image: Path) -> Path | None:
    parts = list(image.parts)
    # The last folder called `images` below the data set's folder is the one that `labels` stands beside.
    for index in range(len(parts) - 2, len(folder.parts) - 1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    for candidate in (Path(*parts).with_suffix(".txt"), image.with_suffix(".txt")):
        if candidate.is_file():
            return candidate
    return None


def _parse_line(
    line: str, names: list[str], size: tuple[int, int], where: str
) -> tuple[str, tuple[float, float, float, float]]:
    fields, (width, height) = line.split(), size
    try:
        number, values = int(fields[0]), [float(field) for field in fields[1:]]
    except ValueError:
        raise DataSetError(
            f"{where}: a class number and shares of the image expected, found {line!r}"
        ) from None
    if not 0 <= number < len(names):
        raise DataSetError(
            f"{where}: class number {number} found, but the names go from 0 to {len(names) - 1}"
        )
    if not all(-0.1 <= value <= 1.1 for value in values):
        raise DataSetError(f"{where}: coordinates are shares of the image between 0 and 1, found {line!r}")
    if len(values) == 4:
        cx, cy, w, h = values
        box = ((cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height)
    elif len(values) >= 6 and len(values) % 2 == 0:
        xs, ys = [x * width for x in values[0::2]], [y * height for y in values[1::2]]
        box = (min(xs), min(ys), max(xs), max(ys))
    else:
        raise DataSetError(
            f"{where}: 4 numbers (a box) or 6 and more (a polygon) expected, found {len(values)}"
        )
    check_box(box, size, where)
    return names[number], box
