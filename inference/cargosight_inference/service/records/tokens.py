"""Tokens of machines: a scanner that uploads to its lane, a server that reads the metrics."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, update

from cargosight_inference.service.database.engine import as_text
from cargosight_inference.service.database.tables import TOKENS
from cargosight_inference.service.records import audit
from cargosight_inference.service.records.accounts import hashed
from cargosight_inference.service.records.errors import MissingRecordError

Scope = Literal["scanner", "metrics"]
PREFIX = "cst_"


@dataclass(frozen=True)
class MachineToken:
    """A token that is in force.

    Attributes:
        id: of the token.
        name: what it is called.
        scope: what it may do.
        lane: of a scanner, None of any other.
    """

    id: int
    name: str
    scope: Scope
    lane: str | None


def create(
    connection: Connection,
    name: str,
    scope: Scope,
    lane: str | None,
    days: float,
    *,
    by: str,
    moment: datetime,
) -> tuple[int, str]:
    """Make a token; return its id and the token, which is kept nowhere."""
    token = PREFIX + secrets.token_urlsafe(32)
    expires = as_text(moment + timedelta(days=days))
    added = connection.execute(
        insert(TOKENS)
        .values(
            name=name,
            token_hash=hashed(token),
            scope=scope,
            lane=lane,
            created_at=as_text(moment),
            expires_at=expires,
        )
        .returning(TOKENS.c.id)
    )
    number = int(added.scalar_one())
    detail = {"id": number, "name": name, "scope": scope, "expires_at": expires}
    audit.append(connection, actor=by, action="token.created", lane=lane, detail=detail)
    return number, token


def revoke(connection: Connection, token: int, *, by: str, moment: datetime) -> None:
    """Put a token out of force for good.

    Raises:
        MissingRecordError: there is none.
    """
    row = connection.execute(select(TOKENS).where(TOKENS.c.id == token)).first()
    if row is None:
        raise MissingRecordError(f"there is no token {token}")
    if row.revoked_at is None:
        connection.execute(update(TOKENS).where(TOKENS.c.id == token).values(revoked_at=as_text(moment)))
        audit.append(
            connection,
            actor=by,
            action="token.revoked",
            lane=row.lane,
            detail={"id": token, "name": row.name},
        )


def checked(connection: Connection, token: str, moment: datetime) -> MachineToken | None:
    """Return a token that is in force, None where it is unknown, revoked or too old."""
    row = connection.execute(select(TOKENS).where(TOKENS.c.token_hash == hashed(token))).first()
    if row is None or row.revoked_at is not None or row.expires_at <= as_text(moment):
        return None
    return MachineToken(row.id, row.name, row.scope, row.lane)


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Return every token by id, JSON-ready, without the token itself."""
    names = ("id", "name", "scope", "lane", "created_at", "expires_at", "revoked_at")
    rows = connection.execute(select(*(TOKENS.c[name] for name in names)).order_by(TOKENS.c.id))
    return [dict(row._mapping) for row in rows]
