"""The level of air of a file."""

import numpy as np
import pytest

from cargosight_inference.batch.air import air_level
from cargosight_inference.scans.scan import Scan


@pytest.mark.parametrize("size", [(1, 1), (30, 40), (600, 900)])
def test_of_a_display(size):
    pixels = np.full((*size, 3), 204, np.uint8)
    assert air_level(Scan.in_memory(pixels, kind="pseudocolour", subject="baggage")) == pytest.approx(0.8)
    grey = Scan.in_memory(pixels[:, :, 0], kind="display_grey", subject="baggage")
    assert air_level(grey) == pytest.approx(0.8)


def test_a_few_bright_pixels_are_no_air():
    pixels = np.full((100, 100), 102, np.uint8)
    pixels[0, :50] = 255
    assert air_level(Scan.in_memory(pixels, kind="display_grey", subject="baggage")) == pytest.approx(0.4)


@pytest.mark.parametrize(("brightest", "counts", "share"), [(1.0, 32767.5, 0.5), (0.5, 65535.0, 0.5)])
def test_of_counts_whether_their_level_was_found_or_given(brightest, counts, share):
    pixels = np.full((50, 60, 2), (brightest, 0.1), np.float32)
    scan = Scan.in_memory(pixels, kind="transmission", subject="cargo")
    assert air_level(scan) == pytest.approx(brightest)
    object.__setattr__(scan, "air_level", counts)
    assert air_level(scan) == pytest.approx(share)
