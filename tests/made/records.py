"""Recorded scans and inspections for tests, without bytes, models or workers."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cargosight_inference.service.accepting import NewScan
from cargosight_inference.service.database.engine import Database
from cargosight_inference.service.records import inspections
from cargosight_inference.service.records.scans import ScanRecords
from cargosight_inference.service.settings import ServiceSettings

FINGERPRINT = "f" * 64
EARLY = datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC)


def new_scan(name: str = "bag.png", *, lane: str = "lane-1", at: datetime = EARLY, **changes: Any) -> NewScan:
    digest = sha256(name.encode()).hexdigest()
    values: dict[str, Any] = {
        "lane": lane,
        "sha256": digest,
        "size": 10,
        "name": name,
        "number": None,
        "heading": None,
        "stored": f"scans/{lane}/{digest[:2]}/{digest}",
        "source": "http",
        "by": "token scanner",
        "received_at": at,
    }
    return NewScan(**{**values, **changes})


def result(
    *findings: tuple[str, float],
    decision: str | None = None,
    fingerprint: str = FINGERPRINT,
    point: str = "pfa=0.05",
    below: tuple[tuple[str, float], ...] | None = None,
) -> dict[str, Any]:
    """Return what a worker returns of a scan with these findings; without `below` as it did before there was that."""
    advice = decision or ("refer" if findings else "clear")
    kept = {} if below is None else {"below_threshold": _rows(below), "below_floor": 0.05}
    return {
        "decision": advice,
        "reasons": [f"{label} {score:.2f}" for label, score in findings],
        "findings": _rows(findings),
        **kept,
        "model": "blobs",
        "fingerprint": fingerprint,
        "operating_point": point,
        "thresholds": {"dark": 0.5, "blue": 0.5},
        "precision": "fp32",
        "timings_ms": {"read": 1.0, "total": 5.0},
        "error": "broken" if advice == "unreadable" else None,
        "maps": {},
    }


def _rows(findings: tuple[tuple[str, float], ...]) -> list[dict[str, Any]]:
    return [
        {"label": label, "kind": "item", "score": score, "box": [1.0, 1.0, 9.0, 9.0]}
        for label, score in findings
    ]


def recorded(
    database: Database,
    settings: ServiceSettings,
    name: str = "bag.png",
    *findings: tuple[str, float],
    lane: str = "lane-1",
    at: datetime = EARLY,
    decision: str | None = None,
    **changes: Any,
) -> int:
    """Accept a scan and record its inspection; return its id."""
    scan, _ = ScanRecords(database, settings).add(new_scan(name, lane=lane, at=at, **changes))
    inspections.record(database, scan, result(*findings, decision=decision), maps=None, moment=at)
    return scan
