"""What a network for radiographs has beside the detector: the tone of its input, and a map of what is unusual."""

import math

import torch
from torch import Tensor, nn

from cargosight_models.networks.layers import conv_block

DEEPEST = 8.0
"""-ln T that is shown black: 0.03 % of the beam, 27 cm of steel at 6 MV."""


class RadiographTone(nn.Module):
    """Maps transmission to three pictures in [0, 1] in which every thickness shows and air is white.

    Transmission spans four decades and a backbone reads contrasts of a few per cent, so that the square root shows what
    is thin and the logarithm what is thick. The third picture is four times the difference of -ln T between the
    energies, which tells materials apart; it is 0 where there is one energy.
    """

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W): T at the penetrating energy, T at the other, 1 where there is one energy and 0 for two."""
        high, low, single = torch.split(image.float(), 1, dim=1)
        least = math.exp(-DEEPEST)
        depth_high = -torch.log(torch.clamp(high, min=least)) / DEEPEST
        depth_low = -torch.log(torch.clamp(low, min=least)) / DEEPEST
        material = torch.clamp(4.0 * (depth_low - depth_high), min=0.0, max=1.0) * (1.0 - single)
        return torch.cat((torch.sqrt(torch.clamp(high, min=0.0)), 1.0 - depth_high, material), dim=1)


class AnomalyHead(nn.Module):
    """One logit at stride 8: how unlike normal cargo a place is."""

    def __init__(self, channels: int, *, depth: int = 2, separable: bool = False) -> None:
        super().__init__()
        self.tower = nn.Sequential(
            *(conv_block(channels, channels, separable=separable) for _ in range(depth))
        )
        self.out = nn.Conv2d(channels, 1, 3, padding=1)
        assert self.out.bias is not None  # it is made with one
        nn.init.constant_(
            self.out.bias, -math.log(99.0)
        )  # about one place in a hundred is unusual in training
        nn.init.normal_(self.out.weight, std=0.01)

    def forward(self, finest: Tensor) -> Tensor:
        """The pyramid's map (N, channels, H / 8, W / 8) to logits (N, 1, H / 8, W / 8)."""
        logits: Tensor = self.out(self.tower(finest))
        return logits
