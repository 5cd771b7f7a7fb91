"""Scans as the service knows them: accepted, waiting, shown, decided."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, astuple
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, case, exists, func, insert, select, update

from cargosight_inference.service.accepting import NewScan, Told
from cargosight_inference.service.database.engine import Database, as_text
from cargosight_inference.service.database.tables import DECISIONS, FINDINGS, INSPECTIONS, SCANS
from cargosight_inference.service.records import audit, events
from cargosight_inference.service.settings import LaneSettings, ServiceSettings

State = Literal["waiting", "undecided", "to_confirm", "cleared", "referred", "closed"]
OPEN: tuple[State, ...] = ("undecided", "to_confirm")
"""States in which a scan needs a person at the lane."""
WAITING: tuple[State, ...] = ("waiting", *OPEN, "referred")
"""States in which something is still to be done with a scan."""


class ScanRecords:
    """The register of accepted scans."""

    def __init__(self, database: Database, settings: ServiceSettings) -> None:
        self._database = database
        self._priorities = {lane.name: lane.priority for lane in settings.lanes}

    def find(self, lane: str, sha256: str) -> int | None:
        """Return the id of the scan of these bytes in a lane, None where there is none."""
        with self._database.reading() as connection:
            return _find(connection, lane, sha256)

    def waiting(self, lane: str) -> int:
        """Return how many scans of a lane have not been inspected yet."""
        with self._database.reading() as connection:
            return connection.execute(
                select(func.count()).where(SCANS.c.lane == lane, SCANS.c.to_inspect)
            ).scalar_one()

    def add(self, accepted: NewScan) -> tuple[int, bool]:
        """Record a scan whose bytes are stored; durable when it returns.

        Returns:
            Its id, and whether it is new: the same bytes in the same lane are one scan.

        Raises:
            DatabaseBusyError: the database does not take it now.
            DatabaseFullError: there is no room.
        """
        with self._database.writing() as connection:
            known = _find(connection, accepted.lane, accepted.sha256)
            if known is not None:
                return known, False
            values = {
                key: value for key, value in asdict(accepted).items() if key not in ("by", "received_at")
            }
            added = connection.execute(
                insert(SCANS)
                .values(
                    **values,
                    received_by=accepted.by,
                    received_at=as_text(accepted.received_at),
                    state="waiting",
                    priority=self._priorities[accepted.lane],
                    to_inspect=True,
                    overdue=False,
                    attempts=0,
                    has_picture=False,
                )
                .returning(SCANS.c.id)
            )
            scan = int(added.scalar_one())
            audit.append(
                connection,
                actor=accepted.by,
                action="scan.accepted",
                lane=accepted.lane,
                scan=scan,
                detail={"sha256": accepted.sha256, "number": accepted.number, "heading": accepted.heading},
            )
            events.append(connection, "scan.accepted", accepted.lane, summary_of(connection, scan))
        return scan, True

    def again(self, scan: int, told: Told, *, by: str) -> Told:
        """Note that a scan came again; another number or heading stands in the audit chain, and changes nothing.

        Raises:
            DatabaseError: it was not recorded.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(SCANS).where(SCANS.c.id == scan)).one()
        kept = Told(number=row.number, heading=row.heading)
        if all(given in (None, mine) for given, mine in zip(astuple(told), astuple(kept), strict=True)):
            return kept
        detail = {**asdict(told), "kept_number": kept.number, "kept_heading": kept.heading}
        with self._database.writing() as connection:
            audit.append(connection, actor=by, action="scan.again", lane=row.lane, scan=scan, detail=detail)
        return kept


def _find(connection: Connection, lane: str, sha256: str) -> int | None:
    return connection.execute(
        select(SCANS.c.id).where(SCANS.c.lane == lane, SCANS.c.sha256 == sha256)
    ).scalar_one_or_none()


def get(connection: Connection, scan: int) -> Row[Any] | None:
    """Return a scan's row, None where there is none."""
    return connection.execute(select(SCANS).where(SCANS.c.id == scan)).first()


def to_inspect(connection: Connection, lanes: Collection[str], busy: Collection[int]) -> Row[Any] | None:
    """Return the scan of some lanes whose turn it is: of the highest priority, the oldest; none that is under way."""
    wanted = select(SCANS).where(SCANS.c.to_inspect, SCANS.c.lane.in_(lanes), SCANS.c.id.not_in(busy))
    return connection.execute(wanted.order_by(SCANS.c.priority.desc(), SCANS.c.id).limit(1)).first()


