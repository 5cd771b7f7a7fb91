"""Dead and saturated detectors, stripes and bright lines are found, listed and mended."""

import numpy as np
import pytest

from cargosight_inference.scans.attenuation import POLYETHYLENE
from cargosight_inference.scans.detector_faults import DetectorFaults, find_faults, mended
from cargosight_models.errors import UsageError
from tests.made import radiographs

GOODS = (radiographs.Block(100, 150, 500, 290, POLYETHYLENE, 40.0),)


@pytest.fixture
def plane():
    return radiographs.transmission(GOODS, counts=20_000)[:, :, 0]


def test_a_sound_scan_has_no_faults(plane):
    assert find_faults(plane).sentences == ()


def test_dead_rows_and_columns(plane):
    plane[200] = 0.0
    plane[:, 333] = 0.0
    found = find_faults(plane)
    assert (found.dead_rows, found.dead_columns) == ((200,), (333,))
    assert "1 rows do not answer" in found.sentences


def test_saturated_columns(plane):
    plane[:, 333] = 1.0
    assert find_faults(plane).saturated_columns == (333,)


def test_a_bright_line_and_a_stripe(plane):
    plane[120:122] = np.minimum(plane[120:122] * 1.2, 1.0)
    plane[180] *= 0.85
    found = find_faults(plane)
    assert found.bright_rows == (120, 121)
    assert found.striped_rows == (180,)
    assert found.rows == (120, 121, 180)


def test_a_seam_of_the_container_is_no_stripe(plane):
    plane[150, radiographs.LEFT : radiographs.RIGHT] *= 0.8
    assert 150 not in find_faults(plane).rows


def test_mending_brings_back_what_was_there():
    clean = radiographs.transmission(GOODS, counts=1e6)
    spoilt = clean.copy()
    spoilt[200] = 0.0
    spoilt[:, 333] = 0.0
    spoilt[180] *= 0.85
    repaired = mended(spoilt, find_faults(spoilt[:, :, 0]))
    assert np.abs(repaired - clean)[:, 60:840].max() < 0.12
    assert np.abs(repaired - clean).mean() < 1e-3


def test_lines_at_the_edge_are_repeated():
    plane = np.tile(np.linspace(0.2, 0.9, 50, dtype=np.float32)[:, None], (1, 40))[:, :, None]
    repaired = mended(plane, DetectorFaults(dead_rows=(0, 1, 48, 49)))
    np.testing.assert_allclose(repaired[[0, 1]], plane[[2, 2]])
    np.testing.assert_allclose(repaired[[48, 49]], plane[[47, 47]])


def test_interpolation_invents_no_image(plane):
    with pytest.raises(UsageError, match="at most a quarter"):
        mended(plane[:, :, None], DetectorFaults(dead_rows=tuple(range(100, 220))))
