"""`cargosight audit`: the records of what was done in the service, verified and exported."""

import argparse
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cargosight_inference.arguments import path_argument
from cargosight_inference.service.extra import check_extra
from cargosight_models.errors import UsageError

if TYPE_CHECKING:
    from cargosight_inference.service.database.engine import Database

SUMMARY = "Verify and export the service's audit records."

EXIT_OK = 0
EXIT_WRONG = 3

_EPILOG = """\
Views, filters, decisions, sign-ins, and changes of models, thresholds, accounts and tokens are records of a chain, each
with the hash of the one before. `verify` finds a record that was changed, is missing, or out of order. Who owns the
database can make the whole chain anew: write down elsewhere what `verify` prints, and give it as --expect later.

    cargosight audit verify --data cargosight-data --expect 1234:8f3c…
    cargosight audit export --scan 17 --format csv --out scan-17.csv

`export --scan` has the scan's whole story: the scan, its inspections with their findings, decisions, marks and
secondary inspections, and the records about it.

exit code: 0 the chain is intact, or was exported; 2 misuse, or a database that cannot be read; 3 something is wrong."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `audit`."""
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="walk along the chain and compare every hash")
    export = actions.add_parser("export", help="write the records, or the story of one scan")
    for action in (verify, export):
        where = action.add_mutually_exclusive_group()
        where.add_argument(
            "--data",
            type=path_argument,
            metavar="DIR",
            help="data folder of the service (default: cargosight-data)",
        )
        where.add_argument("--settings", metavar="FILE", help="settings of the service")
    verify.add_argument(
        "--expect",
        type=_expected,
        metavar="SEQ:HASH",
        help="number and hash of a record, as they were written down",
    )
    export.add_argument("--scan", type=_scan, metavar="ID", help="the whole story of one scan alone")
    export.add_argument(
        "--format", choices=("jsonl", "csv"), default="jsonl", help="of the lines (default: %(default)s)"
    )
    export.add_argument(
        "--out", type=path_argument, metavar="FILE", help="file to write (default: the standard output)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Verify or export; return the exit code.

    Raises:
        MissingExtraError: the extra `service` is not installed.
        ConfigurationError: a setting is wrong, or there is no database.
        DatabaseError: it cannot be read, or is of another version.
        UsageError: there is no such scan.
    """
    check_extra("cargosight audit")
    with _database(arguments) as database:
        if arguments.action == "verify":
            return _verify(database, arguments.expect)
        return _export(database, arguments)


def _verify(database: "Database", expected: tuple[int, str] | None) -> int:
    from cargosight_inference.service.records import audit

    with database.reading() as connection:
        found = audit.verify(connection, expected)
    for sentence in found.problems:
        sys.stdout.write(f"{sentence}\n")
    if found.wrong > len(found.problems):
        sys.stdout.write(f"and {found.wrong - len(found.problems):,} more\n")
    records = "1 record" if found.count == 1 else f"{found.count:,} records"
    state = "intact" if found.intact else "NOT intact"
    sys.stdout.write(f"{records}, {state}; the last is {found.head[0]}:{found.head[1]}\n")
    return EXIT_OK if found.intact else EXIT_WRONG


def _export(database: "Database", arguments: argparse.Namespace) -> int:
    from cargosight_inference.service.exporting import export_lines
    from cargosight_inference.service.records.errors import MissingRecordError

    lines = export_lines(database, arguments.format, arguments.scan)
    try:
        if arguments.out is None:
            sys.stdout.writelines(lines)
        else:
            with arguments.out.open("w", encoding="utf-8", newline="") as out:
                out.writelines(lines)
    except MissingRecordError as error:
        raise UsageError(str(error)) from error
    return EXIT_OK


@contextmanager
def _database(arguments: argparse.Namespace) -> Iterator["Database"]:
    """Open the database of a service, which may be running; nothing is written into it."""
    from cargosight_inference.service.opening import opened_database
    from cargosight_inference.service.settings import find_settings, read_settings

    path = None if arguments.settings is None else find_settings(arguments.settings)
    settings = read_settings(path, {} if arguments.data is None else {"data": arguments.data})
    with opened_database(settings) as database:
        yield database


def _expected(words: str) -> tuple[int, str]:
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", words.strip().lower())
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{words!r} found; expected a number and 64 hex digits, as `verify` prints them"
        )
    return int(found[1]), found[2]


def _scan(words: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", words):
        raise argparse.ArgumentTypeError(f"{words!r} found; expected the number of a scan")
    return int(words)
