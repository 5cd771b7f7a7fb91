"""The typed configuration of a training run; `config_files` reads it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Side = Annotated[int, Field(ge=32, multiple_of=32)]
"""Of a network's input in pixels; 32 is the coarsest stride."""


class _Part(BaseModel):
    """Unknown keys are refused, and so are numbers that are none; values never change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


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
    """Folder of the cached pictures; it may be emptied whenever no run uses it."""
    cache_pixels: Annotated[int, Field(ge=64, multiple_of=32)] = 512
    """Longest side of the cached pictures."""
    balance: Share = 0.5
    """0 draws every scan alike, 1 draws scans of rare classes in inverse proportion to their count."""
    empty_weight: Annotated[float, Field(ge=0.0)] = 0.5
    """Weight of a scan without a box beside one of the commonest class."""
    weights: dict[str, Annotated[float, Field(gt=0.0, le=1e6)]] = Field(default_factory=dict)
    """How much more often the scans of a group (``source`` or ``source/scanner``) are drawn than they would be."""


class ModelConfig(_Part):
    """Layers of the detector (see ``cargosight_models.networks``)."""

    backbone: str = "lite0"
    pretrained: bool = True
    channels: int = 64
    head_depth: int = 2
    separable: bool = False
    colour: Literal["rgb", "radiograph"] = "rgb"
    """What the three input channels are; radiographs are read at their own scale and never in colour."""
    anomaly: bool = False
    """Whether the network also maps what is unlike normal cargo; it learns that from `augment.insert`."""
    embedding: bool = False
    """Whether the model file also says what a scan looks like as a whole, for `cargosight gallery`; nothing is learnt
    for it, so that it can be asked for at the export of any weights."""
    weights: Path | None = None
    """Start from these weights (a checkpoint or exported half-precision weights) instead."""


class InsertConfig(_Part):
    """Mean numbers (Poisson) of what is projected into each crop of a radiograph."""

    known: Annotated[float, Field(ge=0.0, le=10.0)] = 0.7
    """Threats of the families among the classes."""
    odd: Annotated[float, Field(ge=0.0, le=10.0)] = 0.5
    """Shapes of no family, which only count as unusual."""
    lookalikes: Annotated[float, Field(ge=0.0, le=10.0)] = 0.4
    """Harmless things, which count as nothing."""
    nothing: Annotated[float, Field(ge=0.0, le=10.0)] = 0.2
    """Projections of no areal density."""
    pitch_mm: tuple[Annotated[float, Field(gt=0.0)], Annotated[float, Field(gt=0.0)]] = (3.5, 7.5)
    """Least and greatest side of a scan's pixel at the load; each variant is built for one between them."""
    variants: Annotated[int, Field(ge=1)] = 60
    """Built of each family."""

    @model_validator(mode="after")
    def _pitch_rises(self) -> "InsertConfig":
        if self.pitch_mm[0] > self.pitch_mm[1]:
            raise ValueError(f"pitch_mm is {list(self.pitch_mm)}; expected the smaller pitch first")
        return self


class AugmentConfig(_Part):
    """How strongly training scans are varied; every value a probability or a range."""

    enabled: bool = True
    mosaic: Share = 0.5
    flip: Share = 0.5
    quarter_turn: Share = 0.5
    angle: Annotated[float, Field(ge=0.0, le=45.0)] = 10.0
    """Largest further rotation in degrees."""
    scale: tuple[Annotated[float, Field(gt=0.0)], Annotated[float, Field(gt=0.0)]] = (0.6, 1.5)
    """Smallest and largest zoom; 1 shows the whole scan as large as it fits."""
    look: Share = 0.8
    """Change of colour rendering: gamma, colour mixing, contrast, tint."""
    grey: Share = 0.15
    background: Share = 0.3
    border: Share = 0.15
    quality: Share = 0.3
    """JPEG artefacts, blur, noise, lower resolution."""
    project: Share = 0.3
    """Multiplicative projection of cut-out items."""
    insert: InsertConfig | None = None
    """Threats projected into radiographs; None for none."""

    @model_validator(mode="after")
    def _scale_rises(self) -> "AugmentConfig":
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"scale is {list(self.scale)}; expected the smaller zoom first")
        return self


