"""What the service measures of itself while it works: metrics, and drift of what its lanes see."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from cargosight_inference.service.database.engine import Database, as_time
from cargosight_inference.service.database.tables import INSPECTIONS, LANES, SCANS
from cargosight_inference.service.drift import MEASURES, WINDOW, DriftWatch, Measure, air_level, best_score
from cargosight_inference.service.engines import EngineFacts
from cargosight_inference.service.metrics import Metrics
from cargosight_inference.service.records import scans


class Measuring:
    """Feeds metrics and drift; threads may share it.

    Attributes:
        metrics: of the service.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self._drift = DriftWatch()

    def pictured(self, lane: str, description: Mapping[str, Any], received_at: str) -> None:
        """A scan's picture was made."""
        self.metrics.pictured(lane, (datetime.now(UTC) - as_time(received_at)).total_seconds())
        self._add(lane, "air", air_level(description["brightest"], description["air_level"]))

    def inspected(
        self, lane: str, result: Mapping[str, Any], received_at: str, moment: datetime, *, late: bool
    ) -> None:
        """A scan was inspected."""
        self.metrics.inspected(lane, result, (moment - as_time(received_at)).total_seconds(), late=late)
        self._add(lane, "score", best_score(result))

    def model_loaded(self, lane: str, facts: EngineFacts) -> None:
        """A lane has a model that inspects."""
        self.metrics.model_loaded(
            lane,
            model=facts.model,
            fingerprint=facts.fingerprint,
            operating_point=facts.operating_point,
            precision=facts.precision,
        )

    def model_changed(self, lane: str, facts: EngineFacts) -> None:
        """Another model, or other thresholds, inspect a lane: what is usual there has to be learnt anew."""
        self._drift.restart(lane)
        for measure in MEASURES:
            self.metrics.drifted(lane, measure, None)
        self.model_loaded(lane, facts)

    def remember(self, database: Database, lanes: list[str]) -> None:
        """Give the drift what it had seen since the last change of each lane: its first and last windows."""
        with database.reading() as connection:
            changed = {row.name: row.changed_at for row in connection.execute(select(LANES))}
            for lane in lanes:
                for row in _seen(connection, lane, changed.get(lane, "")):
                    if row.brightest is not None:
                        self._add(lane, "air", air_level(row.brightest, row.air_level))
                    if row.result is not None:
                        self._add(lane, "score", best_score(json.loads(row.result)))

    def render(self, database: Database, under_way: Mapping[str, int]) -> bytes:
        """Return the metrics as Prometheus reads them, with the queues as they are now."""
        now = datetime.now(UTC)
        with database.reading() as connection:
            for lane, inspecting in under_way.items():
                queue = scans.queue_of(connection, lane)
                oldest = queue.pop("oldest")
                age = None if oldest is None else (now - as_time(oldest)).total_seconds()
                self.metrics.queue(lane, {**queue, "inspecting": inspecting}, age)
        return self.metrics.render()

    def _add(self, lane: str, measure: Measure, value: float | None) -> None:
        drift = self._drift.add(lane, measure, value)
        if drift is not None:
            self.metrics.drifted(lane, measure, drift)


def _seen(connection: Connection, lane: str, since: str) -> list[Any]:
    """Return the first and the last scans of a lane since a time, which is all that drift needs."""
    wanted = (
        select(SCANS.c.id, SCANS.c.brightest, SCANS.c.air_level, INSPECTIONS.c.result)
        .join(INSPECTIONS, INSPECTIONS.c.id == SCANS.c.inspection_id, isouter=True)
        .where(SCANS.c.lane == lane, SCANS.c.received_at >= since)
    )
    first = connection.execute(wanted.order_by(SCANS.c.id).limit(WINDOW)).all()
    last = connection.execute(wanted.order_by(SCANS.c.id.desc()).limit(WINDOW)).all()
    seen = {row.id for row in first}
    return [*first, *(row for row in reversed(last) if row.id not in seen)]
