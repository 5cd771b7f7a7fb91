"""Live events over a real connection: in order, resumed without a gap, ended with the session and the service."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import anyio
import pytest
from sqlalchemy import update

from cargosight_inference.service.api import events as api_events
from cargosight_inference.service.database.engine import as_text
from cargosight_inference.service.database.tables import SESSIONS
from cargosight_inference.service.records import accounts, events
from tests.made.service import MadeDesk, scan_of, serving, sign_in
from tests.made.waiting import until

PATH = "/api/v1/events"
LONG = 20.0
"""Seconds: a failure, never a wait."""


class Stream:
    """A console's connection; what comes is read when it is asked for."""

    def __init__(self, answer: HTTPResponse) -> None:
        self.answer = answer
        self._lines = self._read()

    def _read(self) -> Iterator[str]:
        rest = b""
        while piece := self.answer.read1(1 << 16):
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line.decode() for line in lines)

    def block(self) -> dict[str, str]:
        """Return the fields of the next block, a comment as the field of no name."""
        found: dict[str, str] = {}
        while line := next(self._lines):
            name, _, value = line.partition(":")
            found[name] = value.removeprefix(" ")
        return found

    def next(self) -> tuple[int, str, Any]:
        """Return id, kind and data of the next event; blocks without one are passed over."""
        while "data" not in (found := self.block()):
            pass
        return int(found["id"]), found["event"], json.loads(found["data"])

    def rest(self) -> Iterator[str]:
        """Return what comes until the end, but for comments."""
        return (line for line in self._lines if line and not line.startswith(":"))

    def wait_for_end(self) -> None:
        for _ in self._lines:
            pass


@contextmanager
def listening(
    port: int, headers: dict[str, str], query: str = "", last: str | None = None
) -> Iterator[Stream]:
    connection = HTTPConnection("127.0.0.1", port, timeout=LONG)
    more = {} if last is None else {"Last-Event-ID": last}
    connection.request("GET", PATH + query, headers={**headers, **more})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    try:
        yield Stream(answer)
    finally:
        connection.close()
        answer.close()


def happen(desk: MadeDesk, kind: str, lane: str | None = "lane-1", **data: Any) -> int:
    with desk.database.writing() as connection:
        number = events.append(connection, kind, lane, data)
    desk.bus.notify()
    return number


def test_events_come_as_they_happen(desk: MadeDesk) -> None:
    happen(desk, "earlier")
    headers = sign_in(desk, "olga")
    with serving(desk) as (port, _), listening(port, headers) as stream:
        assert stream.block() == {"retry": "1000", "id": "1"}
        happen(desk, "one", number=1)
        happen(desk, "hidden", "lane-2")
        last = happen(desk, "two", None)
        assert stream.next() == (2, "one", {"lane": "lane-1", "number": 1})
        assert stream.next() == (last, "two", {"lane": None})
        began = time.monotonic()
        happen(desk, "three")
        stream.next()
        assert time.monotonic() - began < 2.0  # at once, and not at the next heartbeat


def test_summaries_say_who_looks(desk: MadeDesk) -> None:
    with serving(desk) as (port, _), listening(port, sign_in(desk, "sam")) as stream:
        scan = scan_of(desk, "a.png")
        desk.viewers.see(scan, "olga")
        desk.bus.notify()
        kinds = {}
        for _number in range(2):
            _, kind, data = stream.next()
            kinds[kind] = data
        assert set(kinds) == {"scan.accepted", "scan.inspected"}
        told = kinds["scan.inspected"]
        assert (told["id"], told["subject"], told["state"]) == (scan, "baggage", "undecided")
        assert set(told) >= {"viewers", "advice", "top", "decision", "lane"}


@pytest.mark.parametrize("way", ["header", "query"])
def test_a_stream_is_resumed_without_a_gap(desk: MadeDesk, way: str) -> None:
    headers = sign_in(desk, "olga")
    with serving(desk) as (port, _):
        with listening(port, headers) as stream:
            happen(desk, "one")
            seen = stream.next()[0]
        with desk.database.writing() as connection:
            for number in range(1200):  # more than are read at a time
                events.append(connection, "missed", "lane-1", {"number": number})
        query, last = ("", str(seen)) if way == "header" else (f"?after={seen}", None)
        with listening(port, headers, query, last) as stream:
            found = [stream.next() for _ in range(1200)]
        assert [data["number"] for _, _, data in found] == list(range(1200))
        assert [number for number, _, _ in found] == sorted({number for number, _, _ in found})


@pytest.mark.parametrize("last", ["0", "3", "9999", "", "x", "-1", "9" * 30])
def test_a_client_that_is_somewhere_else_is_told_to_load_everything(desk: MadeDesk, last: str) -> None:
    for number in range(6):
        happen(desk, "old", number=number)
    with desk.database.writing() as connection:
        events.forget_before(connection, "2999")
    headers = sign_in(desk, "olga")
    with serving(desk) as (port, _), listening(port, headers, last=last) as stream:
        assert stream.next() == (6, "stream.reset", {"last": 6})
        happen(desk, "new")
        assert stream.next()[:2] == (7, "new")


