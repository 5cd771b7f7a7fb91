"""Scans that are known to be clean, for the converter: a folder, or lists of some of its scans.

They have no annotations, only what was looked for. A list may say which scans are near-duplicates (`group`); parts of
a list never divide a group, so that a model trained on the scans outside of a part is measured on that part honestly.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cargosight_models.errors import DataSetError
from cargosight_training.datasets.image_files import image_size, list_images, require_folder
from cargosight_training.datasets.writing import BoxedImage

Progress = Callable[[int, int], None]


def read_clean(
    folder: Path, *, progress: Progress | None = None
) -> tuple[list[BoxedImage], tuple[DataSetError, ...]]:
    """Read a folder of clean scans.

    Args:
        folder: with the scans, in folders of any depth.
        progress: called with (done, total) after each scan.

    Returns:
        The scans without boxes, sorted by file, and what is wrong with those that cannot be read: they are left out.

    Raises:
        DataSetError: there is no scan, or none can be read.
    """
    require_folder(folder)
    paths = list_images(folder)
    if not paths:
        raise DataSetError(f"{folder} holds no images; name the folder of the clean scans")
    images, broken = [], []
    for done, path in enumerate(paths, start=1):
        try:
            images.append(BoxedImage(path, *image_size(path), (), ()))
        except DataSetError as error:
            broken.append(error)
        if progress is not None:
            progress(done, len(paths))
    if not images:
        raise DataSetError(f"none of the {len(paths)} files of {folder} can be read; the first: {broken[0]}")
    return images, tuple(broken)


@dataclass(frozen=True)
class Part:
    """One of several parts of about equal size, or all scans outside of it.

    Attributes:
        number: 1 to `of`.
        of: parts, 2 or more.
        outside: whether the scans outside of the part are meant.
    """

    number: int
    of: int
    outside: bool = False

    def __post_init__(self) -> None:
        if self.of < 2 or not 1 <= self.number <= self.of:
            raise DataSetError(
                f"part {self.number}/{self.of} was asked for; expected two parts or more, and one "
                "of them: 1/2 or 2/2, for two"
            )


def read_listed(
    folder: Path,
    lists: Sequence[Path],
    *,
    part: Part | None = None,
    where: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> list[BoxedImage]:
    """Read the clean scans that lists name.

    Args:
        folder: where their file names start.
        lists: JSON files with a table `images` of rows with `file_name` and, where it is known, `group`; every further
            key of a row is kept as a fact of its scan.
        part: of all scans of the lists together, None for all. The same lists are always divided in the same way.
        where: keys and the values that a row must have.
        progress: called with (done, total) after each scan.

    Returns:
        The scans without boxes, in the order of the lists.

    Raises:
        DataSetError: a list is none, names a scan twice, or leaves no scan; or a scan cannot be read.
    """
    require_folder(folder)
    rows = [row for path in lists for row in _rows(path)]
    names = [row["file_name"] for row in rows]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataSetError(f"the scan {twice} is listed twice; list each scan once")
    if part is not None:
        rows = _of_part(rows, part)
    rows = [row for row in rows if all(str(row.get(key)) == value for key, value in (where or {}).items())]
    if not rows:
        raise DataSetError(f"no scan of {', '.join(map(str, lists))} is left of {len(names)}; ask for others")
    images = []
    for done, row in enumerate(rows, start=1):
        path = folder / row["file_name"]
        facts = {
            key: value for key, value in row.items() if key not in ("id", "file_name", "width", "height")
        }
        images.append(BoxedImage(path, *image_size(path), (), (), facts=facts))
        if progress is not None:
            progress(done, len(rows))
    return images


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataSetError(f"the list {path} cannot be read: {error}") from error
    rows = found.get("images") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and isinstance(row.get("file_name"), str) for row in rows
    ):
        raise DataSetError(f"the list {path} has no table `images` of rows that each have a `file_name`")
    return rows


def _of_part(rows: list[dict[str, Any]], part: Part) -> list[dict[str, Any]]:
    """Rows of a part: groups, the largest first and else in a drawn order, go to the part that is smallest so far."""
    groups: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(f"group {row['group']}" if "group" in row else row["file_name"], []).append(index)
    names = [sorted(groups)[index] for index in np.random.default_rng(0).permutation(len(groups))]
    sizes, chosen = [0] * part.of, set()
    for name in sorted(names, key=lambda name: -len(groups[name])):
        number = sizes.index(min(sizes))
        sizes[number] += len(groups[name])
        if (number + 1 == part.number) != part.outside:
            chosen.update(groups[name])
    return [row for index, row in enumerate(rows) if index in chosen]
