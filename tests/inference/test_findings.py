"""Findings and how they come out of the network's numbers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.findings import Findings, decode_findings
from cargosight_inference.preprocess import NetworkInput
from cargosight_inference.suppression import suppress_per_class
from cargosight_models.errors import ContractError
from cargosight_models.geometry import Affine, nms
from tests.made.models import blob_contract

NAMES = ("dark", "blue")


def findings(boxes, scores, class_ids, kinds=None) -> Findings:
    kinds = [0] * len(scores) if kinds is None else kinds
    return Findings(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(scores, np.float32),
        np.asarray(class_ids, np.int32),
        np.asarray(kinds, np.int8),
        NAMES,
    )


def network_input(to_input: Affine | None = None, width: int = 100, height: int = 80) -> NetworkInput:
    return NetworkInput(np.zeros((1, 3, 32, 32), np.float32), (to_input or Affine.identity(),), width, height)


def outputs(boxes, scores):
    return {
        "boxes": np.asarray(boxes, np.float32).reshape(1, -1, 4),
        "scores": np.asarray(scores, np.float32).reshape(1, -1, 2),
    }


def decode(boxes, scores, thresholds=(0.5, 0.5), contract=None, made=None) -> Findings:
    return decode_findings(
        outputs(boxes, scores),
        contract or blob_contract(),
        made or network_input(),
        np.asarray(thresholds, np.float32),
    )


BOX = [0.0, 0.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (([BOX], [0.5, 0.4], [0]), "scores of float32"),
        (([BOX], [1.5], [0]), r"expected numbers in \[0, 1\]"),
        (([BOX], [np.nan], [0]), r"expected numbers in \[0, 1\]"),
        (([BOX, BOX], [0.4, 0.5], [0, 0]), "falling score"),
        (([BOX], [0.5], [2]), "one of its labels, 0 to 1"),
        (([BOX], [0.5], [-1]), "kind item has the class id -1; expected one of its labels, 0 to 1"),
        (([BOX], [0.5], [1], [1]), "kind anomaly has the class id 1; expected one of its labels, 0 to 0"),
        (([BOX], [0.5], [0], [4]), "kinds are .4.; expected 0 to 3: item, anomaly, dense, declared"),
        (([BOX], [0.5], [0], [-1]), "kinds are .-1.; expected 0 to 3"),
        (([[10, 0, 0, 10]], [0.5], [0]), "expected x1 <= x2"),
        (([[0, 0, np.inf, 10]], [0.5], [0]), "finite"),
    ],
)
def test_findings_are_checked_when_made(columns, message):
    with pytest.raises(ValueError, match=message):
        findings(*columns)


def test_a_wrong_dtype_is_refused():
    with pytest.raises(ValueError, match="class_ids of int64"):
        Findings(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.int64),
            np.zeros(0, np.int8),
            NAMES,
        )


def test_rows_and_labels_name_what_was_found():
    found = findings([BOX, [1.26, 2, 3.5, 4], BOX, BOX], [0.9, 0.25, 0.2, 0.1], [1, 0, 0, 1], [0, 1, 2, 3])
    assert found.labels == ("blue", "anomaly", "dense_region", "declared_loaded_looks_empty")
    assert len(found) == 4
    assert list(found.rows()) == [
        {"label": "blue", "kind": "item", "score": 0.9, "box": [0.0, 0.0, 10.0, 10.0]},
        {"label": "anomaly", "kind": "anomaly", "score": 0.25, "box": [1.26, 2.0, 3.5, 4.0]},
        {"label": "dense_region", "kind": "dense", "score": 0.2, "box": BOX},
        {"label": "declared_loaded_looks_empty", "kind": "declared", "score": 0.1, "box": BOX},
    ]
    assert list(Findings.empty(NAMES).rows()) == []


def test_others_are_joined_by_falling_score_and_ties_stay_in_order():
    found = findings([BOX, BOX], [0.9, 0.5], [1, 0]).joined("dense_region", [[1, 1, 2, 2], BOX], [0.95, 0.5])
    assert found.labels == ("dense_region", "blue", "dark", "dense_region")
    assert found.boxes[0].tolist() == [1, 1, 2, 2]
    assert found.of_kind("dense").tolist() == [True, False, False, True]
    assert len(found.joined("anomaly", [], [])) == 4
    with pytest.raises(ValueError, match="'blue'; expected one of anomaly, dense_region"):
        found.joined("blue", [BOX], [0.5])


def test_above_keeps_what_reaches_its_class_threshold_and_whatever_has_no_class():
    found = findings([BOX] * 4, [0.9, 0.6, 0.5, 0.1], [0, 1, 0, 0], [0, 0, 0, 2])
    assert found.above([0.5, 0.7]).scores.tolist() == pytest.approx([0.9, 0.5, 0.1])
    assert len(found.above(0.95)) == 1
    assert len(found.above([0.0, 0.0])) == 4


@st.composite
def candidates(draw):
    count = draw(st.integers(0, 40))
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    centres = generator.uniform(0, 60, (count, 2))
    sizes = generator.uniform(0, 40, (count, 2)) * generator.integers(0, 2, (count, 1))  # some are empty
    boxes = np.concatenate([centres, centres + sizes], axis=1).astype(np.float32)
    scores = np.round(generator.random((count, 3)), 1).astype(np.float32)  # with ties
    return boxes, scores


@given(candidates(), st.sampled_from([0.0, 0.3, 0.6, 1.0]))
@settings(max_examples=60, deadline=None)
def test_suppression_agrees_with_the_plain_one_class_by_class(made, iou):
    boxes, scores = made
    thresholds = np.array([0.0, 0.35, 0.9], np.float32)
    rows, classes = suppress_per_class(boxes, scores, thresholds, iou, most=len(boxes))
    for class_id, threshold in enumerate(thresholds):
        passing = np.flatnonzero(scores[:, class_id] >= threshold)
        expected = passing[nms(boxes[passing], scores[passing, class_id], iou)]
        assert rows[classes == class_id].tolist() == expected.tolist()
    kept = scores[rows, classes]
    assert (kept[1:] <= kept[:-1]).all()


def test_suppression_of_more_boxes_than_one_block():
    generator = np.random.default_rng(3)
    corners = generator.uniform(0, 400, (700, 2))
    boxes = np.concatenate([corners, corners + 30], axis=1).astype(np.float32)
    scores = generator.random((700, 1)).astype(np.float32)
    rows, _ = suppress_per_class(boxes, scores, np.zeros(1, np.float32), 0.3, most=len(boxes))
    assert rows.tolist() == nms(boxes, scores[:, 0], 0.3).tolist()


def test_overlapping_candidates_of_one_class_become_one_finding_and_classes_stay_apart():
    found = decode([[0, 0, 40, 40], [2, 2, 42, 42], [0, 0, 40, 40]], [[0.9, 0], [0.8, 0], [0, 0.7]])
    assert found.labels == ("dark", "blue")
    assert found.scores.tolist() == pytest.approx([0.9, 0.7])


def test_one_location_may_be_found_in_several_classes():
    found = decode([[0, 0, 40, 40]], [[0.6, 0.9]])
    assert found.labels == ("blue", "dark")


def test_a_score_at_the_threshold_is_found_and_one_below_is_not():
    assert len(decode([BOX], [[0.5, 0]])) == 1
    assert len(decode([BOX], [[np.nextafter(np.float32(0.5), np.float32(0)), 0]])) == 0


def test_the_contract_s_floor_holds_below_any_threshold():
    contract = blob_contract(suppression=replace(blob_contract().suppression, score_floor=0.2))
    assert len(decode([BOX, [20, 0, 30, 10]], [[0.1, 0], [0.2, 0]], (0.0, 0.0), contract)) == 1


def test_at_most_the_contract_s_number_of_each_class_is_kept_best_first():
    contract = blob_contract(suppression=replace(blob_contract().suppression, max_per_class=3))
    boxes = [[20 * i, 0, 20 * i + 10, 10] for i in range(5)]
    found = decode(
        boxes, [[0.5 + 0.1 * i, 0] for i in range(5)], contract=contract, made=network_input(width=200)
    )
    assert found.scores.tolist() == pytest.approx([0.9, 0.8, 0.7])


def test_a_crowd_of_one_class_hides_no_finding_of_another():
    contract = blob_contract(suppression=replace(blob_contract().suppression, max_per_class=3))
    boxes = [[20 * i, 0, 20 * i + 10, 10] for i in range(5)]
    scores = [[0.9, 0]] * 4 + [[0.9, 0.1]]
    found = decode(boxes, scores, (0.05, 0.05), contract, network_input(width=200))
    assert found.class_ids.tolist() == [0, 0, 0, 1]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_a_higher_threshold_only_takes_findings_of_its_class_away(seed, most):
    """Thresholds chosen from what is found at the floor mean in use what they meant when they were chosen."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 150, (20, 2))
    boxes = np.hstack([corners, corners + rng.uniform(5, 50, (20, 2))]).tolist()
    scores = rng.uniform(0, 1, (20, 2)).astype(np.float32)
    contract = blob_contract(suppression=replace(blob_contract().suppression, max_per_class=most))
    made = network_input(width=200, height=200)
    thresholds = rng.uniform(0, 1, 2).astype(np.float32)
    low = decode(boxes, scores.tolist(), (0.0, 0.0), contract, made)
    high = decode(boxes, scores.tolist(), tuple(thresholds.tolist()), contract, made)
    kept = low.scores >= thresholds[low.class_ids]
    assert high.scores.tolist() == low.scores[kept].tolist()
    assert high.class_ids.tolist() == low.class_ids[kept].tolist()


