"""Models that an engineer may choose: of the catalog and of one folder, and nothing is learned of other files."""

from pathlib import Path

import pytest

from cargosight_inference.service.model_choice import models_to_choose, permitted_model
from cargosight_models.errors import EngineError
from tests.made.models import make_blob_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "models"
    (inside / "new").mkdir(parents=True)
    (inside / "a.onnx").write_bytes(b"a")
    (inside / "new" / "B.ONNX").write_bytes(b"b")
    (inside / "points.json").write_bytes(b"{}")
    (tmp_path / "secret.onnx").write_bytes(b"s")
    (inside / "out.onnx").symlink_to(tmp_path / "secret.onnx")
    (inside / "away").symlink_to(tmp_path)
    (inside / "round.onnx").symlink_to(inside / "round.onnx")
    (inside / "within.onnx").symlink_to(inside / "a.onnx")
    (inside / "folder.onnx").mkdir()
    return inside


def test_names_of_the_catalog_and_files_of_the_folder(folder: Path) -> None:
    assert permitted_model("baggage", folder, ()) == "baggage"
    assert permitted_model("../baggage", folder, ()) == "../baggage"  # a name, of which there is none
    root = folder.resolve()
    for wanted, found in (
        ("a.onnx", "a.onnx"),
        ("new/B.ONNX", "new/B.ONNX"),
        ("within.onnx", "a.onnx"),
        (str(root / "a.onnx"), "a.onnx"),
    ):
        assert permitted_model(wanted, folder, ()) == str(root / found)


@pytest.mark.parametrize(
    "wanted",
    [
        "gone.onnx", "../secret.onnx", "../gone.onnx", "new/../a.onnx", "out.onnx", "away/secret.onnx", "round.onnx",
        "folder.onnx", "/etc/gone.onnx", "~/gone.onnx", "a\0.onnx", "x" * 400 + ".onnx", "new/../../secret.onnx",
    ],
)  # fmt: skip
def test_other_files_are_refused_with_one_sentence(folder: Path, wanted: str) -> None:
    (folder.parent / "empty").mkdir()
    told = []
    for place in (folder, folder.parent / "empty", folder.parent / "none"):
        with pytest.raises(EngineError) as caught:
            permitted_model(wanted, place, (None, "baggage"))
        told.append(str(caught.value))
    assert told[0].startswith(f"the folder of models has no file {wanted}; choose")
    assert len(set(told)) == 1 and str(folder.parent) not in told[0].replace(wanted, "")


def test_an_absolute_path_outside_is_refused_alike(folder: Path) -> None:
    told = []
    for name in ("secret.onnx", "missing.onnx"):
        with pytest.raises(EngineError) as caught:
            permitted_model(str(folder.parent / name), folder, ())
        told.append(str(caught.value).replace(name, ""))
    assert told[0] == told[1]


def test_what_the_settings_name_is_permitted_wherever_it_lies(folder: Path) -> None:
    own = str(folder.parent / "secret.onnx")
    assert permitted_model(own, folder, (own, None)) == own


def test_they_are_listed_by_their_place(tmp_path: Path) -> None:
    (tmp_path / "models" / "new").mkdir(parents=True)
    make_blob_model(tmp_path / "models" / "new" / "blobs.onnx", operating_points={"pfa=0.05": 0.5})
    (tmp_path / "models" / "out.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    listed = {each.name: each for each in models_to_choose(tmp_path / "models")}
    assert "baggage" in listed and "out.onnx" not in listed
    assert listed["new/blobs.onnx"].sidecar is not None
    assert {each.name for each in models_to_choose(tmp_path / "none")} == set(listed) - {"new/blobs.onnx"}
