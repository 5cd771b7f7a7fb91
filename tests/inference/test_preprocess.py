"""The one road from a scan to the network's input, and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.letterbox import choose_shape
from cargosight_inference.preprocess import NetworkInput, preprocess
from cargosight_inference.scans.pseudocolour import pseudocolour
from cargosight_inference.scans.scan import Scan
from cargosight_models.contract import InputContract
from cargosight_models.errors import ScanError
from cargosight_models.geometry import Affine

SMALL = InputContract(shapes=((8, 16),), stride=8)

# What `preprocess` gave when this was written, times 255: red, green and blue, row by row in hex.
GOLDEN_SHRUNK = """
102e4b6987a5c2e0872939577593b0ce1c3a577593b1cebf55284563819fbcda284663819fbdda9e3434516f8dabc8e6
34526f8dabc9d37322405d7b99b7d4e3405e7b99b7d5b1432e4c6987a5c3e0824c6a87a5c3db8d1c3a587593b1cfec31
587693b1cfc156284664819fbddba11b64829fbddbac293452708dabc9e75624e25c8f985db56b9e6b99897aad3ed45c
2cb38077b159a471a375869562d03ab3e25c8f985db56b9e6b99897aad3ed45c2cb38077b159a471a375869562d03ab3
e25c8f985db56b9e6b99897aad3ed45c2cb38077b159a471a375869562d03ab3e25c8f985db56b9e6b99897aad3ed45c
2cb38077b159a471a375869562d03ab3fffffefdfcfcfbfaf9f8f7f6f6f5f4f3fffcf9f6f3f0edeae7e4e1dfdcd8d5d3
fef9f3efeae4dfdbd5d0cbc6c1bcb7b2fdf5efe7e0d9d2cbc3bcb5aea7a09991fcf3eae0d7cec4bbb2a99f968d837a70
fcf0e4d9cec2b7aba094897e72675b50fbeddfd2c4b7a99c8e807366584a3d2ffaeadbcbbbab9c8c7c6d5d4d3d2e1e1e
"""
GOLDEN_ENLARGED = """
ffff0003070c1015191e22272affffffffff0104090d12161b1f24282bffffffffff03060b0f14181c21262a2dffffff
ffff05080d11151a1e23272c2fffffffffff070a0e13171c2025292e31ffffffffff090c1015191e22262b3033ffffff
ffff0b0e12171b2024292d3135ffffffffff0c0f13181c21252a2e3336ffffffffffe6e6e6e6e6e6e6b2392828ffffff
ffffe6e6e6e6e6e6e6b2392828ffffffffffe6e6e6e6e6e6e6b2392828ffffffffffe6e6e6e6e6e6e6b2392828ffffff
ffffe6e6e6e6e6e6e6b2392828ffffffffffe6e6e6e6e6e6e6b2392828ffffffffff7b7b7b7b7b7b7b81919393ffffff
ffff282828282828285cd5e6e6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff
fffffffffffffffffffffffffffffffffffffffffffffffffefefefefefffffffffffffffffffffffefefefefeffffff
fffffffffffffefefefefefdfdfffffffffffffffffffefefefdfdfdfcfffffffffffffffffefefefdfdfdfcfcffffff
"""


def colour_scan(width: int, height: int) -> Scan:
    """A scan of smooth and of sharp structure, by formula."""
    y, x = np.mgrid[0:height, 0:width]
    red = (x * 7 + y * 3) % 256
    green = np.where((x // 5 + y // 4) % 2 == 0, 230, 40)
    blue = (255 - x * y // 8) % 256
    pixels = np.stack([red, green, blue], axis=2).astype(np.uint8)
    return Scan.in_memory(pixels, kind="pseudocolour", subject="baggage")


def golden(text: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(text.split())), dtype=np.uint8).reshape(3, 8, 16)


@pytest.mark.parametrize(("size", "text"), [((70, 33), GOLDEN_SHRUNK), ((7, 5), GOLDEN_ENLARGED)])
def test_output_is_pinned_to_one_grey_level(size, text):
    made = preprocess(colour_scan(*size), SMALL).tensor[0] * 255.0
    assert np.abs(made - golden(text)).max() <= 1.0


def test_two_runs_agree_bit_for_bit():
    scan = colour_scan(301, 207)
    contract = InputContract(shapes=((96, 128),))
    first, second = preprocess(scan, contract), preprocess(scan, contract)
    assert first.tensor.tobytes() == second.tensor.tobytes()
    assert first.tensor.flags.c_contiguous
    assert first.tensor.dtype == np.float32


def test_a_scan_that_fits_is_only_rescaled_to_unit_range():
    scan = colour_scan(16, 8)
    made = preprocess(scan, SMALL)
    assert np.array_equal(
        made.tensor[0], (scan.pixels.transpose(2, 0, 1) / np.float32(255)).astype(np.float32)
    )
    assert np.allclose(made.to_input.matrix, Affine.identity().matrix)


def test_padding_is_air_and_the_scan_is_centred():
    black = Scan.in_memory(np.zeros((20, 60, 3), np.uint8), kind="pseudocolour", subject="baggage")
    made = preprocess(black, InputContract(shapes=((64, 64),))).tensor[0]
    rows = np.flatnonzero((made == 0.0).all(axis=(0, 2)))
    assert (rows[0], rows[-1]) == (21, 41)  # 60 -> 64, 20 -> 21, 43 rows of padding
    outside = np.delete(made, rows, axis=1)
    assert (outside == 1.0).all()


@given(width=st.integers(1, 700), height=st.integers(1, 700), data=st.data())
@settings(max_examples=40, deadline=None)
def test_boxes_come_back_through_the_letterbox(width, height, data):
    scan = Scan.in_memory(np.full((height, width), 200, np.uint8), kind="display_grey", subject="baggage")
    made = preprocess(scan, InputContract(shapes=((64, 96), (96, 64), (96, 96))))
    x = sorted(data.draw(st.lists(st.floats(0, width, width=32), min_size=2, max_size=2)))
    y = sorted(data.draw(st.lists(st.floats(0, height, width=32), min_size=2, max_size=2)))
    boxes = np.array([[x[0], y[0], x[1], y[1]]], dtype=np.float32)
    there = made.to_input.boxes(boxes)
    input_height, input_width = made.tensor.shape[2:]
    # Of an odd size, a last row or column of less than one input pixel may lie past the edge.
    assert there.min() >= -1e-3
    assert there[0, 2] <= input_width + 1.0
    assert there[0, 3] <= input_height + 1.0
    assert np.allclose(made.boxes_to_scan(there), boxes, atol=1e-3 * max(width, height))


@given(width=st.integers(30, 900), height=st.integers(30, 900), x=st.floats(0.1, 0.9), y=st.floats(0.1, 0.9))
@settings(max_examples=30, deadline=None)
def test_what_is_seen_lies_where_the_map_says(width, height, x, y):
    """A dark square's centre of mass in the input is where `to_input` puts its centre in the scan."""
    pixels = np.full((height, width), 255, np.uint8)
    side = max(6, min(width, height) // 8)
    left, top = int(x * (width - side)), int(y * (height - side))
    pixels[top : top + side, left : left + side] = 0
    scan = Scan.in_memory(pixels, kind="display_grey", subject="baggage")
    made = preprocess(scan, InputContract(shapes=((128, 192), (192, 128))))
    darkness = 1.0 - made.tensor[0, 0]
    rows, columns = np.mgrid[0 : darkness.shape[0], 0 : darkness.shape[1]] + 0.5
    seen = np.array([(columns * darkness).sum(), (rows * darkness).sum()]) / darkness.sum()
    centre = np.array([[left + side / 2, top + side / 2]])
    assert np.abs(made.to_input.points(centre)[0] - seen).max() < 0.25


@pytest.mark.parametrize(
    ("size", "expected"),
    [((900, 600), (320, 416)), ((600, 900), (416, 320)), ((500, 500), (416, 416)), ((416, 320), (320, 416))],
)
def test_the_shape_that_shows_a_scan_largest_is_chosen(size, expected):
    assert choose_shape(*size, ((416, 416), (320, 416), (416, 320))) == expected


def test_of_equally_good_shapes_the_smallest_is_chosen():
    assert choose_shape(200, 100, ((64, 64), (32, 64), (48, 64))) == (32, 64)


def test_grey_fills_three_channels_and_air_dark_is_inverted():
    pixels = np.arange(128, dtype=np.uint8).reshape(8, 16)
    bright = Scan.in_memory(pixels, kind="display_grey", subject="baggage")
    dark = Scan(pixels, "display_grey", "baggage", None, "0" * 64, polarity="air_dark")
    made = preprocess(bright, SMALL).tensor[0]
    assert np.array_equal(made[0], pixels / np.float32(255))
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], made[2])
    assert np.array_equal(preprocess(dark, SMALL).tensor[0, 0], (255 - pixels) / np.float32(255))


