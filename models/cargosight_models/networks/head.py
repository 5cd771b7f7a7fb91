"""Decoupled anchor-free head: per location a class score each and the distances to the four box edges."""

import math

import torch
from torch import Tensor, nn

from cargosight_models.networks.layers import conv_block

STRIDES = (8, 16, 32)


class DecoupledHead(nn.Module):
    """Two towers shared by all levels; norms are shared too, the box scale is learnt per level.

    The class score is trained towards the IoU of the box that the same location predicts (an IoU-aware
    score), so that no separate objectness is learnt.
    """

    def __init__(self, channels: int, classes: int, *, depth: int = 2, separable: bool = False) -> None:
        super().__init__()

        def tower() -> nn.Sequential:
            return nn.Sequential(*(conv_block(channels, channels, separable=separable) for _ in range(depth)))

        self.class_tower, self.box_tower = tower(), tower()
        self.class_out = nn.Conv2d(channels, classes, 3, padding=1)
        self.box_out = nn.Conv2d(channels, 4, 3, padding=1)
        self.level_scale = nn.Parameter(torch.ones(len(STRIDES)))
        # Scores start at 0.01, as one location in about a hundred holds an item (Lin et al., focal loss, 2017).
        for layer, start in ((self.class_out, -math.log(99.0)), (self.box_out, 1.0)):
            assert layer.bias is not None  # both are made with one
            nn.init.constant_(layer.bias, start)
            nn.init.normal_(layer.weight, std=0.01)

    def forward(self, maps: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Feature maps to logits (N, A, classes) and edge distances (N, A, 4) in strides, A over all levels."""
        levels = [self.at_level(level, x) for level, x in enumerate(maps)]
        logits, distances = (
            torch.cat([m.flatten(2) for m in part], dim=2) for part in zip(*levels, strict=True)
        )
        return logits.transpose(1, 2), distances.transpose(1, 2)

    def at_level(self, level: int, x: Tensor) -> tuple[Tensor, Tensor]:
        """One feature map to logits (N, classes, h, w) and edge distances (N, 4, h, w) in strides."""
        raw = self.box_out(self.box_tower(x)).float() * self.level_scale[level]
        return self.class_out(self.class_tower(x)), torch.exp(raw.clamp(max=4.0))


def location_grid(height: int, width: int, *, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Centres (A, 2) x, y in input pixels and strides (A,) of the locations of an input of this size."""
    points, strides = [], []
    for stride in STRIDES:
        h, w = height // stride, width // stride
        ys, xs = torch.meshgrid(torch.arange(h, device=device), torch.arange(w, device=device), indexing="ij")
        points.append((torch.stack((xs, ys), dim=-1).reshape(-1, 2).float() + 0.5) * stride)
        strides.append(torch.full((h * w,), float(stride), device=device))
    return torch.cat(points), torch.cat(strides)


def distances_to_boxes(points: Tensor, strides: Tensor, distances: Tensor) -> Tensor:
    """Edge distances (..., A, 4) left, top, right, bottom in strides to boxes x1, y1, x2, y2 in input pixels.

    Points (..., A, 2) and strides (..., A) are those of the locations, one list for all scans or one for each.
    """
    reach = distances * strides.unsqueeze(-1)
    return torch.cat((points - reach[..., :2], points + reach[..., 2:]), dim=-1)