class PhaseConfig(_Part):
    """A stretch of the run with its own image size and frozen stages."""

    steps: Annotated[int, Field(ge=1)]
    size: Annotated[int, Field(ge=64, multiple_of=32)]
    """Side of the square training pictures in pixels."""
    frozen_stages: Annotated[int, Field(ge=0)] = 0
    frozen_depthwise: bool = True
    strength: Share = 1.0
    """Scales the probabilities of mosaic, projection and every change of look: a curriculum."""


class LossConfig(_Part):
    """What counts as a mistake."""

    exclusive_items: bool = True
    """An item of one class is of no other: where a location answers for an annotated box, every other class counts as
    absent, also one that the scan's source does not label. Set it to false where items of several classes lie in one
    box; then only what the source labels counts."""
    lookalike_weight: Annotated[float, Field(ge=1.0, le=20.0)] = 1.0
    """What a wrong answer on a look-alike that was projected weighs, beside one on any other background. The loss damps
    background by its own score, so that things which look a little like a threat are hardly ever corrected."""


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
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """`auto` is bf16 where the device computes in it, and fp32 elsewhere: an emulated bf16 takes some fifteen times as
    long."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Torch threads; 0 leaves torch's own choice."""
    workers: Annotated[int, Field(ge=0)] = 1
    """Loader processes."""


class ExportConfig(_Part):
    """Input shapes and suppression settings written into the ONNX file."""

    shapes: Annotated[tuple[tuple[Side, Side], ...], Field(min_length=1)] = ((416, 416),)
    """(height, width) pairs."""
    resize: Literal["letterbox", "tiles"] = "letterbox"
    overlap: Annotated[int, Field(ge=0)] = 0
    """Least number of pixels that neighbouring tiles share."""
    suppression_iou: Share = 0.6
    score_floor: Share = 0.001
    max_per_class: Annotated[int, Field(ge=1)] = 100
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

    name: Annotated[str, Field(min_length=1)]
    """Of the model, as its contract says it."""
    out: Path
    """Folder of the run."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    subject: Literal["baggage", "cargo"] = "baggage"
    kinds: Annotated[
        tuple[Literal["pseudocolour", "display_grey", "transmission"], ...], Field(min_length=1)
    ] = ("pseudocolour", "display_grey", "transmission")
    data: DataConfig
    model: ModelConfig = ModelConfig()
    augment: AugmentConfig = AugmentConfig()
    phases: Annotated[tuple[PhaseConfig, ...], Field(min_length=1)]
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    machine: MachineConfig = MachineConfig()
    export: ExportConfig = ExportConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _kinds_once(self) -> "TrainConfig":
        if len(set(self.kinds)) < len(self.kinds):
            raise ValueError(f"kinds is {list(self.kinds)}; expected each kind once")
        return self

    @model_validator(mode="after")
    def _pretrained_needs_a_backbone_with_weights(self) -> "TrainConfig":
        if self.model.pretrained and self.model.backbone.startswith("csp-"):
            raise ValueError(
                f"model.backbone {self.model.backbone} has no pretrained weights: set model.pretrained=false"
            )
        return self

    @model_validator(mode="after")
    def _radiographs_are_whole(self) -> "TrainConfig":
        radiograph = self.model.colour == "radiograph"
        if radiograph != (self.export.resize == "tiles"):
            raise ValueError(
                f"model.colour is {self.model.colour} and export.resize {self.export.resize}; expected radiograph with "
                "tiles, or rgb with letterbox"
            )
        if (self.model.anomaly or self.augment.insert is not None) and not radiograph:
            raise ValueError(
                "model.anomaly and augment.insert are for radiographs: set model.colour=radiograph"
            )
        if radiograph and not self.augment.enabled:
            raise ValueError("augment.enabled is false; radiographs are trained on in crops, which it makes")
        if self.model.anomaly and self.augment.insert is None:
            raise ValueError(
                "model.anomaly has nothing to learn from: give augment.insert, {} for its defaults"
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
