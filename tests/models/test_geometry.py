"""Boxes and affine maps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cargosight_models.geometry import (
    Affine,
    as_boxes,
    box_areas,
    clip_boxes,
    contains_points,
    iou_matrix,
    nms,
)

FEW = settings(max_examples=60, deadline=None)
coordinates = st.floats(-500, 500, width=32)


@st.composite
def boxes(draw, most=12):
    """Valid boxes, some of them empty or far outside an image."""
    amount = draw(st.integers(0, most))
    corners = draw(hnp.arrays(np.float32, (amount, 2, 2), elements=coordinates))
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).reshape(-1, 4)


@st.composite
def invertible(draw):
    """Affine maps as they occur: scaled, mirrored, rotated and moved, never flattened."""
    size = st.floats(0.05, 20)
    sign = st.sampled_from([-1.0, 1.0])
    angle = draw(st.floats(-np.pi, np.pi))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([draw(size) * draw(sign), draw(size) * draw(sign)])
    move = np.array([[draw(st.floats(-1000, 1000))], [draw(st.floats(-1000, 1000))]])
    return Affine(np.hstack([linear, move]))


class TestAsBoxes:
    def test_takes_lists_and_keeps_values(self):
        found = as_boxes([[1, 2, 3, 4], [0, 0, 0, 0]])
        assert found.dtype == np.float32
        assert found.tolist() == [[1, 2, 3, 4], [0, 0, 0, 0]]

    @pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), np.zeros((0, 4), dtype=np.int64)])
    def test_empty_has_four_columns(self, empty):
        assert as_boxes(empty).shape == (0, 4)

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ([1, 2, 3, 4], r"shape \(4,\); expected \(N, 4\)"),
            ([[1, 2, 3]], "expected \\(N, 4\\)"),
            ([[0, 0, 1, 1], [5, 0, 4, 1]], "box 1 .* x1 <= x2"),
            ([[0, 9, 1, 8]], "box 0"),
            ([[0, 0, np.nan, 1]], "finite"),
            ([[0, 0, np.inf, 1]], "finite"),
        ],
    )
    def test_refuses(self, wrong, message):
        with pytest.raises(ValueError, match=message):
            as_boxes(wrong)


class TestIou:
    def test_by_hand(self):
        a = as_boxes([[0, 0, 10, 10]])
        b = as_boxes([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 4, 4], [3, 3, 3, 3]])
        assert iou_matrix(a, b)[0] == pytest.approx([1.0, 1 / 3, 0.0, 0.04, 0.0])

    @FEW
    @given(boxes(), boxes())
    def test_bounds_and_symmetry(self, a, b):
        found = iou_matrix(a, b)
        assert found.shape == (len(a), len(b))
        assert found.dtype == np.float32
        assert ((found >= 0) & (found <= 1)).all()
        np.testing.assert_array_equal(found, iou_matrix(b, a).T)

    @FEW
    @given(boxes())
    def test_a_box_is_itself(self, a):
        own = np.diag(iou_matrix(a, a))
        areas = (a[:, 2:].astype(np.float64) - a[:, :2]).prod(axis=1)
        np.testing.assert_array_equal(own, (areas > 0).astype(np.float32))

    def test_no_overflow_for_huge_boxes(self):
        huge = as_boxes([[-1e30, -1e30, 1e30, 1e30]])
        assert iou_matrix(huge, huge)[0, 0] == 1.0


class TestClip:
    @FEW
    @given(boxes())
    def test_stays_inside_and_never_grows(self, a):
        found = clip_boxes(a, 200, 100)
        as_boxes(found)
        assert found.dtype == np.float32
        assert (found >= 0).all()
        assert (found[:, [0, 2]] <= 200).all()
        assert (found[:, [1, 3]] <= 100).all()
        assert (box_areas(found) <= box_areas(a) + 1e-3).all()
        np.testing.assert_array_equal(clip_boxes(found, 200, 100), found)

    def test_a_box_outside_has_no_area(self):
        assert box_areas(clip_boxes(as_boxes([[300, 5, 310, 9]]), 200, 100)).tolist() == [0.0]


class TestContains:
    def test_edges(self):
        box = as_boxes([[0, 0, 10, 20]])
        points = np.array([[0, 0], [9.99, 19.99], [10, 5], [5, 20], [-0.01, 5]])
        assert contains_points(box, points).tolist() == [[True, True, False, False, False]]

    @FEW
    @given(st.integers(1, 9), st.integers(1, 9), hnp.arrays(np.float64, (5, 2), elements=st.floats(0, 9.99)))
    def test_tiles_share_no_point_and_miss_none(self, across, down, points):
        xs, ys = np.linspace(0, 10, across + 1), np.linspace(0, 10, down + 1)
        tiles = as_boxes([[xs[i], ys[j], xs[i + 1], ys[j + 1]] for i in range(across) for j in range(down)])
        assert (contains_points(tiles, points.astype(np.float32)).sum(axis=0) == 1).all()


class TestNms:
    def test_by_hand(self):
        a = as_boxes([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60], [0, 0, 10, 9]])
        assert nms(a, np.array([0.5, 0.9, 0.3, 0.8]), 0.6).tolist() == [1, 2]
        assert nms(a, np.array([0.5, 0.9, 0.3, 0.8]), 1.0).tolist() == [1, 3, 0, 2]

    def test_equal_scores_keep_input_order(self):
        a = as_boxes([[0, 0, 1, 1], [5, 5, 6, 6], [0, 0, 1, 1]])
        assert nms(a, np.array([0.5, 0.5, 0.5]), 0.5).tolist() == [0, 1]

    def test_nothing(self):
        found = nms(np.zeros((0, 4), np.float32), np.zeros(0), 0.5)
        assert found.shape == (0,)
        assert found.dtype == np.int64

    @FEW
    @given(st.data(), st.floats(0.0, 1.0))
    def test_invariants(self, data, iou):
        a = data.draw(boxes())
        scores = data.draw(hnp.arrays(np.float32, len(a), elements=st.floats(0, 1, width=32)))
        kept = nms(a, scores, iou)
        assert len(set(kept.tolist())) == len(kept)
        assert (np.diff(scores[kept]) <= 0).all()
        overlap = iou_matrix(a, a)
        for place, index in enumerate(kept):  # no two kept boxes overlap by more
            assert (overlap[index, kept[:place]] <= iou + 1e-6).all()
        for index in set(range(len(a))) - set(kept.tolist()):  # every dropped box has a better kept one
            better = kept[scores[kept] >= scores[index]]
            assert (overlap[index, better] > iou - 1e-6).any()
        np.testing.assert_array_equal(nms(a[kept], scores[kept], iou), np.arange(len(kept)))


class TestAffine:
    @FEW
    @given(invertible(), hnp.arrays(np.float64, (7, 2), elements=st.floats(-1000, 1000)))
    def test_round_trip(self, affine, points):
        back = affine.inverse().points(affine.points(points))
        np.testing.assert_allclose(back, points, atol=1e-6, rtol=1e-9)
        np.testing.assert_allclose(
            affine.then(affine.inverse()).matrix, Affine.identity().matrix, atol=1e-7, rtol=0
        )

    @FEW
    @given(invertible(), invertible(), hnp.arrays(np.float64, (4, 2), elements=st.floats(-100, 100)))
    def test_then_applies_in_order(self, first, second, points):
        np.testing.assert_allclose(
            first.then(second).points(points), second.points(first.points(points)), rtol=1e-9, atol=1e-6
        )

    @FEW
    @given(boxes(), st.floats(0.1, 10), st.floats(0.1, 10), st.floats(-500, 500), st.floats(-500, 500))
    def test_letterbox_boxes_round_trip(self, a, sx, sy, tx, ty):
        affine = Affine.scaling(sx, sy).then(Affine.translation(tx, ty))
        there = affine.boxes(a)
        assert there.dtype == np.float32
        as_boxes(there)
        np.testing.assert_allclose(affine.inverse().boxes(there), a, atol=1e-2)

    @FEW
    @given(invertible(), boxes(4), st.floats(0, 1), st.floats(0, 1))
    def test_mapped_box_holds_mapped_points(self, affine, a, u, v):
        mapped = affine.boxes(a)
        points = affine.points(a[:, :2] + np.array([u, v]) * (a[:, 2:] - a[:, :2]))
        assert (points >= mapped[:, :2] - 1e-2).all()
        assert (points <= mapped[:, 2:] + 1e-2).all()

    def test_by_hand(self):
        affine = Affine.scaling(2, 3).then(Affine.translation(10, 20))
        assert affine.points(np.array([[1.0, 1.0]])).tolist() == [[12.0, 23.0]]
        assert affine.boxes(as_boxes([[0, 0, 1, 2]])).tolist() == [[10.0, 20.0, 12.0, 26.0]]
        mirrored = Affine.scaling(-1, 1).then(Affine.translation(100, 0))
        assert mirrored.boxes(as_boxes([[10, 0, 30, 5]])).tolist() == [[70.0, 0.0, 90.0, 5.0]]

    def test_refuses(self):
        with pytest.raises(ValueError, match=r"shape \(3, 3\)"):
            Affine(np.eye(3))
        with pytest.raises(ValueError, match="finite"):
            Affine.scaling(float("nan"), 1)
        with pytest.raises(ValueError, match="singular"):
            Affine.scaling(0, 1).inverse()

    def test_the_matrix_cannot_be_changed(self):
        given_matrix = np.array([[1.0, 0, 0], [0, 1, 0]])
        affine = Affine(given_matrix)
        given_matrix[0, 0] = 7.0
        assert affine.matrix[0, 0] == 1.0
        with pytest.raises(ValueError, match="read-only"):
            affine.matrix[0, 0] = 2.0
