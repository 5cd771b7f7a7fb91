"""The audit chain: append-only records, each with the hash of the one before, so that a change anywhere shows.

The hash of a record is the SHA-256 of the JSON array [seq, at, actor, action, lane, scan, detail, previous], written
without spaces, in ASCII. The first record's `previous` is 64 zeros. Whoever has written down the number and hash of a
record can tell later that nothing up to it was changed, not even by somebody who made the whole chain anew.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from cargosight_inference.service.database.engine import now
from cargosight_inference.service.database.tables import AUDIT
from cargosight_inference.service.records.audit_rows import TOLD, difference

FIRST = "0" * 64
_SHOWN_PROBLEMS = 20


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """One record.

    Attributes:
        seq: its number; the chain begins at 1.
        at: time in UTC.
        actor: account, `token NAME`, `folder` or `service`.
        action: such as `view`, `decision`, `filter`, `login`, `model.change`.
        lane: where it happened, None where it is about no lane.
        scan: id of the scan, None where it is about none.
        detail: what else there is to say.
        previous: hash of the record before.
        hash: of this one.
    """

    seq: int
    at: str
    actor: str
    action: str
    lane: str | None
    scan: int | None
    detail: Mapping[str, Any]
    previous: str
    hash: str

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-ready values."""
        return dict(vars(self))


@dataclass(frozen=True)
class Verification:
    """What a walk along the chain found.

    Attributes:
        count: records.
        head: number and hash of the last record, (0, 64 zeros) of an empty chain.
        problems: a sentence each, the first twenty.
        wrong: how many problems there are.
    """

    count: int
    head: tuple[int, str]
    problems: tuple[str, ...]
    wrong: int

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return self.wrong == 0


