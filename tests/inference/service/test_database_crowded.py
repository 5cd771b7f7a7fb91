"""Many at once: nobody waits for ever, and what is read together belongs together."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cargosight_inference.service.database import engine
from cargosight_inference.service.database.engine import Database
from cargosight_inference.service.database.errors import DatabaseBusyError
from cargosight_inference.service.database.tables import AUDIT
from cargosight_inference.service.records import audit
from tests.made.databases import KINDS, made_database


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with made_database(request.param, tmp_path) as made:
        yield made


def test_a_writer_does_not_wait_for_ever(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with database.writing():
            held.set()
            enough.wait(20.0)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(20.0)
        with pytest.raises(DatabaseBusyError, match="too many wait"), database.writing():
            pass
    finally:
        enough.set()
        holder.join()
    with database.writing() as connection:
        audit.append(connection, actor="olga", action="view")


def test_a_reader_does_not_wait_for_ever_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(engine, "_KEPT_CONNECTIONS", 1)
    monkeypatch.setattr(engine, "_MOST_CONNECTIONS", 1)
    crowded = pytest.raises(DatabaseBusyError, match="in use")
    with made_database("sqlite", tmp_path) as database, database.reading(), crowded, database.reading():
        pass


def test_a_reader_has_one_view(database: Database) -> None:
    wanted = select(func.count()).select_from(AUDIT)
    with database.reading() as reader:
        before = reader.execute(wanted).scalar_one()
        with database.writing() as writer:
            audit.append(writer, actor="olga", action="view")
        assert reader.execute(wanted).scalar_one() == before
    with database.reading() as reader:
        assert reader.execute(wanted).scalar_one() == before + 1
