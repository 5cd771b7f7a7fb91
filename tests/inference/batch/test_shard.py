"""One shard: a row for each input, whatever it is and wherever it lies."""

import os
import time
from threading import Event
from uuid import uuid4

import cv2
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no shard is tested")
import pyarrow.parquet as pq

from cargosight_inference.batch.places import open_place
from cargosight_inference.batch.shard import Pace, Stopped, score_shard
from cargosight_models.errors import ScanError
from tests.made.batches import make_archive, planned, without_times
from tests.made.models import DARK, write_blobs
from tests.made.s3 import BUCKET, s3_server  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def inspector(scoring):
    return scoring.inspector()


def rows_in(scored):
    return pq.ParquetFile(scored.file).read().to_pylist()


def left_in(place):
    return [path.name for path in place.scratch.folder.iterdir() if path.name != "lock"]


def test_rows_in_order_and_a_count(tmp_path, place, scoring, inspector):
    make_archive(tmp_path / "in", 7)
    manifest = planned(place, scoring, [tmp_path / "in"], shard_size=4)
    seen: list[int] = []
    scored = score_shard(manifest, 1, place, inspector, advance=seen.append)
    rows = rows_in(scored)
    assert [row["number"] for row in rows] == [4, 5, 6]
    assert [row["decision"] for row in rows] == ["clear", "clear", "refer"]
    assert (scored.rows, scored.counts["clear"], scored.counts["refer"]) == (3, 2, 1)
    assert seen == [1, 2, 3]
    assert scored.file.parent == place.scratch.folder


def test_a_range(tmp_path, place, scoring, inspector):
    make_archive(tmp_path / "in", 6)
    manifest = planned(place, scoring, [tmp_path / "in"])
    scored = score_shard(manifest, 0, place, inspector, first=2, last=5)
    assert [row["number"] for row in rows_in(scored)] == [2, 3, 4]


def test_referred_scans_alone_are_drawn(tmp_path, place, scoring, inspector):
    make_archive(tmp_path / "in", 4)
    manifest = planned(place, scoring, [tmp_path / "in"])
    rows = rows_in(score_shard(manifest, 0, place, inspector, overlays=True))
    drawn = ["overlays/000000/000000-bag0.png", None, None, "overlays/000000/000003-bag3.png"]
    assert [row["overlay"] for row in rows] == drawn
    assert sorted(place.names("overlays/")) == [name for name in drawn if name]
    assert cv2.imread(str(place.folder / drawn[0])) is not None
    again = rows_in(score_shard(manifest, 0, place, inspector, overlays=True))  # after a kill
    assert [row["overlay"] for row in again] == drawn


def test_a_long_name_is_cut_by_its_bytes(tmp_path, place, scoring, inspector):
    cut = {
        "漢" * 83: "漢" * 33,  # 253 bytes with the ending, of which a name may have 255
        "a" + "é" * 100: "a" + "é" * 49,
        os.fsdecode(b"\xe9" * 200): "_xe9" * 25,
    }
    for stem in cut:
        write_blobs(tmp_path / "a.png", (64, 32, DARK)).rename(tmp_path / f"{stem}.png")
    manifest = planned(place, scoring, [tmp_path / f"{stem}.png" for stem in cut])
    rows = rows_in(score_shard(manifest, 0, place, inspector, overlays=True))
    assert [row["overlay"] for row in rows] == [
        f"overlays/000000/{number:06d}-{drawn}.png" for number, drawn in enumerate(cut.values())
    ]
    assert all(place.exists(row["overlay"]) for row in rows)


def test_a_picture_is_of_the_file_that_its_row_is_about(tmp_path, place, scoring, inspector):
    (path,) = make_archive(tmp_path / "in", 1)
    manifest = planned(place, scoring, [tmp_path / "in"])
    (row,) = rows_in(score_shard(manifest, 0, place, inspector, overlays=True))  # and then it was killed
    former = place.read(row["overlay"])
    write_blobs(path, (16, 8, DARK))
    (again,) = rows_in(score_shard(manifest, 0, place, inspector, overlays=True))
    assert (again["changed"], again["overlay"]) == (True, row["overlay"])
    drawn = place.read(again["overlay"])
    assert drawn != former
    place.delete(row["overlay"])
    score_shard(manifest, 0, place, inspector, overlays=True)
    assert place.read(row["overlay"]) == drawn


def test_a_scan_that_went_before_it_is_drawn_keeps_its_row(tmp_path, place, scoring, inspector, monkeypatch):
    make_archive(tmp_path / "in", 1)
    manifest = planned(place, scoring, [tmp_path / "in"])

    def gone(scan):
        raise ScanError("no such file")

    plain = rows_in(score_shard(manifest, 0, place, inspector))
    monkeypatch.setattr(inspector, "at_full_size", gone)
    scored = score_shard(manifest, 0, place, inspector, overlays=True)
    assert without_times(rows_in(scored)) == without_times(plain)
    assert plain[0]["decision"] == "refer"
    assert plain[0]["overlay"] is None
    assert scored.counts["refer"] == 1
    assert not list(place.names("overlays/"))


