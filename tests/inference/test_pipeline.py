"""Many scans: in order, bounded, one result for each, and no thread left behind."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.inspector import Inspector
from cargosight_inference.pipeline import inspect_many, inspect_with_scans
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import ContractError, UsageError
from tests.made.models import DARK, blob_pixels, make_blob_model, write_blobs


@pytest.fixture(scope="module")
def inspector(tmp_path_factory):
    return Inspector(make_blob_model(tmp_path_factory.mktemp("models") / "blobs.onnx"), threshold=0.5)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """A dark bag, a clear one, a broken file and a missing one."""
    folder = tmp_path_factory.mktemp("scans")
    broken = folder / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff but no more")
    return [
        write_blobs(folder / "dark.png", (64, 32, DARK)),
        write_blobs(folder / "clear.png"),
        broken,
        folder / "missing.png",
    ]


DECISIONS = ["refer", "clear", "unreadable", "unreadable"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@given(
    order=st.lists(st.integers(0, 3), max_size=25),
    decoders=st.integers(1, 3),
    queue=st.integers(1, 6),
)
@settings(max_examples=25, deadline=None)
def test_one_inspection_for_each_input_in_order(inspector, paths, order, decoders, queue):
    sources = [paths[number] for number in order]
    found = list(inspect_many(inspector, sources, decoders=decoders, queue=queue))
    assert [inspection.path for inspection in found] == [str(source) for source in sources]
    assert [inspection.decision for inspection in found] == [DECISIONS[number] for number in order]


def test_streaming_says_what_inspecting_one_by_one_says(inspector, paths):
    for streamed, path in zip(inspector.stream(paths), paths, strict=True):
        alone = inspector.inspect(path).to_dict()
        assert streamed.to_dict() | {"timings_ms": None} == alone | {"timings_ms": None}


def test_scans_come_beside_their_inspections_when_asked_for(inspector, paths):
    pairs = list(inspect_with_scans(inspector, paths))
    assert [scan is None for _, scan in pairs] == [False, False, True, True]
    assert all(scan is None or scan.sha256 == inspection.sha256 for inspection, scan in pairs)


def test_a_generator_is_drawn_only_as_far_ahead_as_the_queue(inspector, paths):
    drawn = []

    def endless():
        while True:
            drawn.append(len(drawn))
            yield paths[1]

    stream = inspector.stream(endless(), queue=3)
    for done in range(1, 40):
        next(stream)
        assert len(drawn) <= done + 3
    stream.close()
    assert len(drawn) <= 39 + 3


def test_an_early_stop_ends_the_threads(inspector, paths):
    stream = inspector.stream(paths[1] for _ in range(1000))
    next(stream)
    assert any(thread.name.startswith("cargosight") for thread in threading.enumerate())
    stream.close()
    assert not any(thread.name.startswith("cargosight") for thread in threading.enumerate())


def test_an_abandoned_stream_ends_its_threads(inspector, paths):
    for inspection in inspector.stream(paths[1] for _ in range(1000)):
        assert inspection.decision == "clear"
        break
    del inspection
    assert not any(thread.name.startswith("cargosight") for thread in threading.enumerate())


def test_a_stream_that_was_never_started_has_no_threads(inspector, paths):
    before = threading.active_count()
    stream = inspector.stream(paths)
    assert threading.active_count() == before
    stream.close()


def test_an_exception_in_the_consumer_ends_the_threads(inspector, paths):
    def consume():
        for _ in inspector.stream(paths[1] for _ in range(1000)):
            raise KeyError("consumer")

    with pytest.raises(KeyError):
        consume()


@pytest.mark.parametrize("decoders", [1, 3])
def test_an_error_of_the_source_comes_out_after_what_came_before_it(inspector, paths, decoders):
    def failing():
        yield paths[0]
        yield paths[1]
        raise OSError("the list ended in the middle")

    stream = inspector.stream(failing(), decoders=decoders)
    assert next(stream).decision == "refer"
    assert next(stream).decision == "clear"
    with pytest.raises(OSError, match="in the middle"):
        next(stream)


def test_a_misuse_comes_out_of_the_stream(inspector):
    cargo = Scan.in_memory(blob_pixels(), kind="pseudocolour", subject="cargo")
    with pytest.raises(UsageError, match="choose a model for cargo"):
        list(inspector.stream([cargo]))


def test_a_failing_model_comes_out_of_the_stream(tmp_path, paths):
    path = make_blob_model(tmp_path / "nan.onnx", score_scale=float("nan"))
    with pytest.raises(ContractError, match="nan"):
        list(Inspector(path, threshold=0.5).stream(paths))


def test_a_source_that_waits_does_not_hold_up_earlier_results(inspector, paths):
    """A list that arrives line by line: each result comes before the next line is there."""
    release = threading.Event()

    def slow():
        yield paths[0]
        assert release.wait(20.0)
        yield paths[1]

    stream = inspector.stream(slow(), queue=4)
    started = time.monotonic()
    assert next(stream).decision == "refer"
    assert time.monotonic() - started < 10.0
    release.set()
    assert [inspection.decision for inspection in stream] == ["clear"]


def test_a_source_that_blocks_is_told_to_stop_before_it_is_waited_for(inspector, paths):
    stop = threading.Event()

    def blocking():
        yield paths[0]
        stop.wait(20.0)

    stream = inspect_many(inspector, blocking(), stop=stop)
    next(stream)
    started = time.monotonic()
    stream.close()
    assert time.monotonic() - started < 10.0


def test_reading_happens_in_other_threads(inspector, paths, monkeypatch):
    names = []
    prepare = inspector.prepare

    def noting(source, **settings):
        names.append(threading.current_thread().name)
        return prepare(source, **settings)

    monkeypatch.setattr(inspector, "prepare", noting)
    list(inspector.stream(paths, decoders=2))
    assert len(names) == len(paths)
    assert all(name.startswith("cargosight-decoder") for name in names)


@pytest.mark.parametrize("settings_", [{"decoders": 0}, {"queue": 0}])
def test_settings_are_checked_at_once(inspector, settings_):
    with pytest.raises(UsageError, match="expected 1 or more"):
        inspector.stream([], **settings_)


def test_one_path_is_not_taken_for_a_list_of_paths(inspector):
    with pytest.raises(UsageError, match="expected an iterable"):
        inspector.stream("bag.png")


def test_several_streams_of_one_inspector_may_run_at_once(inspector, paths):
    first, second = inspector.stream(paths), inspector.stream(reversed(paths))
    together = [(a.decision, b.decision) for a, b in zip(first, second, strict=True)]
    assert together == list(zip(DECISIONS, reversed(DECISIONS), strict=True))
