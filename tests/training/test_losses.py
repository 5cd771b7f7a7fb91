from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss

from cargosight_models.labels import LabelledRegions
from cargosight_models.networks.head import location_grid
from cargosight_training.augmentation.sample import paste, whole
from cargosight_training.trainer.assignment import Locations, Truth, assign
from cargosight_training.trainer.losses import (
    LossTerms,
    anomaly_loss,
    detector_loss,
    generalised_iou,
    varifocal,
    with_anomaly,
)

POINTS, STRIDES = location_grid(64, 64)
CLASSES = 3
NOWHERE = torch.zeros(1, len(POINTS), dtype=torch.bool)


class Run:
    """Logits and boxes with gradients, and the loss of some truth."""

    def __init__(
        self,
        mask: Tensor,
        boxes: Sequence[tuple[float, ...]] = (),
        class_ids: Sequence[int] = (),
        *,
        exclusive_items: bool = True,
        harmless: Tensor | None = None,
        lookalike_weight: float = 1.0,
    ) -> None:
        generator = torch.Generator().manual_seed(0)
        self.logits = torch.randn(1, len(POINTS), CLASSES, generator=generator).requires_grad_()
        reach = 2.0 * STRIDES[:, None] * torch.ones(len(POINTS), 2)
        self.boxes = torch.cat([POINTS - reach, POINTS + reach], dim=1)[None].requires_grad_()
        truth = Truth(
            torch.tensor(boxes, dtype=torch.float32).reshape(1, -1, 4),
            torch.tensor(class_ids, dtype=torch.int64).reshape(1, -1),
            torch.ones(1, len(boxes), dtype=torch.bool),
            mask[None],
            NOWHERE if harmless is None else harmless[None],
        )
        found = Locations(self.logits, self.boxes, POINTS, STRIDES)
        self.answers = assign(found, truth).positive[0]
        self.terms: LossTerms = detector_loss(
            found, truth, exclusive_items=exclusive_items, lookalike_weight=lookalike_weight
        )
        self.terms.total.backward()

    @property
    def logit_gradient(self) -> Tensor:
        assert self.logits.grad is not None
        return self.logits.grad[0]


def mask_of(*labelled: bool) -> Tensor:
    return torch.tensor(labelled).expand(len(POINTS), CLASSES).clone()


def test_where_nothing_is_labelled_there_is_no_loss_at_all() -> None:
    run = Run(mask_of(False, False, False))
    assert float(run.terms.total.detach()) == 0.0
    assert not run.logit_gradient.any()
    assert run.boxes.grad is not None
    assert not run.boxes.grad.any()


def test_an_unlabelled_class_gets_no_gradient_where_no_item_is_known() -> None:
    run = Run(mask_of(True, False, True), [(10, 10, 40, 40)], [0])
    assert not run.logit_gradient[~run.answers][:, 1].any()
    assert run.logit_gradient[:, 0].all()
    assert run.logit_gradient[:, 2].all()


def test_an_item_of_one_class_is_of_no_other_whatever_its_source_labels() -> None:
    run = Run(mask_of(True, False, True), [(10, 10, 40, 40)], [0])
    assert run.answers.any()
    assert (run.logit_gradient[run.answers][:, 1] > 0).all()


def test_what_an_unlabelled_class_says_does_not_matter_where_no_item_is_known() -> None:
    mask = mask_of(True, False, True)
    quiet = Run(mask, [(10, 10, 40, 40)], [0])
    loud_logits = quiet.logits.detach().clone()
    loud_logits[0, ~quiet.answers, 1] = 9.0
    truth = Truth(
        torch.tensor([[[10.0, 10.0, 40.0, 40.0]]]),
        torch.tensor([[0]]),
        torch.ones(1, 1, dtype=torch.bool),
        mask[None],
        NOWHERE,
    )
    loud = detector_loss(
        Locations(loud_logits, quiet.boxes.detach(), POINTS, STRIDES),
        truth,
        exclusive_items=True,
        lookalike_weight=1.0,
    )
    assert torch.equal(loud.total, quiet.terms.total.detach())


