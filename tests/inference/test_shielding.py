"""Dense compact things in a load are listed; walls of goods and thin things are not."""

import numpy as np
import pytest

from cargosight_inference.scans.attenuation import CELLULOSE, LEAD, STEEL
from cargosight_inference.scans.container import locate_container
from cargosight_inference.scans.radiograph import radiograph_of
from cargosight_inference.scans.scan import Scan
from cargosight_inference.scans.shielding import dense_regions
from tests.made import radiographs
from tests.made.radiographs import Block

GOODS = Block(80, 120, 800, 295, CELLULOSE, 30.0)
SHIELD = Block(400, 200, 440, 240, LEAD, 60.0)


def found(*blocks, make=radiographs.dual_energy):
    radiograph = radiograph_of(make(tuple(blocks)))
    return dense_regions(radiograph, locate_container(radiograph), 0.0)


@pytest.mark.parametrize("make", [radiographs.dual_energy, radiographs.grey])
def test_a_block_of_lead_among_goods(make):
    region = found(GOODS, SHIELD, make=make)[0]
    assert region.box == pytest.approx((400, 200, 440, 240), abs=4)
    assert region.score > 0.4
    assert region.compactness > 0.7
    assert region.sharpness > 0.9


def test_goods_alone_hide_none():
    assert found(GOODS) == ()
    assert found() == ()


def test_long_and_faint_things_are_left_out():
    beam = Block(150, 200, 700, 204, STEEL, 40.0)
    faint = Block(400, 200, 440, 240, STEEL, 5.0)
    assert found(GOODS, beam) == ()
    assert found(GOODS, faint) == ()


def test_only_what_stands_out_is_reported():
    lighter = Block(600, 200, 640, 240, STEEL, 25.0)
    radiograph = radiograph_of(radiographs.dual_energy((GOODS, SHIELD, lighter)))
    container = locate_container(radiograph)
    (region,) = dense_regions(radiograph, container)
    assert region.box[0] == pytest.approx(400, abs=4)
    assert len(dense_regions(radiograph, container, 0.1)) == 2


def test_a_large_scan_gives_the_same_regions():
    """It is read in blocks of 3 x 3 pixels."""
    pixels = radiographs.transmission((GOODS, SHIELD), counts=90_000.0)
    large = np.repeat(np.repeat(pixels, 4, axis=0), 4, axis=1)
    radiograph = radiograph_of(Scan.in_memory(large, kind="transmission", subject="cargo"))
    assert radiograph.reduced.factor == 3
    region = dense_regions(radiograph, locate_container(radiograph))[0]
    assert region.box == pytest.approx((1600, 800, 1760, 960), abs=16)
    assert region.score == pytest.approx(found(GOODS, SHIELD)[0].score, abs=0.15)


def test_the_denser_the_higher():
    lighter = Block(600, 200, 640, 240, STEEL, 40.0)
    first, second = found(GOODS, SHIELD, lighter)
    assert first.box[0] == pytest.approx(400, abs=4)
    assert first.score > second.score
