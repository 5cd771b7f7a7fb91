"""`cargosight export` from the command line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.cli import main
from cargosight_inference.inspector import Inspector
from cargosight_inference.session import Session
from cargosight_models import catalog
from cargosight_models.contract import DataTerms
from cargosight_models.errors import DataSetError
from cargosight_models.networks.detector import Detector
from cargosight_training.commands import export as command
from cargosight_training.evaluation.accuracy import Accuracy
from cargosight_training.evaluation.intervals import Rate
from cargosight_training.export import detector as exporting
from cargosight_training.export import quantise as quantising
from cargosight_training.export.folding import fold_norms
from cargosight_training.trainer import checkpoint
from tests.made import scans as made
from tests.made.datasets import CLASSES
from tests.made.exports import exported, lively_detector
from tests.made.models import write_points
from tests.made.runs import make_run

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights and their configuration beside them, as a run leaves them."""
    path, _ = make_run(tmp_path)
    (tmp_path / "run").mkdir()
    path.rename(tmp_path / "run" / "config.yaml")
    detector = lively_detector()
    checkpoint.save_weights(tmp_path / "run" / "best.pt", detector, detector.settings, CLASSES)
    return tmp_path / "run" / "best.pt"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = main(["export", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the ready file in place of an export, where a test is about what surrounds it."""

    def ready(*arguments: object, **_: object) -> Path:
        path = arguments[3]
        assert isinstance(path, Path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(exported()[1].read_bytes())
        return path

    monkeypatch.setattr(exporting, "export_detector", ready)


def test_weights_that_are_not_there_are_what_is_named(run: Run, tmp_path: Path) -> None:
    code, _, err = run(tmp_path / "none.pt", "--out", tmp_path / "x.onnx")
    assert code == 2
    assert f"there is no file {tmp_path / 'none.pt'}; give the weights or the checkpoint of a run" in err


def test_weights_become_a_model_that_inspects(weights: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "models" / "mine.onnx"
    code, told, err = run(
        weights, "--out", out, "export.candidates=25", "data.terms={site-a: own}", "--compare-suppression"
    )
    assert (code, err) == (0, "")
    contract = Session(out).contract
    assert (contract.name, contract.classes, contract.suppression.candidates) == ("tiny", CLASSES, 25)
    assert [(t.source, t.images, t.terms) for t in contract.training_data] == [
        ("site-a", 10, "own"),
        ("site-b", 4, "none stated"),
    ]
    assert f"wrote {out}: fp32" in told
    assert told.count("suppression at threshold") == 3
    inspection = Inspector(out, threshold=0.2).inspect(made.write_scan(tmp_path))
    assert inspection.decision in ("clear", "refer")
    assert [entry.name for entry in out.parent.iterdir()] == ["mine.onnx"]


@pytest.mark.usefixtures("quick")
def test_terms_of_other_data_are_told_and_change_nothing(weights: Path, run: Run, tmp_path: Path) -> None:
    code, told, err = run(weights, "--out", tmp_path / "mine.onnx", "data.terms={elsewhere: own}")
    assert code == 0
    assert "data.terms names 'elsewhere'" in err
    assert "wrote" in told


def test_the_file_computes_what_the_weights_compute(weights: Path, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "mine.onnx"
    assert run(weights, f"--config={weights.parent / 'config.yaml'}", f"--out={out}")[0] == 0
    network = fold_norms(checkpoint.load_detector(weights)[0])
    image = np.random.default_rng(0).random((1, 3, 96, 96), dtype=np.float32)
    with torch.no_grad():
        best = network(torch.from_numpy(image))[0].sigmoid().amax(dim=2).max()
    # Weights are rounded a second time after folding.
    assert Session(out).run(image)["scores"].max() == pytest.approx(float(best), abs=0.01)


@pytest.mark.usefixtures("quick")
def test_a_bundle_is_what_the_catalog_expects(
    weights: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "BUNDLED", tmp_path / "bundled")
    assert run(weights, "--bundle", "satchel")[0] == 0
    folder = tmp_path / "bundled" / "satchel"
    assert sorted(entry.name for entry in folder.iterdir()) == ["satchel.onnx", "satchel.sha256"]
    model = catalog.find_model("satchel")
    assert (model.origin, model.problem) == ("bundled", None)
    assert (folder / "satchel.sha256").read_text() == f"{model.sha256}  satchel.onnx\n"


@pytest.mark.usefixtures("quick")
def test_a_bundled_model_is_called_by_its_name(
    weights: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    ready = exporting.export_detector
    monkeypatch.setattr(catalog, "BUNDLED", tmp_path / "bundled")

    def watched(*arguments: object, **given: object) -> Path:
        names.append(arguments[2].name)  # type: ignore[attr-defined]
        return ready(*arguments, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(exporting, "export_detector", watched)
    run(weights, "--bundle", "satchel")
    assert names == ["satchel"]


@pytest.mark.usefixtures("quick")
def test_a_file_is_replaced_only_when_asked_and_its_points_go(
    weights: Path, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "mine.onnx"
    out.write_bytes(b"the file before")
    write_points(out, {"pfa=0.05": 0.5}, CLASSES)
    code, _, err = run(weights, "--out", out)
    assert code == 2
    assert "give --force to replace it" in err
    assert out.read_bytes() == b"the file before"
    code, told, _ = run(weights, "--out", out, "--force")
    assert code == 0
    assert "removed" in told
    assert not out.with_suffix(".points.json").exists()
    assert catalog.find_model(out).problem is None


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("ratio", [0.5, 1.2])
def test_int8_takes_the_place_of_fp32_only_where_it_pays(
    weights: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ratio: float
) -> None:
    precision = "int8" if ratio < 1.0 else "fp32"
    accuracy = Accuracy(0.61, Rate(6, 10), Rate(0, 10), 20)
    compared = []

    def measured(fp32: Path, int8: Path, data: object, **_: object) -> quantising.Comparison:
        compared.append((Session(fp32).contract.precision, Session(int8).contract.precision, len(data)))  # type: ignore[arg-type]
        return quantising.Comparison((accuracy, accuracy), Spread.of([ratio]))

    monkeypatch.setattr(quantising, "compare", measured)
    out = tmp_path / "mine.onnx"
    code, told, _ = run(weights, "--out", out, "--int8", "--data", tmp_path / "val" / "val.json")
    assert code == 0
    assert compared == [("fp32", "int8", 14)]
    assert Session(out).contract.precision == precision
    assert ("int8 is kept" in told) == (precision == "int8")
    assert f"wrote {out}: {precision}" in told
    assert not list(tmp_path.glob(".export-*"))


@pytest.mark.usefixtures("quick")
def test_an_int8_that_fails_leaves_the_file_before_as_it_was(
    weights: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise DataSetError("no box to measure on")

    monkeypatch.setattr(quantising, "compare", failing)
    out = tmp_path / "models" / "mine.onnx"
    out.parent.mkdir()
    out.write_bytes(b"the file before")
    write_points(out, {"pfa=0.05": 0.5}, CLASSES)
    code, told, err = run(weights, "--out", out, "--int8", "--force", "--save-weights", tmp_path / "w.pt")
    assert (code, told) == (2, "")
    assert "no box to measure on" in err
    assert out.read_bytes() == b"the file before"
    assert sorted(entry.name for entry in out.parent.iterdir()) == ["mine.onnx", "mine.points.json"]
    assert not (tmp_path / "w.pt").exists()


def test_int8_is_not_measured_on_scans_that_were_trained_on(weights: Path, run: Run, tmp_path: Path) -> None:
    code, told, err = run(
        weights, "--out", tmp_path / "a.onnx", "--int8", "--data", tmp_path / "train" / "train.json"
    )
    assert (code, told) == (2, "")
    assert "14 of the 14 validation images" in err
    assert "are trained on, too" in err
    assert not (tmp_path / "a.onnx").exists()


def save(path: Path, detector: Detector, taught: tuple[DataTerms, ...] = ()) -> Path:
    checkpoint.save_weights(path, detector, detector.settings, CLASSES, training_data=taught)
    return path


@pytest.mark.acceptance
def test_of_several_weights_the_mean_is_exported_and_saved(weights: Path, run: Run, tmp_path: Path) -> None:
    """What is saved is what was exported, and can be trained on from."""
    other = save(tmp_path / "other.pt", lively_detector(seed=1), (DataTerms("elsewhere", 3, "theirs"),))
    out, mean = tmp_path / "mean.onnx", tmp_path / "mean.pt"
    code, told, err = run(weights, other, "export.candidates=25", "--out", out, "--save-weights", mean)
    assert (code, err) == (0, "")
    assert f"wrote {mean}: the mean of {weights}, {other}" in told
    bias = [checkpoint.load_detector(path)[0].head.class_out.bias for path in (weights, other, mean)]
    assert torch.allclose(bias[2], (bias[0] + bias[1]) / 2, atol=1e-6)
    contract = Session(out).contract
    assert contract.suppression.candidates == 25
    taught = [one.source for one in contract.training_data]
    assert taught == ["what best.pt was trained on", "elsewhere"]
    again = tmp_path / "again.onnx"
    config = weights.parent / "config.yaml"
    assert run(mean, "export.candidates=25", "--config", config, "--out", again)[0] == 0
    assert again.read_bytes() == out.read_bytes()


def test_weights_of_networks_that_differ_are_not_averaged(weights: Path, run: Run, tmp_path: Path) -> None:
    other = save(tmp_path / "other.pt", lively_detector("csp-tiny"))
    code, told, err = run(weights, other, "--out", tmp_path / "mean.onnx")
    assert (code, told) == (2, "")
    assert "cannot be averaged, since their networks differ: backbone csp-nano and csp-tiny" in err
    assert not (tmp_path / "mean.onnx").exists()


def test_settings_alone_are_no_weights(run: Run, tmp_path: Path) -> None:
    code, _, err = run("export.candidates=25", "--out", tmp_path / "a.onnx")
    assert code == 2
    assert "no weights were given beside export.candidates=25" in err


@pytest.mark.usefixtures("quick")
def test_weights_are_replaced_only_when_asked(weights: Path, run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "kept=1.pt"  # a file is a file, whatever its name
    weights.rename(kept)
    weights.write_bytes(b"the file before")
    config = weights.parent / "config.yaml"
    asked = (kept, "--out", tmp_path / "a.onnx", "--save-weights", weights, "--config", config)
    code, _, err = run(*asked)
    assert code == 2
    assert f"{weights} exists; give --force to replace it" in err
    assert weights.read_bytes() == b"the file before"
    assert run(*asked, "--force")[0] == 0
    assert checkpoint.load_detector(weights)[1] == CLASSES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "either --out FILE.onnx or --bundle NAME"),
        (("--out", "a.onnx", "--bundle", "a"), "either --out FILE.onnx or --bundle NAME"),
        (("--out", "model.pt"), "ends in .onnx"),
        (("--bundle", "../outside"), "cannot be called '../outside'"),
        (("--bundle", "bag.onnx"), "cannot be called 'bag.onnx'"),
        (("--out", "a.onnx", "export.candidate=3"), "did you mean 'candidates'"),
        (("--out", "a.onnx", "model.backbone=csp-tiny"), "backbone csp-nano"),
        (("--out", "a.onnx", "data.classes=[ring, disc, bar]"), "the weights score bar, disc, ring"),
        (("--out", "a.onnx", "--int8", "data.val=[]"), "--data FILE.json"),
        (("--out", "a.onnx", "--data", "val.json"), "changes nothing without it; give --int8"),
        (("--out", "a.onnx", "--save-weights", "a.onnx"), "ends in .pt"),
        (("--out", "a.onnx", "--config", "nowhere"), "nowhere"),
    ],
)
def test_misuse_is_told_before_anything_is_written(
    weights: Path, run: Run, here: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, told, err = run(weights, *arguments)
    assert (code, told) == (2, "")
    assert message in err
    assert not list(here.iterdir())


def test_weights_that_are_none(run: Run, weights: Path, tmp_path: Path) -> None:
    weights.write_bytes(b"not these")
    code, _, err = run(weights, "--out", tmp_path / "a.onnx")
    assert code == 2
    assert "is not a checkpoint" in err
    assert "weights_only" not in err


def test_without_the_extra(weights: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "onnx" else object())
    code, _, err = run(weights, "--out", tmp_path / "a.onnx")
    assert code == 2
    assert (
        'cargosight export needs packages that are not installed; run: pip install "cargosight[train]"' in err
    )
