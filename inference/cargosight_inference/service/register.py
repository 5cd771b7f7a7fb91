"""Where accepted scans are recorded, as the reception knows it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cargosight_inference.service.details import Source


@dataclass(frozen=True, kw_only=True)
class NewScan:
    """A scan whose bytes are stored and that is to be recorded.

    Attributes:
        lane: its name.
        sha256: of the bytes, 64 hex digits.
        size: in bytes.
        name: of the file, as it is shown.
        number: of the container or bag, None where none was given.
        heading: that was declared, None where none was.
        stored: path of the bytes below the data folder.
        source: the road it came on.
        by: token or account that sent it, `folder` for a watched folder.
        received_at: when the last byte had come, in UTC.
    """

    lane: str
    sha256: str
    size: int
    name: str
    number: str | None
    heading: str | None
    stored: str
    source: Source
    by: str
    received_at: datetime


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is told of a scan.

    Attributes:
        number: of the container or bag, None where none was given.
        heading: that was declared, None where none was.
    """

    number: str | None
    heading: str | None


class ScanRegister(Protocol):
    """Where accepted scans are recorded. Each method may raise an error of the database."""

    def find(self, lane: str, sha256: str) -> int | None:
        """Return the id of the scan of these bytes in a lane, None where there is none."""
        ...

    def waiting(self, lane: str) -> int:
        """Return how many scans of a lane have not been inspected yet."""
        ...

    def add(self, accepted: NewScan) -> tuple[int, bool]:
        """Record a scan, durably, and return its id and whether it is new.

        Raises:
            DatabaseFullError: nothing was recorded, for there is no room.
            DatabaseError: it was not recorded, or that is not known.
        """
        ...

    def again(self, scan: int, told: Told, *, by: str) -> Told:
        """Note, durably, that a scan came again; return what it keeps.

        Args:
            scan: id.
            told: of it now; what differs is recorded.
            by: who sent it.
        """
        ...
