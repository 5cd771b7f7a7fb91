"""`cargosight bench`: it measures what it says; the figures themselves are not asserted."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from cargosight_inference import cli
from cargosight_inference.benchmark import processes
from cargosight_inference.benchmark.images import HEIGHT, WIDTH, make_images
from cargosight_inference.benchmark.measures import Spread, memory
from cargosight_inference.benchmark.processes import growth
from cargosight_inference.scans.readers import read_scan
from cargosight_models.contract import InputContract
from cargosight_models.errors import UsageError
from tests.made.models import blob_contract, make_blob_model, write_blobs


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(make_blob_model(tmp_path_factory.mktemp("models") / "blobs.onnx"))


def run(*arguments) -> int:
    return cli.main(["bench", *map(str, arguments)])


def test_everything_is_measured_in_one_run(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("cargosight_inference.commands.bench.rival_is_installed", lambda: False)
    paths = [write_blobs(tmp_path / f"bag{i}.jpg") for i in range(3)]
    settings = ("--model", model, "--rounds", 2, "--starts", 2, "--scans", 40, "--json")
    assert run(*paths, *settings) == 0
    found = json.loads(capsys.readouterr().out)
    overhead = found["overhead"]
    assert overhead["ratio"]["count"] == 2
    assert overhead["bare"]["median"] > 0.0
    assert overhead["ratio"]["lowest"] <= overhead["ratio"]["median"] <= overhead["ratio"]["highest"]
    assert found["start"]["seconds"]["median"] > 0.05
    assert found["start"]["peak_mb"]["median"] > 20.0
    assert found["memory"]["scans"] == 40
    assert found["memory"]["checkpoints"][-1][0] == 40
    assert found["memory"]["peak_mb"] > 20.0
    assert found["rival"] is None
    assert "not installed" in found["notes"][0]


def test_text_names_the_targets_and_only_what_was_asked_for(model, tmp_path, capsys):
    path = write_blobs(tmp_path / "bag.jpg")
    assert run(path, "--model", model, "--only", "overhead", "--rounds", 1) == 0
    shown = capsys.readouterr().out
    assert "ratio" in shown
    assert "target 1.15" in shown
    assert "memory" not in shown


def test_the_projection_is_measured(model, tmp_path, capsys):
    path = write_blobs(tmp_path / "bag.jpg")
    words = (path, "--model", model, "--only", "projection", "--rounds", 1)
    assert run(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)["projection"]
    assert found["energies"] == [6.0, 4.0]
    assert found["full"]["count"] == 5
    assert found["full"]["median"] > found["sparse"]["median"] > 0.0
    assert run(*words) == 0
    assert "CPU-ms for 256 x 256 pixels, 2 energies" in capsys.readouterr().out


@pytest.mark.acceptance
def test_a_large_scan_is_measured_of_a_model_that_reads_cargo_in_tiles(model, tmp_path, capsys):
    tiled = InputContract(shapes=((512, 1024),), colour="radiograph", resize="tiles", overlap=128)
    contract = blob_contract(subject="cargo", kinds=("transmission", "display_grey"), input=tiled)
    cargo = make_blob_model(tmp_path / "cargo.onnx", contract=contract)
    assert run("--model", cargo, "--only", "large-scan", "--rounds", 1, "--json") == 0
    grey, dual = json.loads(capsys.readouterr().out)["large_scans"]
    assert (grey["tiles"], dual["tiles"]) == (15, 15)
    for found in (grey, dual):
        assert found["ratio"]["median"] == pytest.approx(
            found["pipeline"]["median"] / found["bare"]["median"]
        )
        assert found["peak_mb"] > 20.0
    assert run("--model", model, "--only", "large-scan", "--rounds", 1) == 0
    assert "large-scan: blobs does not read cargo in tiles" in capsys.readouterr().out


RIVAL = """
class YOLO:
    def __init__(self, weights):
        self.weights = weights
    def predict(self, image, device, verbose):
        return []
"""


def test_the_rival_is_measured_where_it_is_installed(model, tmp_path, capsys, monkeypatch):
    (tmp_path / "ultralytics.py").write_text(RIVAL)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    path = write_blobs(tmp_path / "bag.jpg")
    assert run(path, "--model", model, "--only", "rival", "--starts", 1) == 0
    assert "first result after" in capsys.readouterr().out


def test_a_process_that_fails_is_a_sentence(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(processes, "_STREAM", "import sys; sys.exit('out of luck')")
    path = write_blobs(tmp_path / "bag.jpg")
    assert run(path, "--model", model, "--only", "memory", "--scans", 5) == 2
    assert "out of luck" in capsys.readouterr().err


def test_what_cannot_be_measured_on_is_left_out_and_told(model, tmp_path, capsys):
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    write_blobs(tmp_path / "bag.png").rename(strange)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    np.save(tmp_path / "raw.npy", np.full((64, 64), 60_000, dtype=np.uint16))
    for paths, note in (([tmp_path], "2 of 3 files were left out, the first"), ([strange], None)):
        assert run(*paths, "--model", model, "--only", "overhead", "--rounds", 1, "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert found["images"] == "1 given"
        assert note is None or found["notes"][0].startswith(note)
    assert run(tmp_path / "raw.npy", "--model", model, "--only", "overhead") == 2
    assert "not an image that OpenCV decodes" in capsys.readouterr().err
    assert run(tmp_path / "broken.jpg", "--model", model, "--only", "overhead") == 2
    assert "nothing to measure on" in capsys.readouterr().err


def test_images_are_made_where_none_are_given(tmp_path):
    paths = make_images(tmp_path, 2)
    scans = [read_scan(path) for path in paths]
    assert [(scan.width, scan.height, scan.kind) for scan in scans] == [(WIDTH, HEIGHT, "pseudocolour")] * 2
    assert scans[0].sha256 != scans[1].sha256
    assert all(20_000 < path.stat().st_size < 300_000 for path in paths)


def test_a_spread_is_median_lowest_and_highest():
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)


def test_memory_of_this_process_is_known():
    found = memory()
    assert found.peak > 20.0
    if sys.platform == "linux":
        assert found.now is not None
        assert found.now <= found.peak


def test_growth_is_counted_after_the_first_third():
    assert growth([(1, 90.0), (2, 100.0), (3, 100.5)]) == pytest.approx(10.5)
    assert growth([(i, 100.0 if i < 4 else 98.0) for i in range(9)]) == pytest.approx(-0.0)
    assert growth([(1, None), (2, None)]) is None
    assert growth([(1, 50.0)]) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rounds", "0"], "--rounds is 0"),
        (["nosuch.png"], "no file or folder"),
        (["{text}"], "nothing to measure on"),
        (["--only", "nothing"], "invalid choice"),
    ],
)
def test_misuse(model, tmp_path, capsys, arguments, message):
    (tmp_path / "text.txt").write_text("no image")
    given = [argument.format(text=tmp_path / "text.txt") for argument in arguments]
    assert run(*given, "--model", model) == 2
    assert message in capsys.readouterr().err


def test_what_a_measured_process_logs_before_its_result_is_passed_over():
    program = "print('a warning'); print('first result'); print(123.5)"
    seconds, peak = processes._timed(program, [], first="first result\n")
    assert peak == 123.5
    assert seconds > 0


def test_a_result_and_its_memory_may_come_at_once():
    assert processes._timed("print('bag.jpg refer\\n12.5')", [])[1] == 12.5


def test_a_measured_process_that_fails_says_why():
    with pytest.raises(UsageError, match=r"code 1: [\s\S]*no such weights"):
        processes._timed("raise OSError('no such weights')", [], first="first result\n")
