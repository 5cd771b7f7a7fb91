"""The cargo box is found between its ends, roof and floor, and positions along it are given."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from cargosight_inference.scans.attenuation import CELLULOSE, STEEL
from cargosight_inference.scans.container import locate_container
from cargosight_inference.scans.position import Length, container_length, place_along
from cargosight_inference.scans.radiograph import radiograph_of
from cargosight_inference.scans.scan import Scan
from tests.made import radiographs
from tests.made.radiographs import FLOOR, HEIGHT, LEFT, RIGHT, ROOF, WIDTH, Block

LOADS = {
    "empty": (),
    "bags": (Block(80, 140, 800, FLOOR - 2, CELLULOSE, 60.0),),
    "coils": tuple(Block(x, 230, x + 60, FLOOR - 2, STEEL, 150.0) for x in range(120, 760, 110)),
    "full": (Block(60, 40, 850, FLOOR - 2, CELLULOSE, 150.0),),
}


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("make", [radiographs.grey, radiographs.dual_energy])
def test_the_box_is_found(load, make):
    found = locate_container(radiograph_of(make(LOADS[load])))
    x1, y1, x2, y2 = found.box
    assert (x1, x2) == (pytest.approx(LEFT, abs=6), pytest.approx(RIGHT, abs=6))
    assert y1 == pytest.approx(ROOF, abs=4)
    assert y2 == pytest.approx(FLOOR, abs=0.06 * HEIGHT)
    assert found.found
    assert found.confidence > 0.3
    assert not (found.cut_left or found.cut_right)
    assert found.undercarriage == (x1, y2, x2, HEIGHT)
    assert found.beside == ()


def tilted(pixels, degrees):
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), degrees, 1.0)
    return cv2.warpAffine(pixels, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)


def test_a_vehicle_that_stands_askew():
    pixels = tilted(radiographs.grey_pixels(), -0.8)  # sinks to the right
    found = locate_container(radiograph_of(Scan.in_memory(pixels, kind="display_grey", subject="cargo")))
    assert found.slope == pytest.approx(np.tan(np.deg2rad(0.8)), abs=0.006)
    assert found.floor_at(found.box[2]) > found.floor_row > found.floor_at(found.box[0])
    assert found.roof_at(0.0) < found.roof_row


def test_the_size_of_the_picture_does_not_matter():
    pixels = cv2.resize(radiographs.grey_pixels(), None, fx=2.0, fy=2.0, interpolation=cv2.INTER_LINEAR)
    found = locate_container(radiograph_of(Scan.in_memory(pixels, kind="display_grey", subject="cargo")))
    assert found.box[0] == pytest.approx(2 * LEFT, abs=12)
    assert found.box[3] == pytest.approx(2 * FLOOR, abs=0.12 * HEIGHT)


def test_a_cab_beside_the_box_is_no_part_of_it():
    pixels = np.full((HEIGHT, WIDTH + 200), 245, dtype=np.uint8)
    pixels[:, :WIDTH] = radiographs.grey_pixels()
    pixels[40:, WIDTH + 60 : WIDTH + 160] = 90
    found = locate_container(radiograph_of(Scan.in_memory(pixels, kind="display_grey", subject="cargo")))
    assert found.box[2] == pytest.approx(RIGHT, abs=8)
    assert found.bodies == 1
    ((x1, _, x2, _),) = found.beside
    assert (x1, x2) == (pytest.approx(WIDTH + 60, abs=8), pytest.approx(WIDTH + 160, abs=8))


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_containers_one_behind_the_other_neither_is_left_out(first):
    pair = [radiographs.grey_pixels(LOADS["bags"]), radiographs.grey_pixels()]
    shorter = np.delete(pair[first], np.s_[300:420], axis=1)
    pixels = np.hstack([shorter, pair[1 - first]])
    found = locate_container(radiograph_of(Scan.in_memory(pixels, kind="display_grey", subject="cargo")))
    assert found.bodies == 2
    assert found.box[0] == pytest.approx(LEFT, abs=8)
    assert found.box[2] == pytest.approx(shorter.shape[1] + RIGHT, abs=8)
    assert found.beside == ()


def test_a_bar_of_padding_is_no_part_of_it():
    pixels = np.zeros((HEIGHT, WIDTH + 150), dtype=np.uint8)
    pixels[:, 150:] = radiographs.grey_pixels()
    found = locate_container(radiograph_of(Scan.in_memory(pixels, kind="display_grey", subject="cargo")))
    assert found.box[0] == pytest.approx(150 + LEFT, abs=8)


@pytest.mark.parametrize("shape", [(400, 60), (300, 900)])
def test_no_box_where_there_is_none(shape):
    air = Scan.in_memory(np.full(shape, 245, np.uint8), kind="display_grey", subject="cargo")
    found = locate_container(radiograph_of(air))
    assert not found.found
    assert found.box == (0.0, 0.0, shape[1], shape[0])
    assert found.reason


class TestPosition:
    def test_share_and_metres(self):
        found = locate_container(radiograph_of(radiographs.grey()))
        middle = 0.5 * (found.box[0] + found.box[2])
        place = place_along(found.box, middle, None)
        assert (place.share, place.metres, str(place)) == (pytest.approx(0.5), None, "50%")
        place = place_along(found.box, middle, 6.058)
        assert place.metres == pytest.approx(3.029, abs=0.01)
        assert str(place) == "3.0 m"
        assert place.to_dict() == {"share": 0.5, "metres": 3.03}

    def test_the_pitch_tells_the_length(self):
        pitch = 12_192 / (RIGHT - LEFT)
        scan = replace(radiographs.grey(), pixel_pitch_mm=(pitch, 5.0))
        radiograph = radiograph_of(scan)
        length = container_length(radiograph, locate_container(radiograph))
        assert length.name == "40 ft"
        assert length.confidence > 0.3

    def test_without_a_pitch_the_shape_is_a_weak_hint(self):
        radiograph = radiograph_of(radiographs.grey())
        found = locate_container(radiograph)
        assert container_length(radiograph, found).confidence <= 0.5
        stretched = replace(found, box=(0.0, 0.0, 900.0, 40.0))
        assert container_length(radiograph, stretched) == Length(None, None, 0.0)

    def test_a_cut_box_has_no_length(self):
        radiograph = radiograph_of(radiographs.grey())
        cut = replace(locate_container(radiograph), cut_left=True)
        assert container_length(radiograph, cut).metres is None
