"""Simulated bags: deterministic, labelled where something can be seen, and readable as any other scan."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_models.errors import DataSetError, UsageError
from cargosight_models.geometry import Affine
from cargosight_training.commands import simulate
from cargosight_training.datasets.coco import read_coco
from cargosight_training.simulation import materials as m
from cargosight_training.simulation.baggage import (
    BAGGAGE_CLASSES,
    ITEMS,
    BagSettings,
    simulate_bag,
    visible_box,
)
from cargosight_training.simulation.canvas import Canvas, Pen
from cargosight_training.simulation.looks import LOOKS, Look, choose_look, clear_of, show
from cargosight_training.simulation.shapes import rectangle
from cargosight_training.simulation.writing import SOURCE, write_bags

SMALL = BagSettings(size=(240, 180))


def test_the_same_numbers_give_the_same_bag() -> None:
    first, again, other, next_one = (
        simulate_bag(seed, index, SMALL) for seed, index in ((7, 3), (7, 3), (8, 3), (7, 4))
    )
    np.testing.assert_array_equal(first.transmission, again.transmission)
    np.testing.assert_array_equal(first.picture, again.picture)
    np.testing.assert_array_equal(first.annotations.boxes, again.annotations.boxes)
    assert not np.array_equal(first.transmission, other.transmission)
    assert not np.array_equal(first.transmission, next_one.transmission)


def test_a_bag_is_a_sound_scan_with_sound_boxes() -> None:
    boxes = 0
    for index in range(12):
        bag = simulate_bag(1, index, SMALL)
        assert bag.transmission.shape == (180, 240, 2)
        assert bag.transmission.dtype == np.float32
        assert 0.0 <= bag.transmission.min() < 0.9
        assert bag.transmission.max() <= 1.0
        assert bag.picture.dtype == np.uint8
        assert bag.picture.shape in {(180, 240), (180, 240, 3)}
        found = bag.annotations.boxes
        boxes += len(found)
        assert (found[:, 2:] - found[:, :2] >= 4).all()
        assert (found >= 0).all()
        assert (found <= [240, 180, 240, 180]).all()
    assert boxes > 5


def test_pictures_vary_in_size_look_and_colour() -> None:
    bags = [simulate_bag(2, index) for index in range(14)]
    assert len({bag.transmission.shape for bag in bags}) > 3
    assert len({bag.look for bag in bags}) > 3
    assert len({bag.bag for bag in bags}) > 2
    assert any(bag.picture.ndim == 2 for bag in bags)
    assert any(not len(bag.annotations) for bag in bags)


@pytest.mark.parametrize("name", BAGGAGE_CLASSES.names)
def test_every_class_can_be_hidden_and_is_boxed_under_its_name(name: str) -> None:
    settings = BagSettings(size=(320, 240), classes=(name,), clean_share=0.0, laptop_share=0.0)
    found = [simulate_bag(3, index, settings).annotations for index in range(4)]
    assert any(len(annotations) for annotations in found)
    for annotations in found:
        assert {BAGGAGE_CLASSES.names[i] for i in annotations.class_ids} <= {name}


def test_clean_bags_are_clean() -> None:
    settings = BagSettings(size=(160, 120), clean_share=1.0, laptop_share=0.0)
    assert all(not len(simulate_bag(4, index, settings).annotations) for index in range(5))


def test_no_box_lies_under_the_edge_of_the_screen() -> None:
    boxes = np.array([[10, 10, 300, 100], [5, 50, 60, 236]], dtype=np.float32)
    look = Look("made", border=(11, 9, 0.0))
    assert clear_of(look, boxes, 320, 240).border == (11, 4, 0.0)
    assert clear_of(look, boxes, 300, 236).border == (0, 0, 0.0)
    assert clear_of(look, boxes[:0], 320, 240) == look


def test_the_parts_of_a_fuel_canister_touch() -> None:
    for seed in range(40):
        canvas = Canvas(500, 300)
        ITEMS["lighter_fuel"](Pen(canvas, Affine.translation(250, 150)), np.random.default_rng(seed))
        filled = np.flatnonzero((canvas.depth[0] > 0.01).any(axis=0))
        assert np.diff(filled).max() <= 3, seed


@pytest.mark.parametrize("size", [(100,), (640.5, 480), (640, 480, 3), (95, 480)])
def test_a_wrong_size_is_told(size: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="expected two whole numbers from 96 to 4096"):
        BagSettings(size=size)  # type: ignore[arg-type]


def test_a_seed_below_zero_is_told() -> None:
    with pytest.raises(UsageError, match="the seed is -1"):
        simulate_bag(-1)


def test_every_class_has_a_builder_and_draws_something_centred() -> None:
    assert tuple(ITEMS) == BAGGAGE_CLASSES.names
    for name, build in ITEMS.items():
        canvas = Canvas(900, 900)
        build(Pen(canvas, Affine.translation(450, 450)), np.random.default_rng(5))
        rows, columns = np.nonzero(canvas.depth[0] > 0.01)
        assert len(rows) > 60, name
        assert min(rows.min(), columns.min()) > 20, name
        assert max(rows.max(), columns.max()) < 880, name


def _plate(x: float, depth: float, material: m.Material) -> np.ndarray:
    canvas = Canvas(100, 60)
    Pen(canvas, Affine.translation(x, 30)).body(rectangle(40, 30), material, depth)
    return canvas.depth


def test_the_box_is_that_of_the_visible_part() -> None:
    own = _plate(50, 2, m.STEEL)
    assert visible_box(own, own) == pytest.approx((30, 15, 70, 45), abs=1)
    half_behind = own + _plate(74, 20, m.LEAD)
    left, top, right, bottom = visible_box(half_behind, own) or (0, 0, 0, 0)
    assert (left, top, bottom) == pytest.approx((30, 15, 45), abs=1)
    assert 53 <= right <= 56
    assert visible_box(own + _plate(55, 20, m.LEAD), own) is None
    faint = _plate(50, 0.05, m.CLOTH)
    assert visible_box(faint, faint) is None


def _patches(material: m.Material) -> np.ndarray:
    depth = np.full((40, 40), 0.6)
    return np.exp(-np.dstack([depth, depth * material.ratio])).astype(np.float32)


@pytest.mark.parametrize("look", LOOKS[:-1], ids=lambda look: look.name)
def test_every_look_shows_organic_orange_mixed_green_and_metal_blue(look: object) -> None:
    rng = np.random.default_rng(0)
    organic, mixed, metal = (
        show(_patches(material), look, rng)[20, 20].astype(int)
        for material in (m.WATER, m.ALUMINIUM, m.STEEL)
    )
    assert organic[0] > organic[1] > organic[2]
    assert mixed[1] > max(mixed[0], mixed[2])
    assert metal[2] > metal[1] > metal[0]


def test_looks_keep_air_bright_and_lead_dark() -> None:
    rng = np.random.default_rng(6)
    scene = np.ones((60, 60, 2), dtype=np.float32)
    scene[20:40, 20:40] = 1e-4
    for index in range(40):
        look = choose_look(rng, grey_share=0.3)
        picture = show(scene, look, rng)
        assert picture[5, 5].min() > 180, (index, look)
        assert picture[30, 30].mean() < 90, (index, look)


def test_a_series_of_pictures_is_a_data_set(tmp_path: Path) -> None:
    settings = BagSettings(size=(200, 150), clean_share=0.0, grey_share=0.5)
    written = write_bags(tmp_path / "a", count=6, seed=1, settings=settings)
    dataset = read_coco(tmp_path / "a" / "baggage.json")
    assert dataset.classes == BAGGAGE_CLASSES
    assert len(dataset.images) == len(written.images) == 6
    document = json.loads((tmp_path / "a" / "baggage.json").read_text())
    assert document["sources"] == {SOURCE: {"labelled": list(BAGGAGE_CLASSES.names), "origin": "simulated"}}
    kinds = set()
    for index, image in enumerate(dataset.images):
        scan = read_scan(image.path, ReadOptions(subject="baggage"))
        kinds.add(scan.kind)
        assert (scan.width, scan.height) == (200, 150)
        bag = simulate_bag(1, index, settings)
        np.testing.assert_array_equal(scan.pixels, bag.picture)
        np.testing.assert_array_equal(image.annotations.boxes, bag.annotations.boxes)
        assert image.labelled.all()
    assert kinds == {"pseudocolour", "display_grey"}


def test_a_bag_does_not_depend_on_how_many_are_made(tmp_path: Path) -> None:
    for name, count in (("few", 2), ("more", 4)):
        write_bags(tmp_path / name, count=count, seed=5, settings=SMALL)
    for name in ("00000.png", "00001.png"):
        few, more = (tmp_path / folder / "images" / name for folder in ("few", "more"))
        assert few.read_bytes() == more.read_bytes()


def test_transmission_files_come_back_as_they_were(tmp_path: Path) -> None:
    write_bags(tmp_path, count=2, seed=9, form="tiff", settings=SMALL)
    for index in range(2):
        options = ReadOptions(subject="baggage", air_level=60_000)
        scan = read_scan(tmp_path / "images" / f"{index:05d}.tif", options)
        assert scan.kind == "transmission"
        np.testing.assert_allclose(scan.pixels, simulate_bag(9, index, SMALL).transmission, atol=1.5 / 60_000)
        found = read_scan(tmp_path / "images" / f"{index:05d}.tif", ReadOptions(subject="baggage"))
        np.testing.assert_allclose(found.pixels, scan.pixels, atol=0.06)


@pytest.mark.parametrize(
    "wrong",
    [
        {"clean_share": 1.5},
        {"grey_share": -0.1},
        {"laptop_share": 2.0},
        {"classes": ()},
        {"size": (20, 480)},
        {"size": (640, 99999)},
    ],
)
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"expected|name at least one"):
        BagSettings(**wrong)


def test_an_unknown_class_names_the_nearest() -> None:
    with pytest.raises(DataSetError, match="scissors"):
        BagSettings(classes=("scisors",))


@pytest.mark.parametrize(("count", "seed", "form"), [(0, 1, "png"), (1, -1, "png"), (1, 1, "gif")])
def test_a_wrong_series_is_refused(tmp_path: Path, count: int, seed: int, form: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        write_bags(tmp_path, count=count, seed=seed, form=form)
    assert not list(tmp_path.iterdir())


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    simulate.add_arguments(parser)
    return simulate.run(parser.parse_args(words))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "bags")
    words = ("baggage", "--count", "3", "--seed", "2", "--out", out, "--format", "jpeg", "--size", "160x120")
    assert _run(*words, "--classes", "knife, gun", "--clean-share", "0") == 0
    assert "3 simulated scans" in capsys.readouterr().out
    dataset = read_coco(tmp_path / "bags" / "baggage.json")
    assert [image.path.name for image in dataset.images] == ["00000.jpg", "00001.jpg", "00002.jpg"]
    with pytest.raises(UsageError, match="exists already"):
        _run(*words)
    with pytest.raises(UsageError, match="640x480"):
        _run("baggage", "--out", out, "--size", "big")


def test_the_simulator_runs_on_the_base_install(tmp_path: Path) -> None:
    code = f"""
import sys
for name in "torch torchvision albumentations pydantic onnx matplotlib pycocotools tqdm".split():
    sys.modules[name] = None
import argparse
from cargosight_training.commands import simulate
parser = argparse.ArgumentParser()
simulate.add_arguments(parser)
words = ["baggage", "--count", "1", "--size", "128x96", "--out", {str(tmp_path)!r}]
sys.exit(simulate.run(parser.parse_args(words)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "images" / "00000.png").is_file()
