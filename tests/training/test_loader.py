from pathlib import Path

import numpy as np
import pytest
import torch

from cargosight_inference.preprocess import preprocess
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_models.contract import InputContract
from cargosight_models.errors import DataSetError
from cargosight_models.networks.head import location_grid
from cargosight_training.config import TrainConfig
from cargosight_training.trainer.loader import Batch, Item, TrainingSamples, batches, collate
from cargosight_training.trainer.run import make_samples, read_training_data
from tests.made.datasets import CocoDocument, annotation
from tests.made.runs import make_run, record_of, trained_on, with_rectangle, write_picture
from tests.made.scans import SUFFIXES, write_scan


def samples_of(config: TrainConfig) -> TrainingSamples:
    return make_samples(config, read_training_data(config))


def assert_same(a: Batch, b: Batch) -> None:
    assert torch.equal(a.images, b.images)
    for name in ("boxes", "class_ids", "valid", "label_mask"):
        assert torch.equal(getattr(a.truth, name), getattr(b.truth, name))


@pytest.mark.parametrize("format_", sorted(SUFFIXES))
def test_without_augmentation_the_tensor_is_that_of_an_inspection(tmp_path: Path, format_: str) -> None:
    _, config = make_run(tmp_path, ["augment.enabled=false"])
    path = write_scan(tmp_path, format_, 50, 70)
    samples = TrainingSamples(config, (record_of(path, (70, 50), [(10, 10, 30, 40)], [1]),), None)
    item = samples[(0, 0)]
    scan = read_scan(path, ReadOptions(subject="baggage"))
    view = preprocess(scan, InputContract(shapes=((64, 64),)))
    batch = collate([item])
    assert np.array_equal(batch.network_images(torch.device("cpu")).numpy(), view.tensor)  # bit for bit
    back = view.boxes_to_scan(item.boxes.numpy())
    assert np.abs(back - [[10, 10, 30, 40]]).max() < 1e-3


def test_the_tensor_of_the_last_phase_has_its_size(tmp_path: Path) -> None:
    _, config = make_run(tmp_path, ["augment.enabled=false"])
    samples = samples_of(config)
    assert samples[(3, 0)].image.shape == (3, 64, 64)
    assert samples[(4, 0)].image.shape == (3, 96, 96)


@pytest.mark.parametrize("augmented", [True, False])
def test_batches_do_not_depend_on_the_number_of_workers(tmp_path: Path, augmented: bool) -> None:
    def drawn(workers: int, first: int = 0) -> list[Batch]:
        _, config = make_run(tmp_path, [f"machine.workers={workers}", f"augment.enabled={augmented}"])
        return list(batches(samples_of(config), config, first=first, rank=0, world=1))

    alone = drawn(0)
    assert len(alone) == 8
    for found in (drawn(1), drawn(2)):
        for a, b in zip(alone, found, strict=True):
            assert_same(a, b)
    for a, b in zip(alone[5:], drawn(2, first=5), strict=True):  # as a resumed run draws them
        assert_same(a, b)


def test_processes_share_a_batch(tmp_path: Path) -> None:
    _, config = make_run(tmp_path, ["optimiser.batch=4", "phases=[{steps: 1, size: 64}]"])
    samples = samples_of(config)
    (whole,) = batches(samples, config, first=0, rank=0, world=1)
    for rank in (0, 1):
        (share,) = batches(samples, config, first=0, rank=rank, world=2)
        assert torch.equal(share.images, whole.images[rank::2])


def test_seeds_differ(tmp_path: Path) -> None:
    first, second = (samples_of(make_run(tmp_path, [f"seed={seed}"])[1])[(0, 0)] for seed in (0, 1))
    assert not torch.equal(first.image, second.image)


def test_batches_leave_torchs_chance_alone(tmp_path: Path) -> None:
    _, config = make_run(tmp_path)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    next(batches(samples_of(config), config, first=0, rank=0, world=1))
    assert torch.equal(torch.rand(4), expected)


