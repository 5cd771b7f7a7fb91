"""Inspecting X-ray scans: `Inspector("baggage").inspect(path)` gives an `Inspection`.

The public names below are loaded when they are first used: importing this package costs nothing, and it
never loads torch. The function `preprocess` stays in its module of the same name.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cargosight_inference.findings import Findings, decode_findings
    from cargosight_inference.inspection import Decision, Inspection
    from cargosight_inference.inspector import Inspector
    from cargosight_inference.overlay import draw_overlay
    from cargosight_inference.pipeline import inspect_many, inspect_with_scans
    from cargosight_inference.policy import Policy
    from cargosight_inference.preprocess import NetworkInput
    from cargosight_inference.scans.readers import ReadOptions, read_scan, read_scan_bytes
    from cargosight_inference.scans.scan import Scan
    from cargosight_inference.session import Session, ThreadPolicy

_HOMES = {
    "Decision": "inspection",
    "Findings": "findings",
    "Inspection": "inspection",
    "Inspector": "inspector",
    "NetworkInput": "preprocess",
    "Policy": "policy",
    "ReadOptions": "scans.readers",
    "Scan": "scans.scan",
    "Session": "session",
    "ThreadPolicy": "session",
    "decode_findings": "findings",
    "draw_overlay": "overlay",
    "inspect_many": "pipeline",
    "inspect_with_scans": "pipeline",
    "read_scan": "scans.readers",
    "read_scan_bytes": "scans.readers",
}

__all__ = [
    "Decision",
    "Findings",
    "Inspection",
    "Inspector",
    "NetworkInput",
    "Policy",
    "ReadOptions",
    "Scan",
    "Session",
    "ThreadPolicy",
    "decode_findings",
    "draw_overlay",
    "inspect_many",
    "inspect_with_scans",
    "read_scan",
    "read_scan_bytes",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the public names
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
