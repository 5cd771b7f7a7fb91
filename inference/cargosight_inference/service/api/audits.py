"""The audit chain over HTTP: listed, exported, verified."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from cargosight_inference.service.api.answers import AuditPage, VerificationAnswer
from cargosight_inference.service.api.permissions import ROOT
from cargosight_inference.service.api.recording import recording
from cargosight_inference.service.api.schemas import AuditQuery, ExportQuery
from cargosight_inference.service.api.sessions import GuardedRoute, TheCaller, TheDesk
from cargosight_inference.service.exporting import export_lines
from cargosight_inference.service.records import audit, scans
from cargosight_inference.service.records.errors import MissingRecordError

router = APIRouter(prefix=ROOT, route_class=GuardedRoute, tags=["audit"])
_TYPES = {"jsonl": "application/jsonl", "csv": "text/csv"}
_TEXTS: dict[int | str, dict[str, Any]] = {
    200: {"content": {name: {"schema": {"type": "string"}} for name in _TYPES.values()}}
}


@router.get("/audit", response_model=AuditPage)
def list_records(query: Annotated[AuditQuery, Query()], desk: TheDesk) -> dict[str, Any]:
    """List audit records by number, or with `before` the newest first; `next` is what to go on with in its place."""
    with desk.database.reading() as connection:
        found = list(
            audit.records(
                connection, after=query.after, before=query.before, limit=query.limit + 1, scan=query.scan
            )
        )
    page = found[: query.limit]
    further = page[-1].seq if len(found) > query.limit else None
    return {"records": [record.to_dict() for record in page], "next": further}


@router.get("/audit/export", response_class=StreamingResponse, responses=_TEXTS)
def export(query: Annotated[ExportQuery, Query()], desk: TheDesk, caller: TheCaller) -> StreamingResponse:
    """Export the audit chain, or the whole story of a scan; that it was exported is its last record."""
    if query.scan is not None:
        with desk.database.reading() as connection:
            if scans.get(connection, query.scan) is None:
                raise MissingRecordError(f"there is no scan {query.scan}")
    with recording(desk) as connection:
        detail = {"what": "audit", "format": query.format}
        audit.append(connection, actor=caller.name, action="export", scan=query.scan, detail=detail)
    name = "audit" if query.scan is None else f"scan-{query.scan}"
    headers = {"Content-Disposition": f'attachment; filename="{name}.{query.format}"'}
    lines = export_lines(desk.database, query.format, query.scan)
    return StreamingResponse(lines, media_type=_TYPES[query.format], headers=headers)


@router.get("/audit/verification", response_model=VerificationAnswer)
def verify(desk: TheDesk) -> dict[str, Any]:
    """Walk along the audit chain, and say whether a record was changed, taken out or moved."""
    with desk.database.reading() as connection:
        found = audit.verify(connection)
    seq, hash_ = found.head
    return {**asdict(found), "intact": found.intact, "head": {"seq": seq, "hash": hash_}}
