"""What a request passes before it comes to a route: the check of the name that it was meant for, and of its body."""

import asyncio

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cargosight_inference.service.api.errors import problem
from cargosight_inference.service.settings import LOOPBACK, ServiceSettings

MOST_BYTES = 1 << 16
"""Of a body that is no scan."""
_BESIDE_A_SCAN = 2 << 20
"""What a form has beside its scan, and what may have come before the scan itself is found too large."""
PIECE_SECONDS = 30.0
"""For which the next piece of a body may be waited for."""


class HostCheck:
    """Refuses requests for names that are not this machine's own where it serves nobody else.

    A page of a stranger can let its own name point to 127.0.0.1, and then the browser takes the service for that
    page's. Behind a proxy, and where other machines are served, a name is whatever people call the machine; there the
    cookie, which belongs to one name, is what a stranger's page does not have.
    """

    def __init__(self, app: ASGIApp, *, settings: ServiceSettings) -> None:
        self._app = app
        self._checks = settings.host in LOOPBACK and not settings.allow_plain_http

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or answer 400."""
        if scope["type"] == "http" and self._checks and _host(scope) not in LOOPBACK:
            sentence = f"this service answers to {', '.join(LOOPBACK)} alone; open it by one of these names"
            await problem(400, "wrong_host", sentence)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class BodyLimit:
    """Refuses bodies that are too large, before and while they are read, and those that do not come.

    A scan may be as large as the settings say; its route counts that itself, and here is no more than the last resort.
    """

    def __init__(self, app: ASGIApp, *, settings: ServiceSettings, seconds: float = PIECE_SECONDS) -> None:
        self._app = app
        self._largest_scan = settings.max_upload_mb << 20
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _is_upload(scope):  # what is announced is compared in its route, where refusals are counted
            most = self._largest_scan + _BESIDE_A_SCAN
        elif announced_bytes(scope) > MOST_BYTES:
            sentence = f"the body is larger than {MOST_BYTES:,} bytes, the most that is expected here"
            await problem(413, "too_large", sentence)(scope, receive, send)
            return
        else:
            most = MOST_BYTES
        await self._app(scope, _Counted(receive, most, self._seconds), send)


def announced_bytes(scope: Scope) -> int:
    """Return the length of a request's body as it is announced, 0 where it is not."""
    announced = Headers(scope=scope).get("content-length", "")
    return int(announced[:20]) if announced.isascii() and announced.isdigit() else 0


class _Counted:
    """The body of one request, piece by piece."""

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self._receive = receive
        self._left = most
        self._seconds = seconds
        self._ended = False

    async def __call__(self) -> Message:
        if (
            self._ended
        ):  # only the end of the connection can follow, and that may take as long as an answer does
            return await self._receive()
        try:
            async with asyncio.timeout(self._seconds):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, headers={"Connection": "close"}) from None
        self._left -= len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        if self._left < 0:
            raise HTTPException(413, headers={"Connection": "close"})
        return message


def _is_upload(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["method"] == "POST" and path.startswith("/api/v1/lanes/") and path.endswith("/scans")


def _host(scope: Scope) -> str:
    """Return the name that a request was meant for, without port and brackets."""
    given = Headers(scope=scope).get("host", "").strip().lower()
    if given.startswith("["):
        return given[1:].partition("]")[0]
    return given.partition(":")[0]
