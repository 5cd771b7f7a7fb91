"""Whether what the service needs is installed: the base install has none of it."""

from importlib.util import find_spec

from cargosight_models.errors import MissingExtraError

_NEEDED = (
    "alembic",
    "argon2",
    "fastapi",
    "prometheus_client",
    "pydantic",
    "python_multipart",
    "pythonjsonlogger",
    "sqlalchemy",
    "uvicorn",
)


def check_extra(command: str) -> None:
    """Make sure that the packages of the extra `service` are there.

    Args:
        command: that needs them, such as `cargosight serve`.

    Raises:
        MissingExtraError: one of them is not.
    """
    if any(find_spec(name) is None for name in _NEEDED):
        raise MissingExtraError("service", f"`{command}`")
