"""`cargosight serve`: the inspection service and the operators' console."""

import argparse
import sys
from typing import TYPE_CHECKING

from cargosight_inference.arguments import path_argument
from cargosight_inference.service.extra import check_extra

if TYPE_CHECKING:
    from cargosight_inference.service.settings import ServiceSettings

SUMMARY = "Run the inspection service and the operators' console."

_EPILOG = """\
Without settings there is one baggage lane, an SQLite database in the folder cargosight-data, and an address that this
machine alone can reach. The address is printed, and the first time the one-time password of the account admin, too.
Scans are put into the folder of a lane, or uploaded; see docs/service.md.

    cargosight serve --data /srv/cargosight
    cargosight serve service.yaml --port 8443

Where an administrator's password is lost, whoever owns the database gives a new one, while the service runs or not:

    cargosight serve --data /srv/cargosight --new-password admin

Ctrl-C or SIGTERM end it; what was not inspected yet is at the next start.

exit code: 2 wrong settings, a lane's model, policy or golden scan that is not there, a port that is taken, or a data
folder that is in use; 130 interrupted, 143 terminated."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `serve`."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "settings",
        nargs="?",
        metavar="SETTINGS",
        help="YAML file, or the name of one that comes with the package (default: none, see below)",
    )
    parser.add_argument(
        "--data",
        type=path_argument,
        metavar="DIR",
        help="folder of everything that is kept, in place of the file's",
    )
    parser.add_argument("--host", metavar="ADDRESS", help="address to listen on, in place of the file's")
    parser.add_argument(
        "--port",
        type=int,
        metavar="N",
        help="port to listen on, in place of the file's; 0 for one that is free",
    )
    parser.add_argument(
        "--new-password",
        metavar="NAME",
        help="serve nothing: give an account a one-time password, print it, and sign the account out",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the service, or give an account another password; return the exit code.

    Raises:
        MissingExtraError: the extra `service` is not installed.
        CargosightError: a setting is wrong, or the service cannot start.
    """
    check_extra("cargosight serve")
    from cargosight_inference.service.api.server import serve
    from cargosight_inference.service.settings import find_settings, read_settings

    given = {name: getattr(arguments, name) for name in ("data", "host", "port")}
    overrides = {name: value for name, value in given.items() if value is not None}
    path = None if arguments.settings is None else find_settings(arguments.settings)
    settings = read_settings(path, overrides)
    if arguments.new_password is not None:
        return _give_password(settings, arguments.new_password)
    serve(settings)
    return 0


def _give_password(settings: "ServiceSettings", name: str) -> int:
    from cargosight_inference.service.opening import new_password

    account, password = new_password(settings, name)
    sys.stdout.write(f"sign in as {account} with this one-time password: {password}\n")
    return 0
