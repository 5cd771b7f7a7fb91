"""Candidates for the map of the unusual: each turns the features of one pass into a map, greater where less usual.

All are fitted to the same windows of training scans. What is compared with (banks, Gaussians) comes from the scans with
even places, the scale of each map and what a student learns from those with odd ones, so that no patch is measured
against itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import nn
from training.comparisons.anomaly_features import Features, Window

from cargosight_models.errors import DataSetError
from cargosight_models.geometry import BoolArray, FloatArray

SMALL_BANK = 2048
LARGE_BANK = 16384
COMPONENTS = 16
_DRAWN = 40_000
"""Patches that k-means, Gaussians and a student are fitted to, at most."""
_ROUNDS = 8
_WHITENED = 48
"""Directions that are kept of the backbone's patches: distances in all of them cost three times as much."""
_BLOCK = 4096
_STUDENT_STEPS = 1500
_STUDENT_BATCH = 512


@dataclass(frozen=True, eq=False)
class Patches:
    """Usable patches of training windows, one a row.

    Attributes:
        neck: float32 (P, N).
        backbone: float32 (P, B).
        odd: bool (P,), of something odd.
    """

    neck: FloatArray
    backbone: FloatArray
    odd: BoolArray

    def __len__(self) -> int:
        return len(self.odd)

    def chosen(self, rows: np.ndarray) -> "Patches":  # type: ignore[type-arg]  # indices or a mask
        """Some of them."""
        return Patches(self.neck[rows], self.backbone[rows], self.odd[rows])

    def drawn(self, most: int, seed: int) -> "Patches":
        """At most so many of them, without order."""
        return self.chosen(np.random.default_rng(seed).permutation(len(self))[:most])


def patches_of(windows: Sequence[Window]) -> Patches:
    """Collect the usable patches of windows.

    Raises:
        DataSetError: There is none.
    """
    kept = [window for window in windows if window.usable.any()]
    if not kept:
        raise DataSetError("no patch of normal cargo is left in the training scans; name clean ones")
    return Patches(
        np.concatenate([w.features.neck[w.usable] for w in kept]).astype(np.float32),
        np.concatenate([w.features.backbone[w.usable] for w in kept]).astype(np.float32),
        np.concatenate([w.odd[w.usable] for w in kept]),
    )


def by_patch(cells: FloatArray) -> FloatArray:
    """(h, w) of cells of 8 pixels to the greatest of each patch of 16."""
    height, width = cells.shape
    found: FloatArray = cells.reshape(height // 2, 2, width // 2, 2).max(axis=(1, 3))
    return found


def by_cell(patches: FloatArray) -> FloatArray:
    """(h16, w16) of patches to cells of 8 pixels, interpolated."""
    height, width = patches.shape
    return np.asarray(
        cv2.resize(patches, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR), np.float32
    )


class Whitening:
    """Turns patches so that their directions are independent and spread alike, and keeps the widest.

    Args:
        rows: (P, D).
        directions: How many are kept at most.
    """

    def __init__(self, rows: FloatArray, directions: int) -> None:
        self.mean = rows.mean(axis=0)
        centred = rows - self.mean
        values, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(rows))
        widest = np.argsort(values)[::-1][:directions]
        # Directions in which hardly anything varies would only be noise, made large.
        spread = np.sqrt(values[widest] + 1e-2 * values.max())
        self.matrix = (vectors[:, widest] / spread).astype(np.float32)

    def __call__(self, rows: FloatArray) -> FloatArray:
        """(P, D) to (P, K)."""
        turned: FloatArray = (rows - self.mean) @ self.matrix
        return turned


def nearest(rows: FloatArray, bank: FloatArray) -> tuple[FloatArray, np.ndarray]:  # type: ignore[type-arg]
    """Distance (P,) of every row to the bank's nearest one, and which that is."""
    to, norms = torch.from_numpy(bank), torch.from_numpy((bank**2).sum(axis=1))
    distances, places = [], []
    for start in range(0, len(rows), _BLOCK):
        block = torch.from_numpy(rows[start : start + _BLOCK])
        least, place = torch.addmm(norms, block, to.T, alpha=-2.0).min(dim=1)
        distances.append(torch.sqrt(torch.clamp(least + (block**2).sum(dim=1), min=0.0)).numpy())
        places.append(place.numpy())
    return np.concatenate(distances), np.concatenate(places)


