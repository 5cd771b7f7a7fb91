"""NumPy `.npy` files (format versions 1 to 3), read without pickle.

What is read:

    dtype                shape                meaning
    uint8                (H, W)               display grey
    uint8                (H, W, 3)            RGB
    uint16               (H, W), (H, W, 1)    raw counts, one energy
    uint16               (H, W, 2)            raw counts, channel 0 the more penetrating energy
    float32, float64     (H, W), (H, W, 1)    transmission in [0, 1], 1 for air, one energy
    float32, float64     (H, W, 2)            transmission, channel 0 the more penetrating energy

Either byte order, C or Fortran order.
"""

import ast
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cargosight_models.errors import ScanError

_ALLOWED = "uint8 (H, W) or (H, W, 3), uint16 or float32 or float64 (H, W), (H, W, 1) or (H, W, 2)"
_LONGEST_HEADER = 10_000
_DTYPE = re.compile(r"[<>|=]?(u1|u2|f4|f8)")


@dataclass(frozen=True)
class NpyHeader:
    """What the header of a .npy file says, checked against the table above.

    Attributes:
        shape: of the array.
        dtype: of the array, with its byte order.
        fortran: whether the first axis runs fastest.
        start: position of the first byte of the array.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.shape[1]

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.shape[0]


def npy_header(data: bytes) -> NpyHeader:
    """Read the header of a .npy file and check that the array is all there.

    Raises:
        ScanError: truncated, damaged, pickled, or of another shape or dtype than those that are read.
    """
    major = data[6] if len(data) > 6 else 0
    if major not in (1, 2, 3):
        raise ScanError(
            f"the .npy file has format version {major}; expected 1 to 3; save it again with numpy.save"
        )
    width = 2 if major == 1 else 4
    length = int.from_bytes(data[8 : 8 + width], "little")
    start = 8 + width + length
    if start > len(data):
        raise ScanError(
            f"the .npy file is cut off in its header, after {len(data)} bytes; copy the file again"
        )
    shape, dtype, fortran = _parse_header(data[8 + width : start])
    _demand_supported(shape, dtype)
    end = start + math.prod(shape) * dtype.itemsize
    if end > len(data):
        raise ScanError(f"the .npy file is cut off: {len(data):,} bytes of {end:,}; copy the file again")
    if end < len(data):
        raise ScanError(
            f"the .npy file has {len(data) - end:,} bytes behind its array; expected one array; save it again"
        )
    return NpyHeader(shape, dtype, fortran, start)


def npy_array(data: bytes, header: NpyHeader) -> npt.NDArray[Any]:
    """Return the array, in the machine's byte order and C order; it may share memory with `data`."""
    flat = np.frombuffer(data, header.dtype, math.prod(header.shape), header.start)
    array = flat.reshape(header.shape, order="F" if header.fortran else "C")
    return np.ascontiguousarray(array, dtype=header.dtype.newbyteorder("="))


def _parse_header(header: bytes) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    if len(header) > _LONGEST_HEADER:
        raise ScanError(
            f"the .npy file has a header of {len(header):,} bytes; expected a plain array; save it again"
        )
    try:
        found = ast.literal_eval(header.decode("utf-8").strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict) or set(found) != {"descr", "fortran_order", "shape"}:
        raise ScanError("the .npy file has a damaged header; save it again with numpy.save")
    shape, descr, fortran = found["shape"], found["descr"], found["fortran_order"]
    plain = isinstance(shape, tuple) and all(type(side) is int and side >= 0 for side in shape)
    if not plain or not isinstance(fortran, bool):
        raise ScanError(
            "the .npy file has a damaged shape or order in its header; save it again with numpy.save"
        )
    if not isinstance(descr, str) or "O" in descr:
        raise ScanError(
            f"the .npy file holds Python objects or records, which are never loaded; expected {_ALLOWED}; "
            "save a plain numeric array"
        )
    if not _DTYPE.fullmatch(descr):
        raise ScanError(f"the .npy file has the dtype {descr!r}; expected {_ALLOWED}; convert it")
    return shape, np.dtype(descr), fortran


def _demand_supported(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    kind = f"{dtype.kind}{dtype.itemsize}"
    channels = {2: 1, 3: shape[-1] if shape else 0}.get(len(shape), 0)
    fits = (
        (kind == "u1" and (len(shape) == 2 or channels == 3))
        or (kind in ("u2", "f4", "f8") and channels in (1, 2))
    )  # fmt: skip
    if not fits:
        raise ScanError(f"the .npy file holds {dtype.name} {shape}; expected {_ALLOWED}; save it so")
    if 0 in shape:
        raise ScanError(
            f"the .npy file holds an array of shape {shape}; expected at least one pixel; save it again"
        )