def test_two_energies_are_rendered_after_resizing_and_keep_their_depth():
    generator = np.random.default_rng(1)
    transmission = generator.random((8, 16, 2), dtype=np.float32)
    scan = Scan.in_memory(transmission, kind="transmission", subject="baggage")
    made = preprocess(scan, SMALL).tensor[0]
    assert np.array_equal(made, pseudocolour(transmission).transpose(2, 0, 1))
    # 16-bit data is not cut to 8 bits on the way.
    fine = np.full((8, 16, 1), 0.5 + 1 / 60000, dtype=np.float32)
    grey = preprocess(Scan.in_memory(fine, kind="transmission", subject="baggage"), SMALL)
    assert (grey.tensor == fine[0, 0, 0]).all()


@pytest.mark.parametrize("channels", [1, 2])
def test_a_model_of_transmission_gets_transmission(channels):
    contract = InputContract(shapes=((8, 16),), stride=8, channels=channels, colour="transmission")
    transmission = np.random.default_rng(2).random((8, 16, 2), dtype=np.float32)
    scan = Scan.in_memory(transmission, kind="transmission", subject="cargo")
    assert np.array_equal(preprocess(scan, contract).tensor[0], transmission.transpose(2, 0, 1)[:channels])


def test_what_has_no_transmission_is_refused_by_such_a_model():
    contract = InputContract(shapes=((8, 16),), stride=8, channels=2, colour="transmission")
    with pytest.raises(ScanError, match=r"pseudocolour.*transmission of two energies"):
        preprocess(colour_scan(16, 8), contract)
    single = Scan.in_memory(np.ones((8, 16, 1), np.float32), kind="transmission", subject="cargo")
    with pytest.raises(ScanError, match="is transmission of one energy"):
        preprocess(single, contract)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 2)])
