"""What a user has who installs the wheel, and nothing else: an inspection, far from the checkout, without torch."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.acceptance.bundled import NAME, require_bundled
from tests.acceptance.processes import ROOT, run

pytestmark = pytest.mark.acceptance

NOT_IN_THE_BASE = ("torch", "torchvision", "albumentations", "pydantic", "onnx", "matplotlib", "pycocotools")
PATIENCE_S = 900.0
"""For pip, which may have to fetch the dependencies."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("user")


@pytest.fixture(scope="module")
def bin_folder(place: Path) -> Path:
    """The commands of a fresh environment with the wheel and its base dependencies."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place / "dist", ROOT]
    run(build, cwd=place, timeout=PATIENCE_S)
    (wheel,) = (place / "dist").glob("*.whl")
    run([sys.executable, "-m", "venv", place / "venv"], cwd=place)
    commands = place / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run([commands / "python", "-m", "pip", "install", "--no-input", wheel], cwd=place, timeout=PATIENCE_S)
    return commands


def test_the_dependencies_agree_and_none_of_them_is_of_the_training(place: Path, bin_folder: Path) -> None:
    run([bin_folder / "python", "-m", "pip", "check"], cwd=place)
    listed = run([bin_folder / "python", "-m", "pip", "list", "--format", "json"], cwd=place).text
    names = {entry["name"].lower() for entry in json.loads(listed)}
    assert {"cargosight", "numpy", "onnxruntime", "opencv-python-headless"} <= names
    assert not names & set(NOT_IN_THE_BASE)


def test_nothing_is_taken_from_the_checkout(place: Path, bin_folder: Path) -> None:
    packages = "cargosight_inference, cargosight_models, cargosight_training"
    code = f"import {packages}\nfor package in ({packages}): print(package.__file__)"
    files = run([bin_folder / "python", "-c", code], cwd=place).text.splitlines()
    assert len(files) == 3
    assert all(Path(file).is_relative_to(place / "venv") for file in files)


def test_the_samples_are_inspected_with_the_bundled_model(place: Path, bin_folder: Path) -> None:
    code = "import cargosight_inference as i; print(i.__path__[0])"
    samples = Path(run([bin_folder / "python", "-c", code], cwd=place).text) / "samples" / "baggage"
    scans = sorted(str(path) for path in samples.iterdir())
    words = ("inspect", samples, "--subject", "baggage", "--json", "--out", "out")
    found = [json.loads(line) for line in run([bin_folder / "cargosight", *words], cwd=place).lines]
    assert sorted(one["path"] for one in found) == scans
    assert {one["decision"] for one in found} <= {"clear", "refer"}
    assert {one["fingerprint"] for one in found} == {require_bundled().sha256}
    assert len(list((place / "out").glob("*.overlay.png"))) == len(scans)


def test_the_bundled_model_is_in_order_there(place: Path, bin_folder: Path) -> None:
    require_bundled()
    text = run([bin_folder / "cargosight", "models", "verify", NAME], cwd=place).text
    assert text.endswith(f"{NAME} is in order")


def test_bags_are_simulated_and_the_model_evaluated_without_torch(place: Path, bin_folder: Path) -> None:
    """All that the base install promises beside the inspection."""
    require_bundled()
    command = bin_folder / "cargosight"
    run([command, "simulate", "baggage", "--count", "6", "--size", "320x240", "--out", "bags"], cwd=place)
    words = (
        "evaluate",
        NAME,
        "--data",
        *(place / "bags").glob("*.json"),
        "--samples",
        "0",
        "--out",
        "report",
    )
    run([command, *words], cwd=place)
    assert (place / "report" / "report.html").is_file()


@pytest.mark.parametrize("words", [("train", "baggage"), ("export", "best.pt")])
def test_what_needs_torch_says_what_to_install(words: tuple[str, str], place: Path, bin_folder: Path) -> None:
    refused = run([bin_folder / "cargosight", *words], cwd=place, code=2)
    assert 'pip install "cargosight[train]"' in refused.errors
    assert "Traceback" not in refused.errors
