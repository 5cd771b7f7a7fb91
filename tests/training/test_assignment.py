import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_models.networks.head import location_grid
from cargosight_training.trainer.assignment import Locations, Targets, Truth, assign, pairwise_iou

POINTS, STRIDES = location_grid(64, 64)
CLASSES = 3


def locations(seed: int = 0, images: int = 1, *, reach: float = 2.0) -> Locations:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(images, len(POINTS), CLASSES, generator=generator) - 3.0
    distances = reach * STRIDES[:, None] * (0.5 + torch.rand(images, len(POINTS), 2, generator=generator))
    return Locations(logits, torch.cat([POINTS - distances, POINTS + distances], dim=2), POINTS, STRIDES)


def truth(boxes: list[tuple[float, float, float, float]], class_ids: list[int], *, padding: int = 0) -> Truth:
    count = len(boxes) + padding
    padded = torch.zeros(1, count, 4)
    ids = torch.zeros(1, count, dtype=torch.int64)
    valid = torch.zeros(1, count, dtype=torch.bool)
    if boxes:
        padded[0, : len(boxes)] = torch.tensor(boxes)
        ids[0, : len(boxes)], valid[0, : len(boxes)] = torch.tensor(class_ids), True
    none = torch.zeros(1, len(POINTS), dtype=torch.bool)
    return Truth(padded, ids, valid, torch.ones(1, len(POINTS), CLASSES, dtype=torch.bool), none)


def positives(targets: Targets) -> set[int]:
    return set(torch.nonzero(targets.positive[0]).flatten().tolist())


def test_overlap_of_every_pair() -> None:
    a = torch.tensor([[[0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 0.0, 0.0]]])
    b = torch.tensor([[[5.0, 0.0, 15.0, 10.0], [0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 30.0, 30.0]]])
    expected = torch.tensor([[[1 / 3, 1.0, 0.0], [0.0, 0.0, 0.0]]])
    assert torch.allclose(pairwise_iou(a, b), expected, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 6))
def test_positives_lie_in_the_box_they_answer_for(seed: int, count: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=generator) * 40
    sides = 4 + torch.rand(count, 2, generator=generator) * 20
    boxes = torch.cat([corners, corners + sides], dim=1)
    class_ids = torch.randint(0, CLASSES, (count,), generator=generator).tolist()
    asked = truth([tuple(b) for b in boxes.tolist()], class_ids, padding=2)
    targets = assign(locations(seed), asked)
    for place in positives(targets):
        box = targets.boxes[0, place]
        owner = int((asked.boxes[0] == box).all(dim=1).nonzero()[0])
        reach = torch.maximum((box[2:] - box[:2]) / 2, STRIDES[place] / 2)
        assert ((POINTS[place] - (box[:2] + box[2:]) / 2).abs() <= reach + 1e-4).all()
        wanted = targets.scores[0, place]
        assert int((wanted > 0).sum()) <= 1
        if wanted.any():
            assert int(wanted.argmax()) == int(asked.class_ids[0, owner])
            assert 0.0 < float(wanted.max()) <= 1.0
    assert not targets.scores[0][~targets.positive[0]].any()


def test_the_best_location_is_asked_for_its_overlap() -> None:
    found = locations(1)
    targets = assign(found, truth([(10, 10, 50, 50)], [2]))
    iou = pairwise_iou(torch.tensor([[[10.0, 10.0, 50.0, 50.0]]]), found.boxes)[0, 0]
    best = max(positives(targets), key=lambda place: float(targets.scores[0, place, 2]))
    chosen = torch.tensor(sorted(positives(targets)))
    assert torch.isclose(targets.scores[0, best, 2], iou[chosen].max(), rtol=1e-3)


def test_no_more_than_the_best_few() -> None:
    assert len(positives(assign(locations(), truth([(0, 0, 64, 64)], [0]), top=10))) == 10
    assert len(positives(assign(locations(), truth([(0, 0, 64, 64)], [0]), top=1000))) == len(POINTS)


def test_a_box_smaller_than_a_stride_has_a_location() -> None:
    assert positives(assign(locations(), truth([(15.5, 15.5, 16.5, 16.5)], [1])))


def test_a_location_answers_for_one_box() -> None:
    targets = assign(locations(), truth([(10, 10, 40, 40), (10, 10, 40, 40), (12, 12, 44, 44)], [0, 1, 2]))
    assert int((targets.scores[0] > 0).sum(dim=1).max()) == 1


def test_padding_changes_nothing() -> None:
    boxes, class_ids = [(10.0, 10.0, 40.0, 40.0), (30.0, 5.0, 60.0, 30.0)], [0, 2]
    plain = assign(locations(3), truth(boxes, class_ids))
    padded = assign(locations(3), truth(boxes, class_ids, padding=3))
    assert torch.equal(plain.scores, padded.scores)
    assert torch.equal(plain.positive, padded.positive)


def test_without_boxes_there_are_no_positives() -> None:
    for asked in (truth([], []), truth([], [], padding=2)):
        targets = assign(locations(), asked)
        assert not targets.positive.any()
        assert not targets.scores.any()
        assert targets.boxes.shape == (1, len(POINTS), 4)


def test_images_of_a_batch_do_not_mix() -> None:
    found = locations(5, images=2)
    both = Truth(
        torch.tensor([[[10.0, 10.0, 40.0, 40.0]], [[30.0, 5.0, 60.0, 30.0]]]),
        torch.tensor([[0], [2]]),
        torch.ones(2, 1, dtype=torch.bool),
        torch.ones(2, len(POINTS), CLASSES, dtype=torch.bool),
        torch.zeros(2, len(POINTS), dtype=torch.bool),
    )
    together = assign(found, both)
    for row, (box, class_id) in enumerate((((10.0, 10.0, 40.0, 40.0), 0), ((30.0, 5.0, 60.0, 30.0), 2))):
        alone = Locations(found.logits[row : row + 1], found.boxes[row : row + 1], POINTS, STRIDES)
        assert torch.equal(assign(alone, truth([box], [class_id])).scores[0], together.scores[row])


def test_assignment_is_not_differentiated() -> None:
    found = locations()
    found = Locations(found.logits.requires_grad_(), found.boxes.requires_grad_(), POINTS, STRIDES)
    targets = assign(found, truth([(10, 10, 40, 40)], [0]))
    assert not targets.scores.requires_grad
    assert not targets.boxes.requires_grad
