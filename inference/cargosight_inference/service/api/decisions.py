"""What people decide and see: decisions and what follows them, marks, secondary inspections."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter

from cargosight_inference.service.api.permissions import ROOT
from cargosight_inference.service.api.recording import recording
from cargosight_inference.service.api.scan_answers import DecisionAnswer, MarkAnswer, SecondaryAnswer
from cargosight_inference.service.api.schemas import (
    Confirmation,
    DecisionPath,
    NewDecision,
    NewMark,
    NewSecondary,
    Override,
    Undoing,
)
from cargosight_inference.service.api.sessions import Caller, GuardedRoute, TheCaller, TheDesk, TheScan
from cargosight_inference.service.database.engine import as_text
from cargosight_inference.service.desk import Desk
from cargosight_inference.service.records import decisions, observations
from cargosight_inference.service.records.asked import Asked

router = APIRouter(prefix=ROOT, route_class=GuardedRoute, tags=["decisions"])


@router.post("/scans/{scan}/decisions", status_code=201, response_model=DecisionAnswer)
def decide(body: NewDecision, row: TheScan, desk: TheDesk, caller: TheCaller) -> dict[str, Any]:
    """Clear or refer a scan. The same `request_id` again gives the record that is there.

    The reason is one of the lane's, or the operator's own words.
    """
    asked = _asked(caller, body.request_id)
    with recording(desk) as connection:
        made = decisions.decide(
            connection,
            desk.settings.lane(row.lane),
            row.id,
            choice=body.decision,
            reason=body.reason,
            note=body.note,
            seconds=body.seconds,
            inspection=body.inspection,
            after=body.after,
            asked=asked,
        )
    return _counted(desk, row.lane, made, asked)


@router.post("/scans/{scan}/decisions/{decision}/undo", status_code=201, response_model=DecisionAnswer)
def undo(
    decision: DecisionPath, body: Undoing, row: TheScan, desk: TheDesk, caller: TheCaller
) -> dict[str, Any]:
    """Take back one's own decision, within the lane's time; both records stay."""
    asked = _asked(caller, body.request_id)
    with recording(desk) as connection:
        made = decisions.undo(
            connection,
            desk.settings.lane(row.lane),
            row.id,
            decision,
            asked=asked,
        )
    return _counted(desk, row.lane, made, asked)


@router.post(
    "/scans/{scan}/decisions/{decision}/confirmation", status_code=201, response_model=DecisionAnswer
)
def confirm(
    decision: DecisionPath, body: Confirmation, row: TheScan, desk: TheDesk, caller: TheCaller
) -> dict[str, Any]:
    """Confirm or reject another person's decision."""
    asked = _asked(caller, body.request_id)
    with recording(desk) as connection:
        made = decisions.confirm(
            connection,
            row.id,
            decision,
            agree=body.agree,
            note=body.note,
            asked=asked,
        )
    return _counted(desk, row.lane, made, asked)


@router.post("/scans/{scan}/decisions/{decision}/override", status_code=201, response_model=DecisionAnswer)
def override(
    decision: DecisionPath, body: Override, row: TheScan, desk: TheDesk, caller: TheCaller
) -> dict[str, Any]:
    """Put a supervisor's decision in the place of another."""
    asked = _asked(caller, body.request_id)
    with recording(desk) as connection:
        made = decisions.override(
            connection,
            row.id,
            decision,
            choice=body.decision,
            reason=body.reason,
            note=body.note,
            asked=asked,
        )
    return _counted(desk, row.lane, made, asked)


@router.post("/scans/{scan}/marks", status_code=201, response_model=MarkAnswer)
def mark(body: NewMark, row: TheScan, desk: TheDesk, caller: TheCaller) -> dict[str, Any]:
    """Say of a finding whether it is there, or draw what was not found.

    A place that is drawn has the label of a class that the lane's model finds, or `unknown`.
    """
    classes = desk.lane_model(row.lane)["classes"]
    box = None if body.box is None else (body.box[0], body.box[1], body.box[2], body.box[3])
    with recording(desk) as connection:
        return observations.mark(
            connection,
            row.id,
            inspection=body.inspection,
            finding=body.finding,
            verdict=body.verdict,
            label=body.label,
            box=box,
            note=body.note,
            classes=classes,
            asked=_asked(caller, body.request_id),
        )


@router.post("/scans/{scan}/secondary", status_code=201, response_model=SecondaryAnswer)
def record_secondary(body: NewSecondary, row: TheScan, desk: TheDesk, caller: TheCaller) -> dict[str, Any]:
    """Record what the secondary inspection of a referred scan found, which closes it."""
    with recording(desk) as connection:
        return observations.record_secondary(
            connection,
            row.id,
            found=body.found,
            note=body.note,
            asked=_asked(caller, body.request_id),
        )


def _asked(caller: Caller, request_id: str) -> Asked:
    return Asked(by=caller.name, request_id=request_id, moment=datetime.now(UTC))


def _counted(desk: Desk, lane: str, made: dict[str, Any], asked: Asked) -> dict[str, Any]:
    """Count a record unless it was there before, and return it."""
    if made["at"] == as_text(asked.moment):
        desk.metrics.decided(lane, made["kind"], made["decision"], made["seconds"])
    return made
