"""Made scans in every format that is read, well-formed and broken.

The scenes are two-energy transmissions after Beer-Lambert with NIST coefficients at 60 and 100 keV; the
TIFF and PNG writers are written out here, so that every header field can be made as good or as bad as a
test needs.
"""

import io
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.pseudocolour import pseudocolour
from cargosight_inference.scans.scan import Scan, Subject

# Mass attenuation at 100 and 60 keV, cm2/g.
MATERIALS = {"organic": (0.1719, 0.1970), "light metal": (0.1704, 0.2778), "metal": (0.3717, 1.205)}

SUFFIXES = {
    "jpeg": ".jpg",
    "jpeg grey": ".jpg",
    "png": ".png",
    "png grey": ".png",
    "png 16": ".png",
    "webp": ".webp",
    "webp lossless": ".webp",
    "bmp": ".bmp",
    "tiff": ".tif",
    "tiff grey": ".tif",
    "tiff 16": ".tif",
    "tiff dual": ".tif",
    "npy": ".npy",
    "npy counts": ".npy",
    "npy transmission": ".npy",
}
"""Every kind of file that is read, by the name that `encoded` takes."""

EXPECTED_KINDS = {
    name: "transmission"
    if name in ("png 16", "tiff 16", "tiff dual", "npy counts", "npy transmission")
    else "display_grey"
    if "grey" in name
    else "pseudocolour"
    for name in SUFFIXES
}


