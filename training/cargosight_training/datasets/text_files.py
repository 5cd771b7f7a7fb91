"""Text files of a data set, for the converters."""

from pathlib import Path

from cargosight_models.errors import DataSetError


def read_lines(path: Path) -> list[str]:
    """The lines of a text file.

    Raises:
        DataSetError: It cannot be read, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataSetError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataSetError(f"{path} is no text file in UTF-8: {error}; save it in that encoding") from error
