"""Lanes: their queues, their models, their scans."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from cargosight_inference.service.api.answers import LaneAnswer, ModelState
from cargosight_inference.service.api.permissions import ROOT
from cargosight_inference.service.api.recording import all_shown, shown
from cargosight_inference.service.api.scan_answers import ScanPage, Summary
from cargosight_inference.service.api.schemas import EngineChoice, LanePath, LaneScansQuery, NextQuery
from cargosight_inference.service.api.sessions import GuardedRoute, TheCaller, TheDesk
from cargosight_inference.service.database.engine import as_time
from cargosight_inference.service.desk import Desk
from cargosight_inference.service.records import scans

router = APIRouter(prefix=ROOT, route_class=GuardedRoute, tags=["lanes"])


@router.get("/lanes", response_model=list[LaneAnswer])
def list_lanes(desk: TheDesk, caller: TheCaller) -> list[dict[str, Any]]:
    """Show the lanes that one may see."""
    with desk.database.reading() as connection:
        return [_lane(desk, connection, name) for name in caller.lanes]


@router.get("/lanes/{lane}", response_model=LaneAnswer)
def show_lane(lane: LanePath, desk: TheDesk) -> dict[str, Any]:
    """Show a lane."""
    with desk.database.reading() as connection:
        return _lane(desk, connection, lane)


@router.get("/lanes/{lane}/scans", response_model=ScanPage)
def list_scans(lane: LanePath, query: Annotated[LaneScansQuery, Query()], desk: TheDesk) -> dict[str, Any]:
    """List a lane's scans, the newest first."""
    states = [] if query.state is None else [query.state]
    with desk.database.reading() as connection:
        found, further = scans.search(
            connection, lanes=[lane], states=states, limit=query.limit, before=query.before
        )
    return {"scans": all_shown(desk, found), "next": further}


@router.get("/lanes/{lane}/next", response_model=Summary | None)
def next_scan(lane: LanePath, query: Annotated[NextQuery, Query()], desk: TheDesk) -> dict[str, Any] | None:
    """Show the oldest scan of a lane that was shown and is undecided, null where there is none."""
    skip = [int(number) for number in query.skip.split(",") if number]
    with desk.database.reading() as connection:
        found, _ = scans.search(
            connection,
            lanes=[lane],
            states=["undecided"],
            shown=True,
            oldest_first=True,
            skip=skip,
            limit=1,
        )
    return shown(desk, found[0]) if found else None


@router.put("/lanes/{lane}/engine", response_model=ModelState)
def change_engine(lane: LanePath, body: EngineChoice, desk: TheDesk, caller: TheCaller) -> dict[str, Any]:
    """Let another model or other thresholds inspect a lane; where they fail a check the ones before go on."""
    return desk.change_engine(
        lane,
        model=body.model,
        operating_point=body.operating_point,
        threshold=body.threshold,
        by=caller.name,
    )


def _lane(desk: Desk, connection: Connection, name: str) -> dict[str, Any]:
    lane = desk.settings.lane(name)
    queue = scans.queue_of(connection, name)
    inspecting, oldest = desk.inspecting(name), queue["oldest"]
    model = desk.lane_model(name)
    age = None if oldest is None else (datetime.now(UTC) - as_time(oldest)).total_seconds()
    return {
        "name": name,
        "title": lane.title or name,
        "subject": lane.subject,
        "queue": {
            "waiting": max(0, queue["waiting"] - inspecting),
            "inspecting": inspecting,
            "undecided": queue["undecided"],
            "to_confirm": queue["to_confirm"],
            "oldest_seconds": None if age is None else max(0.0, round(age, 3)),
        },
        "model": model,
        "deadline_seconds": lane.deadline_seconds,
        "undo_seconds": lane.undo_seconds,
        "second_person": lane.second_person,
        "refer_reasons": list(lane.refer_reasons),
        "clear_reasons": list(lane.clear_reasons),
        "classes": model["classes"],
    }