def append(
    connection: Connection,
    *,
    actor: str,
    action: str,
    lane: str | None = None,
    scan: int | None = None,
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Add a record to the chain, inside the transaction that does what it tells.

    Args:
        connection: from `Database.writing`, which lets one writer at a time.
        actor: who did it.
        action: what was done.
        lane: where.
        scan: id of the scan.
        detail: JSON-ready values; no passwords, tokens or image contents.

    Returns:
        The record's number.
    """
    last = connection.execute(select(AUDIT.c.seq, AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1)).first()
    seq, previous = (1, FIRST) if last is None else (last.seq + 1, last.hash)
    at = now()
    text = json.dumps(dict(detail or {}), sort_keys=True, separators=(",", ":"))
    values = (seq, at, actor, action, lane, scan, text, previous)
    connection.execute(
        insert(AUDIT).values(
            seq=seq,
            at=at,
            actor=actor,
            action=action,
            lane=lane,
            scan_id=scan,
            detail=text,
            previous=previous,
            hash=_hash(values),
        )
    )
    return seq


def records(
    connection: Connection,
    *,
    after: int = 0,
    before: int | None = None,
    limit: int | None = None,
    scan: int | None = None,
) -> Iterator[AuditRecord]:
    """Yield records by number, read as they are drawn.

    Args:
        connection: for reading.
        after: number of the last record that is not wanted.
        before: only records of lower numbers, the newest first; None for all, the oldest first.
        limit: most records, None for all.
        scan: those of one scan alone.
    """
    wanted = select(AUDIT).where(AUDIT.c.seq > after)
    if before is None:
        wanted = wanted.order_by(AUDIT.c.seq)
    else:
        wanted = wanted.where(AUDIT.c.seq < before).order_by(AUDIT.c.seq.desc())
    if scan is not None:
        wanted = wanted.where(AUDIT.c.scan_id == scan)
    if limit is not None:
        wanted = wanted.limit(limit)
    for row in connection.execution_options(yield_per=500).execute(wanted):
        yield AuditRecord(
            seq=row.seq,
            at=row.at,
            actor=row.actor,
            action=row.action,
            lane=row.lane,
            scan=row.scan_id,
            detail=_detail(row.detail),
            previous=row.previous,
            hash=row.hash,
        )


def number_of(connection: Connection, scan: int, action: str, row: int) -> int | None:
    """Return the number of the record that tells of a row by its id, None where there is none.

    Args:
        connection: for reading.
        scan: of the record.
        action: of the record.
        row: that its detail names as `id`.
    """
    wanted = select(AUDIT.c.seq, AUDIT.c.detail).where(AUDIT.c.scan_id == scan, AUDIT.c.action == action)
    found = connection.execute(wanted.order_by(AUDIT.c.seq))
    return next((each.seq for each in found if _detail(each.detail).get("id") == row), None)


def _detail(stored: Any) -> Mapping[str, Any]:  # noqa: ANN401 - what somebody else may have put there
    """Return the detail of a record; one that was changed is shown as it is, for its record has to be seen."""
    try:
        found = json.loads(stored)
    except (TypeError, ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"damaged": str(stored)}


def verify(connection: Connection, expected: tuple[int, str] | None = None) -> Verification:
    """Walk along the chain and compare every record with its hash, with the one before, and with what it tells of.

    Args:
        connection: for reading.
        expected: number and hash of a record as somebody wrote them down; found anew in the chain.
    """
    problems: list[str] = []
    count, seq, hash_ = 0, 0, FIRST
    told: Counter[str] = Counter()
    met = expected is None
    for row in connection.execution_options(yield_per=500).execute(select(AUDIT).order_by(AUDIT.c.seq)):
        problems.extend(_problems_of(row, seq, hash_))
        about = {"actor": row.actor, "action": row.action, "scan": row.scan_id}
        what = difference(connection, **about, detail=_detail(row.detail))
        if what is not None:
            problems.append(f"what record {row.seq} tells of ({row.action} by {row.actor}, {row.at}): {what}")
        count, seq, hash_ = count + 1, row.seq, row.hash
        told[row.action] += 1
        met = met or (row.seq, row.hash) == expected
    if not met and expected is not None:
        problems.append(
            f"no record {expected[0]} has the hash {expected[1][:12]}… that was expected: records were removed, or the "
            "chain was made anew"
        )
    problems.extend(_compared(connection, told))
    return Verification(count, (seq, hash_), tuple(problems[:_SHOWN_PROBLEMS]), len(problems))


def _problems_of(row: Row[Any], seq: int, previous: str) -> Iterator[str]:
    if row.seq != seq + 1:
        missing = f"record {seq + 1} is" if row.seq == seq + 2 else f"records {seq + 1} to {row.seq - 1} are"
        yield f"{missing} missing"
    elif row.previous != previous:
        yield f"record {row.seq} does not follow the one before: one of them was changed, or their order was"
    values = (row.seq, row.at, row.actor, row.action, row.lane, row.scan_id, row.detail, row.previous)
    if _hash(values) != row.hash:
        yield f"record {row.seq} ({row.action} by {row.actor}, {row.at}) was changed"


def _compared(connection: Connection, told: Mapping[str, int]) -> Iterator[str]:
    """Compare the chain with what it tells of: records that were cut from its end leave rows behind that have none."""
    for table, actions, name in TOLD:
        rows = connection.execute(select(func.count()).select_from(table)).scalar_one()
        records_of = sum(told.get(action, 0) for action in actions)
        if records_of < rows:
            yield f"there are {rows:,} {name} and records of {records_of:,}: records are missing, such as at the end"
        elif records_of > rows:
            yield f"there are records of {records_of:,} {name} and only {rows:,} of them: some were removed"


def _hash(values: tuple[int, str, str, str, str | None, int | None, str, str]) -> str:
    # A record that somebody changed may hold values that JSON has not; its hash does not fit in any case.
    return sha256(json.dumps(values, separators=(",", ":"), default=repr).encode("ascii")).hexdigest()
