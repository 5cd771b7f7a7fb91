"""Class sets, annotations and label masks by region."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_models.errors import DataSetError
from cargosight_models.labels import Annotations, ClassSet, LabelledRegions

CLASSES = ClassSet(("knife", "gun", "lighter"))


class TestClassSet:
    def test_index_and_mask(self):
        assert len(CLASSES) == 3
        assert CLASSES.index("gun") == 1
        assert CLASSES.mask(["lighter", "knife"]).tolist() == [True, False, True]
        assert CLASSES.mask([]).tolist() == [False, False, False]

    def test_an_unknown_class_names_the_nearest(self):
        with pytest.raises(DataSetError, match=r"'knive' \(did you mean 'knife'\?\).*knife, gun, lighter"):
            CLASSES.index("knive")
        with pytest.raises(DataSetError, match="unknown class 'zebra'; the classes are"):
            CLASSES.mask(["gun", "zebra"])

    @pytest.mark.parametrize("names", [(), ("a", "a"), ("a", ""), ("a", " "), ("a", 3)])
    def test_refuses(self, names):
        with pytest.raises(DataSetError):
            ClassSet(names)

    def test_is_a_value(self):
        assert ClassSet(["a", "b"]) == ClassSet(("a", "b"))
        assert hash(ClassSet(["a", "b"])) == hash(ClassSet(("a", "b")))


class TestAnnotations:
    def test_checked_and_converted(self):
        found = Annotations([[0, 0, 5, 5]], [2])
        assert (found.boxes.dtype, found.class_ids.dtype, len(found)) == (np.float32, np.int64, 1)
        assert len(Annotations.empty()) == 0
        assert len(Annotations([], [])) == 0

    @pytest.mark.parametrize(
        ("boxes", "ids", "message"),
        [
            ([[0, 0, 1, 1]], [], r"shape \(0,\); expected \(1,\)"),
            ([[0, 0, 1, 1]], [[1]], "shape"),
            ([[0, 0, 1, 1]], [-1], "-1; expected 0 or more"),
            ([[0, 0, 1, 1]], [1.0], "expected integers"),
            ([[2, 0, 1, 1]], [1], "x1 <= x2"),
        ],
    )
    def test_refuses(self, boxes, ids, message):
        with pytest.raises(ValueError, match=message):
            Annotations(boxes, ids)


class TestLabelledRegions:
    def test_a_mosaic_of_two_sources(self):
        regions = LabelledRegions(
            [[0, 0, 50, 100], [50, 0, 100, 100]], np.array([[True, False, False], [False, True, True]])
        )
        points = np.array([[25, 50], [75, 50], [50, 50], [150, 50]], dtype=np.float32)
        assert regions.mask_at(points).tolist() == [
            [True, False, False],
            [False, True, True],
            [False, True, True],  # the seam belongs to the right tile alone
            [False, False, False],  # padding is labelled for nothing
        ]

    def test_overlapping_regions_are_joined(self):
        regions = LabelledRegions(
            [[0, 0, 100, 100], [20, 20, 40, 40]], np.array([[True, False], [False, True]])
        )
        assert regions.mask_at(np.array([[30.0, 30.0], [10.0, 10.0]])).tolist() == [
            [True, True],
            [True, False],
        ]

    def test_no_region_labels_nothing(self):
        regions = LabelledRegions([], np.zeros((0, 3), dtype=bool))
        assert regions.mask_at(np.zeros((4, 2))).tolist() == [[False] * 3] * 4

    def test_refuses(self):
        with pytest.raises(ValueError, match="dtype int64; expected bool"):
            LabelledRegions([[0, 0, 1, 1]], np.array([[1, 0]]))
        with pytest.raises(ValueError, match=r"expected \(1, classes\)"):
            LabelledRegions([[0, 0, 1, 1]], np.zeros((2, 3), dtype=bool))

    @settings(max_examples=40, deadline=None)
    @given(st.data())
    def test_equals_a_loop(self, data):
        random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        amount, classes = data.draw(st.integers(0, 6)), data.draw(st.integers(1, 5))
        corners = random.uniform(0, 20, (amount, 2, 2))
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        masks = random.random((amount, classes)) < 0.5
        points = random.uniform(0, 20, (9, 2)).astype(np.float32)
        regions = LabelledRegions(boxes, masks)
        for (x, y), found in zip(points, regions.mask_at(points), strict=True):
            wanted = np.zeros(classes, dtype=bool)
            for (x1, y1, x2, y2), mask in zip(regions.boxes, masks, strict=True):
                if x1 <= x < x2 and y1 <= y < y2:
                    wanted |= mask
            assert found.tolist() == wanted.tolist()


def test_nothing_is_labelled_in_an_unknown_area() -> None:
    regions = LabelledRegions(
        np.array([[0, 0, 10, 10]], dtype=np.float32),
        np.array([[True, False]]),
        np.array([[2, 2, 4, 4]], dtype=np.float32),
    )
    found = regions.mask_at(np.array([[1.0, 1.0], [3.0, 3.0], [4.0, 4.0]]))
    assert found.tolist() == [[True, False], [False, False], [True, False]]
