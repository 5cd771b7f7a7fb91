"""What the audit chain tells of, compared with the rows that consoles and reports read: both have to say the same."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from cargosight_inference.service.database.tables import DECISIONS, INSPECTIONS, MARKS, SCANS, SECONDARY

DECIDING = ("decision", "undo", "confirmation", "rejection", "override")
"""Actions that are rows of decisions."""
TOLD: tuple[tuple[Table, tuple[str, ...], str], ...] = (
    (SCANS, ("scan.accepted",), "scans"),
    (INSPECTIONS, ("inspection",), "inspections"),
    (DECISIONS, DECIDING, "decisions"),
    (MARKS, ("mark",), "marks"),
    (SECONDARY, ("secondary",), "secondary inspections"),
)
"""What has exactly one audit record for each row of a table, by action: neither is ever removed."""

_DECISION = ("decision", "reason", "note", "seconds", "reverses")
_INSPECTION = ("model", "fingerprint", "operating_point", "precision", "late")
_MARK = ("inspection_id", "finding", "verdict", "label", "note")
_SCAN = ("sha256", "number", "heading")


def difference(
    connection: Connection, *, actor: str, action: str, scan: int | None, detail: Mapping[str, Any]
) -> str | None:
    """Return in what the row that a record tells of differs from it; None where it does not, or where there is none.

    Args:
        connection: for reading.
        actor: of the record.
        action: of the record.
        scan: of the record.
        detail: of the record.
    """
    told = _told(action, detail)
    if told is None:
        return None
    table, key, values = told
    if table is not INSPECTIONS and table is not SCANS:
        values["made_by"] = actor
    if table is not SCANS:
        values["scan_id"] = scan
    wanted = (
        table.c.scan_id == scan if table is SECONDARY else table.c.id == (scan if table is SCANS else key)
    )
    row = connection.execute(select(table).where(wanted)).first()
    if row is None:
        return "it is gone"
    differing = [name for name, value in values.items() if _value(row, name) != value]
    return f"{', '.join(differing)} changed" if differing else None


def _told(action: str, detail: Mapping[str, Any]) -> tuple[Table, Any, dict[str, Any]] | None:
    """Return the table, the id of the row, and its values by column as a record tells them."""
    if action in DECIDING:
        values = {name: detail.get(name) for name in _DECISION}
        return (
            DECISIONS,
            detail.get("id"),
            {**values, "kind": action, "inspection_id": detail.get("inspection")},
        )
    if action == "inspection":
        values = {name: detail.get(name) for name in _INSPECTION}
        values |= {"advice": detail.get("decision"), "result": detail.get("result_sha256")}
        return INSPECTIONS, detail.get("inspection"), values
    if action == "mark":
        return MARKS, detail.get("id"), {name: detail.get(name) for name in (*_MARK, "box")}
    if action == "secondary":
        return SECONDARY, None, {name: detail.get(name) for name in ("found", "note")}
    if action == "scan.accepted":
        return SCANS, None, {name: detail.get(name) for name in _SCAN}
    return None


def _value(row: Row[Any], name: str) -> Any:  # noqa: ANN401 - of any column
    value = getattr(row, name)
    if name == "result":
        return text_hash(str(value))
    if name in ("box", "found") and value is not None:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def text_hash(text: str) -> str:
    """Return the SHA-256 of a text as the database keeps it."""
    return sha256(text.encode("utf-8")).hexdigest()
