"""Settings that name what is not there: the service does not start, and the sentence names the lane."""

from pathlib import Path
from typing import Any

import pytest

from cargosight_inference.cli import main
from cargosight_inference.service.checking import check_settings
from cargosight_inference.service.desk import Desk
from cargosight_inference.service.settings import ServiceSettings, read_settings
from cargosight_models.errors import ConfigurationError
from tests.made.models import make_blob_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_blob_model(tmp_path / "blobs.onnx", operating_points={"pfa=0.05": 0.5, "pfa=0.01": 0.8})


def settings_of(folder: Path, **lane: Any) -> ServiceSettings:
    return ServiceSettings.model_validate(
        {"data": folder / "data", "lanes": [{"name": "belt-1", **lane}, {"name": "belt-2"}]}
    )


def test_what_is_there_is_taken(tmp_path: Path, model: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("refer_classes: [dark]\n", encoding="utf-8")
    check_settings(settings_of(tmp_path))
    check_settings(settings_of(tmp_path, model=str(model), operating_point="pfa=0.01", policy=policy))
    check_settings(settings_of(tmp_path, model=str(model), threshold=0.3, golden=policy))


@pytest.mark.parametrize(
    ("lane", "words"),
    [
        ({"model": "bagage"}, ["'bagage'", "did you mean 'baggage'"]),
        ({"model": "gone.onnx"}, ["there is no model file gone.onnx", "baggage"]),
        ({"operating_point": "pfa=0.07"}, ["'pfa=0.07'", "pfa=0.05"]),
        ({"policy": "gone.yaml"}, ["gone.yaml"]),
        ({"golden": "gone.png"}, ["golden is gone.png", "expected a scan"]),
    ],
)
def test_what_is_not_there_is_told_with_its_lane(
    tmp_path: Path, lane: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(ConfigurationError, match=r"^lane belt-1: ") as caught:
        check_settings(settings_of(tmp_path, **lane))
    assert all(word in str(caught.value) for word in words), caught.value
    assert not (tmp_path / "data").exists()


def test_a_policy_waits_for_no_class_that_the_model_does_not_find(tmp_path: Path, model: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("refer_classes: [darc]\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="lane belt-1: the policy refers 'darc'"):
        check_settings(settings_of(tmp_path, model=str(model), policy=policy))


def test_a_model_without_points_needs_a_threshold(tmp_path: Path) -> None:
    bare = make_blob_model(tmp_path / "bare.onnx")
    with pytest.raises(ConfigurationError, match=r"lane belt-1: .* no operating points"):
        check_settings(settings_of(tmp_path, model=str(bare)))
    check_settings(settings_of(tmp_path, model=str(bare), threshold=0.5))


def test_a_damaged_model_file_keeps_no_service_from_starting(tmp_path: Path, model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-1])
    check_settings(settings_of(tmp_path, model=str(model), operating_point="pfa=0.01"))


def test_a_data_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"the data folder .*data is a file; expected a folder"):
        check_settings(settings_of(tmp_path))
    nested = ServiceSettings(data=tmp_path / "data" / "deeper")
    with pytest.raises(ConfigurationError, match=r"deeper cannot be made"), Desk(nested):
        pass


def test_a_wrong_threshold_names_the_lane(tmp_path: Path) -> None:
    path = tmp_path / "service.yaml"
    path.write_text("lanes: [{name: belt-1, threshold: 1.5}]", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"lane belt-1: lanes\.0\.threshold is 1\.5"):
        read_settings(path)


def test_the_command_ends_before_anything_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "service.yaml"
    path.write_text(f"data: {tmp_path / 'data'}\nlanes: [{{name: a, operating_point: x}}]", encoding="utf-8")
    assert main(["serve", str(path), "--port", "0"]) == 2
    captured = capsys.readouterr()
    assert "lane a: there is no operating point 'x'" in captured.err
    assert not (tmp_path / "data").exists()
