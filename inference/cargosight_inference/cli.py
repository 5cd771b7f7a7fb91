"""The command line: finds the command, runs it, turns errors into sentences and exit codes.

Commands are modules in the entry-point group `cargosight.commands`, each with `SUMMARY`,
`add_arguments(parser)` and `run(arguments) -> int`. Only the one that was asked for is imported.
"""

import argparse
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from types import FrameType
from typing import Protocol, TextIO, cast

from cargosight_models.errors import CargosightError, UsageError, nearest_spelling

GROUP = "cargosight.commands"
DISTRIBUTION = "cargosight"

EXIT_MISUSE = 2
EXIT_INTERRUPTED = 130
EXIT_CLOSED_PIPE = 141
EXIT_TERMINATED = 143
"""128 + SIGPIPE, 128 + SIGTERM, as the shell reports a program that the signal ended."""


class Command(Protocol):
    """What a command's module offers."""

    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the command; return the exit code."""


class _Terminated(BaseException):
    """SIGTERM has come: like KeyboardInterrupt nobody's error, so that what is open is closed on the way out."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; those of the process when None.

    Returns:
        The exit code: the command's own, 2 for misuse and for a place that cannot be read or written, 130 after
        Ctrl-C, 143 after SIGTERM, 141 when the reader of the output has gone.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _open_what_is_closed()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What its encoding cannot show, such as a file name that is no UTF-8, becomes an escape, as on stderr.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with _heard_sigterm():
            code = _code_of(arguments)
            sys.stdout.flush()
    except CargosightError as error:
        _say(f"cargosight: {error}\n")
        return EXIT_MISUSE
    except KeyboardInterrupt:
        _say("\ncargosight: interrupted\n")
        return EXIT_INTERRUPTED
    except _Terminated:
        _say("\ncargosight: terminated\n")
        return EXIT_TERMINATED
    except BrokenPipeError:
        _drop(sys.stdout)
        return EXIT_CLOSED_PIPE
    except OSError as error:
        return _refused_by_the_system(error)
    return code


def _open_what_is_closed() -> None:
    """Let an output that was closed by who started the process (`>&-`) go nowhere.

    Its descriptor is taken, too: the next file to be opened would get it, and with it what is written there.
    """
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
            setattr(sys, name, open(descriptor, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - for the process


@contextmanager
def _heard_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does; a command may listen in its own way meanwhile."""
    if threading.current_thread() is not threading.main_thread():  # no other may say what a signal does
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _code_of(arguments: list[str]) -> int:
    try:
        return _run(arguments)
    except SystemExit as leaving:  # argparse: help, version, misuse
        return leaving.code if isinstance(leaving.code, int) else EXIT_MISUSE


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-"):
        return _run_without_command(arguments)
    name, *rest = arguments
    command = _load(name)
    parser = argparse.ArgumentParser(
        prog=f"cargosight {name}",
        description=command.SUMMARY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    return command.run(parser.parse_args(rest))


def _run_without_command(arguments: list[str]) -> int:
    """Handle `--help`, `--version`, and a call with nothing at all, which is misuse."""
    parser = argparse.ArgumentParser(
        prog="cargosight",
        description="X-ray image analyser: flags the regions of a scan that deserve secondary inspection.",
        epilog=_list_commands() if not arguments or {"-h", "--help"} & set(arguments) else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cargosight {metadata.version(DISTRIBUTION)}")
    parser.add_argument("command", help="what to do; `cargosight COMMAND --help` says more")
    if not arguments:
        parser.print_help(sys.stderr)
        return EXIT_MISUSE
    parser.parse_args(arguments)
    raise UsageError(f"options stand behind a command, found {arguments[0]!r} first; see `cargosight --help`")


def _entry_points() -> dict[str, metadata.EntryPoint]:
    """Return the commands of every installed distribution by name, the project's own before any other's."""
    found = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    return found | _own_entry_points()


def _own_entry_points() -> dict[str, metadata.EntryPoint]:
    try:
        own = metadata.distribution(DISTRIBUTION).entry_points
    except metadata.PackageNotFoundError:
        return {}
    return {entry.name: entry for entry in own if entry.group == GROUP}


def _load(name: str) -> Command:
    # Its own metadata is one small file; searching all distributions of a large environment takes tenths
    # of a second.
    entry = _own_entry_points().get(name)
    if entry is None:
        every = _entry_points()
        if not every:
            raise UsageError("no commands are installed; install the package with `pip install cargosight`")
        if name not in every:
            hint = nearest_spelling(name, tuple(every))
            raise UsageError(f"there is no command {name!r}{hint}; there are {', '.join(sorted(every))}")
        entry = every[name]
    return cast(Command, entry.load())


def _list_commands() -> str:
    entries = sorted(_entry_points().items())
    width = max((len(name) for name, _ in entries), default=0)
    lines = [f"  {name:<{width}}  {_summary(entry)}" for name, entry in entries]
    return "\n".join(["commands:", *lines])


def _summary(entry: metadata.EntryPoint) -> str:
    try:
        return cast(Command, entry.load()).SUMMARY.splitlines()[0]
    except ImportError as error:
        return f"(cannot be loaded: {error})"


def _refused_by_the_system(error: OSError) -> int:
    """Say which place refused to be read or written: an output folder that is a file, a full disk."""
    reason = error.strerror or str(error)
    if error.filename is None:
        _say(f"cargosight: stopped by the system: {reason}\n")
        _drop(sys.stdout)
    else:
        _say(f"cargosight: {os.fsdecode(error.filename)} cannot be read or written: {reason}\n")
    return EXIT_MISUSE


def _say(message: str) -> None:
    """Write to stderr; where that cannot be, such as a log on a full disk, the exit code has to say it alone."""
    try:
        sys.stderr.write(message)
        sys.stderr.flush()
    except OSError:
        _drop(sys.stderr)


def _drop(stream: TextIO) -> None:
    """Let Python's last flush of an output go nowhere, quietly."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
