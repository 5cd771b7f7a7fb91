"""Whether the strips and tiles of a TIFF hold all of their image, which decoders do not always demand."""

import zlib

from cargosight_inference.scans.tiff import TiffPage
from cargosight_models.errors import ScanError

_NONE = 1
_DEFLATE = (8, 32946)
_AT_ONCE = 1 << 20


def demand_whole_pieces(data: bytes, page: TiffPage) -> None:
    """Check the pieces of an uncompressed or Deflate page; libtiff itself counts what LZW and PackBits unpack to.

    Raises:
        ScanError: a piece holds fewer bytes than its part of the image needs, or its checksum is wrong.
    """
    pieces = zip(page.offsets.tolist(), page.lengths.tolist(), page.due.tolist(), strict=True)
    if page.compression == _NONE:
        for number, (_, length, due) in enumerate(pieces):
            if length < due:
                raise _too_short(number, length, due)
    elif page.compression in _DEFLATE:
        view = memoryview(data)
        most = int(page.due.max())  # a last strip may be filled up to the height of the others
        for number, (offset, length, due) in enumerate(pieces):
            _demand_deflate(view[offset : offset + length], number, due, most)


def _demand_deflate(packed: memoryview, number: int, due: int, most: int) -> None:
    """Unpack one piece, which verifies its checksum, and no further than `most` bytes.

    A file that is made to keep its reader busy lets many strips point to one long stream.
    """
    unpacker = zlib.decompressobj()
    left: bytes | memoryview = packed
    done = 0
    try:
        while done <= most and not unpacker.eof:
            piece = unpacker.decompress(left, min(_AT_ONCE, most + 1 - done))
            left = unpacker.unconsumed_tail
            done += len(piece)
            if not piece and not left:
                break
    except zlib.error as error:
        raise ScanError(
            f"the TIFF is damaged: piece {number} of its image does not unpack ({error}); copy the file again"
        ) from error
    if done < due:
        raise _too_short(number, done, due)
    if not unpacker.eof:
        raise ScanError(
            f"the TIFF is damaged: piece {number} of its image does not end after {done:,} bytes, where {due:,} are "
            "due; copy the file again"
        )


def _too_short(number: int, found: int, due: int) -> ScanError:
    return ScanError(
        f"the TIFF is damaged: piece {number} of its image holds {found:,} bytes of pixels where {due:,} are due; "
        "copy the file again"
    )
