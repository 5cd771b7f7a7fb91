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
        nn.init.constant_(self.class_out.bias, -math.log(99.0))
        nn.init.normal_(self.class_out.weight, std=0.01)
        nn.init.normal_(self.box_out.weight, std=0.01)
        nn.init.constant_(self.box_out.bias, 1.0)

    def forward(self, maps: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Feature maps to logits (N, A, classes) and edge distances (N, A, 4) in strides, A over all levels."""
        logits, distances = [], []
        for level, x in enumerate(maps):
            logits.append(self.class_out(self.class_tower(x)).flatten(2))
            raw = self.box_out(self.box_tower(x)).float() * self.level_scale[level]
            distances.append(torch.exp(raw.clamp(max=4.0)).flatten(2))
        return torch.cat(logits, dim=2).transpose(1, 2), torch.cat(distances, dim=2).transpose(1, 2)


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
    """Edge distances (..., A, 4) left, top, right, bottom in strides to boxes x1, y1, x2, y2 in input pixels."""
    reach = distances * strides[:, None]
    return torch.cat((points - reach[..., :2], points + reach[..., 2:]), dim=-1)
