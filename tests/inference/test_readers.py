"""From good files of every format to scans."""

import hashlib
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.scans.readers import ReadOptions, channels_equal, read_scan, read_scan_bytes
from cargosight_inference.scans.transmission import counts_to_transmission, estimate_air_level, find_polarity
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


class TestCounts:
    """16-bit counts become transmission once, here."""

    @pytest.mark.parametrize("name", ["png 16", "tiff 16", "tiff dual", "npy counts"])
    def test_transmission_is_recovered(self, name):
        found = read_scan_bytes(scans.encoded(name))
        made = scans.transmission()[:, :, : found.pixels.shape[2]]
        assert found.pixels.dtype == np.float32
        assert np.abs(found.pixels - np.minimum(made, 1)).mean() < 0.01
        assert any("estimated at 5" in note for note in found.assumptions)

    def test_nothing_is_cut_to_eight_bits(self):
        ramp = np.arange(60_000, dtype=np.uint16).reshape(200, 300)
        found = read_scan_bytes(scans.npy_bytes(ramp), ReadOptions(air_level=60_000, polarity="air_bright"))
        assert len(np.unique(found.pixels)) == 60_000

    def test_two_pages_are_two_energies_in_a_stated_order(self):
        found = read_scan_bytes(scans.encoded("tiff dual"))
        assert "page 0 is the more penetrating energy, page 1 the other" in found.assumptions
        assert (found.pixels[:, :, 0] >= found.pixels[:, :, 1] - 0.1).all()
        assert found.pixels[:, :, 0].mean() > found.pixels[:, :, 1].mean()

    def test_a_given_air_level_and_polarity_are_used_and_recorded(self):
        options = ReadOptions(air_level=60_000, polarity="air_bright")
        found = read_scan_bytes(scans.encoded("tiff 16"), options)
        assert found.assumptions == (
            "polarity air_bright as given",
            "air level of channel 0 as given, 60000 counts",
        )
        wanted = scans.counts()[:, :, 0].astype(np.float64) / 60_000
        np.testing.assert_allclose(found.pixels[:, :, 0], np.minimum(wanted, 1), atol=1e-6)

    @pytest.mark.parametrize("bits", [12, 16])
    def test_dark_air_is_found_and_turned_over(self, bits):
        full = 2**bits - 1
        bright = (scans.counts(air=0.8 * full).astype(np.int64)[:, :, 0]).clip(0, full)
        bright[60:66, 80:90] = 0  # something that nothing penetrates: it tells the full scale
        found = read_scan_bytes(scans.npy_bytes((full - bright).astype(np.uint16)))
        assert found.polarity == "air_dark"
        assert any(f"full scale of {full}" in note for note in found.assumptions)
        made = scans.transmission()[:, :, 0]
        made[60:66, 80:90] = 0
        assert np.abs(found.pixels[:, :, 0] - made).mean() < 0.01

    def test_one_bright_border_is_enough_for_bright_air(self):
        truck = np.full((200, 400), 100, dtype=np.uint16)
        truck[:20] = 50_000
        assert find_polarity(truck)[0] == "air_bright"

    def test_without_evidence_the_file_and_then_habit_decide(self):
        flat = np.full((50, 50), 30_000, dtype=np.uint16)
        assert find_polarity(flat)[0] == "air_bright"
        assert find_polarity(flat, zero_is_white=True)[0] == "air_dark"
        assert "assumed" in find_polarity(flat)[1]

    def test_white_is_zero_counts_are_not_turned_twice(self):
        inverted = 65535 - scans.counts()[:, :, 0]
        found = read_scan_bytes(scans.tiff_bytes([inverted], photometric=0))
        assert found.polarity == "air_dark"
        assert np.abs(found.pixels[:, :, 0] - scans.transmission()[:, :, 0]).mean() < 0.1

    @settings(max_examples=25, deadline=None)
    @given(
        air=st.floats(800, 60_000),
        noise=st.floats(0.0, 0.025),
        share=st.floats(0.015, 0.9),
        zeros=st.floats(0.0, 0.13),
        seed=st.integers(0, 10_000),
    )
    def test_air_level_of_hard_scans(self, air, noise, share, zeros, seed):
        """Little air, much noise, dead pixels and saturated columns, as real linac scans have."""
        random = np.random.default_rng(seed)
        clean = np.exp(-random.uniform(1.0, 8.0, (200, 300)))
        clean[: max(4, round(share * 200))] = 1.0
        noisy = air * clean * (1 + noise * random.standard_normal(clean.shape))
        noisy[random.random(clean.shape) < zeros] = 0
        noisy[:, 17] = 65535
        level = estimate_air_level(np.clip(np.rint(noisy), 0, 65535).astype(np.uint16))
        assert level == pytest.approx(air, rel=0.02)

    def test_saturated_air(self):
        full = np.full((50, 50), 65535, dtype=np.uint16)
        assert estimate_air_level(full) == 65535
        assert (counts_to_transmission((full,)).pixels == 1.0).all()

    def test_no_air_no_scan(self):
        with pytest.raises(ScanError, match="no air level can be found"):
            read_scan_bytes(scans.npy_bytes(np.zeros((40, 40), dtype=np.uint16)))


