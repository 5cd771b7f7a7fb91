"""Coloured lines burnt into a grey cargo scan are told from pseudo-colour, masked and filled."""

import cv2
import numpy as np
import pytest

from cargosight_inference.scans.markings import burnt_in_lines, inpainted
from cargosight_inference.scans.readers import ReadOptions, read_scan_bytes
from tests.made import radiographs, scans

CARGO = ReadOptions(subject="cargo")


def encoded(rgb, suffix):
    return cv2.imencode(suffix, rgb[:, :, ::-1])[1].tobytes()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_marked_cargo_scan_is_read_as_grey_with_its_lines(suffix):
    rgb = radiographs.marked()
    found = read_scan_bytes(encoded(rgb, suffix), CARGO)
    red = rgb[:, :, 0].astype(int) - rgb[:, :, 1] > 100
    assert found.kind == "display_grey"
    assert found.markings[red].all()
    assert found.markings.mean() < 5 * red.mean()
    assert any("burnt-in coloured lines" in note for note in found.assumptions)
    assert not found.markings.flags.writeable


def test_a_baggage_scan_gets_what_it_got():
    for subject in ("baggage", "unknown"):
        found = read_scan_bytes(encoded(radiographs.marked(), ".png"), ReadOptions(subject=subject))
        assert (found.kind, found.markings) == ("pseudocolour", None)


def test_pseudo_colour_stays_pseudo_colour():
    assert burnt_in_lines(scans.colour()) is None
    assert read_scan_bytes(scans.encoded("png"), CARGO).kind == "pseudocolour"


def test_a_coloured_patch_is_no_line():
    rgb = np.repeat(radiographs.grey_pixels()[:, :, None], 3, axis=2)
    rgb[100:160, 200:260] = (200, 30, 30)
    assert burnt_in_lines(rgb) is None


def test_plain_grey_has_no_markings():
    rgb = np.repeat(radiographs.grey_pixels()[:, :, None], 3, axis=2)
    found = read_scan_bytes(encoded(rgb, ".png"), CARGO)
    assert (found.kind, found.markings) == ("display_grey", None)


def test_the_caption_of_a_line_belongs_to_it():
    rgb = radiographs.marked()
    rgb[76:98, 100:300] = 60
    rgb[78:96, 102:298] = 250
    cv2.putText(rgb, "DENSE GOODS", (106, 92), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 20, 20), 1)
    assert burnt_in_lines(rgb)[78:96, 102:298].all()


def test_filling_restores_what_was_there():
    plane = radiographs.transmission(counts=1e6)
    mask = np.zeros(plane.shape[:2], dtype=np.bool_)
    mask[150:153, 100:700] = True
    spoilt = plane.copy()
    spoilt[mask] = 0.3
    filled = inpainted(spoilt, mask)
    assert np.abs(filled - plane).max() < 0.02
    np.testing.assert_array_equal(filled[~mask], spoilt[~mask])
    assert inpainted(plane, np.zeros_like(mask)) is plane
