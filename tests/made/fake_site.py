"""The fake service behind an address, with the console's files and the real service's headers."""

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from starlette.datastructures import MutableHeaders

import cargosight_inference.service as package
from cargosight_inference.service.api.headers import add_headers
from tests.made.fake_routes import answer
from tests.made.fake_service import FakeService, refusal

CONSOLE = Path(package.__file__).parent / "console"
_ROOT = "/api/v1"
COOKIE = "cargosight_session"
_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@contextmanager
def fake_site() -> Iterator["FakeSite"]:
    """Serve on the loopback address until the end."""
    site = FakeSite()

    class Handler(_Handler):
        pass

    Handler.site = site
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        if site.service is not None:
            site.service.drop_streams()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class FakeSite:
    """An address, and the service that answers there: another one for each test, while browsers keep the files."""

    address: str = ""
    service: FakeService | None = None


class _Handler(BaseHTTPRequestHandler):
    site: FakeSite
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer in two pieces waits 40 ms

    @property
    def fake(self) -> FakeService:
        assert self.site.service is not None
        return self.site.service

    def do_GET(self) -> None:
        self._guarded("GET")

    def do_POST(self) -> None:
        self._guarded("POST")

    def do_PUT(self) -> None:
        self._guarded("PUT")

    def do_PATCH(self) -> None:
        self._guarded("PATCH")

    def do_DELETE(self) -> None:
        self._guarded("DELETE")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return

    def _guarded(self, method: str) -> None:
        try:
            self._serve(method)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _serve(self, method: str) -> None:
        address = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        if address.path == "/health/ready":
            return self._send(200, {"status": "ready", "problems": [], "warnings": self.fake.warnings})
        if not address.path.startswith(_ROOT):
            return self._file(address.path)
        path, query = unquote(address.path.removeprefix(_ROOT)), dict(parse_qsl(address.query))
        if path == "/login":
            return self._login(body)
        self.fake.let_through(path)
        name = self._name()
        if path == "/events" and name is not None:
            return self._stream(query)
        return self._answer(method, path, query, body, name)

    def _answer(self, method: str, path: str, query: dict[str, str], body: Any, name: str | None) -> None:
        if self._counts(self.fake.refused, path):
            sentence = "the database does not take it now, and nothing was recorded"
            return self._send(*refusal(503, "database_busy", sentence))
        if method != "GET" and name is not None and self.headers.get("X-CSRF-Token") != f"csrf-{name}":
            return self._send(*refusal(403, "csrf", "the request does not come from the console"))
        status, told = answer(self.fake, method, path, query=query, body=body, name=name)
        if self._counts(self.fake.lost, path):
            self.close_connection = True
            return None
        return self._send(status, told, {"Content-Type": "image/png"} if path.endswith(".png") else None)

    def _counts(self, faults: dict[str, int], path: str) -> bool:
        with self.fake.changed:
            for part, left in faults.items():
                if left and part in path:
                    faults[part] = left - 1
                    return True
        return False

    def _name(self) -> str | None:
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        return self.fake.sessions.get(cookie.value) if cookie else None

    def _login(self, body: dict[str, str]) -> None:
        if self.fake.passwords.get(body["name"]) != body["password"]:
            return self._send(
                *refusal(401, "wrong_password", "no account that can sign in has this name and password")
            )
        session = secrets.token_hex(8)
        self.fake.sessions[session] = body["name"]
        me = self.fake.me(body["name"])
        return self._send(
            200,
            {"account": me, "csrf": me["csrf"]},
            {"Set-Cookie": f"{COOKIE}={session}; HttpOnly; SameSite=Strict; Path=/"},
        )

    def _stream(self, query: dict[str, str]) -> None:
        fake = self.fake
        self.close_connection = True
        with fake.changed:
            fake.streams += 1
            generation, last = fake.generation, int(query.get("after", len(fake.events)))
        self.send_response(200)
        self._headers({"Content-Type": "text/event-stream", "Connection": "close"})
        self.wfile.write(f"retry: 1000\nid: {last}\n\n".encode())
        while True:
            with fake.changed:
                if fake.generation == generation and len(fake.events) == last:
                    fake.changed.wait(fake.beat)
                if fake.generation != generation:
                    return
                fresh = [] if fake.silent else list(enumerate(fake.events[last:], last + 1))
            text = "".join(
                f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n" for number, (kind, data) in fresh
            )
            last += len(fresh)
            if fake.silent:
                threading.Event().wait(0.05)
            else:
                self.wfile.write((text or ":\n\n").encode())

    def _file(self, path: str) -> None:
        file = CONSOLE / ("index.html" if path == "/" else path.lstrip("/"))
        if file.suffix not in _TYPES or not file.is_file():
            return self._send(*refusal(404, "not_found", f"there is nothing at {path}"))
        return self._send(
            200, file.read_bytes(), {"Content-Type": _TYPES[file.suffix], "Cache-Control": "max-age=600"}
        )

    def _send(self, status: int, told: Any, headers: dict[str, str] | None = None) -> None:
        body = told if isinstance(told, bytes) else b"" if status == 204 else json.dumps(told).encode()
        self.send_response(status)
        media_type = "application/octet-stream" if isinstance(told, bytes) else "application/json"
        self._headers({"Content-Type": media_type, "Content-Length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def _headers(self, own: dict[str, str]) -> None:
        headers = MutableHeaders(own)
        add_headers(headers, tls=False)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
