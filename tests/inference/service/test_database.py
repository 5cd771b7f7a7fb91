"""The database: made from nothing, migrated with a backup, one writer at a time, newer schemas refused."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cargosight_inference.service.database import engine as engine_module
from cargosight_inference.service.database.engine import Database, as_text, as_time, now
from cargosight_inference.service.database.errors import (
    DatabaseBusyError,
    DatabaseError,
    DatabaseFullError,
    DatabaseNewerError,
)
from cargosight_inference.service.database.migrate import migrate
from cargosight_inference.service.database.tables import METADATA
from cargosight_inference.service.records import audit, events
from cargosight_models.errors import ConfigurationError
from tests.made.databases import KINDS, POSTGRES, database_url, made_database


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with made_database(request.param, tmp_path) as made:
        yield made


def test_the_database_is_tested_on_a_real_postgresql_too() -> None:
    if "postgresql" not in KINDS:
        pytest.skip(f"no PostgreSQL here: {POSTGRES} names no server (.ci/run installs and starts one)")
    with database_url("postgresql", Path()) as url:
        assert url.startswith("postgresql")


def test_migrations_make_exactly_the_tables(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_a_database_of_this_version_is_left_alone(database: Database, tmp_path: Path) -> None:
    assert migrate(database, tmp_path / "backups") is None
    assert not (tmp_path / "backups").exists()


def test_a_newer_schema_is_refused(database: Database, tmp_path: Path) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseNewerError, match=r"schema 9999.*upgrade cargosight"):
        migrate(database, tmp_path / "backups")


def test_an_older_sqlite_file_is_copied_before_it_is_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = tmp_path / "migrations"
    shipped = Path(engine_module.__file__).parent / "migrations"
    (scripts / "versions").mkdir(parents=True)
    (scripts / "env.py").write_text((shipped / "env.py").read_text())
    first = (shipped / "versions" / "0001_first.py").read_text()
    (scripts / "versions" / "0001_first.py").write_text(first)
    (scripts / "versions" / "0002_more.py").write_text(
        'import sqlalchemy as sa\nfrom alembic import op\nrevision = "0002"\ndown_revision = "0001"\n'
        'def upgrade():\n    op.create_table("more", sa.Column("id", sa.Integer))\n'
    )
    with made_database("sqlite", tmp_path) as old:
        with old.writing() as connection:
            events.append(connection, "kept", None, {})
        monkeypatch.setattr("cargosight_inference.service.database.migrate._SCRIPTS", scripts)
        copy = migrate(old, tmp_path / "backups")
        assert copy is not None
        with old.reading() as connection:
            assert connection.execute(text("SELECT count(*) FROM more")).scalar_one() == 0
    saved = sqlite3.connect(copy)
    assert saved.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
    assert saved.execute("SELECT kind FROM event").fetchall() == [("kept",)]
    saved.close()


def test_what_a_block_did_is_undone_when_it_fails(database: Database) -> None:
    with pytest.raises(RuntimeError), database.writing() as connection:
        events.append(connection, "lost", None, {})
        raise RuntimeError
    with database.reading() as connection:
        assert events.span(connection) == (0, 0)


def test_writers_take_turns_so_that_the_chain_has_an_order(database: Database) -> None:
    def write() -> None:
        for _ in range(10):
            with database.writing() as connection:
                audit.append(connection, actor="a", action="view")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as connection:
        found = audit.verify(connection)
    assert found.intact and found.count == 40


def test_a_record_of_the_audit_chain_is_changed_by_nobody(database: Database) -> None:
    with database.writing() as connection:
        audit.append(connection, actor="a", action="view")
    for statement in ("UPDATE audit SET actor = 'b'", "DELETE FROM audit"):
        with pytest.raises(DBAPIError, match="append-only"), database.writing() as connection:
            connection.execute(text(statement))


def test_sqlite_keeps_what_is_committed_through_a_power_failure(tmp_path: Path) -> None:
    with made_database("sqlite", tmp_path) as made, made.reading() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2  # FULL


def test_a_database_that_another_holds_is_busy_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "BUSY_SECONDS", 0.1)
    with made_database("sqlite", tmp_path) as made:
        other = sqlite3.connect(tmp_path / "cargosight.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusyError, match="try again"), made.writing():
            pass
        other.execute("ROLLBACK")
        other.close()
        with made.writing() as connection:
            events.append(connection, "later", None, {})


def test_a_full_disk_is_told_and_nothing_is_recorded(tmp_path: Path) -> None:
    with made_database("sqlite", tmp_path) as made:
        with made.reading() as connection:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        with pytest.raises(DatabaseFullError, match="no room"), made.writing() as connection:
            connection.execute(text(f"PRAGMA max_page_count = {pages + 2}"))
            for _ in range(100):
                events.append(connection, "big", None, {"text": "x" * 4000})
        with made.reading() as connection:
            assert events.span(connection) == (0, 0)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_bytes(b"no database at all, " * 100)
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    with pytest.raises(DatabaseError, match="restore a backup"), database.reading() as connection:
        connection.execute(text("SELECT 1"))
    database.close()


@pytest.mark.parametrize("url", ["nonsense", "mysql://u@h/d", ""])
def test_a_url_of_no_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected sqlite"):
        Database(url)


def test_a_password_is_not_shown() -> None:
    database = Database("postgresql://u:secret@127.0.0.1:1/x")
    assert "secret" not in database.url
    with pytest.raises(DatabaseBusyError), database.reading():
        pass
    database.close()


def test_times_keep_their_order_as_text() -> None:
    moment = now()
    assert len(moment) == 27 and as_text(as_time(moment)) == moment
