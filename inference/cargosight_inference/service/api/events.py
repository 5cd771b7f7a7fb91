"""Live events: what was recorded, as server-sent events that a client resumes without a gap."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Annotated, Any, TypeVar

import anyio
import anyio.to_thread
from fastapi import APIRouter, Header, Query, Request
from sqlalchemy import Connection
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
from cargosight_inference.service.database.engine import as_time
from cargosight_inference.service.database.errors import DatabaseError
from cargosight_inference.service.desk import Desk
from cargosight_inference.service.records import events
from cargosight_inference.service.records.events import Event

router = APIRouter(prefix=ROOT, route_class=GuardedRoute, tags=["events"])
HEARTBEAT_SECONDS = 15.0
"""After which a quiet stream says that it is there. The right to it is looked at then, too: a command at the terminal
can end a session, and wakes no stream."""
TRUSTED_SECONDS = 0.1
"""For so long the right to listen is not looked at anew between two events that were read together, unless something
was recorded meanwhile: a client that is slow to take them could have lost it."""
_RETRY_MS = 1000
_AGAIN_SECONDS = 1.0
_LATE_SECONDS = 0.05
_Answer = TypeVar("_Answer")
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

    def read(self, last: int) -> "_Read | None":
        """Return the events behind an id, None where the right to them has gone."""
        with self.desk.database.reading() as connection:
            until = self._until(connection)
            if until is None:
                return None
            found, seen, further = events.after(connection, last, self.lanes)
        return _Read(events=found, last=seen, further=further, until=until)

    def may_listen(self) -> bool:
        """Return whether the session goes on, and still sees these lanes."""
        with self.desk.database.reading() as connection:
            return self._until(connection) is not None

    def _until(self, connection: Connection) -> datetime | None:
        """Return when the session ends if nobody uses it, None where the right to listen has gone."""
        settings = self.desk.settings
        found = signed_in(connection, settings, self.secret, datetime.now(UTC))
        if found is None or not set(self.lanes) <= set(found[0].lanes):
            return None
        idle = found[1] + timedelta(minutes=settings.session_idle_minutes)
        return min(idle, as_time(found[0].person.expires_at))


@dataclass(frozen=True, kw_only=True)
class _Read:
    """What was read at a time.

    Attributes:
        events: that are wanted.
        last: id of the last that was looked at.
        further: whether there may be more behind it.
        until: when the right to listen ends.
    """

    events: list[Event]
    last: int
    further: bool
    until: datetime


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
        while not listener.closing.begun:
            woken.clear()
            read = await _asked(listener, partial(listener.read, last))
            if read is None:
                return
            checked = monotonic()
            for event in read.events:
                if woken.is_set() or monotonic() - checked >= TRUSTED_SECONDS:
                    woken.clear()  # whatever it was is read behind these
                    if not await _asked(listener, listener.may_listen):
                        return
                    checked = monotonic()
                yield _of_event(listener.desk, event)
            last = read.last
            if read.further:
                continue
            left = (read.until - datetime.now(UTC)).total_seconds()
            with anyio.move_on_after(min(HEARTBEAT_SECONDS, max(0.0, left) + _LATE_SECONDS)) as waited:
                await woken.wait()
            if waited.cancelled_caught and left > HEARTBEAT_SECONDS:
                yield b":\n\n"


async def _asked(listener: _Listener, question: Callable[[], _Answer]) -> _Answer | None:
    """Return what the database answers, as soon as it does; None where the service ends before."""
    while not listener.closing.begun:
        try:
            return await anyio.to_thread.run_sync(question)
        except DatabaseError:  # locked for the moment: the stream stays open, and nothing of it is lost
            await anyio.sleep(_AGAIN_SECONDS)
    return None


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
