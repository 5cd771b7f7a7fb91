"""Training batches: each a pure function of seed, step and slot, so that a resumed run sees the same ones."""

import multiprocessing
import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from cargosight_inference.preprocess import preprocess
from cargosight_models.contract import InputContract
from cargosight_models.errors import ConfigurationError
from cargosight_models.geometry import FloatArray, IndexArray, clip_boxes, contains_points
from cargosight_models.labels import LabelledRegions
from cargosight_models.networks.head import STRIDES, location_grid
from cargosight_training.augmentation.crops import CropRecipe
from cargosight_training.augmentation.recipe import Recipe
from cargosight_training.config import TrainConfig
from cargosight_training.datasets.cache import read_record
from cargosight_training.datasets.records import ImageRecord
from cargosight_training.datasets.sampling import BalancedSampling
from cargosight_training.trainer.assignment import Truth

Slot = tuple[int, int]
"""A step of the run and a place in its batch."""


@dataclass(frozen=True)
class Item:
    """One sample as tensors.

    Attributes:
        image: (3, S, S) uint8, or float32 in [0, 1].
        boxes: (G, 4) float32 in input pixels.
        class_ids: (G,) int64.
        label_mask: (A, C) bool over the locations of the head.
        unusual: (S / 8, S / 8) float32: 1 unusual, 0 usual, below 0 unknown.
        harmless: (A,) bool over the locations of the head, where look-alikes lie.
    """

    image: Tensor
    boxes: Tensor
    class_ids: Tensor
    label_mask: Tensor
    unusual: Tensor
    harmless: Tensor


@dataclass(frozen=True)
class Batch:
    """A batch as the network and its loss take it.

    Attributes:
        images: (N, 3, S, S) uint8, or float32 in [0, 1].
        truth: the annotations, padded to the largest count of a sample.
        unusual: (N, S / 8, S / 8) float32, as in `Item`.
    """

    images: Tensor
    truth: Truth
    unusual: Tensor

    def truth_on(self, device: torch.device) -> Truth:
        """The annotations on ``device``."""
        truth = self.truth
        return Truth(
            truth.boxes.to(device, non_blocking=True),
            truth.class_ids.to(device, non_blocking=True),
            truth.valid.to(device, non_blocking=True),
            truth.label_mask.to(device, non_blocking=True),
            truth.harmless.to(device, non_blocking=True),
        )

    def network_images(self, device: torch.device) -> Tensor:
        """(N, 3, S, S) float32 in [0, 1], channels last, on ``device``."""
        images = self.images.to(device, non_blocking=True)
        if images.dtype == torch.uint8:
            images = images.float() / 255.0
        return images.contiguous(memory_format=torch.channels_last)


class TrainingSamples(Dataset[Item]):
    """Samples addressed by (step, slot).

    Args:
        config: the run.
        records: its training scans.
        recipe: makes varied samples; unused where augmentation is off.
    """

    def __init__(
        self, config: TrainConfig, records: tuple[ImageRecord, ...], recipe: Recipe | CropRecipe | None
    ) -> None:
        self._config, self._records, self._recipe = config, records, recipe
        self._sampling = BalancedSampling(
            records,
            balance=config.data.balance,
            empty_weight=config.data.empty_weight,
            seed=config.seed,
            group_weights=config.data.weights,
        )

    def __getitem__(self, at: Slot) -> Item:
        """Make the sample for a slot of a step."""
        step, slot = at
        phase = self._config.phase_at(step)
        position = int(self._sampling.draw(step, self._config.optimiser.batch)[slot])
        if self._recipe is None:
            return self._plain(position, phase.size)
        rng = np.random.default_rng((self._config.seed, step, 1 + slot))
        others = self._sampling.choose(rng, 3).tolist()
        sample = self._recipe.make(position, others, phase.size, rng, strength=phase.strength)
        image = torch.from_numpy(np.ascontiguousarray(sample.picture.transpose(2, 0, 1)))
        return _item(
            image,
            sample.boxes,
            sample.class_ids,
            sample.regions,
            unusual=sample.unusual,
            harmless=sample.harmless,
        )

    def _plain(self, position: int, size: int) -> Item:
        """The very tensor that an inspection of this scan gives the network."""
        record = self._records[position]
        shapes = ((size, size),)
        scan = read_record(record, self._config.subject, shapes)
        view = preprocess(scan, InputContract(shapes=shapes))
        whole = np.array([[0, 0, size, size]], dtype=np.float32)
        regions = LabelledRegions(whole, record.labelled[None])
        boxes = clip_boxes(view.to_input.boxes(record.annotations.boxes), size, size)
        return _item(torch.from_numpy(view.tensor[0]), boxes, record.annotations.class_ids, regions)


