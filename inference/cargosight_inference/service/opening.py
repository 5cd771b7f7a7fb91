"""The database of a service for commands at the terminal; the service may be running."""

from collections.abc import Iterator
from contextlib import contextmanager

from cargosight_inference.service.database.engine import Database
from cargosight_inference.service.database.migrate import check_schema
from cargosight_inference.service.records import accounts
from cargosight_inference.service.settings import ServiceSettings
from cargosight_models.errors import ConfigurationError, UsageError


@contextmanager
def opened_database(settings: ServiceSettings) -> Iterator[Database]:
    """Open the database that a service has made.

    Raises:
        ConfigurationError: there is none.
        DatabaseError: it cannot be read, or is of another version.
    """
    if settings.database is None and not (settings.data / "cargosight.sqlite3").is_file():
        raise ConfigurationError(
            f"there is no database in {settings.data}; give the service's --data or --settings"
        )
    database = Database(settings.database_url)
    try:
        check_schema(database)
        yield database
    finally:
        database.close()


def new_password(settings: ServiceSettings, name: str) -> tuple[str, str]:
    """Give an account a one-time password, sign it out everywhere, and record that it was done at the terminal.

    Args:
        settings: of the service.
        name: of the account, in any capitals.

    Returns:
        The account's name, and the password, which has to be changed at the next sign-in.

    Raises:
        UsageError: there is no such account, or it is disabled; the message lists the administrators.
        ConfigurationError: there is no database.
        DatabaseError: it does not take it; nothing was changed.
    """
    with opened_database(settings) as database, database.writing() as connection:
        found = accounts.listed(connection)
        typed = accounts.typed(connection, name)
        account = next((each for each in found if each.name == typed), None)
        if account is None or account.disabled:
            wrong = f"there is no account {name!r}" if account is None else f"the account {typed} is disabled"
            known = [each.name for each in found if each.role == "administrator" and not each.disabled]
            raise UsageError(f"{wrong}; administrators are {', '.join(known) or 'none'}")
        return account.name, accounts.reset_password(connection, account.name, by="service")
