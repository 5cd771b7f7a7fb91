"""`cargosight bench --only compare`, `scaling` and `running`: who is measured, in turns, and what is told of others."""

import json
import sys
import xml.etree.ElementTree as ET

import psutil
import pytest

from cargosight_inference import cli
from cargosight_inference.benchmark import compare
from cargosight_inference.benchmark.children import Contender, Team, is_installed
from cargosight_inference.benchmark.compare import Compared, Measured, Rivals, measure_compare
from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.benchmark.plot import draw
from cargosight_inference.benchmark.scaling import measure_scaling
from cargosight_inference.benchmark.wrapped import wrap_for_ultralytics
from cargosight_models.catalog import find_model
from cargosight_models.contract import InputContract
from cargosight_models.errors import UsageError
from tests.made.models import blob_contract, make_blob_model, write_blobs

ULTRALYTICS = """
import numpy as np
class _Boxes:
    xyxy = np.zeros((0, 4))
    @classmethod
    def numpy(cls): return cls.xyxy
class _Array:
    def numpy(self): return np.zeros((0, 4))
class _Result:
    class boxes:
        xyxy = _Array()
class YOLO:
    def __init__(self, weights, task):
        print("it logs to the standard output")
        self.model = weights
    def predict(self, paths, stream, batch, device, verbose, imgsz, conf):
        assert batch == 1 and device == "cpu"
        for path in paths:
            open(path, "rb").close()
            yield _Result()
"""
TORCH_UTILS = "def get_flops(model, size): return size / 100.0\n"


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("CARGOSIGHT_HOME", str(tmp_path / "home"))
    return find_model(make_blob_model(tmp_path / "blobs.onnx"))


@pytest.fixture
def paths(tmp_path):
    return [write_blobs(tmp_path / f"bag{number}.jpg") for number in range(2)]


@pytest.fixture
def rival(tmp_path, monkeypatch):
    """An environment with an ultralytics that finds nothing, and no anomalib."""
    package = tmp_path / "installed" / "ultralytics"
    (package / "utils").mkdir(parents=True)
    (package / "__init__.py").write_text(ULTRALYTICS)
    (package / "utils" / "__init__.py").write_text("")
    (package / "utils" / "torch_utils.py").write_text(TORCH_UTILS)
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=":")
    return sys.executable


def test_all_are_measured_in_turns_and_what_is_missing_is_told(model, paths, rival, tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "cores", lambda: 2)
    found = measure_compare(model, paths, tmp_path, rounds=2, starts=2, rivals=Rivals(rival))
    names = [one.name for one in found.measured]
    assert names == [
        "session.run",
        "bare calls",
        "cargosight, 1 thread",
        "cargosight, 2 threads",
        "cargosight, 2 processes",
        "ultralytics, yolo11n at 640",
        "ultralytics, our network",
    ]
    for one in found.measured:
        assert one.images_per_second.count == one.cpu_ms.count == one.first_seconds.count == 2
        assert one.images_per_second.lowest > 0.0
        assert one.peak_mb > 5.0
    assert found.measured[5].facts == {"gflops_at_size": 6.4}
    assert len(found.ratios) == 3 * 4  # each of ours beside each of the others
    ratio = next(
        one for one in found.ratios if (one.ours, one.other) == ("cargosight, 1 thread", "bare calls")
    )
    assert ratio.cpu.count == 2
    by_name = {one.name: one for one in found.measured}
    one, two = by_name["cargosight, 1 thread"], by_name["cargosight, 2 processes"]
    assert two.peak_mb > 1.5 * one.peak_mb
    assert ratio.memory > 0.0
    assert ratio.first > 0.0
    assert [note.split(" is ")[0] for note in found.notes] == ["anomalib"]


def test_a_model_of_tiles_is_not_given_to_others(rival, tmp_path):
    tiled = InputContract(shapes=((512, 1024),), colour="radiograph", resize="tiles", overlap=128)
    contract = blob_contract(subject="cargo", kinds=("transmission", "display_grey"), input=tiled)
    path = make_blob_model(tmp_path / "cargo.onnx", contract=contract)
    with pytest.raises(UsageError, match="reads tiles and cannot be given to ultralytics"):
        wrap_for_ultralytics(path, tmp_path / "out.onnx")


def test_the_wrapped_network_finds_the_same(model, tmp_path):
    import numpy as np
    import onnxruntime

    from cargosight_inference.session import Session

    tensor = np.random.default_rng(0).random((1, 3, 128, 192), dtype=np.float32)
    ours = Session(model).run(tensor)
    out = wrap_for_ultralytics(model.path, tmp_path / "wrapped.onnx")
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    (columns,) = session.run(["output0"], {"image": tensor})
    assert columns.shape[1] == 4 + 2
    least, size = columns[0, :2] - columns[0, 2:4] / 2, columns[0, 2:4]
    assert np.allclose(ours["boxes"][0].T, np.concatenate([least, least + size]), atol=1e-4)
    assert np.array_equal(ours["scores"][0].T, columns[0, 4:])
    facts = session.get_modelmeta().custom_metadata_map
    assert (facts["task"], facts["names"]) == ("detect", "{0: 'dark', 1: 'blue'}")


