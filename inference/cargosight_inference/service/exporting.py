"""Taking the audit chain out of the service: as JSON lines or CSV, and of one scan with its whole story."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from sqlalchemy import Connection

from cargosight_inference.service.database.engine import Database
from cargosight_inference.service.records import audit, decisions, inspections, observations, scans
from cargosight_inference.service.records.errors import MissingRecordError

Format = Literal["jsonl", "csv"]
COLUMNS = ("type", "seq", "at", "actor", "action", "lane", "scan", "detail", "previous", "hash")
_PAGE = 500

Line = Mapping[str, Any]


def export_lines(database: Database, form: Format, scan: int | None = None) -> Iterator[str]:
    """Yield the audit chain as text, line by line; it is read page by page, so that nobody waits for a slow reader.

    Each line has a `type`. Of a single scan, what the records speak of comes first: `scan` (as it is now), every
    `inspection` with its findings, every `decision`, `mark` and `secondary`. `audit` are the records of the chain, by
    number: `detail` is an object in JSON lines, and its JSON text in CSV.

    Args:
        database: of the service.
        form: of the text.
        scan: id, None for the whole chain.

    Raises:
        MissingRecordError: there is no such scan.
        DatabaseError: the database does not answer.
    """
    if form == "csv":
        yield _csv_line(dict(zip(COLUMNS, COLUMNS, strict=True)))
    write = _csv_line if form == "csv" else _json_line
    if scan is not None:
        for line in _of_scan(database, scan):
            yield write(line)
    for line in _of_chain(database, scan):
        yield write(line)


def _of_chain(database: Database, scan: int | None) -> Iterator[Line]:
    last = 0
    while True:
        with database.reading() as connection:
            page = list(audit.records(connection, after=last, limit=_PAGE, scan=scan))
        for record in page:
            yield {"type": "audit", **record.to_dict()}
        if len(page) < _PAGE:
            return
        last = page[-1].seq


def _of_scan(database: Database, scan: int) -> list[Line]:
    with database.reading() as connection:
        row = scans.get(connection, scan)
        if row is None:
            raise MissingRecordError(f"there is no scan {scan}")
        place = {"lane": row.lane, "scan": scan}
        about = {
            **scans.summary_of(connection, scan),
            "sha256": row.sha256,
            "size": row.size,
            "source": row.source,
        }
        accepted = {"at": row.received_at, "actor": row.received_by, "action": "scan.accepted"}
        lines: list[Line] = [{"type": "scan", **place, **accepted, "detail": about}]
        lines += _inspections(connection, scan, place)
        for made in decisions.listed(connection, scan):
            lines.append(_by_person("decision", made["kind"], made, place))
        for mark in observations.marks_of(connection, scan):
            lines.append(_by_person("mark", mark["verdict"], mark, place))
        secondary = observations.secondary_of(connection, scan)
        if secondary is not None:
            lines.append(_by_person("secondary", "secondary", secondary, place))
        return lines


def _inspections(connection: Connection, scan: int, place: Line) -> Iterator[Line]:
    for listed in inspections.listed(connection, scan):
        found = inspections.get(connection, listed["id"])
        assert found is not None  # it was listed in this transaction
        yield {
            "type": "inspection",
            **place,
            "at": found["created_at"],
            "actor": "service",
            "action": "inspection",
            "detail": found,
        }


def _by_person(kind: str, action: str, made: Line, place: Line) -> Line:
    return {"type": kind, **place, "at": made["at"], "actor": made["by"], "action": action, "detail": made}


def _json_line(line: Line) -> str:
    return json.dumps(line) + "\n"


def _csv_line(line: Line) -> str:
    detail = line["detail"]
    text = detail if isinstance(detail, str) else json.dumps(detail, sort_keys=True)
    held = io.StringIO()
    csv.writer(held, lineterminator="\n").writerow(
        [text if name == "detail" else line.get(name) for name in COLUMNS]
    )
    return held.getvalue()
