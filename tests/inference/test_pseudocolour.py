"""Two-energy transmission in the usual X-ray colours."""

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cargosight_inference.scans.pseudocolour import MEGAVOLT, RatioScale, pseudocolour
from tests.made import scans

FEW = settings(max_examples=40, deadline=None)


def slab(material, areal_density):
    """One pixel behind so many g/cm2 of a material."""
    depth = areal_density * np.array(scans.MATERIALS[material])
    return np.exp(-depth).astype(np.float32)[None, None]


def hue(rgb):
    return colorsys.rgb_to_hsv(*rgb.ravel().tolist())[0] * 360


def test_air_is_exactly_white_and_opaque_exactly_black():
    assert (pseudocolour(np.ones((2, 3, 2), dtype=np.float32)) == 1.0).all()
    assert (pseudocolour(np.zeros((2, 3, 2), dtype=np.float32)) == 0.0).all()


@pytest.mark.parametrize("depth", [0.2, 0.5, 1.0, 1.8])
@pytest.mark.parametrize(
    ("material", "hues"), [("organic", (15, 45)), ("light metal", (90, 150)), ("metal", (200, 250))]
)
def test_materials_have_their_hue_at_any_thickness(material, hues, depth):
    areal_density = depth / scans.MATERIALS[material][0]
    found = hue(pseudocolour(slab(material, areal_density)))
    assert hues[0] <= found <= hues[1]


@pytest.mark.parametrize("material", list(scans.MATERIALS))
def test_thicker_is_darker(material):
    rendered = [pseudocolour(slab(material, density)).mean() for density in (0.0, 0.5, 1, 2, 4, 8)]
    assert (np.diff(rendered) < 0).all()


def test_items_of_one_material_multiply():
    one, two, both = (pseudocolour(slab("organic", density)) for density in (1.0, 2.0, 3.0))
    np.testing.assert_allclose(one * two, both, atol=0.01)


def test_thin_layers_stay_near_white():
    noisy = np.float32(1) - np.random.default_rng(0).uniform(0, 0.01, (50, 50, 2)).astype(np.float32)
    assert pseudocolour(noisy).min() > 0.95


@FEW
@given(hnp.arrays(np.float32, (5, 6, 2), elements=st.floats(0, 1, width=32)))
def test_any_transmission_gives_colours(transmission):
    before = transmission.copy()
    found = pseudocolour(transmission)
    assert found.shape == (5, 6, 3)
    assert found.dtype == np.float32
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_array_equal(transmission, before)


@FEW
@given(st.integers(0, 1000))
def test_each_pixel_stands_alone(seed):
    transmission = scans.transmission(24, 32, seed)
    whole = pseudocolour(transmission)
    part = pseudocolour(np.ascontiguousarray(transmission[5:9, 7:20]))
    np.testing.assert_allclose(whole[5:9, 7:20], part, atol=1e-6)


def test_at_megavolts_the_ratio_falls_with_the_atomic_number():
    high = np.full((1, 1), 1.0)

    def behind(ratio):
        return np.exp(-np.stack([high, high * ratio], axis=2)).astype(np.float32)

    polyethylene, aluminium, iron = (
        hue(pseudocolour(behind(r), scale=MEGAVOLT)) for r in (1.229, 1.193, 1.148)
    )
    assert polyethylene < 45
    assert 90 < aluminium < 150
    assert iron > 200


def test_refuses():
    with pytest.raises(ValueError, match=r"\(4, 5, 1\); expected \(H, W, 2\)"):
        pseudocolour(np.ones((4, 5, 1), dtype=np.float32))
    with pytest.raises(ValueError, match="rise or to fall"):
        RatioScale(organic=1.0, mixed=2.0, metal=1.5)
