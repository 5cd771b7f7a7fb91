"""Inspecting one scan, from path to decision."""

from pathlib import Path

import numpy as np
import pytest

from cargosight_inference.default_model import default_model
from cargosight_inference.inspector import Inspector
from cargosight_inference.policy import Policy
from cargosight_inference.scans.scan import Scan
from cargosight_inference.session import ThreadPolicy
from cargosight_models.contract import file_fingerprint
from cargosight_models.errors import CatalogError, ConfigurationError, ContractError, UsageError
from tests.made.models import (
    BLUE,
    DARK,
    WINDOW,
    blob_contract,
    blob_pixels,
    make_blob_model,
    make_embedding_model,
    write_blobs,
    write_points,
)

AT = (64, 32)
BOX = [64.0, 32.0, 64.0 + WINDOW, 32.0 + WINDOW]


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "blobs.onnx"
    return make_blob_model(path, operating_points={"pfa=0.05": 0.5, "pfa=0.01": 0.95})


@pytest.fixture(scope="module")
def inspector(model_path):
    return Inspector(model_path)


def test_a_blob_is_found_where_it_is(inspector, model_path, tmp_path):
    path = write_blobs(tmp_path / "bag.png", (*AT, DARK))
    found = inspector.inspect(path)
    assert found.decision == "refer"
    assert found.reasons[0].startswith("dark 1.00")
    assert found.findings.labels[0] == "dark"
    assert found.findings.boxes[0].tolist() == BOX
    assert (found.width, found.height, found.kind, found.subject) == (192, 128, "display_grey", "baggage")
    assert found.path == str(path)
    assert found.sha256 == file_fingerprint(path)
    assert (found.model, found.fingerprint) == ("blobs", file_fingerprint(model_path))
    assert (found.operating_point, found.precision) == ("pfa=0.05", "fp32")
    assert found.thresholds == {"dark": 0.5, "blue": 0.5}
    assert found.error is None


def test_colours_are_not_swapped(inspector, tmp_path):
    found = inspector.inspect(write_blobs(tmp_path / "bag.png", (*AT, BLUE)))
    assert found.findings.labels[0] == "blue"
    assert found.findings.boxes[0].tolist() == BOX


def test_a_large_scan_s_boxes_are_in_its_own_pixels(inspector, tmp_path):
    large = np.repeat(np.repeat(blob_pixels((*AT, DARK)), 5, axis=0), 5, axis=1)
    found = inspector.inspect(Scan.in_memory(large, kind="pseudocolour", subject="baggage"))
    assert found.findings.boxes[0] == pytest.approx([5 * edge for edge in BOX], abs=1.0)
    assert (found.width, found.height, found.path) == (960, 640, None)


def test_an_empty_bag_is_clear(inspector, tmp_path):
    found = inspector.inspect(write_blobs(tmp_path / "empty.jpg"))
    assert (found.decision, found.reasons, len(found.findings)) == ("clear", (), 0)


def test_stages_are_timed_and_add_up(inspector, tmp_path):
    timings = inspector.inspect(write_blobs(tmp_path / "bag.png", (*AT, DARK))).timings_ms
    assert set(timings) == {"read", "preprocess", "session", "decode", "total"}
    assert timings["total"] == pytest.approx(sum(timings.values()) - timings["total"])
    assert all(value > 0.0 for value in timings.values())


def test_a_broken_file_is_unreadable_and_identified(inspector, tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"not a scan")
    found = inspector.inspect(path)
    assert found.decision == "unreadable"
    assert "text" in found.error
    assert found.sha256 == file_fingerprint(path)
    assert found.timings_ms.keys() == {"read", "total"}
    assert len(found.findings) == 0


def test_a_missing_file_and_a_folder_are_unreadable(inspector, tmp_path):
    missing = inspector.inspect(tmp_path / "none.png")
    assert (missing.decision, missing.sha256) == ("unreadable", None)
    assert inspector.inspect(tmp_path).decision == "unreadable"
    assert inspector.inspect("a\0b").decision == "unreadable"


def test_the_pixel_limit_is_the_callers(model_path, tmp_path):
    path = write_blobs(tmp_path / "bag.png")
    assert "100" in Inspector(model_path, max_pixels=100).inspect(path).error


def test_the_thread_policy_reaches_the_session(model_path):
    assert Inspector(model_path).threads == ThreadPolicy()
    assert Inspector(model_path, threads=ThreadPolicy(intra_op=2)).threads.intra_op == 2


def test_an_operating_point_is_chosen_by_name(model_path, tmp_path):
    strict = Inspector(model_path, operating_point="pfa=0.01")
    assert strict.thresholds == {"dark": 0.95, "blue": 0.95}
    assert strict.inspect(write_blobs(tmp_path / "a.png", (*AT, (60, 60, 60)))).decision == "clear"
    with pytest.raises(CatalogError, match=r"pfa=0\.02.*pfa=0\.05, pfa=0\.01"):
        Inspector(model_path, operating_point="pfa=0.02")


