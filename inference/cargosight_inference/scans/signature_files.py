"""Threat signatures as files: `.npz` archives of plain arrays, read and written without pickle.

name        text, what the thing is
pitch_mm    one number, the side of a pixel in mm
MATERIAL    float32 or float64 (h, w), areal density in g/cm2, under each material's name in `attenuation.MATERIALS`
"""

import io
import math
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cargosight_inference.scans.attenuation import MATERIALS, Material
from cargosight_inference.scans.beams import Plane
from cargosight_inference.scans.npy import npy_array, npy_header
from cargosight_inference.scans.projection import Signature
from cargosight_models.errors import ScanError, UsageError, nearest_spelling

MOST_PIXELS = 16_000_000
"""Of a signature: 20 m by 12 m at 4 mm a pixel."""
MOST_DENSITY = 5000.0
"""g/cm2, 2.6 m of uranium."""
SUFFIX = ".npz"

_NAME, _PITCH = "name", "pitch_mm"
_MOST_BYTES = MOST_PIXELS * 8 * 2 + (1 << 20)  # a float64 array twice over, or more of smaller ones
_MOST_TEXT = 10_000  # bytes of the two small arrays
_LEAST_PITCH, _MOST_PITCH = 0.05, 100.0  # mm


def write_signature(path: Path, signature: Signature, *, force: bool = False) -> None:
    """Write a signature; the file appears whole or not at all.

    Raises:
        UsageError: the file exists and `force` is not given, its name does not end in .npz, or a material is not one of
            `MATERIALS`, by which it would be found again.
    """
    if path.suffix != SUFFIX:
        raise UsageError(f"{path} ends in {path.suffix!r}; expected {SUFFIX}")
    if path.exists() and not force:
        raise UsageError(f"{path} exists already; name another file, or ask for it to be replaced")
    strange = [found.name for found in signature.loads if MATERIALS.get(found.name) != found]
    if strange:
        raise UsageError(
            f"{signature.name!r} holds {', '.join(strange)}; expected only {', '.join(MATERIALS)}"
        )
    arrays: dict[str, Any] = {found.name: load for found, load in signature.loads.items()}
    arrays |= {_NAME: np.array(signature.name), _PITCH: np.array(float(signature.pitch_mm))}
    held = io.BytesIO()
    np.savez_compressed(held, allow_pickle=False, **arrays)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(held.getvalue())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_signature(path: Path) -> Signature:
    """Read a signature.

    Raises:
        ScanError: the file is missing, damaged, too large, or holds something other than a signature.
    """
    try:
        members = _members(path)
    except FileNotFoundError as error:
        raise ScanError(f"{path}: there is no such file; check the path") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ScanError(f"{path}: damaged, or no .npz archive ({error}); expected a signature") from error
    except OSError as error:
        raise ScanError(
            f"{path} cannot be read ({error.strerror}); check its permissions and the disk"
        ) from error
    try:
        return _signature(members)
    except ScanError as error:
        raise ScanError(f"{path}: {error}") from error


def _members(path: Path) -> dict[str, bytes]:
    """Return the bytes of each array, the archive's own word on their size checked first."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        total = sum(entry.file_size for entry in entries)
        if total > _MOST_BYTES or len(entries) > len(MATERIALS) + 2:
            raise ScanError(
                f"{path} has {len(entries)} arrays of {total:,} bytes; expected at most {len(MATERIALS) + 2} of "
                f"{_MOST_BYTES:,}; cut the signature to where the thing is"
            )
        return {entry.filename.removesuffix(".npy"): archive.read(entry) for entry in entries}


def _signature(members: Mapping[str, bytes]) -> Signature:
    missing = [name for name in (_NAME, _PITCH) if name not in members]
    names = [name for name in members if name not in (_NAME, _PITCH)]
    if missing or not names:
        raise ScanError(
            f"the archive holds {', '.join(members) or 'nothing'}; expected `name`, `pitch_mm` and an array for each "
            "material; write it with write_signature"
        )
    pitch = float(str(_small(members[_PITCH], "fiu", f"{_PITCH}: one number")))
    text = str(_small(members[_NAME], "U", f"{_NAME}: one text"))
    if not _LEAST_PITCH <= pitch <= _MOST_PITCH:  # also false for NaN
        raise ScanError(f"the pitch is {pitch:g} mm; expected {_LEAST_PITCH:g} to {_MOST_PITCH:g}")
    if not text.strip() or not text.isprintable():
        raise ScanError(f"the name is {text!r}; expected a few printable letters")
    loads = {_material(name): _load(name, members[name]) for name in names}
    shapes = {name: load.shape for name, load in zip(names, loads.values(), strict=True)}
    if len(set(shapes.values())) > 1:
        raise ScanError(f"the arrays have the shapes {shapes}; expected one (h, w) for all materials")
    return Signature(text, loads, pitch)


def _material(name: str) -> Material:
    if name not in MATERIALS:
        raise ScanError(
            f"the material {name!r} is not known{nearest_spelling(name, tuple(MATERIALS))}; there are "
            f"{', '.join(MATERIALS)}"
        )
    return MATERIALS[name]


def _load(name: str, data: bytes) -> Plane:
    if not data.startswith(np.lib.format.MAGIC_PREFIX):
        raise ScanError(f"the entry {name!r} is no array; write it with write_signature")
    try:
        header = npy_header(data)
    except ScanError as error:
        raise ScanError(f"{name!r} is no float32 (h, w) in g/cm2: {error}") from error
    if header.dtype.kind != "f" or len(header.shape) != 2:
        raise ScanError(f"{name!r} is {header.dtype.name} {header.shape}; expected float32 (h, w) in g/cm2")
    if math.prod(header.shape) > MOST_PIXELS:
        raise ScanError(f"{name!r} has {math.prod(header.shape):,} pixels; expected at most {MOST_PIXELS:,}")
    load = npy_array(data, header)
    low, high = float(load.min()), float(load.max())
    if not (low >= 0.0 and high <= MOST_DENSITY):  # also false for NaN
        raise ScanError(
            f"the areal density of {name!r} spans {low:g} to {high:g} g/cm2; expected finite numbers from 0 to "
            f"{MOST_DENSITY:g}"
        )
    return load.astype(np.float32)


def _small(data: bytes, kinds: str, wanted: str) -> object:
    """Return the one value of a small array; `kinds` are the dtype kinds that it may have."""
    stream = io.BytesIO(data[:_MOST_TEXT])
    try:
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"format version {version}")
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        if shape != () or dtype.kind not in kinds:
            raise ValueError(f"{dtype} of shape {shape}")
        value: object = np.frombuffer(stream.read(), dtype, 1)[0].item()
    except (ValueError, TypeError) as error:
        raise ScanError(f"an entry cannot be read ({error}); expected {wanted}") from error
    return value
