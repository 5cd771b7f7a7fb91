"""JPEG decoded no larger than the network needs: geometry, equality of roads, and where it is not done."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.inspector import Inspector
from cargosight_inference.letterbox import choose_shape, halvings, halvings_for, size_inside
from cargosight_inference.pipeline import inspect_many, inspect_with_scans
from cargosight_inference.preprocess import preprocess
from cargosight_inference.scans.readers import ReadOptions, read_scan, read_scan_and_whole, read_scan_bytes
from cargosight_models.contract import InputContract
from cargosight_models.errors import ScanError
from tests.made import models, scans

SHAPES = ((64, 96), (96, 64))
FOR_NETWORK = ReadOptions(subject="baggage", letterboxes=SHAPES)


def jpeg(width, height, *, grey=False, settings=()):
    pixels = scans.colour(height, width)
    picture = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY if grey else cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95, *settings])
    assert done
    return encoded.tobytes()


@pytest.mark.parametrize(
    ("size", "halved"),
    [
        ((96, 64), 0),
        ((191, 127), 0),
        ((192, 128), 1),
        ((383, 200), 1),
        ((384, 256), 2),
        ((769, 513), 3),
        ((1700, 1100), 3),
    ],
)
@pytest.mark.parametrize("grey", [False, True])
def test_decodes_no_larger_than_needed(size, halved, grey):
    found = read_scan_bytes(jpeg(*size, grey=grey), FOR_NETWORK)
    assert (found.width, found.height, found.halved) == (*size, halved)
    assert found.pixels.shape[:2] == (size[1] >> halved, size[0] >> halved)
    assert found.kind == ("display_grey" if grey else "pseudocolour")


@given(width=st.integers(1, 900), height=st.integers(1, 900))
@settings(max_examples=200, deadline=None)
def test_a_halved_scan_is_never_smaller_than_the_network_s_picture(width, height):
    inner = size_inside(width, height, choose_shape(width, height, SHAPES))
    count = halvings_for(width, height, SHAPES)
    assert count == halvings(width, height, *inner)
    assert count == 0 or (width >> count >= inner[0] and height >> count >= inner[1])
    assert not (width >> count >= 2 * inner[0] and height >> count >= 2 * inner[1])


@pytest.mark.parametrize("size", [(192, 128), (401, 271), (784, 523), (1801, 1201)])
@pytest.mark.parametrize("grey", [False, True])
def test_the_network_sees_nearly_what_it_would_of_the_whole_image(size, grey):
    contract = InputContract(shapes=SHAPES)
    scan, whole = read_scan_and_whole_of(jpeg(*size, grey=grey))
    reduced, full = preprocess(scan, contract), preprocess(whole, contract)
    assert np.array_equal(reduced.to_input.matrix, full.to_input.matrix)  # boxes come back to the same places
    assert (reduced.scan_width, reduced.scan_height) == size
    assert np.abs(reduced.tensor - full.tensor).mean() < 2 / 255


def read_scan_and_whole_of(data):
    return read_scan_bytes(data, FOR_NETWORK), read_scan_bytes(data, replace(FOR_NETWORK, letterboxes=()))


def test_a_colour_image_keeps_its_order_of_channels():
    red = np.zeros((400, 600, 3), np.uint8)
    red[:, :, 2] = 200  # BGR
    _, encoded = cv2.imencode(".jpg", red)
    found = read_scan_bytes(encoded.tobytes(), FOR_NETWORK)
    assert found.halved == 2
    assert found.pixels[..., 0].min() > 150
    assert found.pixels[..., 2].max() < 50


@pytest.mark.parametrize("name", ["png", "webp", "bmp", "tiff", "npy"])
def test_other_formats_are_decoded_whole(name):
    data = scans.encoded(name)
    tiny = replace(FOR_NETWORK, letterboxes=((32, 32),))
    assert read_scan_bytes(data, tiny).halved == 0


def test_cargo_is_decoded_whole():
    found = read_scan_bytes(jpeg(800, 600), ReadOptions(subject="cargo", letterboxes=SHAPES))
    assert found.halved == 0


def test_a_rotated_file_stays_in_its_own_pixels():
    data = jpeg(400, 300)
    exif = b"Exif\0\0MM\0*" + bytes([0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0])
    rotated = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    found = read_scan_bytes(rotated, FOR_NETWORK)
    assert found.halved == 2
    assert found.pixels.shape == (75, 100, 3)
    assert "orientation tag 6" in found.assumptions[0]


def test_a_jpeg_that_ends_early_is_still_refused():
    data = jpeg(800, 600)
    middle = data[: len(data) // 2] + b"\xff\xd9"
    with pytest.raises(ScanError, match="blocks are missing"):
        read_scan_bytes(middle, FOR_NETWORK)


def test_the_whole_scan_comes_with_the_reduced_one(tmp_path):
    path = tmp_path / "bag.jpg"
    path.write_bytes(jpeg(400, 300))
    scan, whole = read_scan_and_whole(path, FOR_NETWORK)
    assert (scan.halved, whole.halved, whole.pixels.shape) == (2, 0, (300, 400, 3))
    assert scan.sha256 == whole.sha256
    path.write_bytes(jpeg(96, 64))
    scan, whole = read_scan_and_whole(path, FOR_NETWORK)
    assert scan is whole


def test_a_scan_that_was_reduced_too_far_for_a_model_is_refused():
    scan = read_scan_bytes(jpeg(800, 600), FOR_NETWORK)
    with pytest.raises(ScanError, match=r"decoded at 0\.125 of its size and the network reads 1 of it"):
        preprocess(scan, InputContract(shapes=((512, 512),)))
    with pytest.raises(ScanError, match="read it again"):
        preprocess(scan, InputContract(shapes=((64, 64),), resize="tiles"))


@pytest.fixture
def inspector(tmp_path):
    return Inspector(str(models.make_blob_model(tmp_path / "blobs.onnx")), threshold=0.3)


def test_with_or_without_the_picture_the_inspection_is_the_same(inspector, tmp_path):
    height, width = inspector.contract.input.shapes[0]
    path = tmp_path / "bag.jpg"
    path.write_bytes(jpeg(4 * width, 4 * height))
    (alone,) = inspect_many(inspector, [path])
    ((beside, scan),) = inspect_with_scans(inspector, [path])
    assert alone.decode_scale == beside.decode_scale == 0.25
    assert (alone.width, alone.height) == (4 * width, 4 * height)
    assert scan is not None and scan.halved == 0
    assert np.array_equal(alone.findings.boxes, beside.findings.boxes)
    assert np.array_equal(alone.findings.scores, beside.findings.scores)
    assert alone.to_dict()["decode_scale"] == 0.25


def test_a_scan_in_memory_and_a_small_file_have_scale_1(inspector, tmp_path):
    path = tmp_path / "bag.jpg"
    path.write_bytes(jpeg(40, 30))
    assert inspector.inspect(path).decode_scale == 1.0
    assert inspector.inspect(read_scan(path)).decode_scale == 1.0


def test_a_reduced_scan_is_had_at_full_size_afterwards(inspector, tmp_path):
    path = tmp_path / "bag.jpg"
    height, width = inspector.contract.input.shapes[0]
    path.write_bytes(jpeg(4 * width, 4 * height))
    kept = inspector.prepare(path, keep="scan").scan
    whole = inspector.at_full_size(kept)
    assert (kept.halved, whole.halved) == (2, 0)
    assert np.array_equal(whole.pixels, inspector.prepare(path, keep="whole").scan.pixels)
    path.write_bytes(jpeg(4 * width, 5 * height))
    with pytest.raises(ScanError, match="was changed while it was inspected"):
        inspector.at_full_size(kept)
    path.unlink()
    with pytest.raises(ScanError, match=r"bag\.jpg"):
        inspector.at_full_size(kept)
    small = tmp_path / "small.jpg"
    small.write_bytes(jpeg(width, height))
    kept = inspector.prepare(small, keep="scan").scan
    assert inspector.at_full_size(kept) is kept
