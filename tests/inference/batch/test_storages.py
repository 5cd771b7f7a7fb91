"""Inputs on a web server: whether one of them is wrong, or the server."""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no sources are tested")
pytest.importorskip("aiohttp", reason="aiohttp is not installed: no server is read")

from cargosight_inference.batch.places import BatchError
from cargosight_inference.batch.sources import Denied, open_input
from cargosight_models.errors import ScanError


@pytest.fixture
def http_server() -> Iterator[str]:
    """A server that answers each path with the status it is called."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(int(self.path.strip("/").partition(".")[0]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - a name of the base class

        def log_message(self, *said: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (403, Denied, r"/403\.jpg may not be read: HTTP 403"),
        (404, ScanError, r"there is no file http://.*/404\.jpg"),
        (503, BatchError, r"/503\.jpg cannot be read: HTTP 503"),
    ],
)
def test_an_answer_of_a_server_is_told(
    http_server: str, status: int, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence):
        open_input(f"{http_server}/{status}.jpg")


def test_a_server_that_does_not_answer_and_one_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and never listens
        with pytest.raises(BatchError, match=r"/a\.jpg cannot be read: Cannot connect"):
            open_input(f"http://127.0.0.1:{taken.getsockname()[1]}/a.jpg")

    def unknown(*asked: object, **how: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ScanError, match=r"there is no file http://nowhere\.invalid/a\.jpg"):
        open_input("http://nowhere.invalid/a.jpg")
