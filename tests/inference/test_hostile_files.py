"""Broken, cut and huge files and those of other kinds: each is refused by a sentence, at once, in silence."""

import os
import struct
import threading
import time
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.scans.readers import ReadOptions, read_scan, read_scan_bytes
from cargosight_models.errors import ScanError
from tests.made import scans

log_level = getattr(cv2.utils, "logging", cv2).getLogLevel

SMALL = {name: scans.encoded(name, 40, 56) for name in scans.SUFFIXES} | {
    "jpeg progressive": cv2.imencode(".jpg", scans.colour(40, 56), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[
        1
    ].tobytes(),
    "tiff deflate": scans.tiff_bytes([scans.colour(40, 56)], deflate=True),
    "tiff big-endian": scans.tiff_bytes([scans.counts(40, 56)[:, :, 0]], order=">"),
}


def refused(data, match=None, options=None):
    """Check that the bytes are refused with a sentence and return it."""
    with pytest.raises(ScanError, match=match) as caught:
        read_scan_bytes(data, options or ReadOptions())
    message = str(caught.value)
    assert "\n" not in message
    assert 20 < len(message) < 400
    return message


def read_or_refuse(data):
    """Any bytes give a scan or a `ScanError`, nothing else."""
    try:
        read_scan_bytes(data)
    except ScanError:
        return False
    return True


class TestTruncated:
    @pytest.mark.parametrize("name", list(SMALL))
    def test_at_any_byte(self, name, capfd):
        data = SMALL[name]
        cuts = {*range(min(len(data), 130)), *range(0, len(data), max(1, len(data) // 100))}
        cuts |= {len(data) - back for back in (1, 2, 3, 5, 12, 13)}
        for cut in cuts:
            refused(data[:cut])
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("name", list(SMALL))
    def test_filled_up_with_zeros(self, name):
        """As a copy looks that was interrupted after its space was set aside."""
        data = SMALL[name]
        if name in ("bmp", "webp", "webp lossless", "tiff big-endian") or name.startswith("npy"):
            cuts = (9, 11)  # these formats carry no checksum and no end marker behind their pixels
        else:
            cuts = (9, len(data) // 3, len(data) * 2 // 3)
        for cut in cuts:
            refused(data[:cut] + bytes(len(data) - cut))

    @pytest.mark.parametrize("share", [0.4, 0.6, 0.9])
    @pytest.mark.parametrize("colour", [True, False])
    def test_jpeg_with_an_end_marker_put_behind_the_cut(self, share, colour):
        """Its decoder fills the missing blocks with grey and says nothing to the caller."""
        data = scans.encoded("jpeg" if colour else "jpeg grey", 200, 300)
        start = data.index(b"\xff\xda")
        cut = start + round((len(data) - start) * share)
        refused(data[:cut].rstrip(b"\xff") + b"\xff\xd9", "blocks are missing")

    def test_png_whose_image_data_is_too_short(self):
        rows = scans.png_rows(scans.grey(40, 56))
        refused(scans.png_bytes(56, 40, rows[: len(rows) // 2]), "cannot be decoded")


class TestDamaged:
    @pytest.mark.parametrize("name", ["png", "png grey", "png 16"])
    def test_every_changed_byte_of_a_png_is_found(self, name):
        data = SMALL[name]
        for at in [*range(8, 60), *range(60, len(data), 37)]:
            changed = bytearray(data)
            changed[at] ^= 0x10
            refused(bytes(changed))

    def test_deflate_strips_are_checked(self):
        for data in (
            scans.tiff_bytes([scans.colour(40, 56)], deflate=True),
            scans.tiff_bytes([scans.counts(40, 56)[:, :, 0]], deflate=True),
        ):
            changed = bytearray(data)
            changed[len(data) // 2] ^= 0xFF
            refused(bytes(changed))

    @pytest.mark.parametrize("name", list(SMALL))
    @settings(max_examples=30, deadline=None)
    @given(data=st.data())
    def test_changed_bytes_raise_nothing_else(self, name, data):
        changed = bytearray(SMALL[name])
        for _ in range(data.draw(st.integers(1, 4))):
            edge = data.draw(st.sampled_from([64, len(changed)]))
            at = data.draw(st.integers(0, min(edge, len(changed)) - 1))
            at = at if data.draw(st.booleans()) else len(changed) - 1 - at
            changed[at] = data.draw(st.integers(0, 255))
        read_or_refuse(bytes(changed))

    @pytest.mark.parametrize("name", list(SMALL))
    @settings(max_examples=20, deadline=None)
    @given(keep=st.integers(2, 64), tail=st.binary(max_size=600))
    def test_noise_behind_a_good_start_raises_nothing_else(self, name, keep, tail):
        read_or_refuse(SMALL[name][:keep] + tail)

    @settings(max_examples=60, deadline=None)
    @given(st.binary(max_size=300))
    def test_noise(self, data):
        refused(data)


class TestSizes:
    @pytest.mark.parametrize(
        "data",
        [
            scans.png_bytes(60_000, 60_000, b""),
            scans.npy_bytes(np.zeros((1, 1), np.uint8)).replace(b"(1, 1), }    ", b"(60000, 60000), }"),
            struct.pack("<2sIHHIIiiHHII", b"BM", 0, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0) + bytes(16),
            scans.tiff_bytes([scans.grey(4, 4)], tags={256: (4, [60_000]), 257: (4, [60_000])}),
            SMALL["jpeg"].replace(struct.pack(">HH", 40, 56), struct.pack(">HH", 60_000, 60_000)),
        ],
        ids=["png", "npy", "bmp", "tiff", "jpeg"],
    )
    def test_a_bomb_is_refused_before_it_is_decoded(self, data):
        started = time.perf_counter()
        refused(data)
        assert time.perf_counter() - started < 0.5

    @pytest.mark.parametrize("name", ["jpeg", "jpeg progressive"])
    def test_a_jpeg_too_short_for_its_blocks_is_refused_within_the_pixel_limit(self, name, monkeypatch):
        """14,000 x 14,000 white pixels that a decoder would make room for, whatever colour it fills them with."""
        parts = {"jpeg": [], "jpeg progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]}[name]
        white = cv2.imencode(".jpg", np.full((40, 56), 255, np.uint8), parts)[1].tobytes()
        monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
        refused(
            white.replace(struct.pack(">HH", 40, 56), struct.pack(">HH", 14_000, 14_000)),
            "announces 14000 x 14000 pixels, which take 382,812 bytes or more",
        )

    @pytest.mark.parametrize("progressive", [0, 1])
    def test_the_emptiest_jpeg_of_its_size_is_not_too_short(self, progressive):
        options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
        data = cv2.imencode(
            ".jpg", np.full((2_000, 3_000), 255, np.uint8), [*options, cv2.IMWRITE_JPEG_QUALITY, 1]
        )
        assert read_scan_bytes(data[1].tobytes()).width == 3_000

    def test_a_real_bomb(self):
        """60,000 x 60,000 pixels of zeros in a well-formed PNG of a few megabytes would fill 3.6 GB."""
        packer = zlib.compressobj(1)
        rows = b"".join(packer.compress(bytes(60_001 * 100)) for _ in range(20)) + packer.flush()
        good = scans.png_bytes(60_000, 60_000, b"")
        image = scans.png_chunk(b"IDAT", rows)
        refused(good.replace(scans.png_chunk(b"IDAT", zlib.compress(b"")), image), "60000 x 60000 pixels")

    def test_a_tiff_whose_pages_are_within_the_limit_but_not_together(self):
        refused(SMALL["tiff dual"], "4,480 to decode", ReadOptions(max_pixels=40 * 56))

    @pytest.mark.parametrize(
        "data",
        [
            scans.png_bytes(0, 40, b""),
            scans.png_bytes(40, 0, b""),
            struct.pack("<2sIHHIIiiHHII", b"BM", 0, 0, 0, 54, 40, 0, 10, 1, 24, 0, 0) + bytes(100),
            struct.pack("<2sIHHIIiiHHII", b"BM", 0, 0, 0, 54, 40, -5, 10, 1, 24, 0, 0) + bytes(100),
            scans.tiff_bytes([scans.grey(4, 4)], tags={256: (4, [0])}),
            scans.npy_bytes(np.zeros((0, 4), dtype=np.uint8)),
            scans.npy_bytes(np.zeros((4, 0, 3), dtype=np.uint8)),
            SMALL["jpeg"].replace(struct.pack(">HH", 40, 56), struct.pack(">HH", 0, 56)),
        ],
        ids=["png-width", "png-height", "bmp", "bmp-negative", "tiff", "npy", "npy-colour", "jpeg"],
    )
    def test_no_pixels(self, data):
        refused(data, "at least one")


class TestWrongKinds:
    @pytest.mark.parametrize(
        ("data", "what"),
        [
            (b"", "empty"),
            (b"just some notes\n" * 20, "text"),
            (b"<html><body>not found</body></html>", "text"),
            (b"GIF89a" + bytes(100), "GIF"),
            (b"%PDF-1.7" + bytes(100), "PDF"),
            (b"PK\x03\x04" + bytes(100), "ZIP"),
            (b"\x1f\x8b" + bytes(100), "gzip"),
            (bytes(128) + b"DICM" + bytes(100), "DICOM"),
            (b"IM\0\0" + bytes(100), "AS&E"),
            (bytes(1000), "zeros"),
            (b"\x7fELF" + bytes(range(200)), "unknown format"),
        ],
    )
    def test_is_named(self, data, what):
        message = refused(data, what)
        assert "JPEG, PNG, WebP, BMP, TIFF or .npy" in message

    def test_pickled_arrays_are_never_loaded(self, tmp_path):
        class Trap:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "executed"),)

        refused(scans.npy_bytes(np.array([Trap()], dtype=object), allow_pickle=True), "never loaded")
        assert not (tmp_path / "executed").exists()

    @pytest.mark.parametrize(
        "header",
        [
            b"",
            b"{'descr': '|u1', 'fortran_order': False}",
            b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, -5)}",
            b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, True)}",
            b"{'descr': '|u1', 'fortran_order': False, 'shape': (4, 99999999999999999999)}",
            b"{'descr': '|u1', 'fortran_order': 0, 'shape': (4, 5)}",
            b"{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (4, 5)}",
            b"{'descr': 'O', 'fortran_order': False, 'shape': (4, 5)}",
            b"__import__('os').getcwd()",
            b"(" * 5000,
            b"[" * 90 + b"]" * 90,
            b"\xff\xfe\xfd",
            b"{" + b" " * 20_000 + b"}",
        ],
    )
    def test_hostile_npy_headers(self, header):
        refused(b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + bytes(20))

    def test_an_npy_with_something_behind_its_array(self):
        refused(SMALL["npy"] + b"x", "1 bytes behind its array")

    def test_sixteen_bit_colour_is_refused_not_cut(self):
        image = np.zeros((8, 9, 3), dtype=np.uint16)
        refused(scans.png_bytes(9, 8, scans.png_rows(image), bits=16, colour_type=2), "16-bit colour")
        refused(scans.tiff_bytes([image]), "3 samples of 16 bits")

    def test_cmyk_and_twelve_bit_jpegs(self):
        frame = SMALL["jpeg"].index(b"\xff\xc0")
        cmyk, deep, lossless = (bytearray(SMALL["jpeg"]) for _ in range(3))
        cmyk[frame + 9] = 4
        deep[frame + 4] = 12
        lossless[frame + 1] = 0xC3
        refused(bytes(cmyk), "CMYK")
        refused(bytes(deep), "12 bits a sample")
        refused(bytes(lossless), "SOF3")

    @pytest.mark.parametrize(
        ("tags", "what"),
        [
            ({339: (3, [3])}, "floating-point"),
            ({259: (3, [34712])}, "compression 34712"),
            ({262: (3, [5])}, "photometric 5"),
            ({258: (3, [12])}, "12 bits"),
        ],
    )
    def test_tiffs_that_opencv_would_misread(self, tags, what):
        refused(scans.tiff_bytes([scans.grey(8, 9)], tags=tags), what)

    def test_tiffs_of_separate_planes_and_two_samples(self):
        refused(scans.tiff_bytes([scans.colour(8, 9)], tags={284: (3, [2])}), "separate planes")
        refused(scans.tiff_bytes([scans.counts(8, 9)]), "2 samples of 16 bits")

    @pytest.mark.parametrize(
        "pages",
        [
            [scans.grey(8, 9)] * 2,
            [scans.counts(8, 9)[:, :, 0]] * 3,
            [scans.counts(8, 9)[:, :, 0], scans.counts(8, 10)[:, :, 0]],
            [scans.counts(8, 9)[:, :, 0], scans.grey(8, 9)],
        ],
        ids=["two-8-bit", "three", "two-sizes", "two-depths"],
    )
    def test_tiffs_of_pages_that_are_no_two_energies(self, pages):
        refused(scans.tiff_bytes(pages), "two 16-bit grey pages")

    def test_a_tiff_whose_directories_run_in_a_circle(self):
        data = bytearray(scans.tiff_bytes([scans.grey(8, 9)]))
        (first,) = struct.unpack_from("<I", data, 4)
        (entries,) = struct.unpack_from("<H", data, first)
        struct.pack_into("<I", data, first + 2 + 12 * entries, first)
        refused(bytes(data), "points to itself")

    @pytest.mark.parametrize("at", [0, 1, 2**31, 2**63 - 1, 2**64 - 1])
    def test_big_tiffs_that_point_anywhere(self, at):
        refused(b"II+\0\x08\0\0\0" + struct.pack("<Q", at) + bytes(200))

    def test_animations(self):
        control = scans.png_chunk(b"acTL", struct.pack(">II", 2, 0))
        refused(scans.png_bytes(9, 8, scans.png_rows(scans.grey(8, 9)), extra=[control]), "animation")
        canvas = b"VP8X" + struct.pack("<I", 10) + bytes([2, 0, 0, 0, 8, 0, 0, 7, 0, 0])
        refused(b"RIFF" + struct.pack("<I", 4 + len(canvas)) + b"WEBP" + canvas, "animation")


class TestPaths:
    def refused(self, path, match, **options):
        with pytest.raises(ScanError, match=match):
            read_scan(path, ReadOptions(**options))

    def test_missing(self, tmp_path):
        self.refused(tmp_path / "none.png", "no such file")
        self.refused(tmp_path / "none" / "none.png", "no such file")
        (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
        self.refused(tmp_path / "link.png", "no such file")

    def test_folder(self, tmp_path):
        self.refused(tmp_path, "a folder")

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.png")
        self.refused(tmp_path / "pipe.png", "no regular file")

    def test_device(self):
        self.refused("/dev/zero", "no regular file")

    def test_malformed(self):
        self.refused("a\0b.png", "malformed")
        self.refused("x" * 5000, "cannot be read")

    def test_a_file_below_a_file(self, tmp_path):
        (tmp_path / "a.png").write_bytes(SMALL["png"])
        self.refused(tmp_path / "a.png" / "b.png", "cannot be read")

    @pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable for root")
    def test_no_permission(self, tmp_path):
        path = scans.write_scan(tmp_path)
        path.chmod(0)
        self.refused(path, "Permission denied")

    def test_a_file_too_large_for_any_scan_is_not_opened(self, tmp_path):
        path = tmp_path / "huge.npy"
        with path.open("wb") as file:
            file.truncate(20 << 30)  # sparse: it takes no space
        self.refused(path, "21,474,836,480 bytes")

    def test_every_common_way_of_being_broken(self, tmp_path):
        paths = scans.broken_files(tmp_path)
        assert len(paths) > 5
        for path in paths:
            self.refused(path, None)


def test_silence_on_stderr_also_from_several_threads(capfd):
    before = log_level()
    bad = (
        SMALL["bmp"][:-1],
        scans.png_bytes(56, 40, b"\0" * 100),
        SMALL["tiff 16"].replace(b"\x00\x80", b"\xff\xff"),
    )

    def work():
        for _ in range(20):
            for data in (*bad[:1], bad[2], SMALL["jpeg"], SMALL["tiff dual"]):
                read_or_refuse(data)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log_level() == before
    assert capfd.readouterr().err == ""
