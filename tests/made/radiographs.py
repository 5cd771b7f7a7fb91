"""Made radiographs of containers: steel walls, posts, a floor on cross-members, and what is put into them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.attenuation import STEEL, Material
from cargosight_inference.scans.beams import linac
from cargosight_inference.scans.scan import Scan

HEIGHT, WIDTH = 360, 900
LEFT, RIGHT, ROOF, FLOOR, FOOT = 40, 860, 20, 300, 335
"""Ends of the box, rows of roof, floor and the bottom of the floor structure."""

_WALL, _POST, _MEMBER, _RAIL = 2.4, 20.0, 16.0, 6.0  # g/cm2 of steel


@dataclass(frozen=True)
class Block:
    """A block of goods: columns and rows of its box, its material, and its areal density in g/cm2."""

    x1: int
    y1: int
    x2: int
    y2: int
    material: Material
    load: float


def transmission(
    blocks: tuple[Block, ...] = (),
    *,
    counts: float = 10_000.0,
    seed: int = 0,
    megavolts: tuple[float, float] = (6.0, 4.0),
) -> npt.NDArray[np.float32]:
    """Return (H, W, 2) float32 in [0, 1] with the noise of so many counts in air."""
    loads: dict[Material, npt.NDArray[np.float32]] = {STEEL: _container()}
    for block in blocks:
        plane = loads.setdefault(block.material, np.zeros((HEIGHT, WIDTH), dtype=np.float32))
        plane[block.y1 : block.y2, block.x1 : block.x2] += block.load
    random = np.random.default_rng(seed)
    planes = [linac(voltage).transmission(loads) for voltage in megavolts]
    noisy = [random.poisson(plane * counts) / counts for plane in planes]
    return np.clip(np.stack(noisy, axis=2), 0.0, 1.0).astype(np.float32)


def _container() -> npt.NDArray[np.float32]:
    """Return g/cm2 of steel."""
    steel = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
    steel[ROOF:FOOT, LEFT:RIGHT] = _WALL
    steel[ROOF : ROOF + 4, LEFT:RIGHT] += _RAIL
    for left in (LEFT, RIGHT - 12):
        steel[ROOF:FOOT, left : left + 12] += _POST
    steel[FLOOR : FLOOR + 5, LEFT:RIGHT] += _RAIL
    steel[FOOT - 5 : FOOT, LEFT:RIGHT] += _RAIL
    for left in range(LEFT + 12, RIGHT - 12, 20):
        steel[FLOOR:FOOT, left : left + 6] += _MEMBER
    steel[FOOT:, LEFT + 60 : RIGHT - 60] += _MEMBER
    return steel


def dual_energy(blocks: tuple[Block, ...] = (), *, counts: float = 10_000.0, seed: int = 0) -> Scan:
    """Return a cargo scan in transmission at two energies."""
    return Scan.in_memory(
        transmission(blocks, counts=counts, seed=seed), kind="transmission", subject="cargo"
    )


def grey_pixels(
    blocks: tuple[Block, ...] = (), *, seed: int = 0, air: int = 245, counts: float = 20_000.0
) -> npt.NDArray[np.uint8]:
    """Return (H, W) uint8, as a console that brightens the dark draws it."""
    plane = transmission(blocks, counts=counts, seed=seed)[:, :, 0]
    return np.rint(plane**0.8 * air).astype(np.uint8)


def grey(blocks: tuple[Block, ...] = (), *, seed: int = 0, air: int = 245) -> Scan:
    """Return a cargo scan in display grey."""
    return Scan.in_memory(grey_pixels(blocks, seed=seed, air=air), kind="display_grey", subject="cargo")


def marked(blocks: tuple[Block, ...] = (), *, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return RGB (H, W, 3) uint8 with a red rectangle burnt in."""
    rgb = np.repeat(grey_pixels(blocks, seed=seed)[:, :, None], 3, axis=2)
    for rows, columns in (
        (slice(100, 103), slice(100, 700)),
        (slice(280, 283), slice(100, 700)),
        (slice(100, 283), slice(100, 103)),
        (slice(100, 283), slice(697, 700)),
    ):
        rgb[rows, columns] = (200, 20, 25)
    return rgb
