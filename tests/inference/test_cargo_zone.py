"""What lies under the floor of the cargo box has to be more unusual to count."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargosight_inference.anomaly import AnomalyMap
from cargosight_inference.cargo_zone import (
    LEAST_CONFIDENCE,
    MARGIN,
    is_under,
    items_by_zone,
    lowered,
    map_by_zone,
)
from cargosight_inference.findings import Findings
from cargosight_inference.scans.container import Container

BOX = Container((100.0, 40.0, 500.0, 240.0), 0.0, None, (), False, False, 0.9, "made")
NONE = Container((0.0, 0.0, 600.0, 320.0), 0.0, None, (), True, True, 0.0, "none")
ASKEW = Container((100.0, 40.0, 500.0, 240.0), 0.05, None, (), False, False, 0.9, "made")
SCORES = st.floats(0.0, 1.0, width=32)


@given(SCORES, SCORES)
def test_scores_stay_in_order_and_in_range(one, other):
    low, high = lowered(np.sort(np.array([one, other], np.float32)))
    assert 0.0 <= low <= high <= 1.0
    assert high <= np.float32(max(one, other))


def test_odds_are_divided():
    (found,) = lowered(np.array([0.9], np.float32))
    assert found / (1 - found) == pytest.approx(9.0 / math.exp(2.0), rel=1e-4)
    np.testing.assert_array_equal(lowered(np.array([0.0, 1.0], np.float32)), [0.0, 1.0])


def test_wheels_are_under_the_floor_and_the_load_its_top_and_what_stands_beside_are_not():
    margin = MARGIN * 200.0
    x = np.array([300.0, 300.0, 300.0, 300.0, 20.0, 20.0])
    y = np.array([150.0, 239 + margin, 241 + margin, 5.0, 100.0, 300.0])
    assert is_under(BOX, x, y).tolist() == [False, False, True, False, False, True]


def test_a_floor_that_is_not_trusted_lowers_nothing():
    for confidence in (0.0, 0.9 * LEAST_CONFIDENCE):
        assert not is_under(replace(BOX, confidence=confidence), 300.0, 319.0).any()
    assert is_under(replace(BOX, confidence=LEAST_CONFIDENCE), 300.0, 319.0).all()


def test_the_floor_sinks_with_a_vehicle_that_stands_askew():
    assert is_under(ASKEW, [120.0, 480.0], [242.0, 253.0]).tolist() == [True, False]


def test_a_map_is_lowered_under_the_floor_alone():
    cells = np.full((40, 75), 0.9, np.float32)
    found = map_by_zone(AnomalyMap(cells, 600, 320), BOX)
    assert (found.width, found.height) == (600, 320)
    np.testing.assert_array_equal(found.cells[:30], cells[:30])
    np.testing.assert_array_equal(found.cells[32:], lowered(cells[32:]))
    np.testing.assert_array_equal(map_by_zone(AnomalyMap(cells, 600, 320), NONE).cells, cells)


def items(*rows):
    boxes = np.array([box for box, _ in rows], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in rows], np.float32)
    return Findings.of_items(boxes, scores, np.zeros(len(rows), np.int32), ("gun",))


def test_an_item_under_the_floor_needs_more_and_a_sure_one_is_still_found():
    wheel, sure, load = (200, 260, 240, 300), (300, 260, 340, 300), (200, 100, 240, 140)
    given_items = items((sure, 0.99), (wheel, 0.8), (load, 0.7))
    found = items_by_zone(given_items, BOX, np.array([0.5], np.float32))
    assert found.boxes.tolist() == [list(sure), list(load)]
    assert found.scores.tolist() == pytest.approx([0.99 / (0.99 + 0.01 * math.exp(2.0)), 0.7])
    assert items_by_zone(given_items, NONE, np.array([0.5], np.float32)).scores.tolist() == pytest.approx(
        [0.99, 0.8, 0.7]
    )


def test_items_are_sorted_again():
    found = items_by_zone(
        items(((200, 260, 240, 300), 0.9), ((200, 100, 240, 140), 0.8)), BOX, np.array([0.1], np.float32)
    )
    assert found.boxes[0].tolist() == [200, 100, 240, 140]
    assert len(items_by_zone(items(), BOX, np.array([0.1], np.float32))) == 0
