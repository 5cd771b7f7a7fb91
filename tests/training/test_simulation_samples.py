"""The sample scans that the package ships: readable, small, and made by the commands that their README gives."""

import argparse
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import cargosight_inference
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_training.commands import simulate
from cargosight_training.datasets.coco import read_coco

FOLDER = Path(cargosight_inference.__file__).parent / "samples"
ROW = re.compile(
    r"^\| (?P<name>\S+\.(?:jpg|png|tif)) \| (?P<hidden>.+?) \| `(?P<options>.+)` \|$", re.MULTILINE
)
ROWS = [match.groupdict() for match in ROW.finditer((FOLDER / "README.md").read_text())]


def test_the_readme_lists_every_sample_and_says_that_all_are_simulated() -> None:
    scans = {path.name for path in FOLDER.iterdir() if path.suffix in {".jpg", ".png", ".tif"}}
    assert {row["name"] for row in ROWS} == scans
    assert 6 <= len(scans) <= 8
    assert "Simulated scans" in (FOLDER / "README.md").read_text()
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_500_000


def test_every_kind_of_scan_is_among_them_and_clean_bags_too() -> None:
    kinds = {read_scan(FOLDER / row["name"], ReadOptions(subject="baggage")).kind for row in ROWS}
    assert kinds == {"pseudocolour", "display_grey", "transmission"}
    assert sum(row["hidden"] == "nothing" for row in ROWS) >= 2


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_sample_is_what_its_command_makes(row: dict[str, str], tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    simulate.add_arguments(parser)
    words = ["baggage", "--count", "1", "--out", str(tmp_path), *shlex.split(row["options"])]
    assert simulate.run(parser.parse_args(words)) == 0
    (image,) = read_coco(tmp_path / "baggage.json").images
    assert (len(image.annotations) == 0) == (row["hidden"] == "nothing")
    options = ReadOptions(subject="baggage")
    made, shipped = (read_scan(path, options) for path in (image.path, FOLDER / row["name"]))
    assert made.kind == shipped.kind
    assert made.pixels.shape == shipped.pixels.shape
    # Not to the last bit: other builds of OpenCV and numpy round, and compress, differently.
    full = 1.0 if made.kind == "transmission" else 255.0
    assert np.abs(made.pixels.astype(np.float64) - shipped.pixels).mean() < 0.01 * full
