"""What the beam did not get through is told from what is only dark."""

import numpy as np
import pytest

from cargosight_inference.scans.attenuation import CELLULOSE, STEEL
from cargosight_inference.scans.container import locate_container
from cargosight_inference.scans.penetration import Penetration, measure_penetration, noise_floor
from cargosight_inference.scans.radiograph import radiograph_of
from cargosight_inference.scans.scan import Scan
from tests.made import radiographs
from tests.made.radiographs import Block

OPAQUE = Block(200, 150, 300, 280, STEEL, 450.0)
DARK = Block(450, 150, 600, 280, CELLULOSE, 110.0)


def measured(scan):
    radiograph = radiograph_of(scan)
    return measure_penetration(radiograph, locate_container(radiograph))


@pytest.mark.parametrize("counts", [3_000, 10_000, 40_000])
def test_opaque_goods_in_transmission(counts):
    found = measured(radiographs.dual_energy((OPAQUE, DARK), counts=counts))
    assert found.cells[155:275, 205:295].mean() > 0.97
    assert found.cells[155:275, 455:595].mean() < 0.02
    region = found.regions[0]
    assert region.box == pytest.approx((200, 150, 300, 280), abs=6)
    area = 100 * 130
    assert region.pixels == pytest.approx(area, rel=0.1)
    assert found.opaque_fraction == pytest.approx(area / (820 * 280), rel=0.2)
    assert "counts" in found.basis


def test_the_floor_follows_the_noise():
    floors = [noise_floor(radiograph_of(radiographs.dual_energy(counts=n))) for n in (1_500, 6_000, 1e7)]
    assert floors == [pytest.approx(3 / 1_500, rel=0.3), pytest.approx(5e-4, rel=0.3), pytest.approx(5e-4)]


def test_opaque_goods_in_display_grey():
    pixels = radiographs.grey_pixels((DARK,)).astype(np.int64) + 8
    pixels[150:280, 200:300] = np.random.default_rng(0).integers(8, 10, (130, 100))
    scan = Scan.in_memory(pixels.clip(0, 255).astype(np.uint8), kind="display_grey", subject="cargo")
    found = measured(scan)
    assert found.cells[155:275, 205:295].mean() > 0.97
    assert found.cells[155:275, 455:595].mean() < 0.02
    assert "texture gone" in found.basis


def test_a_large_scan_is_measured_the_same():
    """It is read in blocks of 3 x 3 pixels; the deviation stays that of pixels."""
    pixels = radiographs.transmission((OPAQUE, DARK), counts=10_000.0)
    large = np.repeat(np.repeat(pixels, 4, axis=0), 4, axis=1)[:-1, :-2]
    small, whole = (
        measured(Scan.in_memory(each, kind="transmission", subject="cargo")) for each in (pixels, large)
    )
    assert whole.cells.shape == (479, 1199)
    assert whole.opaque_fraction == pytest.approx(small.opaque_fraction, rel=0.1)
    assert whole.regions[0].box == pytest.approx([4 * edge for edge in small.regions[0].box], abs=24)
    assert whole.regions[0].pixels == pytest.approx(16 * small.regions[0].pixels, rel=0.1)


def test_dark_texture_is_no_black():
    pixels = radiographs.grey_pixels()
    pixels[150:280, 200:300] = np.random.default_rng(0).integers(0, 40, (130, 100))
    found = measured(Scan.in_memory(pixels, kind="display_grey", subject="cargo"))
    assert found.cells[155:275, 205:295].mean() < 0.02


def test_an_empty_container_is_penetrated():
    for scan in (radiographs.dual_energy(), radiographs.grey()):
        found = measured(scan)
        assert found.opaque_fraction < 0.01
        assert not found.cells.flags.writeable


def test_a_penetration_is_checked():
    with pytest.raises(ValueError, match="opaque cells are"):
        Penetration(np.zeros((3, 3)), 0.0, 0.0, (), "")
