"""The one-stage detector: backbone, feature pyramid, decoupled head, and where asked for a map of the unusual."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from cargosight_models.errors import ConfigurationError
from cargosight_models.networks.backbones import Backbone, Pyramid, build_backbone
from cargosight_models.networks.embedding import pooled
from cargosight_models.networks.head import DecoupledHead, distances_to_boxes, location_grid
from cargosight_models.networks.neck import PathAggregation
from cargosight_models.networks.radiograph import AnomalyHead, RadiographTone


@dataclass(frozen=True)
class DetectorSettings:
    """Everything that fixes a detector's layers; two detectors of equal settings exchange weights."""

    classes: int
    backbone: str = "lite0"
    channels: int = 96
    head_depth: int = 2
    separable: bool = False
    colour: str = "rgb"
    """What the three input channels are, `rgb` or `radiograph` (see the contract)."""
    anomaly: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if self.classes < 1 or self.channels < 8 or self.channels % 8 or self.head_depth < 1:
            raise ConfigurationError(
                f"a detector needs at least one class, channels in multiples of 8 and a head depth of 1 or more, "
                f"found {self.classes} classes, {self.channels} channels, depth {self.head_depth}"
            )
        if self.colour not in ("rgb", "radiograph"):
            raise ConfigurationError(f"a detector reads {self.colour!r}; expected 'rgb' or 'radiograph'")


class Found(NamedTuple):
    """What a detector says of a batch.

    Attributes:
        logits: (N, A, C) class logits of all locations, float32.
        boxes: (N, A, 4) in input pixels, float32.
        anomaly: (N, 1, H / 8, W / 8) logits, float32; None where the network has no map of the unusual.
    """

    logits: Tensor
    boxes: Tensor
    anomaly: Tensor | None


class Detector(nn.Module):
    """Maps images in [0, 1] to class logits and boxes; tone and normalisation are part of the network."""

    mean: Tensor
    std: Tensor

    def __init__(self, settings: DetectorSettings, *, pretrained: bool = False) -> None:
        super().__init__()
        self.settings = settings
        self.backbone = build_backbone(settings.backbone, pretrained=pretrained)
        backbone = cast(Backbone, self.backbone)
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(backbone.std).view(1, 3, 1, 1), persistent=False)
        self.tone = RadiographTone() if settings.colour == "radiograph" else nn.Identity()
        self.neck = PathAggregation(backbone.channels, settings.channels, separable=settings.separable)
        self.head = DecoupledHead(
            settings.channels, settings.classes, depth=settings.head_depth, separable=settings.separable
        )
        self.anomaly = (
            AnomalyHead(settings.channels, separable=settings.separable) if settings.anomaly else None
        )

    def forward(self, image: Tensor) -> Found:
        """(N, 3, H, W) in [0, 1], H and W multiples of 32."""
        maps = self.features(image)
        logits, distances = self.head(maps)
        points, strides = location_grid(image.shape[2], image.shape[3], device=image.device)
        return Found(
            logits.float(),
            distances_to_boxes(points, strides, distances.float()),
            None if self.anomaly is None else self.anomaly(maps[0]).float(),
        )

    def features(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, H, W) in [0, 1] to the maps at strides 8, 16 and 32 that the head reads."""
        maps: tuple[Tensor, Tensor, Tensor] = self.neck(self.backbone_maps(image))
        return maps

    def backbone_maps(self, image: Tensor) -> Pyramid:
        """(N, 3, H, W) in [0, 1] to the backbone's own maps at strides 8, 16 and 32."""
        maps: Pyramid = self.backbone((self.tone(image) - self.mean) / self.std)
        return maps

    def embedding(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N, D) float32: what each picture looks like as a whole, see `embedding.pooled`."""
        return pooled(self.backbone_maps(image))

    def freeze_stages(self, count: int, *, depthwise: bool = False) -> None:
        """Keep the first ``count`` backbone stages as they are and thaw the rest.

        Args:
            count: stages from the image upwards; one past the last freezes the whole backbone.
            depthwise: keep the backbone's depthwise filters too. On a CPU the weight gradient of a 5×5
                depthwise convolution in bf16 cost 19 to 67 times its forward pass (three shapes, torch 2.14);
                training only the convolutions that mix channels makes thawing affordable.
        """
        for i, stage in enumerate(cast(Backbone, self.backbone).stages()):
            stage.requires_grad_(i >= count)
        for module in self.backbone.modules():
            if depthwise and isinstance(module, nn.Conv2d) and module.groups > 1:
                module.requires_grad_(False)  # the bias too: its gradient comes with the weight's
