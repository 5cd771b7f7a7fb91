"""What lies below the thresholds is kept where it is asked for, and changes nothing of what is found."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.below import MOST_BELOW, Below, affordable_floor, limits_down_to, split_at
from cargosight_inference.findings import Findings
from cargosight_inference.inspector import Inspector
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import UsageError
from tests.made.models import DARK, blob_contract, blob_pixels, make_blob_model, make_cargo_model

NAMES = ("dark", "blue")
GREY, PALE = (120, 120, 120), (230, 230, 230)
BAG = ((0, 0, DARK), (64, 0, GREY), (128, 0, PALE), (64, 80, (70, 70, 255)))


def items(scores, class_ids) -> Findings:
    boxes = np.tile(np.array([[0, 0, 9, 9]], np.float32), (len(scores), 1))
    return Findings.of_items(boxes, np.asarray(scores, np.float32), np.asarray(class_ids, np.int32), NAMES)


def rows(found: Findings) -> list[dict[str, object]]:
    return list(found.rows())


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return make_blob_model(tmp_path_factory.mktemp("models") / "blobs.onnx")


@pytest.fixture(scope="module")
def bag() -> Scan:
    return Scan.in_memory(blob_pixels(*BAG), kind="pseudocolour", subject="baggage")


@given(
    st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(0, 1)), max_size=80),
    st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32)),
    st.floats(0, 1),
)
@settings(max_examples=80, deadline=None)
def test_a_split_loses_nothing_but_the_worst_that_there_is_no_room_for(found, thresholds, floor):
    scores, classes = zip(*sorted(found, key=lambda each: -each[0]), strict=True) if found else ((), ())
    limits = np.array(thresholds, np.float32)
    kept = items(scores, classes).above(limits_down_to(limits, floor))
    above, below = split_at(kept, limits, floor)
    assert rows(above) == rows(kept.above(limits))
    together = sorted(above.scores.tolist() + below.findings.scores.tolist(), reverse=True)
    assert len(below.findings) == min(MOST_BELOW, len(kept) - len(above))
    assert (below.findings.scores < limits[below.findings.class_ids]).all()
    if len(below.findings) < MOST_BELOW:
        assert together == kept.scores.tolist()
    else:
        assert below.floor == below.findings.scores.min()


@pytest.mark.parametrize("threshold", [0.4, {"dark": 0.9, "blue": 0.2}])
def test_above_and_below_are_all_that_is_found_at_the_floor(model_path, bag, threshold):
    floor = 0.05
    found = Inspector(model_path, threshold=threshold, keep_below=floor).inspect(bag)
    plain = Inspector(model_path, threshold=threshold).inspect(bag)
    lowest = Inspector(model_path, threshold=floor).inspect(bag)
    assert found.below is not None and len(found.findings) and len(found.below.findings)
    assert sorted(map(json.dumps, rows(found.findings) + rows(found.below.findings))) == sorted(
        map(json.dumps, rows(lowest.findings))
    )
    assert rows(found.findings) == rows(plain.findings)
    assert (found.decision, found.reasons) == (plain.decision, plain.reasons)
    assert found.below.floor == floor


def test_the_record_is_the_same_but_for_what_was_asked_for(model_path, bag):
    asked = Inspector(model_path, threshold=0.4, keep_below=0.05).inspect(bag).to_dict()
    plain = Inspector(model_path, threshold=0.4).inspect(bag).to_dict()
    assert set(asked) - set(plain) == {"below_threshold", "below_floor"}
    assert {**plain, "timings_ms": None} == {**{key: asked[key] for key in plain}, "timings_ms": None}
    assert asked["below_floor"] == 0.05
    assert all(0.05 <= each["score"] < 0.4 and each["kind"] == "item" for each in asked["below_threshold"])


def test_a_clear_scan_stays_clear(model_path):
    pale = Scan.in_memory(blob_pixels((64, 32, PALE)), kind="pseudocolour", subject="baggage")
    found = Inspector(model_path, threshold=0.4, keep_below=0.05).inspect(pale)
    assert (found.decision, found.reasons, len(found.findings)) == ("clear", (), 0)
    assert found.below is not None and found.below.findings.labels[0] == "dark"


def test_the_floor_of_the_model_holds_too(tmp_path, bag):
    suppression = replace(blob_contract().suppression, score_floor=0.3)
    model = make_blob_model(tmp_path / "m.onnx", contract=blob_contract(suppression=suppression))
    below = Inspector(model, threshold=0.9, keep_below=0.05).inspect(bag).below
    assert below is not None and below.floor == 0.3 and below.findings.scores.min() >= np.float32(0.3)


def test_what_is_below_in_a_container_has_its_place_and_its_zone(tmp_path):
    model = make_cargo_model(tmp_path / "loads.onnx")
    scan = Scan.in_memory(blob_pixels(*BAG)[:, :, 0], kind="display_grey", subject="cargo")
    found = Inspector(model, threshold=0.9, keep_below=0.05).inspect(scan)
    lowest = Inspector(model, threshold=0.05).inspect(scan)
    assert found.below is not None and len(found.below.findings)
    scores = [each["score"] for each in lowest.to_dict()["findings"] if each["kind"] == "item"]
    document = found.to_dict()
    above = [each["score"] for each in document["findings"] if each["kind"] == "item"]
    assert sorted(above + [each["score"] for each in document["below_threshold"]]) == sorted(scores)
    assert all("position" in each for each in document["below_threshold"])


def test_an_unreadable_file_has_nothing_below(model_path, tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"not a scan")
    assert (
        Inspector(model_path, threshold=0.4, keep_below=0.05).inspect(path).to_dict()["below_threshold"] == []
    )


def test_a_scan_with_too_many_candidates_has_a_higher_floor():
    scores = np.linspace(0.0, 1.0, 5000, dtype=np.float32).reshape(1, -1, 2)
    floor = affordable_floor(scores, 0.05)
    assert (scores >= np.float32(floor)).sum() == 400
    assert affordable_floor(scores[:, :100], 0.01) == 0.01
    assert affordable_floor(scores[:, :0], 0.01) == 0.01


def test_a_floor_that_is_no_score_is_refused(model_path):
    for floor in (-0.1, 1.5, float("nan")):
        with pytest.raises(UsageError, match=r"expected a score in \[0, 1\]"):
            Inspector(model_path, threshold=0.4, keep_below=floor)


def test_what_has_no_threshold_is_not_below_one():
    with pytest.raises(ValueError, match="other kinds than items"):
        Below(items([], []).joined("anomaly", [[0, 0, 9, 9]], [0.3]), 0.05)
    with pytest.raises(ValueError, match="the floor is"):
        Below(items([], []), 2.0)
