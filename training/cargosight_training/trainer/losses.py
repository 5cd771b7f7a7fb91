"""Losses of the detector: varifocal class loss under label masks, GIoU box loss."""

from dataclasses import dataclass, replace

import torch
import torch.distributed
from torch import Tensor
from torch.nn import functional

from cargosight_training.trainer.assignment import Locations, Truth, assign


@dataclass(frozen=True)
class LossTerms:
    """The parts of one batch's loss, each a scalar tensor.

    Attributes:
        total: what is differentiated.
        classes: class part before weighting.
        boxes: box part before weighting.
        positives: number of positive locations.
        anomaly: part of the map of the unusual, 0 where there is none.
    """

    total: Tensor
    classes: Tensor
    boxes: Tensor
    positives: Tensor
    anomaly: Tensor


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """GIoU (P,) in [-1, 1] of boxes (P, 4) with boxes (P, 4) (Rezatofighi et al., CVPR 2019)."""
    lower, upper = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    overlap = (upper - lower).clamp(min=0).prod(dim=1)
    union = (a[:, 2:] - a[:, :2]).prod(dim=1) + (b[:, 2:] - b[:, :2]).prod(dim=1) - overlap
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(dim=1)
    return overlap / (union + 1e-9) - (hull - union) / (hull + 1e-9)


def varifocal(logits: Tensor, targets: Tensor, *, alpha: float = 0.75, gamma: float = 2.0) -> Tensor:
    """Varifocal loss (Zhang et al., VarifocalNet, CVPR 2021), one value for each logit.

    A positive weighs as much as its wanted score; a negative is damped by its own score, so that the many
    easy ones do not drown the few positives.
    """
    scores = logits.detach().sigmoid()
    weight = torch.where(targets > 0, targets, alpha * scores.pow(gamma))
    return weight * functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def detector_loss(
    found: Locations,
    truth: Truth,
    *,
    exclusive_items: bool,
    lookalike_weight: float,
    box_weight: float = 2.5,
    normaliser: float = 1.0,
) -> LossTerms:
    """Loss of one batch.

    Where the region under a location does not label a class, the class adds no loss there, except to a location that
    answers for an annotated box of it. With ``exclusive_items`` such a location counts for every class: an item of one
    class is of no other, whatever its source labels. This is all that ever tells the network that a scanner's batons
    are no batteries where that scanner's source labels only batons.

    Args:
        found: what the network says.
        truth: what it should say, and where its silence means something.
        exclusive_items: whether a location that answers for a box of one class is a negative of all others.
        lookalike_weight: of the background that lies under a look-alike, beside 1 of any other.
        box_weight: weight of the box part.
        normaliser: least value that the sums are divided by (the sum of wanted scores otherwise).
    """
    targets = assign(found, truth)
    answered = targets.positive[:, :, None] if exclusive_items else targets.scores > 0
    counted = truth.label_mask | answered
    scale = _share_of_sum(targets.scores.sum(), least=normaliser)
    weight_of = _weights(targets.scores > 0, truth.harmless[:, :, None], lookalike_weight)
    class_part = (varifocal(found.logits, targets.scores) * counted * weight_of).sum() / scale
    weight = targets.scores.sum(dim=2)[targets.positive]
    giou = generalised_iou(found.boxes[targets.positive], targets.boxes[targets.positive])
    box_part = ((1.0 - giou) * weight).sum() / scale
    total = class_part + box_weight * box_part
    return LossTerms(total, class_part, box_part, targets.positive.sum(), torch.zeros_like(total))


_LEAST_UNUSUAL = 0.01
"""Share of a batch's cells by which its map's loss is divided at least: where hardly anything unusual was put in, the
usual cells would otherwise weigh tens of times as much as in other batches."""


def _weights(positive: Tensor, harmless: Tensor, lookalike_weight: float) -> Tensor:
    """What each answer weighs: the factor where a negative lies under a look-alike, 1 elsewhere."""
    return 1.0 + (lookalike_weight - 1.0) * (harmless & ~positive)


def anomaly_loss(logits: Tensor, unusual: Tensor, harmless: Tensor, *, lookalike_weight: float) -> Tensor:
    """Loss of the map of the unusual, as `varifocal`; cells below 0 are unknown and add nothing.

    Args:
        logits: (N, h, w).
        unusual: (N, h, w): 1 unusual, 0 usual, below 0 unknown.
        harmless: (N, A) bool over the locations of the detector, of which the first h w are the map's cells.
        lookalike_weight: of usual cells that lie under a look-alike, beside 1 of any other.
    """
    known = unusual >= 0.0
    wanted = unusual.clamp(min=0.0)
    scale = _share_of_sum(wanted.sum(), least=max(1.0, _LEAST_UNUSUAL * known.numel()))
    cells = harmless[:, : unusual[0].numel()].reshape(unusual.shape)
    weight = _weights(wanted > 0.0, cells, lookalike_weight)
    return (varifocal(logits, wanted) * known * weight).sum() / scale


def with_anomaly(terms: LossTerms, part: Tensor) -> LossTerms:
    """The terms of a batch with those of its map."""
    return replace(terms, total=terms.total + part, anomaly=part)


def _share_of_sum(value: Tensor, *, least: float) -> Tensor:
    """The sum of a scalar over the processes of the run, at least ``least``, divided by their number.

    Gradients are averaged over the processes; divided by this, their average is the gradient of one big batch.
    """
    if not torch.distributed.is_initialized():
        return value.clamp(min=least)
    value = value.clone()
    torch.distributed.all_reduce(value)
    return value.clamp(min=least) / torch.distributed.get_world_size()
