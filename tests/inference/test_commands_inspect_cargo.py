"""`cargosight inspect` of cargo: what can be asked of radiographs alone."""

import json

import cv2
import pytest

from cargosight_inference import cli
from cargosight_inference.scans import detector_faults
from cargosight_inference.scans.attenuation import CELLULOSE
from tests.made.models import make_blob_model, make_cargo_model
from tests.made.radiographs import LEFT, RIGHT, Block, grey_pixels


def test_dead_detectors_are_mended_where_it_is_asked(tmp_path, capsys, monkeypatch):
    model = str(make_cargo_model(tmp_path / "loads.onnx"))
    pixels = grey_pixels((Block(150, 150, 650, 300, CELLULOSE, 40.0),))
    pixels[200] = 0
    path = str(tmp_path / "one.png")
    assert cv2.imwrite(path, pixels)

    def notes(*options):
        assert cli.main(["inspect", path, "--model", model, "--threshold", "0.9", "--json", *options]) == 0
        return " ".join(json.loads(capsys.readouterr().out)["assumptions"])

    as_it_is, corrected = notes(), notes("--correct")
    assert "1 rows do not answer" in as_it_is and "1 rows do not answer" in corrected
    assert "mended" not in as_it_is
    assert "1 rows and 0 columns were mended" in corrected
    monkeypatch.setattr(detector_faults, "_MOST_MENDED", 0.001)
    hopeless = notes("--correct")  # it is inspected all the same, and says so
    assert "not corrected: 1 of" in hopeless and "were mended" not in hopeless


def test_bags_are_not_corrected(tmp_path, capsys):
    model = make_blob_model(tmp_path / "blobs.onnx", operating_points={"pfa=0.05": 0.5})
    assert cli.main(["inspect", str(tmp_path), "--model", str(model), "--correct"]) == 2
    assert "inspects baggage: leave it out" in capsys.readouterr().err


def test_a_given_pitch_tells_places_in_metres(tmp_path, capsys):
    """The made box is 760 pixels long: at 16 mm a pixel 12.2 m, a container of forty feet."""
    model = str(make_cargo_model(tmp_path / "loads.onnx"))
    path = str(tmp_path / "one.png")
    assert cv2.imwrite(path, grey_pixels((Block(150, 150, 650, 300, CELLULOSE, 40.0),)))

    def length(*options):
        assert cli.main(["inspect", path, "--model", model, "--threshold", "0.9", "--json", *options]) == 0
        return json.loads(capsys.readouterr().out)["container_length_m"]

    wide = RIGHT - LEFT
    assert length() is None
    assert length("--pitch", str(12190 / wide)) == pytest.approx(12.2, rel=0.05)
    assert length("--pitch", f"{6060 / wide},12") == pytest.approx(6.06, rel=0.05)
    for wrong, said in (
        ("0", "expected 0.05 to 100 mm"),
        ("nan", "expected 0.05"),
        ("1,2,3", "such as 4.5"),
        ("x", "4.5"),
    ):
        assert cli.main(["inspect", path, "--model", model, "--threshold", "0.9", "--pitch", wrong]) == 2
        assert said in capsys.readouterr().err
