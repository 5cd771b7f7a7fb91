"""Where a run stands."""

import json
import os
import socket
import subprocess
import sys
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


def report(place, name, at, *, shard=0, done=3, **changes):
    workers = [{"pid": 1, "shard": shard, "done": done}]
    content = {"at": at.isoformat(), "host": "elsewhere", "pid": 1, "rate": 2.0, "workers": workers} | changes
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
    report(place, "b", now - timedelta(seconds=5), shard=1, done=4, rate=0.25)
    report(place, "dead", now - timedelta(minutes=5))
    status = read_status(place, now=now)
    assert (status.state, status.parts, status.done_inputs, status.open_inputs) == ("running", 1, 5, 7)
    assert (len(status.reports), status.silent) == (2, 1)
    assert status.left_seconds == pytest.approx(13 / 2.25)
    assert "2.2 scans/s by 2 workers, 0:00:06 left" in status.describe()
    assert "ended without a word" in status.describe()
    assert json.loads(json.dumps(status.to_dict()))["state"] == "running"


def test_inputs_of_a_shard_are_open_once(place, manifest):
    now = datetime.now(UTC)
    place.publish(manifest.part_name(2), b"")
    report(place, "a", now, done=7)
    report(place, "b", now, done=2)
    pieces = [{"shard": 1, "done": 1}, {"shard": 1, "done": 4}]
    report(place, "c", now, workers=pieces)  # of a shard that is divided
    report(place, "d", now, shard=2, done=5)  # its part came after the report
    assert read_status(place, now=now).open_inputs == 7 + 5


@pytest.mark.skipif(os.name != "posix", reason="no process can be asked about there")
def test_a_process_of_this_host_that_is_gone_is_not_at_work(place, manifest):
    now = datetime.now(UTC)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = socket.gethostname()
    report(place, "gone", now, host=here, pid=gone.pid)
    status = read_status(place, now=now)
    assert (status.state, status.silent, status.open_inputs) == ("stopped", 1, 0)
    assert "ended without a word" in status.describe()
    report(place, "alive", now, host=here, pid=os.getpid())
    report(place, "elsewhere", now, host="elsewhere", pid=gone.pid)
    status = read_status(place, now=now)
    assert (status.state, len(status.reports), status.silent) == ("running", 2, 1)


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
