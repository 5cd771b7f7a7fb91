"""The Scan value type."""

import hashlib

import numpy as np
import pytest

from cargosight_inference.scans.scan import Scan
from tests.made import scans

DIGEST = "0" * 64


def scan(pixels, kind, **changes):
    return Scan(
        pixels, kind, changes.pop("subject", "baggage"), None, changes.pop("sha256", DIGEST), **changes
    )


@pytest.mark.parametrize("kind", ["pseudocolour", "display_grey", "transmission"])
def test_each_kind(kind):
    found = scans.scan(kind, height=40, width=70)
    assert (found.width, found.height) == (70, 40)
    assert found.kind == kind
    assert found.assumptions == ()


def test_pixels_are_read_only_but_the_given_array_is_not():
    given = np.zeros((4, 5), dtype=np.uint8)
    found = scan(given, "display_grey")
    with pytest.raises(ValueError, match="read-only"):
        found.pixels[0, 0] = 1
    given[0, 0] = 1


def test_in_memory_hashes_the_pixels():
    pixels = np.arange(20, dtype=np.uint8).reshape(4, 5)
    found = Scan.in_memory(pixels, kind="display_grey", subject="cargo")
    assert found.sha256 == hashlib.sha256(pixels.tobytes()).hexdigest()
    flipped = Scan.in_memory(pixels[:, ::-1], kind="display_grey", subject="cargo")
    assert flipped.sha256 != found.sha256


@pytest.mark.parametrize(
    ("shape", "dtype", "kind", "message"),
    [
        ((4, 5), np.uint8, "pseudocolour", r"expected uint8 \(H, W, 3\)"),
        ((4, 5, 4), np.uint8, "pseudocolour", r"uint8 \(4, 5, 4\)"),
        ((4, 5, 3), np.uint16, "pseudocolour", "uint16"),
        ((4, 5, 1), np.uint8, "display_grey", r"expected uint8 \(H, W\)"),
        ((4, 5), np.float32, "display_grey", "float32"),
        ((4, 5), np.float32, "transmission", "H, W, 1 or 2"),
        ((4, 5, 3), np.float32, "transmission", "H, W, 1 or 2"),
        ((4, 5, 1), np.float64, "transmission", "float64"),
        ((0, 5), np.uint8, "display_grey", "at least one pixel"),
        ((4, 0, 3), np.uint8, "pseudocolour", "at least one pixel"),
        ((4, 5), np.uint8, "photo", "kind is 'photo'"),
    ],
)
def test_refuses_pixels(shape, dtype, kind, message):
    with pytest.raises(ValueError, match=message):
        scan(np.zeros(shape, dtype=dtype), kind)


@pytest.mark.parametrize("value", [-0.01, 1.01, 54_000.0, float("nan"), float("inf")])
def test_transmission_is_between_opaque_and_air(value):
    pixels = np.ones((3, 3, 2), dtype=np.float32)
    scan(pixels, "transmission")
    pixels[1, 1, 1] = value
    with pytest.raises(ValueError, match="transmission spans"):
        scan(pixels, "transmission")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subject": "lorry"}, "subject is 'lorry'"),
        ({"polarity": "bright"}, "polarity"),
        ({"sha256": "abc"}, "64 hex digits"),
        ({"halved": 1}, "halved 1 times"),
        ({"halved": 1, "full_size": (6, 6)}, "8-bit one"),
        ({"pixel_pitch_mm": (1.0, 0.0)}, "pixel pitch"),
        ({"pixel_pitch_mm": (1.0, float("nan"))}, "pixel pitch"),
        ({"energies_mv": (6.0,)}, "energies"),
        ({"air_level": 0.0}, "air level"),
        ({"air_level": float("nan")}, "air level"),
    ],
)
def test_refuses_facts(changes, message):
    with pytest.raises(ValueError, match=message):
        scan(np.ones((3, 3, 2), dtype=np.float32), "transmission", **changes)


def test_energies_are_for_transmission_alone():
    assert scan(np.ones((3, 3, 2), dtype=np.float32), "transmission", energies_mv=(6.0, 4.0)).energies_mv
    with pytest.raises(ValueError, match="energies"):
        scan(np.ones((3, 3, 3), dtype=np.uint8), "pseudocolour", energies_mv=(6.0, 4.0, 2.0))


def test_a_halved_scan_keeps_the_size_of_its_file():
    found = scan(np.zeros((50, 100, 3), np.uint8), "pseudocolour", halved=1, full_size=(201, 101))
    assert (found.width, found.height, found.decode_scale) == (201, 101, 0.5)


@pytest.mark.parametrize(
    "facts",
    [
        {"halved": 4, "full_size": (160, 80)},
        {"halved": -1, "full_size": (5, 3)},
        {"halved": 0, "full_size": (10, 5)},
        {"halved": 1, "full_size": (20, 10)},
    ],
)
def test_refuses_a_wrong_full_size(facts):
    with pytest.raises(ValueError, match="halved"):
        scan(np.zeros((50, 100), np.uint8), "display_grey", **facts)