def test_stopped_between_two_inputs(tmp_path, place, scoring, inspector):
    make_archive(tmp_path / "in", 5)
    manifest = planned(place, scoring, [tmp_path / "in"])
    stop, seen = Event(), []

    def advance(done):
        seen.append(done)
        if done == 2:
            stop.set()

    with pytest.raises(Stopped):
        score_shard(manifest, 0, place, inspector, stop, advance=advance)
    assert seen == [1, 2]
    assert left_in(place) == []


def test_extra_columns_go_along(tmp_path, place, scoring, inspector):
    paths = make_archive(tmp_path / "in", 2)
    table = tmp_path / "table.csv"
    table.write_text(f"path,day,score\n{paths[0]},monday,high\n{paths[1]},tuesday,\n")
    manifest = planned(place, scoring, [table])
    rows = rows_in(score_shard(manifest, 0, place, inspector))
    assert [(row["day"], row["extra_score"]) for row in rows] == [("monday", "high"), ("tuesday", None)]


def test_inputs_of_a_storage(tmp_path, s3_server, scoring, inspector):  # noqa: F811
    """Fetched ahead, scored as if they were local, and nothing of them is left."""
    prefix = f"inputs/{uuid4().hex}"
    with open_place(f"s3://{BUCKET}/{prefix}") as source, open_place(tmp_path / "out") as place:
        for number in range(12):
            blobs = [(64, 32, DARK)] if number % 3 == 0 else []
            source.publish(f"bag{number:02d}.png", write_blobs(tmp_path / f"{number}.png", *blobs))
        source.publish("bag12.png", b"nonsense")
        manifest = planned(place, scoring, [source.url], shard_size=20)
        source.delete("bag03.png")
        source.replace("bag04.png", (tmp_path / "0.png").read_bytes())
        scored = score_shard(manifest, 0, place, inspector)
        rows = rows_in(scored)
        assert [row["path"] for row in rows] == [
            f"s3://{BUCKET}/{prefix}/bag{at:02d}.png" for at in range(13)
        ]
        assert [row["number"] for row in rows if row["decision"] == "refer"] == [0, 4, 6, 9]
        assert [row["number"] for row in rows if row["changed"]] == [4]
        assert [row["number"] for row in rows if row["fault"] == "file"] == [3, 12]
        assert "there is no file" in rows[3]["error"]
        assert place.scratch.folder.name not in str(rows)
        assert left_in(place) == [scored.file.name]


def test_urls_that_are_wrong_are_rows_among_others(tmp_path, place, s3_server, scoring, inspector):  # noqa: F811
    s3_server.client.put_object(Bucket=BUCKET, Key="cold.png", Body=b"x", StorageClass="GLACIER")
    (good,) = make_archive(tmp_path / "in", 1)
    wrong = [f"s3://{BUCKET}/cold.png", "nope://x/y.jpg", "s3://nosuchbucket/y.jpg", "s3://Bad Bucket/y.jpg"]
    (tmp_path / "list.txt").write_text("\n".join([str(good), *wrong, f"s3://{BUCKET}/", str(good)]))
    manifest = planned(place, scoring, [f"@{tmp_path / 'list.txt'}"])
    rows = rows_in(score_shard(manifest, 0, place, inspector))
    assert [row["fault"] for row in rows] == [None, *["file"] * 5, None]
    assert all(row["error"] and "\n" not in row["error"] for row in rows[1:-1])


def test_stopped_while_inputs_are_fetched(tmp_path, s3_server, scoring, inspector):  # noqa: F811
    with open_place(f"s3://{BUCKET}/stop/{uuid4().hex}") as source, open_place(tmp_path / "out") as place:
        for number in range(20):
            source.publish(f"bag{number}.png", write_blobs(tmp_path / f"{number}.png"))
        manifest = planned(place, scoring, [source.url], shard_size=20)
        stop = Event()
        with pytest.raises(Stopped):
            score_shard(manifest, 0, place, inspector, stop, advance=lambda done: stop.set())
        assert left_in(place) == []


def test_a_pace_is_held():
    pace, began = Pace(100.0), time.monotonic()
    for _ in range(21):
        pace.wait(Event())
    assert time.monotonic() - began >= 0.2


def test_a_pace_does_not_make_up_for_a_rest():
    pace = Pace(50.0)
    pace.wait(Event())
    Event().wait(0.2)
    began = time.monotonic()
    for _ in range(3):
        pace.wait(Event())
    assert time.monotonic() - began >= 0.03


def test_a_pace_ends_when_stopped():
    pace, stop = Pace(0.001), Event()
    pace.wait(stop)
    stop.set()
    began = time.monotonic()
    pace.wait(stop)
    assert time.monotonic() - began < 5.0
