"""Accounts of people, their passwords and sessions."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any, Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from cargosight_inference.service.database.engine import as_text
from cargosight_inference.service.database.tables import ACCOUNT_LANES, ACCOUNTS, SESSIONS
from cargosight_inference.service.records import audit
from cargosight_inference.service.records.errors import ConflictError, MissingRecordError

Role = Literal["operator", "supervisor", "engineer", "administrator"]
ALL_LANES: Collection[Role] = ("engineer", "administrator")
"""Roles that see every lane; others see those of their account."""
LEAST_PASSWORD = 10
MOST_PASSWORD = 256
"""Characters; argon2 would work on any length, and so would an attacker's megabytes."""
FIRST_ADMINISTRATOR = "admin"


@dataclass(frozen=True, kw_only=True)
class Account:
    """A person's account.

    Attributes:
        id: of the account.
        name: as it signs in.
        role: what it may do.
        lanes: names of its lanes; an engineer and an administrator see every lane.
        must_change_password: whether the password was given by another.
        disabled: whether it can sign in no more.
    """

    id: int
    name: str
    role: Role
    lanes: tuple[str, ...]
    must_change_password: bool
    disabled: bool


@dataclass(frozen=True, kw_only=True)
class Session:
    """A signed-in account.

    Attributes:
        account: whose it is.
        csrf: what every request that changes something has to repeat.
        token_hash: of its cookie.
        expires_at: when it ends, however much it is used.
    """

    account: Account
    csrf: str
    token_hash: str
    expires_at: str


def ensure_administrator(connection: Connection, moment: datetime) -> str | None:
    """Make the first administrator where there is no account; return the one-time password, None otherwise."""
    if connection.execute(select(ACCOUNTS.c.id).limit(1)).first() is not None:
        return None
    return create(connection, FIRST_ADMINISTRATOR, "administrator", (), by="service", moment=moment)


def create(
    connection: Connection, name: str, role: Role, lanes: Collection[str], *, by: str, moment: datetime
) -> str:
    """Make an account; return its one-time password, which has to be changed at the first sign-in.

    Raises:
        ConflictError: the name is taken, also in other capitals.
    """
    taken = connection.execute(
        select(ACCOUNTS.c.name).where(func.lower(ACCOUNTS.c.name) == name.lower())
    ).first()
    if taken is not None:
        raise ConflictError("name_taken", f"there is an account {taken.name!r} already; choose another name")
    password = _one_time_password()
    added = connection.execute(
        insert(ACCOUNTS)
        .values(
            name=name,
            role=role,
            password_hash=_hasher().hash(password),
            must_change_password=True,
            disabled=False,
            created_at=as_text(moment),
        )
        .returning(ACCOUNTS.c.id)
    )
    _set_lanes(connection, int(added.scalar_one()), lanes)
    detail = {"name": name, "role": role, "lanes": sorted(lanes)}
    audit.append(connection, actor=by, action="account.created", detail=detail)
    return password


def change(
    connection: Connection,
    name: str,
    *,
    role: Role | None = None,
    lanes: Collection[str] | None = None,
    disabled: bool | None = None,
    by: str,
) -> Account:
    """Change an account; a disabled one, or one with another role or lanes, is signed out at once.

    Raises:
        MissingRecordError: there is none.
        ConflictError: nobody would be left who can administer accounts.
    """
    account = named(connection, name)
    values: dict[str, Any] = {}
    if role is not None:
        values["role"] = role
    if disabled is not None:
        values["disabled"] = disabled
    if values:
        connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.id == account.id).values(**values))
    if lanes is not None:
        _set_lanes(connection, account.id, lanes)
    left = select(ACCOUNTS.c.id).where(ACCOUNTS.c.role == "administrator", ~ACCOUNTS.c.disabled).limit(1)
    if connection.execute(left).first() is None:
        raise ConflictError(
            "last_administrator", f"{name} is the last administrator; make another one before"
        )
    sign_out_everywhere(connection, account.id)
    detail = {"name": name, **values} | ({} if lanes is None else {"lanes": sorted(lanes)})
    audit.append(connection, actor=by, action="account.changed", detail=detail)
    return named(connection, name)


def reset_password(connection: Connection, name: str, *, by: str) -> str:
    """Give an account a new one-time password and sign it out; return the password.

    Raises:
        MissingRecordError: there is none.
    """
    account = named(connection, name)
    password = _one_time_password()
    _set_password(connection, account.id, password, must_change=True)
    sign_out_everywhere(connection, account.id)
    audit.append(connection, actor=by, action="account.password_reset", detail={"name": name})
    return password


def set_password(connection: Connection, account: Account, new: str, *, keep: str) -> None:
    """Set the password that a person chose, and sign the account out elsewhere.

    Args:
        connection: from `Database.writing`.
        account: of the person.
        new: the password.
        keep: hash of the session that stays.

    Raises:
        ConflictError: it is too short or too long, or the account's name.
    """
    if not LEAST_PASSWORD <= len(new) <= MOST_PASSWORD or new.casefold() == account.name.casefold():
        raise ConflictError(
            "weak_password",
            f"the password has {len(new)} characters; expected {LEAST_PASSWORD} to {MOST_PASSWORD}, and not the name",
        )
    _set_password(connection, account.id, new, must_change=False)
    connection.execute(
        delete(SESSIONS).where(SESSIONS.c.account_id == account.id, SESSIONS.c.token_hash != keep)
    )
    audit.append(connection, actor=account.name, action="account.password_changed")


