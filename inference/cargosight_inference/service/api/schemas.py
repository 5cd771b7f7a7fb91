"""What requests may hold: every field bounded, unknown ones refused."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from cargosight_inference.service.database.engine import as_text
from cargosight_inference.service.records.accounts import Role
from cargosight_inference.service.records.observations import Verdict
from cargosight_inference.service.records.scans import State

LARGEST_ID = 2**31 - 1
"""PostgreSQL's integers end there."""
MOST_LISTED = 200
_LINE = r"^[^\x00-\x1f\x7f]*$"
_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
_RESERVED = ("folder", "service")
"""Actors in the audit chain that are no people."""


def _whole(given: object) -> object:
    return int(given) if isinstance(given, float) and given.is_integer() else given


Id = Annotated[int, Field(ge=1, le=LARGEST_ID), BeforeValidator(_whole)]
"""Also written as 7.0, which is the same number in JSON."""
LaneName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
AccountName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
RequestId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
Label = Annotated[str, StringConstraints(pattern=_LINE, min_length=1, max_length=64)]
Reason = Annotated[str, StringConstraints(pattern=_LINE, max_length=255, strip_whitespace=True)]
Note = Annotated[str, StringConstraints(pattern=_TEXT, max_length=2000)]
Seconds = Annotated[float, Field(ge=0.0, le=604_800.0)]
Score = Annotated[float, Field(ge=0.0, le=1.0)]
Place = Annotated[float, Field(ge=0.0, le=1e6)]
"""In scan pixels."""
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024)]

ScanPath = Annotated[int, Path(ge=1, le=LARGEST_ID, description="Id of a scan.")]
InspectionPath = Annotated[int, Path(ge=1, le=LARGEST_ID, description="Id of an inspection of the scan.")]
DecisionPath = Annotated[int, Path(ge=1, le=LARGEST_ID, description="Id of a decision on the scan.")]
TokenPath = Annotated[int, Path(ge=1, le=LARGEST_ID, description="Id of a machine token.")]
LevelPath = Annotated[int, Path(ge=0, le=31, description="Level of the picture, 0 for full scale.")]
TilePath = Annotated[int, Path(ge=0, le=1_000_000, description="Place of the tile on its level, from 0.")]
LanePath = Annotated[
    str,
    Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", min_length=1, max_length=63, description="Name of a lane."),
]
AccountPath = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$",
        min_length=1,
        max_length=64,
        description="Name of an account.",
    ),
]
LaneQuery = Annotated[
    str | None, Query(min_length=1, max_length=63, description="Name of a lane; default: all of one's own.")
]

_OLDEST, _NEWEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)


def as_stored(moment: datetime) -> str:
    """Return a time as the database keeps it; one that no scan can have is moved to the nearest that one could."""
    if moment.year < _OLDEST.year:
        return as_text(_OLDEST)
    return as_text(_NEWEST if moment.year > _NEWEST.year else moment)


def _no_number(given: object) -> object:
    if isinstance(given, str) and given.strip().lstrip("+-").replace(".", "", 1).isdigit():
        raise ValueError("expected a time in ISO 8601, such as 2026-11-29T08:15:30Z, and not a number")
    return given


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number)]
"""Given in ISO 8601 with its offset from UTC."""


def _not_reserved(name: str) -> str:
    if name.lower() in _RESERVED:
        raise ValueError(f"{name} is what the service calls itself in its records; choose another name")
    return name


