"""A service in a process of its own and clients of it, by the standard library alone: to measure and to test."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from socket import SHUT_RDWR, socket
from threading import Event, Thread
from typing import Any

from cargosight_inference.benchmark.measures import family, memory_of
from cargosight_models.errors import UsageError

API = "/api/v1"
PASSWORD = "a calm river 7"
_START_SECONDS = 60.0
_SILENCE_SECONDS = 40.0
"""A service says something every 15 s; one that says nothing for so long has gone."""


class RequestFailedError(Exception):
    """The service answered with an error, or did not answer.

    Attributes:
        status: of HTTP, 0 where there was no answer.
        answer: what it said.
    """

    def __init__(self, status: int, answer: Any) -> None:  # noqa: ANN401 - JSON
        super().__init__(f"{status}: {answer}")
        self.status = status
        self.answer = answer


@dataclass
class Client:
    """A client of one address, with one connection; one thread at a time.

    Attributes:
        port: on loopback.
        headers: sent with each request.
        timeout: seconds.
    """

    port: int
    headers: dict[str, str] = field(default_factory=dict)
    timeout: float = 30.0
    _connection: HTTPConnection | None = field(default=None, init=False, repr=False)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and body of one request.

        Raises:
            RequestFailedError: there was no answer.
        """
        whole = {**self.headers, **(headers or {})}
        kept, self._connection = self._connection, None
        if kept is not None:
            try:
                return self._ask(kept, method, path, body, whole)
            except ConnectionError:  # the service closes a connection that was idle for a while
                kept.close()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            return self._ask(connection, method, path, body, whole)
        except (OSError, HTTPException) as error:
            connection.close()
            raise RequestFailedError(0, repr(error)) from error

    def _ask(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            content = answer.read()
        except ConnectionError:
            raise
        except (OSError, HTTPException) as error:
            connection.close()
            raise RequestFailedError(0, repr(error)) from error
        self._connection = connection
        return answer.status, dict(answer.getheaders()), content

    def call(self, method: str, path: str, value: Any = None) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON that a route of the API answers with.

        Raises:
            RequestFailedError: it answered with an error, or not at all.
        """
        body = None if value is None else json.dumps(value).encode()
        status, _, content = self.request(method, API + path, body, {"Content-Type": "application/json"})
        answer = json.loads(content) if content else None
        if status >= 400:
            raise RequestFailedError(status, answer)
        return answer

    def sign_in(self, name: str, password: str) -> None:
        """Sign in, and send the session's cookie and guard from now on."""
        body = json.dumps({"name": name, "password": password}).encode()
        status, headers, content = self.request(
            "POST", f"{API}/login", body, {"Content-Type": "application/json"}
        )
        if status != 200:
            raise RequestFailedError(status, content)
        cookie = next(value for key, value in headers.items() if key.lower() == "set-cookie")
        self.headers["Cookie"] = cookie.split(";")[0]
        self.headers["X-CSRF-Token"] = json.loads(content)["csrf"]

    def upload(self, lane: str, name: str, content: bytes) -> tuple[int, dict[str, Any]]:
        """Send a scan as a raw body; return status and answer."""
        path = f"{API}/lanes/{lane}/scans?name={name}"
        status, _, answer = self.request("POST", path, content, {"Content-Type": "application/octet-stream"})
        return status, json.loads(answer)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class EventReader(Thread):
    """Reads the events of a lane in a thread, as a console does, and resumes where a connection ended.

    Attributes:
        events: (id, kind, data, time by `time.monotonic`) in the order of their arrival.
    """

    def __init__(self, port: int, headers: Mapping[str, str], lane: str) -> None:
        super().__init__(daemon=True)
        self.events: list[tuple[int, str, dict[str, Any], float]] = []
        self._port, self._headers, self._lane = port, dict(headers), lane
        self._stop_wanted = Event()
        self._connection: HTTPConnection | None = None

    def stop(self) -> None:
        """End the thread."""
        self._stop_wanted.set()
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):  # it has ended by itself meanwhile
                connection.sock.shutdown(SHUT_RDWR)
        self.join()

    def run(self) -> None:
        """Read until `stop`."""
        while not self._stop_wanted.is_set():
            connection = self._connection = HTTPConnection("127.0.0.1", self._port, timeout=_SILENCE_SECONDS)
            last = {"Last-Event-ID": str(self.events[-1][0])} if self.events else {}
            try:
                connection.request(
                    "GET", f"{API}/events?lane={self._lane}", headers={**self._headers, **last}
                )
                answer = connection.getresponse()
                if answer.status == 200:
                    self._read(answer)
            except (OSError, HTTPException):
                self._stop_wanted.wait(0.2)
            finally:
                connection.close()

    def _read(self, answer: HTTPResponse) -> None:
        found: dict[str, str] = {}
        for line in self._lines(answer):
            if line == "":
                if "data" in found and "id" in found:
                    data = json.loads(found["data"])
                    self.events.append((int(found["id"]), found.get("event", ""), data, time.monotonic()))
                found = {}
            elif not line.startswith(":"):
                name, _, value = line.partition(":")
                found[name] = value.removeprefix(" ")

    def _lines(self, answer: HTTPResponse) -> Iterator[str]:
        rest = b""
        while not self._stop_wanted.is_set():
            piece = answer.read1(1 << 16)
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            yield from (line.decode().rstrip("\r") for line in lines)


