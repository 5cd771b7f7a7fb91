"""What the audit chain tells of, compared with the rows that consoles and reports read: both have to say the same."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from cargosight_inference.service.database.tables import (
    AUDIT,
    DECISIONS,
    INSPECTIONS,
    MARKS,
    SCANS,
    SECONDARY,
)

DECIDING = ("decision", "undo", "confirmation", "rejection", "override")
"""Actions that are rows of decisions."""
ANSWERS = {"confirmation": "confirms", "rejection": "rejects"}
"""Actions of a second person, and under which key their record tells of the decision: its `id`, `seq` (number of its
record), `action`, `decision`, `by` and `inspection`. Records of earlier versions tell nothing of it."""
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
    if differing:
        return f"{', '.join(differing)} changed"
    answered = detail.get(ANSWERS.get(action, ""))
    return None if answered is None else _answered_difference(connection, row, answered)


def _answered_difference(connection: Connection, row: Row[Any], told: Any) -> str | None:  # noqa: ANN401 - of JSON
    """Return in what the decision that a second person answered differs from what the record of that tells of it.

    Args:
        connection: for reading.
        row: of the answer.
        told: of the decision.
    """
    if not isinstance(told, dict):
        return "the decision that it answers is not told"
    before = (DECISIONS.c.scan_id == row.scan_id, DECISIONS.c.id < row.id, DECISIONS.c.decision.is_not(None))
    made = connection.execute(
        select(DECISIONS).where(*before).order_by(DECISIONS.c.id.desc()).limit(1)
    ).first()
    if made is None:
        return "the decision that it answers is gone"
    values = {
        "id": made.id,
        "action": made.kind,
        "decision": made.decision,
        "by": made.made_by,
        "inspection": made.inspection_id,
    }
    differing = [name for name, value in values.items() if told.get(name) != value]
    if differing:
        return f"{', '.join(differing)} of the decision that it answers changed"
    record = select(AUDIT.c.action, AUDIT.c.actor, AUDIT.c.scan_id).where(AUDIT.c.seq == told.get("seq"))
    if connection.execute(record).first() != (made.kind, made.made_by, row.scan_id):
        return f"record {told.get('seq')} does not tell of the decision that it answers"
    return None


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