def transmission(
    height: int = 120, width: int = 160, seed: int = 0, *, items: int = 6
) -> npt.NDArray[np.float32]:
    """Return a bag, (H, W, 2) float32 in [0, 1], channel 0 the more penetrating energy; its border is air."""
    random = np.random.default_rng(seed)
    depth = np.zeros((height, width, 2))  # -ln T
    margin = max(1, min(height, width) // 8)
    bag = np.zeros((height, width), dtype=np.uint8)
    cv2.rectangle(bag, (margin, margin), (width - 1 - margin, height - 1 - margin), 1, -1)
    depth += bag[:, :, None] * 0.8 * np.array(MATERIALS["organic"])
    names = list(MATERIALS)
    for index in range(items):
        shape = np.zeros((height, width), dtype=np.uint8)
        x, y = (int(random.integers(margin, max(side - margin, margin + 1))) for side in (width, height))
        axes = random.integers(2, margin + 2, 2).tolist()
        cv2.ellipse(shape, (x, y), axes, float(random.uniform(0, 180)), 0, 360, 1, -1)
        areal_density = float(random.uniform(0.5, 3.0))  # g/cm2
        attenuation = areal_density * np.array(MATERIALS[names[index % len(names)]])
        depth += (shape * bag)[:, :, None] * attenuation
    return np.exp(-depth).astype(np.float32)


def colour(height: int = 120, width: int = 160, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return a bag in pseudo-colour, (H, W, 3) uint8 RGB."""
    return np.rint(pseudocolour(transmission(height, width, seed)) * 255.0).astype(np.uint8)


def grey(height: int = 120, width: int = 160, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return a bag in display grey, (H, W) uint8."""
    return np.rint(transmission(height, width, seed)[:, :, 0] * 255.0).astype(np.uint8)


def counts(
    height: int = 120, width: int = 160, seed: int = 0, *, air: float = 54_000.0, noise: float = 0.01
) -> npt.NDArray[np.uint16]:
    """Return raw counts of a bag, (H, W, 2) uint16: `air` counts in air, relative Gaussian noise there."""
    clean = transmission(height, width, seed)
    random = np.random.default_rng(seed + 1)
    noisy = air * (clean + noise * np.sqrt(clean) * random.standard_normal(clean.shape))
    return np.clip(np.rint(noisy), 0, 65535).astype(np.uint16)


def scan(
    kind: str = "pseudocolour",
    subject: Subject = "baggage",
    height: int = 120,
    width: int = 160,
    seed: int = 0,
) -> Scan:
    """Return a scan made in memory of one of the three kinds; transmission has two energies."""
    if kind == "pseudocolour":
        return Scan.in_memory(colour(height, width, seed), kind="pseudocolour", subject=subject)
    if kind == "display_grey":
        return Scan.in_memory(grey(height, width, seed), kind="display_grey", subject=subject)
    return Scan.in_memory(transmission(height, width, seed), kind="transmission", subject=subject)


def encoded(name: str, height: int = 120, width: int = 160, seed: int = 0) -> bytes:
    """Return the bytes of a made scan in one of the formats of `SUFFIXES`."""
    bgr = np.ascontiguousarray(colour(height, width, seed)[:, :, ::-1])
    plain = grey(height, width, seed)
    raw = counts(height, width, seed)
    if name == "tiff dual":
        return tiff_bytes([raw[:, :, 0], raw[:, :, 1]])
    if name.startswith("npy"):
        arrays: dict[str, npt.NDArray[Any]] = {
            "npy": colour(height, width, seed),
            "npy counts": raw,
            "npy transmission": transmission(height, width, seed),
        }
        return npy_bytes(arrays[name])
    suffix = SUFFIXES[name]
    quality = {"webp": [cv2.IMWRITE_WEBP_QUALITY, 90], "webp lossless": [cv2.IMWRITE_WEBP_QUALITY, 101]}
    image = raw[:, :, 0] if name.endswith("16") else plain if name.endswith("grey") else bgr
    return bytes(cv2.imencode(suffix, image, quality.get(name, []))[1].tobytes())


def write_scan(folder: Path, name: str = "jpeg", height: int = 120, width: int = 160, seed: int = 0) -> Path:
    """Write a made scan into `folder` and return its path."""
    path = folder / f"{name.replace(' ', '-')}-{seed}{SUFFIXES[name]}"
    path.write_bytes(encoded(name, height, width, seed))
    return path


def write_scans(
    folder: Path, amount: int, name: str = "jpeg", height: int = 120, width: int = 160
) -> list[Path]:
    """Write `amount` different scans of one format."""
    folder.mkdir(parents=True, exist_ok=True)
    return [write_scan(folder, name, height, width, seed) for seed in range(amount)]


def broken_files(folder: Path) -> list[Path]:
    """Write files that cannot be read as scans, one for each common way of being broken; return their "
    "paths."""
    folder.mkdir(parents=True, exist_ok=True)
    jpeg, png = encoded("jpeg"), encoded("png")
    contents = {
        "empty.jpg": b"",
        "truncated.jpg": jpeg[: len(jpeg) // 2],
        "truncated.png": png[: len(png) // 2],
        "text.png": b"this is no picture\n",
        "bomb.png": png_bytes(60_000, 60_000, rows=b""),
        "zeros.tif": bytes(1000),
        "pickled.npy": npy_bytes(np.array([{"a": 1}], dtype=object), allow_pickle=True),
    }
    paths = []
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        paths.append(folder / name)
    return paths


def npy_bytes(array: npt.NDArray[Any], *, allow_pickle: bool = False) -> bytes:
    """Return an array as a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    """Return a PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_bytes(
    width: int, height: int, rows: bytes, *, bits: int = 8, colour_type: int = 0, extra: Iterable[bytes] = ()
) -> bytes:
    """Return a PNG of given header.

    Args:
        width: as the header says.
        height: as the header says.
        rows: unpacked image data, a filter byte before each row; need not be as long as the header asks for.
        bits: of a sample.
        colour_type: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
        extra: whole chunks before the image data.
    """
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    chunks = [png_chunk(b"IHDR", header), *extra, png_chunk(b"IDAT", zlib.compress(rows))]
    chunks.append(png_chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png_rows(pixels: npt.NDArray[Any]) -> bytes:
    """Return the unpacked image data of an array (H, W) or (H, W, C), unfiltered, big-endian."""
    big = pixels.astype(pixels.dtype.newbyteorder(">"))
    return b"".join(b"\0" + row.tobytes() for row in big)


def tiff_bytes(
    pages: list[npt.NDArray[Any]],
    *,
    order: str = "<",
    deflate: bool = False,
    photometric: int | None = None,
    tags: dict[int, tuple[int, list[int]]] | None = None,
    page_tags: list[dict[int, tuple[int, list[int]]]] | None = None,
) -> bytes:
    """Return a TIFF of given pages, each one strip.

    Args:
        pages: arrays (H, W) or (H, W, C).
        order: `<` little endian, `>` big endian.
        deflate: whether strips are compressed.
        photometric: 0 white is zero, 1 black is zero, 2 RGB; by the channels when None.
        tags: further or replaced tags of every page as {tag: (3 short or 4 long, values)}.
        page_tags: the same page by page.
    """
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    link = 4
    for index, page in enumerate(pages):
        samples = 1 if page.ndim == 2 else page.shape[2]
        strip = page.astype(page.dtype.newbyteorder(order)).tobytes()
        strip = zlib.compress(strip) if deflate else strip
        offset = len(out)
        out += strip + bytes(len(strip) % 2)
        shown = photometric if photometric is not None else (2 if samples >= 3 else 1)
        entries: dict[int, tuple[int, list[int]]] = {
            256: (4, [page.shape[1]]),
            257: (4, [page.shape[0]]),
            258: (3, [page.dtype.itemsize * 8] * samples),
            259: (3, [8 if deflate else 1]),
            262: (3, [shown]),
            273: (4, [offset]),
            277: (3, [samples]),
            278: (4, [page.shape[0]]),
            279: (4, [len(strip)]),
            **({338: (3, [2])} if samples in (2, 4) else {}),
            **(tags or {}),
            **(page_tags[index] if page_tags else {}),
        }
        struct.pack_into(order + "I", out, link, len(out))
        link = _append_directory(out, entries, order)
    return bytes(out)


def _append_directory(out: bytearray, entries: dict[int, tuple[int, list[int]]], order: str) -> int:
    """Append a directory and its long values; return where the link to the next one lies."""
    start = len(out)
    link = start + 2 + 12 * len(entries)
    out += bytes(link + 4 - start)
    struct.pack_into(order + "H", out, start, len(entries))
    for index, (tag, (kind, values)) in enumerate(sorted(entries.items())):
        packed = struct.pack(order + {3: "H", 4: "I"}[kind] * len(values), *values)
        at = start + 2 + 12 * index
        struct.pack_into(order + "HHI", out, at, tag, kind, len(values))
        if len(packed) <= 4:
            out[at + 8 : at + 8 + len(packed)] = packed
        else:
            struct.pack_into(order + "I", out, at + 8, len(out))
            out += packed
    return link