class RunningService:
    """`cargosight serve` in a process of its own, on a free port, with one administrator.

    Attributes:
        settings: file of its settings.
        port: that it listens on.
        data: its data folder.
        output: file of what it said.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        """Prepare; `start` starts it.

        Args:
            folder: for its data and output.
            settings: beside `data` and `port`.
        """
        self.data = folder / "data"
        self.settings = folder / "service.yaml"
        self.output = folder / "service.log"
        self.port = _free_port()
        whole = {"data": str(self.data), "port": self.port, **settings}
        self.settings.write_text(json.dumps(whole), encoding="utf-8")  # JSON is YAML
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: list[Client] = []

    @property
    def pid(self) -> int:
        """Number of the process."""
        assert self._process is not None, "the service was not started"
        return self._process.pid

    def start(self, *, ready: bool = True) -> None:
        """Start it and wait until it answers, and until its models inspect.

        Raises:
            UsageError: it ended, or did not answer in time; with what it said last.
        """
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cargosight_inference", "serve", str(self.settings)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        path = "/health/ready" if ready else "/health/live"
        client = self.client(timeout=5.0)
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise UsageError(f"the service ended with {self._process.returncode}: {self.said()[-2000:]}")
            with suppress(RequestFailedError):
                if client.request("GET", path)[0] == 200:
                    client.close()
                    return
            time.sleep(0.05)
        raise UsageError(f"the service did not answer in {_START_SECONDS:g} s: {self.said()[-2000:]}")

    def said(self) -> str:
        """Return what it wrote."""
        return self.output.read_text(encoding="utf-8", errors="replace")

    def client(self, headers: Mapping[str, str] | None = None, timeout: float = 30.0) -> Client:
        """Return a client that is closed when the service's block ends."""
        self._clients.append(Client(self.port, dict(headers or {}), timeout))
        return self._clients[-1]

    def administrator(self) -> Client:
        """Return a client that is signed in as the first administrator."""
        client = self.client()
        first = next(
            (line.split()[-1] for line in self.said().splitlines() if "one-time password" in line), ""
        )
        try:
            client.sign_in("admin", PASSWORD)
        except RequestFailedError:
            client.sign_in("admin", first)
            client.call("POST", "/me/password", {"current": first, "new": PASSWORD})
        return client

    def scanner(self, lane: str) -> Client:
        """Return a client with a token that uploads to a lane."""
        administrator = self.administrator()
        wanted = {"name": "bench", "scope": "scanner", "lane": lane, "days": 1}
        token = administrator.call("POST", "/tokens", wanted)["token"]
        administrator.close()
        return self.client({"Authorization": f"Bearer {token}"})

    def kill(self) -> None:
        """End it by SIGKILL; its workers end by themselves."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, seconds: float = 30.0) -> int:
        """End it by SIGTERM; return the exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def __enter__(self) -> "RunningService":
        """Return itself; `start` starts it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        for client in self._clients:
            client.close()
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def memory_mb(self) -> float:
        """Return the resident memory in MB (10^6 bytes) of the service and its workers together; Linux alone.

        Raises:
            OSError: the system does not tell.
        """
        found = memory_of(family(self.pid), "VmRSS")
        if found is None:
            raise OSError("this system does not tell the memory of other processes")
        return found


def _free_port() -> int:
    with socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
