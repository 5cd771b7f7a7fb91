"""The polarity of raw counts, told by their noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.scans.polarity import polarity_by_noise
from cargosight_inference.scans.transmission import counts_to_transmission, find_polarity


def truck(seed, *, photons=4000.0, air=57_000.0, deepest=6.0, blank_rows=10):
    """Counts of a load under a strip of air, with blank detector rows at the foot and one saturated column."""
    random = np.random.default_rng(seed)
    depth = np.zeros((240, 400))
    depth[60:, :] = np.linspace(deepest, 0.3 * deepest, 400)
    depth[60:80, 100:150] = 0.4
    counts = random.poisson(photons * np.exp(-depth)) * (air / photons) + 6.0 * random.standard_normal(
        depth.shape
    )
    counts[-blank_rows:] = 0
    counts[:, 33] = 65535
    return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    photons=st.floats(1e3, 1e5),
    air=st.floats(20_000, 60_000),
    deepest=st.floats(3.5, 8.0),
    blank_rows=st.integers(1, 12),
)
def test_counts_and_turned_counts_are_told_apart(seed, photons, air, deepest, blank_rows):
    counts = truck(seed, photons=photons, air=air, deepest=deepest, blank_rows=blank_rows)
    assert polarity_by_noise(counts) == "air_bright"
    assert polarity_by_noise(65535 - counts) == "air_dark"
    assert polarity_by_noise(np.ascontiguousarray(np.rot90(65535 - counts))) == "air_dark"


def test_turned_counts_with_blank_rows_are_turned_back():
    """The blank rows are a bright border of turned counts, which alone would make air bright."""
    counts = truck(1)
    found = counts_to_transmission((np.subtract(np.uint16(65535), counts),))
    assert found.polarity == "air_dark"
    np.testing.assert_allclose(found.pixels, counts_to_transmission((counts,)).pixels, atol=2e-3)
    polarity, note = find_polarity(65535 - counts)
    assert polarity == "air_dark"
    assert "dark end of the scale has the noise of many photons" in note


def test_cargo_that_was_cut_out_is_not_dark_air():
    assert find_polarity(truck(2)[70:, :])[0] == "air_bright"


@pytest.mark.parametrize(
    "counts",
    [
        np.full((50, 50), 30_000, np.uint16),
        np.zeros((50, 2), np.uint16),
        np.zeros((1, 1), np.uint16),
        np.tile(np.linspace(0, 60_000, 300).astype(np.uint16), (60, 1)),
        np.random.default_rng(0).integers(0, 65536, (300, 300)).astype(np.uint16),
    ],
)
def test_where_noise_does_not_tell_nothing_is_said(counts):
    assert polarity_by_noise(counts) is None