class TestNpy:
    @pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
    @pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (20, 30, 2)])
    def test_transmission_as_it_is(self, dtype, shape):
        array = np.random.default_rng(0).random(shape).astype(np.float32)
        found = read_scan_bytes(scans.npy_bytes(array.astype(dtype)))
        np.testing.assert_array_equal(found.pixels, array.reshape(20, 30, -1))
        assert found.kind == "transmission"

    @pytest.mark.parametrize("dtype", ["<u2", ">u2"])
    def test_counts_of_either_byte_order(self, dtype):
        found = read_scan_bytes(scans.npy_bytes(scans.counts().astype(dtype)))
        np.testing.assert_array_equal(found.pixels, read_scan_bytes(scans.encoded("npy counts")).pixels)

    def test_fortran_order(self):
        found = read_scan_bytes(scans.npy_bytes(np.asfortranarray(scans.colour())))
        np.testing.assert_array_equal(found.pixels, scans.colour())

    def test_grey(self):
        assert read_scan_bytes(scans.npy_bytes(scans.grey())).kind == "display_grey"

    @pytest.mark.parametrize(
        "array",
        [
            np.zeros((4, 5), dtype=np.int32),
            np.zeros((4, 5), dtype=np.int8),
            np.zeros((4, 5), dtype=np.float16),
            np.zeros((4, 5), dtype=np.uint32),
            np.zeros((4, 5), dtype=bool),
            np.zeros((4, 5), dtype=complex),
            np.zeros((4, 5), dtype="U3"),
            np.zeros((4, 5), dtype="M8[s]"),
            np.zeros((4, 5), dtype=[("a", "u1")]),
            np.zeros(5, dtype=np.uint8),
            np.zeros((), dtype=np.uint8),
            np.zeros((4, 5, 1), dtype=np.uint8),
            np.zeros((4, 5, 4), dtype=np.uint8),
            np.zeros((4, 5, 3), dtype=np.uint16),
            np.zeros((2, 4, 5), dtype=np.float32),
            np.zeros((1, 4, 5, 2), dtype=np.float32),
        ],
        ids=lambda array: f"{array.dtype}-{array.ndim}",
    )
    def test_other_arrays_are_refused_with_what_is_read(self, array):
        with pytest.raises(ScanError, match=r"expected uint8 \(H, W\)"):
            read_scan_bytes(scans.npy_bytes(array))

    @pytest.mark.parametrize("value", [1.5, -0.1, 40_000.0, float("nan"), float("inf")])
    def test_no_range_is_guessed(self, value):
        array = np.ones((4, 5), dtype=np.float64)
        array[2, 2] = value
        with pytest.raises(ScanError, match=r"transmission in \[0, 1\]"):
            read_scan_bytes(scans.npy_bytes(array))


class TestOptions:
    @pytest.mark.parametrize(
        "changes",
        [
            {"subject": "train"},
            {"max_pixels": 0},
            {"air_level": 0.0},
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
