"""What the command line inspects: the stream of inputs that its arguments stand for."""

import os
import sys
from pathlib import Path
from threading import Event

import pytest

from cargosight_inference.inputs import check_arguments, expand, natural_key
from cargosight_inference.inspector import Inspector
from cargosight_inference.results import ResultWriter
from cargosight_models.errors import UsageError
from tests.made.models import make_blob_model, write_blobs


@pytest.fixture
def scans(tmp_path):
    """bag1, bag2, bag10 in a subfolder; and things that are no scans."""
    folder = tmp_path / "scans"
    write_blobs(folder / "bag2.png")
    write_blobs(folder / "bag1.jpg")
    write_blobs(folder / "more" / "bag10.webp")
    (folder / "notes.txt").write_text("no scan")
    (folder / ".hidden.png").write_bytes(b"hidden")
    return folder


def test_expanding_holds_nothing_and_tells_the_place_below_a_folder(scans):
    found = [(Path(item.path).name, item.place) for item in expand([str(scans)], stop=Event())]
    assert found == [("bag1.jpg", ""), ("bag2.png", ""), ("bag10.webp", "more")]


def test_a_scan_under_a_strange_name_is_found_by_its_content(scans):
    (scans / "bag2.png").rename(scans / "export.001")
    names = [Path(item.path).name for item in expand([str(scans)], stop=Event())]
    assert names == ["bag1.jpg", "export.001", "bag10.webp"]


def test_a_file_named_by_hand_is_always_taken(scans):
    notes = str(scans / "notes.txt")
    assert [item.path for item in expand([notes], stop=Event())] == [notes]


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(tmp_path):
    path = str(write_blobs(tmp_path / "bag[1].png"))
    check_arguments([path])
    assert [item.path for item in expand([path], stop=Event())] == [path]


def test_a_folder_comes_in_its_place_among_the_files_beside_it(tmp_path):
    for name in ("b/2.png", "b/c/1.png", "a.png", "c.png", "b/10.png", "b/d/1.png"):
        write_blobs(tmp_path / name)
    found = [
        (os.path.relpath(item.path, tmp_path), item.place) for item in expand([str(tmp_path)], stop=Event())
    ]
    assert found == [
        ("a.png", ""),
        ("b/2.png", "b"),
        ("b/10.png", "b"),
        ("b/c/1.png", "b/c"),
        ("b/d/1.png", "b/d"),
        ("c.png", ""),
    ]


@pytest.mark.parametrize("pattern", ["**", "**/", "**/*", "*"])
def test_a_scan_that_a_pattern_matches_beside_its_folder_comes_once(tmp_path, pattern):
    for name in ("1.png", "a/2.png", "a/b/3.png", "a10/4.png"):
        write_blobs(tmp_path / name)
    found = [os.path.relpath(item.path, tmp_path) for item in expand([f"{tmp_path}/{pattern}"], stop=Event())]
    assert found == ["1.png", "a/2.png", "a/b/3.png", "a10/4.png"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may list any folder")
def test_a_folder_that_cannot_be_listed_is_an_input_of_its_own(scans):
    (scans / "more").chmod(0)
    try:
        assert str(scans / "more") in [item.path for item in expand([str(scans)], stop=Event())]
    finally:
        (scans / "more").chmod(0o755)


LEVELS = 300


@pytest.fixture
def deep(tmp_path):
    """Folders `d` in one another with a scan in the lowest, and Python that may not call itself as deep."""
    path = tmp_path / "deep"
    write_blobs(path / "/".join("d" * LEVELS) / "bag.png")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(LEVELS)
    yield path
    sys.setrecursionlimit(limit)


def test_folders_may_lie_deeper_than_python_calls_itself(deep):
    write_blobs(deep / "a.png")
    write_blobs(deep / "e.png")
    found = [
        Path(item.path).name for item in expand([str(deep)], skip_folder=deep / "d" / "out", stop=Event())
    ]
    assert found == ["a.png", "bag.png", "e.png"]


def test_results_find_their_place_however_deep_it_is(deep, tmp_path):
    inspector = Inspector(make_blob_model(tmp_path / "blobs.onnx"), threshold=0.5)
    (item,) = expand([str(deep)], stop=Event())
    with ResultWriter(tmp_path / "out") as writer:
        writer.write(inspector.inspect(item.path), None, item.place)
    assert (tmp_path / "out" / "/".join("d" * LEVELS) / "bag.inspection.json").is_file()


def test_a_pattern_over_folders_that_lie_too_deep_is_a_sentence(deep):
    with pytest.raises(UsageError, match=r"lie too deep for a pattern with .*give the folder itself"):
        check_arguments([str(deep / "**" / "*.png")])


def test_arguments_are_checked_before_any_work(tmp_path):
    with pytest.raises(UsageError, match="nothing matches"):
        check_arguments([str(tmp_path), str(tmp_path / "*.none")])


def test_a_search_of_folders_can_be_told_to_stop(scans):
    stop = Event()
    found = expand([str(scans)], stop=stop)
    assert next(found).path == str(scans / "bag1.jpg")
    stop.set()
    assert list(found) == []


def test_natural_order():
    names = ["b2", "a10", "a9", "a", "a09b", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "a9", "a09b", "a10", "b2"]
