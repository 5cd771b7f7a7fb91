"""The supervisor's view: searching, open referrals, rates and times, a scan's story."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query

from cargosight_inference.service.api.answers import StatisticsAnswer, Story
from cargosight_inference.service.api.permissions import ROOT
from cargosight_inference.service.api.recording import all_shown
from cargosight_inference.service.api.scan_answers import Referrals, ScanPage
from cargosight_inference.service.api.schemas import (
    ReferralsQuery,
    SearchQuery,
    StatisticsQuery,
    as_stored,
)
from cargosight_inference.service.api.sessions import (
    Caller,
    GuardedRoute,
    TheCaller,
    TheDesk,
    TheScan,
    no_lane,
)
from cargosight_inference.service.database.engine import as_time
from cargosight_inference.service.records import audit, scans, statistics

router = APIRouter(prefix=ROOT, route_class=GuardedRoute, tags=["supervisor"])
_MOST_REFERRALS = 500


@router.get("/scans", response_model=ScanPage)
def search(query: Annotated[SearchQuery, Query()], desk: TheDesk, caller: TheCaller) -> dict[str, Any]:
    """Search scans by number, class, score, time, state, decision and operator; the newest first.

    Those of lanes that are in the settings no more are found, too.
    """
    with desk.database.reading() as connection:
        found, further = scans.search(
            connection,
            lanes=lanes_of(caller, query.lane, removed=True),
            states=[] if query.state is None else [query.state],
            number=query.number,
            label=query.label,
            min_score=query.min_score,
            since=None if query.since is None else as_stored(query.since),
            until=None if query.until is None else as_stored(query.until),
            decision=query.decision,
            operator=query.operator,
            limit=query.limit,
            before=query.before,
        )
    return {"scans": all_shown(desk, found), "next": further}


@router.get("/referrals", response_model=Referrals)
def list_referrals(
    query: Annotated[ReferralsQuery, Query()], desk: TheDesk, caller: TheCaller
) -> dict[str, Any]:
    """List the scans that wait for their secondary inspection, the oldest first; at most 500."""
    with desk.database.reading() as connection:
        found, _ = scans.search(
            connection,
            lanes=lanes_of(caller, query.lane),
            states=["referred"],
            oldest_first=True,
            limit=_MOST_REFERRALS,
        )
    return {"scans": all_shown(desk, found)}


@router.get("/statistics", response_model=StatisticsAnswer)
def count(query: Annotated[StatisticsQuery, Query()], desk: TheDesk, caller: TheCaller) -> dict[str, Any]:
    """Count what happened, by lane and by operator."""
    until = as_stored(query.until or datetime.now(UTC))
    since = as_stored(query.since or as_time(until) - timedelta(days=1))
    with desk.database.reading() as connection:
        found = statistics.statistics(
            connection, lanes=lanes_of(caller, query.lane), since=since, until=until
        )
    rows = {group: [_named(row) for row in of_group] for group, of_group in found.items()}
    return {"since": since, "until": until, **rows}


@router.get("/scans/{scan}/story", response_model=Story)
def tell_story(row: TheScan, desk: TheDesk) -> dict[str, Any]:
    """Tell what happened with a scan, by the audit chain."""
    with desk.database.reading() as connection:
        return {"records": [record.to_dict() for record in audit.records(connection, scan=row.id)]}


def lanes_of(caller: Caller, lane: str | None, *, removed: bool = False) -> tuple[str, ...]:
    """Return the lanes that are asked for: one, or all that the caller may see.

    Args:
        caller: who asks.
        lane: its name, None for all.
        removed: whether also those that are in the settings no more.

    Raises:
        MissingRecordError: it is none that the caller may see.
    """
    lanes = (*caller.lanes, *caller.removed_lanes) if removed else caller.lanes
    if lane is None:
        return lanes
    if lane not in lanes:
        raise no_lane(lane)
    return (lane,)


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "agreed_with_advice": row["agreed"]}
