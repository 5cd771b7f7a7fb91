"""Kinds of command-line arguments that several commands share."""

from argparse import ArgumentTypeError
from pathlib import Path

from cargosight_models.errors import UsageError


def path_argument(text: str) -> Path:
    """Return a path; an empty one, as an unset variable of a script leaves it, is misuse and not the working directory.

    Raises:
        ArgumentTypeError: the text is empty.
    """
    if not text:
        raise ArgumentTypeError("an empty path; give . for the working directory")
    return Path(text)


def pitch_argument(words: str | None) -> tuple[float, float] | None:
    """Return the size of a pixel (x, y) in mm.

    Raises:
        UsageError: it is not one number or two.
    """
    if words is None:
        return None
    try:
        sides = [float(word) for word in words.split(",")]
    except ValueError:
        sides = []
    if not 1 <= len(sides) <= 2:
        raise UsageError(
            f"--pitch {words} found; expected millimetres, such as 4.5, or 4.5,5 for across and down"
        )
    return sides[0], sides[-1]
