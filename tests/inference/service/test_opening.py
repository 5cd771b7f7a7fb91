"""A lost password is replaced at the terminal, also while the service runs."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cargosight_inference.cli import main
from cargosight_inference.service.database.engine import Database
from cargosight_inference.service.database.migrate import migrate
from cargosight_inference.service.records import accounts, audit


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path / 'cargosight.sqlite3'}")
    migrate(made, tmp_path / "backups")
    with made.writing() as connection:
        accounts.ensure_administrator(connection, datetime.now(UTC))
    return made


def test_a_lost_password_is_replaced(
    tmp_path: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with database.writing() as connection:
        account = accounts.named(connection, "admin")
        secret, _ = accounts.sign_in(connection, account, datetime.now(UTC), 1.0)
    assert main(["serve", "--data", str(tmp_path), "--new-password", "Admin"]) == 0
    line = capsys.readouterr().out
    assert line.startswith("sign in as admin with this one-time password: ") and line.count("\n") == 1
    password = line.split()[-1]
    with database.reading() as connection:
        account_now = accounts.checked(connection, "admin", password)
        assert account_now is not None and account_now.must_change_password
        assert accounts.session(connection, secret, datetime.now(UTC), 60.0) is None
        last = list(audit.records(connection))[-1]
        assert audit.verify(connection).intact
    assert (last.actor, last.action, last.detail) == ("service", "account.password_reset", {"name": "admin"})
    assert password not in str(last)
    database.close()


def test_who_is_not_there_is_told(
    tmp_path: Path, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    database.close()
    assert main(["serve", "--data", str(tmp_path), "--new-password", "adam"]) == 2
    assert "there is no account 'adam'; administrators are admin" in capsys.readouterr().err
    assert main(["serve", "--data", str(tmp_path / "none"), "--new-password", "admin"]) == 2
    assert "there is no database in" in capsys.readouterr().err
