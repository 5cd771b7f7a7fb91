"""Decisions of people: made, undone, confirmed, overridden; each a record of its own, none ever changed."""

from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from cargosight_inference.service.database.engine import as_text, as_time
from cargosight_inference.service.database.tables import DECISIONS, INSPECTIONS, SCANS
from cargosight_inference.service.records import audit, events, inspections, scans
from cargosight_inference.service.records.asked import Asked
from cargosight_inference.service.records.audit_rows import ANSWERS
from cargosight_inference.service.records.errors import ConflictError, MissingRecordError
from cargosight_inference.service.settings import LaneSettings, SecondPerson

Choice = Literal["clear", "refer"]
RecordKind = Literal["decision", "undo", "confirmation", "rejection", "override"]

_DECIDED = {"clear": "cleared", "refer": "referred"}


def decide(
    connection: Connection,
    lane: LaneSettings,
    scan: int,
    *,
    choice: Choice,
    reason: str,
    note: str,
    seconds: float | None,
    inspection: int | None,
    after: int | None,
    asked: Asked,
) -> dict[str, Any]:
    """Record an operator's decision.

    Args:
        connection: from `Database.writing`.
        lane: of the scan.
        scan: id.
        choice: `clear` or `refer`.
        reason: one of the lane's, or the operator's own words; needed to refer, and to clear against the advice.
        note: free text.
        seconds: that the operator took.
        inspection: id of what was on the screen, None where nothing was.
        after: id of the last decision record that the operator had seen, 0 for none, None not to check.
        asked: by whom and when.

    Raises:
        MissingRecordError: there is no such scan, or it has no such inspection.
        ConflictError: the scan is not undecided, or something was decided that the operator had not seen.
    """
    row, repeated = _begin(connection, scan, asked)
    if repeated is not None:
        return repeated
    if row.state != "undecided" or (after is not None and after != _last(connection, scan)):
        raise ConflictError("decided_meanwhile", _meanwhile(connection, row))
    inspections.demand(connection, scan, inspection)
    advice = None
    if row.inspection_id is not None:
        found = select(INSPECTIONS.c.advice).where(INSPECTIONS.c.id == row.inspection_id)
        advice = connection.execute(found).scalar_one()
    if not reason and (choice == "refer" or advice in ("refer", "unreadable")):
        why = "referral" if choice == "refer" else f"clearance of a scan whose advice is {advice}"
        raise ConflictError("reason_needed", f"a {why} has no reason; choose one, or write it")
    to_confirm = needs_confirmation(lane.second_person, choice, advice)
    state = "to_confirm" if to_confirm else _DECIDED[choice]
    return _add(
        connection,
        row,
        "decision",
        state,
        asked,
        in_force="this",
        decision=choice,
        reason=reason,
        note=note,
        seconds=seconds,
        inspection_id=inspection,
    )


def needs_confirmation(policy: SecondPerson, choice: Choice, advice: str | None) -> bool:
    """Return whether another person has to confirm a decision."""
    if policy == "clears_against_advice":
        return choice == "clear" and advice in ("refer", "unreadable")
    return policy == "all" or policy == {"clear": "clears", "refer": "referrals"}[choice]


def undo(
    connection: Connection,
    lane: LaneSettings,
    scan: int,
    decision: int,
    *,
    asked: Asked,
) -> dict[str, Any]:
    """Take back one's own decision within the lane's time; the record of it stays.

    Raises:
        MissingRecordError: there is no such decision.
        ConflictError: it is another's, is in force no more, or the time is over.
    """
    row, repeated = _begin(connection, scan, asked)
    if repeated is not None:
        return repeated
    made = _in_force(connection, row, decision)
    if made.made_by != asked.by:
        raise ConflictError("not_yours", f"the decision is {made.made_by}'s; a supervisor can override it")
    if made.kind != "decision" or row.state == "closed" or _confirmed(connection, scan, decision):
        raise ConflictError("too_late", "this can no longer be undone; a supervisor can override it")
    if asked.moment - as_time(made.made_at) > timedelta(seconds=lane.undo_seconds):
        raise ConflictError(
            "too_late",
            f"a decision can be undone within {lane.undo_seconds:g} s; a supervisor can override it",
        )
    return _add(connection, row, "undo", "undecided", asked, in_force="none", reverses=decision)


def confirm(
    connection: Connection,
    scan: int,
    decision: int,
    *,
    agree: bool,
    note: str,
    asked: Asked,
) -> dict[str, Any]:
    """Confirm or reject another person's decision; a rejected one leaves the scan undecided.

    Raises:
        MissingRecordError: there is no such decision.
        ConflictError: it waits for no confirmation, or it is one's own.
    """
    row, repeated = _begin(connection, scan, asked)
    if repeated is not None:
        return repeated
    made = _in_force(connection, row, decision)
    if row.state != "to_confirm":
        raise ConflictError("nothing_to_confirm", "this decision waits for no confirmation")
    if made.made_by == asked.by:
        raise ConflictError("second_person_needed", "the decision is yours; another person has to confirm it")
    if agree:
        state = _DECIDED[made.decision]
        return _add(connection, row, "confirmation", state, asked, in_force="same", note=note, answered=made)
    return _add(
        connection,
        row,
        "rejection",
        "undecided",
        asked,
        in_force="none",
        note=note,
        reverses=decision,
        answered=made,
    )


