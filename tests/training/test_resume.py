"""A run that is killed and resumed equals one that never was, to the bit (on one thread)."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from cargosight_models.errors import ConfigurationError
from cargosight_training.trainer import checkpoint, validation
from cargosight_training.trainer.journal import read_rows
from cargosight_training.trainer.loop import Trainer
from cargosight_training.trainer.machine import Machine
from cargosight_training.trainer.run import train
from tests.made.runs import make_run

# Evaluations at 3 and 6, checkpoints at 2 and 4 beside those, over a change of image size and of frozen stages.
SETTINGS = [
    "phases=[{steps: 3, size: 64, strength: 0.5}, {steps: 3, size: 96, frozen_stages: 1}]",
    "log.evaluate_every=3",
    "log.checkpoint_every=2",
    "log.every=1",
    "data.val=[]",
]
MEASURED = {"images_per_second", "cpu_hours"}


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the program catches it, and nothing is cleaned up after it but memory."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread; the model file is a stand-in, since exporting has its own tests and takes seconds."""
    torch.set_num_threads(1)

    def export(detector, _classes, _config, path: Path, _terms) -> Path:
        path.write_bytes(detector.head.class_out.weight.detach().numpy().tobytes())
        return path

    monkeypatch.setattr(validation, "export_detector", export)
    monkeypatch.setattr(validation, "draw_curves", lambda folder: None)
    monkeypatch.setattr(os, "fsync", lambda file: None)  # it is for power failures
    yield


def state(folder: Path) -> dict[str, object]:
    """Everything that a run leaves, but for what is measured by the clock."""
    saved = checkpoint.load(folder / "last.pt")
    saved.pop("cpu_hours")
    saved.pop("config")
    rows = [
        [{k: v for k, v in row.items() if k not in MEASURED} for row in read_rows(folder / name)]
        for name in ("log.csv", "evaluations.csv")
    ]
    best = checkpoint.load(folder / "best.pt")["weights"]
    return {"saved": saved, "rows": rows, "best": best, "model": (folder / "best.onnx").read_bytes()}


