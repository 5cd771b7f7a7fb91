"""What the Ray engine refuses before any cluster is there; runs on a cluster are acceptance tests."""

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

from cargosight_inference.batch import local, ray_engine
from cargosight_inference.batch.engine import Job, Notice, ShardDone
from cargosight_inference.batch.places import BatchError
from cargosight_inference.batch.ray_engine import RayEngine
from cargosight_inference.batch.ray_task import Here, Refused, score_in_task
from cargosight_models.errors import MissingExtraError, UsageError
from tests.made.batches import blob_scoring


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(ray_engine, "find_spec", lambda name: importlib.util.find_spec("json"))


class FakeRay(SimpleNamespace):
    """Ray as far as a run asks of it: tasks end at once, with every shard done.

    Attributes:
        handed_in: the settings of each task.
    """

    def __init__(self, *, connected: bool) -> None:
        super().__init__(is_initialized=lambda: connected, get=lambda said: said, handed_in=[])

    def init(self, **_: object) -> None:
        raise AssertionError("Ray was asked to connect")

    def remote(self, **_: object) -> Any:
        return lambda function: SimpleNamespace(remote=self._hand_in)

    def wait(self, streams: Sequence[Any], **_: object) -> tuple[Sequence[Any], list[Any]]:
        return streams, []

    def _hand_in(self, settings: dict[str, Any], job: object, shards: Sequence[int]) -> Iterator[ShardDone]:
        self.handed_in.append(settings)
        return iter([ShardDone(shard, {}) for shard in shards])


def fake_ray(monkeypatch, *, connected):
    ray = FakeRay(connected=connected)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.exceptions", SimpleNamespace(RayError=ConnectionError))
    return ray


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


def test_what_ray_sends_into_a_task_does_not_reach_the_engine(monkeypatch):
    class Made:
        def __init__(self, workers, **settings):
            pass

        def score(self, job, shards, stop):
            yield from [Notice("one"), Notice("two")]  # a list takes nothing that is sent

    monkeypatch.setattr(local, "LocalEngine", Made)
    monkeypatch.setattr(Job, "from_dict", lambda found: found)
    task = score_in_task({}, {}, [0])
    assert isinstance(next(task), Here)
    assert [task.send(True), task.send(True)] == [Notice("one"), Notice("two")]


def test_a_task_that_cannot_go_on_says_why(tmp_path):
    job = Job(url=str(tmp_path / "nowhere"), scoring=blob_scoring(tmp_path), fingerprint="0" * 64)
    settings = {"retries": 0, "stall_timeout_s": 5.0, "limit_rate": None, "memory_mb": None}
    here, refused = score_in_task(settings, job.to_dict(), [0])
    assert isinstance(here, Here)
    assert isinstance(refused, Refused)
    assert "no run in" in refused.sentence


def test_an_address_with_nothing_there_is_told_before_ray_tries_it(tmp_path, installed, monkeypatch):
    fake_ray(monkeypatch, connected=False)
    job = Job(url=str(tmp_path), scoring=blob_scoring(tmp_path), fingerprint="0" * 64)
    with pytest.raises(BatchError, match="no Ray cluster at 127"):
        list(RayEngine(1, address="127.0.0.1:1").score(job, iter([0]), lambda: False))


@pytest.mark.parametrize(("shards", "rate"), [(1, 8.0), (2, 4.0), (10, 2.0)])
def test_the_rate_is_shared_by_no_more_tasks_than_there_are_shards(
    tmp_path, installed, monkeypatch, shards, rate
):
    ray = fake_ray(monkeypatch, connected=True)
    job = Job(url=str(tmp_path), scoring=blob_scoring(tmp_path), fingerprint="0" * 64)
    events = list(RayEngine(4, limit_rate=8.0).score(job, iter(range(shards)), lambda: False))
    assert sorted(event.shard for event in events) == list(range(shards))
    assert {settings["limit_rate"] for settings in ray.handed_in} == {rate}
