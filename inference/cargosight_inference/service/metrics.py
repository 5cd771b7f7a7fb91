"""Figures of the service for Prometheus, in a registry of its own.

Lanes, stages and codes are label values; no scan, person or address is.
"""

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from cargosight_inference.service.drift import MEASURES, Drift, Measure

CONTENT_TYPE = CONTENT_TYPE_LATEST
ALARM_WINDOW = 200
"""Inspections of a lane over which its alarm rate is taken."""
_NETWORK_STAGES = ("read", "preprocess", "session", "decode")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)
_DECISION_SECONDS = (1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0)


class Metrics:
    """What happened, counted. Methods are named by it; threads may share them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._guard = threading.Lock()
        self._alarms: dict[str, deque[bool]] = {}
        self._models: dict[str, tuple[str, ...]] = {}
        self._queue = self._gauge("queue_scans", "Scans of a lane in a state", "lane", "state")
        self._oldest = self._gauge("queue_oldest_seconds", "Age of the oldest scan that waits", "lane")
        self._accepted = self._counter("scans_accepted", "Scans that were accepted", "lane")
        self._duplicates = self._counter("scans_duplicate", "Scans that the lane had already", "lane")
        self._refused = self._counter("scans_refused", "Scans that were not accepted", "lane", "reason")
        self._stages = self._histogram("stage_seconds", "Time by stage", _SECONDS, "lane", "stage")
        self._advice = self._counter("advice", "Inspections by what they advise", "lane", "advice")
        self._late = self._counter("inspections_late", "Inspections after their scan's deadline", "lane")
        self._alarm_rate = self._gauge(
            "alarm_rate", f"Share of the last {ALARM_WINDOW} inspections that refer", "lane"
        )
        self._decisions = self._counter("decisions", "What people recorded", "lane", "kind", "decision")
        self._deciding = self._histogram(
            "decision_seconds", "From shown to decided, as the console says", _DECISION_SECONDS, "lane"
        )
        self._deaths = self._counter("worker_deaths", "Workers that died or ran over their time", "role")
        self._model = self._gauge(
            "model_info",
            "1 for the model in use",
            "lane",
            "model",
            "fingerprint",
            "operating_point",
            "precision",
        )
        self._ready = self._gauge("model_ready", "1 where the lane's model inspects", "lane")
        self._drift = self._gauge(
            "drift_deviations",
            "Recent less reference mean, in deviations of the reference",
            "lane",
            "measure",
        )
        self._mean = self._gauge("drift_mean", "Mean of a window", "lane", "measure", "window")

    def accepted(self, lane: str, *, duplicate: bool) -> None:
        """A scan was accepted, or was there already."""
        (self._duplicates if duplicate else self._accepted).labels(lane).inc()

    def refused(self, lane: str, code: str) -> None:
        """A scan was not accepted; the code is that of the refusal."""
        self._refused.labels(lane, code).inc()

    def queue(self, lane: str, counts: Mapping[str, int], oldest_seconds: float | None) -> None:
        """Set how many scans of a lane are in which state, and how long the oldest waits; for before `render`."""
        for state, count in counts.items():
            self._queue.labels(lane, state).set(count)
        self._oldest.labels(lane).set(oldest_seconds or 0.0)

    def pictured(self, lane: str, seconds_from_arrival: float) -> None:
        """The picture of a scan can be shown."""
        self._stages.labels(lane, "ingest_to_picture").observe(seconds_from_arrival)

    def inspected(
        self, lane: str, inspection: Mapping[str, Any], seconds_from_arrival: float, *, late: bool = False
    ) -> None:
        """A scan was inspected.

        Args:
            lane: its name.
            inspection: as `Inspection.to_dict` gives it.
            seconds_from_arrival: until the inspection was recorded.
            late: whether the scan's deadline had passed.
        """
        self._stages.labels(lane, "ingest_to_inspected").observe(seconds_from_arrival)
        for stage in _NETWORK_STAGES:
            if stage in inspection["timings_ms"]:
                self._stages.labels(lane, stage).observe(inspection["timings_ms"][stage] / 1000.0)
        if late:
            self._late.labels(lane).inc()
        advice = str(inspection["decision"])
        self._advice.labels(lane, advice).inc()
        if advice != "unreadable":  # of what no model saw there is no alarm
            with self._guard:
                alarms = self._alarms.setdefault(lane, deque(maxlen=ALARM_WINDOW))
                alarms.append(advice == "refer")
                self._alarm_rate.labels(lane).set(sum(alarms) / len(alarms))

    def decided(self, lane: str, kind: str, decision: str | None, seconds: float | None = None) -> None:
        """Somebody decided, or undid, confirmed, rejected or overrode a decision.

        Args:
            lane: its name.
            kind: of the record.
            decision: `clear` or `refer`, None of a record without one.
            seconds: it took, None where that is not known.
        """
        self._decisions.labels(lane, kind, decision or "none").inc()
        if seconds is not None:
            self._deciding.labels(lane).observe(seconds)

    def worker_died(self, role: str) -> None:
        """A worker died, or was ended for taking too long; the role is what it was there for, such as `picture`."""
        self._deaths.labels(role).inc()

    def model_loaded(
        self, lane: str, *, model: str, fingerprint: str, operating_point: str | None, precision: str
    ) -> None:
        """A lane has a model; it takes the place of the former one."""
        labels = (lane, model, fingerprint, operating_point or "none", precision)
        with self._guard:
            former = self._models.get(lane)
            if former is not None and former != labels:
                self._model.remove(*former)
            self._models[lane] = labels
            self._model.labels(*labels).set(1)
        self._ready.labels(lane).set(1)

    def model_missing(self, lane: str) -> None:
        """A lane has no model that inspects."""
        self._ready.labels(lane).set(0)

    def drifted(self, lane: str, measure: Measure, drift: Drift | None) -> None:
        """Set the drift of a lane; None takes it away, as after a change of model."""
        if measure not in MEASURES:
            raise ValueError(f"a measure is {measure!r}; expected one of {', '.join(MEASURES)}")
        with self._guard:
            if drift is None:
                for gauge, windows in ((self._drift, ((),)), (self._mean, (("reference",), ("recent",)))):
                    for window in windows:
                        gauge.labels(lane, measure, *window)  # so that there is one to remove
                        gauge.remove(lane, measure, *window)
                return
            self._drift.labels(lane, measure).set(drift.deviations)
            self._mean.labels(lane, measure, "reference").set(drift.reference)
            self._mean.labels(lane, measure, "recent").set(drift.recent)

    def render(self) -> bytes:
        """Return the text that Prometheus reads; its type is `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"cargosight_{name}", about, labels, registry=self._registry)

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"cargosight_{name}", about, labels, registry=self._registry)

    def _histogram(self, name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"cargosight_{name}", about, labels, registry=self._registry, buckets=buckets)
