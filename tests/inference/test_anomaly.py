"""One map of the unusual from the maps of tiles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.anomaly import AnomalyMap, join_maps, with_anomalies
from cargosight_inference.findings import Findings
from cargosight_inference.preprocess import preprocess
from cargosight_inference.scans.scan import Scan
from cargosight_models.contract import InputContract
from cargosight_models.errors import ContractError

TILED = InputContract(shapes=((64, 96), (64, 64)), colour="radiograph", resize="tiles", overlap=24)


def tiles_of(width, height):
    pixels = np.random.default_rng(0).random((height, width, 1), dtype=np.float32)
    return preprocess(Scan.in_memory(pixels, kind="transmission", subject="cargo"), TILED)


def cut(whole, made):
    """The maps that tiles would have if the whole had this one."""
    _, _, height, width = made.tensor.shape
    maps = np.zeros((len(made.views), 1, height // 8, width // 8), np.float32)
    for tile in range(len(made.views)):
        left, top, _, _ = (int(edge) // 8 for edge in made.window(tile))
        part = whole[top : top + height // 8, left : left + width // 8]
        maps[tile, 0, : part.shape[0], : part.shape[1]] = part
    return maps


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 400), st.integers(1, 300))
def test_maps_that_agree_are_joined_without_loss(width, height):
    made = tiles_of(width, height)
    whole = np.random.default_rng(1).random((-(-height // 8), -(-width // 8)), dtype=np.float32)
    joined = join_maps(cut(whole, made), made)
    np.testing.assert_allclose(joined.cells, whole, atol=1e-6)


def test_where_tiles_differ_the_nearer_middle_counts_more():
    made = tiles_of(160, 64)
    assert len(made.views) == 2
    maps = np.stack([np.full((1, 8, 12), value, np.float32) for value in (0.0, 1.0)])
    row = join_maps(maps, made).cells[4]
    assert row[0] == 0.0
    assert row[-1] == 1.0
    assert (np.diff(row) >= 0.0).all()
    assert 0.0 < row[10] < 1.0


@pytest.mark.parametrize("wrong", [np.nan, 1.5, -0.1])
def test_numbers_that_cannot_be_are_refused(wrong):
    made = tiles_of(60, 60)
    maps = np.zeros((1, 1, 8, 8), np.float32)
    maps[0, 0, 0, 0] = wrong
    with pytest.raises(ContractError, match="expected"):
        join_maps(maps, made)
    with pytest.raises(ValueError, match="expected numbers"):
        AnomalyMap(maps[0, 0], 60, 60)


def test_shapes_that_cannot_be_are_refused():
    made = tiles_of(60, 60)
    with pytest.raises(ContractError, match=r"expected \(1, 1, 8, 8\)"):
        join_maps(np.zeros((1, 1, 4, 8), np.float32), made)
    with pytest.raises(ValueError, match="expected float32"):
        AnomalyMap(np.zeros((2, 2, 2), np.float32), 16, 16)


class TestAnomalies:
    def unusual(self, *places, width=100, height=60):
        cells = np.zeros((-(-height // 8), -(-width // 8)), np.float32)
        for row, column, value in places:
            cells[row, column] = value
        return AnomalyMap(cells, width, height)

    def known(self, *boxes):
        count = len(boxes)
        return Findings.of_items(
            np.array(boxes, np.float32).reshape(-1, 4), np.full(count, 0.5, np.float32),
            np.zeros(count, np.int32), ("gun",),
        )  # fmt: skip

    def test_cells_that_touch_are_one_anomaly(self):
        made = self.unusual((1, 1, 0.6), (2, 2, 0.8), (2, 12, 0.7), (7, 0, 0.3))
        found = with_anomalies(self.known(), made, 0.5)
        assert found.labels == ("anomaly", "anomaly")
        np.testing.assert_allclose(found.scores, [0.8, 0.7])
        assert found.boxes.tolist() == [[8, 8, 24, 24], [96, 16, 100, 24]]

    def test_an_anomaly_in_a_known_finding_is_that_finding(self):
        made = self.unusual((1, 1, 0.9), (5, 9, 0.4))
        found = with_anomalies(self.known((0, 0, 30, 30)), made, 0.3)
        assert found.labels == ("gun", "anomaly")

    def test_below_the_threshold_nothing_is_unusual(self):
        assert len(with_anomalies(self.known(), self.unusual((1, 1, 0.9)), 0.95)) == 0

    def test_no_more_than_twenty(self):
        places = [(row, column, 0.6) for row in range(0, 40, 2) for column in range(0, 40, 2)]
        assert len(with_anomalies(self.known(), self.unusual(*places, width=400, height=400), 0.5)) == 20