def without_picture(connection: Connection, lanes: Collection[str]) -> Row[Any] | None:
    """Return the oldest scan of the highest priority in some lanes whose picture was not made yet and can be."""
    wanted = select(SCANS).where(
        ~SCANS.c.has_picture, SCANS.c.picture_problem.is_(None), SCANS.c.lane.in_(lanes)
    )
    return connection.execute(wanted.order_by(SCANS.c.priority.desc(), SCANS.c.id).limit(1)).first()


def of_other_lanes(connection: Connection, lanes: Collection[str]) -> dict[str, int]:
    """Return how many scans wait in each lane that has scans and is none of some: for a model or for people."""
    waits = SCANS.c.to_inspect | SCANS.c.state.in_(WAITING)
    counted = func.coalesce(func.sum(case((waits, 1), else_=0)), 0)
    grouped = select(SCANS.c.lane, counted).where(SCANS.c.lane.not_in(lanes)).group_by(SCANS.c.lane)
    return {row[0]: int(row[1]) for row in connection.execute(grouped.order_by(SCANS.c.lane))}


def note_attempt(database: Database, scan: int) -> None:
    """Count that a worker was lost on a scan."""
    with database.writing() as connection:
        connection.execute(update(SCANS).where(SCANS.c.id == scan).values(attempts=SCANS.c.attempts + 1))


def picture_made(database: Database, scan: int, description: Mapping[str, Any]) -> None:
    """Record that a scan's picture can be shown.

    Args:
        database: of the service.
        scan: id.
        description: of the picture; its size, kind and brightness are kept.
    """
    with database.writing() as connection:
        connection.execute(
            update(SCANS)
            .where(SCANS.c.id == scan)
            .values(
                has_picture=True,
                width=description["width"],
                height=description["height"],
                kind=description["kind"],
                brightest=description["brightest"],
                air_level=description["air_level"],
            )
        )
        summary = summary_of(connection, scan)
        events.append(connection, "scan.picture", summary["lane"], summary)


def picture_failed(database: Database, scan: int, problem: str) -> None:
    """Record that a scan has no picture, and why."""
    with database.writing() as connection:
        connection.execute(update(SCANS).where(SCANS.c.id == scan).values(picture_problem=problem))
        summary = summary_of(connection, scan)
        events.append(connection, "scan.picture", summary["lane"], summary)


def show_overdue(database: Database, lane: LaneSettings, moment: datetime) -> list[int]:
    """Show the scans of a lane whose deadline has passed without an inspection; return their ids.

    A scan whose picture is not there yet is shown as soon as it is.
    """
    limit = as_text(moment - timedelta(seconds=lane.deadline_seconds))
    late = select(SCANS.c.id).where(
        SCANS.c.lane == lane.name,
        SCANS.c.state == "waiting",
        SCANS.c.to_inspect,
        SCANS.c.received_at <= limit,
        SCANS.c.has_picture | SCANS.c.picture_problem.is_not(None),
    )
    with database.reading() as connection:
        if not connection.execute(late.limit(1)).first():
            return []
    with database.writing() as connection:
        shown = list(connection.execute(late.order_by(SCANS.c.id)).scalars())
        for scan in shown:
            values = {"state": "undecided", "overdue": True, "shown_at": as_text(moment)}
            connection.execute(update(SCANS).where(SCANS.c.id == scan).values(**values))
            events.append(connection, "scan.overdue", lane.name, summary_of(connection, scan))
            audit.append(
                connection,
                actor="service",
                action="scan.overdue",
                lane=lane.name,
                scan=scan,
                detail={"deadline_seconds": lane.deadline_seconds},
            )
    return shown


def inspect_again(connection: Connection, scan: int) -> None:
    """Put a scan into the queue anew."""
    connection.execute(update(SCANS).where(SCANS.c.id == scan).values(to_inspect=True, attempts=0))


def summary_query() -> Select[Any]:
    """Return the statement of which each row is a scan with its latest inspection and decision in force."""
    joined = SCANS.outerjoin(INSPECTIONS, INSPECTIONS.c.id == SCANS.c.inspection_id).outerjoin(
        DECISIONS, DECISIONS.c.id == SCANS.c.decision_id
    )
    inspected = [INSPECTIONS.c[name] for name in ("advice", "score", "label", "late")]
    return select(
        SCANS,
        *inspected,
        INSPECTIONS.c.result,
        *(DECISIONS.c[name].label(f"decision_{name}") for name in DECISION_COLUMNS),
    ).select_from(joined)


DECISION_COLUMNS = (
    "kind",
    "decision",
    "reason",
    "note",
    "seconds",
    "made_by",
    "made_at",
    "inspection_id",
    "reverses",
)


