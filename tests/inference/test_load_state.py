"""Empty, loaded or unsure, from made containers, and load models that are read and refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cargosight_inference.scans.attenuation import CELLULOSE, STEEL
from cargosight_inference.scans.container import locate_container
from cargosight_inference.scans.load_features import FEATURES, load_features
from cargosight_inference.scans.load_state import bundled_load_model, estimate_load, read_load_model
from cargosight_inference.scans.radiograph import HABIT, radiograph_of
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import UsageError
from tests.made import radiographs, scans
from tests.made.radiographs import Block


def estimated(*blocks, make=radiographs.grey):
    radiograph = radiograph_of(make(tuple(blocks)))
    return estimate_load(radiograph, locate_container(radiograph))


@pytest.mark.parametrize("make", [radiographs.grey, radiographs.dual_energy])
def test_empty_and_loaded(make):
    assert estimated(make=make).state == "empty"
    assert estimated(Block(80, 100, 820, 295, CELLULOSE, 80.0), make=make).state == "loaded"
    coils = [Block(x, 150, x + 90, 295, STEEL, 200.0) for x in range(100, 780, 100)]
    found = estimated(*coils, make=make)
    assert found.state == "loaded"
    assert found.chance > 0.9
    assert "chance of a load" in found.reason


def test_a_little_cargo_is_not_called_loaded_with_certainty():
    assert estimated(Block(80, 250, 160, 295, CELLULOSE, 15.0)).chance < 0.5


def test_no_box_no_state():
    strip = Scan.in_memory(np.full((400, 60), 90, np.uint8), kind="display_grey", subject="cargo")
    radiograph = radiograph_of(strip)
    found = estimate_load(radiograph, locate_container(radiograph))
    assert (found.state, found.chance) == ("unsure", None)
    assert load_features(radiograph, locate_container(radiograph)) is None


def test_a_palette_is_unsure():
    radiograph = radiograph_of(Scan.in_memory(scans.colour(), kind="pseudocolour", subject="cargo"))
    container = replace(locate_container(radiograph_of(radiographs.grey())), box=(10.0, 10.0, 150.0, 110.0))
    assert estimate_load(radiograph, container).state == "unsure"


def test_nothing_is_called_where_bright_and_dark_are_a_guess():
    """A scan that is turned over and shows no air at its top would be called the opposite of what it holds."""
    radiograph = radiograph_of(radiographs.grey())
    container = locate_container(radiograph)
    assert estimate_load(radiograph, container).state == "empty"
    found = estimate_load(replace(radiograph, polarity_sureness=HABIT), container)
    assert found.state == "unsure"
    assert "bright or dark" in found.reason


def test_features_do_not_depend_on_the_size():
    small = radiograph_of(radiographs.grey())
    pixels = np.repeat(np.repeat(radiographs.grey_pixels(), 2, axis=0), 2, axis=1)
    large = radiograph_of(Scan.in_memory(pixels, kind="display_grey", subject="cargo"))
    first, second = (load_features(each, locate_container(each)) for each in (small, large))
    assert len(first) == len(FEATURES)
    np.testing.assert_allclose(first, second, atol=0.03)


def test_a_site_s_model_is_read(tmp_path):
    path = tmp_path / "ours.json"
    held = bundled_load_model().to_dict() | {"intercept": 30.0, "provenance": "ours"}
    path.write_text(json.dumps(held))
    model = read_load_model(path)
    assert model.provenance == "ours"
    radiograph = radiograph_of(radiographs.grey())
    assert estimate_load(radiograph, locate_container(radiograph), model).state == "loaded"


def test_the_bundled_model_says_where_it_comes_from():
    assert "customs service" in bundled_load_model().provenance


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "has the schema 2"),
        ({"features": ["depth_mean"]}, "refit it"),
        ({"means": [0.0]}, "finite means"),
        ({"spreads": [0.0] * len(FEATURES)}, "spreads above 0"),
        ({"empty_below": 0.95}, "rising limits"),
        ({"intercept": None}, "is no load model"),
    ],
)
def test_models_that_are_refused(tmp_path, change, message):
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(bundled_load_model().to_dict() | change))
    with pytest.raises(UsageError, match=message):
        read_load_model(path)


def test_files_that_are_no_models(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_load_model(tmp_path / "missing.json")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(UsageError, match="is no load model"):
        read_load_model(tmp_path / "list.json")
