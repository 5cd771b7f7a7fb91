"""A page with nothing but the viewer, under the console's content policy, and pictures for it to show."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cargosight_inference.service as service
from cargosight_inference.service.pictures import read_tile
from cargosight_models.errors import NoSuchTile

CONSOLE = Path(service.__file__).parent / "console"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
_PAGE = b"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>viewer</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="css/viewer.css"><link rel="stylesheet" href="page.css">
<script type="module" src="page.js"></script></head><body><input id="note"><div id="host"></div></body></html>"""
_STYLE = b"""body { margin: 0; } input { position: fixed; left: -300px; } #host { width: 100vw; height: 100vh; }"""
_SCRIPT = b"""
import {Viewer} from './js/viewer/viewer.js';
const texts = await (await fetch('messages/viewer.en.json')).json();
const missing = [];
const t = (key, values = {}) => {
  if (!(key in texts)) missing.push(key);
  return (texts[key] ?? key).replace(/\\{(\\w+)\\}/g, (place, name) => values[name] ?? place);
};
const events = [];
const fetched = async (url, signal) => {
  const answer = await fetch(url, {signal});
  if (!answer.ok) throw new Error(`answer ${answer.status}`);
  return answer.arrayBuffer();
};
const options = {
  t,
  fetchTile: (id, level, column, row, signal) => fetched(`tiles/${id}/${level}/${column}/${row}`, signal),
  fetchMap: (id, inspection, name, signal) => fetched(`maps/${inspection}/${name}`, signal),
  onEvent: (name, detail) => events.push([name, detail]),
};
const make = (more = {}) => new Viewer(document.getElementById('host'), {...options, ...more});
document.addEventListener('securitypolicyviolation', (event) => missing.push(`policy: ${event.violatedDirective}`));
Object.assign(window, {make, events, missing, texts, viewer: make()});
"""


@dataclass
class ViewerSite:
    """What is served.

    Attributes:
        address: of the page.
        pictures: folder of each picture, as `write_picture` makes it, by scan.
        maps: bytes by `inspection/name`.
        asked: every tile that was asked for, as `scan/level/column/row`, in order.
        gates: tiles that are not answered before their event is set, by the same.
    """

    address: str = ""
    pictures: dict[str, Path] = field(default_factory=dict)
    maps: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    gates: dict[str, threading.Event] = field(default_factory=dict)

    def answer(self, path: str) -> tuple[bytes, str] | None:
        """Return the body at a path and its media type."""
        made = {"": (_PAGE, ".html"), "page.js": (_SCRIPT, ".js"), "page.css": (_STYLE, ".css")}
        if path in made:
            body, suffix = made[path]
            return body, _TYPES[suffix]
        kind, _, rest = path.partition("/")
        if kind == "tiles":
            return self._tile(rest)
        if kind == "maps":
            return (self.maps[rest], "application/octet-stream") if rest in self.maps else None
        file = CONSOLE / path
        return (file.read_bytes(), _TYPES[file.suffix]) if file.is_file() else None

    def _tile(self, name: str) -> tuple[bytes, str] | None:
        scan, *place = name.split("/")
        self.asked.append(name)
        if name in self.gates:
            self.gates[name].wait(20)
        if scan not in self.pictures:
            return None
        level, column, row = map(int, place)
        try:
            return read_tile(self.pictures[scan], level, column, row), "application/octet-stream"
        except NoSuchTile:
            return None


@contextmanager
def viewer_site() -> Iterator[ViewerSite]:
    """Serve the page on the loopback address until the end."""
    site = ViewerSite()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = site.answer(self.path.lstrip("/"))
            self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
            body, media_type = found or (b"", "text/plain")
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", POLICY)
            self.end_headers()
            try:
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                return  # the request was cancelled

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield site
    finally:
        for gate in site.gates.values():
            gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


def as_json(value: Any) -> str:
    """Return a value as JavaScript writes it."""
    return json.dumps(value)
