"""What goes wrong with a database, apart from mistakes in the statements."""

from cargosight_models.errors import CargosightError


class DatabaseError(CargosightError):
    """The database cannot be used; base of those below."""


class DatabaseBusyError(DatabaseError):
    """Another holds the database locked, or it does not answer; the same may go through later."""


class DatabaseFullError(DatabaseError):
    """There is no room on the database's disk; nothing was recorded."""


class DatabaseNewerError(DatabaseError):
    """The database was written by a newer version of cargosight."""
