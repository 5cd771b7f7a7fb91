"""Two runs compared: what is joined, what changed, and the page."""

import json
import os
import re

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is compared")
import pyarrow.parquet as pq

from cargosight_inference.batch import compare_page, joining
from cargosight_inference.batch.compare import CHANGES, change_of, compare_runs
from cargosight_inference.batch.compare_page import page, write_page
from cargosight_inference.batch.compare_text import described
from cargosight_inference.batch.places import BatchError, open_place
from cargosight_inference.batch.plan import read_shard
from cargosight_inference.batch.rows import fault_row, join_parts
from cargosight_models.errors import UsageError
from tests.made.batches import made_run, make_archive, planned
from tests.made.models import DARK, write_blobs


@pytest.fixture
def former(tmp_path):
    with open_place(tmp_path / "former") as opened:
        yield opened


def finished(place, scoring, *sources, shard_size=10):
    manifest = planned(place, scoring, sources, shard_size=shard_size)
    made_run(place, manifest, scoring)
    return manifest


def end_worker(place, manifest, number):
    """Give an input of a finished run of one shard the row of one that ended its worker."""
    part = place.folder / manifest.part_name(0)
    rows = pq.read_table(part).to_pylist()
    planned_input = read_shard(manifest, place, 0)[number]
    rows[number] = fault_row(planned_input, manifest.what, "its worker ended by SIGKILL", "worker")
    part.unlink()
    join_parts(part, rows)


def row(decision, score=None, labels=()):
    return {"decision": decision, "score": score, "findings": [{"label": label} for label in labels]}


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        (row("clear"), row("refer", 0.9, ["gun"]), "new_alarm"),
        (row("unreadable"), row("refer", 0.9, ["gun"]), "new_alarm"),
        (row("refer", 0.9, ["gun"]), row("clear"), "lost_alarm"),
        (row("refer", 0.9, ["gun"]), row("unreadable"), "lost_alarm"),
        (row("clear"), row("unreadable"), "now_unreadable"),
        (row("unreadable"), row("clear"), "now_readable"),
        (row("refer", 0.9, ["gun"]), row("refer", 0.9, ["gun", "knife"]), "findings"),
        (row("refer", 0.9, ["gun"]), row("refer", 0.8, ["gun"]), "score"),
        (row("refer", 0.9, ["gun"]), row("refer", 0.901, ["gun"]), "same"),
        (row("clear"), row("clear"), "same"),
        (None, row("clear"), "added"),
        (row("clear"), None, "removed"),
    ],
)
def test_every_change_has_a_name(before, now, change):
    assert change_of(now, before) == change
    assert change in CHANGES


def test_what_changed_is_told(tmp_path, place, former, scoring):
    paths = make_archive(tmp_path / "in", 24)  # every third is dark
    finished(former, scoring, tmp_path / "in")
    write_blobs(paths[1], (64, 32, DARK))  # a new alarm
    write_blobs(paths[3])  # a lost one
    paths[2].write_bytes(b"nonsense")
    paths[23].unlink()
    make_archive(tmp_path / "in" / "more", 1)
    manifest = finished(place, scoring, tmp_path / "in", shard_size=7)
    found = compare_runs(manifest, place, former)
    assert {name: count for name, count in found.changes.items() if count} == {
        "new_alarm": 1,
        "lost_alarm": 1,
        "now_unreadable": 1,
        "same": 20,
        "removed": 1,
        "added": 1,
    }
    assert found.other_content == 3
    assert found.decisions["clear", "refer"] == 1
    rows = pq.read_table(place.folder / found.name / "comparison.parquet").to_pylist()
    assert len(rows) == 25
    (alarm,) = (one for one in rows if one["change"] == "new_alarm")
    assert (alarm["path"], alarm["joined_by"]) == (str(paths[1]), "path")
    assert (alarm["former_labels"], alarm["labels"]) == ([], ["dark"])
    assert alarm["score_difference"] == pytest.approx(alarm["score"])
    told = json.loads(place.read(f"{found.name}/comparison.json"))
    assert told["changes"]["new_alarm"] == 1
    rates = told["alarm_rate"]
    assert [(rates[run]["count"], rates[run]["of"]) for run in ("former", "now")] == [(8, 23), (8, 22)]
    text = described(found)
    assert re.search(r"1  new alarms", text)
    assert f"clear -> refer {alarm['score']:.2f} (dark)  {paths[1]}" in text


