"""Rates and decision times, by lane and by operator."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

from sqlalchemy import Connection, Row, select

from cargosight_inference.service.database.tables import DECISIONS, INSPECTIONS, SCANS, SECONDARY


@dataclass
class _Tally:
    scans: int = 0
    alarms: int = 0
    decided: int = 0
    cleared: int = 0
    referred: int = 0
    agreed: int = 0
    advised: int = 0
    undone: int = 0
    overridden: int = 0
    inspected_by_hand: int = 0
    found_at_secondary: int = 0
    seconds: list[float] = field(default_factory=list)

    def row(self, name: str) -> dict[str, Any]:
        """Return the tally, JSON-ready; times are None of fewer than one decision."""
        counts = {key: value for key, value in vars(self).items() if key != "seconds"}
        ninth = quantiles(self.seconds, n=10)[8] if len(self.seconds) > 1 else None
        times = {"seconds_median": median(self.seconds) if self.seconds else None, "seconds_p90": ninth}
        return {"name": name, **counts, **times}


def statistics(
    connection: Connection, *, lanes: Collection[str], since: str, until: str
) -> dict[str, list[dict[str, Any]]]:
    """Count what happened in some lanes.

    `agreed` counts decisions as advised, of the `advised` ones that had an advice of `clear` or `refer`; `undone`
    decisions count in none but `undone`. `found_at_secondary` counts secondary inspections that found something, of
    `inspected_by_hand`.

    Args:
        connection: for reading.
        lanes: names.
        since: time of decision and of arrival, or later, as the database keeps it.
        until: before this.

    Returns:
        `lanes` and `operators`, a row each.
    """
    by_lane = {lane: _Tally() for lane in lanes}
    by_operator: dict[str, _Tally] = defaultdict(_Tally)
    _count_scans(connection, by_lane, since, until)
    for row in _decisions(connection, lanes, since, until):
        for tally in (by_lane[row.lane], by_operator[row.made_by]):
            _count_decision(tally, row)
    _count_secondary(connection, by_lane, by_operator, since, until)
    return {
        "lanes": [tally.row(name) for name, tally in sorted(by_lane.items())],
        "operators": [tally.row(name) for name, tally in sorted(by_operator.items())],
    }


def _count_scans(connection: Connection, lanes: dict[str, _Tally], since: str, until: str) -> None:
    inspected = (
        select(SCANS.c.lane, INSPECTIONS.c.advice)
        .join(INSPECTIONS, INSPECTIONS.c.id == SCANS.c.inspection_id, isouter=True)
        .where(SCANS.c.lane.in_(lanes), SCANS.c.received_at >= since, SCANS.c.received_at < until)
    )
    for row in connection.execute(inspected):
        lanes[row.lane].scans += 1
        lanes[row.lane].alarms += row.advice == "refer"


def _decisions(connection: Connection, lanes: Collection[str], since: str, until: str) -> Iterable[Row[Any]]:
    reversed_by = DECISIONS.alias("reversed_by")
    wanted = (
        select(
            SCANS.c.lane,
            DECISIONS.c.made_by,
            DECISIONS.c.decision,
            DECISIONS.c.seconds,
            INSPECTIONS.c.advice,
            reversed_by.c.kind.label("reversed_kind"),
        )
        .join(SCANS, SCANS.c.id == DECISIONS.c.scan_id)
        .join(INSPECTIONS, INSPECTIONS.c.id == DECISIONS.c.inspection_id, isouter=True)
        .join(reversed_by, reversed_by.c.reverses == DECISIONS.c.id, isouter=True)
        .where(
            DECISIONS.c.kind == "decision",
            SCANS.c.lane.in_(lanes),
            DECISIONS.c.made_at >= since,
            DECISIONS.c.made_at < until,
        )
    )
    return connection.execute(wanted)


def _count_decision(tally: _Tally, row: Row[Any]) -> None:
    if row.reversed_kind == "undo":
        tally.undone += 1
        return
    tally.decided += 1
    tally.cleared += row.decision == "clear"
    tally.referred += row.decision == "refer"
    tally.overridden += row.reversed_kind == "override"
    if row.advice in ("clear", "refer"):
        tally.advised += 1
        tally.agreed += row.advice == row.decision
    if row.seconds is not None:
        tally.seconds.append(row.seconds)


def _count_secondary(
    connection: Connection,
    lanes: dict[str, _Tally],
    operators: dict[str, _Tally],
    since: str,
    until: str,
) -> None:
    wanted = (
        select(SCANS.c.lane, SECONDARY.c.found, DECISIONS.c.made_by)
        .join(SCANS, SCANS.c.id == SECONDARY.c.scan_id)
        .join(DECISIONS, DECISIONS.c.id == SCANS.c.decision_id, isouter=True)
        .where(SCANS.c.lane.in_(lanes), SECONDARY.c.made_at >= since, SECONDARY.c.made_at < until)
    )
    for row in connection.execute(wanted):
        tallies = [lanes[row.lane]]
        if row.made_by is not None:
            tallies.append(operators[row.made_by])
        for tally in tallies:
            tally.inspected_by_hand += 1
            tally.found_at_secondary += row.found != "[]"
