"""Accounts of people, tokens of machines, and the models that can be chosen."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter

from cargosight_inference.service.api.answers import (
    AccountAnswer,
    AccountMade,
    ModelAnswer,
    OneTimePassword,
    TokenAnswer,
    TokenMade,
)
from cargosight_inference.service.api.permissions import ROOT
from cargosight_inference.service.api.recording import recording
from cargosight_inference.service.api.schemas import (
    AccountChange,
    AccountPath,
    NewAccount,
    NewToken,
    TokenPath,
)
from cargosight_inference.service.api.sessions import GuardedRoute, TheCaller, TheDesk
from cargosight_inference.service.desk import Desk
from cargosight_inference.service.model_choice import models_to_choose
from cargosight_inference.service.records import accounts, tokens
from cargosight_inference.service.records.errors import MissingRecordError
from cargosight_inference.service.sentences import without_folders
from cargosight_models.catalog import ModelFile

router = APIRouter(prefix=ROOT, route_class=GuardedRoute, tags=["administration"])


@router.get("/accounts", response_model=list[AccountAnswer])
def list_accounts(desk: TheDesk) -> list[Any]:
    """List the accounts."""
    with desk.database.reading() as connection:
        return [accounts.as_dict(account) for account in accounts.listed(connection)]


@router.post("/accounts", status_code=201, response_model=AccountMade)
def make_account(body: NewAccount, desk: TheDesk, caller: TheCaller) -> dict[str, Any]:
    """Make an account; its first password is told once, and has to be changed at the first sign-in."""
    _check_lanes(desk, body.lanes)
    with recording(desk) as connection:
        password = accounts.create(
            connection, body.name, body.role, body.lanes, by=caller.name, moment=datetime.now(UTC)
        )
        made = accounts.named(connection, body.name)
    return {"account": accounts.as_dict(made), "one_time_password": password}


@router.patch("/accounts/{name}", response_model=AccountAnswer)
def change_account(name: AccountPath, body: AccountChange, desk: TheDesk, caller: TheCaller) -> Any:  # noqa: ANN401
    """Change an account's role or lanes, or disable it; it is signed out."""
    _check_lanes(desk, body.lanes or ())
    with recording(desk) as connection:
        changed = accounts.change(
            connection,
            name,
            role=body.role,
            lanes=body.lanes,
            disabled=body.disabled,
            by=caller.name,
        )
    return accounts.as_dict(changed)


@router.post("/accounts/{name}/password", response_model=OneTimePassword)
def reset_password(name: AccountPath, desk: TheDesk, caller: TheCaller) -> dict[str, str]:
    """Give an account a new password, which is told once; it is signed out."""
    with recording(desk) as connection:
        return {"one_time_password": accounts.reset_password(connection, name, by=caller.name)}


@router.get("/tokens", response_model=list[TokenAnswer])
def list_tokens(desk: TheDesk) -> list[dict[str, Any]]:
    """List the machine tokens, without what they are."""
    with desk.database.reading() as connection:
        return tokens.listed(connection)


@router.post("/tokens", status_code=201, response_model=TokenMade)
def make_token(body: NewToken, desk: TheDesk, caller: TheCaller) -> dict[str, Any]:
    """Make a machine token, which is told once."""
    _check_lanes(desk, [] if body.lane is None else [body.lane])
    with recording(desk) as connection:
        number, token = tokens.create(
            connection,
            body.name,
            body.scope,
            body.lane,
            body.days,
            by=caller.name,
            moment=datetime.now(UTC),
        )
    return {"id": number, "token": token}


@router.delete("/tokens/{token}", status_code=204)
def revoke_token(token: TokenPath, desk: TheDesk, caller: TheCaller) -> None:
    """Put a machine token out of force for good."""
    with recording(desk) as connection:
        tokens.revoke(connection, token, by=caller.name, moment=datetime.now(UTC))


@router.get("/models", response_model=list[ModelAnswer])
def show_models(desk: TheDesk) -> list[dict[str, Any]]:
    """List the models that can be chosen with their operating points: of the catalog, and of the folder of models."""
    return [_model(model) for model in models_to_choose(desk.settings.models)]


def _model(model: ModelFile) -> dict[str, Any]:
    sidecar = model.sidecar
    return {
        "name": model.name,
        "origin": model.origin,
        "fingerprint": model.sha256,
        "default": None if sidecar is None else sidecar.default,
        "points": [] if sidecar is None else [asdict(point) for point in sidecar.operating_points],
        "problem": None if model.problem is None else without_folders(model.problem, model.path),
    }


def _check_lanes(desk: Desk, wanted: Collection[str]) -> None:
    """Make sure that the settings name some lanes.

    Raises:
        MissingRecordError: one of them is not there.
    """
    known = [lane.name for lane in desk.settings.lanes]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise MissingRecordError(f"there is no lane {unknown[0]!r}; there are {', '.join(known)}")
