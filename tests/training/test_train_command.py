import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import torch

from cargosight_inference.cli import main
from cargosight_inference.session import Session
from cargosight_models.errors import ExportError
from cargosight_models.locking import exclusive
from cargosight_training.config_files import load_config
from cargosight_training.trainer import checkpoint, loop, validation
from cargosight_training.trainer.journal import read_rows
from cargosight_training.trainer.run import read_training_data, read_validation_data
from cargosight_training.trainer.run_folder import RunFolder
from cargosight_training.trainer.stopping import StopRequest
from tests.made.runs import make_run

SHORT = ["phases=[{steps: 4, size: 64}]", "optimiser.warm_up=0"]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield
    logging.captureWarnings(False)


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporting takes seconds and has its own tests."""
    monkeypatch.setattr(
        validation, "export_detector", lambda _d, _c, _s, path, _t: path.write_bytes(b"model")
    )


def train(folder: Path, *arguments: str) -> tuple[int, RunFolder]:
    path, config = make_run(folder)
    return main(["train", str(path), *SHORT, *arguments]), RunFolder(config.out)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole")
    terms = "data.terms={site-a: our own, site-c: of a source that the data lacks}"
    code, run = train(folder, "log.evaluate_every=2", "name=mine", terms)
    assert code == 0
    return run


def test_a_run_leaves_its_files(whole: RunFolder) -> None:
    assert sorted(file.name for file in whole.path.iterdir()) == sorted(
        [
            *("best.onnx", "best.pt", "config.yaml", "curves.png", "evaluations.csv", "last.onnx", "last.pt"),
            *("log.csv", "predictions.png", "run.lock"),
        ]
    )


def test_a_run_from_other_weights_keeps_the_terms_of_their_data(
    whole: RunFolder,
    tmp_path: Path,
    no_export: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    taught = checkpoint.training_data_of(whole.best_weights)
    assert [one.terms for one in taught if one.source == "site-a"] == ["our own"]
    given = []
    monkeypatch.setattr(
        validation,
        "export_detector",
        lambda _d, _c, _s, path, terms: (given.append(terms), path.write_bytes(b"model")),
    )
    foreign = tmp_path / "foreign.pt"
    content = checkpoint.load(whole.best_weights)
    content["training_data"][0]["source"] = "elsewhere"
    content["training_data"][0]["terms"] = "academic use only"
    checkpoint.save(foreign, content)
    code, run = train(tmp_path, f"model.weights={foreign}", "data.val=[]", "data.terms={site-c: theirs}")
    assert code == 0
    assert "data.terms names 'site-c' (did you mean 'site-" in capsys.readouterr().err
    assert ("elsewhere", "academic use only") in {(one.source, one.terms) for one in given[-1]}
    assert checkpoint.training_data_of(run.best_weights) == given[-1]
    assert checkpoint.training_data_of(run.checkpoint) == given[-1]


def test_evaluations_are_written_down(whole: RunFolder) -> None:
    rows = read_rows(whole.evaluations)
    assert [row["step"] for row in rows] == ["2", "4"]
    for row in rows:
        assert {
            "cpu_hours",
            "map50",
            "map",
            "map50_all",
            "map_all",
            "ap50 bar",
            "ap50 disc",
            "ap50 ring",
        } < set(row)
        assert 0.0 <= float(row["map"]) <= float(row["map50"]) <= 1.0


def test_the_model_file_says_what_it_is(whole: RunFolder) -> None:
    contract = Session(whole.best_model).contract
    assert (contract.name, contract.classes, contract.subject) == ("mine", ("bar", "disc", "ring"), "baggage")
    assert contract.input.shapes == ((96, 96),)
    terms = {source.source: (source.images, source.terms) for source in contract.training_data}
    assert terms == {"site-a": (10, "our own"), "site-b": (4, "none stated")}


def test_the_best_weights_are_those_of_the_best_row(whole: RunFolder) -> None:
    detector, classes = checkpoint.load_detector(whole.best_weights)
    assert classes == ("bar", "disc", "ring")
    assert detector.settings.backbone == "csp-nano"
    first, second = (float(row["map50"]) for row in read_rows(whole.evaluations))
    assert (whole.best_model.read_bytes() == whole.last_model.read_bytes()) == (second > first)


def test_pictures_can_be_looked_at(whole: RunFolder) -> None:
    sheet, curves = cv2.imread(str(whole.sheet)), cv2.imread(str(whole.curves))
    assert sheet.shape[1] > 1900  # two pairs of annotated and found
    assert curves.shape[0] > 500
    assert sheet.std() > 10
    assert curves.std() > 10


def test_every_setting_is_written_and_can_be_trained_from(whole: RunFolder) -> None:
    config = load_config(whole.config)
    assert config.total_steps == 4
    assert config.name == "mine"
    assert main(["train", str(whole.config), "--resume"]) == 0  # nothing is left to do


def test_a_finished_run_is_not_overwritten(whole: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    before = whole.checkpoint.read_bytes()
    assert main(["train", str(whole.config)]) == 2
    said = capsys.readouterr().err
    assert "holds a finished run of 4 steps: set `out` to another folder, or delete the run" in said
    assert "Traceback" not in said
    assert whole.checkpoint.read_bytes() == before


def test_a_started_run_asks_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, no_export: None
) -> None:
    stop_after(monkeypatch, 2, signal.SIGTERM)
    code, run = train(tmp_path, "data.val=[]", "log.every=1")
    assert code == 130
    said = capsys.readouterr()
    assert "stopping after this step" in said.err
    assert f"stopped; go on with: cargosight train {run.config} --resume" in said.out
    assert checkpoint.load(run.checkpoint)["step"] == 2
    assert not run.best_model.exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

    assert train(tmp_path, "data.val=[]")[0] == 2
    assert (
        "has done 2 of 4 steps: go on with --resume, or delete it and begin anew" in capsys.readouterr().err
    )

    assert train(tmp_path, "--resume", "data.val=[]", "log.every=1")[0] == 0
    assert [row["step"] for row in read_rows(run.log)] == ["0", "1", "2", "3"]
    assert f"trained to the end: {run.best_model}" in capsys.readouterr().out


def test_fresh_deletes_the_run_and_nothing_else(tmp_path: Path, no_export: None) -> None:
    run = train(tmp_path, "data.val=[]")[1]
    (run.path / "mine.txt").write_text("a note")
    (run.path / "tensorboard").mkdir()
    run.sheet.write_bytes(b"old")
    assert train(tmp_path, "data.val=[]", "phases=[{steps: 2, size: 64}]", "--fresh")[0] == 0
    assert checkpoint.load(run.checkpoint)["step"] == 2
    assert [row["step"] for row in read_rows(run.log)] == ["1"]
    assert (run.path / "mine.txt").exists()
    assert not run.sheet.exists()
    assert not (run.path / "tensorboard").exists()


def test_a_run_cannot_be_resumed_to_fewer_steps_than_it_has_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], no_export: None
) -> None:
    _, run = train(tmp_path, "data.val=[]")
    assert train(tmp_path, "--resume", "data.val=[]", "phases=[{steps: 2, size: 64}]")[0] == 2
    assert "has done 4 steps, and the phases now end at 2" in capsys.readouterr().err
    assert checkpoint.load(run.checkpoint)["step"] == 4


def test_weights_in_place_of_a_checkpoint_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], no_export: None
) -> None:
    _, run = train(tmp_path, "data.val=[]")
    run.best_weights.replace(run.checkpoint)
    for more in ([], ["--resume"]):
        assert train(tmp_path, "data.val=[]", *more)[0] == 2
        said = capsys.readouterr().err
        assert "holds no run that can go on: it lacks average" in said
        assert "Traceback" not in said


def test_validation_images_that_are_trained_on_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, config = make_run(tmp_path)
    file = config.data.train[0].file
    code, run = train(tmp_path, f"data.val=[{{file: {file}}}]")
    assert code == 2
    assert "14 of the 14 validation images of 'train' are trained on, too" in capsys.readouterr().err
    assert not run.config.exists()


def test_simulated_validation_files_are_simulated(tmp_path: Path) -> None:
    _, config = make_run(tmp_path)
    file = config.data.val[0].model_copy(update={"simulated": True})
    config = config.model_copy(update={"data": config.data.model_copy(update={"val": (file,)})})
    data = read_validation_data(config, read_training_data(config).classes)
    assert data is not None
    assert {image.origin for image in data.images} == {"simulated"}


def test_there_must_be_a_run_to_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, run = train(tmp_path, "--resume")
    assert code == 2
    assert "to resume: leave --resume out to begin one" in capsys.readouterr().err
    assert not run.path.exists()


def test_a_run_whose_data_could_not_be_read_has_not_begun(
    tmp_path: Path, no_export: None, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_run(tmp_path)[1]
    image = read_training_data(config).images[0].path
    good = image.read_bytes()
    image.write_bytes(b"no picture")
    assert train(tmp_path)[0] == 2
    assert "cannot be read" in capsys.readouterr().err
    image.write_bytes(good)
    assert train(tmp_path, "data.val=[]")[0] == 0


def test_resume_and_fresh_contradict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path, "--resume", "--fresh")[0] == 2
    assert "not allowed with" in capsys.readouterr().err


def test_two_cannot_train_in_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = make_run(tmp_path)[1]
    program = (
        "import sys, pathlib; from cargosight_models.locking import exclusive\n"
        "with exclusive(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(RunFolder(config.out).lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder.stdin, holder.stdout:
        assert holder.stdout.readline() == b"held\n"
        assert train(tmp_path)[0] == 2
        assert "another process is training in" in capsys.readouterr().err
    holder.wait(20)
    with exclusive(RunFolder(config.out).lock, held="held"):
        pass


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["optimiser.btach=2"], "unknown key 'optimiser.btach' (did you mean 'batch'?)"),
        (["data.train=[{file: nowhere.json}]"], "nowhere.json does not exist"),
        (["data.without=[site-c]"], "has no group 'site-c' (did you mean"),
        (["data.train=[]"], "data.train names no file"),
        (["model.backbone=csp-nan"], "csp-nan"),
        (["model.weights=none.pt"], "cannot read the weights file none.pt"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    code, run = train(tmp_path, *arguments)
    said = capsys.readouterr().err
    assert code == 2
    assert sentence in said
    assert "Traceback" not in said
    assert not run.config.exists()


def test_a_configuration_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "baggage-nanno"]) == 2
    assert "did you mean 'baggage-nano'" in capsys.readouterr().err


def test_left_out_groups_are_not_trained_on(tmp_path: Path, no_export: None) -> None:
    seen = []
    original = loop.Trainer.run

    def run(self, samples, **more) -> None:
        seen.append({record.group for record in samples._records})
        original(self, samples, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop.Trainer, "run", run)
        assert train(tmp_path, "data.without=[site-a/1]", "data.val=[]")[0] == 0
    assert seen == [{"site-a/2", "site-b"}]


def test_an_evaluation_that_cannot_export_is_passed_over_but_the_last_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise ExportError("no parity")

    monkeypatch.setattr(validation, "export_detector", refuse)
    code, run = train(tmp_path, "data.val=[]", "log.evaluate_every=2")
    said = capsys.readouterr().err
    assert code == 2
    assert "step 2 is not evaluated: no parity" in said
    assert "cargosight: no parity" in said
    assert checkpoint.load(run.checkpoint)["step"] == 4  # --resume tries the evaluation again


def test_an_evaluation_that_is_left_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_inspector, dataset, *, progress) -> None:
        signal.raise_signal(signal.SIGTERM)
        progress(1, len(dataset))
        raise AssertionError("the evaluation went on")

    monkeypatch.setattr(validation, "export_detector", lambda *a: None)
    with monkeypatch.context() as patch:
        patch.setattr(validation, "Inspector", lambda *a, **k: None)
        patch.setattr(validation, "inspect_dataset", interrupted)
        code, run = train(tmp_path)
    assert code == 130
    assert "the evaluation was left" in capsys.readouterr().err
    assert not read_rows(run.evaluations)
    monkeypatch.undo()
    monkeypatch.setattr(
        validation, "export_detector", lambda _d, _c, _s, path, _t: path.write_bytes(b"model")
    )
    assert train(tmp_path, "--resume", "data.val=[]")[0] == 0
    assert [row["step"] for row in read_rows(run.evaluations)] == ["4"]


def test_a_second_ctrl_c_insists() -> None:
    with StopRequest(insist=True) as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop()
        signal.raise_signal(signal.SIGTERM)  # only a person insists
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with StopRequest(insist=False) as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert stop()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_help_needs_no_torch() -> None:
    program = (
        "import sys; from cargosight_inference.cli import main; code = main(['train', '--help']); "
        "assert not {'torch', 'pydantic', 'albumentations', 'matplotlib'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "torchrun --standalone --nproc_per_node=2 --no-python cargosight train" in done.stdout


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # importing it raises ImportError
    assert main(["train", "baggage"]) == 2
    assert 'pip install "cargosight[train]"' in capsys.readouterr().err


def stop_after(monkeypatch: pytest.MonkeyPatch, step: int, number: signal.Signals) -> None:
    """Send the process a signal while it does a step."""
    original = loop.Trainer._train_one
    sent = []

    def train_one(self, batch):
        result = original(self, batch)
        if self.step + 1 == step and not sent:
            sent.append(os.getpid())
            os.kill(os.getpid(), number)
        return result

    monkeypatch.setattr(loop.Trainer, "_train_one", train_one)
