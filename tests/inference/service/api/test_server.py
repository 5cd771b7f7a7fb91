"""The server itself: who takes too long, who sends too much, TLS, and how it starts and ends."""

import json
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from cargosight_inference.benchmark.running_service import RunningService
from cargosight_inference.cli import main
from cargosight_inference.commands import serve as command
from cargosight_inference.service import extra
from cargosight_inference.service.api import layers, server
from cargosight_models.errors import ConfigurationError
from tests.made.models import make_blob_model
from tests.made.service import MadeDesk, made_desk, scan_of, serving, sign_in, token
from tests.made.waiting import until

LONG = 20.0
"""Seconds: a failure, never a wait."""


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=LONG) as connection:
        yield connection


def answered(connection: socket.socket) -> bytes:
    """Return everything until the server closes."""
    found = b""
    while piece := connection.recv(1 << 16):
        found += piece
    return found


HEAD = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n"


def test_a_head_that_does_not_come_is_not_waited_for(desk: MadeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    with serving(desk) as (port, _), connected(port) as silent, connected(port) as slow:
        slow.sendall(HEAD)
        assert answered(silent) == answered(slow) == b""


def test_the_second_request_of_a_connection_is_not_waited_for_either(
    desk: MadeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.5)
    with serving(desk) as (port, _), connected(port) as slow:
        slow.sendall(HEAD + b"\r\n")
        assert slow.recv(1 << 16).startswith(b"HTTP/1.1 200")
        slow.sendall(b"GET /health")
        assert b"HTTP/1.1" not in answered(slow)


def test_a_request_that_takes_long_is_waited_for(desk: MadeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)

    def slowly(scan: int) -> bytes:
        time.sleep(0.5)
        return b"PNG"

    monkeypatch.setattr(desk, "overlay", slowly)
    scan = scan_of(desk)
    with serving(desk) as (port, _):
        connection = HTTPConnection("127.0.0.1", port, timeout=LONG)
        connection.request("GET", f"/api/v1/scans/{scan}/overlay.png", headers=sign_in(desk, "olga"))
        assert connection.getresponse().read() == b"PNG"
        connection.close()


def test_a_body_that_does_not_come_is_not_waited_for(desk: MadeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    from cargosight_inference.service.api.app import create_app

    app = create_app(desk)  # type: ignore[arg-type]
    for each in app.user_middleware:
        if each.cls is layers.BodyLimit:  # type: ignore[comparison-overlap]
            each.kwargs["seconds"] = 0.3
    headers = token(desk, "scanner", "lane-1")
    with serving(desk, app) as (port, _), connected(port) as slow:
        about = (
            f"Authorization: {headers['Authorization']}\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
        )
        slow.sendall(b"POST /api/v1/lanes/lane-1/scans HTTP/1.1\r\n" + about.encode() + b"\x89PNG\r\n\x1a\n")
        found = answered(slow)
        assert found.startswith(b"HTTP/1.1 408") and b'"too_slow"' in found
    assert not list((desk.settings.data / "incoming").iterdir())


def test_an_upload_that_breaks_off_leaves_nothing(desk: MadeDesk) -> None:
    headers = token(desk, "scanner", "lane-1")
    incoming = desk.settings.data / "incoming"
    with serving(desk) as (port, _):
        with connected(port) as broken:
            about = f"Authorization: {headers['Authorization']}\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n"
            broken.sendall(
                b"POST /api/v1/lanes/lane-1/scans HTTP/1.1\r\n" + about.encode() + b"\x89PNG\r\n\x1a\n"
            )
            until(lambda: any(incoming.iterdir()))
        until(lambda: not any(incoming.iterdir()))


def test_a_head_that_is_too_long_is_refused(desk: MadeDesk) -> None:
    with serving(desk) as (port, _), connected(port) as connection:
        connection.sendall(HEAD + b"X-Long: " + b"y" * 40_000)
        assert answered(connection).startswith(b"HTTP/1.1 400")


def test_it_does_not_say_what_it_is(desk: MadeDesk) -> None:
    with serving(desk) as (port, _), connected(port) as connection:
        connection.sendall(HEAD + b"Connection: close\r\nX-Forwarded-Host: evil\r\n\r\n")
        found = answered(connection).lower()
        assert found.startswith(b"http/1.1 200") and b"\r\nserver:" not in found and b"uvicorn" not in found


def test_under_tls(tmp_path: Path, template: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: no certificate can be made")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    words = [
        openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate),
    ]  # fmt: skip
    subprocess.run(words, check=True, capture_output=True)
    tls = {"certificate": certificate, "key": key}
    with made_desk(tmp_path, template, tls=tls) as desk, serving(desk) as (port, _):
        context = ssl.create_default_context(cafile=str(certificate))
        connection = HTTPSConnection("localhost", port, context=context, timeout=LONG)
        connection.request("GET", "/health/live")
        answer = connection.getresponse()
        assert answer.status == 200 and "max-age" in answer.headers["strict-transport-security"]
        connection.close()


def test_a_certificate_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "k.pem").write_text("no key", encoding="utf-8")
    tls = {"certificate": str(tmp_path / "c.pem"), "key": str(tmp_path / "k.pem")}
    settings = tmp_path / "service.yaml"
    settings.write_text(json.dumps({"data": str(tmp_path / "data"), "tls": tls}), encoding="utf-8")
    assert main(["serve", str(settings)]) == 2
    assert "there is no file" in capsys.readouterr().err
    (tmp_path / "c.pem").write_text("no certificate", encoding="utf-8")
    assert main(["serve", str(settings)]) == 2
    assert "are no certificate with its key" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told() -> None:
    with server.bound("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(ConfigurationError, match="the service cannot have"):
            server.bound("127.0.0.1", taken.getsockname()[1])


def test_small_answers_are_sent_at_once() -> None:
    # asyncio looks at the protocol by which a socket was made before it switches Nagle's algorithm off
    with server.bound("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nothing"], "there is no configuration 'nothing'"),
        (["--host", "0.0.0.0"], "there is no tls"),
        (["--port", "70000"], "port is 70000"),
        (["--data", ""], "an empty path"),
    ],
)
def test_misuse(capsys: pytest.CaptureFixture[str], words: list[str], sentence: str) -> None:
    assert main(["serve", *words]) == 2
    assert sentence in capsys.readouterr().err


