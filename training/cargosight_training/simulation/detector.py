"""From optical depth to what a line detector counts: blur, scatter, photon noise, uneven channels."""

from dataclasses import dataclass

import cv2
import numpy as np

from cargosight_training.simulation.canvas import Plane

Rng = np.random.Generator


@dataclass(frozen=True)
class Detector:
    """One scanner's detector line.

    Attributes:
        counts: photons a pixel in air, at the high energy; the low one gets 0.7 times as many.
        blur: standard deviation of the point spread function in pixels.
        scatter: share of the local mean signal that arrives scattered, in [0, 0.1].
        stripes: standard deviation of the gain between detector rows, relative.
    """

    counts: float
    blur: float
    scatter: float
    stripes: float

    def __post_init__(self) -> None:
        if not (
            self.counts >= 100.0 and self.blur >= 0.0 and 0.0 <= self.scatter <= 0.1 and self.stripes >= 0.0
        ):
            raise ValueError(
                f"{self}: expected 100 counts or more, blur and stripes of 0 or more, scatter in [0, 0.1]"
            )


def choose_detector(rng: Rng) -> Detector:
    """Return a detector of random quality."""
    return Detector(
        counts=float(np.exp(rng.uniform(np.log(8e3), np.log(2.5e5)))),
        blur=float(rng.uniform(0.35, 0.9)),
        scatter=float(rng.uniform(0.0003, 0.003)),
        stripes=float(rng.choice([0.0, 0.002, 0.006], p=[0.5, 0.35, 0.15])),
    )


def expose(depth: Plane, detector: Detector, rng: Rng) -> Plane:
    """Return the transmission (H, W, 2) float32 in [0, 1] that `detector` measures.

    Args:
        depth: (2, H, W) optical depth at the high and the low energy.
        detector: blur, scatter and noise.
        rng: source of the noise.
    """
    _, height, width = depth.shape
    out = np.empty((height, width, 2), dtype=np.float32)
    small = (max(width // 16, 1), max(height // 16, 1))
    gains = np.float32(1.0) + np.float32(detector.stripes) * rng.standard_normal(
        (height, 1), dtype=np.float32
    )
    for channel, share in ((0, 1.0), (1, 0.7)):
        signal = np.asarray(cv2.exp(-depth[channel]), dtype=np.float32)
        if detector.blur > 0.0:
            signal = np.asarray(cv2.GaussianBlur(signal, (0, 0), detector.blur), dtype=np.float32)
        coarse = cv2.GaussianBlur(cv2.resize(signal, small, interpolation=cv2.INTER_AREA), (0, 0), 1.5)
        around = np.asarray(
            cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32
        )
        signal = signal * np.float32(1.0 - detector.scatter) + around * np.float32(detector.scatter)
        counts = _poisson(signal * np.float32(detector.counts * share), rng)
        out[:, :, channel] = np.clip(counts * gains / np.float32(detector.counts * share), 0.0, 1.0)
    return out


def _poisson(mean: Plane, rng: Rng) -> Plane:
    """Return counts around `mean`: exact where few are expected, by the normal approximation above 40."""
    (rare,) = rng.spawn(1)  # draws as many numbers as it likes, and leaves the next channel's noise alone
    counts: Plane = np.sqrt(mean)
    counts *= rng.standard_normal(mean.shape, dtype=np.float32)
    counts += mean
    few = mean < 40.0
    counts[few] = rare.poisson(mean[few])
    return counts
