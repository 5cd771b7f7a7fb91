"""Accounts, sessions and machine tokens."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from cargosight_inference.service.database.engine import Database
from cargosight_inference.service.records import accounts, tokens
from cargosight_inference.service.records.errors import ConflictError, MissingRecordError
from tests.made.databases import KINDS, made_database

NOW = datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC)


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with made_database(request.param, tmp_path) as made:
        yield made


def test_the_first_administrator_is_made_once(database: Database) -> None:
    with database.writing() as connection:
        password = accounts.ensure_administrator(connection, NOW)
        assert accounts.ensure_administrator(connection, NOW) is None
        assert password is not None
        account = accounts.checked(connection, accounts.FIRST_ADMINISTRATOR, password)
    assert account is not None and account.role == "administrator" and account.must_change_password


def test_passwords_are_kept_as_argon2_alone(database: Database) -> None:
    with database.writing() as connection:
        password = accounts.create(connection, "olga", "operator", ["lane-1"], by="admin", moment=NOW)
        kept = connection.execute(text("SELECT password_hash FROM account")).scalar_one()
    assert kept.startswith("$argon2id$") and password not in kept


def test_only_the_right_name_and_password_fit(database: Database) -> None:
    with database.writing() as connection:
        password = accounts.create(connection, "olga", "operator", [], by="admin", moment=NOW)
        assert accounts.checked(connection, "olga", password) is not None
        for name, word in (
            ("olga", password + "x"),
            ("olga\0", password),
            ("ivan", password),
            ("olga", "\ud800"),
        ):
            assert accounts.checked(connection, name, word) is None
        with pytest.raises(ConflictError, match="already"):
            accounts.create(connection, "olga", "engineer", [], by="admin", moment=NOW)


def test_a_chosen_password_is_long_enough_and_not_the_name(database: Database) -> None:
    with database.writing() as connection:
        accounts.create(connection, "olga-petrova", "operator", [], by="admin", moment=NOW)
        account = accounts.named(connection, "olga-petrova")
        for weak in ("short", "Olga-Petrova", "x" * 300):
            with pytest.raises(ConflictError) as caught:
                accounts.set_password(connection, account, weak, keep="")
            assert caught.value.code == "weak_password"
        accounts.set_password(connection, account, "a calm river 7", keep="")
        found = accounts.checked(connection, "olga-petrova", "a calm river 7")
    assert found is not None and not found.must_change_password


def test_a_session_ends_by_time_idleness_sign_out_and_a_new_password(database: Database) -> None:
    with database.writing() as connection:
        accounts.create(connection, "olga", "operator", ["b", "a"], by="admin", moment=NOW)
        account = accounts.named(connection, "olga")
        assert account.lanes == ("a", "b")
        token, csrf = accounts.sign_in(connection, account, NOW, hours=2)

        def at(minutes: float, word: str = token) -> accounts.Session | None:
            found = accounts.session(connection, word, NOW + timedelta(minutes=minutes), idle_minutes=30)
            return None if found is None else found[0]

        session = at(29)
        assert session is not None and session.csrf == csrf and session.account.name == "olga"
        assert at(31) is None and at(1, "another") is None
        accounts.seen(connection, session.token_hash, NOW + timedelta(minutes=100))
        assert at(119) is not None and at(120) is None
        accounts.sign_out(connection, session)
        assert at(1) is None
        token, _ = accounts.sign_in(connection, account, NOW, hours=2)
        accounts.reset_password(connection, "olga", by="admin")
        assert at(1, token) is None


def test_a_disabled_account_is_out_at_once(database: Database) -> None:
    with database.writing() as connection:
        accounts.ensure_administrator(connection, NOW)
        password = accounts.create(connection, "olga", "operator", [], by="admin", moment=NOW)
        token, _ = accounts.sign_in(connection, accounts.named(connection, "olga"), NOW, hours=2)
        changed = accounts.change(connection, "olga", disabled=True, lanes=["c"], by="admin")
        assert changed.disabled and changed.lanes == ("c",)
        assert accounts.session(connection, token, NOW, idle_minutes=30) is None
        assert accounts.checked(connection, "olga", password) is None
        with pytest.raises(MissingRecordError):
            accounts.change(connection, "ivan", disabled=True, by="admin")


def test_the_last_administrator_stays(database: Database) -> None:
    with pytest.raises(ConflictError, match="last administrator"), database.writing() as connection:
        accounts.ensure_administrator(connection, NOW)
        accounts.change(connection, "admin", role="operator", by="admin")


def test_machine_tokens_are_scoped_expire_and_are_revoked(database: Database) -> None:
    with database.writing() as connection:
        number, token = tokens.create(connection, "belt 3", "scanner", "lane-1", 1.0, by="admin", moment=NOW)
        found = tokens.checked(connection, token, NOW)
        assert found == tokens.MachineToken(number, "belt 3", "scanner", "lane-1")
        assert tokens.checked(connection, token + "x", NOW) is None
        assert tokens.checked(connection, token, NOW + timedelta(days=1)) is None
        assert token not in str(connection.execute(text("SELECT * FROM machine_token")).all())
        tokens.revoke(connection, number, by="admin", moment=NOW)
        tokens.revoke(connection, number, by="admin", moment=NOW)
        assert tokens.checked(connection, token, NOW) is None
        assert [each["revoked_at"] is None for each in tokens.listed(connection)] == [False]
        with pytest.raises(MissingRecordError):
            tokens.revoke(connection, 99, by="admin", moment=NOW)
