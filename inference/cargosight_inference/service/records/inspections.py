"""Inspections of scans: exactly one of each scan, model and operating point."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from cargosight_inference.service.database.engine import Database, as_text, as_time
from cargosight_inference.service.database.tables import FINDINGS, INSPECTIONS, SCANS
from cargosight_inference.service.records import audit, events, scans
from cargosight_inference.service.records.audit_rows import text_hash
from cargosight_inference.service.records.errors import MissingRecordError


def find(connection: Connection, scan: int, fingerprint: str, operating_point: str) -> int | None:
    """Return the id of the inspection of a scan with a model at an operating point, None where there is none."""
    return connection.execute(
        select(INSPECTIONS.c.id).where(
            INSPECTIONS.c.scan_id == scan,
            INSPECTIONS.c.fingerprint == fingerprint,
            INSPECTIONS.c.operating_point == operating_point,
        )
    ).scalar_one_or_none()


def record(
    database: Database, scan: int, result: Mapping[str, Any], *, maps: str | None, moment: datetime
) -> tuple[int, bool]:
    """Record the inspection of a scan, show the scan, and tell the consoles.

    Args:
        database: of the service.
        scan: id.
        result: `Inspection.to_dict()`, and `maps`.
        maps: path of its maps below the data folder, None where it has none.
        moment: now, in UTC.

    Returns:
        The inspection's id, and whether it is new: a second one of the same model and operating point is not recorded,
        and the first stands.
    """
    with database.writing() as connection:
        row = connection.execute(select(SCANS).where(SCANS.c.id == scan)).one()
        known = find(connection, scan, result["fingerprint"], result["operating_point"])
        new = known is None
        text = json.dumps(result, allow_nan=False)
        inspection = (
            known
            if known is not None
            else _insert(connection, row, result, text=text, maps=maps, moment=moment)
        )
        values: dict[str, Any] = {"to_inspect": False, "inspection_id": inspection}
        if row.state == "waiting":
            values |= {"state": "undecided", "shown_at": as_text(moment)}
        connection.execute(update(SCANS).where(SCANS.c.id == scan).values(**values))
        if new:
            audit.append(
                connection,
                actor="service",
                action="inspection",
                lane=row.lane,
                scan=scan,
                detail={
                    "inspection": inspection,
                    "late": row.overdue,
                    "result_sha256": text_hash(text),
                    **{key: result[key] for key in ("decision", "model", "fingerprint", "operating_point")},
                    **{key: result[key] for key in ("precision", "thresholds")},
                },
            )
            events.append(connection, "scan.inspected", row.lane, scans.summary_of(connection, scan))
    return inspection, new


def _insert(
    connection: Connection,
    row: Row[Any],
    result: Mapping[str, Any],
    *,
    text: str,
    maps: str | None,
    moment: datetime,
) -> int:
    found = result["findings"]
    best = found[0] if found else None
    added = connection.execute(
        insert(INSPECTIONS)
        .values(
            scan_id=row.id,
            **{key: result[key] for key in ("fingerprint", "operating_point", "model", "precision")},
            advice=result["decision"],
            score=None if best is None else best["score"],
            label=None if best is None else best["label"],
            late=row.overdue,
            created_at=as_text(moment),
            seconds_from_arrival=(moment - as_time(row.received_at)).total_seconds(),
            maps=maps,
            result=text,
        )
        .returning(INSPECTIONS.c.id)
    )
    inspection = int(added.scalar_one())
    if found:
        connection.execute(
            insert(FINDINGS),
            [
                {"inspection_id": inspection, "place": place, "label": each["label"], "score": each["score"]}
                for place, each in enumerate(found)
            ],
        )
    return inspection


def get(connection: Connection, inspection: int) -> dict[str, Any] | None:
    """Return an inspection, JSON-ready, with `id`, `scan`, `late`, `created_at` and `seconds_from_arrival`."""
    row = connection.execute(select(INSPECTIONS).where(INSPECTIONS.c.id == inspection)).first()
    if row is None:
        return None
    return {
        **json.loads(row.result),
        "id": row.id,
        "scan": row.scan_id,
        "late": row.late,
        "created_at": row.created_at,
        "seconds_from_arrival": row.seconds_from_arrival,
    }


def demand(connection: Connection, scan: int, inspection: int | None) -> None:
    """Make sure that an inspection, where one is named, is one of a scan.

    Raises:
        MissingRecordError: it is not.
    """
    if inspection is None:
        return
    found = select(INSPECTIONS.c.id).where(INSPECTIONS.c.id == inspection, INSPECTIONS.c.scan_id == scan)
    if connection.execute(found).first() is None:
        raise MissingRecordError(f"scan {scan} has no inspection {inspection}")


def maps_of(connection: Connection, scan: int, inspection: int) -> str | None:
    """Return the path of an inspection's maps below the data folder; None where it has none or is another scan's."""
    return connection.execute(
        select(INSPECTIONS.c.maps).where(INSPECTIONS.c.id == inspection, INSPECTIONS.c.scan_id == scan)
    ).scalar_one_or_none()


def listed(connection: Connection, scan: int) -> list[dict[str, Any]]:
    """Return every inspection of a scan by age, without findings."""
    names = ("id", "created_at", "model", "fingerprint", "operating_point", "late")
    wanted = select(*(INSPECTIONS.c[name] for name in names)).where(INSPECTIONS.c.scan_id == scan)
    return [dict(row._mapping) for row in connection.execute(wanted.order_by(INSPECTIONS.c.id))]
