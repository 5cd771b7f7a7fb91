"""`cargosight project`: from file to file, with the truth beside it; nothing projected is nothing changed."""

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from cargosight_inference.scans.attenuation import STEEL
from cargosight_inference.scans.projection import Signature
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_inference.scans.signature_files import write_signature
from cargosight_models.errors import CargosightError, ScanError, UsageError
from cargosight_training.commands import project
from cargosight_training.simulation.cargo.projecting import run_lengths
from tests.made.scans import tiff_bytes

AIR = 52_000
FULL = ReadOptions(subject="cargo", air_level=65_535)


def counts(channels: int = 2, seed: int = 0, air: int = AIR) -> np.ndarray:
    """Return a container with a load in it, (160, 240, channels) uint16, noisy, air around it."""
    random = np.random.default_rng(seed)
    depth = np.zeros((160, 240, 1))
    depth[20:140, 20:220] = 0.2
    depth[60:140, 40:140] += 1.1
    depth = depth * (1.0 + 0.12 * np.arange(channels))
    noisy = np.exp(-depth) * (1.0 + 0.01 * random.standard_normal(depth.shape))
    return np.clip(np.rint(noisy * air), 0, air).astype(np.uint16)


def scan_file(folder: Path, kind: str) -> tuple[Path, str]:
    """Write a made scan; return its path and the suffix of what is projected into it."""
    if kind == "dual":
        path, raw = folder / "dual.tif", counts()
        path.write_bytes(tiff_bytes([raw[:, :, 0], raw[:, :, 1]]))
        return path, ".tif"
    if kind == "single":
        path = folder / "single.png"
        cv2.imwrite(str(path), counts(1)[:, :, 0])
        return path, ".tif"
    path = folder / "grey.png"
    cv2.imwrite(str(path), (counts(1)[:, :, 0] // 256).astype(np.uint8))
    return path, ".png"


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    project.add_arguments(parser)
    return project.run(parser.parse_args([str(word) for word in words]))


def known(out: Path) -> dict:
    return json.loads(out.with_suffix(".truth.json").read_text())


def unrolled(mask: dict) -> np.ndarray:
    values = np.arange(len(mask["counts"])) % 2 == 1
    return np.repeat(values, mask["counts"]).reshape(mask["size"], order="F")


@pytest.mark.parametrize("kind", ["dual", "single", "grey"])
def test_from_file_to_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    path, suffix = scan_file(tmp_path, kind)
    out = tmp_path / f"projected{suffix}"
    words = (path, "--threat", "handgun", "--out", out, "--seed", 3, "--visibility", 0.5)
    assert run(*words) == 0
    shown = capsys.readouterr().out
    assert "handgun with visibility" in shown
    assert ("the air level is full scale" in shown) == (kind != "grey")
    before = read_scan(path, ReadOptions(subject="cargo"))
    after = read_scan(out, FULL)
    truth = known(out)
    assert (after.kind, after.pixels.shape) == (before.kind, before.pixels.shape)
    assert truth["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (truth["scan"], truth["scan_sha256"]) == (str(path), before.sha256)
    assert (truth["threat"], truth["origin"], truth["null"], truth["seed"]) == ("handgun", "threat", False, 3)
    assert truth["approximate"] == (kind == "grey")
    assert truth["energies_mv"] == ([6.0, 4.0] if kind == "dual" else [6.0])
    assert truth["visibility"] >= 0.5
    assert 0.4 < truth["mass_kg"] < 12
    assert truth["mass_kg"] == pytest.approx(sum(truth["materials_kg"].values()))
    assert 0.1 < truth["mean_areal_density_g_cm2"] < 40
    assert any("a pixel taken as 4 mm" in note for note in truth["assumptions"])
    mask = unrolled(truth["mask"])
    columns, rows = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    assert truth["box"] == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    full = 1.0 if kind == "grey" else 65535.0
    stored, written = (np.rint(scan.pixels * np.float64(full)) for scan in (before, after))
    # What weakens the beam by less than 0.2 % does not belong to the threat, and is no more than that.
    assert np.abs(stored - written)[~mask].max() <= max(0.0025 * full, 1.0)
    assert (after.pixels[mask] < before.pixels[mask]).mean() > 0.8


@pytest.mark.parametrize("kind", ["dual", "single", "grey"])
def test_nothing_projected_is_nothing_changed(tmp_path: Path, kind: str) -> None:
    path, suffix = scan_file(tmp_path, kind)
    null, out = tmp_path / f"null{suffix}", tmp_path / f"out{suffix}"
    words = (path, "--threat", "rifle", "--seed", 5, "--photons", 20_000, "--pitch", 8)
    assert run(*words, "--out", null, "--null") == run(*words, "--out", out) == 0
    before = read_scan(path, ReadOptions(subject="cargo"))
    if kind == "grey":
        np.testing.assert_array_equal(read_scan(null).pixels, before.pixels)
    else:
        stored = cv2.imreadmulti(str(null), flags=cv2.IMREAD_UNCHANGED)[1]
        wanted = np.rint(before.pixels * np.float32(65535)).astype(np.uint16)
        np.testing.assert_array_equal(np.dstack(stored), wanted)
    truth, threat = known(null), known(out)
    assert (truth["null"], truth["box"], truth["visibility"], truth["mass_kg"]) == (True, None, 0.0, 0.0)
    assert truth["place"] == threat["place"]
    assert truth["box_of_threat_if_projected"] == threat["box"]
    assert not unrolled(truth["mask"]).any()
    assert any(note.startswith("nothing projected at column") for note in truth["assumptions"])
    assert not any("rifle projected" in note for note in truth["assumptions"])
    assert null.read_bytes() != out.read_bytes()


def test_nothing_projected_into_counts_of_full_scale_gives_the_same_counts(tmp_path: Path) -> None:
    raw = counts(air=65_535)
    path, out = tmp_path / "dual.tif", tmp_path / "null.tif"
    path.write_bytes(tiff_bytes([raw[:, :, 0], raw[:, :, 1]]))
    assert run(path, "--threat", "cash", "--null", "--air-level", 65_535, "--out", out) == 0
    stored = cv2.imreadmulti(str(out), flags=cv2.IMREAD_UNCHANGED)[1]
    np.testing.assert_array_equal(np.dstack(stored), raw)
    np.testing.assert_array_equal(read_scan(out, FULL).pixels, read_scan(path, FULL).pixels)


def test_dark_air_is_found_and_said(tmp_path: Path) -> None:
    bright = scan_file(tmp_path, "grey")[0]
    dark = tmp_path / "dark.png"
    cv2.imwrite(str(dark), 255 - cv2.imread(str(bright), cv2.IMREAD_UNCHANGED))
    outs = [tmp_path / f"{name}.png" for name in ("of-bright", "of-dark", "as-said")]
    words = ("--threat", "cash", "--seed", 3, "--pitch", 8, "--at", "60,80")
    run(bright, *words, "--out", outs[0])
    run(dark, *words, "--out", outs[1])
    run(dark, *words, "--out", outs[2], "--polarity", "air_bright")
    of_bright, of_dark, as_said = (cv2.imread(str(out), cv2.IMREAD_UNCHANGED) for out in outs)
    np.testing.assert_array_equal(255 - of_dark, of_bright)
    assert (as_said != of_dark).any()
    assert known(outs[1])["visibility"] == known(outs[0])["visibility"]
    notes = [" ".join(known(out)["assumptions"]) for out in outs]
    assert ["polarity air_dark found" in note for note in notes] == [False, True, False]


def test_energies_that_the_file_does_not_say_are_assumed_aloud(tmp_path: Path) -> None:
    path, _ = scan_file(tmp_path, "dual")
    words = (path, "--threat", "cash", "--pitch", 6)
    run(*words, "--out", tmp_path / "silent.tif")
    run(*words, "--out", tmp_path / "said.tif", "--energies", "9,6")
    silent, said = (" ".join(known(tmp_path / f"{name}.tif")["assumptions"]) for name in ("silent", "said"))
    assert "energies taken as 6 and 4 MV" in silent
    assert "energies taken" not in said


def test_burnt_in_lines_come_out_grey_and_that_is_said(tmp_path: Path) -> None:
    bright, _ = scan_file(tmp_path, "grey")
    picture = cv2.imread(str(bright))
    cv2.line(picture, (30, 30), (200, 30), (0, 0, 255), 2)
    lined, out = tmp_path / "lined.png", tmp_path / "out.png"
    cv2.imwrite(str(lined), picture)
    run(lined, "--threat", "cash", "--pitch", 8, "--at", "60,80", "--out", out)
    assert any("burnt-in lines are grey in what is written" in note for note in known(out)["assumptions"])


def test_the_same_seed_gives_the_same_files_and_another_one_others(tmp_path: Path) -> None:
    path, _ = scan_file(tmp_path, "dual")
    outs = [tmp_path / f"{name}.tif" for name in ("first", "again", "other")]
    for out, seed in zip(outs, (7, 7, 8), strict=True):
        run(path, "--threat", "batteries", "--seed", seed, "--photons", 10_000, "--pitch", 6, "--out", out)
    first, again, other = (out.read_bytes() for out in outs)
    assert first == again
    assert first != other
    assert {**known(outs[0]), "file": ""} == {**known(outs[1]), "file": ""}


def test_a_lookalike_and_a_signature_file_are_projected_where_asked(tmp_path: Path) -> None:
    path, _ = scan_file(tmp_path, "dual")
    plate = Signature("plate", {STEEL: np.full((40, 60), 8.0, np.float32)}, 2.0)
    write_signature(tmp_path / "plate.npz", plate)
    out = tmp_path / "out.tif"
    given = ("--at", "50,70", "--pitch", 4, "--energies", "9,6")
    run(path, "--threat", tmp_path / "plate.npz", "--out", out, *given)
    truth = known(out)
    assert truth["box"] == [50, 70, 80, 90]
    assert truth["origin"] == str(tmp_path / "plate.npz")
    assert truth["mass_kg"] == pytest.approx(12 * 8 * 8 / 1000)
    assert truth["mean_areal_density_g_cm2"] == pytest.approx(8.0)
    assert truth["energies_mv"] == [9.0, 6.0]
    run(path, "--threat", "tin_cans", "--out", out, "--force", "--at=-3,-2")
    assert (known(out)["origin"], known(out)["box"][:2]) == ("lookalike", [0, 0])


def test_the_families_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--list") == 0
    listed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["threat", "shielded_source"] in listed
    assert ["lookalike", "power_drills"] in listed


def test_run_lengths_begin_outside() -> None:
    assert run_lengths(np.array([[True, False], [True, False]])) == [0, 2, 2]
    assert run_lengths(np.array([[False, True], [True, True]])) == [1, 3]
    assert run_lengths(np.zeros((2, 3), dtype=np.bool_)) == [6]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "SCAN, --threat, --out not given"),
        (["{dual}", "--out", "{new}"], "--threat not given"),
        (["{dual}", "--threat", "handgan", "--out", "{new}"], "did you mean 'handgun'"),
        (["{dual}", "--threat", "handgun", "--out", "new.png"], "expected .tif"),
        (["{grey}", "--threat", "handgun", "--out", "{new}"], "the scan is display grey: expected .png"),
        (["{colour}", "--threat", "handgun", "--out", "{new}"], "is pseudo-colour"),
        (["{dual}", "--threat", "handgun", "--out", "{dual}", "--force"], "is the scan itself"),
        (["{dual}", "--threat", "handgun", "--out", "{there}"], "exists already"),
        (["{dual}", "--threat", "handgun", "--out", "{new}/x/new.tif"], "there is no folder"),
        (["{dual}", "--threat", "handgun", "--out", "{new}", "--at", "12"], "expected column and row"),
        (["{dual}", "--threat", "handgun", "--out", "{new}", "--at", "900,9"], "lies outside the scan"),
        (
            ["{dual}", "--threat", "rifle", "--out", "{new}", "--at", "239,159"],
            "no part of 'rifle' that weakens the beam lies inside",
        ),
        (["{dual}", "--threat", "handgun", "--out", "{new}", "--seed", "-1"], "the seed is -1"),
        (["{dual}", "--threat", "handgun", "--out", "{new}", "--photons", "0"], "--photons is 0"),
        (["{dual}", "--threat", "handgun", "--out", "{new}", "--pitch", "nan"], "--pitch is nan"),
        (["{dual}", "--threat", "handgun", "--out", "{new}", "--energies", "6"], "the scan has 2 channels"),
        (["{dual}", "--threat", "handgun", "--out", "{new}", "--energies", "6,x"], "expected the MV of each"),
        (["{dual}", "--threat", "handgun", "--out", "{new}", "--energies", "99,6"], "expected 1 to 25"),
        (["{dual}", "--threat", "handgun", "--out", "{new}", "--energies", "4,6"], "the higher first"),
        (["{grey}", "--threat", "handgun", "--out", "new.png", "--energies", "6"], "leave it out"),
        (["{dual}", "--threat", "hidden_vehicle", "--out", "{new}"], "expected one that fits"),
        (["{dual}", "--threat", "handgun", "--out", "{new}", "--visibility", "1e5"], "no place of 400"),
        (
            ["{dual}", "--threat", "handgun", "--out", "{new}", "--visibility", "1e5", "--at", "40,40"],
            "choose another place",
        ),
    ],
)
def test_misuse_is_a_sentence(tmp_path: Path, words: list[str], message: str) -> None:
    names = {kind: scan_file(tmp_path, kind)[0] for kind in ("dual", "grey")}
    names |= {name: tmp_path / f"{name}.tif" for name in ("new", "there")}
    names["colour"] = tmp_path / "colour.png"
    cv2.imwrite(str(names["colour"]), np.random.default_rng(0).integers(0, 255, (50, 60, 3), dtype=np.uint8))
    names["there"].write_text("something")
    held = names["dual"].read_bytes()
    with pytest.raises(UsageError, match=message):
        run(*(word.format(**names) for word in words))
    assert names["dual"].read_bytes() == held
    assert names["there"].read_text() == "something"
    assert not names["new"].exists()


