"""Series of simulated cargo scans as files, and the command that writes them."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cargosight_inference.scans.attenuation import STEEL
from cargosight_inference.scans.projection import Signature
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_models.errors import UsageError
from cargosight_training.commands import simulate
from cargosight_training.datasets.coco import read_coco
from cargosight_training.simulation.cargo import ContainerSettings, simulate_container
from cargosight_training.simulation.cargo.writing import ANNOTATIONS, SOURCE, run_lengths, write_containers

SMALL = ContainerSettings(pitch_mm=(14.0, 18.0), threat_share=1.0, lookalike_share=1.0)


def _bar(rng: np.random.Generator, pitch: float) -> Signature:
    size = (max(round(120 / pitch), 2), max(round(rng.uniform(300, 700) / pitch), 2))
    return Signature("bar", {STEEL: np.full(size, 30.0, np.float32)}, pitch)


THREATS = {"gun": _bar, "blade": _bar}
LOOKALIKES = {"drill": _bar}


def _decoded(run_lengths: dict[str, list[int]]) -> np.ndarray:
    """COCO's definition: lengths of zeros and ones by turns, down the columns."""
    counts = run_lengths["counts"]
    ones = np.arange(len(counts)) % 2 == 1
    return np.repeat(ones, counts).reshape(run_lengths["size"], order="F")


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    done: list[None] = []
    write_containers(
        tmp_path, count=4, seed=9, settings=SMALL, threats=THREATS, lookalikes=LOOKALIKES,
        done=lambda: done.append(None),
    )  # fmt: skip
    assert len(done) == 4
    dataset = read_coco(tmp_path / ANNOTATIONS)
    assert dataset.classes.names == tuple(THREATS)
    document = json.loads((tmp_path / ANNOTATIONS).read_text())
    assert document["sources"] == {SOURCE: {"labelled": list(THREATS), "origin": "simulated"}}
    for index, image in enumerate(dataset.images):
        made = simulate_container(9, index, SMALL, threats=THREATS, lookalikes=LOOKALIKES)
        np.testing.assert_array_equal(image.annotations.boxes, made.annotations.boxes)
        np.testing.assert_array_equal(image.annotations.class_ids, made.annotations.class_ids)
        assert image.origin == "simulated"
        row = document["images"][index]
        assert row["truth"]["vehicle"] == made.truth.vehicle
        assert row["truth"]["families"] == list(made.truth.families)
        assert [x["name"] for x in row["truth"]["lookalikes"]] == [x.name for x in made.truth.lookalikes]
        found = [one for one in document["annotations"] if one["image_id"] == row["id"]]
        for one, mask, thing in zip(found, made.masks, made.truth.threats, strict=True):
            np.testing.assert_array_equal(_decoded(one["segmentation"]), mask)
            assert one["area"] == mask.sum()
            assert one["visibility"] == pytest.approx(thing.visibility)


def test_a_file_is_a_transmission_scan_of_two_energies(tmp_path: Path) -> None:
    settings = ContainerSettings(pitch_mm=(10.0, 12.0), vehicles=("container 20",))
    write_containers(tmp_path, count=2, seed=4, settings=settings, threats={}, lookalikes={})
    for index in range(2):
        made = simulate_container(4, index, settings)
        scan = read_scan(tmp_path / "images" / f"{index:05d}.tif", ReadOptions(subject="cargo"))
        assert scan.kind == "transmission"
        assert scan.pixels.shape == made.counts.shape
        assert scan.polarity == "air_bright"
        # The reader has to estimate the air level, which the simulator knows.
        np.testing.assert_allclose(scan.pixels, made.transmission, atol=0.03)
    dataset = read_coco(tmp_path / ANNOTATIONS)
    assert not any(image.labelled.any() for image in dataset.images)


