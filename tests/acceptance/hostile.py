"""A tree of hostile files: broken in every way that a random generator finds, under names that break programs."""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tests.made import scans

Random = np.random.Generator

MAX_PIXELS = 4_000_000
"""The limit that the tree is made for: some files announce a little less, some a little more, some far more."""

LONGEST_NAME = 255
"""Bytes in a name, on the usual file systems."""

NOT_UTF8 = (b"not-utf8-\xff\xfe", b"latin-1-\xe9t\xe9", b"cut-\xf0\x9f\xa7")

NAMES = (
    "plain",
    "line\nbreak",
    "carriage\rreturn",
    "tab\tand bell\a",
    "escape \x1b[2J\x1b]0;owned\a",
    "delete\x7f and c1 \x9b31m",
    "right to left \u202egnp",
    "line separator \u2028",
    "suitcase 🧳 中文",
    "accent é",
    "accent e\u0301",
    "quotes ' \" `",
    "back\\slash",
    "glob *[a-z]?{1,2}",
    "-rf --model",
    " space before",
    "space behind ",
    "percent %s %n {0} $HOME",
    "dots...",
    "~tilde",
    "same",
    "same.inspection",
    "same.overlay",
    "n" * (LONGEST_NAME - 5),
    "ü" * ((LONGEST_NAME - 5) // 2),
)
"""Stems; the two long ones just fit with the longest suffix."""

FOLDERS = (
    "plain",
    "folder.jpg",
    "same.inspection.json",
    "plain.overlay.png",
    "new\nline",
    "f" * 200,
    b"\xff\xfe".decode("utf-8", "surrogateescape"),
    " ",
)

SUFFIXES = (".jpg", ".png", ".tif", ".npy", ".bmp", ".JPG", ".webp", ".tiff")

MAGICS = (
    b"\xff\xd8\xff",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    b"\x89PNG\r\n\x1a\n",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"BM",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
    b"II+\0\x08\0\0\0",
    b"MM\0+\0\x08\0\0",
    b"\x93NUMPY\x01\0",
    b"\x93NUMPY\x02\0",
    b"RIFF\xff\0\0\0WEBPVP8 ",
    b"RIFF\xff\0\0\0WEBPVP8L",
    b"RIFF\xff\0\0\0WEBPVP8X",
)

STRANGERS = (
    b"just some notes\n" * 20,
    b"<html><body>not found</body></html>",
    b"GIF89a" + bytes(100),
    b"%PDF-1.7" + bytes(100),
    b"PK\x03\x04" + bytes(100),
    b"\x1f\x8b" + bytes(100),
    bytes(128) + b"DICM" + bytes(100),
    b"IM\0\0" + bytes(100),
    b"\x7fELF" + bytes(range(200)),
    bytes(1000),
)


@dataclass(frozen=True)
class Hostile:
    """Contents of a file.

    Attributes:
        how: what was done to it.
        content: its bytes.
        readable: whether it must be read, must be refused, or may be either (None).
    """

    how: str
    content: bytes
    readable: bool | None = None


def make_tree(folder: Path, *, rounds: int, seed: int) -> dict[str, Hostile]:
    """Write the files and return them by path, as the operating system spells it.

    Args:
        folder: of the tree; it must not exist.
        rounds: how often each way to break a file is applied to each format; 27 rounds are some 2,000 files.
        seed: of what is drawn.
    """
    random = np.random.default_rng(seed)
    stems = [*NAMES, *(os.fsdecode(name) for name in NOT_UTF8)]
    tree: dict[str, Hostile] = {}
    for number, hostile in enumerate(_contents(random, rounds)):
        place = folder
        for _ in range(int(random.integers(0, 4))):
            place /= str(random.choice(FOLDERS))
        place.mkdir(parents=True, exist_ok=True)
        path = place / (stems[number % len(stems)] + str(random.choice(SUFFIXES)))
        if path.exists():
            path = place / f"{number}{path.suffix}"
        path.write_bytes(hostile.content)
        tree[str(path)] = hostile
    return tree


def _contents(random: Random, rounds: int) -> Iterator[Hostile]:
    formats = _formats()
    for name, data in formats.items():
        yield Hostile(f"good {name}", data, readable=True)
    for _ in range(rounds):
        for name, data in formats.items():
            yield Hostile(f"cut {name}", data[: int(random.integers(1, len(data)))])
            yield Hostile(f"header of {name} changed", _changed(random, data, 64))
            yield Hostile(f"{name} changed anywhere", _changed(random, data, len(data)))
        for magic in MAGICS:
            yield Hostile("noise behind a magic", magic + random.bytes(int(random.integers(0, 4000))))
        first, second = (formats[str(random.choice(list(formats)))] for _ in range(2))
        cut = int(random.integers(1, len(first)))
        yield Hostile("two formats in one", first[:cut] + second[cut:])
        yield Hostile("no bytes", b"", readable=False)
        yield Hostile("noise", bytes([255]) + random.bytes(int(random.integers(0, 2000))))
        yield Hostile("filled up with zeros", first[:cut] + bytes(len(first) - cut))
    for _ in range(max(1, rounds // 3)):
        for stranger in STRANGERS:
            yield Hostile("another kind of file", stranger, readable=False)
    for width, height in (
        (1_999, 1_999),
        (2_001, 2_001),
        (60_000, 60_000),
        (65_535, 1),
        (2**31 - 1, 2**31 - 1),
    ):
        yield from _announcing(width, height)
    yield _real_bomb()


def _formats() -> dict[str, bytes]:
    """Files of every format that are read, small enough that many can be made."""
    formats = {name: scans.encoded(name, 60, 84) for name in scans.SUFFIXES}
    bgr = np.ascontiguousarray(scans.colour(60, 84)[:, :, ::-1])
    formats["jpeg progressive"] = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    formats["tiff deflate"] = scans.tiff_bytes([scans.colour(60, 84)], deflate=True)
    formats["tiff big-endian"] = scans.tiff_bytes([scans.counts(60, 84)[:, :, 0]], order=">")
    formats["tiff packed by OpenCV"] = cv2.imencode(".tif", bgr)[1].tobytes()
    return formats


def _changed(random: Random, data: bytes, among: int) -> bytes:
    """Flip a bit or replace a byte, one to four times."""
    changed = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        at = int(random.integers(0, min(among, len(data))))
        flipped = changed[at] ^ (1 << int(random.integers(0, 8)))
        changed[at] = flipped if random.random() < 0.7 else int(random.integers(0, 256))
    return bytes(changed)


def _announcing(width: int, height: int) -> Iterator[Hostile]:
    """Small files whose headers announce a large image."""
    how = f"announces {width} x {height}"
    yield Hostile(f"PNG {how}", scans.png_bytes(width, height, b"\0" * 100), readable=False)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    bmp = b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info
    yield Hostile(f"BMP {how}", bmp + bytes(64), readable=False)
    large = {256: (4, [width]), 257: (4, [height]), 278: (4, [height])}
    yield Hostile(f"TIFF {how}", scans.tiff_bytes([scans.grey(8, 8)], tags=large), readable=False)
    yield Hostile(
        f"TIFF of two pages {how}",
        scans.tiff_bytes([scans.counts(8, 8)[:, :, 0]] * 2, tags=large),
        readable=False,
    )
    header = f"{{'descr': '<u2', 'fortran_order': False, 'shape': ({height}, {width}, 2), }}\n".encode()
    npy = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header
    yield Hostile(f".npy {how}", npy + bytes(64), readable=False)
    if max(width, height) < 1 << 16:
        size, small = struct.pack(">HH", height, width), struct.pack(">HH", 60, 84)
        for name in ("jpeg", "jpeg progressive"):
            yield Hostile(f"{name} {how}", _formats()[name].replace(small, size, 1), readable=False)
    if max(width, height) < 1 << 14:
        packed = struct.pack("<I", (width - 1) | (height - 1) << 14)
        body = b"\x2f" + packed + bytes(20)
        chunk = b"VP8L" + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
        webp = b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
        yield Hostile(f"WebP {how}", webp)


def _real_bomb() -> Hostile:
    return Hostile("a well-formed bomb", real_bomb_bytes(), readable=False)


def real_bomb_bytes() -> bytes:
    """Return a well-formed PNG of a few megabytes that would unpack to 3.6 GB of zeros.

    A deflate block that ends in a full flush stands for itself, so that one can be repeated.
    """
    side, blocks = 60_000, 600
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes((side + 1) * side // blocks)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">HH", (side + 1) * side % 65_521, 1)  # Adler-32 of zeros
    rows = b"\x78\xda" + block * blocks + b"\x03\0" + checksum
    assert zlib.decompressobj().decompress(rows, 10_000) == bytes(10_000)
    empty = scans.png_chunk(b"IDAT", zlib.compress(b""))
    return scans.png_bytes(side, side, b"").replace(empty, scans.png_chunk(b"IDAT", rows))
