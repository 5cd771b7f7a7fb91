"""Backbones: each maps an image to feature maps at strides 8, 16 and 32.

``csp-nano`` and ``csp-tiny`` start from random weights; ``lite0`` to ``lite2`` are EfficientNet-Lite
with ImageNet weights; ``torchvision:NAME`` takes a convolutional classifier of torchvision with its own
weights, which torchvision downloads where there is internet.
"""

from typing import Protocol, cast

import torch
from torch import Tensor, nn

from cargosight_models.errors import ConfigurationError, nearest_spelling
from cargosight_models.networks.efficientnet_lite import VARIANTS, EfficientNetLite
from cargosight_models.networks.layers import ConvNormAct, CspLayer, conv_block

Pyramid = tuple[Tensor, Tensor, Tensor]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Backbone(Protocol):
    """What the detector asks of a backbone."""

    channels: tuple[int, int, int]
    """Channels of the maps at strides 8, 16 and 32."""
    mean: tuple[float, float, float]
    """Subtracted from RGB in [0, 1] before the first layer."""
    std: tuple[float, float, float]
    """Divides what ``mean`` leaves."""

    def __call__(self, image: Tensor) -> Pyramid:
        """(N, 3, H, W) normalised image to its three feature maps."""
        ...

    def stages(self) -> list[nn.Module]:
        """Stem and stages from the image upwards, for freezing the first of them."""
        ...


class SpatialPyramidPooling(nn.Module):
    """Max pooling at 5, 9 and 13 pixels beside the input (He et al. 2015), by three poolings in a row."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = ConvNormAct(channels, channels // 2, 1)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.merge = ConvNormAct(channels // 2 * 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape, widen the view."""
        maps = [self.reduce(x)]
        for _ in range(3):
            maps.append(self.pool(maps[-1]))
        out: Tensor = self.merge(torch.cat(maps, dim=1))
        return out


class CspDarknet(nn.Module):
    """CSP backbone as in YOLOX (Ge et al. 2021): width and depth scale its 64–1024 channels and 3-9-9-3 blocks."""

    mean = (0.5, 0.5, 0.5)
    std = (0.25, 0.25, 0.25)

    def __init__(self, width: float, depth: float, *, separable: bool) -> None:
        super().__init__()
        c = [int(n * width) for n in (64, 128, 256, 512, 1024)]
        blocks = [max(1, round(n * depth)) for n in (3, 9, 9, 3)]
        self.stem = ConvNormAct(3, c[0], 6, stride=2)
        self.stem.conv.padding = (2, 2)
        stages = []
        for i, n in enumerate(blocks):
            layers = [conv_block(c[i], c[i + 1], stride=2, separable=separable)]
            if i == len(blocks) - 1:
                layers.append(SpatialPyramidPooling(c[i + 1]))
            layers.append(
                CspLayer(c[i + 1], c[i + 1], depth=n, residual=i < len(blocks) - 1, separable=separable)
            )
            stages.append(nn.Sequential(*layers))
        self.body = nn.ModuleList(stages)
        self.channels = (c[2], c[3], c[4])

    def forward(self, image: Tensor) -> Pyramid:
        """(N, 3, H, W) to maps at strides 8, 16 and 32."""
        x = self.body[0](self.stem(image))
        p3 = self.body[1](x)
        p4 = self.body[2](p3)
        return p3, p4, self.body[3](p4)

    def stages(self) -> list[nn.Module]:
        """Stem and the four stages."""
        return [self.stem, *self.body]


