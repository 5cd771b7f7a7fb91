"""Made cargo scans of the size that linacs give, to measure on."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.attenuation import ALUMINIUM, CELLULOSE, POLYETHYLENE, STEEL, Material
from cargosight_inference.scans.beams import linac
from cargosight_inference.scans.projection import DEFAULT_MEGAVOLTS

WIDTH, HEIGHT = 4000, 1200
_LEFT, _RIGHT, _ROOF, _FLOOR, _FOOT = 180, 3820, 70, 1000, 1110
_WALL, _POST, _MEMBER, _RAIL = 2.4, 20.0, 16.0, 6.0  # g/cm2 of steel
_COUNTS = 12_000.0
_AIR = 245  # grey of air in the 8-bit scan
_GOODS: tuple[tuple[Material, float, float], ...] = (
    (CELLULOSE, 10.0, 60.0),
    (POLYETHYLENE, 10.0, 80.0),
    (ALUMINIUM, 5.0, 40.0),
    (STEEL, 5.0, 60.0),
)
"""Material, least and greatest g/cm2 of a stack."""


def write_grey(path: Path) -> Path:
    """Write one energy as a console that brightens the dark draws it: an 8-bit PNG of 4,000 x 1,200."""
    plane = _counts(DEFAULT_MEGAVOLTS[:1])[0] / _COUNTS
    grey = np.rint(np.minimum(plane, 1.0) ** 0.8 * _AIR).astype(np.uint8)
    cv2.imwrite(str(path), grey)
    return path


def write_dual_energy(path: Path) -> Path:
    """Write two energies as raw counts: a 16-bit TIFF of two pages of 4,000 x 1,200, without compression."""
    pages = [np.minimum(plane * (50_000.0 / _COUNTS), 65535.0).astype(np.uint16) for plane in _counts()]
    cv2.imwritemulti(str(path), pages, [cv2.IMWRITE_TIFF_COMPRESSION, 1])
    return path


def _counts(megavolts: tuple[float, ...] = DEFAULT_MEGAVOLTS) -> list[npt.NDArray[np.float32]]:
    """Return (H, W) counts of each energy, with their noise."""
    generator = np.random.default_rng(0)
    loads = _loads(generator)
    planes = (linac(voltage).transmission(loads) for voltage in megavolts)
    return [generator.poisson(plane * _COUNTS).astype(np.float32) for plane in planes]


def _loads(generator: np.random.Generator) -> dict[Material, npt.NDArray[np.float32]]:
    """Return g/cm2 (H, W) by material: a container, stacks of goods, and a lump that nothing gets through."""
    steel = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
    steel[_ROOF:_FOOT, _LEFT:_RIGHT] = _WALL
    steel[_ROOF : _ROOF + 12, _LEFT:_RIGHT] += _RAIL
    for left in (_LEFT, _RIGHT - 40):
        steel[_ROOF:_FOOT, left : left + 40] += _POST
    steel[_FLOOR : _FLOOR + 15, _LEFT:_RIGHT] += _RAIL
    steel[_FOOT - 15 : _FOOT, _LEFT:_RIGHT] += _RAIL
    for left in range(_LEFT + 40, _RIGHT - 40, 60):
        steel[_FLOOR:_FOOT, left : left + 18] += _MEMBER
    loads: dict[Material, npt.NDArray[np.float32]] = {STEEL: steel}
    for left in range(_LEFT + 80, _RIGHT - 260, 220):
        material, least, most = _GOODS[int(generator.integers(len(_GOODS)))]
        plane = loads.setdefault(material, np.zeros((HEIGHT, WIDTH), dtype=np.float32))
        top = int(generator.integers(_ROOF + 60, _FLOOR - 150))
        plane[top:_FLOOR, left : left + 200] += float(generator.uniform(least, most))
        for _ in range(12):  # boxes and gaps in the stack
            x, y = int(generator.integers(left, left + 160)), int(generator.integers(top, _FLOOR - 40))
            plane[y : y + 40, x : x + 40] *= float(generator.uniform(0.3, 1.6))
    steel[_FLOOR - 180 : _FLOOR - 20, 2000:2180] += 400.0
    return loads
