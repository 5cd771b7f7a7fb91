"""Sentences as people may read them: nothing of the server's folders is shown to anybody."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

_BEFORE = r"(?<![^\s'\"`(\[{<:=,])"
"""A name begins here: the start of the text, or what may stand before one."""


def without_folders(text: str, *paths: str | os.PathLike[str] | None) -> str:
    """Return a sentence in which the folders of known files are left out: `/srv/models/bag.onnx` is `bag.onnx`.

    Args:
        text: the sentence.
        paths: files that it may name, as they were given; None is passed over.
    """
    folders = {folder for path in paths if path is not None for folder in _folders(Path(path))}
    for folder in sorted(folders, key=len, reverse=True):
        text = re.sub(_BEFORE + re.escape(folder), "", text)
    return text


def _folders(path: Path) -> Iterator[str]:
    """Yield the folder of a file, as it was given, from the root on, and with its links followed."""
    for form in (path, path.absolute(), path.resolve()):
        folder = str(form.parent)
        if folder not in (".", os.sep):
            yield folder + os.sep
