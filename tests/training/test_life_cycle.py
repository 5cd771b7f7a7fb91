"""Train, export, inspect and evaluate with the real commands on a made data set, as a site does it."""

import json
import time
from pathlib import Path

import cv2
import pytest
import torch

from cargosight_inference.cli import main
from cargosight_models.contract import file_fingerprint
from tests.made.datasets import MadeSource, make_dataset

pytestmark = pytest.mark.acceptance

CONFIG = """
name: made
out: {folder}/run
data:
  train: [{{file: {folder}/train/train.json}}]
  val: [{{file: {folder}/val/val.json}}]
  terms: {{site-a: made by the tests}}
  cache: {folder}/cache
  cache_pixels: 96
model: {{backbone: csp-nano, pretrained: false, channels: 16, head_depth: 1, separable: true}}
augment: {{mosaic: 0.0, look: 0.0, grey: 0.0, background: 0.0, border: 0.0, quality: 0.0, project: 0.0, angle: 0.0}}
phases: [{{steps: 160, size: 96}}]
optimiser: {{batch: 8, lr: 0.01, warm_up: 10, ema_decay: 0.9}}
export: {{shapes: [[96, 96]]}}
machine: {{device: cpu, precision: fp32, threads: 1, workers: 0}}
log: {{every: 50, checkpoint_every: 1000, evaluate_every: 0, sheet: 2}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("life")
    for name, images, seed in (("train", 40, 1), ("val", 16, 2)):
        (folder / name).mkdir()
        make_dataset(folder / name, [MadeSource("site-a", images=images)], name=name, seed=seed)
    (folder / "mine.yaml").write_text(CONFIG.format(folder=folder))
    return folder


def test_from_annotated_scans_to_flagged_regions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.process_time()  # whatever else runs on the machine is no fault of the command
    torch.set_num_threads(1)
    assert main(["train", str(folder / "mine.yaml")]) == 0
    said = capsys.readouterr()
    assert f"trained to the end: {folder / 'run' / 'best.onnx'}" in said.out

    model = folder / "made.onnx"
    exporting = ["export", str(folder / "run" / "best.pt"), "--config", str(folder / "run" / "config.yaml")]
    assert main([*exporting, "--out", str(model)]) == 0
    assert file_fingerprint(model) == file_fingerprint(folder / "run" / "best.onnx")
    capsys.readouterr()

    scans = sorted((folder / "val" / "images" / "site-a").glob("*.png"))
    asked = ["--model", str(model), "--threshold", "0.2", "--json", "--out", str(folder / "out")]
    assert main(["inspect", *map(str, scans), *asked]) == 0
    inspections = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(one["path"]) for one in inspections] == scans
    assert {one["fingerprint"] for one in inspections} == {file_fingerprint(model)}
    assert {one["decision"] for one in inspections} == {"clear", "refer"}
    overlays = list((folder / "out").glob("**/*.png"))
    assert len(overlays) == len(scans)
    assert all(cv2.imread(str(path)) is not None for path in overlays)

    assert (
        main(["evaluate", str(model), "--data", str(folder / "val" / "val.json"), "--json", "--samples", "0"])
        == 0
    )
    figures = json.loads(capsys.readouterr().out)["parts"]["real"]
    assert figures["all_classes"]["map50"] > 0.3  # it has learnt to find what was drawn
    assert time.process_time() - started < 60