def test_regions_of_a_mosaic_are_masked_apart() -> None:
    """Left a source that labels class 0, right one that labels class 2 and has a box of it."""
    picture = np.full((64, 32, 3), 255, dtype=np.uint8)
    empty = whole(
        picture, np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.array([True, False, False])
    )
    boxed = whole(
        picture, np.array([[4, 10, 28, 40]], np.float32), np.array([2]), np.array([False, False, True])
    )
    sample = paste([(empty, 0, 0), (boxed, 32, 0)], 64, 64)
    mask = torch.from_numpy(sample.regions.mask_at(POINTS.numpy()))
    run = Run(mask, [tuple(box) for box in sample.boxes.tolist()], sample.class_ids.tolist())
    left = POINTS[:, 0] < 32
    assert run.logit_gradient[left][:, 0].all()
    assert not run.logit_gradient[left][:, 1:].any()
    assert run.logit_gradient[~left][:, 2].all()
    assert not run.logit_gradient[~left & ~run.answers][:, :2].any()


def test_a_projected_item_adds_loss_in_its_box_alone() -> None:
    box = (11.0, 11.0, 43.0, 43.0)
    regions = LabelledRegions(
        np.array([[0, 0, 64, 64], box], dtype=np.float32), np.array([[False] * 3, [False, True, False]])
    )
    run = Run(torch.from_numpy(regions.mask_at(POINTS.numpy())), [box], [1])
    inside = ((POINTS >= 11) & (POINTS < 43)).all(dim=1)
    assert run.logit_gradient[inside][:, 1].all()
    assert not run.logit_gradient[~inside].any()
    assert not run.logit_gradient[~run.answers][:, [0, 2]].any()


def test_a_location_that_answers_for_a_box_learns_even_outside_the_regions() -> None:
    run = Run(mask_of(False, False, False), [(10, 10, 40, 40)], [1])
    assert 0 < int(run.answers.sum()) <= 10
    assert run.logit_gradient[run.answers][:, 1].any()
    assert not run.logit_gradient[~run.answers].any()
    assert float(run.terms.boxes.detach()) > 0.0


def test_an_item_of_one_class_is_of_no_other_where_items_are_exclusive() -> None:
    """Class 0 alone is labelled; the box is of class 0."""
    mask = mask_of(True, False, False)
    run = Run(mask, [(10, 10, 40, 40)], [0])
    assert run.logit_gradient[run.answers][:, 1:].all()
    assert not run.logit_gradient[~run.answers][:, 1:].any()
    alone = Run(mask, [(10, 10, 40, 40)], [0], exclusive_items=False)
    assert not alone.logit_gradient[:, 1:].any()
    assert torch.equal(alone.logit_gradient[:, 0], run.logit_gradient[:, 0])


@pytest.mark.parametrize("boxes", [[], [(10.0, 10.0, 40.0, 40.0)]])
def test_losses_are_finite_and_graphs_connected_with_and_without_boxes(
    boxes: list[tuple[float, ...]],
) -> None:
    run = Run(mask_of(True, True, True), boxes, [0] * len(boxes))
    assert torch.isfinite(run.terms.total)
    assert int(run.terms.positives) > 0 or not boxes
    assert run.boxes.grad is not None  # other processes wait for every gradient


