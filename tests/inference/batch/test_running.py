"""A run from its manifest to its marker: what it removes, keeps and says."""

import json
import time

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

from cargosight_inference.batch import running
from cargosight_inference.batch.places import BatchError
from cargosight_inference.batch.running import SUCCESS, read_reports
from cargosight_inference.batch.status import read_status
from cargosight_inference.batch.summary import write_summary
from tests.made.batches import made_run, make_archive, planned, rows_of, run, without_times

_LONG = 60.0


@pytest.fixture
def manifest(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 25)
    return planned(place, scoring, [tmp_path / "in"])


def test_of_reports_nothing_but_those_of_runs_is_removed(place, manifest, scoring):
    made_run(place, manifest, scoring)
    place.publish("progress/my-host-12-0123abcd.json", b"{}")
    place.publish("progress/of-the-year.json", b"{}")
    assert run(place, manifest, scoring).complete
    assert list(place.names("progress/")) == ["progress/of-the-year.json"]


def test_parts_that_a_complete_run_has_lost_are_scored_again(place, manifest, scoring):
    run(place, manifest, scoring, summarise=write_summary)
    rows = without_times(rows_of(place.folder))
    lost = (manifest.part_name(0), manifest.part_name(2))
    for name in (*lost, "summary.json"):
        place.delete(name)
    said = []
    outcome = run(place, manifest, scoring, notice=said.append, summarise=write_summary)
    assert (outcome.complete, outcome.was_complete) == (True, False)
    assert outcome.tally.counts["clear"] + outcome.tally.counts["refer"] == 15
    assert said == ["the run was complete, and 2 parts are gone since; what is gone is scored again"]
    assert without_times(rows_of(place.folder)) == rows
    assert json.loads(place.read("summary.json"))["decisions"]
    assert place.exists(SUCCESS)
    assert run(place, manifest, scoring, notice=said.append).was_complete
    assert len(said) == 1


def test_a_repair_that_fails_leaves_no_marker(place, manifest, scoring):
    def fails(manifest, place):
        raise BatchError("no summary")

    made_run(place, manifest, scoring)
    assert run(place, manifest, scoring).complete
    place.delete(manifest.part_name(1))
    with pytest.raises(BatchError, match="no summary"):
        run(place, manifest, scoring, summarise=fails)
    assert not place.exists(SUCCESS)
    assert list(place.names("progress/")) == []


def test_pictures_that_are_not_drawn_are_told(place, manifest, scoring):
    made_run(place, manifest, scoring)
    place.delete(manifest.part_name(0))
    place.delete(manifest.part_name(1))
    said = []
    run(place, manifest, scoring, overlays=True, notice=said.append)
    assert len(said) == 1
    assert "the scans in the 1 part that is there already are not drawn now" in said[0]
    assert "an output of its own for pictures of all" in said[0]
    assert run(place, manifest, scoring, overlays=True, notice=said.append).was_complete
    assert "the 3 parts that are there already" in said[1]
    run(place, manifest, scoring, notice=said.append)
    assert len(said) == 2


def test_pictures_of_a_new_run_are_all_drawn(place, manifest, scoring):
    said = []
    run(place, manifest, scoring, overlays=True, notice=said.append)
    assert said == []
    assert list(place.names("overlays/"))


def test_a_run_that_makes_its_summary_is_running(place, manifest, scoring, monkeypatch):
    monkeypatch.setattr(running, "_KEEP_SECONDS", 0.01)
    made_run(place, manifest, scoring)
    stood, times = [], set()

    def summarise(manifest, place):
        stood.append(read_status(place))
        end = time.monotonic() + _LONG
        while len(times) < 3:
            assert time.monotonic() < end, "waited in vain for another report"
            times.update(report["at"] for report in read_reports(place))

    run(place, manifest, scoring, summarise=summarise)
    assert (stood[0].state, stood[0].done_inputs, stood[0].open_inputs) == ("running", 25, 0)
    assert list(place.names("progress/")) == []