def summary(row: Row[Any]) -> dict[str, Any]:
    """Return what a strip and the events show of a scan, JSON-ready; `row` is one of `summary_query`."""
    decision = None
    if row.decision_id is not None:
        decision = {
            "id": row.decision_id,
            "kind": row.decision_kind,
            "decision": row.decision_decision,
            "reason": row.decision_reason,
            "note": row.decision_note,
            "seconds": row.decision_seconds,
            "by": row.decision_made_by,
            "at": row.decision_made_at,
            "inspection": row.decision_inspection_id,
            "reverses": row.decision_reverses,
        }
    return {
        **{
            key: getattr(row, key)
            for key in ("id", "lane", "number", "heading", "name", "received_at", "state")
        },
        "shown": row.state != "waiting",
        "overdue": row.overdue,
        "late": bool(row.late),
        "advice": row.advice,
        "reasons": [] if row.result is None else json.loads(row.result)["reasons"],
        "top": None if row.label is None else {"label": row.label, "score": row.score},
        **{key: getattr(row, key) for key in ("width", "height", "kind", "has_picture", "picture_problem")},
        "decision": decision,
    }


def summary_of(connection: Connection, scan: int) -> dict[str, Any]:
    """Return the summary of one scan by id."""
    return summary(connection.execute(summary_query().where(SCANS.c.id == scan)).one())


def search(
    connection: Connection,
    *,
    lanes: Collection[str],
    states: Collection[str] = (),
    number: str | None = None,
    label: str | None = None,
    min_score: float | None = None,
    since: str | None = None,
    until: str | None = None,
    decision: str | None = None,
    operator: str | None = None,
    shown: bool = False,
    oldest_first: bool = False,
    skip: Collection[int] = (),
    before: int | None = None,
    limit: int = 50,
) -> tuple[list[dict[str, Any]], int | None]:
    """Find scans.

    Args:
        connection: for reading.
        lanes: names of the lanes that the asker may see.
        states: some of `State`, all when empty.
        number: part of a container's or bag's number, in any case of letters.
        label: class of a finding of the latest inspection.
        min_score: of that finding, or of the best one, in [0, 1].
        since: time of arrival or later, as the database keeps it.
        until: time of arrival before this.
        decision: `clear` or `refer`, in force.
        operator: account that made it.
        shown: only scans that were shown to an operator.
        oldest_first: by rising id instead of falling.
        skip: ids left out.
        before: only ids below this (above it where the oldest come first).
        limit: most scans.

    Returns:
        Summaries, and the id to go on from (None at the end).
    """
    wanted = summary_query().where(SCANS.c.lane.in_(lanes))
    if states:
        wanted = wanted.where(SCANS.c.state.in_(states))
    if number:
        wanted = wanted.where(SCANS.c.number.icontains(number, autoescape=True))
    if label is not None or min_score is not None:
        found = FINDINGS.c.inspection_id == SCANS.c.inspection_id
        found &= FINDINGS.c.score >= (0.0 if min_score is None else min_score)
        if label is not None:
            found &= FINDINGS.c.label == label
        wanted = wanted.where(exists().where(found))
    if since:
        wanted = wanted.where(SCANS.c.received_at >= since)
    if until:
        wanted = wanted.where(SCANS.c.received_at < until)
    if decision:
        wanted = wanted.where(DECISIONS.c.decision == decision)
    if operator:
        wanted = wanted.where(DECISIONS.c.made_by == operator)
    if shown:
        wanted = wanted.where(SCANS.c.state != "waiting")
    if skip:
        wanted = wanted.where(SCANS.c.id.not_in(skip))
    if before is not None:
        wanted = wanted.where(SCANS.c.id > before if oldest_first else SCANS.c.id < before)
    order = SCANS.c.id if oldest_first else SCANS.c.id.desc()
    rows = connection.execute(wanted.order_by(order).limit(limit + 1)).all()
    return [summary(row) for row in rows[:limit]], rows[limit - 1].id if len(rows) > limit else None


def queue_of(connection: Connection, lane: str) -> dict[str, Any]:
    """Return the numbers of a lane's queue: waiting, undecided, to confirm, and the oldest time of arrival."""
    counts: dict[str, int] = dict.fromkeys(OPEN, 0)
    grouped = select(SCANS.c.state, func.count()).where(SCANS.c.lane == lane, SCANS.c.state.in_(OPEN))
    counts.update({row[0]: row[1] for row in connection.execute(grouped.group_by(SCANS.c.state))})
    waiting = connection.execute(
        select(func.count(), func.min(SCANS.c.received_at)).where(SCANS.c.lane == lane, SCANS.c.to_inspect)
    ).one()
    return {"waiting": waiting[0], "oldest": waiting[1], **counts}