def named(connection: Connection, name: str) -> Account:
    """Return an account by name.

    Raises:
        MissingRecordError: there is none.
    """
    row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == name)).first()
    if row is None:
        raise MissingRecordError(f"there is no account {name!r}")
    return _account(connection, row)


def listed(connection: Connection) -> list[Account]:
    """Return every account by name."""
    return [
        _account(connection, row) for row in connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.name))
    ]


def typed(connection: Connection, name: str) -> str | None:
    """Return the account that a person means who types a name in any capitals, None where there is none.

    Older databases may have accounts that differ in capitals alone: of those the name has to be typed as it is.
    """
    if not (
        name.isascii() and name.isprintable()
    ):  # as none is; and no database is asked for what it cannot hold
        return None
    wanted = select(ACCOUNTS.c.name).where(func.lower(ACCOUNTS.c.name) == name.lower()).limit(3)
    names = list(connection.execute(wanted).scalars())
    return name if name in names else names[0] if len(names) == 1 else None


def checked(connection: Connection, name: str, password: str) -> Account | None:
    """Return the account of a name and password, None where they do not fit; takes as long for an unknown name."""
    row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.name == typed(connection, name))).first()
    fits = _verify(_nobody() if row is None else row.password_hash, password[: MOST_PASSWORD + 1])
    if row is None or not fits or row.disabled:
        return None
    return _account(connection, row)


def sign_in(connection: Connection, account: Account, moment: datetime, hours: float) -> tuple[str, str]:
    """Begin a session; return the token for the cookie, of which only a hash is kept, and what guards requests."""
    token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    connection.execute(
        insert(SESSIONS).values(
            token_hash=hashed(token),
            account_id=account.id,
            csrf=csrf,
            created_at=as_text(moment),
            seen_at=as_text(moment),
            expires_at=as_text(moment + timedelta(hours=hours)),
        )
    )
    audit.append(connection, actor=account.name, action="login")
    return token, csrf


def session(
    connection: Connection, token: str, moment: datetime, idle_minutes: float
) -> tuple[Session, str] | None:
    """Return the session of a token and when it was last seen, None where it has ended."""
    row = connection.execute(select(SESSIONS).where(SESSIONS.c.token_hash == hashed(token))).first()
    idle_since = as_text(moment - timedelta(minutes=idle_minutes))
    if row is None or row.expires_at <= as_text(moment) or row.seen_at <= idle_since:
        return None
    account = _account(
        connection, connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.id == row.account_id)).one()
    )
    if account.disabled:
        return None
    found = Session(account=account, csrf=row.csrf, token_hash=row.token_hash, expires_at=row.expires_at)
    return found, row.seen_at


def seen(connection: Connection, token_hash: str, moment: datetime) -> None:
    """Note that a session is in use."""
    connection.execute(
        update(SESSIONS).where(SESSIONS.c.token_hash == token_hash).values(seen_at=as_text(moment))
    )


def sign_out(connection: Connection, ended: Session) -> None:
    """End a session."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.token_hash == ended.token_hash))
    audit.append(connection, actor=ended.account.name, action="logout")


def sign_out_everywhere(connection: Connection, account: int) -> None:
    """End every session of an account."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.account_id == account))


def forget_ended_sessions(connection: Connection, moment: datetime) -> None:
    """Remove sessions that are over."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at <= as_text(moment)))


def hashed(token: str) -> str:
    """Return the SHA-256 of a random token: it has the entropy of a key, so that no slow hash is needed."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def as_dict(account: Account) -> Mapping[str, Any]:
    """Return an account, JSON-ready."""
    return {
        "name": account.name,
        "role": account.role,
        "lanes": list(account.lanes),
        "must_change_password": account.must_change_password,
        "disabled": account.disabled,
    }


def _account(connection: Connection, row: Row[Any]) -> Account:
    lanes = select(ACCOUNT_LANES.c.lane).where(ACCOUNT_LANES.c.account_id == row.id)
    assert row.role in get_args(Role)  # no other was ever written
    return Account(
        id=row.id,
        name=row.name,
        role=row.role,
        lanes=tuple(connection.execute(lanes.order_by(ACCOUNT_LANES.c.lane)).scalars()),
        must_change_password=row.must_change_password,
        disabled=row.disabled,
    )


def _set_lanes(connection: Connection, account: int, lanes: Collection[str]) -> None:
    connection.execute(delete(ACCOUNT_LANES).where(ACCOUNT_LANES.c.account_id == account))
    for lane in sorted(set(lanes)):
        connection.execute(insert(ACCOUNT_LANES).values(account_id=account, lane=lane))


def _set_password(connection: Connection, account: int, password: str, *, must_change: bool) -> None:
    values = {"password_hash": _hasher().hash(password), "must_change_password": must_change}
    connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.id == account).values(**values))


def _one_time_password() -> str:
    return "-".join(secrets.token_hex(2) for _ in range(4))


@cache
def _hasher() -> PasswordHasher:
    """Argon2id with the memory and passes of RFC 9106's second choice, which the library has as its default."""
    return PasswordHasher()


@cache
def _nobody() -> str:
    return _hasher().hash(secrets.token_hex(16))


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher().verify(password_hash, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
