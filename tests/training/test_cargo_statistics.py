"""Simulated truck scans beside stored statistics of five real dual-energy truck scans.

The statistics are of the more penetrating channel of five raw scans of containers on trucks (a linac of 6 and 4 MV,
16 bits): air level, share of zero pixels, noise in air, and the shares of pixels by -ln T. The loads of all five are
heavy, and they are cut out closely; hence the wide bounds.
"""

import numpy as np
import pytest

from cargosight_training.simulation.cargo import ContainerSettings, simulate_container

pytestmark = pytest.mark.acceptance

Counts = np.ndarray
EDGES = (-1.0, 0.1, 0.3, 0.7, 1.2, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 9.0, 12.0)
AIR = (52_557, 57_995, 52_104, 57_901, 58_582)
ZEROS = (0.0483, 0.0358, 0.0228, 0.0220, 0.0221)
ZEROS_LOW = (0.1352, 0.0732, 0.0484, 0.0264, 0.0259)
NOISE = (0.0163, 0.0122, 0.0159, 0.0129, 0.0123)
DEPTHS = (
    (0.018, 0.049, 0.038, 0.044, 0.052, 0.070, 0.065, 0.059, 0.083, 0.195, 0.250, 0.079),
    (0.151, 0.167, 0.079, 0.028, 0.028, 0.038, 0.034, 0.031, 0.036, 0.119, 0.233, 0.056),
    (0.015, 0.062, 0.039, 0.044, 0.049, 0.065, 0.092, 0.146, 0.228, 0.195, 0.040, 0.024),
    (0.116, 0.167, 0.089, 0.048, 0.058, 0.072, 0.068, 0.072, 0.233, 0.055, 0.001, 0.022),
    (0.346, 0.161, 0.101, 0.041, 0.046, 0.041, 0.035, 0.038, 0.051, 0.092, 0.025, 0.022),
)


def air_level(counts: Counts) -> float:
    return float(np.percentile(counts[counts < 65_535], 99))


def noise_in_air(counts: Counts, air: float) -> float:
    """The deviation of second differences along rows where three neighbours see air, relative to air."""
    plane = counts.astype(np.float32) / air
    clear = (plane > 0.9) & (plane < 1.12)
    bend = (plane[:, :-2] - 2 * plane[:, 1:-1] + plane[:, 2:]) / np.sqrt(6)
    return float(1.4826 * np.median(np.abs(bend[clear[:, :-2] & clear[:, 1:-1] & clear[:, 2:]])))


def depths(counts: Counts, air: float) -> np.ndarray:
    return np.histogram(-np.log(np.maximum(counts, 1) / air), bins=EDGES)[0] / counts.size


@pytest.fixture(scope="module")
def scans() -> list[Counts]:
    settings = ContainerSettings(
        vehicles=("container 20", "container 40", "truck"),
        families=("sacks", "big bags", "meat", "coils", "scrap", "tiles", "rolls", "drums"),
        empty_share=0.0,
        megavolts=((6.0, 4.0),),
        photons=(2e3, 6e3),
        pitch_mm=(9.0, 11.0),
    )
    return [simulate_container(77, index, settings).counts for index in range(16)]


def test_air_and_its_noise_are_as_real(scans: list[Counts]) -> None:
    air = [air_level(scan[:, :, 0]) for scan in scans]
    assert 0.97 * min(AIR) < min(air)
    assert max(air) < 1.05 * max(AIR)
    noise = [noise_in_air(scan[:, :, 0], level) for scan, level in zip(scans, air, strict=True)]
    assert 0.7 * min(NOISE) < min(noise)
    assert max(noise) < 1.6 * max(NOISE)
    assert np.median(noise) == pytest.approx(np.median(NOISE), rel=0.4)


def test_dead_and_unlit_pixels_are_as_many_as_real(scans: list[Counts]) -> None:
    zeros, zeros_low = (np.array([(scan[:, :, c] == 0).mean() for scan in scans]) for c in (0, 1))
    assert 0.3 * np.median(ZEROS) < np.median(zeros) < 2.0 * np.median(ZEROS)
    assert zeros.max() < 2.5 * max(ZEROS_LOW)
    assert (zeros_low >= zeros).mean() > 0.9


def test_depths_are_spread_as_real(scans: list[Counts]) -> None:
    real = np.array(DEPTHS)
    made = np.array([depths(scan[:, :, 0], air_level(scan[:, :, 0])) for scan in scans])
    # Half the sum of differences: 0 for the same shares, 1 for no common depth. Two real scans lie 0.56 apart at most.
    assert 0.5 * np.abs(made.mean(axis=0) - real.mean(axis=0)).sum() < 0.3
    opaque, opaque_real = made[:, EDGES.index(5.0) :].sum(axis=1), real[:, EDGES.index(5.0) :].sum(axis=1)
    assert opaque.max() > opaque_real.min()
    assert np.mean(opaque) > 0.4 * np.mean(opaque_real)