def item(boxes: int, *, wide: bool = False) -> Item:
    image = torch.full((3, 64, 64), 0.2) if wide else torch.full((3, 64, 64), 51, dtype=torch.uint8)
    mask = torch.ones(len(location_grid(64, 64)[0]), 3, dtype=torch.bool)
    nowhere = torch.zeros(len(mask), dtype=torch.bool)
    ids = torch.zeros(boxes, dtype=torch.int64)
    return Item(image, torch.rand(boxes, 4), ids, mask, torch.zeros(8, 8), nowhere)


def test_boxes_are_padded() -> None:
    batch = collate([item(2), item(0), item(1)])
    assert batch.truth.boxes.shape == (3, 2, 4)
    assert batch.truth.valid.tolist() == [[True, True], [False, False], [True, False]]
    assert batch.truth.label_mask.shape == (3, 64 + 16 + 4, 3)


def test_a_batch_without_any_box() -> None:
    batch = collate([item(0), item(0)])
    assert batch.truth.boxes.shape == (2, 0, 4)
    assert batch.truth.valid.shape == (2, 0)


def test_a_batch_of_both_picture_types_becomes_float() -> None:
    batch = collate([item(0), item(0, wide=True)])
    assert batch.images.dtype == torch.float32
    assert torch.allclose(batch.images, torch.tensor(0.2))


def test_images_reach_the_network_in_its_range_and_layout() -> None:
    images = collate([item(1), item(0)]).network_images(torch.device("cpu"))
    assert images.dtype == torch.float32
    assert torch.allclose(images, torch.tensor(0.2))
    assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [(20, 9), (3, 31), (200, 2)])
def test_scans_smaller_than_a_stride_can_be_trained_on(tmp_path: Path, size: tuple[int, int]) -> None:
    _, config = make_run(tmp_path)
    path = write_picture(tmp_path / "small.png", with_rectangle(*size, (1, 0, 3, 2)))
    document = CocoDocument(
        images=[{"id": 1, "file_name": str(path), "width": size[0], "height": size[1]}],
        annotations=[annotation(1, 1, 1, (1, 0, 2, 2))],
        categories=[{"id": 1, "name": "only"}],
    )
    config = trained_on(config, document.write(tmp_path / "s.json"))
    for batch in batches(samples_of(config), config, first=0, rank=0, world=1):
        assert batch.truth.label_mask.shape[2] == 1


def test_data_without_a_box_is_refused(tmp_path: Path) -> None:
    _, config = make_run(tmp_path)
    path = write_picture(tmp_path / "empty.png", np.full((20, 30, 3), 255, dtype=np.uint8))
    document = CocoDocument(
        images=[{"id": 1, "file_name": str(path), "width": 30, "height": 20}],
        categories=[{"id": 1, "name": "only"}],
    )
    with pytest.raises(DataSetError, match="none of the 1 images of 'e' has a box"):
        read_training_data(trained_on(config, document.write(tmp_path / "e.json")))


def weighted(config: TrainConfig, group: str, weight: float, **changes) -> TrainConfig:
    data = config.data.model_copy(update={"weights": {group: weight}, **changes})
    return config.model_copy(update={"data": data})


def test_a_weight_of_a_group_that_no_scan_has_is_refused(tmp_path: Path) -> None:
    _, config = make_run(tmp_path)
    with pytest.raises(DataSetError, match="no group 'site-c'"):
        read_training_data(weighted(config, "site-c", 2.0))


def test_a_weighted_group_may_be_left_out(tmp_path: Path) -> None:
    _, config = make_run(tmp_path)
    data = read_training_data(weighted(config, "site-b", 2.0, without=("site-b",)))
    assert data.groups == ("site-a", "site-a/1", "site-a/2")


def test_samples_follow_the_weights_of_groups(tmp_path: Path) -> None:
    _, config = make_run(tmp_path, ["augment.enabled=false"])
    only_b = samples_of(weighted(config, "site-b", 2.0, without=("site-a",)))
    slots = [(step, slot) for step in range(20) for slot in range(config.optimiser.batch)]
    known = {only_b[at].image.numpy().tobytes() for at in slots}
    samples = samples_of(weighted(config, "site-b", 1e9))
    assert {samples[at].image.numpy().tobytes() for at in slots[:12]} <= known