def k_means(rows: FloatArray, count: int, *, seed: int) -> FloatArray:
    """Centres (K, D) of clusters by Lloyd's rounds, from rows drawn at random; K is at most a quarter of the rows."""
    count = max(1, min(count, len(rows) // 4))
    centres = rows[np.random.default_rng(seed).permutation(len(rows))[:count]].copy()
    for _ in range(_ROUNDS):
        place = nearest(rows, centres)[1]
        sizes = np.bincount(place, minlength=count)
        order = np.argsort(place, kind="stable")
        filled = np.flatnonzero(sizes)
        starts = (np.cumsum(sizes) - sizes)[filled]
        centres[filled] = np.add.reduceat(rows[order], starts, axis=0) / sizes[filled, None]
    return centres


Scorer = Callable[[Features], FloatArray]
"""Features to a map (h, w) of cells, at any scale."""


def of_head(features: Features) -> FloatArray:
    """The network's own map, in logits."""
    return features.head


class Bank:
    """Distance to the nearest of some patches of normal cargo.

    Args:
        part: `neck` or `backbone`.
        normal: Patches of normal cargo.
        size: Of the bank.
        centres: Whether it holds the centres of clusters; else patches drawn at random.
    """

    def __init__(self, part: str, normal: Patches, size: int, *, centres: bool) -> None:
        self._part = part
        drawn = normal.drawn(max(_DRAWN, size), seed=0)
        rows = getattr(drawn, part)
        self._whiten = Whitening(rows, _WHITENED)
        turned = self._whiten(rows)
        self._bank = k_means(turned, size, seed=1) if centres else turned[:size]

    def __len__(self) -> int:
        return len(self._bank)

    def distances(self, rows: FloatArray) -> FloatArray:
        """(P, D) of its part to (P,)."""
        return nearest(self._whiten(rows), self._bank)[0]

    def __call__(self, features: Features) -> FloatArray:
        """The map of a pass."""
        columns = getattr(features, self._part)
        rows = columns.reshape(-1, columns.shape[2]).astype(np.float32)
        return by_cell(self.distances(rows).reshape(columns.shape[:2]))


class Gaussians:
    """Distance to the likeliest of some Gaussians (-2 ln of its density), each with a covariance of its own.

    Args:
        normal: Patches of normal cargo.
        components: How many.
    """

    def __init__(self, normal: Patches, components: int) -> None:
        rows = normal.drawn(_DRAWN, seed=0).neck
        self._whiten = Whitening(rows, _WHITENED)
        turned = self._whiten(rows)
        self._means = k_means(turned, components, seed=1)
        place = nearest(turned, self._means)[1]
        factors, constants = [], []
        for component in range(len(self._means)):
            inside = turned[place == component] - self._means[component]
            # Drawn towards the covariance of all, which is about 1 here, as if by a hundred patches more.
            covariance = (inside.T @ inside + 100.0 * np.eye(inside.shape[1])) / (len(inside) + 100.0)
            lower = np.linalg.cholesky(covariance.astype(np.float64))
            factors.append(np.linalg.inv(lower).T.astype(np.float32))
            share = max(len(inside), 1) / len(turned)
            constants.append(2.0 * np.log(np.diag(lower)).sum() - 2.0 * np.log(share))
        self._factors, self._constants = factors, constants

    def __call__(self, features: Features) -> FloatArray:
        """The map of a pass."""
        columns = features.neck
        turned = self._whiten(columns.reshape(-1, columns.shape[2]).astype(np.float32))
        least = np.full(len(turned), np.inf, dtype=np.float32)
        for mean, factor, constant in zip(self._means, self._factors, self._constants, strict=True):
            scaled = (turned - mean) @ factor
            least = np.minimum(least, (scaled**2).sum(axis=1) + np.float32(constant))
        return by_cell(least.reshape(columns.shape[:2]))


class Student:
    """Three layers of 1 x 1 that say from the neck's patches how far a large bank of the backbone's would find them.

    Args:
        teacher: The bank.
        seen: Patches that are not in it, odd ones among them, without which it would only ever see what is near.
        seed: Of its weights and batches.
    """

    def __init__(self, teacher: Bank, seen: Patches, *, seed: int) -> None:
        odd = seen.chosen(np.flatnonzero(seen.odd)).drawn(_DRAWN // 3, seed)
        usual = seen.chosen(np.flatnonzero(~seen.odd)).drawn(_DRAWN - len(odd), seed)
        rows = np.concatenate([usual.neck, odd.neck])
        wanted = teacher.distances(np.concatenate([usual.backbone, odd.backbone]))
        self._mean, self._spread = rows.mean(axis=0), rows.std(axis=0) + np.float32(1e-3)
        inputs, targets = torch.from_numpy(self._scaled(rows)), torch.from_numpy(wanted)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._layers = nn.Sequential(
                nn.Linear(rows.shape[1], 96), nn.ReLU(), nn.Linear(96, 48), nn.ReLU(), nn.Linear(48, 1)
            )
            self._learn(inputs, targets)

    def _scaled(self, rows: FloatArray) -> FloatArray:
        scaled: FloatArray = (rows - self._mean) / self._spread
        return scaled

    def _learn(self, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        optimiser = torch.optim.AdamW(self._layers.parameters(), lr=2e-3, weight_decay=1e-3)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STUDENT_STEPS)
        for _ in range(_STUDENT_STEPS):
            rows = torch.randint(len(inputs), (_STUDENT_BATCH,))
            loss = nn.functional.smooth_l1_loss(self._layers(inputs[rows])[:, 0], targets[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()

    @torch.inference_mode()
    def __call__(self, features: Features) -> FloatArray:
        """The map of a pass."""
        columns = features.neck
        rows = self._scaled(columns.reshape(-1, columns.shape[2]).astype(np.float32))
        found = self._layers(torch.from_numpy(rows))[:, 0].numpy()
        return by_cell(found.reshape(columns.shape[:2]))


@dataclass(frozen=True)
class Scale:
    """Where the maps of normal cargo lie: the median, and how far the highest cell of a thousand is above it."""

    middle: float
    reach: float

    @staticmethod
    def of(score: Scorer, windows: Sequence[Window]) -> "Scale":
        """Measure it on windows of normal cargo."""
        patches = [by_patch(score(window.features))[window.usable] for window in windows]
        values = np.concatenate(patches)
        middle, high = np.quantile(values, [0.5, 0.999])
        return Scale(float(middle), max(float(high - middle), 1e-6))


@dataclass(frozen=True, eq=False)
class Together:
    """The sum of maps, each on the scale of its own normal cargo."""

    parts: tuple[tuple[Scorer, Scale], ...]

    def __call__(self, features: Features) -> FloatArray:
        """The map of a pass."""
        scaled = [(score(features) - scale.middle) / scale.reach for score, scale in self.parts]
        total: FloatArray = np.sum(scaled, axis=0, dtype=np.float32)
        return total


def fit_candidates(
    pairs: Sequence[tuple[int, Window, Window]], *, small: int = SMALL_BANK, large: int = LARGE_BANK
) -> Mapping[str, Scorer]:
    """Every candidate by name, fitted.

    Args:
        pairs: The place of its scan, a window as it is, and with odd shapes; see `training_windows`.
        small: Patches of the banks that run with the network.
        large: Of the bank that a student learns from.

    Raises:
        DataSetError: There are too few windows.
    """
    inside = [clean for place, clean, _ in pairs if place % 2 == 0]
    outside = [(clean, odd) for place, clean, odd in pairs if place % 2 == 1]
    normal = patches_of(inside)
    beside = patches_of([window for both in outside for window in both])
    neck_bank = Bank("neck", normal, small, centres=True)
    backbone_bank = Bank("backbone", normal, small, centres=True)
    teacher = Bank("backbone", normal, large, centres=False)
    student = Student(teacher, beside, seed=0)
    scorers: dict[str, Scorer] = {
        "head": of_head,
        f"bank of {small:,}, neck": neck_bank,
        f"bank of {small:,}, backbone": backbone_bank,
        f"bank of {large:,}, backbone": teacher,
        f"student of the bank of {large:,}": student,
        f"{COMPONENTS} Gaussians, neck": Gaussians(normal, COMPONENTS),
    }
    usual = [clean for clean, _ in outside]
    head_scale = (of_head, Scale.of(of_head, usual))
    for name, score in (
        ("bank, neck", neck_bank),
        ("bank, backbone", backbone_bank),
        ("student", student),
    ):
        scorers[f"head + {name}"] = Together((head_scale, (score, Scale.of(score, usual))))
    return scorers
