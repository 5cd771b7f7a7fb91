"""Local workers that die, stall and fail: one row for every input all the same."""

import os
import signal
import sys
import time
from collections import Counter

import psutil
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

from cargosight_inference.batch import local
from cargosight_inference.batch.engine import Job
from cargosight_inference.batch.local import LocalEngine
from cargosight_inference.batch.places import BatchError, LocalPlace, open_place
from cargosight_inference.batch.rows import join_parts
from cargosight_inference.batch.running import SUCCESS
from cargosight_models.errors import UsageError
from tests.made.batches import (
    POISONED,
    blob_scoring,
    check_whole,
    make_archive,
    planned,
    rows_of,
    run,
    without_times,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX pipes and signals")


def test_every_input_has_a_row(tmp_path, place, scoring):
    paths = make_archive(tmp_path / "in", 25)
    paths[3].write_bytes(b"nonsense")
    manifest = planned(place, scoring, [tmp_path / "in"])
    paths[4].unlink()
    paths[5].touch()
    os.utime(paths[5], ns=(1, 1))
    outcome = run(place, manifest, scoring)
    rows = check_whole(place.folder, 25)
    assert outcome.complete
    assert Counter(row["decision"] for row in rows) == {"refer": 8, "clear": 15, "unreadable": 2}
    assert [row["number"] for row in rows if row["fault"] == "file"] == [3, 4]
    assert "no such file" in rows[4]["error"]
    assert [row["number"] for row in rows if row["changed"]] == [5]
    expected = {"refer": 8, "clear": 15, "unreadable": 2, "fault_file": 2, "changed": 1}
    assert outcome.tally.counts == expected


def test_one_worker_and_three_give_the_same(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 23)
    manifest = planned(place, scoring, [tmp_path / "in"], shard_size=5)
    run(place, manifest, scoring, workers=3)
    with open_place(tmp_path / "other") as other:
        run(other, planned(other, scoring, [tmp_path / "in"], shard_size=5), scoring, workers=1)
        assert without_times(rows_of(other.folder)) == without_times(rows_of(place.folder))


def test_poisoned_files_are_found_and_the_rest_goes_on(tmp_path, place, scoring):
    names = {2: "kills", 7: "leaves", 8: "once", 14: "contradicts", 19: "kills"}
    make_archive(tmp_path / "in", 24, names)
    notices: list[str] = []
    manifest = planned(place, scoring, [tmp_path / "in"])
    outcome = run(place, manifest, scoring, notice=notices.append)
    rows = check_whole(place.folder, 24)
    assert {row["number"]: row["fault"] for row in rows if row["fault"]} == {
        2: "worker",
        7: "worker",
        14: "model",
        19: "worker",
    }
    assert rows[2]["error"] == "its worker was ended by SIGKILL"
    assert rows[7]["error"] == "its worker ended with exit code 7"
    assert "not finite" in rows[14]["error"]
    assert rows[8]["decision"] == "clear"
    assert outcome.tally.counts["fault_worker"] == 3
    assert outcome.tally.counts["unreadable"] == 4
    assert any("kills2.png cannot be inspected" in notice for notice in notices)


def test_rows_of_a_divided_shard_equal_those_of_a_whole_one(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 12, {6: "once"})
    manifest = planned(place, scoring, [tmp_path / "in"], shard_size=12)
    run(place, manifest, scoring, workers=1)  # dies once
    with open_place(tmp_path / "other") as other:
        run(other, planned(other, scoring, [tmp_path / "in"], shard_size=12), scoring)
        assert without_times(rows_of(other.folder)) == without_times(rows_of(place.folder))


def test_a_part_that_could_not_be_joined_is_tried_again(tmp_path, place, scoring, monkeypatch):
    make_archive(tmp_path / "in", 5, {2: "kills"})
    manifest = planned(place, scoring, [tmp_path / "in"])
    monkeypatch.setattr(local, "_BACK_OFF_SECONDS", 0.0)
    failing = [BatchError("the disk is full"), OSError("the disk is full")]

    def join(*given):
        if failing:
            raise failing.pop()
        return join_parts(*given)

    monkeypatch.setattr(local, "join_parts", join)
    notices: list[str] = []
    outcome = run(place, manifest, scoring, retries=2, notice=notices.append)
    rows = check_whole(place.folder, 5)
    assert [row["number"] for row in rows if row["fault"]] == [2]
    assert outcome.tally.counts["unreadable"] == 1
    assert sum("is tried again: the disk is full" in notice for notice in notices) == 2
    assert sum("kills2.png cannot be inspected" in notice for notice in notices) == 1


def test_a_part_that_can_never_be_joined_ends_the_run(tmp_path, place, scoring, monkeypatch):
    make_archive(tmp_path / "in", 3, {1: "kills"})
    manifest = planned(place, scoring, [tmp_path / "in"])

    def join(*given):
        raise BatchError("the disk is full")

    monkeypatch.setattr(local, "join_parts", join)
    with pytest.raises(BatchError, match=r"the disk is full \(shard 0, tried 1 times\)"):
        run(place, manifest, scoring, retries=0)


def test_progress_that_cannot_be_written_ends_nothing(tmp_path, place, scoring, monkeypatch):
    make_archive(tmp_path / "in", 3)
    manifest = planned(place, scoring, [tmp_path / "in"])

    def refuse(*given):
        raise BatchError("the storage does not answer")

    monkeypatch.setattr(LocalPlace, "replace", refuse)
    monkeypatch.setattr(LocalPlace, "delete", refuse)
    assert run(place, manifest, scoring).complete
    check_whole(place.folder, 3)


def test_a_report_that_cannot_be_removed_ends_nothing(tmp_path, place, scoring, monkeypatch):
    make_archive(tmp_path / "in", 3)
    manifest = planned(place, scoring, [tmp_path / "in"])
    place.replace("progress/killed.json", b"{}")

    def refuse(*given):
        raise BatchError("the storage does not answer")

    monkeypatch.setattr(LocalPlace, "delete", refuse)
    assert run(place, manifest, scoring).complete
    assert place.exists(SUCCESS)


def test_the_real_failure_is_told_and_not_that_of_the_progress(tmp_path, place, scoring, monkeypatch):
    make_archive(tmp_path / "in", 3)
    manifest = planned(place, scoring, [tmp_path / "in"])

    def refuse(*given):
        raise BatchError("the storage does not answer")

    def fail(tally):
        raise BatchError("the real failure")

    monkeypatch.setattr(LocalPlace, "delete", refuse)
    with pytest.raises(BatchError, match="the real failure"):
        run(place, manifest, scoring, told=fail)


def test_a_stalled_worker_is_ended(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 6, {4: "stalls"})
    manifest = planned(place, scoring, [tmp_path / "in"])
    run(place, manifest, scoring, stall_timeout_s=2.0)
    rows = check_whole(place.folder, 6)
    assert [row["number"] for row in rows if row["fault"] == "worker"] == [4]
    assert "after 2 s" in rows[4]["error"]


def test_a_limit_of_memory(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 5, {1: "hoards"})
    manifest = planned(place, scoring, [tmp_path / "in"])
    run(place, manifest, scoring, memory_mb=4000)
    rows = check_whole(place.folder, 5)
    assert [row["number"] for row in rows if row["fault"]] == [1]
    assert "memory" in rows[1]["error"]


_FAILS_TO_LOAD = """
import sys
from cargosight_inference.batch import scoring, worker_main
from cargosight_models.errors import ContractError

def fail(self):
    raise {error}

scoring.Scoring.inspector = fail
sys.exit(worker_main.main())
"""


@pytest.mark.parametrize(
    ("error", "memory_mb", "told"),
    [
        ("MemoryError", 4000, "limited to 4000 MB.* too little for the model.*--worker-memory"),
        ("ContractError('m.onnx is no model: std::bad_alloc')", 4000, "too little for the model"),
        ("ContractError('m.onnx is no model: std::bad_alloc')", None, "is no model"),
        ("ContractError('m.onnx is no model')", 4000, "is no model"),
    ],
)
def test_a_limit_of_memory_that_is_too_small_for_the_model(tmp_path, scoring, error, memory_mb, told):
    make_archive(tmp_path / "in", 1)
    command = (sys.executable, "-c", _FAILS_TO_LOAD.format(error=error))
    with open_place(tmp_path / "out") as place:
        manifest = planned(place, scoring, [tmp_path / "in"])
        with pytest.raises(BatchError, match=told):
            run(place, manifest, scoring, workers=1, retries=0, memory_mb=memory_mb, command=command)


def test_a_machine_that_ends_every_worker_is_to_blame(tmp_path, place, scoring, monkeypatch):
    monkeypatch.setattr(local, "_MOST_BLAMED", 5)  # each takes the start of a worker or two
    make_archive(tmp_path / "in", 20, dict.fromkeys(range(20), "leaves"))  # as a broken library does
    manifest = planned(place, scoring, [tmp_path / "in"], shard_size=20)
    with pytest.raises(BatchError, match="5 inputs one after the other"):
        run(place, manifest, scoring, retries=0)
    assert not place.exists(SUCCESS)


def test_a_model_that_fails_on_every_scan_is_to_blame(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 20, dict.fromkeys(range(20), "contradicts"))
    manifest = planned(place, scoring, [tmp_path / "in"], shard_size=20)
    with pytest.raises(BatchError, match="the model failed on every scan"):
        run(place, manifest, scoring, retries=0)


def test_workers_killed_at_random(tmp_path, place, scoring):
    """Each time that something is finished, the worker that has the most to do is killed."""
    make_archive(tmp_path / "in", 40, dict.fromkeys(range(40), "slow"))
    manifest = planned(place, scoring, [tmp_path / "in"])
    killed: set[int] = set()

    def kill(tally):
        for worker in tally.workers:
            if worker["pid"] not in killed and len(killed) < 4 and worker["done"]:
                killed.add(worker["pid"])
                os.kill(worker["pid"], signal.SIGKILL)

    run(place, manifest, scoring, told=kill)
    rows = check_whole(place.folder, 40)
    assert killed
    assert not [row for row in rows if row["fault"]]


def test_stopped_and_resumed(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 30, dict.fromkeys(range(30), "slow"))
    manifest = planned(place, scoring, [tmp_path / "in"], shard_size=5)
    seen: list[int] = []
    outcome = run(
        place,
        manifest,
        scoring,
        told=lambda tally: seen.append(tally.done_shards),
        stop=lambda: bool(seen) and seen[-1] > 0,
    )
    assert not outcome.complete
    assert 0 < outcome.tally.done_shards < 6
    parts = {path.name: path.stat().st_mtime_ns for path in (place.folder / "parts").iterdir()}
    assert not psutil.Process().children(recursive=True)
    assert run(place, manifest, scoring).complete
    check_whole(place.folder, 30)
    kept = {name: (place.folder / "parts" / name).stat().st_mtime_ns for name in parts}
    assert kept == parts
    again = run(place, manifest, scoring)
    assert again.was_complete


def test_the_rate_is_held(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 24)
    manifest = planned(place, scoring, [tmp_path / "in"], shard_size=6)
    marks: list[tuple[float, int]] = []
    run(
        place,
        manifest,
        scoring,
        limit_rate=8.0,
        told=lambda tally: marks.append((time.monotonic(), tally.done)),
    )
    check_whole(place.folder, 24)
    marks = [mark for mark in marks if mark[1]]  # before, the workers start
    (began, first), (ended, last) = marks[0], marks[-1]
    assert ended - began >= (last - first - 2) / 8.0 - 0.5  # a beat late


def test_parts_that_come_while_it_ends_are_counted(tmp_path, place, scoring, monkeypatch):
    monkeypatch.setattr(local, "_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(local, "_BEAT_SECONDS", 0.0)
    make_archive(tmp_path / "in", 8, dict.fromkeys(range(8), "slow"))
    manifest = planned(place, scoring, [tmp_path / "in"], shard_size=2)
    lasts: list[int] = []  # shards that are at their last input

    def look(tally):
        lasts.extend(worker["shard"] for worker in tally.workers if worker["done"] == 1)

    outcome = run(place, manifest, scoring, workers=1, told=look, stop=lambda: bool(lasts))
    assert not outcome.complete
    assert outcome.tally.done_shards == len(list(place.folder.glob("parts/*")))
    assert outcome.tally.counts.total() == 2 * outcome.tally.done_shards


@pytest.mark.parametrize(("shard_size", "started"), [(6, 1), (3, 2)])
def test_the_rate_is_shared_by_no_more_workers_than_there_are_shards(
    tmp_path, scoring, monkeypatch, shard_size, started
):
    rates: list[float] = []

    class Told(local.Worker):
        def __init__(self, command, hello, *others):
            rates.append(hello["rate"])
            super().__init__(command, hello, *others)

    monkeypatch.setattr(local, "Worker", Told)
    make_archive(tmp_path / "in", 6)
    with open_place(tmp_path / "out") as place:
        manifest = planned(place, scoring, [tmp_path / "in"], shard_size=shard_size)
        run(place, manifest, scoring, workers=3, limit_rate=100.0)
    assert rates == [100.0 / started] * started


def test_a_divided_shard_is_held_to_the_rate(tmp_path, place, scoring):
    """Its pieces would keep several workers busy, each of them at the whole rate."""
    make_archive(tmp_path / "in", 6, {2: "kills"})
    manifest = planned(place, scoring, [tmp_path / "in"])
    most: list[int] = []
    run(
        place,
        manifest,
        scoring,
        workers=3,
        limit_rate=10.0,
        told=lambda tally: most.append(len(tally.workers)),
    )
    check_whole(place.folder, 6)
    assert max(most) == 1


def test_progress_has_a_rate_and_a_time(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 40, dict.fromkeys(range(40), "slow"))
    manifest = planned(place, scoring, [tmp_path / "in"])
    left: list[float | None] = []
    run(place, manifest, scoring, told=lambda tally: left.append(tally.left_seconds))
    known = [seconds for seconds in left if seconds is not None]
    assert known
    assert all(0.0 <= seconds < 3600.0 for seconds in known)  # on a busy machine the first scans take long
    assert known[-1] < known[0]


def test_another_model_in_the_workers_is_refused(tmp_path, place, scoring):
    make_archive(tmp_path / "in", 3)
    manifest = planned(place, scoring, [tmp_path / "in"])
    other = blob_scoring(tmp_path, threshold=0.25)
    with pytest.raises(BatchError, match="another operating_point"):
        # The engine is asked directly, as if the command had not compared the two.
        job = Job(url=place.url, scoring=other, fingerprint=manifest.fingerprint)
        list(LocalEngine(1, command=POISONED).score(job, iter([0]), lambda: False))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"workers": 0}, "0 workers"),
        ({"workers": 1, "retries": -1}, "retries"),
        ({"workers": 1, "limit_rate": 0.0}, "rate"),
        ({"workers": 1, "stall_timeout_s": float("nan")}, "stall"),
        ({"workers": 1, "memory_mb": -5}, "-5 MB of memory for a worker .* at least 1,000"),
        ({"workers": 1, "memory_mb": 0}, "0 MB of memory"),
        ({"workers": 1, "memory_mb": 999}, "999 MB of memory"),
    ],
)
def test_numbers_out_of_range(options, word):
    with pytest.raises(UsageError, match=word):
        LocalEngine(**options)
