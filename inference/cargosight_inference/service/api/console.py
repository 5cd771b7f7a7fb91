"""The files of the console, and nothing else of the disk: what can be asked for is listed when the service starts."""

from hashlib import sha256
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).parents[1] / "console"
INDEX = "/index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
"""By suffix; what has another one is not served."""


class Console:
    """Answers with the console's files.

    Attributes:
        routes: one for each file, and one for the console's own address.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        """List the files.

        Args:
            folder: of the console.
        """
        self._files = {
            "/" + path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.suffix in _TYPES and path.is_file()
        }
        names = [*self._files, *(["/"] if INDEX in self._files else [])]
        self.routes = [Route(name, self._answer, methods=["GET"], include_in_schema=False) for name in names]

    def _answer(self, request: Request) -> Response:
        """Answer with a file; what a browser has already is not sent again."""
        path = request.url.path
        file = self._files[INDEX if path == "/" else path]
        try:
            content = file.read_bytes()
        except FileNotFoundError:  # taken away since the service started
            raise HTTPException(404) from None
        tag = f'"{sha256(content).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        known = [
            each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")
        ]
        if tag in known:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=None, headers={**headers, "Content-Type": _TYPES[file.suffix]})