def test_a_client_behind_the_oldest_kept_goes_on(desk: MadeDesk) -> None:
    for _ in range(3):
        happen(desk, "old")
    with desk.database.writing() as connection:
        events.forget_before(connection, "2999")
    headers = sign_in(desk, "olga")
    with serving(desk) as (port, _), listening(port, headers, last="2") as stream:
        assert stream.next()[:2] == (3, "old")


def test_a_quiet_stream_beats(desk: MadeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_events, "HEARTBEAT_SECONDS", 0.1)
    with serving(desk) as (port, _), listening(port, sign_in(desk, "olga")) as stream:
        stream.block()
        assert stream.block() == {"": ""}
        assert stream.block() == {"": ""}


@pytest.mark.parametrize("how", ["signed out", "another lane", "disabled", "too old", "idle"])
def test_no_event_is_sent_once_the_right_has_gone(desk: MadeDesk, how: str) -> None:
    with serving(desk) as (port, _), listening(port, sign_in(desk, "olga")) as stream:
        stream.block()
        happen(desk, "seen")
        assert stream.next()[1] == "seen"
        with desk.database.writing() as connection:
            if how == "signed out":
                accounts.sign_out_everywhere(connection, accounts.named(connection, "olga").id)
            elif how == "disabled":
                accounts.change(connection, "olga", disabled=True, by="ada")
            elif how == "another lane":
                accounts.change(connection, "olga", lanes=["lane-2"], by="ada")
            else:
                column = "expires_at" if how == "too old" else "seen_at"
                connection.execute(update(SESSIONS).values({column: "2020-01-01T00:00:00.000000Z"}))
        happen(desk, "secret")
        assert not list(stream.rest())


def test_signing_out_ends_the_stream_at_once(desk: MadeDesk) -> None:
    headers = sign_in(desk, "olga")
    with serving(desk) as (port, _), listening(port, headers) as stream:
        stream.block()
        connection = HTTPConnection("127.0.0.1", port, timeout=LONG)
        began = time.monotonic()
        connection.request("POST", "/api/v1/logout", headers=headers)
        assert connection.getresponse().status == 204
        connection.close()
        assert not list(stream.rest())
        assert time.monotonic() - began < 2.0


def test_a_stream_ends_when_its_session_does(desk: MadeDesk) -> None:
    headers = sign_in(desk, "olga")
    with serving(desk) as (port, _):
        with desk.database.writing() as connection:
            soon = as_text(datetime.now(UTC) + timedelta(seconds=1.5))
            connection.execute(update(SESSIONS).values(expires_at=soon))
        began = time.monotonic()
        with listening(port, headers) as stream:
            assert list(stream.rest())  # where it begins
            assert time.monotonic() - began < 6.0  # at the next heartbeat, it would be 15


def test_a_stream_is_looked_at_now_and_then_without_any_event(
    desk: MadeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a command at the terminal has ended the session: it can wake nobody."""
    monkeypatch.setattr(api_events, "HEARTBEAT_SECONDS", 0.1)
    with serving(desk) as (port, _), listening(port, sign_in(desk, "olga")) as stream:
        stream.block()
        with desk.database.writing() as connection:
            accounts.sign_out_everywhere(connection, accounts.named(connection, "olga").id)
        stream.wait_for_end()


def test_what_a_slow_client_has_not_taken_yet_is_not_sent(
    desk: MadeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_events, "TRUSTED_SECONDS", 0.0)
    for number in range(5):
        happen(desk, "event", number=number)
    secret = sign_in(desk, "olga")["Cookie"].partition("=")[2]
    listener = api_events._Listener(
        desk=desk,  # type: ignore[arg-type]
        closing=api_events.Closing(),
        lanes=("lane-1",),
        secret=secret,
    )

    async def taken() -> list[bytes]:
        pieces = []
        async for piece in api_events._stream(listener, 0, missed=False):
            pieces.append(piece)
            if len(pieces) == 3:
                with desk.database.writing() as connection:
                    accounts.sign_out_everywhere(connection, accounts.named(connection, "olga").id)
        return pieces

    assert len(anyio.run(taken)) == 3


def test_the_service_ends_in_spite_of_open_streams(desk: MadeDesk) -> None:
    with serving(desk) as (port, server), listening(port, sign_in(desk, "olga")) as stream:
        stream.block()
        began = time.monotonic()
        server.should_exit = True
        stream.wait_for_end()
        assert time.monotonic() - began < 3.0


def test_a_client_that_goes_away_is_forgotten(desk: MadeDesk) -> None:
    with serving(desk) as (port, _):
        with listening(port, sign_in(desk, "olga")) as stream:
            stream.block()
            assert len(desk.bus._subscribers) == 1
        until(lambda: not desk.bus._subscribers)


@pytest.mark.acceptance
def test_ten_consoles_miss_nothing(desk: MadeDesk) -> None:
    headers = sign_in(desk, "olga")
    with serving(desk) as (port, _):
        open_ones = [listening(port, headers) for _ in range(10)]
        streams = [each.__enter__() for each in open_ones]
        for number in range(30):
            happen(desk, "event", number=number)
        for stream in streams:
            assert [stream.next()[2]["number"] for _ in range(30)] == list(range(30))
        for each in open_ones:
            each.__exit__(None, None, None)
