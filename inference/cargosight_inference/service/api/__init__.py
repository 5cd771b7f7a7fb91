"""The service's web server: the versioned REST interface, its live events, and the files of the console."""

from cargosight_inference.service.api.app import create_app

__all__ = ["create_app"]
