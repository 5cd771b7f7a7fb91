"""A folder of scans that are known to be clean, for the converter: no annotations, only what was looked for."""

from collections.abc import Callable
from pathlib import Path

from cargosight_models.errors import DataSetError
from cargosight_training.datasets.image_files import image_size, list_images, require_folder
from cargosight_training.datasets.writing import BoxedImage

Progress = Callable[[int, int], None]


def read_clean(folder: Path, *, progress: Progress | None = None) -> list[BoxedImage]:
    """Read a folder of clean scans.

    Args:
        folder: with the scans, in folders of any depth.
        progress: called with (done, total) after each scan.

    Returns:
        The scans without boxes, sorted by file.

    Raises:
        DataSetError: there is no scan, or one cannot be read.
    """
    require_folder(folder)
    paths = list_images(folder)
    if not paths:
        raise DataSetError(f"{folder} holds no images; name the folder of the clean scans")
    images = []
    for done, path in enumerate(paths, start=1):
        width, height = image_size(path)
        images.append(BoxedImage(path, width, height, (), ()))
        if progress is not None:
            progress(done, len(paths))
    return images
