"""Who asks: people by the cookie of their session, machines by their token; checked before anything else is read."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Annotated, Any, cast

from fastapi import Depends
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, Row
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from cargosight_inference.service.api.errors import ApiError
from cargosight_inference.service.api.permissions import PERMISSIONS, Permission
from cargosight_inference.service.api.schemas import Id, ScanPath
from cargosight_inference.service.database.engine import as_time
from cargosight_inference.service.database.errors import DatabaseError
from cargosight_inference.service.desk import Desk
from cargosight_inference.service.records import accounts, scans, tokens
from cargosight_inference.service.records.accounts import ALL_LANES, Account, Session
from cargosight_inference.service.records.errors import ConflictError, MissingRecordError
from cargosight_inference.service.records.tokens import MachineToken
from cargosight_inference.service.settings import ServiceSettings

CSRF_HEADER = "X-CSRF-Token"
COOKIE = "cargosight_session"
_SAFE = ("GET", "HEAD")
_NOTED_EVERY = timedelta(minutes=1)
_LONGEST_SECRET = 200
_SCAN_ID = TypeAdapter(Id)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks.

    Attributes:
        name: as it is recorded: an account's, or `token NAME`.
        lanes: that it may see, in the order of the settings.
        removed_lanes: in the settings no more, whose scans it may search and look at.
        session: of a person, None of a machine.
        token: of a machine, None of a person.
    """

    name: str
    lanes: tuple[str, ...]
    session: Session | None = None
    token: MachineToken | None = None
    removed_lanes: tuple[str, ...] = ()

    @property
    def person(self) -> Session:
        """The session, on routes that only people may use."""
        assert self.session is not None  # a permission without scopes admits no machine
        return self.session


class GuardedRoute(APIRoute):
    """A route that is used with the permission that the table gives; one that is not in the table cannot be made."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler: it admits, and then reads the request."""
        answer = super().get_route_handler()
        permissions = {method: PERMISSIONS[method, self.path] for method in self.methods or ()}

        async def guarded(request: Request) -> Response:
            permission = permissions[request.method]
            _refuse_other_sites(request)
            if not permission.everybody:
                request.state.caller = await run_in_threadpool(admit, request, permission)
            return await answer(request)

        return guarded


def admit(request: Request, permission: Permission) -> Caller:
    """Find out who asks, and whether it may.

    Raises:
        ApiError: 401 for nobody, 403 for somebody who may not.
        MissingRecordError: the lane or the scan of the address is none that it may see.
        ConflictError: the scan is of a lane that is in the settings no more, and something is to be done with it.
        DatabaseError: the database does not answer.
    """
    desk: Desk = request.app.state.desk
    moment = datetime.now(UTC)
    bearer = _bearer(request)
    with desk.database.reading() as connection:
        if bearer is not None:
            caller, seen_at = _machine(connection, desk.settings, bearer, moment), moment
        else:
            caller, seen_at = _person(connection, request, desk.settings, moment)
            caller = replace(caller, removed_lanes=_removed_lanes(desk, caller.person.account))
        _check_role(caller, permission)
        _check_place(connection, request, caller, permission)
    if caller.session is not None and not permission.by_itself and moment - seen_at >= _NOTED_EVERY:
        with suppress(DatabaseError), desk.database.writing() as connection:
            accounts.seen(connection, caller.session.token_hash, moment)
    return caller


def signed_in(
    connection: Connection, settings: ServiceSettings, secret: str, moment: datetime
) -> tuple[Caller, datetime] | None:
    """Return who has a session's cookie, and when it was last in use; None where the session has ended."""
    found = accounts.session(connection, secret[:_LONGEST_SECRET], moment, settings.session_idle_minutes)
    if found is None:
        return None
    session, seen_at = found
    account = session.account
    lanes = tuple(
        lane.name for lane in settings.lanes if account.role in ALL_LANES or lane.name in account.lanes
    )
    return Caller(name=account.name, lanes=lanes, session=session), as_time(seen_at)


def cookie_name(settings: ServiceSettings) -> str:
    """Return the name of the cookie: under TLS one that no other host and no page without TLS can set."""
    return f"__Host-{COOKIE}" if settings.tls is not None else COOKIE


