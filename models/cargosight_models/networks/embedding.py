"""What a picture looks like as a whole: one vector, pooled from maps that the backbone computes anyway."""

import torch
from torch import Tensor

_LEAST_VARIANCE = 1e-6


def pooled(maps: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Return mean and spread of every channel of the two finer maps of a backbone, (N, D) float32.

    Nothing is learnt for it. The mean says what there is, the spread over the places how evenly it lies there:
    such first two moments are what tells textures apart (Huang & Belongie, ICCV 2017). The map at stride 32 knows
    objects rather than textures, and told headings of cargo apart less well.

    Args:
        maps: of a backbone, (N, C, H, W) each, at strides 8, 16 and 32.
    """
    parts = []
    for found in maps[:2]:
        values = found.float()
        mean = values.mean(dim=(2, 3), keepdim=True)
        # Written out: `std` would put the number of places, and with it the traced size, into an exported graph.
        variance = ((values - mean) ** 2).mean(dim=(2, 3))
        parts += [mean.flatten(1), torch.sqrt(variance + _LEAST_VARIANCE)]
    return torch.cat(parts, dim=1)