def _item(
    image: Tensor,
    boxes: FloatArray,
    class_ids: IndexArray,
    regions: LabelledRegions,
    *,
    unusual: FloatArray | None = None,
    harmless: FloatArray | None = None,
) -> Item:
    points = location_grid(image.shape[1], image.shape[2])[0].numpy()
    mask = torch.from_numpy(regions.mask_at(points))
    places = np.zeros((0, 4), dtype=np.float32) if harmless is None else harmless
    if unusual is None:  # nobody knows
        unusual = np.full(
            (image.shape[1] // STRIDES[0], image.shape[2] // STRIDES[0]), -1.0, dtype=np.float32
        )
    return Item(
        image,
        torch.from_numpy(boxes),
        torch.from_numpy(class_ids),
        mask,
        torch.from_numpy(unusual),
        torch.from_numpy(contains_points(places, points).any(axis=0)),
    )


def collate(items: list[Item]) -> Batch:
    """Stack items; pictures of both types in one batch all become float32."""
    images = [item.image for item in items]
    if len({image.dtype for image in images}) > 1:
        images = [image.float() / 255.0 if image.dtype == torch.uint8 else image for image in images]
    most = max(len(item.boxes) for item in items)
    boxes = torch.zeros(len(items), most, 4)
    class_ids = torch.zeros(len(items), most, dtype=torch.int64)
    valid = torch.zeros(len(items), most, dtype=torch.bool)
    for row, item in enumerate(items):
        count = len(item.boxes)
        boxes[row, :count], class_ids[row, :count], valid[row, :count] = item.boxes, item.class_ids, True
    label_mask = torch.stack([item.label_mask for item in items])
    unusual = torch.stack([item.unusual for item in items])
    harmless = torch.stack([item.harmless for item in items])
    return Batch(torch.stack(images), Truth(boxes, class_ids, valid, label_mask, harmless), unusual)


class _Plan:
    """The slots of each step from ``first`` on, made as they are asked for."""

    def __init__(self, config: TrainConfig, first: int, rank: int, world: int) -> None:
        self._steps = range(first, config.total_steps)
        self._slots = range(rank, config.optimiser.batch, world)

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[list[Slot]]:
        return ([(step, slot) for slot in self._slots] for step in self._steps)


def batches(
    samples: TrainingSamples, config: TrainConfig, *, first: int, rank: int, world: int
) -> Generator[Batch, None, None]:
    """The batches of the steps from ``first`` to the end of the run; each process takes its share of every batch.

    Raises:
        ConfigurationError: loader processes were asked for where the system cannot fork them.
    """
    workers = config.machine.workers
    if workers and "fork" not in multiprocessing.get_all_start_methods():
        raise ConfigurationError(
            f"machine.workers is {workers}, but this system cannot fork loader processes: set it to 0"
        )
    loader: DataLoader[Item] = DataLoader(
        samples,
        batch_sampler=_Plan(config, first, rank, world),
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_start_worker,
        prefetch_factor=4 if workers else None,
        multiprocessing_context="fork" if workers else None,
        generator=torch.Generator().manual_seed(config.seed),
    )
    # OpenCV's pool is stopped before the fork: a child that inherits it waits for threads that it does not have.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    drawn = iter(loader)
    cv2.setNumThreads(threads)
    yield from drawn


def _start_worker(_worker: int) -> None:
    """One core for each loader process, since the cores belong to the network; the run alone answers to signals.

    OpenCV was set to one thread before the fork.
    """
    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
