"""Engines: a model with all that decides what it says of a scan, as a value that is stored and compared."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from cargosight_inference.scans.readers import ReadOptions
from cargosight_inference.scans.scan import Polarity, Subject
from cargosight_inference.service.sentences import without_folders
from cargosight_models.errors import CargosightError, EngineError, UsageError

if TYPE_CHECKING:
    from cargosight_inference.inspector import Inspector

KEEP_BELOW = 0.05
"""Score from which on inspections hold what lies below the thresholds, for the console's slider. It is no part of an
engine: it changes nothing of what one finds and decides."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What inspects the scans of a lane. Equal engines say the same of the same scan.

    Attributes:
        subject: `baggage` or `cargo`.
        model: catalog name, or the path of an `.onnx` file.
        operating_point: name of one of the model's, its default when None.
        threshold: in [0, 1], one for all classes in place of an operating point.
        policy: path of the YAML of which findings refer, all of them when None.
        max_pixels: larger files are refused before they are decoded.
        air_level: counts in air of raw 16-bit scans, None to find it in each.
        polarity: whether air is bright or dark, None to find it out.
        pixel_pitch_mm: (x, y) size of a pixel at the load, None where it is not known.
        correct: whether stripes in scans of cargo are mended.
        threads: of the network, inside one operator.
    """

    subject: Subject
    model: str
    operating_point: str | None = None
    threshold: float | None = None
    policy: str | None = None
    max_pixels: int = ReadOptions.max_pixels
    air_level: float | None = None
    polarity: Polarity | None = None
    pixel_pitch_mm: tuple[float, float] | None = None
    correct: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        if self.subject not in ("baggage", "cargo"):
            raise UsageError(
                f"the subject of an engine is {self.subject!r}; expected baggage or cargo, since nothing is guessed"
            )
        if not self.model:
            raise UsageError("an engine has no model; expected a catalog name or the path of an .onnx file")
        if self.threshold is not None and self.operating_point is not None:
            raise UsageError(
                f"both the operating point {self.operating_point} and a threshold are given; choose one of them"
            )
        if self.threshold is not None and not (
            math.isfinite(self.threshold) and 0.0 <= self.threshold <= 1.0
        ):
            raise UsageError(f"the threshold is {self.threshold}; expected one in [0, 1]")
        if self.threads < 1:
            raise UsageError(f"an engine of {self.threads} threads; expected 1 or more")
        self.read_options  # noqa: B018 - it checks the rest

    @property
    def read_options(self) -> ReadOptions:
        """How the engine reads files."""
        return ReadOptions(
            subject=self.subject,
            max_pixels=self.max_pixels,
            air_level=self.air_level,
            polarity=self.polarity,
            pixel_pitch_mm=self.pixel_pitch_mm,
        )

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, no spaces, so that equal engines give equal text."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Engine":
        """Return what `to_json` wrote.

        Raises:
            EngineError: it is no JSON object, or a key is missing, unknown, or has a value that no engine has.
        """
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise EngineError(
                f"a stored engine is no JSON ({error}); choose the lane's model again"
            ) from error
        names = {entry.name for entry in fields(cls)}
        if not isinstance(found, dict) or set(found) != names:
            keys = sorted(found) if isinstance(found, dict) else type(found).__name__
            raise EngineError(
                f"a stored engine has {keys}; expected {', '.join(sorted(names))}: choose the lane's model again"
            )
        pitch = found["pixel_pitch_mm"]
        try:
            return cls(**{**found, "pixel_pitch_mm": None if pitch is None else tuple(pitch)})
        except (UsageError, TypeError) as error:
            raise EngineError(f"a stored engine is none ({error}); choose the lane's model again") from error


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """What an engine turned out to be when it was loaded.

    Attributes:
        model: name in the model's contract.
        fingerprint: SHA-256 of the model file.
        operating_point: name of the point, or the thresholds given by hand in words.
        thresholds: by class name, in [0, 1].
        precision: of the model's arithmetic.
        classes: that the model finds, in its order.
        policy: which findings refer, by the names in the policy's file.
        golden: of the check: `scan` (its name), `decision`, `findings` (how many) and `ms` (of one inspection). Not
            compared: times differ.
    """

    model: str
    fingerprint: str
    operating_point: str
    thresholds: Mapping[str, float]
    precision: str
    classes: tuple[str, ...]
    policy: Mapping[str, Any]
    golden: Mapping[str, Any] = field(compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the facts as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "EngineFacts":
        """Return what `to_dict` gave, also after JSON."""
        return cls(**{**found, "classes": tuple(found["classes"])})


def open_inspector(engine: Engine) -> "Inspector":
    """Load an engine's model into this process.

    Raises:
        EngineError: the model, its operating point, its threshold or its policy is not to be had; the sentence says
            why, without naming folders.
    """
    # The service itself holds engines as values, and loads no ONNX Runtime.
    from cargosight_inference.inspector import Inspector
    from cargosight_inference.policy import Policy
    from cargosight_inference.session import ThreadPolicy

    try:
        return Inspector(
            engine.model,
            subject=engine.subject,
            operating_point=engine.operating_point,
            threshold=engine.threshold,
            threads=ThreadPolicy(intra_op=engine.threads),
            policy=None if engine.policy is None else Policy.read(engine.policy),
            max_pixels=engine.max_pixels,
            air_level=engine.air_level,
            polarity=engine.polarity,
            pixel_pitch_mm=engine.pixel_pitch_mm,
            correct=engine.correct,
            keep_below=KEEP_BELOW,
        )
    except CargosightError as error:
        raise EngineError(without_folders(str(error), *known_paths(engine))) from error
    except MemoryError as error:
        raise EngineError(
            f"there is not enough memory to load the model {engine.model}; give workers more, or fewer of them"
        ) from error


def facts_of(inspector: "Inspector", golden: Mapping[str, Any]) -> EngineFacts:
    """Return the facts of an engine that was loaded and checked."""
    policy = asdict(inspector.policy)
    classes = policy["refer_classes"]
    return EngineFacts(
        model=inspector.contract.name,
        fingerprint=inspector.fingerprint,
        operating_point=inspector.operating_point,
        thresholds=dict(inspector.thresholds),
        precision=inspector.precision,
        classes=inspector.contract.classes,
        policy={**policy, "refer_classes": "all" if classes is None else list(classes)},
        golden=dict(golden),
    )


def known_paths(engine: Engine) -> tuple[str | None, ...]:
    """Return the files whose folders an engine's errors may name."""
    from cargosight_models.catalog import BUNDLED, cache_folder

    named = engine.model.removesuffix(".onnx")
    inside = [str(root / named / f"{named}.onnx") for root in (BUNDLED, cache_folder())]
    return (engine.model, engine.policy, *inside)
