"""Pascal VOC folders: one XML file per image.

Both layouts are read: `Annotations/`, `JPEGImages/` and `ImageSets/Main/`, and XML files that lie beside
their images. Every `object` with a `bndbox` becomes a box; `difficult` and `truncated` ones are kept, since
the item is in the bag. An image without an XML file was not annotated and is left out.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from cargosight_models.errors import DataSetError
from cargosight_training.datasets.image_files import IMAGE_SUFFIXES, image_size, require_folder
from cargosight_training.datasets.text_files import read_lines
from cargosight_training.datasets.writing import BoxedImage, check_box

FirstPixel = Literal[0, 1]
Progress = Callable[[int, int], None]


def read_voc(
    folder: Path, *, split: str | None = None, first_pixel: FirstPixel = 1, progress: Progress | None = None
) -> tuple[list[BoxedImage], list[str]]:
    """Read a Pascal VOC folder.

    Args:
        folder: The data set's folder.
        split: Name of a list in `ImageSets/Main/` (`train` for `train.txt`); by default every XML file.
        first_pixel: 1 as VOC defines it (coordinates count pixels from 1, both ends inside the box), or 0
            where the writing tool stored edges that count from 0.
        progress: Called with (done, total) after each file.

    Returns:
        The images, sorted by file, and the class names, sorted.

    Raises:
        DataSetError: No XML files, a missing image or list, a wrong entry; the message names the file.
    """
    require_folder(folder)
    annotations = folder / "Annotations"
    xml_files = sorted((annotations if annotations.is_dir() else folder).rglob("*.xml"))
    if split is not None:
        xml_files = _of_split(folder, split, xml_files)
    if not xml_files:
        if split is not None:
            raise DataSetError(f"the list of the split {split!r} in {folder} is empty; name another split")
        raise DataSetError(f"{folder} holds no XML files; a Pascal VOC folder has one for each image")
    images = []
    for done, xml_file in enumerate(xml_files, start=1):
        images.append(_read_file(folder, xml_file, first_pixel))
        if progress is not None:
            progress(done, len(xml_files))
    return images, sorted({name for image in images for name in image.names})


def _of_split(folder: Path, split: str, xml_files: Iterable[Path]) -> list[Path]:
    listing = folder / "ImageSets" / "Main" / f"{split}.txt"
    if not listing.is_file():
        have = ", ".join(sorted(path.stem for path in listing.parent.glob("*.txt"))) or "none"
        raise DataSetError(f"the list {listing} does not exist; lists found: {have}")
    by_stem = {path.stem: path for path in xml_files}
    chosen = []
    for line in read_lines(listing):
        # A list may carry a second column (-1, 0, 1: whether the class is in the image).
        stem = line.split()[0] if line.strip() else None
        if stem is None:
            continue
        if stem not in by_stem:
            raise DataSetError(f"{listing} names {stem!r}, which has no XML file")
        chosen.append(by_stem[stem])
    return chosen


def _read_file(folder: Path, xml_file: Path, first_pixel: FirstPixel) -> BoxedImage:
    content = xml_file.read_bytes()
    # Entity declarations have no use here and are how an XML file is made to eat all memory.
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise DataSetError(
            f"{xml_file} declares a document type or entities; VOC files have none, remove them"
        )
    try:
        root = ElementTree.fromstring(content)
    except (
        ElementTree.ParseError,
        ValueError,
        LookupError,
    ) as error:  # the two of an encoding it does not know
        raise DataSetError(f"{xml_file} is not XML: {error}") from error
    if root.tag != "annotation":
        raise DataSetError(f"{xml_file} starts with <{root.tag}>, a VOC file starts with <annotation>")
    path = _find_image(folder, xml_file, (root.findtext("filename") or "").strip())
    width, height = image_size(path)
    for tag, actual in (("width", width), ("height", height)):
        stated = (root.findtext(f"size/{tag}") or "0").strip()
        # Some tools leave the size at 0; that says nothing and is no contradiction.
        if stated not in ("0", str(actual)):
            raise DataSetError(
                f"{xml_file} says {tag} {stated}, but {path} has {actual}; "
                "the image was changed after it was annotated, so its boxes cannot be trusted"
            )
    boxes, names = [], []
    for item in root.iterfind("object"):
        name = (item.findtext("name") or "").strip()
        if not name:
            raise DataSetError(f"{xml_file} has an object without a name")
        boxes.append(_box(item, xml_file, (width, height), first_pixel))
        names.append(name)
    return BoxedImage(path, width, height, tuple(boxes), tuple(names))


def _box(
    item: ElementTree.Element, xml_file: Path, size: tuple[int, int], first_pixel: FirstPixel
) -> tuple[float, float, float, float]:
    values = []
    for tag in ("xmin", "ymin", "xmax", "ymax"):
        text = item.findtext(f"bndbox/{tag}")
        try:
            values.append(float(text or ""))
        except ValueError:
            raise DataSetError(f"{xml_file}: {tag} of a box must be a number, found {text!r}") from None
    x1, y1, x2, y2 = values
    if first_pixel == 1 and min(x1, y1) < 1:
        raise DataSetError(
            f"{xml_file}: a box starts at ({x1:g}, {y1:g}), but VOC counts pixels from 1; "
            "where the writing tool counted from 0, pass --first-pixel 0"
        )
    box = (x1 - first_pixel, y1 - first_pixel, x2, y2)
    check_box(box, size, str(xml_file))
    return box


def _find_image(folder: Path, xml_file: Path, filename: str) -> Path:
    """The image of an XML file: by its `filename`, else by the XML file's own stem."""
    folders = [folder / "JPEGImages", folder / "images", xml_file.parent]
    # Only the last part counts: tools store absolute paths of the annotator's machine.
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    candidates = [place / name for place in folders if name]
    candidates += [place / f"{xml_file.stem}{suffix}" for place in folders for suffix in IMAGE_SUFFIXES]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise DataSetError(
        f"{xml_file}: its image {filename or xml_file.stem!r} was not found in JPEGImages/, "
        "images/ or beside it"
    )
