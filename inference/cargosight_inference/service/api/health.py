"""Whether the service runs and is ready, its figures, and the description of its interface."""

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from cargosight_inference.service.api.answers import Health, Readiness
from cargosight_inference.service.api.permissions import ROOT
from cargosight_inference.service.api.sessions import GuardedRoute, TheDesk
from cargosight_inference.service.metrics import CONTENT_TYPE

router = APIRouter(route_class=GuardedRoute, tags=["health"])
_NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": Readiness}}
_FIGURES: dict[int | str, dict[str, Any]] = {200: {"content": {CONTENT_TYPE: {"schema": {"type": "string"}}}}}


@router.get("/health/live", response_model=Health)
def live() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "live"}


@router.get("/health/ready", response_model=Readiness, responses=_NOT_READY)
def ready(desk: TheDesk, response: Response) -> dict[str, Any]:
    """Say whether every lane is served, and why not; and what somebody should know all the same."""
    problems = desk.problems()
    if problems:
        response.status_code = 503
    return {
        "status": "not_ready" if problems else "ready",
        "problems": problems,
        "warnings": desk.warnings(),
    }


@router.get("/metrics", response_class=Response, responses=_FIGURES)
def metrics(desk: TheDesk) -> Response:
    """Give the figures that Prometheus reads."""
    return Response(desk.render_metrics(), media_type=CONTENT_TYPE)


@router.get(f"{ROOT}/openapi.json", include_in_schema=False)
def describe(request: Request) -> JSONResponse:
    """Give the description of the interface."""
    return JSONResponse(request.app.openapi())
