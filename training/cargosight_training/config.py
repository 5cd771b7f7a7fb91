"""The typed configuration of a training run, read from one YAML file and ``key=value`` overrides."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cargosight_models.errors import ConfigurationError, nearest_spelling

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Part(BaseModel):
    """Unknown keys are refused, values never change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class DataFile(_Part):
    """One COCO file of a run."""

    file: Path
    images: Path | None = None
    """Folder of the pictures; default: ``images`` beside the file, or the file's own folder."""
    simulated: bool = False
    """Declared in the model's card; never part of a figure on real scans."""


class DataConfig(_Part):
    """What is read, and how often each scan is drawn."""

    train: tuple[DataFile, ...]
    val: tuple[DataFile, ...] = ()
    classes: tuple[str, ...] = ()
    """Default: the classes of the first training file."""
    without: tuple[str, ...] = ()
    """Groups left out of training: ``source`` or ``source/scanner``."""
    terms: dict[str, str] = Field(default_factory=dict)
    """Terms of each source, for the model's contract and card."""
    cache: Path = Path("runs/cache")
    cache_pixels: Annotated[int, Field(ge=64)] = 512
    """Longest side of the cached pictures."""
    balance: Share = 0.5
    """0 draws every scan alike, 1 draws scans of rare classes in inverse proportion to their count."""
    empty_weight: Annotated[float, Field(ge=0.0)] = 0.5
    """Weight of a scan without a box beside one of the commonest class."""


class ModelConfig(_Part):
    """Layers of the detector (see ``cargosight_models.networks``)."""

    backbone: str = "lite0"
    pretrained: bool = True
    channels: int = 64
    head_depth: int = 2
    separable: bool = False
    weights: Path | None = None
    """Start from these weights (a checkpoint or exported half-precision weights) instead."""


class AugmentConfig(_Part):
    """How strongly training scans are varied; every value a probability or a range."""

    enabled: bool = True
    mosaic: Share = 0.5
    flip: Share = 0.5
    quarter_turn: Share = 0.5
    angle: Annotated[float, Field(ge=0.0, le=45.0)] = 10.0
    """Largest further rotation in degrees."""
    scale: tuple[float, float] = (0.6, 1.5)
    look: Share = 0.8
    """Change of colour rendering: gamma, colour mixing, contrast, tint."""
    grey: Share = 0.15
    background: Share = 0.3
    border: Share = 0.15
    quality: Share = 0.3
    """JPEG artefacts, blur, noise, lower resolution."""
    project: Share = 0.3
    """Multiplicative projection of cut-out items."""


class PhaseConfig(_Part):
    """A stretch of the run with its own image size and frozen stages."""

    steps: Annotated[int, Field(ge=1)]
    size: Annotated[int, Field(ge=64, multiple_of=32)]
    frozen_stages: Annotated[int, Field(ge=0)] = 0
    frozen_depthwise: bool = True
    strength: Share = 1.0
    """Scales the augmentation's probabilities: a curriculum."""


class OptimiserConfig(_Part):
    """AdamW with linear warm-up and cosine decay over all phases."""

    batch: Annotated[int, Field(ge=1)] = 16
    lr: Annotated[float, Field(gt=0.0)] = 1e-3
    lr_end: Share = 0.02
    """Last learning rate as a share of ``lr``."""
    backbone_lr: Share = 0.1
    """Learning rate of the backbone as a share of ``lr``."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.02
    warm_up: Annotated[int, Field(ge=0)] = 300
    clip: Annotated[float, Field(gt=0.0)] = 10.0
    ema_decay: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9995


class MachineConfig(_Part):
    """Where and how the arithmetic is done."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["fp32", "bf16", "fp16"] = "bf16"
    threads: Annotated[int, Field(ge=0)] = 0
    """Torch threads; 0 leaves torch's own choice."""
    workers: Annotated[int, Field(ge=0)] = 1
    """Loader processes."""


