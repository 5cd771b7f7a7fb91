"""Whether anything listens at the address of a Ray cluster; Ray itself tries for minutes, deaf to Ctrl-C."""

import re
import socket

from cargosight_inference.batch.places import BatchError

_CONNECT_SECONDS = 5.0
_HOST_AND_PORT = re.compile(r"(?:\[(?P<bracketed>[^\[\]]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>\d+)")


def check_listened(address: str) -> None:
    """Connect to a host and port once and hang up; names of another form (`auto`) are left to Ray.

    Raises:
        BatchError: nothing listens there, or does not answer within seconds.
    """
    found = _HOST_AND_PORT.fullmatch(address)
    if found is None:
        return
    where = (found["bracketed"] or found["host"], int(found["port"]))
    try:
        socket.create_connection(where, timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:  # the latter two of impossible ports and names
        raise BatchError(
            f"there is no Ray cluster at {address}: {error}; give the host:port of a running cluster, or "
            "--ray-address auto for the one that this machine belongs to"
        ) from error
