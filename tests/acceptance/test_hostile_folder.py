"""A folder that somebody filled to do harm: the run never dies, and loses no file."""

import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.hostile import MAX_PIXELS, Hostile, make_tree
from tests.acceptance.processes import HAS_PROC, Run, cargosight, tell
from tests.made.models import make_blob_model
from tests.made.scans import encoded

pytestmark = pytest.mark.acceptance

UNREADABLE = 3
PEAK_MB = 300.0
SECONDS = 240.0
"""For one run; on a busy machine it took a seventh."""

CONTROL = re.compile("[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e]")
"""What a terminal obeys instead of showing it."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def tree(place: Path) -> dict[str, Hostile]:
    tree = make_tree(place / "tree", rounds=27, seed=20)
    assert len(tree) > 2000
    return tree


@pytest.fixture(scope="module")
def as_json(place: Path, tree: dict[str, Hostile]) -> Run:
    return inspect(place, "--json")


def inspect(place: Path, *options: str) -> Run:
    make_blob_model(place / "blobs.onnx")
    words = ("inspect", "tree", "--model", "blobs.onnx", "--threshold", "0.3", "--out", "out")
    limit = ("--max-pixels", str(MAX_PIXELS))
    return cargosight(*words, *limit, *options, cwd=place, code=UNREADABLE, timeout=2 * SECONDS)


def test_every_input_has_exactly_one_line(as_json: Run, place: Path, tree: dict[str, Hostile]) -> None:
    found = Counter(json.loads(line)["path"] for line in as_json.lines)
    assert set(found.values()) == {1}
    assert set(found) == {os.path.relpath(path, place) for path in tree}


def test_what_must_be_read_is_read_and_what_must_not_is_not(
    as_json: Run, place: Path, tree: dict[str, Hostile]
) -> None:
    for line in as_json.lines:
        found = json.loads(line)
        hostile = tree[str(place / found["path"])]
        is_readable = found["decision"] != "unreadable"
        assert hostile.readable in (None, is_readable), f"{hostile.how}: {found}"
        assert is_readable or 20 < len(found["error"]) < 400, found


def test_every_input_has_exactly_one_inspection_in_a_file(
    as_json: Run, place: Path, tree: dict[str, Hostile]
) -> None:
    written = inspections(place / "out")
    assert Counter(found["path"] for found in written.values()) == Counter(
        os.path.relpath(path, place) for path in tree
    )
    by_path = {found["path"]: found for found in map(json.loads, as_json.lines)}
    for file, found in written.items():
        assert found == by_path[found["path"]] | {"absolute_path": str(place / str(found["path"]))}
        overlay = Path(file.removesuffix(".inspection.json") + ".overlay.png")
        assert overlay.is_file() == (found["decision"] != "unreadable")
    assert not [path for path in (place / "out").rglob("*") if path.name.endswith(".part")]


def test_no_traceback(as_json: Run) -> None:
    """Standard error holds the closing sentence, and lines of libjpeg and libpng, which write past OpenCV."""
    *noise, summary = as_json.errors.splitlines()
    assert re.match(r"2,\d\d\d scans: ", summary), summary
    assert not [line for line in noise if "Traceback" in line or line.startswith((" ", "cargosight"))]


@pytest.mark.skipif(not HAS_PROC, reason="memory is read from /proc")
def test_time_and_memory_are_bounded(as_json: Run) -> None:
    tell(f"{len(as_json.lines)} hostile files: {as_json.seconds:.0f} s, peak {as_json.peak_mb:.0f} MB")
    assert as_json.seconds < SECONDS
    assert as_json.peak_mb < PEAK_MB


def test_again_for_a_terminal(as_json: Run, place: Path, tree: dict[str, Hostile]) -> None:
    """One line for each file even where its name holds line ends, none of which the terminal obeys.

    The results replace those of the run before: every input keeps the names of its files.
    """
    before = {file: found["path"] for file, found in inspections(place / "out").items()}
    run = inspect(place)
    assert len(run.lines) == len(tree)
    obeyed = [line for line in run.lines if CONTROL.search(line.decode("utf-8"))]
    assert not obeyed, obeyed[:5]
    assert {file: found["path"] for file, found in inspections(place / "out").items()} == before


def test_arguments_that_are_no_files(place: Path) -> None:
    """Each gives an inspection of its own, and none is waited for."""
    odd = place / "odd"
    odd.mkdir()
    (odd / "gone.png").symlink_to(odd / "nowhere.png")
    (odd / "circle.png").symlink_to(odd / "circle.png")
    os.mkfifo(odd / "pipe.png")
    make_blob_model(place / "blobs.onnx")
    words = ("--model", "blobs.onnx", "--threshold", "0.3", "--out", "odd-out", "--json")
    named = ["odd/gone.png", "odd/circle.png", "odd/pipe.png", "/dev/zero"]
    run = cargosight("inspect", *named, *words, cwd=place, code=UNREADABLE, timeout=60.0)
    found = [json.loads(line) for line in run.lines]
    assert [one["path"] for one in found] == named
    assert {one["decision"] for one in found} == {"unreadable"}
    assert sorted(str(one["path"]) for one in inspections(place / "odd-out").values()) == sorted(named)


def test_an_output_folder_with_other_things_in_it(place: Path) -> None:
    """Files and folders where the results should go: no input is lost, and nothing there is."""
    for name in ("a/bag.png", "b/bag.png", "c/bag.png"):
        (place / "three" / name).parent.mkdir(parents=True)
        (place / "three" / name).write_bytes(encoded("png"))
    out = place / "taken"
    (out / "b" / "bag.inspection.json").mkdir(parents=True)
    (out / "a").write_text("a file", encoding="utf-8")
    (out / "c").mkdir()
    (out / "c" / "bag.inspection.json").write_text("no inspection", encoding="utf-8")
    make_blob_model(place / "blobs.onnx")
    cargosight("inspect", "three", "--model", "blobs.onnx", "--threshold", "0.3", "--out", out, cwd=place)
    others = {out / "a": "a file", out / "c" / "bag.inspection.json": "no inspection"}
    for path, text in others.items():
        assert path.read_text(encoding="utf-8") == text
        path.unlink()
    assert sorted(str(one["path"]) for one in inspections(out).values()) == [
        f"three/{name}/bag.png" for name in "abc"
    ]


def inspections(out: Path) -> dict[str, dict[str, object]]:
    """Every inspection below a folder, by its file."""
    return {
        str(file): json.loads(file.read_bytes().decode("utf-8", "surrogateescape"))
        for file in out.rglob("*.inspection.json")
        if file.is_file()
    }
