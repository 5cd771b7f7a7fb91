"""Why a scan was not accepted: one tree for uploads and watched folders.

Refused
├── EmptyUpload, TooLarge, NotAScan, WrongValue      the scan itself: the same again would be refused again
└── Temporary
    ├── LaneFull, DatabaseBusy                       the same again may be accepted in a while
    └── DiskFull, StorageFailed                      somebody has to look at the disk first
"""

# ruff: noqa: N818 - a refusal is an answer to whoever brings a scan, not an error of the service

from typing import ClassVar

from cargosight_models.errors import CargosightError


class Refused(CargosightError):
    """A scan was not accepted; nothing of it is kept.

    Attributes:
        status: of HTTP.
        code: one short word for programs.
        retry_after: seconds after which to try again, None where that would not help.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"
    retry_after: int | None = None


class EmptyUpload(Refused):
    """No bytes came."""

    status = 400
    code = "empty"


class TooLarge(Refused):
    """More bytes than a scan may have here."""

    status = 413
    code = "too_large"


class NotAScan(Refused):
    """The first bytes are those of no format that is read."""

    status = 415
    code = "not_a_scan"


class WrongValue(Refused):
    """The number or the heading is none."""

    status = 422
    code = "wrong_value"


class Temporary(Refused):
    """The same scan may be accepted later."""

    status = 503
    code = "try_again"

    def __init__(self, sentence: str, retry_after: int = 30) -> None:
        """Keep the sentence.

        Args:
            sentence: what was found, and what to do.
            retry_after: seconds, 1 or more.
        """
        super().__init__(sentence)
        self.retry_after = max(1, retry_after)


class LaneFull(Temporary):
    """As many scans of the lane wait for their inspection as may."""

    status = 429
    code = "lane_full"


class DiskFull(Temporary):
    """No room on the disk, or in the quota of the service's account."""

    status = 507
    code = "disk_full"


class StorageFailed(Temporary):
    """The disk gave an error other than that it is full."""

    status = 503
    code = "storage_failed"


class DatabaseBusy(Temporary):
    """The database did not take the scan in time."""

    status = 503
    code = "database_busy"

    def __init__(self, sentence: str, retry_after: int = 2) -> None:
        """Keep the sentence; a busy database is soon free again."""
        super().__init__(sentence, retry_after)
