"""Where a run stands."""

import json
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

from cargosight_inference.batch.status import read_status
from cargosight_models.errors import UsageError
from tests.made.batches import make_archive, planned, run


@pytest.fixture
def manifest(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 25)
    return planned(place, scoring, [tmp_path / "in"])


def report(place, name, at, **changes):
    content = {"at": at.isoformat(), "open_inputs": 3, "rate": 2.0, "workers": [{"pid": 1}]} | changes
    place.replace(f"progress/{name}.json", json.dumps(content).encode())


def test_there_is_no_run(place):
    with pytest.raises(UsageError, match="no batch run"):
        read_status(place)


def test_nobody_works_on_it(place, manifest):
    status = read_status(place)
    assert (status.state, status.parts, status.done_inputs, status.left_seconds) == ("stopped", 0, 0, None)
    assert "0 of 25 inputs (0.0%), 0 of 3 parts" in status.describe()
    assert "goes on from there" in status.describe()


def test_two_processes_work_and_one_was_killed(place, manifest):
    now = datetime.now(UTC)
    place.publish(manifest.part_name(2), b"")
    report(place, "a", now)
    report(place, "b", now - timedelta(seconds=5), open_inputs=4, rate=0.25)
    report(place, "dead", now - timedelta(minutes=5))
    status = read_status(place, now=now)
    assert (status.state, status.parts, status.done_inputs, status.open_inputs) == ("running", 1, 5, 7)
    assert (len(status.reports), status.silent) == (2, 1)
    assert status.left_seconds == pytest.approx(13 / 2.25)
    assert "2.2 scans/s by 2 workers, 0:00:06 left" in status.describe()
    assert "ended without a word" in status.describe()
    assert json.loads(json.dumps(status.to_dict()))["state"] == "running"


def test_a_report_that_is_none_does_no_harm(place, manifest):
    place.replace("progress/odd.json", b"{")
    assert read_status(place).state == "stopped"


def test_watched_while_it_runs_and_complete(place, manifest, scoring):
    seen = []
    run(place, manifest, scoring, told=lambda tally: seen.append(read_status(place)))
    assert seen[0].state == "running"
    assert seen[-1].done_inputs == 25
    status = read_status(place)
    assert (status.state, status.parts, status.reports) == ("complete", 3, ())