def test_a_graph_that_suppressed_is_not_suppressed_again():
    contract = blob_contract(suppression=replace(blob_contract().suppression, where="graph"))
    assert (
        len(decode([[0, 0, 40, 40], [1, 1, 41, 41], [0, 0, 40, 40]], [[0.9, 0]] * 3, contract=contract)) == 3
    )


def test_boxes_come_back_in_scan_pixels_clipped_and_without_what_lies_in_the_padding():
    to_input = Affine.scaling(0.5, 0.5).then(Affine.translation(0.0, 8.0))
    made = network_input(to_input, width=64, height=32)
    found = decode([[2, 8, 12, 30], [0, 0, 20, 8]], [[0.9, 0], [0.8, 0]], made=made)
    assert found.boxes.tolist() == [[4.0, 0.0, 24.0, 32.0]]


@pytest.mark.parametrize(
    ("boxes", "scores", "message"),
    [
        ([BOX], [[np.nan, 0]], "gave scores from nan"),
        ([BOX], [[1.01, 0]], "gave scores from"),
        ([BOX], [[-0.1, 0]], "gave scores from"),
        ([[0, 0, np.nan, 1]], [[0.9, 0]], "not finite"),
        ([BOX, BOX], [[0.9, 0]], r"expected \(1, K, 4\)"),
    ],
)
def test_numbers_that_cannot_be_are_an_error_and_never_a_clear_scan(boxes, scores, message):
    with pytest.raises(ContractError, match=message):
        decode(boxes, scores)


def test_a_model_without_scores_is_an_error_and_never_a_clear_scan():
    contract = blob_contract(outputs=("embedding",))
    with pytest.raises(ContractError, match="the model blobs gives embedding; expected boxes with scores"):
        decode_findings({}, contract, network_input(), np.zeros(2, np.float32))
