from pathlib import Path

import pytest
import torch
from torch import nn

from cargosight_models.errors import ConfigurationError
from cargosight_models.networks.detector import Detector
from cargosight_training.config import MachineConfig, TrainConfig
from cargosight_training.trainer import checkpoint
from cargosight_training.trainer.journal import read_rows
from cargosight_training.trainer.loop import Trainer
from cargosight_training.trainer.machine import Machine, set_up
from cargosight_training.trainer.run import make_samples, read_training_data
from tests.made.datasets import CocoDocument, annotation
from tests.made.runs import make_run, trained_on, with_rectangle, write_picture

CPU = Machine(torch.device("cpu"), "fp32")
FOUR_STEPS = "phases=[{steps: 4, size: 64}]"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def trained(config: TrainConfig, **more) -> Trainer:
    data = read_training_data(config)
    trainer = Trainer(config, data.classes.names, CPU)
    trainer.run(make_samples(config, data), **more)
    return trainer


def test_a_run_goes_through_its_phases_and_writes_its_rows(tmp_path: Path) -> None:
    _, config = make_run(tmp_path)
    trainer = trained(config)
    rows = read_rows(config.out / "log.csv")
    assert [(row["step"], row["size"]) for row in rows] == [
        ("1", "64"),
        ("3", "64"),
        ("5", "96"),
        ("7", "96"),
    ]
    assert trainer.step == 8
    assert checkpoint.load(trainer.checkpoint_path)["step"] == 8
    assert all(float(row["loss"]) > 0 for row in rows)


def test_the_loss_falls(tmp_path: Path) -> None:
    """On one scan with one item, which is learnt by heart."""
    settings = ["phases=[{steps: 60, size: 64}]", "augment.enabled=false", "optimiser.lr=0.01", "log.every=1"]
    _, config = make_run(tmp_path, settings)
    path = write_picture(tmp_path / "one.png", with_rectangle(64, 64, (12, 16, 44, 40)))
    document = CocoDocument(
        images=[{"id": 1, "file_name": str(path), "width": 64, "height": 64}],
        annotations=[annotation(1, 1, 1, (12, 16, 32, 24))],
        categories=[{"id": 1, "name": "only"}],
    )
    trained(trained_on(config, document.write(tmp_path / "one.json")))
    losses = [float(row["boxes"]) for row in read_rows(config.out / "log.csv")]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])


def test_evaluations_come_when_due_and_at_the_end(tmp_path: Path) -> None:
    _, config = make_run(tmp_path, ["log.evaluate_every=3"])
    seen: list[int] = []

    def evaluate(model: Detector, step: int, cpu_hours: float) -> None:
        assert not model.training
        assert checkpoint.load(config.out / "last.pt")["step"] == step  # a kill now comes back to here
        assert cpu_hours > 0.0
        seen.append(step)

    trainer = trained(config, evaluate=evaluate)
    assert seen == [3, 6, 8]
    for key, value in trainer.average_model().state_dict().items():
        assert torch.equal(value, trainer.average.state[key])


def test_a_run_ends_where_it_is_asked_to(tmp_path: Path) -> None:
    _, config = make_run(tmp_path)
    assert trained(config, stop_at=3).step == 3
    assert trained(config, stop=lambda: True).step == 0
    assert checkpoint.load(config.out / "last.pt")["step"] == 0


@pytest.mark.parametrize(("backbone", "frozen"), [("csp-nano", 2), ("lite0", 5)])
def test_frozen_stages_stay_as_they_are(tmp_path: Path, backbone: str, frozen: int) -> None:
    settings = [f"phases=[{{steps: 2, size: 64, frozen_stages: {frozen}, frozen_depthwise: false}}]"]
    _, config = make_run(tmp_path, [*settings, f"model.backbone={backbone}", "optimiser.warm_up=0"])
    data = read_training_data(config)
    trainer = Trainer(config, data.classes.names, CPU)
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    trainer.run(make_samples(config, data))
    stages = trainer.model.backbone.stages()
    fixed = {id(v) for stage in stages[:frozen] for v in (*stage.parameters(), *stage.buffers())}
    named = [*trainer.model.named_parameters(), *trainer.model.named_buffers()]
    for name, value in named:
        if id(value) in fixed:
            assert torch.equal(value, before[name]), name
    assert any(
        not torch.equal(p, before[n]) for n, p in trainer.model.named_parameters() if id(p) not in fixed
    )


@pytest.mark.parametrize(("supported", "expected"), [(True, "bf16"), (False, "fp32")])
def test_the_precision_is_the_one_that_the_processor_computes_in(monkeypatch, supported, expected) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: supported)
    assert set_up(MachineConfig(device="cpu")).precision == expected
    assert set_up(MachineConfig(device="cpu", precision="fp32")).precision == "fp32"


def test_bf16_is_used_where_asked_for(tmp_path: Path) -> None:
    _, config = make_run(tmp_path, [FOUR_STEPS])
    data = read_training_data(config)
    trainer = Trainer(config, data.classes.names, Machine(torch.device("cpu"), "bf16"))
    seen: list[torch.dtype] = []
    trainer.model.neck.lateral[0].conv.register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
    trainer.run(make_samples(config, data))
    assert set(seen) == {torch.bfloat16}
    assert all(p.dtype == torch.float32 for p in trainer.model.parameters())


