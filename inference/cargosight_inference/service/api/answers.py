"""What the service answers with, as OpenAPI describes it and as every answer is checked."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from cargosight_inference.service.records.accounts import Role
from cargosight_inference.service.records.tokens import Scope

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""UTC, ISO 8601 with Z."""


class Answer(BaseModel):
    """An answer or a part of one."""


class Problem(Answer):
    """What went wrong: a short word for programs, a sentence for people."""

    code: str
    message: str


class ErrorAnswer(Answer):
    """The answer to a request that was refused or failed."""

    error: Problem


class AccountAnswer(Answer):
    """An account."""

    name: str
    role: Role
    lanes: list[str]
    must_change_password: bool
    disabled: bool


class LoginAnswer(Answer):
    """Who signed in, and what every request that changes something has to repeat in X-CSRF-Token."""

    account: AccountAnswer
    csrf: str


class MeAnswer(Answer):
    """Who is signed in; `lanes` are those that can be seen."""

    name: str
    role: Role
    lanes: list[str]
    csrf: str
    must_change_password: bool


class AccountMade(Answer):
    """A new account and its first password, which is shown once."""

    account: AccountAnswer
    one_time_password: str


class OneTimePassword(Answer):
    """A password that has to be changed at the first sign-in."""

    one_time_password: str


class TokenAnswer(Answer):
    """A machine token, without the token itself."""

    id: int
    name: str
    scope: Scope
    lane: str | None
    created_at: Time
    expires_at: Time
    revoked_at: Time | None


class TokenMade(Answer):
    """A new machine token, which is shown once."""

    id: int
    token: str


class QueueAnswer(Answer):
    """A lane's queue: scans that wait for their inspection, and scans that wait for a person."""

    waiting: int
    inspecting: int
    undecided: int
    to_confirm: int
    oldest_seconds: float | None


class ModelState(Answer):
    """What inspects a lane; `problem` says why nothing does."""

    ready: bool
    problem: str | None
    model: str
    fingerprint: str | None
    operating_point: str | None
    thresholds: dict[str, float] | None
    precision: str | None


class LaneAnswer(Answer):
    """A lane."""

    name: str
    title: str
    subject: Literal["baggage", "cargo"]
    queue: QueueAnswer
    model: ModelState
    deadline_seconds: float
    undo_seconds: float
    second_person: str
    refer_reasons: list[str]
    clear_reasons: list[str]
    classes: list[str]


class UploadAnswer(Answer):
    """A scan that was accepted; it will not be lost. A duplicate is one that the lane had already.

    It keeps the number that came first; where another number or heading came now, a sentence (`note`) says so.
    """

    id: int
    sha256: str
    lane: str
    duplicate: bool
    kept_number: str | None
    note: str | None


class StatisticsRow(Answer):
    """What happened in a lane, or what an operator did."""

    name: str
    scans: int
    alarms: int
    decided: int
    cleared: int
    referred: int
    advised: int
    agreed_with_advice: int
    overridden: int
    undone: int
    seconds_median: float | None
    seconds_p90: float | None
    inspected_by_hand: int
    found_at_secondary: int


class StatisticsAnswer(Answer):
    """Rates and times, by lane and by operator, and the span that they are of."""

    since: Time
    until: Time
    lanes: list[StatisticsRow]
    operators: list[StatisticsRow]


class PointAnswer(Answer):
    """An operating point of a model."""

    name: str
    wanted_pfa: float | None
    thresholds: dict[str, float]
    measured: dict[str, Any]
    data: str


class ModelAnswer(Answer):
    """A model of the catalog or of the folder of models; one with a problem cannot be chosen."""

    name: str
    origin: str
    fingerprint: str
    default: str | None
    points: list[PointAnswer]
    problem: str | None


class AuditRecordAnswer(Answer):
    """A record of the audit chain."""

    seq: int
    at: Time
    actor: str
    action: str
    lane: str | None
    scan: int | None
    detail: dict[str, Any]
    previous: str
    hash: str


class AuditPage(Answer):
    """Records, and the number to go on from (`after`), null at the end."""

    records: list[AuditRecordAnswer]
    next: int | None


class Story(Answer):
    """The audit records of one scan."""

    records: list[AuditRecordAnswer]


class Head(Answer):
    """Number and hash of the last record; written down elsewhere, they show later that nothing was made anew."""

    seq: int
    hash: str


class VerificationAnswer(Answer):
    """What a walk along the audit chain found: the first problems, and how many there are."""

    intact: bool
    count: int
    head: Head
    problems: list[str]
    wrong: int


class Health(Answer):
    """Whether the service runs."""

    status: Literal["live", "ready", "not_ready"]


class Readiness(Health):
    """Whether every lane is served; why not, and what somebody should know all the same; a sentence each."""

    problems: list[str]
    warnings: list[str]
