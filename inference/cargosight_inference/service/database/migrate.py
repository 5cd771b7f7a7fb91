"""Migrations at the start of the service: what is older is brought up to date, what is newer refused."""

from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import connect

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from cargosight_inference.service.database.engine import Database
from cargosight_inference.service.database.errors import DatabaseError, DatabaseNewerError

_SCRIPTS = Path(__file__).parent / "migrations"


def migrate(database: Database, backups: Path) -> Path | None:
    """Bring a database to this version's schema; an SQLite file that has something in it is copied before.

    Args:
        database: empty, of an older schema, or of this one.
        backups: folder for the copy.

    Returns:
        The copy, None where nothing had to be copied.

    Raises:
        DatabaseNewerError: its schema is none that this version knows.
        DatabaseBusyError: it is locked or does not answer.
        DatabaseFullError: there is no room for the change.
    """
    config, scripts = _scripts()
    found = _revision(database, scripts)
    if found == scripts.get_current_head():
        return None
    copy = _copied(database, backups, found) if found is not None else None
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return copy


def check_schema(database: Database) -> None:
    """Make sure that a database has this version's schema, and change nothing.

    Raises:
        DatabaseNewerError: its schema is none that this version knows.
        DatabaseError: it is older, or no service's, or cannot be read.
    """
    _, scripts = _scripts()
    found = _revision(database, scripts)
    if found is None:
        raise DatabaseError(f"the database at {database.url} is empty; expected that of a service")
    if found != scripts.get_current_head():
        raise DatabaseError(
            f"the database at {database.url} has the schema {found} of an older version; start the service once, which "
            "brings it up to date"
        )


def _scripts() -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config, ScriptDirectory.from_config(config)


def _revision(database: Database, scripts: ScriptDirectory) -> str | None:
    """Return the schema that a database has, None of an empty one.

    Raises:
        DatabaseNewerError: it is none that this version knows.
    """
    with database.reading() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise DatabaseNewerError(
            f"the database at {database.url} has the schema {found}; this version knows "
            f"{', '.join(sorted(known))}: upgrade cargosight, or restore a backup of that version"
        )
    return found


def _copied(database: Database, backups: Path, revision: str) -> Path | None:
    source = database.engine.url.database
    if not database.is_sqlite or source is None:
        return None
    backups.mkdir(parents=True, exist_ok=True)
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    copy = backups / f"cargosight-{revision}-{moment}.sqlite3"
    part = copy.with_suffix(".part")
    original, target = connect(source), connect(part)
    try:
        original.backup(target)
    finally:
        target.close()
        original.close()
    part.replace(copy)
    return copy
