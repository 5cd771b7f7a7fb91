"""The sample scans that the package ships: readable, small, and made by the commands that their README gives."""

import argparse
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import cargosight_inference
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_inference.scans.scan import Subject
from cargosight_training.commands import simulate
from cargosight_training.datasets.coco import read_coco

FOLDER = Path(cargosight_inference.__file__).parent / "samples"
ROW = re.compile(
    r"^\| (?P<name>\S+\.(?:jpg|png|tif)) \| (?P<hidden>.+?) \| `(?P<options>.+)` \|$", re.MULTILINE
)
README = (FOLDER / "README.md").read_text()
TABLES = dict(re.findall(r"^## (\w+)/$(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL))
ROWS = [
    {"subject": subject, **match.groupdict()}
    for subject, table in TABLES.items()
    for match in ROW.finditer(table)
]


def scans_of(subject: str) -> set[str]:
    return {path.name for path in (FOLDER / subject).iterdir()}


@pytest.mark.parametrize(
    ("subject", "least", "most", "bytes_"), [("baggage", 6, 8, 1_500_000), ("cargo", 3, 5, 2_500_000)]
)
def test_the_readme_lists_every_sample_and_says_that_all_are_simulated(
    subject: str, least: int, most: int, bytes_: int
) -> None:
    assert {row["name"] for row in ROWS if row["subject"] == subject} == scans_of(subject)
    assert least <= len(scans_of(subject)) <= most
    assert "Simulated scans" in README
    assert sum(path.stat().st_size for path in (FOLDER / subject).iterdir()) < bytes_


def test_every_kind_of_scan_is_among_them_and_clean_ones_too() -> None:
    def kinds(subject: Subject) -> set[str]:
        return {
            read_scan(FOLDER / subject / name, ReadOptions(subject=subject)).kind
            for name in scans_of(subject)
        }

    assert kinds("baggage") == {"pseudocolour", "display_grey", "transmission"}
    assert kinds("cargo") == {"display_grey", "transmission"}
    clean = [row["subject"] for row in ROWS if row["hidden"] == "nothing"]
    assert clean.count("baggage") >= 2 and clean.count("cargo") >= 1


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_sample_is_what_its_command_makes(row: dict[str, str], tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    simulate.add_arguments(parser)
    made_by, annotations = {
        "baggage": ("baggage", "baggage.json"),
        "cargo": ("container", "container.json"),
    }[row["subject"]]
    words = [made_by, "--count", "1", "--out", str(tmp_path), *shlex.split(row["options"])]
    assert simulate.run(parser.parse_args(words)) == 0
    (image,) = read_coco(tmp_path / annotations).images
    assert (len(image.annotations) == 0) == (row["hidden"] == "nothing")
    options = ReadOptions(subject="baggage" if row["subject"] == "baggage" else "cargo")
    made, shipped = (read_scan(path, options) for path in (image.path, FOLDER / row["subject"] / row["name"]))
    assert made.kind == shipped.kind
    assert made.pixels.shape == shipped.pixels.shape
    # Not to the last bit: other builds of OpenCV and numpy round, and compress, differently.
    full = 1.0 if made.kind == "transmission" else 255.0
    assert np.abs(made.pixels.astype(np.float64) - shipped.pixels).mean() < 0.01 * full
