"""Kinds of command-line arguments that several commands share."""

from argparse import ArgumentTypeError
from pathlib import Path


def path_argument(text: str) -> Path:
    """Return a path; an empty one, as an unset variable of a script leaves it, is misuse and not the working directory.

    Raises:
        ArgumentTypeError: the text is empty.
    """
    if not text:
        raise ArgumentTypeError("an empty path; give . for the working directory")
    return Path(text)
