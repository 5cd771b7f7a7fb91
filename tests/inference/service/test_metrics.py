"""Figures for Prometheus: what happened is what is rendered."""

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cargosight_inference.service.drift import Drift
from cargosight_inference.service.metrics import ALARM_WINDOW, CONTENT_TYPE, Metrics

TIMINGS = {"read": 20.0, "preprocess": 10.0, "session": 150.0, "decode": 1.0, "total": 181.0}


def _inspection(decision: str = "clear", **timings: float) -> dict[str, object]:
    return {"decision": decision, "findings": [], "timings_ms": timings or TIMINGS}


def _rendered(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name.removeprefix("cargosight_"), frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return _rendered(metrics).get((name, frozenset(labels.items())))


@pytest.fixture
def metrics():
    return Metrics()


def test_nothing_goes_into_the_registry_that_everybody_shares(metrics):
    metrics.accepted("lane-1", duplicate=False)
    Metrics()  # a second one would find its names taken there
    assert b"cargosight" not in prometheus_client.generate_latest()
    assert b"cargosight_scans_accepted_total" in metrics.render()
    assert CONTENT_TYPE.startswith("text/plain")


def test_accepted_and_refused(metrics):
    for duplicate in (False, False, True):
        metrics.accepted("lane-1", duplicate=duplicate)
    metrics.refused("lane-1", "lane_full")
    assert _value(metrics, "scans_accepted_total", lane="lane-1") == 2
    assert _value(metrics, "scans_duplicate_total", lane="lane-1") == 1
    assert _value(metrics, "scans_refused_total", lane="lane-1", reason="lane_full") == 1


def test_the_queue_is_what_was_set_last(metrics):
    metrics.queue("lane-1", {"waiting": 5, "undecided": 2}, 3.5)
    metrics.queue("lane-1", {"waiting": 0, "undecided": 1}, None)
    assert _value(metrics, "queue_scans", lane="lane-1", state="waiting") == 0
    assert _value(metrics, "queue_scans", lane="lane-1", state="undecided") == 1
    assert _value(metrics, "queue_oldest_seconds", lane="lane-1") == 0


def test_stages_are_in_seconds(metrics):
    metrics.pictured("lane-1", 0.4)
    metrics.inspected("lane-1", _inspection(), 1.2)
    for stage, seconds in {
        "ingest_to_picture": 0.4,
        "ingest_to_inspected": 1.2,
        "read": 0.02,
        "preprocess": 0.01,
        "session": 0.15,
        "decode": 0.001,
    }.items():
        assert _value(metrics, "stage_seconds_sum", lane="lane-1", stage=stage) == pytest.approx(seconds)
        assert _value(metrics, "stage_seconds_count", lane="lane-1", stage=stage) == 1
    assert _value(metrics, "stage_seconds_bucket", lane="lane-1", stage="ingest_to_inspected", le="2.0") == 1


def test_an_unreadable_scan_has_the_stages_that_it_came_to(metrics):
    metrics.inspected("lane-1", _inspection("unreadable", read=3.0), 0.1, late=True)
    assert _value(metrics, "stage_seconds_count", lane="lane-1", stage="read") == 1
    assert _value(metrics, "stage_seconds_count", lane="lane-1", stage="session") is None
    assert _value(metrics, "advice_total", lane="lane-1", advice="unreadable") == 1
    assert _value(metrics, "inspections_late_total", lane="lane-1") == 1
    assert _value(metrics, "alarm_rate", lane="lane-1") is None


def test_the_alarm_rate_is_of_the_last_inspections(metrics):
    for decision in ("refer", "clear", "clear", "unreadable", "clear"):
        metrics.inspected("lane-1", _inspection(decision), 1.0)
    assert _value(metrics, "alarm_rate", lane="lane-1") == 0.25
    for _ in range(ALARM_WINDOW):
        metrics.inspected("lane-1", _inspection("refer"), 1.0)
    assert _value(metrics, "alarm_rate", lane="lane-1") == 1.0
    assert _value(metrics, "alarm_rate", lane="lane-2") is None


def test_decisions(metrics):
    metrics.decided("lane-1", "decision", "refer", 6.0)
    metrics.decided("lane-1", "undo", None)
    assert _value(metrics, "decisions_total", lane="lane-1", kind="decision", decision="refer") == 1
    assert _value(metrics, "decisions_total", lane="lane-1", kind="undo", decision="none") == 1
    assert _value(metrics, "decision_seconds_sum", lane="lane-1") == 6.0
    assert _value(metrics, "decision_seconds_count", lane="lane-1") == 1


def test_a_lane_has_one_model_at_a_time(metrics):
    facts = {"operating_point": "pfa=0.05", "precision": "fp32"}
    metrics.model_loaded("lane-1", model="baggage", fingerprint="a" * 64, **facts)
    metrics.model_loaded("lane-1", model="baggage", fingerprint="b" * 64, **facts)
    metrics.model_loaded(
        "lane-2", model="container", fingerprint="c" * 64, operating_point=None, precision="fp32"
    )
    infos = {key: value for key, value in _rendered(metrics).items() if key[0] == "model_info"}
    assert sorted(dict(labels)["fingerprint"][0] for _, labels in infos) == ["b", "c"]
    assert set(infos.values()) == {1.0}
    metrics.model_missing("lane-2")
    assert _value(metrics, "model_ready", lane="lane-1") == 1
    assert _value(metrics, "model_ready", lane="lane-2") == 0


def test_drift_is_there_only_while_it_is_known(metrics):
    metrics.drifted("lane-1", "air", None)
    assert _value(metrics, "drift_deviations", lane="lane-1", measure="air") is None
    metrics.drifted("lane-1", "air", Drift(0.9, 0.8, -1.5))
    metrics.drifted("lane-1", "score", Drift(0.2, 0.3, 0.5))
    assert _value(metrics, "drift_deviations", lane="lane-1", measure="air") == -1.5
    assert _value(metrics, "drift_mean", lane="lane-1", measure="air", window="recent") == 0.8
    metrics.drifted("lane-1", "air", None)
    assert _value(metrics, "drift_deviations", lane="lane-1", measure="air") is None
    assert _value(metrics, "drift_mean", lane="lane-1", measure="air", window="reference") is None
    assert _value(metrics, "drift_deviations", lane="lane-1", measure="score") == 0.5
    with pytest.raises(ValueError, match="expected one of score, air"):
        metrics.drifted("lane-1", "noise", None)  # type: ignore[arg-type]


def test_worker_deaths(metrics):
    metrics.worker_died("picture")
    metrics.worker_died("inspection")
    metrics.worker_died("inspection")
    assert _value(metrics, "worker_deaths_total", role="inspection") == 2