def test_extreme_shapes_are_letterboxed(size):
    made = preprocess(colour_scan(*size), SMALL)
    assert made.tensor.shape == (1, 3, 8, 16)
    assert np.isfinite(made.tensor).all()


def test_a_box_in_the_padding_becomes_empty():
    made = preprocess(colour_scan(16, 4), InputContract(shapes=((16, 16),), stride=8))
    assert np.array_equal(made.boxes_to_scan(np.array([[2, 0, 6, 4]], np.float32)), [[2, 0, 6, 0]])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 200), st.integers(1, 150), st.integers(0, 2**31))
def test_tiles_are_laid_out_one_by_one_as_all_at_once(width, height, seed):
    tiled = InputContract(shapes=((64, 96), (64, 64)), colour="radiograph", resize="tiles", overlap=24)
    pixels = np.random.default_rng(seed).random((height, width, 2), dtype=np.float32)
    made = preprocess(Scan.in_memory(pixels, kind="transmission", subject="cargo"), tiled)
    whole = made.tensor
    assert whole.shape == made.tiles.shape
    assert whole.flags.c_contiguous
    for tile, view in enumerate(made.views):
        laid = made.tiles[tile]
        assert laid.flags.c_contiguous
        assert laid.tobytes() == whole[tile].tobytes()
        left, top, _, _ = (round(edge) for edge in made.window(tile))
        part = pixels[top : top + laid.shape[1], left : left + laid.shape[2]]
        np.testing.assert_array_equal(laid[:2, : part.shape[0], : part.shape[1]], part.transpose(2, 0, 1))
        beyond = laid[:2].copy()
        beyond[:, : part.shape[0], : part.shape[1]] = 1.0
        assert (beyond == 1.0).all()
        assert view.boxes(np.array([[left, top, left + 1, top + 1]], np.float32)).tolist() == [[0, 0, 1, 1]]


def test_a_network_input_is_checked():
    with pytest.raises(ValueError, match="expected float32"):
        NetworkInput(np.zeros((3, 8, 8), np.float32), (Affine.identity(),), 8, 8)
