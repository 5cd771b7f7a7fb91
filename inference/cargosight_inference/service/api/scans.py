"""One scan: what is known of it, and that somebody looks at it."""

from typing import Any

from fastapi import APIRouter

from cargosight_inference.service.api.permissions import ROOT
from cargosight_inference.service.api.recording import recording, shown
from cargosight_inference.service.api.scan_answers import Detail
from cargosight_inference.service.api.schemas import FilterUse, Nothing
from cargosight_inference.service.api.sessions import GuardedRoute, TheCaller, TheDesk, TheScan
from cargosight_inference.service.records import audit, decisions, events, inspections, observations, scans

router = APIRouter(prefix=ROOT, route_class=GuardedRoute, tags=["scans"])


@router.get("/scans/{scan}", response_model=Detail)
def show_scan(row: TheScan, desk: TheDesk) -> dict[str, Any]:
    """Show a scan with its inspections, and with what people said of it."""
    with desk.database.reading() as connection:
        summary = scans.summary_of(connection, row.id)
        latest = scans.get(connection, row.id)
        inspection = None
        if latest is not None and latest.inspection_id is not None:
            inspection = inspections.get(connection, latest.inspection_id)
        return {
            **shown(desk, summary),
            "inspection": None if inspection is None else _inspection(inspection),
            "inspections": inspections.listed(connection, row.id),
            "decisions": decisions.listed(connection, row.id),
            "marks": observations.marks_of(connection, row.id),
            "secondary": observations.secondary_of(connection, row.id),
        }


@router.post("/scans/{scan}/view", status_code=204)
def note_view(row: TheScan, desk: TheDesk, caller: TheCaller, body: Nothing | None = None) -> None:
    """Note that somebody looks at a scan; a console says so again now and then, which is one view."""
    looks_already = caller.name in desk.viewers.of(row.id)
    desk.viewers.see(row.id, caller.name)
    if looks_already:
        return
    with recording(desk) as connection:
        audit.append(connection, actor=caller.name, action="view", lane=row.lane, scan=row.id)
        events.append(connection, "scan.viewed", row.lane, {"scan": row.id, "by": caller.name})


@router.post("/scans/{scan}/filters", status_code=204)
def note_filter(body: FilterUse, row: TheScan, desk: TheDesk, caller: TheCaller) -> None:
    """Note that a filter was in use."""
    detail = {"filter": body.filter, "seconds": body.seconds}
    with recording(desk) as connection:
        audit.append(
            connection, actor=caller.name, action="filter", lane=row.lane, scan=row.id, detail=detail
        )


@router.post("/scans/{scan}/inspect", status_code=202)
def inspect_again(row: TheScan, desk: TheDesk, caller: TheCaller) -> None:
    """Inspect a scan once more, with its lane's present model; the result comes as an event."""
    with recording(desk) as connection:
        audit.append(connection, actor=caller.name, action="inspect_again", lane=row.lane, scan=row.id)
    desk.inspect_again(row.id)


def _inspection(found: dict[str, Any]) -> dict[str, Any]:
    """Return an inspection as it is told: its maps' sizes by name, nothing of where they lie."""
    maps = {
        name: {"width": columns, "height": rows, "cell": cell}
        for name, (rows, columns, cell) in found.get("maps", {}).items()
    }
    return {**found, "maps": maps}
