"""What people saw: marks on findings and places of a scan, and what a secondary inspection truly found."""

import json
from collections.abc import Collection, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, Row, Table, insert, select, update

from cargosight_inference.service.database.engine import as_text
from cargosight_inference.service.database.tables import INSPECTIONS, MARKS, SCANS, SECONDARY
from cargosight_inference.service.records import audit, events, inspections, scans
from cargosight_inference.service.records.asked import Asked
from cargosight_inference.service.records.errors import ConflictError, MissingRecordError
from cargosight_models.errors import UsageError

Verdict = Literal["confirmed", "rejected", "drawn"]
UNKNOWN = "unknown"
"""Label of a drawn place that shows none of the classes."""
Box = tuple[float, float, float, float]


def mark(
    connection: Connection,
    scan: int,
    *,
    inspection: int | None,
    finding: int | None,
    verdict: Verdict,
    label: str,
    box: Box | None,
    note: str,
    classes: Collection[str] = (),
    asked: Asked,
) -> dict[str, Any]:
    """Record what an operator says of a finding, or a place that the operator drew.

    Args:
        connection: from `Database.writing`.
        scan: id.
        inspection: id of the inspection whose finding it is.
        finding: its place among the findings, from 0; None of a drawn one.
        verdict: `confirmed` or `rejected` of a finding, `drawn` of a place.
        label: class; that of the finding, or of a drawn place one of the lane's, or `unknown`.
        box: x1, y1, x2, y2 in scan pixels of a drawn one.
        note: free text.
        classes: that the lane's model finds; none where it is not known now, so that no word is refused.
        asked: by whom and when.

    Raises:
        MissingRecordError: there is no such scan, inspection or finding.
        UsageError: a drawn place has a label that is none.
        ConflictError: a drawn place has no box within the scan, or a verdict on a finding names none.
    """
    row = _scan(connection, scan)
    known = _repeated(connection, MARKS, scan, asked)
    if known is not None:
        return _mark_dict(known)
    if verdict == "drawn":
        inspections.demand(connection, scan, inspection)
        _check_box(box, row.width, row.height)
        if classes and label not in (*classes, UNKNOWN):
            raise UsageError(
                f"the label is {label!r}; expected one of {', '.join(classes)}, or {UNKNOWN} where it is none of them"
            )
    else:
        _check_finding(connection, scan, inspection, finding)
    values = {
        "scan_id": scan,
        "inspection_id": inspection,
        "finding": finding if verdict != "drawn" else None,
        "verdict": verdict,
        "label": label,
        "box": json.dumps(box) if verdict == "drawn" else None,
        "note": note,
        "made_by": asked.by,
        "made_at": as_text(asked.moment),
        "request_id": asked.request_id,
    }
    made = int(connection.execute(insert(MARKS).values(**values).returning(MARKS.c.id)).scalar_one())
    detail = {key: values[key] for key in ("inspection_id", "finding", "verdict", "label", "note")}
    audit.append(
        connection,
        actor=asked.by,
        action="mark",
        lane=row.lane,
        scan=scan,
        detail={"id": made, "box": box, **detail},
    )
    events.append(connection, "scan.marked", row.lane, {"scan": scan})
    return _mark_dict(connection.execute(select(MARKS).where(MARKS.c.id == made)).one())


def marks_of(connection: Connection, scan: int) -> list[dict[str, Any]]:
    """Return the marks of a scan by age, JSON-ready; of two on one finding the later counts."""
    rows = connection.execute(select(MARKS).where(MARKS.c.scan_id == scan).order_by(MARKS.c.id))
    return [_mark_dict(row) for row in rows]


def record_secondary(
    connection: Connection,
    scan: int,
    *,
    found: Sequence[str],
    note: str,
    asked: Asked,
) -> dict[str, Any]:
    """Record what the secondary inspection of a referred scan found, which closes it.

    Args:
        connection: from `Database.writing`.
        scan: id.
        found: what was there, a label each; empty when nothing was.
        note: free text.
        asked: by whom and when.

    Raises:
        MissingRecordError: there is no such scan.
        ConflictError: it is not referred.
    """
    row = _scan(connection, scan)
    known = _repeated(connection, SECONDARY, scan, asked)
    if known is not None:
        return _secondary_dict(known)
    if row.state != "referred":
        raise ConflictError(
            "not_referred", f"the scan is {row.state}; a secondary inspection is recorded of a referred one"
        )
    values = {
        "scan_id": scan,
        "found": json.dumps(list(found)),
        "note": note,
        "made_by": asked.by,
        "made_at": as_text(asked.moment),
        "request_id": asked.request_id,
    }
    connection.execute(insert(SECONDARY).values(**values))
    connection.execute(update(SCANS).where(SCANS.c.id == scan).values(state="closed"))
    detail = {"found": list(found), "note": note}
    audit.append(connection, actor=asked.by, action="secondary", lane=row.lane, scan=scan, detail=detail)
    events.append(connection, "scan.closed", row.lane, scans.summary_of(connection, scan))
    recorded = secondary_of(connection, scan)
    assert recorded is not None  # inserted above, in this transaction
    return recorded


def secondary_of(connection: Connection, scan: int) -> dict[str, Any] | None:
    """Return what the secondary inspection of a scan found, None where there was none."""
    row = connection.execute(
        select(SECONDARY).where(SECONDARY.c.scan_id == scan).order_by(SECONDARY.c.id.desc()).limit(1)
    ).first()
    return None if row is None else _secondary_dict(row)


def _scan(connection: Connection, scan: int) -> Row[Any]:
    row = scans.get(connection, scan)
    if row is None:
        raise MissingRecordError(f"there is no scan {scan}")
    return row


def _repeated(connection: Connection, table: Table, scan: int, asked: Asked) -> Row[Any] | None:
    known = connection.execute(select(table).where(table.c.request_id == asked.request_id)).first()
    if known is not None and (known.scan_id != scan or known.made_by != asked.by):
        raise ConflictError("request_used", "this request id belongs to another record; make a new one")
    return known


def _check_finding(connection: Connection, scan: int, inspection: int | None, finding: int | None) -> None:
    if inspection is None or finding is None:
        raise ConflictError(
            "finding_needed", "a verdict names no finding; give the inspection and its place in it"
        )
    result = connection.execute(
        select(INSPECTIONS.c.result).where(INSPECTIONS.c.id == inspection, INSPECTIONS.c.scan_id == scan)
    ).scalar_one_or_none()
    if result is None or not 0 <= finding < len(json.loads(result)["findings"]):
        raise MissingRecordError(f"scan {scan} has no finding {finding} in an inspection {inspection}")


def _check_box(box: Box | None, width: int | None, height: int | None) -> None:
    if box is None or width is None or height is None:
        raise ConflictError(
            "box_needed", "a drawn place has no box, or its scan no picture; draw one on the picture"
        )
    x1, y1, x2, y2 = box
    if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
        raise ConflictError(
            "box_outside",
            f"the box is {list(box)}; expected x1 < x2 and y1 < y2 within {width} x {height} pixels",
        )


def _mark_dict(row: Row[Any]) -> dict[str, Any]:
    return {
        **{key: getattr(row, key) for key in ("id", "finding", "verdict", "label", "note")},
        "inspection": row.inspection_id,
        "box": None if row.box is None else json.loads(row.box),
        "by": row.made_by,
        "at": row.made_at,
    }


def _secondary_dict(row: Row[Any]) -> dict[str, Any]:
    return {"found": json.loads(row.found), "note": row.note, "by": row.made_by, "at": row.made_at}