class TorchvisionBackbone(nn.Module):
    """A torchvision classifier cut at strides 8, 16 and 32, with torchvision's own default weights.

    Convolutional ones fit, but for those without a map at one of the strides; transformers that want pictures of
    one size do not.

    Raises:
        ConfigurationError: there is no such classifier, it does not fit, or its weights cannot be had.
    """

    mean = IMAGENET_MEAN
    std = IMAGENET_STD

    def __init__(self, name: str, *, pretrained: bool) -> None:
        super().__init__()
        from torchvision.models.feature_extraction import create_feature_extractor

        model = _classifier(name, pretrained=pretrained)
        nodes = _last_nodes_by_stride(name, model)
        self.body = create_feature_extractor(
            model.train(), return_nodes={node: str(stride) for stride, (node, _) in nodes.items()}
        )
        self.channels = cast(tuple[int, int, int], tuple(nodes[s][1] for s in (8, 16, 32)))

    def forward(self, image: Tensor) -> Pyramid:
        """(N, 3, H, W) to maps at strides 8, 16 and 32."""
        maps = self.body(image)
        return maps["8"], maps["16"], maps["32"]

    def stages(self) -> list[nn.Module]:
        """The named children of the traced network, in order."""
        return list(self.body.children())


def _classifier(name: str, *, pretrained: bool) -> nn.Module:
    """Make one of torchvision's classifiers, in evaluation mode."""
    from torchvision import models

    known = models.list_models(
        module=models
    )  # without detection, segmentation, flow, video and quantised ones
    if name not in known:
        raise ConfigurationError(
            f"backbone torchvision:{name} is not one of torchvision's classifiers{nearest_spelling(name, known)}; "
            "take one such as torchvision:resnet18"
        )
    try:
        model: nn.Module = models.get_model(name, weights="DEFAULT" if pretrained else None)
    except (OSError, RuntimeError) as error:  # the second where what was downloaded is damaged
        raise ConfigurationError(
            f"the weights of torchvision:{name} cannot be downloaded ({error}); try again where there is internet, or "
            "set model.pretrained to false"
        ) from error
    return model.eval()


def _last_nodes_by_stride(backbone: str, model: nn.Module) -> dict[int, tuple[str, int]]:
    """For strides 8, 16 and 32 the last node with a 4-d output of that stride, and its channels.

    Raises:
        ConfigurationError: there is none, or the network takes one size only.
    """
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    size = 128
    try:
        names = get_graph_node_names(model)[1]
        probe = create_feature_extractor(model, return_nodes=names)
        with torch.no_grad():
            maps = probe.forward(
                torch.zeros(1, 3, size, size)
            )  # `probe(…)` would print a traceback of its own
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(
            f"backbone torchvision:{backbone} does not take pictures of every size ({reason}); take a convolutional "
            "one such as torchvision:resnet18"
        ) from error
    found: dict[int, tuple[str, int]] = {}
    for name in names:
        out = maps[name]
        # Both sides count: in the channels-last maps of some transformers the third axis is a side, too.
        for stride in (8, 16, 32):
            if isinstance(out, Tensor) and out.shape[2:] == (size // stride, size // stride):
                found[stride] = (name, out.shape[1])
    missing = ", ".join(str(stride) for stride in (8, 16, 32) if stride not in found)
    if missing:
        raise ConfigurationError(
            f"backbone torchvision:{backbone} has no feature maps at strides {missing}; a detector needs those at 8, "
            "16 and 32, as torchvision:resnet18 has them"
        )
    return found


def build_backbone(name: str, *, pretrained: bool) -> nn.Module:
    """Make a backbone by name.

    Args:
        name: ``csp-nano``, ``csp-tiny``, ``lite0``, ``lite1``, ``lite2`` or ``torchvision:NAME``.
        pretrained: load ImageNet weights (csp backbones have none).

    Raises:
        ConfigurationError: the name is unknown, its network does not fit, or its weights cannot be had.
    """
    if name in VARIANTS:
        return EfficientNetLite(name, pretrained=pretrained)
    if name.startswith("torchvision:"):
        return TorchvisionBackbone(name.removeprefix("torchvision:"), pretrained=pretrained)
    if name in ("csp-nano", "csp-tiny"):
        if pretrained:
            raise ConfigurationError(f"backbone {name} has no pretrained weights: set pretrained to false")
        nano = name == "csp-nano"
        return CspDarknet(0.25 if nano else 0.375, 0.33, separable=nano)
    known = ["csp-nano", "csp-tiny", *VARIANTS, "torchvision:NAME"]
    raise ConfigurationError(f"unknown backbone {name!r}: expected one of {', '.join(known)}")
