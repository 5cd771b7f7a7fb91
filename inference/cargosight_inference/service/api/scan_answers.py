"""What the service answers about scans: what was found, what was decided, how the pixels lie."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from cargosight_inference.service.api.answers import Answer, Time
from cargosight_inference.service.records.decisions import Choice, RecordKind
from cargosight_inference.service.records.observations import Verdict
from cargosight_inference.service.records.scans import State

Advice = Literal["clear", "refer", "unreadable"]
Box = Annotated[list[float], Field(min_length=4, max_length=4)]
"""x1, y1, x2, y2 in scan pixels."""


class DecisionAnswer(Answer):
    """One record of what people decided."""

    id: int
    kind: RecordKind
    decision: Choice | None
    reason: str
    note: str
    seconds: float | None
    by: str
    at: Time
    inspection: int | None
    reverses: int | None


class TopFinding(Answer):
    """The finding of the highest score."""

    label: str
    score: float


class Summary(Answer):
    """A scan as strips, lists and events show it."""

    id: int
    lane: str
    number: str | None
    heading: str | None
    name: str
    received_at: Time
    state: State
    shown: bool
    overdue: bool
    late: bool
    advice: Advice | None
    reasons: list[str]
    top: TopFinding | None
    width: int | None
    height: int | None
    kind: str | None
    subject: str
    has_picture: bool
    picture_problem: str | None
    viewers: list[str]
    decision: DecisionAnswer | None


class ScanPage(Answer):
    """Scans, and the id to go on from (`before`), null at the end."""

    scans: list[Summary]
    next: int | None


class Referrals(Answer):
    """Scans that wait for their secondary inspection, the oldest first."""

    scans: list[Summary]


class Position(Answer):
    """Where a finding lies along the container, from its left end."""

    share: float
    metres: float | None


class FindingAnswer(Answer):
    """A finding; `position` only in scans of cargo."""

    model_config = ConfigDict(extra="allow")

    label: str
    kind: str
    score: float
    box: Box


class MapSize(Answer):
    """Cells of a map across and down, and the side of a cell in scan pixels."""

    width: int
    height: int
    cell: int


class InspectionAnswer(Answer):
    """What a model said of a scan, with all that decided it.

    `below_threshold` are the best known items below the thresholds: they decided nothing, and are no findings.
    `below_floor` is the score from which on all of them are there. Null in an inspection from before they were kept,
    and of a file on which nothing came back.
    """

    model_config = ConfigDict(extra="allow")

    id: int
    late: bool
    created_at: Time
    seconds_from_arrival: float
    decision: Advice
    reasons: list[str]
    findings: list[FindingAnswer]
    below_threshold: list[FindingAnswer] | None = None
    below_floor: float | None = None
    model: str
    fingerprint: str
    precision: str
    operating_point: str
    thresholds: dict[str, float]
    error: str | None
    timings_ms: dict[str, float]
    maps: dict[str, MapSize]


class InspectionLine(Answer):
    """One inspection of a scan, without its findings."""

    id: int
    created_at: Time
    model: str
    fingerprint: str
    operating_point: str
    late: bool


class MarkAnswer(Answer):
    """What a person said of a finding, or a place that a person drew."""

    id: int
    inspection: int | None
    finding: int | None
    verdict: Verdict
    label: str
    box: Box | None
    note: str
    by: str
    at: Time


class SecondaryAnswer(Answer):
    """What a secondary inspection found."""

    found: list[str]
    note: str
    by: str
    at: Time


class Detail(Summary):
    """A scan with everything that is known of it."""

    inspection: InspectionAnswer | None
    inspections: list[InspectionLine]
    decisions: list[DecisionAnswer]
    marks: list[MarkAnswer]
    secondary: SecondaryAnswer | None


class Level(Answer):
    """One level of a picture, in pixels and tiles."""

    width: int
    height: int
    columns: int
    rows: int


class PictureAnswer(Answer):
    """How a scan's pixels lie on the disk; tiles are read by it."""

    model_config = ConfigDict(extra="allow")

    version: int
    width: int
    height: int
    kind: str
    channels: int
    type: Literal["uint16", "uint8"]
    subject: str
    tile: int
    apron: int
    levels: list[Level]
    pixel_pitch_mm: list[float] | None
    energies_mv: list[float] | None
    air_level: float | None
    polarity: str | None
    assumptions: list[str]
    brightest: float
    areal_density: dict[str, Any] | None
