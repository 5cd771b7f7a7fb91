"""From good files of every format to scans."""

import hashlib
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.scans.readers import ReadOptions, channels_equal, read_scan, read_scan_bytes
from cargosight_models.errors import ScanError, UsageError
from tests.made import scans

log_level = getattr(cv2.utils, "logging", cv2).getLogLevel

EXACT = ("png", "png grey", "bmp", "webp lossless", "tiff", "tiff grey", "npy")


def encode(suffix, image, *settings):
    return cv2.imencode(suffix, image, list(settings))[1].tobytes()


def exif(orientation, *, order="<"):
    """An EXIF block with nothing but an orientation."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return head + struct.pack(order + "I", 8) + struct.pack(order + "H", 1) + entry + bytes(4)


class TestEveryFormat:
    @pytest.mark.parametrize("name", list(scans.SUFFIXES))
    def test_kind_size_and_origin(self, name, tmp_path):
        path = scans.write_scan(tmp_path, name, height=50, width=70)
        found = read_scan(path, ReadOptions(subject="cargo"))
        assert found.kind == scans.EXPECTED_KINDS[name]
        assert (found.width, found.height, found.subject) == (70, 50, "cargo")
        assert found.path == str(path)
        assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()

    @pytest.mark.parametrize("name", EXACT)
    def test_lossless_formats_give_the_pixels_in_rgb_order(self, name):
        found = read_scan_bytes(scans.encoded(name))
        made = scans.grey() if "grey" in name else scans.colour()
        np.testing.assert_array_equal(found.pixels, made)

    @pytest.mark.parametrize("name", ["jpeg", "webp"])
    def test_lossy_formats_come_close(self, name):
        found = read_scan_bytes(scans.encoded(name))
        assert np.abs(found.pixels.astype(float) - scans.colour()).mean() < 4

    @pytest.mark.parametrize("name", list(scans.SUFFIXES))
    def test_the_content_decides_not_the_suffix(self, name, tmp_path):
        path = tmp_path / "scan.txt"
        path.write_bytes(scans.encoded(name))
        assert read_scan(path).kind == scans.EXPECTED_KINDS[name]

    @pytest.mark.parametrize("name", list(scans.SUFFIXES))
    @pytest.mark.parametrize("size", [(17, 23), (24, 200)])
    def test_odd_sizes(self, name, size):
        found = read_scan_bytes(scans.encoded(name, *size))
        assert (found.height, found.width) == size

    def test_a_single_pixel(self):
        for suffix in (".png", ".bmp", ".jpg", ".webp", ".tif"):
            found = read_scan_bytes(encode(suffix, np.full((1, 1, 3), 90, np.uint8)))
            assert (found.width, found.height, found.kind) == (1, 1, "display_grey")


class TestGreyOrColour:
    @pytest.mark.parametrize(
        ("suffix", "quality"), [(".jpg", 50), (".jpg", 95), (".webp", 40), (".webp", 90), (".png", 3)]
    )
    def test_grey_stored_as_colour_is_grey(self, suffix, quality):
        flag = cv2.IMWRITE_JPEG_QUALITY if suffix == ".jpg" else cv2.IMWRITE_WEBP_QUALITY
        image = cv2.cvtColor(scans.grey(), cv2.COLOR_GRAY2BGR)
        found = read_scan_bytes(encode(suffix, image, *((flag, quality) if suffix != ".png" else ())))
        assert found.kind == "display_grey"
        assert np.abs(found.pixels.astype(float) - scans.grey()).mean() < 4

    def test_a_few_burnt_in_marks_do_not_make_it_colour(self):
        image = cv2.cvtColor(scans.grey(480, 640), cv2.COLOR_GRAY2RGB)
        assert channels_equal(image)
        image[100:104, 100:104] = (255, 0, 0)
        assert channels_equal(image)
        image[100:200, 100:200] = (255, 0, 0)
        assert not channels_equal(image)

    @settings(max_examples=20, deadline=None)
    @given(st.integers(1, 300), st.integers(1, 300))
    def test_at_any_size(self, height, width):
        grey = np.random.default_rng(0).integers(0, 256, (height, width, 1), dtype=np.uint8).repeat(3, axis=2)
        assert channels_equal(grey)
        tinted = grey.copy()
        tinted[:, :, 0] = np.where(grey[:, :, 0] > 128, grey[:, :, 0] - 40, grey[:, :, 0] + 40)
        assert not channels_equal(tinted)


class TestColourDetails:
    def test_transparent_png_lies_over_white(self):
        rows = np.zeros((4, 6, 4), dtype=np.uint8)
        rows[:, :3] = (200, 100, 0, 255)
        rows[:, 3:] = (200, 100, 0, 51)  # a fifth
        found = read_scan_bytes(scans.png_bytes(6, 4, scans.png_rows(rows), colour_type=6))
        assert found.pixels[0, 0].tolist() == [200, 100, 0]
        assert found.pixels[0, 5].tolist() == [244, 224, 204]
        assert found.assumptions == ("transparent pixels laid over white",)

    def test_an_opaque_alpha_channel_changes_nothing(self):
        rgba = np.dstack([scans.colour(), np.full((120, 160), 255, np.uint8)])
        found = read_scan_bytes(scans.png_bytes(160, 120, scans.png_rows(rgba), colour_type=6))
        np.testing.assert_array_equal(found.pixels, scans.colour())
        assert found.assumptions == ()

    def test_transparent_webp_lies_over_white(self):
        bgra = np.dstack([scans.colour()[:, :, ::-1], np.full((120, 160), 0, np.uint8)])
        found = read_scan_bytes(encode(".webp", bgra, cv2.IMWRITE_WEBP_QUALITY, 101))
        assert (found.pixels == 255).all()

    def test_transparent_tiff_lies_over_white(self):
        rgba = np.full((4, 6, 4), (200, 100, 0, 51), dtype=np.uint8)
        found = read_scan_bytes(scans.tiff_bytes([rgba]))
        np.testing.assert_allclose(found.pixels[0, 0].astype(int), [244, 224, 204], atol=2)

    def test_grey_with_alpha(self):
        pixels = np.full((4, 6, 2), (100, 0), dtype=np.uint8)
        found = read_scan_bytes(scans.png_bytes(6, 4, scans.png_rows(pixels), colour_type=4))
        assert found.kind == "display_grey"
        assert (found.pixels == 255).all()

    def test_palette_png(self):
        palette = scans.png_chunk(b"PLTE", bytes([250, 0, 0, 0, 0, 250]))
        rows = scans.png_rows(np.array([[0, 1, 1], [1, 0, 0]], dtype=np.uint8))
        found = read_scan_bytes(scans.png_bytes(3, 2, rows, colour_type=3, extra=[palette]))
        assert found.pixels[0].tolist() == [[250, 0, 0], [0, 0, 250], [0, 0, 250]]

    def test_transparent_palette_png(self):
        palette = [
            scans.png_chunk(b"PLTE", bytes([250, 0, 0, 0, 0, 250])),
            scans.png_chunk(b"tRNS", b"\xff\0"),
        ]
        rows = scans.png_rows(np.array([[0, 1, 1], [1, 0, 0]], dtype=np.uint8))
        found = read_scan_bytes(scans.png_bytes(3, 2, rows, colour_type=3, extra=palette))
        assert found.pixels[0].tolist() == [[250, 0, 0], [255, 255, 255], [255, 255, 255]]

    def test_black_and_white_png(self):
        found = read_scan_bytes(scans.png_bytes(8, 2, b"\0\xf0\0\x0f", bits=1))
        assert found.pixels.tolist() == [[255] * 4 + [0] * 4, [0] * 4 + [255] * 4]

    def test_ancillary_png_chunks_are_ignored_in_silence(self, capfd):
        bad_profile = scans.png_chunk(b"iCCP", b"profile\0\0" + b"no zlib stream")
        comment = scans.png_chunk(b"tEXt", b"Comment\0made")
        rows = scans.png_rows(scans.colour())
        found = read_scan_bytes(scans.png_bytes(160, 120, rows, colour_type=2, extra=[bad_profile, comment]))
        np.testing.assert_array_equal(found.pixels, scans.colour())
        assert capfd.readouterr().err == ""

    def test_bytes_behind_the_end_do_no_harm(self):
        for name in ("jpeg", "png", "webp", "bmp"):
            data = scans.encoded(name)
            np.testing.assert_array_equal(
                read_scan_bytes(data + bytes(100)).pixels, read_scan_bytes(data).pixels
            )

    def test_a_grey_corner_is_no_missing_block(self):
        image = np.full((64, 64, 3), 128, dtype=np.uint8)
        image[:30] = scans.colour(30, 64)
        for progressive in (0, 1):
            data = encode(".jpg", image, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
            assert read_scan_bytes(data).kind == "pseudocolour"

    @pytest.mark.parametrize("deflate", [False, True])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_tiff_byte_orders_and_compression(self, order, deflate):
        for made in (scans.colour(), scans.grey()):
            found = read_scan_bytes(scans.tiff_bytes([made], order=order, deflate=deflate))
            np.testing.assert_array_equal(found.pixels, made)

    def test_a_strip_that_packs_very_well(self):
        made = np.full((900, 3000), 255, dtype=np.uint8)
        np.testing.assert_array_equal(read_scan_bytes(scans.tiff_bytes([made], deflate=True)).pixels, made)

    def test_white_is_zero_tiff_is_turned_to_bright(self):
        found = read_scan_bytes(scans.tiff_bytes([255 - scans.grey()], photometric=0))
        np.testing.assert_array_equal(found.pixels, scans.grey())

    def test_a_tiff_thumbnail_is_left_out(self):
        pages = [scans.grey(), scans.grey(15, 20)]
        with pytest.raises(ScanError, match="2 pages"):
            read_scan_bytes(scans.tiff_bytes(pages))
        # The subfile tag of the second page says that it is a reduced copy of the first.
        marked = scans.tiff_bytes(pages, page_tags=[{}, {254: (4, [1])}])
        np.testing.assert_array_equal(read_scan_bytes(marked).pixels, scans.grey())

    def test_bmp_rows_from_the_top(self):
        data = bytearray(scans.encoded("bmp"))
        data[22:26] = (-120).to_bytes(4, "little", signed=True)
        np.testing.assert_array_equal(read_scan_bytes(bytes(data)).pixels, scans.colour()[::-1])


class TestOrientation:
    """A rotation that a file asks for is not applied and said so."""

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_jpeg(self, order):
        data = scans.encoded("jpeg")
        block = b"Exif\0\0" + exif(6, order=order)
        turned = data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]
        self.check(turned, data, 6)

    def test_png(self):
        rows = scans.png_rows(scans.colour())
        turned = scans.png_bytes(160, 120, rows, colour_type=2, extra=[scans.png_chunk(b"eXIf", exif(3))])
        self.check(turned, scans.encoded("png"), 3)

    def test_webp(self):
        data = scans.encoded("webp")
        canvas = (
            b"VP8X" + (10).to_bytes(4, "little") + bytes([8, 0, 0, 0])
            + (159).to_bytes(3, "little") + (119).to_bytes(3, "little")
        )  # fmt: skip
        block = exif(8)
        tail = b"EXIF" + len(block).to_bytes(4, "little") + block
        body = b"WEBP" + canvas + data[12:] + tail
        self.check(b"RIFF" + len(body).to_bytes(4, "little") + body, data, 8)

    @pytest.mark.parametrize("made", [scans.colour(), scans.counts()[:, :, 0]], ids=["colour", "counts"])
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("orientation", [2, 3, 6])
    def test_tiff(self, made, order, orientation):
        turned = scans.tiff_bytes([made], order=order, tags={274: (3, [orientation])})
        self.check(turned, scans.tiff_bytes([made]), orientation)

    def check(self, turned, upright, orientation):
        found = read_scan_bytes(turned)
        np.testing.assert_array_equal(found.pixels, read_scan_bytes(upright).pixels)
        assert any(f"orientation tag {orientation} was not applied" in note for note in found.assumptions)

    def test_a_broken_block_is_no_orientation(self):
        data = scans.encoded("jpeg")
        for cut in range(0, 26, 3):
            block = b"Exif\0\0" + exif(6)[:cut]
            turned = data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]
            assert read_scan_bytes(turned).width == 160


class TestOptions:
    @pytest.mark.parametrize(
        "changes",
        [
            {"subject": "train"},
            {"max_pixels": 0},
            {"air_level": 0.0},
            {"air_level": 1e-40},
            {"air_level": float("nan")},
            {"polarity": "dark"},
        ],
    )
    def test_refuses(self, changes):
        with pytest.raises(UsageError):
            ReadOptions(**changes)

    def test_the_pixel_limit_holds_exactly(self):
        for name in scans.SUFFIXES:
            pixels = 120 * 160 * (2 if name == "tiff dual" else 1)
            data = scans.encoded(name)
            assert read_scan_bytes(data, ReadOptions(max_pixels=pixels)).width == 160
            with pytest.raises(ScanError, match=f"160 x 120 pixels.*the limit is {pixels - 1:,}"):
                read_scan_bytes(data, ReadOptions(max_pixels=pixels - 1))

    def test_the_path_is_a_note_on_the_error(self, tmp_path):
        path = tmp_path / "scan.png"
        path.write_bytes(b"")
        with pytest.raises(ScanError) as caught:
            read_scan(path)
        assert str(path) not in str(caught.value)
        assert caught.value.__notes__ == [f"in {path}"]

    def test_the_log_level_of_opencv_is_left_as_it_was(self):
        before = log_level()
        read_scan_bytes(scans.encoded("jpeg"))
        assert log_level() == before