def test_a_contender_that_fails_is_a_sentence(paths):
    with pytest.raises(UsageError, match=r"broken failed with code 1: .*none\.onnx"):
        Team(Contender("broken", "pipeline", paths, {"model": "none.onnx", "threads": 1}))


def test_of_processes_at_once_each_goes_through_all(model, paths):
    settings = {"model": str(model.path), "threads": 1}
    with Team(Contender("two", "pipeline", paths, settings, copies=2)) as team:
        both, one = team.run(), team.run(1)
    assert (both.images, one.images) == (4, 2)
    assert both.peak_mb > 1.5 * one.peak_mb
    assert both.per_second == both.images / both.wall
    assert both.cpu_ms == both.cpu / both.images * 1e3


def test_where_one_of_several_fails_all_are_ended(paths):
    broken = {"model": "none.onnx", "threads": 1}
    with pytest.raises(UsageError, match=r"broken failed"):
        Team(Contender("broken", "pipeline", paths, broken, copies=2))
    assert not [one for one in psutil.Process().children() if "contender.py" in " ".join(one.cmdline())]


def test_an_interpreter_that_is_none(paths):
    with pytest.raises(UsageError, match="cannot be started"):
        is_installed("ultralytics", "/nowhere/python")
    with pytest.raises(UsageError, match="cannot be started"):
        Team(Contender("lost", "pipeline", paths, {}, "/nowhere/python"))


def test_what_is_no_interpreter_is_told():
    with pytest.raises(UsageError, match="does not run Python code"):
        is_installed("ultralytics", "/bin/false")
    with pytest.raises(UsageError, match="does not run Python code"):
        is_installed("ultralytics", "/bin/true")


def test_scaling_over_processes_and_sizes(model, tmp_path):
    rows = measure_scaling(model, tmp_path, rounds=2, count=2, sizes=((60, 40), (400, 300)))
    assert [(row.width, row.height, row.workers) for row in rows] == [
        (60, 40, 1),
        (60, 40, 2),
        (400, 300, 1),
        (400, 300, 2),
    ]
    assert all(row.images_per_second.count == 2 for row in rows)
    assert [rows[0].against_one.median, rows[2].against_one.median] == [1.0, 1.0]


@pytest.fixture
def few_sizes(monkeypatch):
    monkeypatch.setattr(measure_scaling, "__kwdefaults__", {"count": 1, "sizes": ((60, 40),)})


@pytest.mark.usefixtures("few_sizes")
def test_the_command_reports_and_draws(model, paths, rival, tmp_path, capsys):
    plot = tmp_path / "bench.svg"
    asked = ["bench", *map(str, paths), "--model", str(model.path), "--rounds", "1", "--starts", "1"]
    parts = ["--only", "compare", "--only", "scaling", "--only", "running", "--plot", str(plot)]
    assert cli.main([*asked, *parts, "--rival-python", rival, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["processor"]
    assert found["running"]["origin"] == "measured"
    assert found["compare"]["rounds"] == 1
    assert len(found["scaling"]) == 2
    picture = ET.fromstring(plot.read_text("utf-8"))
    drawn = "".join(picture.itertext())
    for text in ("ultralytics, our network", "bare calls", "60 x 40, 2 processes", "most memory, MB"):
        assert text in drawn
    assert cli.main([*asked, *parts, "--rival-python", rival]) == 0
    shown = capsys.readouterr().out
    assert "note: anomalib is not installed" in shown
    assert "cargosight, 1 thread / bare calls: images/s" in shown
    assert "scans/s of the network by processes x threads: 1 x 1: " in shown


def test_a_plot_without_anything_to_draw_is_refused(model, paths, tmp_path, capsys):
    asked = ["bench", str(paths[0]), "--model", str(model.path), "--only", "overhead"]
    assert cli.main([*asked, "--plot", str(tmp_path / "x.svg")]) == 2
    assert "--plot draws what" in capsys.readouterr().err


def test_a_plot_that_cannot_be_written_is_refused_before_anything_is_measured(paths, model, tmp_path, capsys):
    asked = ["bench", str(paths[0]), "--model", str(model.path), "--only", "scaling"]
    assert cli.main([*asked, "--plot", str(tmp_path / "none" / "x.svg")]) == 2
    told = capsys.readouterr()
    assert f"there is no folder {tmp_path / 'none'} for x.svg" in told.err
    assert not told.out


def test_the_longest_figures_end_within_the_picture():
    width = Spread.of([1018.1, 1121.8, 1124.6])
    one = Measured("ultralytics, yolo11n at 640", width, width, 1373.0, width, {})
    picture = ET.fromstring(draw(Compared(16, 3, (one,), (), ()), None, "a title"))
    figures = [
        one for one in picture.iter() if " to " in (one.text or "") and one.get("text-anchor") != "end"
    ]
    assert len(figures) >= 3
    for figure in figures:  # 7.2 pixels a character, as a browser drew them
        assert float(figure.get("x")) + 7.2 * len(figure.text) < float(picture.get("width"))
