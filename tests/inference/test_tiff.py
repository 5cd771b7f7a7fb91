"""TIFF: every packing gives the stored pixels, and none of them hides a piece that is not there."""

import io
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from cargosight_inference.scans.readers import read_scan_bytes
from cargosight_models.errors import ScanError
from tests.made import scans

PACKINGS = ["raw", "tiff_lzw", "packbits", "tiff_deflate", "tiff_adobe_deflate"]
PREDICTED = ["tiff_lzw", "tiff_deflate"]


def packed(pixels, compression, **settings):
    """A TIFF of several strips by another writer, libtiff."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "TIFF", compression=compression, strip_size=4000, **settings)
    return out.getvalue()


def pieces(data):
    with TiffImageFile(io.BytesIO(data)) as image:
        return list(zip(image.tag_v2[273], image.tag_v2[279], strict=True))


def with_length(data, index, length):
    """The TIFF with another stored length of one of its strips."""
    lengths = [piece[1] for piece in pieces(data)]
    changed = [*lengths[:index], length, *lengths[index + 1 :]]
    for kind in "HI":  # the smallest that holds them all
        table = struct.pack(f"<{len(lengths)}{kind}", *lengths)
        if data.count(table) == 1:
            return data.replace(table, struct.pack(f"<{len(lengths)}{kind}", *changed))
    raise AssertionError("no table of lengths")


class TestPackings:
    @pytest.mark.parametrize("compression", PACKINGS)
    @pytest.mark.parametrize("width", [160, 161])
    def test_colour_and_grey(self, compression, width):
        for made in (scans.colour(121, width), scans.grey(121, width)):
            data = packed(made, compression)
            assert len(pieces(data)) > 3 or compression == "raw"
            np.testing.assert_array_equal(read_scan_bytes(data).pixels, made)

    @pytest.mark.parametrize("compression", PACKINGS)
    def test_counts(self, compression):
        made = scans.counts(121, 161)[:, :, 0]
        as_stored = read_scan_bytes(packed(made, compression))
        np.testing.assert_array_equal(as_stored.pixels, read_scan_bytes(scans.tiff_bytes([made])).pixels)

    @pytest.mark.parametrize("compression", PREDICTED)
    def test_differences_between_neighbours(self, compression):
        made = scans.colour(60, 81)
        data = packed(made, compression, tiffinfo={317: 2})
        np.testing.assert_array_equal(read_scan_bytes(data).pixels, made)

    def test_jpeg_pieces(self):
        made = scans.colour(120, 160)
        found = read_scan_bytes(packed(made, "jpeg", quality=95)).pixels
        assert np.abs(found.astype(int) - made).mean() < 4.0

    @pytest.mark.parametrize("deep", [1, 257])
    def test_palette(self, deep):
        """Colour maps have 16 bits; some writers fill in 8."""
        palette = np.stack([np.arange(256), 255 - np.arange(256), np.full(256, 9)])
        data = scans.tiff_bytes(
            [scans.grey(12, 20)], photometric=3, tags={320: (3, (palette * deep).ravel().tolist())}
        )
        np.testing.assert_array_equal(read_scan_bytes(data).pixels, palette.T[scans.grey(12, 20)])

    def test_one_tile_larger_than_the_image(self):
        made = scans.colour(16, 32)
        tags = {256: [20], 257: [10], 322: [32], 323: [16], 324: [8], 325: [made.size]}
        data = scans.tiff_bytes([made], tags={tag: (4, values) for tag, values in tags.items()})
        np.testing.assert_array_equal(read_scan_bytes(data).pixels, made[:10, :20])
        tags[325] = [made.size - 1]
        data = scans.tiff_bytes([made], tags={tag: (4, values) for tag, values in tags.items()})
        with pytest.raises(ScanError, match=r"piece 0 .* 1,535 bytes .* 1,536 are due"):
            read_scan_bytes(data)

    def test_alpha_that_the_colours_are_multiplied_by(self):
        rgba = np.full((4, 6, 4), (40, 20, 0, 51), dtype=np.uint8)
        found = read_scan_bytes(scans.tiff_bytes([rgba], tags={338: (3, [1])}))
        assert found.pixels[0, 0].tolist() == [244, 224, 204]
        assert found.assumptions == ("transparent pixels laid over white",)

    @pytest.mark.parametrize("meaning", [0, None, 7])
    def test_a_fourth_sample_of_unknown_meaning_is_refused(self, meaning):
        rgba = np.full((4, 6, 4), (200, 100, 0, 51), dtype=np.uint8)
        data = scans.tiff_bytes([rgba], tags={338: (3, [2 if meaning is None else meaning])})
        if meaning is None:
            data = data.replace(struct.pack("<HHI", 338, 3, 1), struct.pack("<HHI", 33800, 3, 1))
        with pytest.raises(ScanError, match="does not say what the fourth is"):
            read_scan_bytes(data)

    @pytest.mark.parametrize("kind", [3, 4])
    @pytest.mark.parametrize("made", [scans.colour(12, 20), scans.counts(12, 20)[:, :, 0]], ids=["8", "16"])
    def test_an_orientation_of_any_width_is_not_applied(self, made, kind):
        turned = read_scan_bytes(scans.tiff_bytes([made], tags={274: (kind, [6])}))
        np.testing.assert_array_equal(turned.pixels, read_scan_bytes(scans.tiff_bytes([made])).pixels)
        assert any("orientation tag 6 was not applied" in note for note in turned.assumptions)

    @pytest.mark.parametrize(
        ("tags", "what"),
        [
            ({256: 2**32 - 1}, "expected at least one, and"),
            ({257: 2**31}, "expected at least one, and"),
            ({256: 2**24, 257: 2**24, 278: 1}, "offsets"),
            ({322: 2**31, 323: 16, 324: 8, 325: 100}, "tiles of"),
            ({322: 1, 323: 1, 324: 8, 325: 100}, "offsets"),
        ],
    )
    def test_sizes_beyond_reason_are_refused_before_room_is_made(self, tags, what):
        data = scans.tiff_bytes([scans.grey(8, 9)], tags={tag: (4, [value]) for tag, value in tags.items()})
        with pytest.raises(ScanError, match=what):
            read_scan_bytes(data)

    def test_tags_that_no_reader_needs_are_not_handed_on(self, capfd):
        tags = {65000: (3, [1, 2, 3]), 34665: (4, [2**31])}
        np.testing.assert_array_equal(
            read_scan_bytes(scans.tiff_bytes([scans.colour(12, 20)], tags=tags)).pixels, scans.colour(12, 20)
        )
        assert capfd.readouterr().err == ""

    def test_of_tags_that_hold_one_number_the_first_counts(self):
        made = scans.grey(12, 20)
        tags = {284: (3, [1, 0]), 259: (3, [1, 7]), 277: (3, [1, 3]), 258: (3, [8, 8])}
        np.testing.assert_array_equal(read_scan_bytes(scans.tiff_bytes([made], tags=tags)).pixels, made)


class TestMissingPieces:
    @pytest.mark.parametrize("compression", PACKINGS[1:])
    @pytest.mark.parametrize("depth", [8, 16])
    def test_a_piece_overwritten_by_zeros(self, compression, depth):
        """As a copy looks that lost a block: what decoders leave black or repeat must not be read as a scan."""
        made = scans.colour(121, 161) if depth == 8 else scans.counts(121, 161)[:, :, 0]
        data = bytearray(packed(made, compression))
        offset, length = pieces(bytes(data))[1]
        data[offset + length // 3 : offset + length] = bytes(length - length // 3)
        with pytest.raises(ScanError, match="TIFF"):
            read_scan_bytes(bytes(data))

    @pytest.mark.parametrize("compression", PACKINGS[1:])
    def test_a_piece_that_ends_early(self, compression):
        data = packed(scans.colour(121, 161), compression)
        with pytest.raises(ScanError, match="TIFF"):
            read_scan_bytes(with_length(data, 1, pieces(data)[1][1] // 2))

    def test_a_jpeg_piece_that_ends_early(self):
        data = bytearray(packed(scans.colour(120, 160), "jpeg"))
        offset, length = pieces(bytes(data))[1]
        end = offset + length // 2
        data[end : offset + length] = b"\xff\xd9" + bytes(offset + length - end - 2)
        with pytest.raises(ScanError, match="blocks are missing"):
            read_scan_bytes(bytes(data))

    def test_uncompressed_pieces_are_counted_one_by_one(self):
        """A long one does not make up for a short one."""
        made = scans.grey(8, 30)
        tags = {278: (4, [4]), 273: (4, [8, 8]), 279: (4, [200, 100])}
        with pytest.raises(ScanError, match=r"piece 1 .* 100 bytes .* 120 are due"):
            read_scan_bytes(scans.tiff_bytes([made], tags=tags))

    def test_a_last_strip_filled_up_to_the_height_of_the_others(self):
        made = scans.grey(6, 30)
        strip = zlib.compress(np.vstack([made, made])[:4].tobytes())
        data = scans.tiff_bytes(
            [made],
            deflate=True,
            tags={278: (4, [4]), 273: (4, [4096, 4096]), 279: (4, [len(strip), len(strip)])},
        )
        data = data.ljust(4096, b"\0") + strip
        np.testing.assert_array_equal(read_scan_bytes(data).pixels, np.vstack([made[:4], made[:2]]))

    def test_strips_that_share_one_long_stream_do_not_keep_the_reader_busy(self):
        stream = zlib.compress(bytes(1 << 26), 9)
        count = 8000
        tags = {278: (4, [1]), 273: (4, [200_000] * count), 279: (4, [len(stream)] * count)}
        data = scans.tiff_bytes([np.zeros((count, 4), np.uint8)], deflate=True, tags=tags)
        start = time.process_time()
        with pytest.raises(ScanError, match="does not end"):
            read_scan_bytes(data.ljust(200_000, b"\0") + stream)
        assert time.process_time() - start < 2.0  # unpacking them all would take ten minutes


class TestJpegThatEndsEarly:
    """What a decoder fills in is mid-grey; nobody may take it for a scan."""

    def cut(self, image, share, progressive=0):
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])[1].tobytes()
        at = data.rindex(b"\xff\xda") if progressive else data.index(b"\xff\xda")
        return data[: at + 14 + round((len(data) - at - 14) * share)].rstrip(b"\xff") + b"\xff\xd9"

    @pytest.mark.parametrize("size", [(200, 300), (201, 303), (193, 289)])
    def test_at_sizes_that_end_within_a_block(self, size):
        for share in (0.3, 0.7, 0.95):
            for image in (scans.colour(*size), scans.grey(*size)):
                with pytest.raises(ScanError, match="blocks are missing"):
                    read_scan_bytes(self.cut(image, share))

    def test_within_the_last_refinement_of_a_progressive_one(self):
        with pytest.raises(ScanError, match="blocks are missing"):
            read_scan_bytes(self.cut(scans.colour(200, 300), 0.4, progressive=1))
