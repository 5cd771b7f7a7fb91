"""Who asks for a record, and when."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What every record of a person's action carries.

    Attributes:
        by: account.
        request_id: made by the console; the same one again gives the same record, not a second one.
        moment: now, in UTC.
    """

    by: str
    request_id: str
    moment: datetime
