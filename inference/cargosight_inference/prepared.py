"""An input that was read and preprocessed, on its way to the network."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cargosight_inference.preprocess import NetworkInput
from cargosight_inference.scans.scan import Kind, Scan

if TYPE_CHECKING:
    from cargosight_inference.cargo_reading import CargoReading


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
        scan: the scan itself, at full size, where it was asked to be kept.
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
