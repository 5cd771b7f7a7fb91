"""A model in several precisions: what is run, what is said of what is not, and what may be the default."""

import json
from pathlib import Path

import pytest

from cargosight_inference import providers
from cargosight_inference.cli import main
from cargosight_inference.providers import CPU, Execution
from cargosight_models.errors import UsageError
from cargosight_training.datasets.coco import read_coco
from cargosight_training.evaluation import precisions as measuring
from cargosight_training.evaluation.accuracy import Accuracy, accuracy_on
from cargosight_training.evaluation.intervals import Rate
from cargosight_training.evaluation.precisions import Way, compare_precisions, markdown, ways
from cargosight_training.evaluation.run import open_inspector
from tests.made.datasets import MadeSource, make_dataset
from tests.made.exports import exported


@pytest.fixture
def val(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "val", (MadeSource("site", images=8, clean=0.5),))


def test_bf16_is_listed_with_its_reason_where_it_cannot_be_run(
    val: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers.onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(providers, "_plugin_devices", lambda: ())
    chosen = ways(exported()[1], None)
    assert [(way.precision, way.execution.provider) for way in chosen] == [
        ("fp32", "cpu"),
        ("int8", "cpu"),
        ("bf16", "openvino"),
    ]
    rows = compare_precisions(chosen, read_coco(val), rounds=2)
    assert rows[0].accuracy is not None
    assert rows[0].ratio is not None
    assert rows[0].ratio.median == 1.0
    assert rows[1].missing == "no int8 file was given"
    assert rows[2].missing is not None
    assert "openvino is not available" in rows[2].missing
    assert not any(row.may_be_default for row in rows)
    table = markdown(rows, "val", "made processor")
    assert "| bf16 | openvino | not measured: the provider openvino is not available" in table
    assert "| fp32 | cpu | 0." in table
    assert "made processor" in table


@pytest.mark.parametrize(("found", "ratio", "may"), [(600, 0.7, True), (590, 0.7, False), (600, 1.1, False)])
def test_only_what_is_good_and_faster_may_be_default(
    val: Path, monkeypatch: pytest.MonkeyPatch, found: int, ratio: float, may: bool
) -> None:
    counts = iter((600, found))
    monkeypatch.setattr(
        measuring,
        "accuracy_on",
        lambda *_, **__: Accuracy(0.6, Rate(next(counts), 1000), Rate(1, 20), 1000),
    )
    monkeypatch.setattr(measuring, "alternate", lambda jobs, rounds: [(1.0, ratio)] * rounds)
    model = exported()[1]
    rows = compare_precisions([Way("fp32", CPU, model), Way("fp32", CPU, model)], read_coco(val))
    assert [row.may_be_default for row in rows] == [False, may]


def test_a_file_in_another_precision_is_refused(val: Path) -> None:
    with pytest.raises(UsageError, match="is fp32; expected a file in int8"):
        compare_precisions([Way("int8", CPU, exported()[1])], read_coco(val), rounds=1)


def test_nothing_is_compared_without_a_measure(val: Path) -> None:
    way = Way("fp32", Execution(provider="cuda"), exported()[1])
    with pytest.raises(UsageError, match="nothing to compare with: the provider cuda"):
        compare_precisions([way], read_coco(val), rounds=1)


def test_accuracy_counts_boxes_at_the_false_alarm_rate(val: Path) -> None:
    found = accuracy_on(open_inspector(str(exported()[1])), read_coco(val))
    assert found.scans == 8
    assert found.alarmed is not None
    assert found.alarmed.of == sum(not len(image.annotations) for image in read_coco(val).images)
    assert found.detected is not None
    assert found.detected.of == sum(len(image.annotations) for image in read_coco(val).images)


def test_the_command_makes_an_int8_file_and_writes_the_table(
    val: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = make_dataset(tmp_path / "train", (MadeSource("site", images=3, clean=0.0),), seed=7)
    asked = ["evaluate", str(exported()[1]), "--data", str(val), "--precisions"]
    assert main([*asked, "--calibrate-on", str(train), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "| int8 | cpu | 0." in told
    assert (tmp_path / "out" / "precisions.md").read_text("utf-8") == told
    document = json.loads((tmp_path / "out" / "precisions.json").read_text("utf-8"))
    assert [row["precision"] for row in document["rows"]][:2] == ["fp32", "int8"]
    assert document["processor"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--int8", "x.onnx"], "--int8 goes with --precisions"),
        (["--precisions", "--null-projections"], "leave the other kinds"),
        (["--precisions", "--int8", "x.onnx", "--calibrate-on", "y.json"], "give one of the two"),
    ],
)
def test_misuse(val: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
    assert main(["evaluate", str(exported()[1]), "--data", str(val), *options]) == 2
    assert message in capsys.readouterr().err