class ExportConfig(_Part):
    """Input shapes and suppression settings written into the ONNX file."""

    shapes: tuple[tuple[int, int], ...] = ((416, 416),)
    suppression_iou: Share = 0.6
    score_floor: Share = 0.001
    max_findings: Annotated[int, Field(ge=1)] = 100
    candidates: Annotated[int, Field(ge=1)] = 300


class LogConfig(_Part):
    """What the run writes as it goes."""

    every: Annotated[int, Field(ge=1)] = 20
    """Steps between rows of the log."""
    checkpoint_every: Annotated[int, Field(ge=1)] = 200
    evaluate_every: Annotated[int, Field(ge=0)] = 1000
    """Steps between evaluations of the exported average weights; 0: only at the end."""
    sheet: Annotated[int, Field(ge=0)] = 12
    """Validation scans on the picture sheet."""
    tensorboard: bool = False


class TrainConfig(_Part):
    """A whole run; an experiment file names only what differs from these defaults."""

    name: str
    out: Path
    seed: int = 0
    subject: Literal["baggage", "cargo"] = "baggage"
    kinds: tuple[Literal["pseudocolour", "display_grey", "transmission"], ...] = (
        "pseudocolour",
        "display_grey",
        "transmission",
    )
    data: DataConfig
    model: ModelConfig = ModelConfig()
    augment: AugmentConfig = AugmentConfig()
    phases: Annotated[tuple[PhaseConfig, ...], Field(min_length=1)]
    optimiser: OptimiserConfig = OptimiserConfig()
    machine: MachineConfig = MachineConfig()
    export: ExportConfig = ExportConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _pretrained_needs_a_backbone_with_weights(self) -> "TrainConfig":
        if self.model.pretrained and self.model.backbone.startswith("csp-"):
            raise ValueError(
                f"model.backbone {self.model.backbone} has no pretrained weights: set model.pretrained=false"
            )
        return self

    @property
    def total_steps(self) -> int:
        """Steps over all phases."""
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> PhaseConfig:
        """The phase that ``step`` (from 0) belongs to; the last one for any later step."""
        for phase in self.phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        return self.phases[-1]


def load_config(path: Path, overrides: list[str] | None = None) -> TrainConfig:
    """Read a YAML experiment and apply ``key.sub=value`` overrides (values are YAML).

    Relative paths in the file are taken from the working directory, as those on the command line are.

    Raises:
        ConfigurationError: the file cannot be read, a key is unknown (the nearest spelling is named) or a value
            is out of range.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read the configuration {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{path} holds {type(raw).__name__}, expected a mapping of settings")
    for override in overrides or []:
        _apply(raw, override)
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: " + "; ".join(_sentence(e) for e in error.errors())) from error


def _apply(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigurationError(
            f"override {override!r} is not of the form key=value, such as optimiser.lr=0.001"
        )
    *parents, last = key.split(".")
    place: Any = raw
    for name in parents:
        place = place.setdefault(name, {}) if isinstance(place, dict) else _item(place, name, key)
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"the value of override {override!r} is not valid YAML") from error
    if isinstance(place, dict):
        place[last] = value
    else:
        _item(place, last, key)
        place[int(last)] = value


def _item(place: Any, name: str, key: str) -> Any:
    if not isinstance(place, list) or not name.isdigit() or int(name) >= len(place):
        raise ConfigurationError(f"override {key}: {name!r} is no place in {place!r}")
    return place[int(name)]


def _sentence(error: Any) -> str:
    """One pydantic error as a sentence; an unknown key is answered with the nearest known one."""
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"{where or 'settings'}: {error['msg']} (found {error['input']!r})"
    part: Any = TrainConfig
    for name in error["loc"][:-1]:
        if isinstance(name, str):
            part = _part_of(part.model_fields[name].annotation)
    known = list(part.model_fields)
    return (
        f"unknown key {where!r}{nearest_spelling(str(error['loc'][-1]), known)}; known are {', '.join(known)}"
    )


def _part_of(annotation: Any) -> Any:
    """The settings class inside an annotation such as ``tuple[PhaseConfig, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, _Part):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _part_of(inner)
        if found is not None:
            return found
    return None