def assert_equal(a: object, b: object, where: str = "") -> None:
    if isinstance(a, torch.Tensor):
        assert isinstance(b, torch.Tensor)
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert isinstance(b, dict)
        assert a.keys() == b.keys(), where
        for key in a:
            assert_equal(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list):
        assert isinstance(b, list)
        assert len(a) == len(b), where
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{where}.{index}")
    else:
        assert a == b, where


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.mark.acceptance
def test_killed_at_any_write_the_resumed_run_is_the_uninterrupted_one(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file gets its name by a rename: the kill comes after each of them in turn, and so before the next."""
    original = Path.replace
    renames = 0

    def killing(at: int):
        count = 0

        def replace(self: Path, target: Path) -> Path:
            nonlocal count
            count += 1
            result = original(self, target)
            if count == at:
                raise Killed
            return result

        return replace

    def run(out: str, **how: bool) -> None:
        train(make_run(data, [*SETTINGS, f"out={data / out}"])[1], **how)

    def counting(self: Path, target: Path) -> Path:
        nonlocal renames
        renames += 1
        return original(self, target)

    run("warm")  # the cache is built once
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", counting)
        run("whole")
    expected = state(data / "whole")
    assert len(read_rows(data / "whole" / "evaluations.csv")) == 2
    assert 10 <= renames <= 14
    for at in range(1, renames + 1):
        out = f"killed-{at}"
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", killing(at))
            with pytest.raises(Killed):
                run(out)
        run(out, resume=True)
        assert_equal(expected, state(data / out), out)


@pytest.mark.acceptance
def test_a_killed_process_goes_on(data: Path) -> None:
    """At once, while its loader processes may still be there."""
    path, config = make_run(data, [*SETTINGS, f"out={data / 'shot'}", "log.evaluate_every=0"])
    overrides = [*SETTINGS, f"out={data / 'shot'}", "log.evaluate_every=0", "machine.workers=2"]
    program = (
        "import sys, time; from cargosight_training.trainer import loop; "
        "before = loop.Trainer._train_one; "
        "loop.Trainer._train_one = lambda *a: (time.sleep(0.2), before(*a))[1]; "
        "from cargosight_inference.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "train", str(path), *overrides],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 240
    begun = False
    while not begun and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
        begun = len(read_rows(config.out / "log.csv")) >= 3 and (config.out / "last.pt").exists()
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    assert 2 <= checkpoint.load(config.out / "last.pt")["step"] < 6
    assert train(config, resume=True)
    whole = make_run(data, [*SETTINGS, f"out={data / 'unshot'}", "log.evaluate_every=0"])[1]
    assert train(whole)
    assert_equal(state(whole.out), state(config.out))


def test_a_run_killed_before_its_first_checkpoint_begins_anew(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [*SETTINGS, f"out={data / 'early'}", "phases=[{steps: 2, size: 64}]"]
    config = make_run(data, settings)[1]
    config.out.mkdir()
    (config.out / "config.yaml").write_text("name: x")
    assert train(config, resume=True)
    assert checkpoint.load(config.out / "last.pt")["step"] == 2


def test_settings_that_change_on_the_way_are_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [*SETTINGS, f"out={data / 'changed'}"]
    config = make_run(data, settings)[1]
    trainer = Trainer(config, ("bar", "disc", "ring"), Machine(torch.device("cpu"), "fp32"))
    trainer.step = 5
    trainer.save()
    assert train(make_run(data, [*settings, "optimiser.lr=0.5", "log.every=3"])[1], resume=True)
    said = capsys.readouterr().err
    assert "optimiser.lr was 0.001 and is 0.5 from here on" in said
    assert "log.every" not in said
    assert "resumed after step 5 of 6" in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("model.channels=16", "a network whose channels is 8, but the configuration makes it 16"),
        ("data.classes=[ring, disc, bar]", "class names is ['bar', 'disc', 'ring'], but"),
    ],
)
def test_another_network_is_not_resumed(data: Path, change: str, sentence: str) -> None:
    settings = [*SETTINGS, f"out={data / 'other'}"]
    config = make_run(data, settings)[1]
    Trainer(config, ("bar", "disc", "ring"), Machine(torch.device("cpu"), "fp32")).save()
    with pytest.raises(ConfigurationError) as error:
        train(make_run(data, [*settings, change])[1], resume=True)
    assert sentence in str(error.value)
    assert "model.weights=" in str(error.value)


def test_changed_decay_and_share_are_in_force_after_resuming(data: Path) -> None:
    settings = [*SETTINGS, f"out={data / 'groups'}"]
    Trainer(make_run(data, settings)[1], ("bar", "disc"), Machine(torch.device("cpu"), "fp32")).save()
    changed = [*settings, "optimiser.weight_decay=0.25", "optimiser.backbone_lr=0.5"]
    config = make_run(data, changed)[1]
    trainer = Trainer(config, ("bar", "disc"), Machine(torch.device("cpu"), "fp32"))
    pretrained = config.model.model_copy(update={"pretrained": True})  # this backbone has no such weights
    trainer.config = config.model_copy(update={"model": pretrained})
    trainer.resume()
    found = {(group["share"], group["weight_decay"]) for group in trainer.optimiser.param_groups}
    assert found == {(0.5, 0.25), (0.5, 0.0), (1.0, 0.25), (1.0, 0.0)}


def test_random_layers_are_resumed_too(tmp_path: Path) -> None:
    """Chance inside the network is seeded by step."""

    def run(out: str, *stops: int | None) -> dict[str, object]:
        from cargosight_training.trainer.run import make_samples, read_training_data

        config = make_run(tmp_path, [f"out={tmp_path / out}", "phases=[{steps: 4, size: 64}]"])[1]
        training = read_training_data(config)
        for stop in stops:
            trainer = Trainer(config, training.classes.names, Machine(torch.device("cpu"), "fp32"))
            trainer.model.head.class_tower.append(torch.nn.Dropout(0.5))
            if trainer.checkpoint_path.exists():
                trainer.resume()
            trainer.run(make_samples(config, training), stop_at=stop)
        return checkpoint.load(trainer.checkpoint_path)["model"]

    assert_equal(run("whole", None), run("parts", 1, 3, None))
