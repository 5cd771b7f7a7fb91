"""Pictures on disk: a scan's pixels at full and at lower scales, and tiles out of them.

A picture is a folder of `description.json` and `level-0.npy`, `level-1.npy` … Level 0 is the scan: transmission as
round(65535 T) in uint16 (H, W, C), a vendor's grey and pseudo-colour as they are in uint8 (H, W, 1 or 3). A pixel of
level k is the mean of the 2**k x 2**k pixels of level 0 that it covers, rounded half up. At the right and lower edge of
a scan whose size is no multiple of 2**k it covers fewer, and is the mean of those: sums of whole numbers are carried
from level to level, never means, so that no rounding adds up and every pixel of the scan weighs the same.
"""

import json
import math
from collections.abc import Iterator
from functools import partial
from os import fsync
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from cargosight_inference.durable import build_durably, write_durably
from cargosight_inference.scans.scan import Scan
from cargosight_inference.service.areal_density import areal_density_table
from cargosight_models.errors import NoSuchTile

Pixels = npt.NDArray[Any]
"""uint8 or uint16 (h, w, C)."""

VERSION = 1
TILE, APRON = 512, 16
"""Pixels of a tile's side, and around it."""
DESCRIPTION = "description.json"
_STRIPE = 128  # rows that are worked on at a time; even
_MOST_LEVELS = 32
_BRIGHT = 0.99


def write_picture(scan: Scan, folder: Path) -> dict[str, Any]:
    """Write a scan's picture; where the same one is there already it is kept, another one is replaced.

    A kill at any moment leaves no part of a picture in the folder's place.

    Args:
        scan: any kind.
        folder: of the picture; its parent is made where it does not exist.

    Returns:
        The description, as `read_description` gives it.

    Raises:
        OSError: it cannot be written.
    """
    described = _described(scan)
    if _is_there(folder, described):
        return described
    build_durably(folder, partial(_fill, scan=scan, described=described))
    return described


