"""The database of the service: SQLite in the data folder, or PostgreSQL by URL."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from cargosight_inference.service.database.errors import DatabaseBusyError, DatabaseError, DatabaseFullError
from cargosight_models.errors import ConfigurationError, MissingExtraError

BUSY_SECONDS = 5.0
"""How long a statement waits for another process that holds the database."""

_KEPT_CONNECTIONS, _MOST_CONNECTIONS = 8, 60
"""Enough for the web server's 40 threads and the service's own; what is idle beyond the first is closed."""
_ADVISORY_LOCK = 0x63736967  # "csig"; PostgreSQL's locks by number are shared by all who use the database
_FULL = ("database or disk is full", "disk I/O error", "No space left", "could not extend file")


def now() -> str:
    """Return the time as the database keeps it: UTC with microseconds, 27 characters."""
    return as_text(datetime.now(UTC))


def as_text(moment: datetime) -> str:
    """Return a time as the database keeps it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def as_time(stored: str) -> datetime:
    """Return a time that the database kept."""
    return datetime.strptime(stored, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


class Database:
    """Connections for reading, and one writer at a time.

    Writers wait for each other, in this process by a lock, between processes by `BEGIN IMMEDIATE` (SQLite) or an
    advisory lock (PostgreSQL): the audit chain needs an order, and so do event ids, which a client that resumes must
    be able to trust. At a scan a second that costs nothing.

    Attributes:
        url: without the password.
        is_sqlite: whether it is SQLite.
    """

    def __init__(self, url: str) -> None:
        """Prepare the connections; nothing is opened yet.

        Args:
            url: `sqlite:///path` or `postgresql+psycopg://user:password@host/name`.

        Raises:
            ConfigurationError: no URL of a database, or of one that is not supported.
            MissingExtraError: the PostgreSQL driver is not installed.
        """
        parsed = _parsed(url)
        self.url = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.engine = _open(parsed, is_sqlite=self.is_sqlite)
        # PostgreSQL would show what others commit between two statements, as decisions without their audit records.
        self._readers = (
            self.engine
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="REPEATABLE READ")
        )
        self._writer = threading.Lock()
        if self.is_sqlite:
            event.listen(self.engine, "connect", _on_sqlite_connect)
            event.listen(self.engine, "begin", _on_sqlite_begin)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection with one consistent view.

        Raises:
            DatabaseBusyError: it is locked or does not answer.
            DatabaseFullError: there is no room.
        """
        with _sentences(), self._readers.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the one connection that may write; what the block did is durable when it has ended, or undone.

        Raises:
            DatabaseBusyError: others hold the database for longer than `BUSY_SECONDS`, or it does not answer.
            DatabaseFullError: there is no room; nothing was recorded.
        """
        with self._turn(), _sentences(), self.engine.connect() as connected:
            connection = connected.execution_options(cargosight_write=True)
            with connection.begin():
                if not self.is_sqlite:
                    connection.execute(text("SET LOCAL lock_timeout = '5s'"))
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
                yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for the other writers of this process, and no longer than for those of others."""
        if not self._writer.acquire(timeout=BUSY_SECONDS):
            raise DatabaseBusyError("too many wait to write into the database; try again in a few seconds")
        try:
            yield
        finally:
            self._writer.release()

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(
            f"{url!r} is no URL of a database; expected sqlite:///path or postgresql+psycopg://user:password@host/name"
        ) from None
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigurationError(
            f"the database is {parsed.get_backend_name()}; expected sqlite or postgresql+psycopg"
        )
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def _open(url: URL, *, is_sqlite: bool) -> Engine:
    pool: dict[str, Any] = {
        "pool_size": _KEPT_CONNECTIONS,
        "max_overflow": _MOST_CONNECTIONS - _KEPT_CONNECTIONS,
        "pool_timeout": BUSY_SECONDS,
    }
    if is_sqlite:
        return create_engine(url, **pool, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})
    try:
        return create_engine(url, **pool, pool_pre_ping=True, connect_args={"connect_timeout": 5})
    except (ImportError, NoSuchModuleError):
        raise MissingExtraError("postgres", f"a database at {url.drivername}") from None


def _on_sqlite_connect(connection: Any, _entry: ConnectionPoolEntry) -> None:  # noqa: ANN401 - sqlite3's own
    # The driver begins transactions by itself unless told not to, and too late for BEGIN IMMEDIATE.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("cargosight_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _sentences() -> Iterator[None]:
    """Turn what the drivers raise for the world's state into errors with a sentence; mistakes of ours stay."""
    try:
        yield
    except PoolTimeoutError as error:
        raise DatabaseBusyError(
            "every connection to the database is in use; try again in a few seconds"
        ) from error
    except OperationalError as error:
        words = str(error.orig)
        if any(part in words for part in _FULL):
            raise DatabaseFullError(
                f"the database has no room ({words}); nothing was recorded: free some space on its disk"
            ) from error
        raise DatabaseBusyError(
            f"the database does not take it now ({_first_line(words)}); try again in a few seconds"
        ) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseBusyError(
                "the connection to the database was lost; try again in a few seconds"
            ) from error
        if type(error.orig).__name__ == "DatabaseError":  # SQLite: malformed, or no database at all
            raise DatabaseError(
                f"the database cannot be read ({_first_line(str(error.orig))}); restore a backup of it"
            ) from error
        raise


def _first_line(words: str) -> str:
    return (words.strip().splitlines() or ["no reason given"])[0][:200]
