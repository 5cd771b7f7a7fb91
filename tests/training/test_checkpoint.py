"""Checkpoints and half-precision weights."""

import pickle
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from cargosight_models.contract import DataTerms, file_fingerprint
from cargosight_models.errors import ConfigurationError
from cargosight_models.networks.detector import Detector
from cargosight_training.export.detector import export_detector
from cargosight_training.trainer import checkpoint
from tests.made.exports import CLASSES, TERMS, export_config, exported, lively_detector, settings


@pytest.fixture
def detector() -> Detector:
    return lively_detector()


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    content = {"settings": {}, "classes": ["knife"], "step": 7, "model": {"w": torch.arange(5.0)}}
    checkpoint.save(tmp_path / "deep" / "last.pt", content)
    found = checkpoint.load(tmp_path / "deep" / "last.pt")
    assert found["step"] == 7
    assert torch.equal(found["model"]["w"], torch.arange(5.0))
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["last.pt"]


def test_a_kill_while_writing_leaves_the_file_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.pt"
    checkpoint.save(path, {"settings": {}, "classes": [], "step": 1})

    def killed(content: object, out: object) -> None:
        out.write(b"half of it")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(path, {"settings": {}, "classes": [], "step": 2})
    assert checkpoint.load(path)["step"] == 1


class _Runs:
    """What a hostile pickle would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("(_ for _ in ()).throw(SystemExit)",))


@pytest.mark.parametrize(
    "content", [b"", b"no checkpoint", b"PK\x03\x04 broken", pickle.dumps(_Runs(), protocol=2)]
)
def test_what_is_no_checkpoint_is_refused_and_not_run(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.pt"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"wrong\.pt is not a checkpoint"):
        checkpoint.load(path)


@pytest.mark.parametrize("content", [[1, 2], {"weights": {}}, {"settings": {}}])
def test_other_files_of_torch_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(ConfigurationError, match="names no network settings"):
        checkpoint.load(tmp_path / "other.pt")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.pt"):
        checkpoint.load(tmp_path / "gone.pt")


def test_weights_are_kept_in_half_precision_where_a_model_file_keeps_them_so(
    tmp_path: Path, detector: Detector
) -> None:
    """Biases and norms, which are few, keep full precision, and so do tensors that float16 cannot hold."""
    path = tmp_path / "best.pt"
    with torch.no_grad():
        detector.neck.up4.main.conv.weight[0, 0, 0, 0] = 1e6
    checkpoint.save_weights(path, detector, detector.settings, CLASSES)
    found, classes = checkpoint.load_detector(path)
    assert classes == CLASSES
    assert found.settings == detector.settings
    assert not found.training
    for key, value in detector.state_dict().items():
        halved = value.ndim >= 2 and key != "neck.up4.main.conv.weight"
        assert torch.equal(found.state_dict()[key], value.half().float() if halved else value), key
        assert found.state_dict()[key].dtype == value.dtype
    full = sum(v.nbytes for v in detector.state_dict().values())
    assert sum(v.nbytes for v in checkpoint.load(path)["weights"].values()) < 0.75 * full


def test_saved_weights_give_the_model_file_of_the_network_that_was_saved(
    tmp_path: Path, detector: Detector
) -> None:
    checkpoint.save_weights(tmp_path / "best.pt", detector, detector.settings, CLASSES)
    again, _ = checkpoint.load_detector(tmp_path / "best.pt")
    path = export_detector(again, CLASSES, export_config(), tmp_path / "again.onnx", TERMS)
    assert file_fingerprint(path) == file_fingerprint(exported()[1])


def test_of_a_checkpoint_the_average_weights_are_taken(tmp_path: Path, detector: Detector) -> None:
    average = lively_detector(seed=5).state_dict()
    checkpoint.save(
        tmp_path / "last.pt",
        {
            "settings": asdict(detector.settings),
            "classes": list(CLASSES),
            "model": detector.state_dict(),
            "average": {"steps": 3, "state": average},
        },
    )
    found, _ = checkpoint.load_detector(tmp_path / "last.pt")
    assert all(torch.equal(value, average[key]) for key, value in found.state_dict().items())


def test_starting_weights_follow_the_names_of_their_classes(tmp_path: Path, detector: Detector) -> None:
    path = tmp_path / "best.pt"
    checkpoint.save_weights(path, detector, detector.settings, CLASSES)
    model = Detector(settings(classes=4))
    fresh = model.head.class_out.weight.clone()
    kept = checkpoint.start_from(model, path, ("ring", "gun", "bar", "knife"))
    old, new = detector.head.class_out.weight.half().float(), model.head.class_out.weight
    assert torch.equal(new[0], old[CLASSES.index("ring")])
    assert torch.equal(new[2], old[CLASSES.index("bar")])
    assert torch.equal(new[1], fresh[1])
    assert torch.equal(new[3], fresh[3])
    assert kept == []
    assert torch.equal(model.neck.up4.main.conv.weight, detector.neck.up4.main.conv.weight.half().float())


def test_starting_weights_of_another_backbone_fill_what_fits(tmp_path: Path, detector: Detector) -> None:
    path = tmp_path / "best.pt"
    checkpoint.save_weights(path, detector, detector.settings, CLASSES)
    model = Detector(settings("csp-tiny"))
    kept = checkpoint.start_from(model, path, CLASSES)
    assert any(key.startswith("backbone.") for key in kept)
    assert any(key.startswith("neck.lateral.") for key in kept)
    assert not any(key.startswith("head.") for key in kept)


def test_what_taught_the_weights_comes_back_with_its_terms(tmp_path: Path, detector: Detector) -> None:
    taught = (DataTerms("lane-3", 12, "academic use only"), DataTerms("made", 3, "Apache-2.0", True))
    path = tmp_path / "w.pt"
    checkpoint.save_weights(path, detector, detector.settings, CLASSES, training_data=taught)
    assert checkpoint.training_data_of(path) == taught
    checkpoint.save(path, {"settings": asdict(detector.settings), "classes": list(CLASSES)})
    assert checkpoint.training_data_of(path) == ()


@pytest.mark.parametrize("change", [{"depth": 7}, {"channels": 24}])
def test_settings_that_do_not_fit_the_weights_are_a_sentence(
    tmp_path: Path, detector: Detector, change: dict[str, int]
) -> None:
    path = tmp_path / "w.pt"
    content = {
        "settings": asdict(detector.settings) | change,
        "classes": list(CLASSES),
        "weights": detector.state_dict(),
    }
    checkpoint.save(path, content)
    with pytest.raises(ConfigurationError, match=r"the network of .*w\.pt cannot be built"):
        checkpoint.load_detector(path)
