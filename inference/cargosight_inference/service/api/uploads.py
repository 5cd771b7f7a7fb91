"""Scans that come in over HTTP: as the file alone, or as a form."""

from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from anyio import CancelScope
from fastapi import APIRouter, Query, Request, Response
from python_multipart.multipart import parse_options_header

from cargosight_inference.service.accepting import Receiving
from cargosight_inference.service.api.answers import UploadAnswer
from cargosight_inference.service.api.errors import ApiError
from cargosight_inference.service.api.forms import ScanForm
from cargosight_inference.service.api.layers import MOST_BYTES, announced_bytes
from cargosight_inference.service.api.permissions import ROOT
from cargosight_inference.service.api.schemas import LanePath
from cargosight_inference.service.api.sessions import GuardedRoute, TheCaller, TheDesk
from cargosight_inference.service.desk import Desk
from cargosight_inference.service.details import NAMELESS, Arrival
from cargosight_inference.service.refusals import EmptyUpload, Refused

router = APIRouter(prefix=ROOT, route_class=GuardedRoute, tags=["uploads"])
_PIECE = 1 << 20
_NUMBER = Annotated[str | None, Query(max_length=64, description="Number of the container or bag.")]
_HEADING = Annotated[str | None, Query(max_length=64, description="Heading that was declared, or `empty`.")]
_NAME = Annotated[str | None, Query(max_length=255, description="Name of the file.")]
_FILE = {"type": "string", "format": "binary"}
_TEXT = {"type": "string", "maxLength": 64}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _FILE},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": _FILE, "number": _TEXT, "heading": _TEXT},
                    "required": ["file"],
                    "additionalProperties": False,
                }
            },
        },
    }
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": UploadAnswer, "description": "The lane had this scan already."},
}


@router.post(
    "/lanes/{lane}/scans",
    status_code=201,
    response_model=UploadAnswer,
    responses=_RESPONSES,
    openapi_extra=_BODY,
)
async def upload(
    lane: LanePath,
    request: Request,
    response: Response,
    desk: TheDesk,
    caller: TheCaller,
    *,
    number: _NUMBER = None,
    heading: _HEADING = None,
    name: _NAME = None,
) -> dict[str, Any]:
    """Accept a scan; once this has answered it is not lost. The same bytes again are the scan that is there.

    That keeps its number and heading: `kept_number` says which, and where others came with it `note` says so.
    """
    told = Arrival(
        lane=lane, name=name or NAMELESS, number=number, heading=heading, source="http", by=caller.name
    )
    kind, options = parse_options_header(request.headers.get("content-type"))
    form = ScanForm(options.get(b"boundary")) if kind == b"multipart/form-data" else None
    begin = partial(desk.reception.begin, told, desk.limits(lane), size=_announced(request, desk, form))
    receiving = await anyio.to_thread.run_sync(begin)
    try:
        await _receive(request, receiving, form)
        if form is not None:
            receiving.arrival = _told_by(form, told, desk)
        accepted = await anyio.to_thread.run_sync(desk.reception.accept, receiving)
    finally:
        with CancelScope(shield=True):
            await anyio.to_thread.run_sync(receiving.__exit__, None, None, None)
    if accepted.duplicate:
        response.status_code = 200
    return {
        "id": accepted.id,
        "sha256": accepted.sha256,
        "lane": accepted.lane,
        "duplicate": accepted.duplicate,
        "kept_number": accepted.kept_number,
        "note": accepted.note,
    }


def _announced(request: Request, desk: Desk, form: ScanForm | None) -> int | None:
    """Return the size of the scan, None where it is not announced; a form is larger than its file by something."""
    if "content-length" not in request.headers:
        return None
    size = announced_bytes(request.scope)
    if form is not None and size <= (desk.settings.max_upload_mb << 20) + MOST_BYTES:
        return None
    return size


async def _receive(request: Request, receiving: Receiving, form: ScanForm | None) -> None:
    """Write what comes to the disk, a megabyte at a time, and beside the event loop."""
    held = bytearray()
    async for piece in request.stream():
        held += piece if form is None else form.feed(piece)
        if len(held) >= _PIECE:
            await anyio.to_thread.run_sync(receiving.write, bytes(held))
            held.clear()
    if held:
        await anyio.to_thread.run_sync(receiving.write, bytes(held))


def _told_by(form: ScanForm, told: Arrival, desk: Desk) -> Arrival:
    """Return what is told of a scan by its form; where that says nothing, by the address."""
    if not form.ended:
        raise ApiError(400, "malformed", "the form ends in the middle; send it again")
    try:
        if form.file_name is None:
            raise EmptyUpload("the form has no file; expected a part called file")
        return replace(
            told,
            name=form.file_name or told.name,
            number=form.fields.get("number", told.number),
            heading=form.fields.get("heading", told.heading),
        ).checked()
    except Refused as refusal:
        desk.reception.refuse(told.lane, refusal)
        raise
