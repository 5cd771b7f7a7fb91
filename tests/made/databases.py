"""Databases for tests: a new SQLite file, or a new schema of the PostgreSQL server that the environment names."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from cargosight_inference.service.database.engine import Database
from cargosight_inference.service.database.migrate import migrate

POSTGRES = "CARGOSIGHT_TEST_POSTGRES"
"""Environment variable with the URL of a server that tests may make databases on."""
KINDS = ("sqlite", "postgresql") if os.environ.get(POSTGRES) else ("sqlite",)
"""What tests of the database run on."""


@contextmanager
def database_url(kind: str, folder: Path) -> Iterator[str]:
    """Give the URL of a new, empty database; it is gone when the block ends."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'cargosight.sqlite3'}"
        return
    with _on_server("template1") as url:
        yield url


@contextmanager
def copied_database(template: str) -> Iterator[str]:
    """Give the URL of a copy of a PostgreSQL database that nobody uses; it is gone when the block ends."""
    with _on_server(make_url(template).database or "") as url:
        yield url


@contextmanager
def _on_server(template: str) -> Iterator[str]:
    server = os.environ[POSTGRES]
    name = f"cargosight_{secrets.token_hex(6)}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        admin.dispose()


@contextmanager
def made_database(kind: str, folder: Path) -> Iterator[Database]:
    """Give a new, migrated database."""
    with database_url(kind, folder) as url:
        database = Database(url)
        try:
            migrate(database, folder / "backups")
            yield database
        finally:
            database.close()
