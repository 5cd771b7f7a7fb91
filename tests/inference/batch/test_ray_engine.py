"""What the Ray engine refuses before any cluster is there; runs on a cluster are acceptance tests."""

import importlib.util

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

from cargosight_inference.batch import ray_engine
from cargosight_inference.batch.engine import Job
from cargosight_inference.batch.ray_engine import Here, RayEngine, Refused, score_in_task
from cargosight_models.errors import MissingExtraError, UsageError
from tests.made.batches import blob_scoring


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(ray_engine, "find_spec", lambda name: importlib.util.find_spec("json"))


def test_without_ray_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(ray_engine, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"--engine ray.*cargosight\[ray\]"):
        RayEngine(2)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"workers": 0}, "0 workers"),
        ({"retries": -1}, "-1 retries"),
        ({"stall_timeout_s": 0.0}, "more than 0"),
        ({"address": "ray://head:10001"}, "--ray-address auto"),
    ],
)
def test_misuse(installed, options, told):
    with pytest.raises(UsageError, match=told):
        RayEngine(**options)


def test_a_task_that_cannot_go_on_says_why(tmp_path):
    job = Job(url=str(tmp_path / "nowhere"), scoring=blob_scoring(tmp_path), fingerprint="0" * 64)
    settings = {"retries": 0, "stall_timeout_s": 5.0, "limit_rate": None, "memory_mb": None}
    here, refused = score_in_task(settings, job.to_dict(), [0])
    assert isinstance(here, Here)
    assert isinstance(refused, Refused)
    assert "no run in" in refused.sentence
