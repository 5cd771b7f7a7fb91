"""Finding the image files of a folder and reading their sizes, for the converters."""

from pathlib import Path

from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_models.errors import DataSetError, ScanError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def list_images(folder: Path) -> list[Path]:
    """Every image file under the folder, hidden ones left out, sorted by path."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels, as the scan reader sees the file.

    Raises:
        DataSetError: The file cannot be read as a scan.
    """
    try:
        scan = read_scan(path, ReadOptions())
    except ScanError as error:
        raise DataSetError(f"image {path} cannot be read: {error}") from error
    return scan.width, scan.height


def require_folder(folder: Path) -> None:
    """Raise DataSetError unless the folder exists."""
    if not folder.is_dir():
        raise DataSetError(f"{folder} is not a folder; name the folder that holds the data set")
