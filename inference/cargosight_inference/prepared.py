"""An input that was read and preprocessed, on its way to the network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cargosight_inference.preprocess import NetworkInput
from cargosight_inference.scans.scan import Kind, Scan
from cargosight_models.contract import file_fingerprint

if TYPE_CHECKING:
    from cargosight_inference.cargo_reading import CargoReading

Keep = Literal["nothing", "scan", "whole"]
"""What is kept of an input beside the network's: the scan as decoded, or at full size, as for an overlay."""

_LARGEST_HASHED_FILE = 1 << 30
"""An unreadable file above this size in bytes is identified by its path alone: it is no scan, hashing it
takes long."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Prepared:
    """One input, read and preprocessed, or the reason why that failed.

    Attributes:
        path: of the input, None for a scan made in memory.
        sha256: of the file, None when it could not be read as bytes.
        width: of the scan in pixels, 0 on failure.
        height: of the scan in pixels, 0 on failure.
        kind: of the scan, None on failure.
        assumptions: of the reader and of the preprocessing.
        network_input: None on failure.
        error: a sentence, None when all went well.
        timings_ms: of `read` and `preprocess`.
        scan: the scan itself where it was asked to be kept, as it was asked.
        cargo: what was read of a cargo scan, None of any other.
        decode_scale: decoded pixels per pixel of the file along a side, in (0, 1].
    """

    path: str | None
    sha256: str | None
    width: int = 0
    height: int = 0
    kind: Kind | None = None
    assumptions: tuple[str, ...] = ()
    network_input: NetworkInput | None = None
    error: str | None = None
    timings_ms: Mapping[str, float]
    scan: Scan | None = None
    cargo: "CargoReading | None" = None
    decode_scale: float = 1.0


def hash_if_possible(path: str) -> str | None:
    """Identify a file that is no scan, where it is a file at all."""
    try:
        file = Path(path)
        if file.is_file() and file.stat().st_size <= _LARGEST_HASHED_FILE:
            return file_fingerprint(file)
    except (OSError, ValueError):  # ValueError: a path with a null character
        return None
    return None
