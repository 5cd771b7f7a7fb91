"""The wheel: what is in it, and that the command runs from it, outside the checkout, with torch out of reach."""

import email
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.made.models import make_blob_model

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "cargosight_models": ROOT / "models",
    "cargosight_inference": ROOT / "inference",
    "cargosight_training": ROOT / "training",
}
BUNDLED = sorted((ROOT / "models/cargosight_models/bundled").glob("*/*.onnx"))
Finished = subprocess.CompletedProcess[str]
NOT_IN_THE_BASE = ("torch", "torchvision", "albumentations", "pydantic", "onnx", "matplotlib", "pycocotools")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    _call(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT), cwd=out
    )
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile")
    _call(*pip, "--target", str(target), str(wheel), cwd=target)
    blocked = target / "blocked"
    for name in NOT_IN_THE_BASE:
        (blocked / name).mkdir(parents=True)
        (blocked / name / "__init__.py").write_text(
            f"raise ImportError('{name} is out of reach in this test')\n"
        )
    return target


def _call(*words: str, cwd: Path, path: tuple[Path, ...] = (), code: int = 0) -> Finished:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONPATH": os.pathsep.join(map(str, path)), "CARGOSIGHT_HOME": str(cwd / "home")}
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


def _cargosight(installed: Path, *words: str, cwd: Path, code: int = 0) -> Finished:
    path = (installed / "blocked", installed)
    return _call(sys.executable, str(installed / "bin/cargosight"), *words, cwd=cwd, path=path, code=code)


def test_it_holds_the_three_packages_and_nothing_beside_them(names: set[str]) -> None:
    top = {name.split("/")[0] for name in names}
    assert top == {*PACKAGES, *(folder for folder in top if folder.endswith(".dist-info"))}
    assert sum(folder.endswith(".dist-info") for folder in top) == 1
    assert not [name for name in names if "__pycache__" in name or re.search(r"(^|/)tests?(/|_)", name)]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_is_in_it(package: str, names: set[str]) -> None:
    root = PACKAGES[package]
    files = {
        path.relative_to(root).as_posix()
        for path in (root / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert f"{package}/py.typed" in files
    assert files <= names


def test_it_holds_the_configurations_the_samples_and_the_licence(names: set[str]) -> None:
    configurations = {path.name for path in (ROOT / "configs").rglob("*.yaml")}
    assert configurations
    assert {f"cargosight_models/configs/{name}" for name in configurations} <= names
    samples = [name for name in names if name.startswith("cargosight_inference/samples/")]
    assert sum(name.endswith((".jpg", ".png", ".tif")) for name in samples) >= 6
    assert "cargosight_inference/samples/README.md" in samples
    assert any(re.fullmatch(r"cargosight-[^/]+\.dist-info/licenses/LICENSE", name) for name in names)


def test_the_licence_is_the_whole_apache_2_text() -> None:
    text = (ROOT / "LICENSE").read_text()
    for part in (
        "Version 2.0, January 2004",
        "9. Accepting Warranty",
        "END OF TERMS AND CONDITIONS",
        "APPENDIX",
    ):
        assert part in text
    assert len(text.splitlines()) == 202


@pytest.mark.parametrize("model", BUNDLED, ids=lambda path: path.stem)
def test_a_bundled_model_comes_with_its_papers(model: Path, names: set[str]) -> None:
    folder = f"cargosight_models/bundled/{model.stem}"
    papers = (
        f"{model.stem}.onnx",
        f"{model.stem}.sha256",
        f"{model.stem}.points.json",
        "card.md",
        "TERMS.md",
    )
    assert {f"{folder}/{paper}" for paper in papers} <= names


def test_the_base_install_asks_for_no_torch(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        message = email.message_from_bytes(archive.read(metadata))
    requirements = message.get_all("Requires-Dist") or []
    base = sorted(re.split(r"[^\w-]", line)[0] for line in requirements if "extra ==" not in line)
    assert base == ["mucoeff", "numpy", "onnxruntime", "opencv-python-headless", "pillow", "pyyaml"]
    assert any(line.startswith("torch>") and "extra == 'train'" in line for line in requirements)
    assert message["License-Expression"] == "Apache-2.0"


def test_the_command_starts_and_lists_its_commands(installed: Path, tmp_path: Path) -> None:
    assert _cargosight(installed, "--version", cwd=tmp_path).stdout.startswith("cargosight ")
    listed = _cargosight(installed, "--help", cwd=tmp_path).stdout
    for command in (
        "inspect",
        "models",
        "bench",
        "train",
        "evaluate",
        "export",
        "convert",
        "simulate",
        "project",
    ):
        assert re.search(rf"^  {command} ", listed, re.MULTILINE), listed


def test_it_runs_from_the_wheel_and_not_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    code = f"import {', '.join(PACKAGES)}; print({', '.join(f'{name}.__file__' for name in PACKAGES)}, sep='\\n')"
    files = _call(sys.executable, "-c", code, cwd=tmp_path, path=(installed,)).stdout.splitlines()
    assert len(files) == len(PACKAGES)
    assert all(Path(file).is_relative_to(installed) for file in files)


def test_the_samples_are_inspected_without_torch(installed: Path, tmp_path: Path) -> None:
    model = make_blob_model(tmp_path / "blobs.onnx")
    samples = installed / "cargosight_inference/samples/baggage"
    words = (
        "inspect",
        str(samples),
        "--subject",
        "baggage",
        "--model",
        str(model),
        "--threshold",
        "0.5",
        "--json",
    )
    lines = _cargosight(installed, *words, "--out", str(tmp_path / "out"), cwd=tmp_path).stdout.splitlines()
    scans = list(samples.iterdir())
    decisions = {Path(found["path"]).name: found["decision"] for found in map(json.loads, lines)}
    assert set(decisions) == {path.name for path in scans}
    assert set(decisions.values()) <= {"clear", "refer"}
    assert len(list((tmp_path / "out").glob("*.overlay.png"))) == len(scans)


def test_simulate_runs_without_torch(installed: Path, tmp_path: Path) -> None:
    words = ("simulate", "baggage", "--count", "2", "--size", "160x120", "--out", str(tmp_path / "bags"))
    assert "2 simulated scans" in _cargosight(installed, *words, cwd=tmp_path).stdout


def test_project_runs_without_torch(installed: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((300, 400), 150, dtype=np.uint8))
    words = ("project", "grey.png", "--threat", "shielded_source", "--pitch", "6", "--out", "out.png")
    assert "shielded_source with visibility" in _cargosight(installed, *words, cwd=tmp_path).stdout
    assert (tmp_path / "out.truth.json").is_file()


def test_training_without_its_extra_says_what_to_install(installed: Path, tmp_path: Path) -> None:
    done = _cargosight(installed, "train", "baggage", cwd=tmp_path, code=2)
    assert "cargosight[train]" in done.stderr
