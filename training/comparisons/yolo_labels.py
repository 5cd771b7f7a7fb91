"""Our data sets as YOLO folders: links to the pictures, one text file of boxes for each.

YOLO text labels have no way to say that a source does not label a class. A picture in which such a class is visible
is therefore taught as one without it. That is a loss the format brings with it, not a choice made here.
"""

import os
import shutil
from pathlib import Path

import yaml

from cargosight_training.datasets.records import DataSet, ImageRecord


def write_yolo_folder(folder: Path, splits: dict[str, DataSet]) -> Path:
    """Write `images/<split>` (symbolic links), `labels/<split>` and `data.yaml`; returns the last.

    Args:
        folder: Made where missing; earlier pictures and labels of the same splits are removed.
        splits: Data sets of the same classes by the name that data.yaml gives them, such as train and val.
    """
    classes = next(iter(splits.values())).classes
    for split, dataset in splits.items():
        if dataset.classes.names != classes.names:
            raise ValueError(
                f"the split {split} has the classes {dataset.classes.names}, not {classes.names}"
            )
        pictures, labels = folder / "images" / split, folder / "labels" / split
        for of_split in (pictures, labels):  # what an earlier, larger set left there would be taught, too
            shutil.rmtree(of_split, ignore_errors=True)
            of_split.mkdir(parents=True)
        for number, image in enumerate(dataset.images):
            stem = f"{number:06d}"
            link = pictures / f"{stem}{image.path.suffix.lower()}"
            link.symlink_to(os.path.abspath(image.path))  # noqa: PTH100 - resolve() would follow further links
            (labels / f"{stem}.txt").write_text(label_text(image), encoding="utf-8")
    settings = {
        "path": str(folder.absolute()),
        **{split: f"images/{split}" for split in splits},
        "names": dict(enumerate(classes.names)),
    }
    data = folder / "data.yaml"
    data.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return data


def label_text(image: ImageRecord) -> str:
    """The lines `class centre-x centre-y width height`, in shares of the picture."""
    lines = []
    boxes = image.annotations.boxes.tolist()
    for class_id, (x1, y1, x2, y2) in zip(image.annotations.class_ids.tolist(), boxes, strict=True):
        centre = ((x1 + x2) / 2 / image.width, (y1 + y2) / 2 / image.height)
        sides = ((x2 - x1) / image.width, (y2 - y1) / image.height)
        lines.append(" ".join([str(class_id), *(f"{value:.7f}" for value in (*centre, *sides))]) + "\n")
    return "".join(lines)
