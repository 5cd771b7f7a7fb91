"""Serving: the web application on a port, until a signal ends it."""

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from cargosight_inference.service.api.app import create_app
from cargosight_inference.service.checking import check_settings
from cargosight_inference.service.desk import Desk
from cargosight_inference.service.logs import configure_logs
from cargosight_inference.service.settings import ServiceSettings, TlsSettings
from cargosight_models.errors import ConfigurationError

HEAD_SECONDS = 30.0
"""For which a connection may stay without a whole head of a request, and the rest of a refused body be waited for."""
_MOST_HEAD_BYTES = 32 << 10
_KEEP_ALIVE_SECONDS = 5
_ENDING_SECONDS = 4
"""For answers that are under way when the service is to end; workers end behind that."""


def serve(settings: ServiceSettings, say: Callable[[str], None] | None = None) -> None:
    """Run the service until SIGINT or SIGTERM, which is raised again once all has ended.

    Args:
        settings: of the service.
        say: takes what a person at the terminal has to know: the address, and the first password; default: the
            standard output.

    Raises:
        ConfigurationError: a lane's model, operating point, policy or golden scan is not there, the data folder is a
            file, the port cannot be had, or the certificate is none.
        CargosightError: the desk cannot start; see there.
    """
    check_settings(settings)
    if settings.tls is not None:
        _check_certificate(settings.tls)
    configure_logs(settings.log_level)
    with bound(settings.host, settings.port) as listening, Desk(settings) as desk:
        server = Server(create_app(desk), desk, say or _write)
        server.run(sockets=[listening])


class Server(uvicorn.Server):
    """uvicorn, which says where it is to be found, and ends open streams when it ends."""

    def __init__(self, app: FastAPI, desk: Desk, say: Callable[[str], None]) -> None:
        """Prepare it.

        Args:
            app: from `create_app`.
            desk: of the service, started.
            say: takes a line.
        """
        tls = desk.settings.tls
        super().__init__(
            uvicorn.Config(
                app,
                http=PatientProtocol,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_config=None,
                proxy_headers=False,  # anybody can send them
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=_ENDING_SECONDS,
                h11_max_incomplete_event_size=_MOST_HEAD_BYTES,
                ssl_certfile=None if tls is None else tls.certificate,
                ssl_keyfile=None if tls is None else tls.key,
            )
        )
        self._closing = app.state.closing
        self._desk = desk
        self._say = say

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and say where."""
        await super().startup(sockets)
        if self.started and sockets:
            self._say(f"cargosight serves at {_address(sockets[0], self._desk.settings)}")
            if self._desk.first_password is not None:
                self._say(f"sign in as admin with this one-time password: {self._desk.first_password}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: first the streams of events, which would go on for ever."""
        self._closing.begun = True
        self._desk.bus.notify()
        await super().shutdown(sockets)


class PatientProtocol(H11Protocol):
    """Closes connections whose next request does not come in time: uvicorn waits for ever once a byte has come."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Look whether a request is under way now."""
        super().handle_events()
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of this one's body."""
        super().on_response_complete()
        self._watch()

    def _watch(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering or self.transport.is_closing():
            self._wait_no_more()
        elif self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            if self.conn.our_state is not h11.ERROR:
                self.conn.send(h11.ConnectionClosed())
            self.transport.close()


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that has an address, and does not listen yet: who connects early is refused at once.

    Raises:
        ConfigurationError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, for asyncio switches Nagle's algorithm off of no other: 40 ms of each answer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        reason = error.strerror or str(error)
        raise ConfigurationError(
            f"the service cannot have {host}, port {port} ({reason}); end what uses it, or give another --port"
        ) from error
    return listening


def _address(listening: socket.socket, settings: ServiceSettings) -> str:
    scheme = "http" if settings.tls is None else "https"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{listening.getsockname()[1]}/"


def _check_certificate(tls: TlsSettings) -> None:
    for path in (tls.certificate, tls.key):
        if not path.is_file():
            raise ConfigurationError(
                f"there is no file {path}; tls needs a certificate and its key, both in PEM"
            )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key)
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(
            f"{tls.certificate} and {tls.key} are no certificate with its key ({error}); expected both in PEM"
        ) from error


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