def test_a_gradient_that_is_not_finite_ends_the_run_and_spoils_nothing(tmp_path: Path) -> None:
    _, config = make_run(tmp_path, ["log.checkpoint_every=1"])
    data = read_training_data(config)
    trainer = Trainer(config, data.classes.names, CPU)
    samples = make_samples(config, data)
    trainer.run(samples, stop_at=2)
    trainer.model.head.class_out.weight.register_hook(lambda g: g * float("nan"))
    with pytest.raises(
        ConfigurationError, match=r"step 3 gives a loss of .* and a gradient that is not finite"
    ):
        trainer.run(samples)
    saved = checkpoint.load(trainer.checkpoint_path)
    assert saved["step"] == 2
    assert all(torch.isfinite(v).all() for v in saved["model"].values())


def test_the_batch_must_be_shared_evenly(tmp_path: Path) -> None:
    _, config = make_run(tmp_path, ["optimiser.batch=4"])
    with pytest.raises(
        ConfigurationError, match=r"optimiser\.batch is 4, which 3 processes cannot share evenly"
    ):
        Trainer(config, ("a",), Machine(torch.device("cpu"), "fp32", 0, 3))


def test_norms_and_biases_do_not_decay_and_a_pretrained_backbone_learns_slowly(tmp_path: Path) -> None:
    settings = ["model.backbone=lite0", "model.pretrained=true", "optimiser.backbone_lr=0.1", FOUR_STEPS]
    _, config = make_run(tmp_path, settings)
    trainer = Trainer(config, ("a",), CPU)
    names = {id(p): n for n, p in trainer.model.named_parameters()}
    for group in trainer.optimiser.param_groups:
        for parameter in group["params"]:
            assert (group["weight_decay"] > 0) == (parameter.ndim > 1)
            assert group["share"] == (0.1 if names[id(parameter)].startswith("backbone.") else 1.0)
    assert sum(len(group["params"]) for group in trainer.optimiser.param_groups) == len(names)


def test_starting_weights_follow_their_class_names(tmp_path: Path) -> None:
    _, config = make_run(tmp_path, [FOUR_STEPS])
    first = Trainer(config, ("bar", "disc", "ring"), CPU)
    nn.init.normal_(first.model.head.class_out.weight)
    checkpoint.save_weights(tmp_path / "w.pt", first.model, first.settings, first.classes)
    _, config = make_run(tmp_path, [FOUR_STEPS, f"model.weights={tmp_path / 'w.pt'}", "seed=5"])
    second = Trainer(config, ("ring", "new", "bar"), CPU)
    old, new = first.model.head.class_out.weight, second.model.head.class_out.weight
    assert torch.allclose(new[0], old[2].half().float())
    assert torch.allclose(new[2], old[0].half().float())
    assert not torch.allclose(new[1], old[1], atol=1e-2)
    assert second.untouched == []
    stem = first.model.backbone.stem.conv.weight
    assert torch.allclose(second.model.backbone.stem.conv.weight, stem, atol=1e-3)
    assert torch.equal(second.average.state["head.class_out.weight"], new)


def test_weights_files_rebuild_their_network(tmp_path: Path) -> None:
    _, config = make_run(tmp_path)
    trainer = trained(config)
    checkpoint.save_weights(tmp_path / "w.pt", trainer.average_model(), trainer.settings, trainer.classes)
    for path, tolerance in ((tmp_path / "w.pt", 1e-3), (trainer.checkpoint_path, 0.0)):
        detector, classes = checkpoint.load_detector(path)
        assert classes == ("bar", "disc", "ring")
        assert not detector.training
        for key, value in detector.state_dict().items():
            expected = trainer.average.state[key]
            assert torch.allclose(value.float(), expected.float(), rtol=tolerance, atol=tolerance * 1e-3), key


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut"])
def test_files_that_are_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"w\.pt is not a checkpoint of this program"):
        checkpoint.load(tmp_path / "w.pt")


def test_checkpoints_that_are_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the weights file"):
        checkpoint.load(tmp_path / "none.pt")
    torch.save({"a": 1}, tmp_path / "other.pt")
    with pytest.raises(ConfigurationError, match="names no network settings"):
        checkpoint.load(tmp_path / "other.pt")
    torch.save(
        {"settings": {"backbone": "x", "channels": 8}, "classes": ["a"], "weights": {}}, tmp_path / "x.pt"
    )
    _, config = make_run(tmp_path, [f"model.weights={tmp_path / 'x.pt'}"])
    with pytest.raises(
        ConfigurationError, match=r"no weight in .*x\.pt fits this network: the file is of a x"
    ):
        Trainer(config, ("a",), CPU)


def test_what_the_machine_has_not_is_refused(tmp_path: Path) -> None:
    _, config = make_run(tmp_path, ["machine.precision=fp16"])
    with pytest.raises(ConfigurationError, match="fp16 needs a CUDA device: set it to bf16 or fp32"):
        set_up(config.machine)
    if not torch.cuda.is_available():
        _, config = make_run(tmp_path, ["machine.device=cuda"])
        with pytest.raises(ConfigurationError, match="torch finds no CUDA device"):
            set_up(config.machine)
