"""The description of the interface (OpenAPI): what each route may answer, and who may use it."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cargosight_inference.service.api.answers import ErrorAnswer
from cargosight_inference.service.api.permissions import PERMISSIONS, Permission
from cargosight_inference.service.api.sessions import CSRF_HEADER, cookie_name
from cargosight_inference.service.settings import ServiceSettings

_ABOUT = (
    "People sign in with POST /api/v1/login and have a cookie then; every request of theirs that is no GET repeats the "
    f"csrf of the answer in the header {CSRF_HEADER}. Machines send a token: Authorization: Bearer cst_…. Times are "
    "UTC in ISO 8601. Every error is a short word for programs and a sentence for people. What one may not see is "
    "answered as if it were not there."
)
_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
_MEANINGS = {
    "400": "The request cannot be read, or was meant for another host.",
    "401": "Nobody is signed in.",
    "403": "Who is signed in may not do this.",
    "404": "There is no such thing, or none that may be seen.",
    "408": "The request did not come to its end in time.",
    "409": "It does not fit what was recorded meanwhile.",
    "413": "The body is too large.",
    "415": "The file is no scan.",
    "422": "A value is not as expected.",
    "429": "Too many; Retry-After says when to try again.",
    "500": "An error of the service.",
    "503": "The database, or a process that is needed, does not answer now; Retry-After says when to try again.",
    "507": "There is no room on the disk.",
}


def describe(app: FastAPI, settings: ServiceSettings) -> dict[str, Any]:
    """Return the description of an application, which is made once."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
        components = found.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        problem = ErrorAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs"))
        schemas["ErrorAnswer"] = problem
        components["securitySchemes"] = _schemes(settings)
        for path, methods in found["paths"].items():
            for method, operation in methods.items():
                permission = PERMISSIONS[method.upper(), path]
                _add_errors(operation, method, path, permission)
                _add_security(operation, method, permission)
        app.openapi_schema = found
    return app.openapi_schema


def _schemes(settings: ServiceSettings) -> dict[str, Any]:
    return {
        "session": {"type": "apiKey", "in": "cookie", "name": cookie_name(settings)},
        "csrf": {"type": "apiKey", "in": "header", "name": CSRF_HEADER},
        "token": {"type": "http", "scheme": "bearer"},
    }


def _add_errors(operation: dict[str, Any], method: str, path: str, permission: Permission) -> None:
    """Say which errors a route may answer with; those that it says itself stay."""
    statuses = {"400", "500", "503"}
    if not permission.everybody:
        statuses |= {"401", "403", "404"}
    if "{" in path or "parameters" in operation:
        statuses |= {"404", "422"}
    if method != "get":
        statuses |= {"408", "409", "413", "422", "507"}
        statuses |= {"401", "403", "429"} if path.endswith(("/login", "/password")) else set()
    if method == "post" and path.endswith("/lanes/{lane}/scans"):
        statuses |= {"415", "429"}
    if path.endswith("/overlay.png"):
        statuses |= {"409", "507"}
    responses = operation["responses"]
    responses.pop("422", None)
    for status in sorted(statuses - set(responses)):
        responses[status] = {"description": _MEANINGS[status], "content": _ERROR}


def _add_security(operation: dict[str, Any], method: str, permission: Permission) -> None:
    ways: list[dict[str, list[str]]] = []
    if permission.roles:
        ways.append({"session": []} if method == "get" else {"session": [], "csrf": []})
    if permission.scopes:
        ways.append({"token": []})
    operation["security"] = ways