@pytest.mark.parametrize("corners", [(0, 0, 5, 7), (2, 1, 4, 3), (3, 5, 5, 7), (0, 0, 1, 1), (0, 0, 0, 0)])
def test_run_lengths_are_those_of_coco(corners: tuple[int, int, int, int]) -> None:
    mask = np.zeros((5, 7), dtype=np.bool_)
    y0, x0, y1, x1 = corners
    mask[y0:y1, x0:x1] = True
    found = run_lengths(mask)
    assert sum(found["counts"]) == mask.size
    np.testing.assert_array_equal(_decoded(found), mask)


@pytest.mark.parametrize(("count", "seed"), [(0, 1), (1, -1)])
def test_a_wrong_series_is_refused(tmp_path: Path, count: int, seed: int) -> None:
    with pytest.raises(UsageError, match="expected"):
        write_containers(tmp_path, count=count, seed=seed, threats={}, lookalikes={})
    assert not list(tmp_path.iterdir())


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    simulate.add_arguments(parser)
    return simulate.run(parser.parse_args(words))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "cargo")
    words = ("container", "--count", "2", "--seed", "2", "--out", out, "--vehicles", "air pallet, uld")
    assert _run(*words, "--families", "cartons", "--empty-share", "0", "--energies", "9,4") == 0
    assert "2 simulated scans" in capsys.readouterr().out
    document = json.loads((tmp_path / "cargo" / ANNOTATIONS).read_text())
    assert {row["truth"]["vehicle"] for row in document["images"]} <= {"air pallet", "uld"}
    assert [row["truth"]["families"] for row in document["images"]] == [["cartons"], ["cartons"]]
    assert [row["truth"]["megavolts"] for row in document["images"]] == [[9.0, 4.0], [9.0, 4.0]]
    with pytest.raises(UsageError, match="exists already"):
        _run(*words)
    other = str(tmp_path / "other")
    with pytest.raises(UsageError, match="unknown kind of cargo 'sack'"):
        _run("container", "--out", other, "--families", "sack")
    for energies in ("4,6", "6", "6,x", "30,6", "6,nan"):
        with pytest.raises(UsageError, match="expected two from 25 down to 1 MV"):
            _run("container", "--out", other, "--energies", energies)
    with pytest.raises(UsageError, match="0 scans were asked for; expected 1 or more"):
        _run("container", "--out", other, "--count", "0")
    with pytest.raises(UsageError, match="--size does not go with `simulate container`"):
        _run("container", "--out", other, "--size", "640x480")
    with pytest.raises(UsageError, match="--families does not go with `simulate baggage`"):
        _run("baggage", "--out", other, "--families", "sacks")
    assert not Path(other).exists()


def test_a_folder_with_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "old.tif").write_bytes(b"")
    with pytest.raises(UsageError, match="holds pictures already"):
        write_containers(tmp_path, count=1, seed=0, threats={}, lookalikes={})


def test_it_runs_on_the_base_install(tmp_path: Path) -> None:
    code = f"""
import sys
for name in "torch torchvision albumentations pydantic onnx matplotlib pycocotools tqdm".split():
    sys.modules[name] = None
import argparse
from cargosight_training.commands import simulate
parser = argparse.ArgumentParser()
simulate.add_arguments(parser)
words = ["container", "--count", "1", "--vehicles", "uld", "--out", {str(tmp_path)!r}]
sys.exit(simulate.run(parser.parse_args(words)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "images" / "00000.tif").is_file()


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_pictures_are_what_a_console_shows(tmp_path: Path, form: str) -> None:
    write_containers(
        tmp_path, count=1, seed=9, settings=SMALL, threats=THREATS, lookalikes=LOOKALIKES, form=form
    )
    (image,) = read_coco(tmp_path / ANNOTATIONS).images
    scan = read_scan(image.path, ReadOptions(subject="cargo"))
    assert scan.kind == "display_grey"
    shown = simulate_container(9, 0, SMALL, threats=THREATS, lookalikes=LOOKALIKES).transmission[:, :, 0]
    off = np.abs(scan.pixels / 255.0 - np.clip(shown, 0.0, 1.0))
    assert off.mean() < 0.02
    if form == "png":
        assert off.max() <= 0.5 / 255.0 + 1e-6
