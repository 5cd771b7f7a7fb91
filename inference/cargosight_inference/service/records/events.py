"""Events: what happened, in an order that a console can resume from."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from cargosight_inference.service.database.engine import now
from cargosight_inference.service.database.tables import EVENTS


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        id: rising; what has a higher id happened later.
        lane: where.
        kind: such as `scan.inspected`.
        data: JSON-ready values.
    """

    id: int
    lane: str | None
    kind: str
    data: Mapping[str, Any]


def append(connection: Connection, kind: str, lane: str | None, data: Mapping[str, Any]) -> int:
    """Add an event, inside the transaction that does what it tells; return its id."""
    text = json.dumps({"lane": lane, **data}, allow_nan=False)
    added = insert(EVENTS).values(lane=lane, kind=kind, data=text, at=now()).returning(EVENTS.c.id)
    return int(connection.execute(added).scalar_one())


def after(
    connection: Connection, last: int, lanes: Collection[str], *, limit: int = 500
) -> tuple[list[Event], int, bool]:
    """Return the events after one, of some lanes or of none in particular.

    Args:
        connection: for reading.
        last: id of the last event that is not wanted.
        lanes: names.
        limit: most events to look at.

    Returns:
        The events by id; the id of the last that was looked at, also when it was of another lane; whether there may
        be more.
    """
    wanted = select(EVENTS).where(EVENTS.c.id > last).order_by(EVENTS.c.id).limit(limit)
    rows = connection.execute(wanted).all()
    found = [
        Event(row.id, row.lane, row.kind, json.loads(row.data))
        for row in rows
        if row.lane is None or row.lane in lanes
    ]
    return found, rows[-1].id if rows else last, len(rows) == limit


def span(connection: Connection) -> tuple[int, int]:
    """Return the ids of the oldest and the newest event that are kept; (0, 0) where there are none."""
    row = connection.execute(select(func.min(EVENTS.c.id), func.max(EVENTS.c.id))).one()
    return row[0] or 0, row[1] or 0


def forget_before(connection: Connection, moment: str) -> None:
    """Remove events older than a time; the newest always stays, so that ids can be resumed from."""
    newest = select(func.max(EVENTS.c.id)).scalar_subquery()
    connection.execute(delete(EVENTS).where(EVENTS.c.at < moment, EVENTS.c.id < newest))
