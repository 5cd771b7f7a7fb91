"""The web application: layers, routes and errors put together."""

from functools import partial
from importlib.metadata import version

from fastapi import FastAPI
from starlette.middleware import Middleware

from cargosight_inference.service.api import (
    administration,
    audits,
    decisions,
    events,
    health,
    lanes,
    login,
    pictures,
    scans,
    supervisor,
    uploads,
)
from cargosight_inference.service.api.console import Console
from cargosight_inference.service.api.description import describe
from cargosight_inference.service.api.errors import add_handlers
from cargosight_inference.service.api.headers import SecurityHeaders
from cargosight_inference.service.api.layers import BodyLimit, HostCheck
from cargosight_inference.service.api.login_guard import LoginGuard
from cargosight_inference.service.desk import Desk

_TOPICS = (
    login,
    lanes,
    uploads,
    scans,
    pictures,
    decisions,
    supervisor,
    administration,
    audits,
    events,
    health,
)


def create_app(desk: Desk) -> FastAPI:
    """Return the web application of a running service.

    Args:
        desk: of the service, started; the application neither starts nor ends it.
    """
    app = FastAPI(
        title="cargosight",
        version=version("cargosight"),
        openapi_url=None,  # a route of its own, and no pages that load scripts from other hosts
        redirect_slashes=False,
        middleware=[
            Middleware(SecurityHeaders, tls=desk.settings.tls is not None),
            Middleware(HostCheck, settings=desk.settings),
            Middleware(BodyLimit, settings=desk.settings),
        ],
    )
    app.state.desk = desk
    app.state.login_guard = LoginGuard()
    app.state.closing = events.Closing()
    app.openapi = partial(describe, app, desk.settings)  # type: ignore[method-assign]
    add_handlers(app)
    for topic in _TOPICS:
        app.router.routes.extend(topic.router.routes)
    app.router.routes.extend(Console().routes)
    return app
