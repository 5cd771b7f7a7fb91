"""Path-aggregation feature pyramid (Liu et al., PANet, CVPR 2018)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from cargosight_models.networks.layers import ConvNormAct, CspLayer, conv_block


class PathAggregation(nn.Module):
    """Mixes three maps top-down and bottom-up; every output has ``channels`` channels."""

    def __init__(
        self, inputs: tuple[int, int, int], channels: int, *, depth: int = 1, separable: bool = False
    ) -> None:
        super().__init__()

        def merge() -> CspLayer:
            return CspLayer(2 * channels, channels, depth=depth, residual=False, separable=separable)

        self.lateral = nn.ModuleList(ConvNormAct(c, channels, 1) for c in inputs)
        self.down4, self.down3 = merge(), merge()
        self.stride4 = conv_block(channels, channels, stride=2, separable=separable)
        self.stride5 = conv_block(channels, channels, stride=2, separable=separable)
        self.up4, self.up5 = merge(), merge()

    def forward(self, maps: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Maps at strides 8, 16 and 32 in, the same strides out."""
        c3, c4, c5 = (lateral(m) for lateral, m in zip(self.lateral, maps, strict=True))
        t4 = self.down4(torch.cat((functional.interpolate(c5, scale_factor=2.0), c4), dim=1))
        p3 = self.down3(torch.cat((functional.interpolate(t4, scale_factor=2.0), c3), dim=1))
        p4 = self.up4(torch.cat((self.stride4(p3), t4), dim=1))
        p5 = self.up5(torch.cat((self.stride5(p4), c5), dim=1))
        return p3, p4, p5
