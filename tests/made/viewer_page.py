"""A page with nothing but the viewer, under the console's content policy, and pictures for it to show."""

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cargosight_inference import service
from cargosight_inference.scans.scan import Scan
from cargosight_inference.service.pictures import read_tile, write_picture
from cargosight_models.errors import NoSuchTile

if TYPE_CHECKING:
    from playwright.sync_api import Page

CONSOLE = Path(service.__file__).parent / "console"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>viewer</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="css/viewer.css"><link rel="stylesheet" href="page.css">
<script type="module" src="page.js"></script></head><body><input id="note"><div id="host"></div></body></html>"""
_STYLE = (
    """body { margin: 0; } input { position: fixed; left: -300px; } #host { width: 100vw; height: 100vh; }"""
)
_SCRIPT = r"""
import {Viewer} from './js/viewer/viewer.js';
const texts = await (await fetch('messages/viewer.en.json')).json();
const complaints = [];
const t = (key, values = {}) => {
  if (!(key in texts)) complaints.push(`no text: ${key}`);
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
};
document.addEventListener('securitypolicyviolation', (event) => complaints.push(`policy: ${event.violatedDirective}`));
const events = [];
const fetched = async (url, signal) => {
  const answer = await fetch(url, {signal});
  if (!answer.ok) throw new Error(`answer ${answer.status}`);
  return answer.arrayBuffer();
};
const make = (more = {}) => new Viewer(document.getElementById('host'), {
  t,
  fetchTile: (id, level, column, row, signal) => fetched(`tiles/${id}/${level}/${column}/${row}`, signal),
  fetchMap: (id, inspection, name, signal) => fetched(`maps/${inspection}/${name}`, signal),
  onEvent: (name, detail) => events.push([name, detail]),
  ...more,
});
const read = (...place) => {
  let text = '';
  viewer.readPixels(...place).forEach((value) => { text += String.fromCharCode(value); });
  const error = document.querySelector('canvas').getContext('webgl2').getError();
  if (error !== 0) complaints.push(`WebGL: ${error}`);
  return btoa(text);
};
Object.assign(window, {make, events, complaints, texts, read, viewer: make()});
"""
_MADE = {"": (_PAGE, ".html"), "page.js": (_SCRIPT, ".js"), "page.css": (_STYLE, ".css")}


@dataclass
class ViewerSite:
    """What is served.

    Attributes:
        address: of the page.
        folder: where pictures are written.
        maps: bytes by `inspection/name`.
        asked: every tile that was asked for, as `scan/level/column/row`, in order.
        held: of a tile's name, an event before which it is not answered.
    """

    folder: Path
    address: str = ""
    maps: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    held: Callable[[str], threading.Event | None] = lambda name: None

    def add(self, name: str, scan: Scan) -> dict[str, Any]:
        """Make the picture of a scan; return its description."""
        return write_picture(scan, self.folder / name)

    def level(self, name: str, level: int) -> npt.NDArray[Any]:
        """Return the numbers of a level as they are stored, (h, w, C)."""
        pixels: npt.NDArray[Any] = np.load(self.folder / name / f"level-{level}.npy")
        return pixels

    def answer(self, path: str) -> tuple[bytes, str] | None:
        """Return the body at a path and its media type."""
        if path in _MADE:
            text, suffix = _MADE[path]
            return text.encode(), _TYPES[suffix]
        kind, _, rest = path.partition("/")
        if kind == "tiles":
            return self._tile(rest)
        if kind == "maps":
            return (self.maps[rest], "application/octet-stream") if rest in self.maps else None
        file = CONSOLE / path
        return (file.read_bytes(), _TYPES[file.suffix]) if file.is_file() else None

    def _tile(self, name: str) -> tuple[bytes, str] | None:
        self.asked.append(name)
        gate = self.held(name)
        if gate is not None:
            gate.wait(20)
        scan, level, column, row = name.split("/")
        try:
            tile = read_tile(self.folder / scan, int(level), int(column), int(row))
        except NoSuchTile:
            return None
        return tile, "application/octet-stream"


@contextmanager
def viewer_site(folder: Path) -> Iterator[ViewerSite]:
    """Serve the page on the loopback address until the end."""
    site = ViewerSite(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = site.answer(self.path.lstrip("/"))
            body, media_type = found or (b"", "text/plain")
            try:
                self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Security-Policy", POLICY)
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:
                self.close_connection = True  # the request was cancelled

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class ViewerPage:
    """The page in a browser, and what tests do with it again and again."""

    def __init__(self, page: "Page", site: ViewerSite, descriptions: dict[str, dict[str, Any]]) -> None:
        self.page = page
        self.site = site
        self.descriptions = descriptions
        page.goto(site.address)
        page.wait_for_function("() => window.viewer")

    def run(self, script: str, argument: Any = None) -> Any:
        """Evaluate JavaScript."""
        return self.page.evaluate(script, argument)

    def show(self, name: str, *, inspection: dict[str, Any] | None = None) -> None:
        """Show a picture from the start, and wait until it is sharp."""
        self.begin(name)
        if inspection is not None:
            self.run("found => viewer.setInspection(found)", inspection)
        self.settle()

    def begin(self, name: str) -> None:
        """Show a picture without waiting for it, with no event told before."""
        self.run(
            "([name, description]) => { viewer.clear(); events.length = 0; viewer.show(name, description); }",
            [name, self.descriptions[name]],
        )

    def settle(self) -> None:
        """Wait until nothing is on its way any more."""
        self.run("() => { viewer.readPixels(0, 0, 1, 1); }")
        self.page.wait_for_function("() => viewer.usage.loading === 0")

    def look_at(self, x: float, y: float, zoom: float) -> None:
        """Put a point of the image in the middle, at device pixels of an image pixel."""
        self.run(
            """([x, y, zoom]) => {
              viewer.zoomBy(zoom / viewer.camera.zoom);
              const {view} = viewer.camera;
              const at = viewer.camera.toScreen(x, y);
              viewer.pan(view.width / 2 - at.x, view.height / 2 - at.y);
            }""",
            [x, y, zoom],
        )
        self.settle()

    def screen(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the image is on the screen."""
        at = self.run("([x, y]) => viewer.camera.toScreen(x, y)", [x, y])
        return at["x"], at["y"]

    def pixels(self, x: float, y: float, width: int, height: int) -> npt.NDArray[np.uint8]:
        """Return (height, width, 3) of the screen, drawn now."""
        coded = self.run("place => read(...place)", [round(x), round(y), width, height])
        pixels = np.frombuffer(base64.b64decode(coded), dtype=np.uint8)
        return pixels.reshape(height, width, 4)[:, :, :3]

    def events(self, name: str) -> list[Any]:
        """Return the details of all events of a name since the picture was shown."""
        script = "name => events.filter(([each]) => each === name).map(([, detail]) => detail)"
        found: list[Any] = self.run(script, name)
        return found

    def wait_for_event(self, name: str) -> Any:
        """Return the first event of a name, once there is one."""
        self.page.wait_for_function("name => events.some(([each]) => each === name)", arg=name)
        return self.events(name)[0]
