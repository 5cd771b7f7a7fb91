"""Convolution blocks that every network of this package is built from."""

import torch
from torch import Tensor, nn


class ConvNormAct(nn.Module):
    """Convolution, batch norm, SiLU; ``groups=channels`` makes it depthwise.

    Maps (N, ``inputs``, H, W) to (N, ``outputs``, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the three layers."""
        out: Tensor = self.act(self.norm(self.conv(x)))
        return out


class SeparableConv(nn.Module):
    """Depthwise then pointwise convolution, each with norm and activation."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = ConvNormAct(inputs, inputs, kernel, stride=stride, groups=inputs)
        self.pointwise = ConvNormAct(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Filter each channel, then mix them."""
        out: Tensor = self.pointwise(self.depthwise(x))
        return out


def conv_block(inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1, separable: bool) -> nn.Module:
    """A dense or a separable convolution with the same shapes."""
    if separable:
        return SeparableConv(inputs, outputs, kernel, stride=stride)
    return ConvNormAct(inputs, outputs, kernel, stride=stride)


class Bottleneck(nn.Module):
    """1×1 then 3×3 convolution, with a residual when ``residual`` is set; keeps the channel count."""

    def __init__(self, channels: int, *, residual: bool, separable: bool) -> None:
        super().__init__()
        self.reduce = ConvNormAct(channels, channels, 1)
        self.mix = conv_block(channels, channels, separable=separable)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Refine ``x``."""
        out: Tensor = self.mix(self.reduce(x))
        return x + out if self.residual else out


class CspLayer(nn.Module):
    """Cross-stage partial layer (Wang et al., CSPNet, CVPRW 2020): half of the channels skip the bottlenecks."""

    def __init__(
        self, inputs: int, outputs: int, *, depth: int = 1, residual: bool = True, separable: bool = False
    ) -> None:
        super().__init__()
        hidden = outputs // 2
        self.main = ConvNormAct(inputs, hidden, 1)
        self.skip = ConvNormAct(inputs, hidden, 1)
        self.blocks = nn.Sequential(
            *(Bottleneck(hidden, residual=residual, separable=separable) for _ in range(depth))
        )
        self.merge = ConvNormAct(2 * hidden, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H, W)."""
        out: Tensor = self.merge(torch.cat((self.blocks(self.main(x)), self.skip(x)), dim=1))
        return out