def set_cookie(response: Response, settings: ServiceSettings, secret: str) -> None:
    """Give a browser its session."""
    secure = settings.tls is not None
    response.set_cookie(
        cookie_name(settings), secret, path="/", httponly=True, samesite="strict", secure=secure
    )


def forget_cookie(response: Response, settings: ServiceSettings) -> None:
    """Take a browser's session away."""
    secure = settings.tls is not None
    response.delete_cookie(cookie_name(settings), path="/", httponly=True, samesite="strict", secure=secure)


def _refuse_other_sites(request: Request) -> None:
    """Refuse what the browser says that a page of somebody else has sent."""
    if request.method not in _SAFE and request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise ApiError(403, "cross_site", "this request comes from another site's page; use the console")


def _bearer(request: Request) -> str | None:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip()[:_LONGEST_SECRET] if scheme.lower() == "bearer" else None


def _machine(connection: Connection, settings: ServiceSettings, secret: str, moment: datetime) -> Caller:
    token = tokens.checked(connection, secret, moment)
    if token is None:
        raise ApiError(401, "unknown_token", "the token is unknown, too old or revoked; ask for another one")
    lanes = tuple(lane.name for lane in settings.lanes if lane.name == token.lane)
    return Caller(name=f"token {token.name}", lanes=lanes, token=token)


def _person(
    connection: Connection, request: Request, settings: ServiceSettings, moment: datetime
) -> tuple[Caller, datetime]:
    secret = request.cookies.get(cookie_name(settings))
    found = None if secret is None else signed_in(connection, settings, secret, moment)
    if found is None:
        raise ApiError(401, "not_signed_in", "nobody is signed in, or the session has ended; sign in")
    given = request.headers.get(CSRF_HEADER, "")
    if request.method not in _SAFE and not compare_digest(given.encode(), found[0].person.csrf.encode()):
        raise ApiError(
            403,
            "csrf",
            f"the header {CSRF_HEADER} is missing or another session's; send what /me gives as csrf",
        )
    return found


def _check_role(caller: Caller, permission: Permission) -> None:
    if caller.token is not None:
        if caller.token.scope not in permission.scopes:
            raise ApiError(403, "not_allowed", f"a token for {caller.token.scope} may not do this")
        return
    account = caller.person.account
    if account.must_change_password and not permission.before_password_change:
        raise ApiError(
            403,
            "password_change_needed",
            "the password was given by another person; choose one of your own first",
        )
    if account.role not in permission.roles:
        raise ApiError(403, "not_allowed", f"the role {account.role} may not do this")


def _removed_lanes(desk: Desk, account: Account) -> tuple[str, ...]:
    if account.role == "operator":
        return ()
    return tuple(name for name in desk.removed_lanes if account.role in ALL_LANES or name in account.lanes)


def _check_place(connection: Connection, request: Request, caller: Caller, permission: Permission) -> None:
    """Find the lane or scan of the address; what the caller may not see is not there."""
    lane = request.path_params.get("lane")
    if lane is not None and lane not in caller.lanes:
        raise no_lane(lane)
    if "scan" in request.path_params:
        try:
            scan = _SCAN_ID.validate_python(request.path_params["scan"])
        except ValidationError:
            return  # no id: the route refuses it
        row = scans.get(connection, scan)
        if row is None or row.lane not in (*caller.lanes, *caller.removed_lanes):
            raise MissingRecordError(f"there is no scan {scan} that you may see")
        if row.lane not in caller.lanes and not (request.method in _SAFE or permission.looks):
            raise ConflictError(
                "lane_removed",
                f"the lane {row.lane} is in the settings no more; put it back to go on with its scans",
            )
        request.state.scan = row


def no_lane(lane: str) -> MissingRecordError:
    """Return what is raised of a lane that is none, or none that the caller may see."""
    return MissingRecordError(f"there is no lane {lane[:63]!r} that you may see")


async def _desk(request: Request) -> Desk:
    return cast(Desk, request.app.state.desk)


async def _caller(request: Request) -> Caller:
    return cast(Caller, request.state.caller)


async def _scan(scan: ScanPath, request: Request) -> Row[Any]:
    return cast("Row[Any]", request.state.scan)


TheDesk = Annotated[Desk, Depends(_desk)]
TheCaller = Annotated[Caller, Depends(_caller)]
TheScan = Annotated[Any, Depends(_scan)]
"""The row of the address's scan, which the caller may see."""
