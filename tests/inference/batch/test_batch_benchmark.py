"""The benchmark of a batch run, on the fewest scans that it takes."""

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

from cargosight_inference.benchmark import batch_run
from cargosight_inference.benchmark.archive import TINY
from cargosight_models.catalog import find_model
from cargosight_models.errors import UsageError


def test_two_workers_one_and_the_bare_calls_are_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(batch_run, "LEAST_SCANS", 40)
    found = batch_run.measure_batch(find_model(TINY), tmp_path / "batch", 40)
    assert found.scans == 40
    assert found.bare_ms.count == found.ratio.count == 3
    assert found.ratio.lowest == pytest.approx(found.cpu_ms / found.bare_ms.highest)
    assert found.seconds > 0.0
    assert found.against_one > 0.0


def test_fewer_scans_than_tell_anything_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"999 scans for the batch run; expected 1,000 or more"):
        batch_run.measure_batch(find_model(TINY), tmp_path / "batch", 999)
