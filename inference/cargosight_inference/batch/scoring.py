"""How the inputs of a run are inspected: settings that travel to every worker, and the fingerprint they come to."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from cargosight_inference.batch.manifest import Fingerprint
from cargosight_inference.batch.rows import SCHEMA
from cargosight_inference.policy import Policy
from cargosight_inference.providers import CPU, Execution
from cargosight_inference.scans.readers import ReadOptions
from cargosight_inference.scans.scan import Polarity, Subject
from cargosight_models.contract import file_fingerprint
from cargosight_models.errors import UsageError

if TYPE_CHECKING:
    from cargosight_inference.inspector import Inspector


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """The settings of an inspector, JSON-ready. What they come to is checked where the model is loaded.

    Attributes:
        model: catalog name, or the path of an `.onnx` file.
        subject: what is scanned, the model's when None.
        operating_point: name of one of the model's, its default when None.
        threshold: in [0, 1], one for all classes in place of an operating point.
        policy: fields of the `Policy`; what is not named keeps its default.
        max_pixels: larger files are refused before they are decoded.
        air_level: counts in air of raw 16-bit scans, None to find it in each.
        polarity: whether air is bright or dark, None to find it out.
        pixel_pitch_mm: (x, y) size of a pixel at the load, None where it is not known.
        correct: whether stripes in scans of cargo are mended.
        declared_column: column of the tables of inputs that says what was declared of a scan, None where nothing was.
        gallery: path of the reference scans that declarations are compared with, None without one.
        execution: where the network runs and in which arithmetic.
    """

    model: str
    subject: Subject | None = None
    operating_point: str | None = None
    threshold: float | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    max_pixels: int = ReadOptions.max_pixels
    air_level: float | None = None
    polarity: Polarity | None = None
    pixel_pitch_mm: tuple[float, float] | None = None
    correct: bool = False
    declared_column: str | None = None
    gallery: str | None = None
    execution: Execution = CPU

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return asdict(self) | {"policy": dict(self.policy)}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Scoring":
        """Return what `to_dict` gave, also after JSON made lists of tuples."""
        pitch = found["pixel_pitch_mm"]
        return cls(
            **{
                **found,
                "pixel_pitch_mm": None if pitch is None else (float(pitch[0]), float(pitch[1])),
                "execution": Execution(**found["execution"]),
            }
        )

    def inspector(self) -> "Inspector":
        """Load the model, for one thread.

        Raises:
            CargosightError: as `Inspector`.
        """
        from cargosight_inference.inspector import Inspector

        return Inspector(
            self.model,
            subject=self.subject,
            operating_point=self.operating_point,
            threshold=self.threshold,
            policy=Policy(**self.policy),
            max_pixels=self.max_pixels,
            air_level=self.air_level,
            polarity=self.polarity,
            pixel_pitch_mm=self.pixel_pitch_mm,
            correct=self.correct,
            gallery=self.gallery,
            execution=self.execution,
        )

    def fingerprint(self, inspector: "Inspector") -> Fingerprint:
        """Return everything that a row depends on beside its input.

        Args:
            inspector: that `inspector` gave.

        Raises:
            UsageError: declarations are to be compared with scans that are not of cargo.
        """
        if self.declared_column is not None and inspector.subject != "cargo":
            raise UsageError(
                f"what was declared of scans of {inspector.subject} is to be compared; expected a model of cargo"
            )
        policy = asdict(inspector.policy)
        if policy["refer_classes"] is not None:
            policy["refer_classes"] = list(policy["refer_classes"])
        return Fingerprint(
            model=inspector.contract.name,
            model_fingerprint=inspector.fingerprint,
            operating_point=inspector.operating_point,
            thresholds=inspector.thresholds,
            precision=inspector.precision,
            provider=inspector.execution.provider,
            policy=policy,
            air_level=self.air_level,
            polarity=self.polarity,
            pitch=self.pixel_pitch_mm,
            correct=self.correct,
            subject=inspector.subject,
            max_pixels=self.max_pixels,
            code=metadata.version("cargosight"),
            rows=SCHEMA,
            declared_column=self.declared_column,
            gallery=None if self.gallery is None else file_fingerprint(self.gallery),
        )