def test_thresholds_by_hand_are_named_in_the_inspection(model_path, tmp_path):
    path = write_blobs(tmp_path / "bag.png", (*AT, DARK))
    assert Inspector(model_path, threshold=0.25).inspect(path).operating_point == "threshold=0.25"
    by_class = Inspector(model_path, threshold={"dark": 1.0, "blue": 0.1})
    assert by_class.thresholds == {"dark": 1.0, "blue": 0.1}
    assert len(by_class.inspect(path).findings) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 1.5}, r"expected one in \[0, 1\]"),
        ({"threshold": float("nan")}, r"expected one in \[0, 1\]"),
        ({"threshold": {"dark": 0.5}}, "no threshold for blue"),
        ({"threshold": {"dark": 0.5, "blu": 0.5}}, "'blu'.*did you mean 'blue'"),
        ({"threshold": 0.5, "operating_point": "pfa=0.05"}, "choose one"),
        ({"subject": "cargo"}, "inspects baggage"),
        ({"max_pixels": 0}, "pixel limit"),
    ],
)
def test_settings_that_cannot_be_are_refused(model_path, settings, message):
    with pytest.raises(UsageError, match=message):
        Inspector(model_path, **settings)


def test_a_model_without_operating_points_needs_a_threshold(tmp_path):
    path = make_blob_model(tmp_path / "bare.onnx")
    with pytest.raises(UsageError, match="give a threshold"):
        Inspector(path)
    assert Inspector(path, threshold=0.5).operating_point == "threshold=0.5"


def test_operating_points_of_another_file_are_refused(tmp_path):
    path = make_blob_model(tmp_path / "blobs.onnx", operating_points={"pfa=0.05": 0.5})
    make_blob_model(path, contract=blob_contract(code_version="9.9.9"))
    with pytest.raises(CatalogError, match="belong to the model file"):
        Inspector(path)


def test_operating_points_must_cover_every_class(tmp_path):
    path = make_blob_model(tmp_path / "blobs.onnx")
    write_points(path, {"pfa=0.05": 0.5}, ("dark",))
    with pytest.raises(CatalogError, match="no threshold for blue"):
        Inspector(path)


def test_an_unknown_model_lists_those_that_exist(monkeypatch, tmp_path):
    monkeypatch.setenv("CARGOSIGHT_HOME", str(tmp_path))
    with pytest.raises(CatalogError, match="no model called 'bagage'"):
        Inspector("bagage")


def test_the_policy_decides_and_is_checked_against_the_model(model_path, tmp_path):
    path = write_blobs(tmp_path / "bag.png", (*AT, DARK))
    found = Inspector(model_path, policy=Policy(refer_classes=("blue",))).inspect(path)
    assert (found.decision, found.findings.labels[0]) == ("clear", "dark")
    with pytest.raises(ConfigurationError, match="'gun'"):
        Inspector(model_path, policy=Policy(refer_classes=("gun",)))


def test_the_subject_comes_from_the_model_when_it_is_named(model_path, tmp_path):
    path = write_blobs(tmp_path / "bag.png")
    for subject in (None, "unknown", "baggage"):
        assert Inspector(model_path, subject=subject).inspect(path).subject == "baggage"


def test_a_scan_of_another_subject_is_refused(inspector):
    cargo = Scan.in_memory(blob_pixels(), kind="pseudocolour", subject="cargo")
    with pytest.raises(UsageError, match="choose a model for cargo"):
        inspector.inspect(cargo)


def test_transmission_is_rendered_for_a_colour_model_and_says_so(inspector):
    air = np.ones((128, 192, 2), np.float32)
    air[32 : 32 + WINDOW, 64 : 64 + WINDOW] = 0.0
    found = inspector.inspect(Scan.in_memory(air, kind="transmission", subject="baggage"))
    assert found.findings.boxes[0].tolist() == BOX
    assert any("pseudo-colour" in assumption for assumption in found.assumptions)


def test_a_kind_that_the_model_was_not_made_for_is_unreadable(tmp_path):
    path = make_blob_model(tmp_path / "m.onnx", contract=blob_contract(kinds=("pseudocolour",)))
    grey = Scan.in_memory(blob_pixels()[:, :, 0].copy(), kind="display_grey", subject="baggage")
    found = Inspector(path, threshold=0.5).inspect(grey)
    assert found.decision == "unreadable"
    assert "made for pseudocolour" in found.error
    assert found.sha256 == grey.sha256


def test_a_network_that_gives_no_numbers_is_an_error(tmp_path):
    path = make_blob_model(tmp_path / "nan.onnx", score_scale=float("nan"))
    with pytest.raises(ContractError, match="gave scores from nan"):
        Inspector(path, threshold=0.5).inspect(write_blobs(tmp_path / "bag.png"))


def test_a_model_that_gives_no_findings_is_refused(tmp_path):
    path = make_embedding_model(tmp_path / "embed.onnx")
    with pytest.raises(ContractError, match=r"gives embedding; expected boxes with scores.*would look clear"):
        Inspector(path, threshold=0.5)


def test_the_default_model_follows_the_subject_and_is_never_guessed():
    assert (default_model("baggage"), default_model("cargo")) == ("baggage", "container")
    for subject, said in ((None, "was not stated"), ("unknown", "is unknown")):
        with pytest.raises(
            UsageError, match=f"{said}.*baggage .model baggage., cargo .model container.*onnx"
        ):
            default_model(subject)


def test_a_path_may_be_a_string_or_a_path(inspector, tmp_path):
    path = write_blobs(tmp_path / "bag.png")
    assert inspector.inspect(str(path)).path == inspector.inspect(Path(path)).path