def override(
    connection: Connection,
    scan: int,
    decision: int,
    *,
    choice: Choice,
    reason: str,
    note: str,
    asked: Asked,
) -> dict[str, Any]:
    """Put a supervisor's decision in the place of another.

    Raises:
        MissingRecordError: there is no such decision.
        ConflictError: it is in force no more, the scan is closed, or there is no reason.
    """
    row, repeated = _begin(connection, scan, asked)
    if repeated is not None:
        return repeated
    made = _in_force(connection, row, decision)
    if row.state == "to_confirm" and made.made_by == asked.by:
        raise ConflictError(
            "second_person_needed",
            "the decision is yours and waits for another person, who has to confirm it",
        )
    if row.state == "closed":
        raise ConflictError("closed", "the secondary inspection of this scan is recorded: it is closed")
    if not reason:
        raise ConflictError("reason_needed", "an override has no reason; write one")
    return _add(
        connection,
        row,
        "override",
        _DECIDED[choice],
        asked,
        in_force="this",
        decision=choice,
        reason=reason,
        note=note,
        reverses=decision,
    )


def listed(connection: Connection, scan: int) -> list[dict[str, Any]]:
    """Return every decision record of a scan by age, JSON-ready."""
    rows = connection.execute(select(DECISIONS).where(DECISIONS.c.scan_id == scan).order_by(DECISIONS.c.id))
    return [as_dict(row) for row in rows]


def as_dict(row: Row[Any]) -> dict[str, Any]:
    """Return a decision record, JSON-ready."""
    return {
        **{
            key: getattr(row, key)
            for key in ("id", "kind", "decision", "reason", "note", "seconds", "reverses")
        },
        "by": row.made_by,
        "at": row.made_at,
        "inspection": row.inspection_id,
    }


def _begin(connection: Connection, scan: int, asked: Asked) -> tuple[Row[Any], dict[str, Any] | None]:
    """Return the scan, and the record that this request has made already."""
    row = scans.get(connection, scan)
    if row is None:
        raise MissingRecordError(f"there is no scan {scan}")
    known = connection.execute(select(DECISIONS).where(DECISIONS.c.request_id == asked.request_id)).first()
    if known is None:
        return row, None
    if known.scan_id != scan or known.made_by != asked.by:
        raise ConflictError("request_used", "this request id belongs to another record; make a new one")
    return row, as_dict(known)


def _in_force(connection: Connection, row: Row[Any], decision: int) -> Row[Any]:
    made = connection.execute(
        select(DECISIONS).where(DECISIONS.c.id == decision, DECISIONS.c.scan_id == row.id)
    ).first()
    if made is None:
        raise MissingRecordError(f"scan {row.id} has no decision {decision}")
    if row.decision_id != decision:
        raise ConflictError("not_in_force", _meanwhile(connection, row))
    return made


def _meanwhile(connection: Connection, row: Row[Any]) -> str:
    if row.state == "waiting":
        return "the scan was not shown yet; wait for its inspection"
    last = select(DECISIONS).where(DECISIONS.c.scan_id == row.id).order_by(DECISIONS.c.id.desc()).limit(1)
    made = connection.execute(last).first()
    if made is None:
        return f"the scan is {row.state}"
    what = made.kind if made.decision is None else f"{made.kind} to {made.decision}"
    return f"{made.made_by} was faster: {what} at {made.made_at[11:19]} UTC; the scan is {row.state}"


def _confirmed(connection: Connection, scan: int, decision: int) -> bool:
    """Return whether another person confirmed a decision: then it is no longer its maker's alone."""
    later = select(DECISIONS.c.id).where(
        DECISIONS.c.scan_id == scan, DECISIONS.c.id > decision, DECISIONS.c.kind == "confirmation"
    )
    return connection.execute(later.limit(1)).first() is not None


def _last(connection: Connection, scan: int) -> int:
    last = select(DECISIONS.c.id).where(DECISIONS.c.scan_id == scan).order_by(DECISIONS.c.id.desc()).limit(1)
    return connection.execute(last).scalar_one_or_none() or 0


def _add(
    connection: Connection,
    row: Row[Any],
    kind: RecordKind,
    state: str,
    asked: Asked,
    *,
    in_force: Literal["this", "same", "none"],
    decision: str | None = None,
    reason: str = "",
    note: str = "",
    seconds: float | None = None,
    inspection_id: int | None = None,
    reverses: int | None = None,
    answered: Row[Any] | None = None,
) -> dict[str, Any]:
    values = {
        "scan_id": row.id,
        "kind": kind,
        "decision": decision,
        "reason": reason,
        "note": note,
        "seconds": seconds,
        "inspection_id": inspection_id,
        "reverses": reverses,
        "made_by": asked.by,
        "made_at": as_text(asked.moment),
        "request_id": asked.request_id,
    }
    made = int(connection.execute(insert(DECISIONS).values(**values).returning(DECISIONS.c.id)).scalar_one())
    now_in_force = {"this": made, "same": row.decision_id, "none": None}[in_force]
    connection.execute(
        update(SCANS).where(SCANS.c.id == row.id).values(state=state, decision_id=now_in_force)
    )
    detail = {key: values[key] for key in ("decision", "reason", "note", "seconds", "reverses")}
    if answered is not None:
        detail[ANSWERS[kind]] = _told_of(connection, answered)
    audit.append(
        connection,
        actor=asked.by,
        action=kind,
        lane=row.lane,
        scan=row.id,
        detail={"id": made, "state": state, "inspection": inspection_id, **detail},
    )
    events.append(connection, "scan.decided", row.lane, scans.summary_of(connection, row.id))
    return as_dict(connection.execute(select(DECISIONS).where(DECISIONS.c.id == made)).one())


def _told_of(connection: Connection, made: Row[Any]) -> dict[str, Any]:
    """Return what the audit record of a second person's answer tells of the decision that it answers."""
    return {
        "id": made.id,
        "seq": audit.number_of(connection, made.scan_id, made.kind, made.id),
        "action": made.kind,
        "decision": made.decision,
        "by": made.made_by,
        "inspection": made.inspection_id,
    }