def test_far_boxes_still_learn() -> None:
    run = Run(mask_of(True, True, True), [(0.0, 0.0, 64.0, 64.0)], [0])
    assert run.boxes.grad is not None
    assert run.boxes.grad.abs().sum() > 0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_generalised_overlap_equals_torchvisions(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(2, 20, 2, generator=generator) * 50
    a, b = torch.cat([corners, corners + 1 + torch.rand(2, 20, 2, generator=generator) * 30], dim=2)
    assert torch.allclose(1 - generalised_iou(a, b), generalized_box_iou_loss(a, b), atol=1e-5)


def test_varifocal_by_hand() -> None:
    logits = torch.tensor([0.0, 2.0, -1.0])
    targets = torch.tensor([0.8, 0.0, 0.0])
    scores = logits.sigmoid()
    expected = torch.stack(
        [
            0.8 * -(0.8 * scores[0].log() + 0.2 * (1 - scores[0]).log()),
            0.75 * scores[1] ** 2 * -(1 - scores[1]).log(),
            0.75 * scores[2] ** 2 * -(1 - scores[2]).log(),
        ]
    )
    assert torch.allclose(varifocal(logits, targets), expected, atol=1e-6)


def test_single_class_data() -> None:
    logits = torch.zeros(1, len(POINTS), 1, requires_grad=True)
    reach = STRIDES[:, None].expand(-1, 2)
    boxes = torch.cat([POINTS - reach, POINTS + reach], dim=1)[None]
    truth = Truth(
        torch.tensor([[[10.0, 10.0, 40.0, 40.0]]]),
        torch.zeros(1, 1, dtype=torch.int64),
        torch.ones(1, 1, dtype=torch.bool),
        torch.ones(1, len(POINTS), 1, dtype=torch.bool),
        NOWHERE,
    )
    terms = detector_loss(
        Locations(logits, boxes, POINTS, STRIDES), truth, exclusive_items=True, lookalike_weight=1.0
    )
    terms.total.backward()
    assert logits.grad is not None
    assert logits.grad.all()


def test_the_map_of_the_unusual_learns_where_it_is_told_and_nowhere_else() -> None:
    logits = torch.zeros(1, 2, 3, requires_grad=True)
    unusual = torch.tensor([[[1.0, 0.0, -1.0], [0.0, -1.0, 1.0]]])
    nowhere = torch.zeros(1, 6, dtype=torch.bool)
    loss = anomaly_loss(logits, unusual, nowhere, lookalike_weight=1.0)
    loss.backward()
    assert logits.grad is not None
    assert torch.equal(torch.sign(logits.grad), torch.tensor([[[-1.0, 1.0, 0.0], [1.0, 0.0, -1.0]]]))
    assert (
        float(anomaly_loss(logits.detach(), torch.full((1, 2, 3), -1.0), nowhere, lookalike_weight=1.0))
        == 0.0
    )
    right = torch.where(unusual > 0.5, 20.0, -20.0)
    assert float(anomaly_loss(right, unusual, nowhere, lookalike_weight=1.0)) == pytest.approx(0.0, abs=1e-6)
    one = torch.tensor(1.0)
    terms = with_anomaly(LossTerms(one, one, one, one, 0 * one), 2 * one)
    assert (float(terms.total), float(terms.anomaly)) == (3.0, 2.0)


def test_usual_cells_weigh_no_more_where_hardly_anything_is_unusual() -> None:
    """Of 1,000 cells one is unusual: what the others cost is divided by a hundredth of them, and not by one."""
    logits = torch.zeros(1, 20, 50)
    unusual = torch.zeros(1, 20, 50)
    unusual[0, 0, 0] = 1.0
    usual = 999 * 0.75 * 0.25 * float(torch.log(torch.tensor(2.0)))
    expected = (usual + float(torch.log(torch.tensor(2.0)))) / 10.0
    nowhere = torch.zeros(1, 1000, dtype=torch.bool)
    assert float(anomaly_loss(logits, unusual, nowhere, lookalike_weight=1.0)) == pytest.approx(
        expected, rel=1e-4
    )


def test_background_under_a_lookalike_weighs_more_and_nothing_else_does() -> None:
    harmless = torch.zeros(len(POINTS), dtype=torch.bool)
    harmless[::2] = True
    plain = Run(mask_of(True, True, True), [(10, 10, 40, 40)], [0], harmless=harmless)
    weighed = Run(mask_of(True, True, True), [(10, 10, 40, 40)], [0], harmless=harmless, lookalike_weight=4.0)
    ratio = weighed.logit_gradient / plain.logit_gradient
    assert plain.answers[harmless].any()
    torch.testing.assert_close(ratio[~harmless], torch.ones_like(ratio[~harmless]))
    background = harmless & ~plain.answers
    torch.testing.assert_close(ratio[background], torch.full_like(ratio[background], 4.0))
    # What answers for the item in it is asked for as before.
    torch.testing.assert_close(
        ratio[harmless & plain.answers][:, 0], torch.ones_like(ratio[harmless & plain.answers][:, 0])
    )


def test_usual_cells_under_a_lookalike_weigh_more_in_the_map() -> None:
    logits = torch.zeros(1, 2, 3, requires_grad=True)
    unusual = torch.tensor([[[1.0, 0.0, 0.0], [0.0, -1.0, 1.0]]])
    harmless = torch.tensor([[True, True, False, False, True, False, True]])  # the last is no cell of the map
    gradients = []
    for weight in (1.0, 3.0):
        logits.grad = None
        anomaly_loss(logits, unusual, harmless, lookalike_weight=weight).backward()  # type: ignore[no-untyped-call]
        assert logits.grad is not None
        gradients.append(logits.grad.clone())
    ratio = (gradients[1] / gradients[0]).nan_to_num(0.0)
    torch.testing.assert_close(ratio, torch.tensor([[[1.0, 3.0, 1.0], [1.0, 0.0, 1.0]]]))