def read_description(folder: Path) -> dict[str, Any]:
    """Return the description of a picture.

    Raises:
        NoSuchTile: there is no picture.
    """
    try:
        found = json.loads((folder / DESCRIPTION).read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NoSuchTile("there is no picture of this scan") from error
    except ValueError as error:
        raise NoSuchTile("the picture of this scan is damaged; have it made again") from error
    return cast(dict[str, Any], found)


def read_tile(folder: Path, level: int, column: int, row: int) -> bytes:
    """Return the pixels of one tile and 16 around it; beyond the scan its edge is repeated.

    Args:
        folder: of the picture.
        level: 0 for full scale.
        column: of the tile, from 0.
        row: of the tile, from 0.

    Returns:
        Little-endian, in C order: (h + 32, w + 32, C), where (h, w) is 512 x 512, and less for the last column and row.

    Raises:
        NoSuchTile: there is no picture, no such level, or no such tile of it.
    """
    whole = _open_level(folder, level)
    height, width = whole.shape[:2]
    columns, rows = -(-width // TILE), -(-height // TILE)
    if not (0 <= column < columns and 0 <= row < rows):
        raise NoSuchTile(
            f"there is no tile in column {column} and row {row} of level {level}; it has {columns} columns and "
            f"{rows} rows, counted from 0"
        )
    (top, bottom, above, below) = _span(row, height)
    (left, right, before, behind) = _span(column, width)
    part: Pixels = whole[top:bottom, left:right]
    if above or below or before or behind:
        part = np.pad(part, ((above, below), (before, behind), (0, 0)), mode="edge")
    return part.astype(part.dtype.newbyteorder("<"), copy=False).tobytes()


def _span(place: int, length: int) -> tuple[int, int, int, int]:
    """Return start and end of a tile with its apron within the scan, and how often the edges are repeated."""
    start, end = TILE * place - APRON, min(TILE * (place + 1), length) + APRON
    return max(start, 0), min(end, length), max(-start, 0), max(end - length, 0)


def _open_level(folder: Path, level: int) -> Pixels:
    missing = NoSuchTile(f"there is no level {level} of this picture")
    if not 0 <= level < _MOST_LEVELS:
        raise missing
    try:
        return cast(Pixels, np.load(_level_path(folder, level), mmap_mode="r", allow_pickle=False))
    except (FileNotFoundError, NotADirectoryError) as error:
        if not (folder / DESCRIPTION).is_file():
            raise NoSuchTile("there is no picture of this scan") from error
        raise missing from error
    except (ValueError, EOFError) as error:
        raise NoSuchTile(f"level {level} of this picture is damaged; have it made again") from error


def _level_path(folder: Path, level: int) -> Path:
    return folder / f"level-{level}.npy"


def _described(scan: Scan) -> dict[str, Any]:
    """Return a description as JSON gives it back."""
    is_transmission = scan.kind == "transmission"
    sizes = list(_level_sizes(scan.width, scan.height))
    described = {
        "version": VERSION,
        "width": scan.width,
        "height": scan.height,
        "kind": scan.kind,
        "channels": 1 if scan.pixels.ndim == 2 else scan.pixels.shape[2],
        "type": "uint16" if is_transmission else "uint8",
        "subject": scan.subject,
        "tile": TILE,
        "apron": APRON,
        "levels": [
            {"width": width, "height": height, "columns": -(-width // TILE), "rows": -(-height // TILE)}
            for width, height in sizes
        ],
        "pixel_pitch_mm": scan.pixel_pitch_mm,
        "energies_mv": scan.energies_mv,
        "air_level": scan.air_level,
        "polarity": scan.polarity,
        "assumptions": scan.assumptions,
        "brightest": _brightest(scan),
        "areal_density": areal_density_table(scan),
    }
    return cast(dict[str, Any], json.loads(_as_json(described)))


def _as_json(described: dict[str, Any]) -> bytes:
    return json.dumps(described, allow_nan=False).encode("ascii")


def _level_sizes(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Yield (width, height) of each level, down to one that fits into a tile."""
    yield width, height
    while max(width, height) > TILE:
        width, height = -(-width // 2), -(-height // 2)
        yield width, height


def _stored(scan: Scan) -> Iterator[Pixels]:
    """Yield the scan as it is stored, (h, W, C), in stripes."""
    pixels = scan.pixels if scan.pixels.ndim == 3 else scan.pixels[:, :, np.newaxis]
    for top in range(0, scan.height, _STRIPE):
        part = pixels[top : top + _STRIPE]
        if scan.kind != "transmission":
            yield np.ascontiguousarray(part)
            continue
        stored = np.empty(part.shape, dtype=np.uint16)
        for channel in range(part.shape[2]):  # which lie one behind the other in a scan
            stored[:, :, channel] = _as_counts(part[:, :, channel])
        yield stored


def _as_counts(transmission: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    counts: npt.NDArray[np.float32] = np.rint(transmission * np.float32(65535.0))
    return counts


def _brightest(scan: Scan) -> float:
    """Return the value in [0, 1] that 99 % of the pixels do not exceed: of the first channel, of all of a colour's."""
    is_transmission = scan.kind == "transmission"
    full = 65535 if is_transmission else 255
    counts = np.zeros(full + 1, dtype=np.int64)
    for top in range(0, scan.height, _STRIPE):
        part = scan.pixels[top : top + _STRIPE]
        values = _as_counts(part[:, :, 0]).astype(np.uint16) if is_transmission else part
        counts += np.bincount(values.ravel(), minlength=full + 1)
    below = np.cumsum(counts)
    return round(int(np.searchsorted(below, math.ceil(_BRIGHT * int(below[-1])))) / full, 6)


def _is_there(folder: Path, described: dict[str, Any]) -> bool:
    """Whether the picture of this description lies there, with all of its levels."""
    try:
        if read_description(folder) != described:
            return False
        shapes = [_open_level(folder, level).shape for level in range(len(described["levels"]))]
    except NoSuchTile:
        return False
    channels = described["channels"]
    return shapes == [(level["height"], level["width"], channels) for level in described["levels"]]


def _fill(folder: Path, scan: Scan, described: dict[str, Any]) -> None:
    """Write all files of a picture."""
    dtype = np.dtype(described["type"]).newbyteorder("<")
    shapes = [(level["height"], level["width"], described["channels"]) for level in described["levels"]]
    # Up to level 8, 4**k numbers of 16 bits sum to less than 2**32.
    sums = np.zeros(shapes[min(1, len(shapes) - 1)], dtype=np.uint32 if len(shapes) <= 9 else np.uint64)
    with_next = len(shapes) > 1
    _write_level(
        _level_path(folder, 0), shapes[0], dtype, _summing(scan, sums) if with_next else _stored(scan)
    )
    for level in range(1, len(shapes)):
        _write_level(_level_path(folder, level), shapes[level], dtype, _means(sums, level, shapes[0]))
        if level + 1 < len(shapes):
            sums = _halved(sums, sums.dtype)
    write_durably(folder / DESCRIPTION, _as_json(described))


def _summing(scan: Scan, sums: Pixels) -> Iterator[Pixels]:
    """Yield the stripes of level 0, and note the sums of its 2 x 2 blocks on the way."""
    for number, part in enumerate(_stored(scan)):
        yield part
        half = _halved(part, sums.dtype)
        top = number * _STRIPE // 2
        sums[top : top + len(half)] = half


def _halved(values: Pixels, dtype: np.dtype[Any]) -> Pixels:
    """Return the sums (ceil(h / 2), ceil(w / 2), C) of 2 x 2 blocks; at an odd edge, of what there is."""
    height, width = values.shape[:2]
    down = values[0::2].astype(dtype)
    down[: height // 2] += values[1::2]
    both: Pixels = down[:, 0::2].copy()
    both[:, : width // 2] += down[:, 1::2]
    return both


def _means(sums: Pixels, level: int, shape: tuple[int, int, int]) -> Iterator[Pixels]:
    """Yield the means of a level in stripes, from the sums of what each of its pixels covers."""
    rows, columns = (
        np.minimum(1 << level, length - (np.arange(-(-length >> level)) << level)).astype(sums.dtype)
        for length in shape[:2]
    )
    for top in range(0, len(sums), _STRIPE):
        part = sums[top : top + _STRIPE]
        covered = (rows[top : top + len(part), None] * columns)[:, :, None]
        yield (part + covered // 2) // covered


def _write_level(
    path: Path, shape: tuple[int, int, int], dtype: np.dtype[Any], parts: Iterator[Pixels]
) -> None:
    """Write a `.npy` file part by part; not through a memory map, which a full disk turns into a crash."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with path.open("wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        for part in parts:
            out.write(part.astype(dtype, copy=False).data)
        out.flush()
        fsync(out.fileno())
