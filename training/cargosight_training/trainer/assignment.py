"""Dynamic label assignment: which locations answer for which annotated box.

Task-aligned assignment (Feng et al., TOOD, ICCV 2021): a location inside a box is judged by how well it already
classifies and places that box, score^alpha * IoU^beta, and the best few of each box become its positives.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Locations:
    """Where the network looks, and what it says there.

    Attributes:
        logits: (N, A, C) float32 class logits.
        boxes: (N, A, 4) float32 predicted boxes in input pixels.
        points: (A, 2) location centres in input pixels.
        strides: (A,) stride of each location in input pixels.
    """

    logits: Tensor
    boxes: Tensor
    points: Tensor
    strides: Tensor


@dataclass(frozen=True)
class Truth:
    """What people annotated.

    Attributes:
        boxes: (N, G, 4) float32 in input pixels, padded.
        class_ids: (N, G) int64.
        valid: (N, G) bool, False for padding.
        label_mask: (N, A, C) bool: whether the region under a location labels a class.
        harmless: (N, A) bool: whether a look-alike lies under a location.
    """

    boxes: Tensor
    class_ids: Tensor
    valid: Tensor
    label_mask: Tensor
    harmless: Tensor


@dataclass(frozen=True)
class Targets:
    """What each location should answer.

    Attributes:
        scores: (N, A, C) float32 in [0, 1], the wanted class score; 0 for background.
        boxes: (N, A, 4) float32 in input pixels; meaningless where no class is wanted.
        positive: (N, A) bool, whether the location answers for a box.
    """

    scores: Tensor
    boxes: Tensor
    positive: Tensor


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU (N, G, A) of boxes (N, G, 4) with boxes (N, A, 4)."""
    lower = torch.maximum(a[:, :, None, :2], b[:, None, :, :2])
    upper = torch.minimum(a[:, :, None, 2:], b[:, None, :, 2:])
    overlap = (upper - lower).clamp_(min=0).prod(dim=3)
    area_a = (a[..., 2:] - a[..., :2]).clamp(min=0).prod(dim=2)
    area_b = (b[..., 2:] - b[..., :2]).clamp(min=0).prod(dim=2)
    return overlap / (area_a[:, :, None] + area_b[:, None, :] - overlap + 1e-9)


@torch.no_grad()
def assign(
    found: Locations, truth: Truth, *, top: int = 10, alpha: float = 0.5, beta: float = 4.0
) -> Targets:
    """Choose the positives of a batch.

    Args:
        found: what the network says.
        truth: what it should say; the label mask plays no part here.
        top: positives for each box at most.
        alpha: weight of the class score.
        beta: weight of the IoU.
    """
    scores, boxes = found.logits.sigmoid(), found.boxes
    n, g = truth.valid.shape
    locations = len(found.points)
    if g == 0:
        return Targets(
            torch.zeros_like(scores),
            torch.zeros_like(boxes),
            scores.new_zeros(n, locations, dtype=torch.bool),
        )
    # A box smaller than a stride may hold no location: a box counts as at least one stride wide.
    centre = (truth.boxes[..., :2] + truth.boxes[..., 2:])[:, :, None, :] / 2
    half = (truth.boxes[..., 2:] - truth.boxes[..., :2])[:, :, None, :] / 2
    reach = torch.maximum(half, found.strides[None, None, :, None] / 2)
    inside = ((found.points[None, None] - centre).abs() <= reach).all(dim=3) & truth.valid[:, :, None]
    iou = pairwise_iou(truth.boxes, boxes)
    class_score = scores.transpose(1, 2).gather(1, truth.class_ids[:, :, None].expand(n, g, locations))
    quality = class_score.pow(alpha) * iou.pow(beta)
    ranked = torch.where(inside, quality + 1e-9, quality.new_zeros(()))
    best = ranked.topk(min(top, locations), dim=2).indices
    chosen = torch.zeros_like(inside).scatter_(2, best, True) & inside
    # A location wanted by several boxes answers for the one it overlaps most.
    contested = torch.where(chosen, iou, iou.new_full((), -1.0))
    owner = contested.argmax(dim=1)
    positive = chosen.any(dim=1)
    chosen &= torch.arange(g, device=owner.device)[None, :, None] == owner[:, None, :]
    # Wanted score: quality scaled so that the best location of a box is asked for its IoU.
    quality = torch.where(chosen, quality, quality.new_zeros(()))
    best_quality = quality.amax(dim=2, keepdim=True)
    best_iou = torch.where(chosen, iou, iou.new_zeros(())).amax(dim=2, keepdim=True)
    wanted = (quality / (best_quality + 1e-9) * best_iou).amax(dim=1)
    classes = truth.class_ids.gather(1, owner)
    target_scores = torch.zeros_like(scores)
    target_scores.scatter_(2, classes[:, :, None], (wanted * positive)[:, :, None].to(scores.dtype))
    target_boxes = truth.boxes.gather(1, owner[:, :, None].expand(n, locations, 4))
    return Targets(target_scores, target_boxes, positive)
