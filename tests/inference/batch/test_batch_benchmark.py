"""The benchmark of a batch run, on the fewest scans that it takes."""

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

import psutil

from cargosight_inference.benchmark import batch_process, batch_run
from cargosight_inference.benchmark.archive import TINY, make_archive
from cargosight_models.catalog import find_model
from cargosight_models.errors import UsageError
from tests.made.waiting import until


def run_over(table, out):
    return batch_process.command(table, out, model=str(TINY), threshold=0.3, workers=1)


def test_two_workers_one_and_the_bare_calls_are_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(batch_run, "LEAST_SCANS", 40)
    monkeypatch.setattr(batch_run, "_TURN_SECONDS", 0.3)  # several turns
    found = batch_run.measure_batch(find_model(TINY), tmp_path / "batch", 40)
    assert found.scans == 40
    assert found.bare_ms.count > 1
    assert found.cpu_ms / found.bare_ms.highest <= found.ratio <= found.cpu_ms / found.bare_ms.lowest
    assert found.seconds > 0.3
    assert found.last_mb is None or found.last_mb > 0.0
    assert found.against_one > 0.0


def test_a_run_whose_turn_it_is_not_stands_still(tmp_path):
    words = run_over(make_archive(tmp_path, 2000), tmp_path / "out")
    with batch_process.planned_turns(words, tmp_path / "out") as turns:
        group = psutil.Process(turns.process.pid)
        turns.take(0.5)
        used = turns.seconds
        until(lambda: {one.status() for one in [group, *group.children()]} == {psutil.STATUS_STOPPED})
        assert not turns.is_over
        turns.take(60.0)
        assert turns.is_over
        assert turns.cpu_seconds > 0.0
        assert turns.seconds > used
    assert (tmp_path / "out" / "_SUCCESS").exists()


def test_a_run_that_cannot_be_planned_is_told(tmp_path):
    words = run_over(tmp_path / "none.csv", tmp_path / "out")
    with (
        pytest.raises(UsageError, match=r"ended with exit code \d+: .*none\.csv"),
        batch_process.planned_turns(words, tmp_path / "out"),
    ):
        pytest.fail("it was planned")


def test_fewer_scans_than_tell_anything_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"999 scans for the batch run; expected 1,000 or more"):
        batch_run.measure_batch(find_model(TINY), tmp_path / "batch", 999)
