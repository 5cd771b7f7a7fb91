"""Tiles: all of a scan is seen at its own scale, and every thing in it is reported once."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.inspector import Inspector
from cargosight_inference.preprocess import preprocess
from cargosight_inference.scans.scan import Scan
from cargosight_inference.tiles import answers_for, tile_grid
from cargosight_models.contract import InputContract
from cargosight_models.errors import ContractError, UsageError
from tests.made.models import WINDOW, blob_contract, make_blob_model

RADIOGRAPH = InputContract(
    shapes=((64, 96), (64, 64)), stride=32, colour="radiograph", resize="tiles", overlap=24
)
SHAPES = ((128, 192), (160, 160))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 1500), st.integers(0, 64))
def test_windows_cover_the_scan_and_share_enough(width, height, overlap):
    grid = tile_grid(width, height, SHAPES, overlap)
    for starts, window, length in ((grid.columns, grid.width, width), (grid.rows, grid.height, height)):
        assert starts[0] == 0
        assert all(start % 8 == 0 for start in starts)
        assert length <= starts[-1] + window < max(length, window) + 8 or len(starts) == 1
        assert all(after - before <= window - overlap for before, after in pairwise(starts))
        # and none more than it takes
        assert (len(starts) - 1) * (window - overlap - 8) + overlap < length + 8 or len(starts) == 1


def test_the_shape_with_the_fewest_pixels_is_taken():
    assert (tile_grid(190, 120, SHAPES, 0).height, tile_grid(150, 150, SHAPES, 0).height) == (128, 160)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 900), st.integers(1, 700), st.integers(0, 64), st.data())
def test_some_window_answers_for_every_place(width, height, overlap, data):
    grid = tile_grid(width, height, SHAPES, overlap)
    x, y = data.draw(st.floats(0, width)), data.draw(st.floats(0, height))
    box = np.array([[x - 1, y - 1, x + 1, y + 1]], np.float32)
    answers = 0
    for left, top in grid.origins:
        inside = left <= x <= left + grid.width and top <= y <= top + grid.height
        window = (left, top, left + grid.width, top + grid.height)
        answers += inside and bool(answers_for(box, window, (width, height), overlap)[0])
    assert answers >= 1


@pytest.mark.parametrize("channels", [1, 2])
def test_tiles_put_together_are_the_scan(channels):
    pixels = np.random.default_rng(0).random((150, 230, channels), dtype=np.float32)
    made = preprocess(Scan.in_memory(pixels, kind="transmission", subject="cargo"), RADIOGRAPH)
    whole = np.full((3, 150, 230), np.nan, np.float32)
    for tile in range(len(made.views)):
        left, top, right, bottom = (int(edge) for edge in made.window(tile))
        inside = made.tensor[tile, :, : 150 - top, : 230 - left]
        whole[:, top:bottom, left:right] = inside
    np.testing.assert_array_equal(whole[0], pixels[:, :, 0])
    np.testing.assert_array_equal(whole[1], pixels[:, :, channels - 1])
    assert (whole[2] == (1.0 if channels == 1 else 0.0)).all()


def test_a_small_scan_has_one_tile_filled_up_with_air():
    pixels = np.zeros((20, 30), np.uint8)
    made = preprocess(Scan.in_memory(pixels, kind="display_grey", subject="cargo"), RADIOGRAPH)
    assert made.tensor.shape == (1, 3, 64, 64)
    assert (made.tensor[0, :2, :20, :30] == 0.0).all()
    assert (made.tensor[0, :, 20:] == 1.0).all()


def test_dark_air_is_turned_over():
    grey = np.full((120, 160), 0, np.uint8)
    grey[30:90, 40:120] = 200  # a load in the middle of air, which is dark
    scan = Scan(grey, "display_grey", "cargo", None, "0" * 64, polarity="air_dark")
    seen = preprocess(scan, RADIOGRAPH)
    assert float(seen.tensor[0, 0, 10, 10]) > 0.95
    assert float(seen.tensor[0, 0, 50, 60]) < 0.3


def test_bags_are_no_radiographs():
    scan = Scan.in_memory(np.zeros((8, 8, 3), np.uint8), kind="pseudocolour", subject="baggage")
    with pytest.raises(UsageError, match="cargo"):
        preprocess(scan, RADIOGRAPH)


@pytest.fixture(scope="module")
def inspector(tmp_path_factory):
    tiled = InputContract(shapes=SHAPES, resize="tiles", overlap=64)
    path = tmp_path_factory.mktemp("tiled") / "tiled.onnx"
    return Inspector(make_blob_model(path, contract=blob_contract(input=tiled)), threshold=0.6)


class TestInspection:
    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 500 - WINDOW), st.integers(0, 400 - WINDOW))
    def test_a_thing_anywhere_is_found_once(self, inspector, left, top):
        pixels = np.full((400, 500, 3), 255, np.uint8)
        pixels[top : top + WINDOW, left : left + WINDOW] = 0
        found = inspector.inspect(Scan.in_memory(pixels, kind="pseudocolour", subject="baggage")).findings
        assert len(found) >= 1
        middles = 0.5 * (found.boxes[:, :2] + found.boxes[:, 2:])
        assert np.abs(middles[0] - (left + WINDOW / 2, top + WINDOW / 2)).max() <= 12
        shared = np.minimum(found.boxes[0, 2:], found.boxes[1:, 2:]) - np.maximum(
            found.boxes[0, :2], found.boxes[1:, :2]
        )
        assert not (np.clip(shared, 0, None).prod(axis=1) > 0.5 * WINDOW**2).any()

    def test_it_agrees_with_one_large_window(self, inspector, tmp_path):
        random = np.random.default_rng(1)
        pixels = np.full((320, 448, 3), 255, np.uint8)
        for left, top in random.integers(0, 17, (6, 2)) * 16:
            pixels[top : top + WINDOW, left : left + WINDOW] = 0
        scan = Scan.in_memory(pixels, kind="pseudocolour", subject="baggage")
        large = blob_contract(input=InputContract(shapes=((320, 448),)))
        one = Inspector(make_blob_model(tmp_path / "one.onnx", contract=large), threshold=0.99)
        many = Inspector(inspector.model.path, threshold=0.99)
        rows = [sorted(map(tuple, found.inspect(scan).findings.boxes.tolist())) for found in (one, many)]
        assert len(rows[0]) >= 3
        for box in rows[0]:
            assert min(np.abs(np.subtract(box, other)).max() for other in rows[1]) <= 16


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"overlap": 33}, "overlap"), ({"overlap": -1}, "overlap"), ({"resize": "stretch"}, "resize"),
     ({"resize": "letterbox"}, "'tiles' for radiographs"),
     ({"resize": "letterbox", "overlap": 8, "colour": "rgb"}, "0 for a"),
     ({"channels": 2}, "3 for radiograph")],
)  # fmt: skip
def test_inputs_that_cannot_be(changes, what):
    with pytest.raises(ContractError, match=what):
        replace(RADIOGRAPH, **changes)


def test_suppression_in_the_graph_cannot_join_tiles():
    tiled = InputContract(shapes=SHAPES, resize="tiles", overlap=8)
    whole = blob_contract()
    with pytest.raises(ContractError, match="'host' for a model of tiles"):
        replace(whole, input=tiled, suppression=replace(whole.suppression, where="graph"))
