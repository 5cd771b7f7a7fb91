"""The sidecar of operating points."""

import json

import pytest

from cargosight_models.errors import CatalogError
from cargosight_models.operating_points import OperatingPoint, Sidecar, sidecar_path

FINGERPRINT = "a" * 64


def point(rate=0.05, **changes):
    settings = {
        "name": f"pfa={rate:g}",
        "wanted_pfa": rate,
        "thresholds": {"knife": 0.4, "gun": 0.31},
        "measured": {"knife": {"pd": 0.8, "interval": [0.7, 0.87], "of": 102}},
        "data": "made.json",
    }
    return OperatingPoint(**{**settings, **changes})


def sidecar():
    return Sidecar(FINGERPRINT, (point(0.01), point(0.05), point(0.1)), "pfa=0.05")


def test_it_lies_beside_the_model(tmp_path):
    assert sidecar_path(tmp_path / "bag.onnx") == tmp_path / "bag.points.json"
    assert sidecar_path("some/bag.v2.onnx").name == "bag.v2.points.json"


def test_round_trip(tmp_path):
    path = tmp_path / "bag.points.json"
    sidecar().write(path)
    assert Sidecar.read(path) == sidecar()
    sidecar().write(path)  # over an older one
    assert [entry.name for entry in tmp_path.iterdir()] == ["bag.points.json"]


def test_a_point_by_name():
    assert sidecar().point("pfa=0.1").wanted_pfa == 0.1
    with pytest.raises(CatalogError, match=r"'pfa=0.5'.*the model has pfa=0.01, pfa=0.05, pfa=0.1"):
        sidecar().point("pfa=0.5")


def test_a_hand_made_point_has_any_name():
    assert point(name="night shift", wanted_pfa=None).name == "night shift"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "five percent"},
        {"wanted_pfa": 0.0},
        {"wanted_pfa": 1.0},
        {"wanted_pfa": "low"},
        {"wanted_pfa": True},
        {"thresholds": {}},
        {"thresholds": {"knife": 1.2}},
        {"thresholds": {"knife": "high"}},
        {"thresholds": {"knife": float("nan")}},
        {"thresholds": [0.5]},
        {"measured": None},
        {"data": 3},
    ],
)
def test_refuses_points(changes):
    with pytest.raises(CatalogError):
        point(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"fingerprint": "abc"},
        {"operating_points": ()},
        {"operating_points": (point(), point())},
        {"default": "pfa=0.5"},
        {"default": 5},
        {"default": None},
        {"schema": 2},
    ],
)
def test_refuses_sidecars(changes):
    settings = {"fingerprint": FINGERPRINT, "operating_points": (point(),), "default": "pfa=0.05"}
    with pytest.raises(CatalogError):
        Sidecar(**{**settings, **changes})


def test_thresholds_are_copied():
    given = {"knife": 0.4}
    found = point(thresholds=given)
    given["knife"] = 0.9
    assert found.thresholds["knife"] == 0.4


class TestBrokenFiles:
    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "bag.points.json"
        sidecar().write(path)
        return path

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", "\0"])
    def test_no_json(self, path, text):
        path.write_text(text)
        with pytest.raises(CatalogError, match=r"bag\.points\.json"):
            Sidecar.read(path)

    def test_missing(self, tmp_path):
        with pytest.raises(CatalogError, match="cannot be read"):
            Sidecar.read(tmp_path / "none.points.json")

    @pytest.mark.parametrize("key", ["fingerprint", "operating_points", "default", "schema"])
    def test_missing_key(self, path, key):
        found = json.loads(path.read_text())
        del found[key]
        path.write_text(json.dumps(found))
        with pytest.raises(CatalogError, match=f"lacks the key '{key}'"):
            Sidecar.read(path)

    def test_unknown_keys(self, path):
        found = json.loads(path.read_text())
        found["operating_points"][0]["treshold"] = 3
        path.write_text(json.dumps(found))
        with pytest.raises(CatalogError, match=r"unknown key 'treshold' \(did you mean 'thresholds'\?\)"):
            Sidecar.read(path)

    @pytest.mark.parametrize("value", [3, [3], {"a": 1}])
    def test_points_of_a_wrong_type(self, path, value):
        found = json.loads(path.read_text())
        found["operating_points"] = value
        path.write_text(json.dumps(found))
        with pytest.raises(CatalogError):
            Sidecar.read(path)