class Request(BaseModel):
    """Unknown keys are refused, and no number is guessed from a text."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class QueryValues(BaseModel):
    """What stands behind the question mark; a name that is misspelt would widen a search without a word."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Login(Request):
    """Signing in."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    password: Password


class NewPassword(Request):
    """Another password in place of the present one."""

    current: Password
    new: Password


class Nothing(Request):
    """An empty object."""


class FilterUse(Request):
    """A filter that was in use for some seconds."""

    filter: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.:=+/-]{0,63}$")]
    seconds: Seconds


class NewDecision(Request):
    """An operator's decision, and what the operator had seen of others' (`after`: the last record's id, or 0)."""

    decision: Literal["clear", "refer"]
    reason: Reason = ""
    note: Note = ""
    seconds: Seconds | None = None
    inspection: Id | None = None
    after: Annotated[int, Field(ge=0, le=LARGEST_ID), BeforeValidator(_whole)]
    request_id: RequestId


class Undoing(Request):
    """Taking one's own decision back."""

    request_id: RequestId


class Confirmation(Request):
    """A second person's word."""

    agree: bool
    note: Note = ""
    request_id: RequestId


class Override(Request):
    """A supervisor's decision in place of another."""

    decision: Literal["clear", "refer"]
    reason: Annotated[Reason, Field(min_length=1)]
    note: Note = ""
    request_id: RequestId


class NewMark(Request):
    """What an operator says of a finding, or a place that the operator drew."""

    inspection: Id | None = None
    finding: Annotated[int, Field(ge=0, le=100_000), BeforeValidator(_whole)] | None = None
    verdict: Verdict
    label: Label
    box: Annotated[list[Place], Field(min_length=4, max_length=4)] | None = None
    note: Note = ""
    request_id: RequestId


class NewSecondary(Request):
    """What a secondary inspection found; nothing where `found` is empty."""

    found: Annotated[list[Label], Field(max_length=50)]
    note: Note = ""
    request_id: RequestId


class NewAccount(Request):
    """An account; its first password is made by the service."""

    name: Annotated[AccountName, AfterValidator(_not_reserved)]
    role: Role
    lanes: Annotated[list[LaneName], Field(max_length=200)] = []


class AccountChange(Request):
    """What is to be changed of an account; what is left out stays."""

    role: Role | None = None
    lanes: Annotated[list[LaneName], Field(max_length=200)] | None = None
    disabled: bool | None = None


class _NewToken(Request):
    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$")]
    days: Annotated[float, Field(gt=0.0, le=3650.0)]


class ScannerToken(_NewToken):
    """A token that uploads to one lane."""

    scope: Literal["scanner"]
    lane: LaneName


class MetricsToken(_NewToken):
    """A token that reads the figures of all lanes."""

    scope: Literal["metrics"]
    lane: None = None


NewToken = Annotated[ScannerToken | MetricsToken, Field(discriminator="scope")]


class EngineChoice(Request):
    """The model of a lane, the present one where it is left out, and where it alarms.

    It is given by its catalog name, or by the path of an .onnx file in the folder of models.
    """

    model: Annotated[str, StringConstraints(pattern=_LINE, min_length=1, max_length=1024)] | None = None
    operating_point: Annotated[str, StringConstraints(pattern=_LINE, min_length=1, max_length=255)] | None = (
        None
    )
    threshold: Score | None = None


class LaneScansQuery(QueryValues):
    """Which scans of a lane are listed."""

    state: State | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 50
    before: Id | None = None


class NextQuery(QueryValues):
    """Which scans the next one shall not be: ids, separated by commas."""

    skip: Annotated[str, StringConstraints(pattern=r"^(?:[0-9]{1,9}(?:,[0-9]{1,9})*)?$", max_length=4000)] = (
        ""
    )


class SearchQuery(QueryValues):
    """Which scans are searched for."""

    lane: LaneName | None = None
    number: Annotated[str, StringConstraints(pattern=_LINE, min_length=1, max_length=64)] | None = None
    label: Label | None = None
    min_score: Score | None = None
    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Annotated[Moment | None, Field(alias="to")] = None
    state: State | None = None
    decision: Literal["clear", "refer"] | None = None
    operator: Annotated[str, StringConstraints(pattern=_LINE, min_length=1, max_length=64)] | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_LISTED)] = 50
    before: Id | None = None


class ReferralsQuery(QueryValues):
    """Whose open referrals are listed."""

    lane: LaneName | None = None


class StatisticsQuery(QueryValues):
    """What is counted: by default the last 24 hours."""

    lane: LaneName | None = None
    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Annotated[Moment | None, Field(alias="to")] = None


class AuditQuery(QueryValues):
    """Which audit records are listed: by rising number, or the newest first where `before` is given."""

    after: Annotated[int, Field(ge=0, le=LARGEST_ID)] = 0
    before: Annotated[
        Id | None,
        Field(description="Number above the first that is wanted; 2147483647 begins at the newest."),
    ] = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200
    scan: Id | None = None


class ExportQuery(QueryValues):
    """What is exported, and how it is written."""

    format: Literal["jsonl", "csv"] = "jsonl"
    scan: Id | None = None


class EventsQuery(QueryValues):
    """Which events, and behind which one."""

    lane: LaneName | None = None
    after: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