def test_an_archive_that_was_moved_is_joined_by_its_bytes(tmp_path, place, former, scoring, monkeypatch):
    monkeypatch.setattr(joining, "_BUCKET_ROWS", 3)
    paths = [
        write_blobs(tmp_path / "in" / f"{number}.png", (8 * number, 32, DARK)) for number in range(1, 10)
    ]
    finished(former, scoring, tmp_path / "in")
    (tmp_path / "in").rename(tmp_path / "moved")
    manifest = finished(place, scoring, tmp_path / "moved")
    found = compare_runs(manifest, place, former)
    assert found.changes == {"same": 9}
    rows = pq.read_table(place.folder / found.name / "comparison.parquet").to_pylist()
    assert {one["joined_by"] for one in rows} == {"sha256"}
    assert {one["former_path"] for one in rows} == {str(path) for path in paths}


def test_an_input_that_is_there_twice_is_joined_in_order(tmp_path, place, former, scoring):
    (path,) = make_archive(tmp_path / "in", 1)
    finished(former, scoring, path, path)
    manifest = finished(place, scoring, path, path, path)
    assert compare_runs(manifest, place, former).changes == {"same": 2, "added": 1}


def test_the_page_needs_nothing_beside_it(tmp_path, place, former, scoring):
    paths = make_archive(tmp_path / "in" / "<b>&'", 6)
    finished(former, scoring, tmp_path / "in")
    write_blobs(paths[1], (64, 32, DARK))
    write_blobs(paths[2], (64, 32, DARK))
    manifest = finished(place, scoring, tmp_path / "in")
    paths[2].unlink()
    found = compare_runs(manifest, place, former)
    text = place.read(write_page(found, place)).decode()
    assert text.count("<img ") == 1
    assert 'src="data:image/jpeg;base64,' in text
    assert text.count('class="none"') == 1
    assert "no such file" in text
    assert "<b>&'" not in text
    assert "&lt;b&gt;&amp;" in text
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert "<script" not in text
    assert "default-src 'none'" in text
    # Made again it takes the place of the former one.
    assert compare_runs(manifest, place, former).name == found.name
    assert page(found, place) == text
    assert not [file for file in place.folder.glob(".scratch/*/*") if file.name != "lock"]


def test_what_ended_its_worker_is_not_read_for_a_picture(tmp_path, place, former, scoring, monkeypatch):
    paths = make_archive(tmp_path / "in", 5)
    before = finished(former, scoring, tmp_path / "in")
    write_blobs(paths[2], (64, 32, DARK))
    manifest = finished(place, scoring, tmp_path / "in")
    end_worker(place, manifest, 1)
    end_worker(former, before, 4)
    read, real = [], compare_page.read_scan
    monkeypatch.setattr(
        compare_page, "read_scan", lambda file, options: read.append(file) or real(file, options)
    )
    found = compare_runs(manifest, place, former)
    assert (found.changes["now_unreadable"], found.changes["now_readable"]) == (1, 1)
    text = page(found, place)
    assert read == [str(paths[2])]
    assert text.count("no picture: it ended its worker") == 2
    assert text.count("its worker ended by SIGKILL") == 2


def test_a_name_that_is_no_utf8_has_its_picture(tmp_path, place, former, scoring):
    folder = tmp_path / "in"
    write_blobs(folder / "a.png").rename(folder / os.fsdecode(b"caf\xe9.png"))
    write_blobs(folder / r"caf\xe9.png")  # another one, of which the row tells the same path
    write_blobs(folder / r"tea\xe9.png")
    finished(former, scoring, folder)
    for path in folder.iterdir():
        blobs = [(64, 32, DARK)] if path.name.startswith("caf") else [(64, 32, DARK), (8, 8, DARK)]
        write_blobs(folder / "b.png", *blobs).rename(path)
    manifest = finished(place, scoring, folder)
    (folder / r"caf\xe9.png").unlink()
    text = page(compare_runs(manifest, place, former), place)
    assert text.count("<img ") == 2
    assert text.count('class="none"') == 1


def test_what_cannot_be_compared_is_told(tmp_path, place, former, scoring):
    make_archive(tmp_path / "in", 3)
    manifest = planned(place, scoring, [tmp_path / "in"])
    with pytest.raises(UsageError, match="no batch run"):
        compare_runs(manifest, place, former)
    finished(former, scoring, tmp_path / "in")
    with pytest.raises(BatchError, match="not complete"):
        compare_runs(manifest, place, former)
