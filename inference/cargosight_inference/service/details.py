"""What is told of a scan beside its bytes: name, number, heading; none of it is believed unchecked."""

import errno
import json
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cargosight_inference.gallery.tables import checked_heading
from cargosight_inference.service.moving import open_regular
from cargosight_inference.service.refusals import WrongValue
from cargosight_inference.service.storage import checked_lane
from cargosight_models.errors import UsageError, nearest_spelling

Source = Literal["http", "folder"]
NAMELESS = "scan"
"""Shown of a file whose name has nothing that can be shown."""
_LONGEST_NAME = 120
_LONGEST_SUFFIX = 12
_LONGEST_NUMBER = 64
_LARGEST_SIDECAR = 1 << 16
_KEYS = ("number", "heading")


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """What is told of a scan that comes in.

    Attributes:
        lane: its name.
        name: of the file as the sender has it; only its last part is shown.
        number: of the container or bag, None or blank where none was given.
        heading: that was declared, None or blank where none was.
        source: the road it came on.
        by: token or account that sent it, `folder` for a watched folder.
    """

    lane: str
    name: str
    number: str | None = None
    heading: str | None = None
    source: Source
    by: str

    def checked(self) -> "Arrival":
        """Return it as it is recorded and shown.

        Raises:
            UsageError: the lane's name is none.
            WrongValue: number or heading are none.
        """
        return replace(
            self,
            lane=checked_lane(self.lane),
            name=clean_name(self.name),
            number=checked_number(self.number),
            heading=_heading(self.heading),
        )


def clean_name(name: str) -> str:
    """Return the name of a file as it may be shown; it is never used as a path.

    It is the last part of a path of either kind of system, in NFC, without control characters, marks that turn the
    direction of writing, line separators and letters that no version of Unicode has yet; at most 120 letters with its
    suffix; `scan` where nothing is left. Bytes that are no text are shown as U+FFFD.
    """
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = unicodedata.normalize("NFC", "".join(_shown(letter) for letter in last))
    text = " ".join(shown.split())
    if not text.strip(" ."):
        return NAMELESS
    if len(text) > _LONGEST_NAME:
        stem, dot, suffix = text.rpartition(".")
        end = dot + suffix if stem and len(suffix) <= _LONGEST_SUFFIX else ""
        text = text[: _LONGEST_NAME - len(end) - 1].rstrip() + "…" + end
    return text


def _shown(letter: str) -> str:
    category = unicodedata.category(letter)
    if category == "Cs":
        return "\ufffd"
    if category[0] == "Z" or letter in "\t\r\n":
        return " "
    return "" if category[0] == "C" else letter


def checked_number(number: str | None) -> str | None:
    """Return the number of a container or bag without spaces around it, None where it is None or blank.

    Raises:
        WrongValue: it is longer than 64 letters, or not printable.
    """
    text = (number or "").strip()
    if len(text) > _LONGEST_NUMBER or not text.isprintable():
        raise WrongValue(
            f"a number is {text[:80]!r}; expected that of a container or bag, of at most {_LONGEST_NUMBER} letters"
        )
    return text or None


def _heading(heading: str | None) -> str | None:
    if heading is None or not heading.strip():
        return None
    try:
        return checked_heading(heading)
    except UsageError as error:
        raise WrongValue(str(error)) from error


def read_sidecar(path: Path) -> tuple[str | None, str | None]:
    """Return the number and the heading that stand in a file beside a scan; None for what is not there.

    The file is a JSON object in UTF-8 with the keys `number` and `heading`, each a text, a whole number or null.

    Raises:
        WrongValue: the file cannot be read, or holds something else.
    """
    try:
        opened = open_regular(path)
        if opened is None:
            raise WrongValue(f"{clean_name(path.name)} is a link, pipe or folder; expected a file of JSON")
        with opened:
            content = opened.read(_LARGEST_SIDECAR + 1)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENAMETOOLONG):
            return None, None
        raise WrongValue(
            f"{clean_name(path.name)} cannot be read ({error.strerror}); look at its rights, and put it into the "
            "inbox again with its scan"
        ) from error
    found = _object(content, clean_name(path.name))
    number, heading = (_text(found.get(key), key, clean_name(path.name)) for key in _KEYS)
    return number, heading


def _object(content: bytes, name: str) -> dict[str, Any]:
    if len(content) > _LARGEST_SIDECAR:
        raise WrongValue(f"{name} has more than {_LARGEST_SIDECAR:,} bytes; expected a number and a heading")
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise WrongValue(
            f"{name} is no JSON ({error}); expected an object with number and heading"
        ) from error
    if not isinstance(found, dict):
        raise WrongValue(f"{name} holds a {type(found).__name__}; expected an object with number and heading")
    for key in found:
        if key not in _KEYS:
            hint = nearest_spelling(key, _KEYS)
            raise WrongValue(f"{name} has the key {key[:80]!r}{hint}; expected number and heading")
    return found


def _text(value: object, key: str, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise WrongValue(f"{name} has the {key} {str(value)[:80]!r}; expected a text, a whole number or null")
