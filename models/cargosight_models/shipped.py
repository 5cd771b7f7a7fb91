"""YAML files that come with the package: commands take the path of one's own, or the name of one of these."""

import re
from pathlib import Path

import cargosight_models
from cargosight_models.errors import ConfigurationError, nearest_spelling


def shipped_files(holds: re.Pattern[str]) -> dict[str, Path]:
    """Return the shipped files of one kind by name.

    Args:
        holds: found in the text of every file of that kind, and of no other.
    """
    folder = Path(cargosight_models.__file__).parent / "configs"
    if not folder.is_dir():  # in a checkout, where only a wheel would hold them inside the package
        folder = Path(cargosight_models.__file__).parents[2] / "configs"
    return {
        path.stem: path for path in sorted(folder.glob("*.yaml")) if holds.search(path.read_text("utf-8"))
    }


def find_file(name_or_path: str, holds: re.Pattern[str]) -> Path:
    """Return a file: a path, or the name of a shipped one.

    Args:
        name_or_path: as it was given.
        holds: found in the text of every shipped file of the wanted kind.

    Raises:
        ConfigurationError: there is neither; the shipped names are listed.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    shipped = shipped_files(holds)
    if name_or_path in shipped:
        return shipped[name_or_path]
    raise ConfigurationError(
        f"there is no configuration {name_or_path!r}{nearest_spelling(name_or_path, list(shipped))}: "
        f"give the path of a YAML file, or one of {', '.join(shipped)}"
    )
