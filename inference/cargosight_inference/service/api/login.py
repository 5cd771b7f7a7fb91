"""Signing in and out, and one's own account."""

import logging
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from cargosight_inference.service.api.answers import LoginAnswer, MeAnswer
from cargosight_inference.service.api.errors import ApiError
from cargosight_inference.service.api.login_guard import LoginGuard
from cargosight_inference.service.api.permissions import ROOT
from cargosight_inference.service.api.recording import recording
from cargosight_inference.service.api.schemas import Login, NewPassword
from cargosight_inference.service.api.sessions import (
    GuardedRoute,
    TheCaller,
    TheDesk,
    forget_cookie,
    set_cookie,
)
from cargosight_inference.service.records import accounts, audit
from cargosight_inference.service.records.errors import ConflictError

router = APIRouter(prefix=ROOT, route_class=GuardedRoute, tags=["login"])
_LOG = logging.getLogger("cargosight.service.api")


@router.post("/login", response_model=LoginAnswer)
def sign_in(body: Login, request: Request, response: Response, desk: TheDesk) -> dict[str, object]:
    """Sign in; the answer sets the session's cookie."""
    guard: LoginGuard = request.app.state.login_guard
    address = _address(request)
    with guard.attempt(body.name, address) as attempt:
        with desk.database.reading() as connection:
            account = accounts.checked(connection, body.name, body.password)
        attempt.outcome = "wrong" if account is None else "right"
    if account is None:
        with recording(desk) as connection:
            # Of an unknown name nothing is kept: people type passwords into the wrong field.
            detail = {"account": accounts.typed(connection, body.name), "address": address}
            audit.append(connection, actor="service", action="login.failed", detail=detail)
        _LOG.warning("a sign-in failed", extra={"event": "login.failed", "client": address})
        raise ApiError(401, "wrong_password", "no account that can sign in has this name and password")
    with recording(desk) as connection:
        secret, csrf = accounts.sign_in(connection, account, datetime.now(UTC), desk.settings.session_hours)
    set_cookie(response, desk.settings, secret)
    return {"account": accounts.as_dict(account), "csrf": csrf}


@router.post("/logout", status_code=204)
def sign_out(response: Response, desk: TheDesk, caller: TheCaller) -> None:
    """End the session."""
    with recording(desk) as connection:
        accounts.sign_out(connection, caller.person)
    forget_cookie(response, desk.settings)


@router.get("/me", response_model=MeAnswer)
def me(caller: TheCaller) -> dict[str, object]:
    """Say who is signed in."""
    account = caller.person.account
    return {
        "name": account.name,
        "role": account.role,
        "lanes": list(caller.lanes),
        "csrf": caller.person.csrf,
        "must_change_password": account.must_change_password,
    }


@router.post("/me/password", status_code=204)
def change_password(body: NewPassword, request: Request, desk: TheDesk, caller: TheCaller) -> None:
    """Choose another password; the account's other sessions end."""
    guard: LoginGuard = request.app.state.login_guard
    session = caller.person
    with guard.attempt(caller.name, _address(request)) as attempt:
        with desk.database.reading() as connection:
            fits = accounts.checked(connection, caller.name, body.current) is not None
        attempt.outcome = "right" if fits else "wrong"
    if not fits:
        with recording(desk) as connection:
            audit.append(connection, actor=caller.name, action="account.password_refused")
        raise ApiError(403, "wrong_password", "the present password is another one")
    if body.new == body.current:
        raise ConflictError("same_password", "the new password is the present one; choose another")
    with recording(desk) as connection:
        accounts.set_password(connection, session.account, body.new, keep=session.token_hash)


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else "unknown"
