"""Live events: what was recorded, as server-sent events that a client resumes without a gap."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated, Any

import anyio
import anyio.to_thread
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import StreamingResponse

from cargosight_inference.service.api.permissions import ROOT
from cargosight_inference.service.api.recording import shown
from cargosight_inference.service.api.schemas import EventsQuery
from cargosight_inference.service.api.sessions import (
    GuardedRoute,
    TheCaller,
    TheDesk,
    cookie_name,
    signed_in,
)
from cargosight_inference.service.api.supervisor import lanes_of
from cargosight_inference.service.database.errors import DatabaseError
from cargosight_inference.service.desk import Desk
from cargosight_inference.service.records import events
from cargosight_inference.service.records.events import Event

router = APIRouter(prefix=ROOT, route_class=GuardedRoute, tags=["events"])
HEARTBEAT_SECONDS = 15.0
CHECK_SECONDS = 15.0
"""Looked at after an event or a heartbeat: a stream goes on for 30 s at most when the right to it has ended."""
_RETRY_MS = 1000
_AGAIN_SECONDS = 1.0
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events until one side ends it.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


class Closing:
    """Whether the service is about to end: open streams would hold it up."""

    def __init__(self) -> None:
        self.begun = False


@dataclass(frozen=True, kw_only=True)
class _Listener:
    """One client's stream.

    Attributes:
        desk: of the service.
        closing: of the service.
        lanes: whose events are wanted.
        secret: of the session's cookie.
    """

    desk: Desk
    closing: Closing
    lanes: tuple[str, ...]
    secret: str

    def start(self, after: int | None) -> tuple[int, bool]:
        """Return the id to begin behind, and whether that is not where the client is: events are missing between."""
        with self.desk.database.reading() as connection:
            oldest, newest = events.span(connection)
        if after is None:
            return newest, False
        if after < 0 or after > newest or after < oldest - 1:
            return newest, True
        return after, False

    def read(self, last: int) -> tuple[list[Event], int]:
        """Return the events behind an id, and the id of the last that was looked at."""
        with self.desk.database.reading() as connection:
            return events.after(connection, last, self.lanes)

    def may_listen(self) -> bool:
        """Return whether the session goes on, and still sees these lanes."""
        with self.desk.database.reading() as connection:
            found = signed_in(connection, self.desk.settings, self.secret, datetime.now(UTC))
        return found is not None and set(self.lanes) <= set(found[0].lanes)


@router.get("/events", response_class=StreamingResponse, responses=_STREAM)
async def listen(
    query: Annotated[EventsQuery, Query()],
    request: Request,
    desk: TheDesk,
    caller: TheCaller,
    last_event_id: Annotated[str | None, Header(max_length=32)] = None,
) -> StreamingResponse:
    """Listen to what happens, from now on or behind the event that `Last-Event-ID` or `after` names.

    `stream.reset` comes first where events between are not kept any more: then everything is to be loaded anew.
    """
    listener = _Listener(
        desk=desk,
        closing=request.app.state.closing,
        lanes=lanes_of(caller, query.lane),
        secret=request.cookies[cookie_name(desk.settings)],
    )
    after = _number(last_event_id) if last_event_id is not None else query.after
    # Found before the answer begins: what a client loads once the stream is open is no older than this.
    last, missed = await anyio.to_thread.run_sync(listener.start, after)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(
        _stream(listener, last, missed=missed), media_type="text/event-stream", headers=headers
    )


async def _stream(listener: _Listener, last: int, *, missed: bool) -> AsyncIterator[bytes]:
    with listener.desk.bus.subscribed() as woken:
        yield f"retry: {_RETRY_MS}\nid: {last}\n\n".encode()
        if missed:
            yield _written(last, "stream.reset", {"last": last})
        checked = monotonic()
        while not listener.closing.begun:
            woken.clear()
            pieces, last, further = await _next(listener, last)
            for piece in pieces:
                yield piece
            if monotonic() - checked >= CHECK_SECONDS:
                if not await _may_listen(listener):
                    return
                checked = monotonic()
            if further:
                continue
            with anyio.move_on_after(HEARTBEAT_SECONDS) as waited:
                await woken.wait()
            if waited.cancelled_caught:
                yield b":\n\n"


async def _next(listener: _Listener, last: int) -> tuple[list[bytes], int, bool]:
    """Return the next events as they are written, the id of the last, and whether there may be more of them."""
    try:
        found, seen = await anyio.to_thread.run_sync(listener.read, last)
    except DatabaseError:  # locked for the moment: the stream stays open, and nothing of it is lost
        await anyio.sleep(_AGAIN_SECONDS)
        return [], last, True
    return [_of_event(listener.desk, event) for event in found], seen, seen > last


async def _may_listen(listener: _Listener) -> bool:
    try:
        return await anyio.to_thread.run_sync(listener.may_listen)
    except DatabaseError:  # asked again at the next turn
        return True


def _of_event(desk: Desk, event: Event) -> bytes:
    """Return an event as it is written; the summary of a scan comes with who looks at it now."""
    data = dict(event.data)
    if event.kind.startswith("scan.") and "state" in data:
        data = shown(desk, data)
    return _written(event.id, event.kind, data)


def _written(number: int, kind: str, data: dict[str, Any]) -> bytes:
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data, allow_nan=False)}\n\n".encode("ascii")


def _number(last_event_id: str) -> int:
    """Return the id that a client names; what is none is behind no event, so that the client loads everything."""
    given = last_event_id.strip()
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else -1
