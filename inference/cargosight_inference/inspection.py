"""The inspection: everything that was said about one scan, and with which model, threshold and precision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from cargosight_inference.below import Below
from cargosight_inference.findings import Findings
from cargosight_inference.scans.position import Position, place_along
from cargosight_inference.scans.scan import Kind, Subject

if TYPE_CHECKING:
    from cargosight_inference.declared import Declared

Box = tuple[float, float, float, float]
Decision = Literal["clear", "refer", "unreadable"]
STAGES = ("read", "preprocess", "session", "decode", "total")
SCHEMA = 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Inspection:
    """The result for one input; every input gives exactly one, also a broken file.

    Attributes:
        path: of the input, None for a scan made in memory.
        sha256: of the file's bytes (64 hex digits); None when the file could not even be read as bytes.
        width: of the scan in pixels, 0 when unreadable.
        height: of the scan in pixels, 0 when unreadable.
        kind: what the scan's numbers are, None when unreadable.
        subject: what was scanned.
        decision: `clear`, `refer` (to secondary inspection) or `unreadable` (the file itself).
        reasons: why it is referred, one short phrase each; empty when clear; the error when unreadable.
        findings: at or above the thresholds, in scan pixels.
        timings_ms: work on this scan by stage, of `STAGES`; waiting in queues is not counted.
        model: name of the model.
        fingerprint: SHA-256 of the model file.
        operating_point: name of the operating point, or the thresholds given by hand in words.
        thresholds: by class name, in [0, 1].
        precision: of the model's arithmetic.
        assumptions: what had to be assumed, one sentence each.
        error: why the file is unreadable, None otherwise.
        anomaly_map: float32 (h, w) over the scan, None from a model without one.
        opaque_fraction: share of the load that could not be penetrated, in [0, 1]; None when not computed.
        load_state: `empty`, `loaded` or `unsure` of a cargo scan, None of any other.
        load_chance: of a load, in [0, 1]; None where it is not told.
        cargo_box: x1, y1, x2, y2 of the cargo box in scan pixels; None of a scan that is not of cargo, and where none
            was found.
        container_length_m: of the container that the box seems to be, in metres; None where that cannot be told.
        opaque_regions: boxes x1, y1, x2, y2 in scan pixels of what could not be penetrated in the cargo box, the
            largest first; none of a scan that is not of cargo.
        opaque_cells: bool (h, w), the same as blocks of the scan; None of a scan that is not of cargo. Blocks are
            squares of H // h pixels.
        materials: share of the cargo box by class of material, read piece by piece; None of less than two energies.
        material_map: uint8 (h, w), the class of each block, by position in `materials`; None with them.
        declared: how the scan compares with what was declared, None where nothing was.
        embedding: float32 (D,) of length 1, what the scan looks like as a whole; None from a model without one.
        decode_scale: decoded pixels per pixel of the file along a side, in (0, 1]: below 1 where a JPEG was decoded at
            reduced size for the network. Boxes and sizes are in pixels of the file all the same.
        provider: that ran the network, of `providers.PROVIDERS`.
        below: known items below the thresholds, which decide nothing; None where the inspector was not asked for them.
    """

    path: str | None
    sha256: str | None
    width: int
    height: int
    kind: Kind | None
    subject: Subject
    decision: Decision
    reasons: tuple[str, ...]
    findings: Findings
    timings_ms: Mapping[str, float]
    model: str
    fingerprint: str
    operating_point: str
    thresholds: Mapping[str, float]
    precision: str
    assumptions: tuple[str, ...] = ()
    error: str | None = None
    anomaly_map: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    opaque_fraction: float | None = None
    load_state: str | None = None
    load_chance: float | None = None
    cargo_box: Box | None = None
    container_length_m: float | None = None
    opaque_regions: tuple[Box, ...] = ()
    opaque_cells: npt.NDArray[np.bool_] | None = field(default=None, repr=False)
    materials: Mapping[str, float] | None = None
    material_map: npt.NDArray[np.uint8] | None = field(default=None, repr=False)
    declared: "Declared | None" = None
    embedding: npt.NDArray[np.float32] | None = field(default=None, repr=False)
    decode_scale: float = 1.0
    provider: str = "cpu"
    below: Below | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.decision not in get_args(Decision):
            raise ValueError(
                f"a decision is {self.decision!r}; expected one of {', '.join(get_args(Decision))}"
            )
        if (self.decision == "unreadable") != (self.error is not None):
            raise ValueError(
                f"the decision is {self.decision} with the error {self.error!r}; an unreadable scan has an "
                "error, any other has none"
            )
        held = len(self.findings) + (0 if self.below is None else len(self.below.findings))
        if self.error is not None and held:
            raise ValueError(f"an unreadable scan has {held} findings; expected none")
        if self.error is None and (self.width < 1 or self.height < 1 or self.kind is None):
            raise ValueError(
                f"a read scan is {self.width} x {self.height} {self.kind}; expected a size and a kind"
            )
        if self.decision == "refer" and not self.reasons:
            raise ValueError("a referred scan has no reasons; expected at least one")
        if self.decision == "clear" and self.reasons:
            raise ValueError(f"a clear scan has the reasons {self.reasons}; expected none")
        unknown = set(self.timings_ms) - set(STAGES)
        if unknown:
            raise ValueError(f"timings of {sorted(unknown)}; expected stages of {', '.join(STAGES)}")

    @property
    def positions(self) -> tuple[Position, ...] | None:
        """Where the middle of each finding lies along the container; None where no cargo box was found."""
        return self._positions_of(self.findings)

    def _positions_of(self, findings: Findings) -> tuple[Position, ...] | None:
        if self.cargo_box is None:
            return None
        middles = (0.5 * (findings.boxes[:, 0] + findings.boxes[:, 2])).tolist()
        return tuple(place_along(self.cargo_box, x, self.container_length_m) for x in middles)

    def to_dict(self) -> dict[str, Any]:
        """Return the inspection as JSON-ready values.

        Every attribute stands under its own name, but for those that are images and the embedding.
        `schema` is 1; `findings` is a list by falling score of `{"label", "kind": "item" | "anomaly" | "dense" |
        "declared", "score", "box"}` with the box as [x1, y1, x2, y2] in scan pixels from the upper left corner, x to
        the right and y downwards. Findings of a cargo scan have `"position"`, too: `{"share", "metres"}` along the
        container from its left end in the scan, `metres` null where its length is not known, and null as a whole where
        no cargo box was found.

        Where the inspector was asked for what lies below the thresholds, `below_threshold` lists it in the same form,
        and `below_floor` is the score from which on all of it is there; else there are no such keys.
        """
        document = {
            "schema": SCHEMA,
            "path": self.path,
            "sha256": self.sha256,
            "width": self.width,
            "height": self.height,
            "kind": self.kind,
            "decode_scale": self.decode_scale,
            "subject": self.subject,
            "decision": self.decision,
            "reasons": list(self.reasons),
            "findings": self._rows(self.findings),
            "opaque_fraction": self.opaque_fraction,
            "load_state": self.load_state,
            "load_chance": self.load_chance,
            "opaque_regions": [_rounded(box) for box in self.opaque_regions],
            "materials": None
            if self.materials is None
            else {name: round(share, 4) for name, share in self.materials.items()},
            "cargo_box": None if self.cargo_box is None else _rounded(self.cargo_box),
            "container_length_m": self.container_length_m,
            "declared": None if self.declared is None else self.declared.to_dict(),
            "model": self.model,
            "fingerprint": self.fingerprint,
            "precision": self.precision,
            "provider": self.provider,
            "operating_point": self.operating_point,
            "thresholds": dict(self.thresholds),
            "assumptions": list(self.assumptions),
            "error": self.error,
            "timings_ms": {stage: round(value, 3) for stage, value in self.timings_ms.items()},
        }
        if self.below is not None:
            document["below_threshold"] = self._rows(self.below.findings)
            document["below_floor"] = round(self.below.floor, 6)
        return document

    def _rows(self, findings: Findings) -> list[dict[str, Any]]:
        rows = list(findings.rows())
        if self.subject != "cargo":
            return rows
        positions = self._positions_of(findings)
        for number, row in enumerate(rows):
            row["position"] = None if positions is None else positions[number].to_dict()
        return rows


def _rounded(box: Box) -> list[float]:
    return [round(edge, 1) for edge in box]
