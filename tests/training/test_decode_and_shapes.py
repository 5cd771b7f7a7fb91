"""The comparison of decode and shapes: what is run, on which copies, and what its table says."""

from pathlib import Path

import pytest
from training.comparisons import decode_and_shapes
from training.comparisons.decode_and_shapes import QUESTIONS, as_jpeg, compare, main

from cargosight_inference.session import Session
from cargosight_training.datasets.coco import read_coco
from tests.made.datasets import MadeSource, make_dataset
from tests.made.exports import exported


@pytest.fixture
def val(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "val", (MadeSource("site", images=4, clean=0.5),), size=(160, 120))


def test_copies_are_jpegs_with_boxes_of_their_size(val: Path, tmp_path: Path) -> None:
    data = read_coco(val)
    large = as_jpeg(data, tmp_path / "large", factor=2.5)
    for before, after in zip(data.images, large.images, strict=True):
        assert (after.width, after.height) == (400, 300)
        assert after.path.read_bytes()[:2] == b"\xff\xd8"
        assert after.annotations.boxes == pytest.approx(before.annotations.boxes * 2.5)


def test_every_question_has_its_rows(val: Path, tmp_path: Path) -> None:
    model = exported()[1]
    rows = {row.name: row for row in compare(model, read_coco(val), tmp_path, QUESTIONS)}
    whole, reduced = (
        rows["enlarged 2.5 times, decoded whole"],
        rows["enlarged 2.5 times, decoded at reduced scale"],
    )
    assert (whole.reduced, reduced.reduced) == (0.0, 1.0)
    assert all(row.accuracy.scans == 4 for row in rows.values())
    assert {"half the input, decoded whole", "the model's shapes", "one square"} <= set(rows)
    assert [name for name in rows if name.endswith(" shapes") and name[0].isdigit()]
    side = max(max(shape) for shape in Session(model).contract.input.shapes)
    assert Session(tmp_path / "square.onnx").contract.input.shapes == ((side, side),)


def test_the_table(val: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_and_shapes, "ENLARGED", 2.5)
    assert main([str(exported()[1]), "--data", str(val), "--only", "enlarged"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| run | decoded at reduced scale | mAP50")
    assert len(lines) == 4
    assert main(["none.onnx", "--data", str(val)]) == 2
    assert "none.onnx" in capsys.readouterr().err