def test_a_truth_is_not_replaced_unasked(tmp_path: Path) -> None:
    path, _ = scan_file(tmp_path, "dual")
    (tmp_path / "out.truth.json").write_text("mine")
    words = (path, "--threat", "cash", "--out", tmp_path / "out.tif", "--pitch", 6)
    with pytest.raises(UsageError, match=r"out\.truth\.json exists already"):
        run(*words)
    assert run(*words, "--force") == 0
    assert known(tmp_path / "out.tif")["threat"] == "cash"


def test_a_thing_of_no_density_is_refused(tmp_path: Path) -> None:
    path, _ = scan_file(tmp_path, "dual")
    write_signature(tmp_path / "air.npz", Signature("air", {STEEL: np.zeros((20, 30), np.float32)}, 4.0))
    with pytest.raises(UsageError, match="no part of 'air' that weakens the beam"):
        run(path, "--threat", tmp_path / "air.npz", "--out", tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    path, _ = scan_file(tmp_path, "dual")
    out = tmp_path / "out.tif"
    with pytest.raises(ScanError, match=r"missing\.tif: there is no such file"):
        run(tmp_path / "missing.tif", "--threat", "cash", "--out", out)
    with pytest.raises(ScanError, match="no such file"):
        run(path, "--threat", tmp_path / "missing.npz", "--out", out)
    huge = Signature("wall", {STEEL: np.full((400, 4000), 8.0, np.float32)}, 100.0)
    write_signature(tmp_path / "wall.npz", huge)
    with pytest.raises(CargosightError, match="expected at most 16,000,000"):
        run(path, "--threat", tmp_path / "wall.npz", "--out", out)


def test_it_runs_on_the_base_install(tmp_path: Path) -> None:
    path, _ = scan_file(tmp_path, "dual")
    code = f"""
import sys
for name in "torch torchvision albumentations pydantic onnx matplotlib pycocotools tqdm".split():
    sys.modules[name] = None
import argparse
from cargosight_training.commands import project
parser = argparse.ArgumentParser()
project.add_arguments(parser)
assert "cv2" not in sys.modules and "mucoeff" not in sys.modules
words = [{str(path)!r}, "--threat", "shielded_source", "--out", {str(tmp_path / "out.tif")!r}, "--pitch", "6"]
sys.exit(project.run(parser.parse_args(words)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.truth.json").is_file()
