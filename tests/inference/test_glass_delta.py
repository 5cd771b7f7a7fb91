"""Glass's delta of values in [0, 1]."""

import pytest

from cargosight_inference.glass_delta import glass_delta


@pytest.mark.parametrize(
    ("deviation", "expected"), [(0.2, -1.5), (0.01, -30.0), (0.001, -30.0), (0.0, -30.0)]
)
def test_deviations_of_the_reference(deviation, expected):
    assert glass_delta(0.5, 0.8, deviation) == pytest.approx(expected)