def test_options_take_the_place_of_the_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served: list[Any] = []
    monkeypatch.setattr(server, "serve", served.append)
    assert main(["serve", "service", "--data", str(tmp_path), "--port", "0", "--host", "localhost"]) == 0
    assert (served[0].data, served[0].port, served[0].host) == (tmp_path, 0, "localhost")
    assert len(served[0].lanes) > 1


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extra, "_NEEDED", ("no_such_package",))
    for words in (["serve"], ["audit", "verify"]):
        assert main(words) == 2
        assert 'pip install "cargosight[service]"' in capsys.readouterr().err
    assert "uvicorn" not in vars(command)


def test_the_command_serves_and_ends(tmp_path: Path) -> None:
    model = make_blob_model(tmp_path / "blobs.onnx", operating_points={"pfa=0.05": 0.5})
    lane = {"name": "lane-1", "model": str(model), "watch": False}
    with RunningService(tmp_path, {"lanes": [lane], "least_free_mb": 0, "workers": 1}) as service:
        service.start(ready=False)
        assert f"cargosight serves at http://127.0.0.1:{service.port}/" in service.said()
        stream = HTTPConnection("127.0.0.1", service.port, timeout=LONG)
        stream.request("GET", "/api/v1/events", headers=service.administrator().headers)
        assert stream.getresponse().status == 200
        began = time.monotonic()
        assert service.stop() == 128 + signal.SIGTERM
        assert time.monotonic() - began < 10.0
        stream.close()
        assert "Traceback" not in service.said()
