"""Every error as JSON of one shape: a short word for programs, a sentence for people, and nothing of the inside."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from cargosight_inference.service.api.headers import add_headers
from cargosight_inference.service.database.errors import DatabaseError, DatabaseFullError
from cargosight_inference.service.records.errors import ConflictError, MissingRecordError
from cargosight_inference.service.refusals import Refused
from cargosight_models.errors import (
    CargosightError,
    EngineError,
    NoSuchTile,
    UnreadablePicture,
    UsageError,
    WorkerDied,
)

_LOG = logging.getLogger("cargosight.service.api")
_DATABASE_SECONDS = 2
_WORKER_SECONDS = 5
_LONGEST = 300
_BY_STATUS = {
    400: ("malformed", "the request cannot be read; compare it with the interface's description"),
    404: ("not_found", "there is nothing at this address; look for it in the interface's description"),
    405: (
        "wrong_method",
        "this address does not take this method; the header Allow names those that it takes",
    ),
    408: ("too_slow", "the request did not come to its end in time; send it again"),
    413: ("too_large", "the request is larger than any that is expected here"),
}
_SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "json_invalid": "is no JSON",
    "string_pattern_mismatch": "has letters that do not belong there, or is too long or too short",
    "string_unicode": "is no text",
}


class ApiError(CargosightError):
    """A request that the service refuses.

    Attributes:
        status: of HTTP.
        code: a short word for programs.
        retry_after: seconds after which to try again, None where that would not help.
    """

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        """Say what is refused.

        Args:
            status: of HTTP.
            code: a short word for programs.
            message: a sentence for people.
            retry_after: seconds, 1 or more.
        """
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after


def problem(
    status: int,
    code: str,
    message: str,
    *,
    retry_after: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return an error as every route answers with it."""
    retry = {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = {"error": {"code": code, "message": _shown(message, 2000)}}
    return JSONResponse(body, status_code=status, headers={**retry, **(headers or {})})


def add_handlers(app: FastAPI) -> None:
    """Let an application answer every error in this way; of two kinds that fit, the narrower one is taken."""
    handlers: dict[type[Exception], Callable[[Request, Any], Awaitable[Response]]] = {
        HTTPException: _on_http,
        RequestValidationError: _on_invalid,
        ClientDisconnect: _on_gone,
        ApiError: _on_refusal,
        Refused: _on_refusal,
        ConflictError: _on_conflict,
        MissingRecordError: _answer_as(404, "not_found"),
        NoSuchTile: _answer_as(404, "not_found"),
        UnreadablePicture: _answer_as(409, "unreadable"),
        EngineError: _answer_as(422, "engine_refused"),
        UsageError: _answer_as(422, "invalid"),
        DatabaseError: _on_database,
        DatabaseFullError: _on_full_database,
        WorkerDied: _on_lost_worker,
        CargosightError: _on_ours,
        Exception: _on_anything,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _answer_as(status: int, code: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        return problem(status, code, str(error))

    return answer


async def _on_http(request: Request, error: HTTPException) -> Response:
    code, sentence = _BY_STATUS.get(error.status_code, ("refused", "the request was refused"))
    headers = {"Allow": _methods_at(request)} if error.status_code == 405 else error.headers
    return problem(error.status_code, code, sentence, headers=headers)


def _methods_at(request: Request) -> str:
    """Return the methods of every route at an address; a route by itself knows its own alone."""
    found: set[str] = set()
    for route in request.app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return ", ".join(sorted(found))


async def _on_invalid(request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    first = found[0] if found else {"type": "", "loc": (), "msg": "it is not as expected"}
    place = ".".join(_shown(str(part), 80) for part in first["loc"]) or "the request"
    message = str(first["msg"]).removeprefix("Value error, ")
    sentence = _SENTENCES.get(str(first["type"])) or f"is not as expected: {message[:1].lower()}{message[1:]}"
    return problem(422, "invalid", _shown(f"{place} {sentence}", _LONGEST))


async def _on_gone(request: Request, error: Exception) -> Response:
    return problem(400, "gone", "the request broke off")


async def _on_refusal(request: Request, error: ApiError | Refused) -> Response:
    ask = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
    return problem(error.status, error.code, str(error), retry_after=error.retry_after, headers=ask)


async def _on_conflict(request: Request, error: ConflictError) -> Response:
    return problem(409, error.code, str(error))


async def _on_database(request: Request, error: DatabaseError) -> Response:
    """Say what a person needs to know; the driver's words, which may name hosts and accounts, are for the log."""
    _LOG.warning("the database refused", extra={"event": "api.database", "reason": str(error)})
    sentence = "the database does not take it now, and nothing was recorded; try again in a few seconds"
    return problem(503, "database_busy", sentence, retry_after=_DATABASE_SECONDS)


async def _on_full_database(request: Request, error: DatabaseFullError) -> Response:
    _LOG.error("the database is full", extra={"event": "api.database_full", "reason": str(error)})
    sentence = "the database has no room, and nothing was recorded; somebody has to make room on its disk"
    return problem(507, "database_full", sentence)


async def _on_lost_worker(request: Request, error: WorkerDied) -> Response:
    _LOG.error("a worker was lost", extra={"event": "api.worker_lost", "reason": str(error)})
    sentence = "the process that works on it was lost, and is started again; try again in a few seconds"
    return problem(503, "worker_lost", sentence, retry_after=_WORKER_SECONDS)


async def _on_ours(request: Request, error: CargosightError) -> Response:
    """Answer what has no place in the interface; it is as unexpected as anything else."""
    extra = {"event": "api.failed", "path": request.url.path}
    _LOG.error("a request failed", exc_info=error, extra=extra)
    return _failed()


async def _on_anything(request: Request, error: Exception) -> Response:
    """Answer an error of ours, whose trace uvicorn logs; it passes no layer on its way out, and brings its headers."""
    answer = _failed()
    add_headers(answer.headers, tls=request.app.state.desk.settings.tls is not None)
    return answer


def _failed() -> JSONResponse:
    sentence = (
        "something went wrong in the service, and was written into its log; try again, and tell who runs it"
    )
    return problem(500, "failed", sentence)


def _shown(text: str, longest: int) -> str:
    """Return a text of strangers as it may stand in an answer: without control characters, and not too long."""
    clean = "".join(letter if letter.isprintable() else "\ufffd" for letter in text[: longest + 1])
    return clean if len(clean) <= longest else clean[:longest] + "…"
