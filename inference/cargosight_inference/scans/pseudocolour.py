"""Rendering two-energy transmission in the usual X-ray colours.

Security scanners show organic matter orange, mixed and light metals green, metals blue, what nothing
penetrates black and air white (the convention of all vendors, described for instance by D. Mery,
"Computer Vision for X-Ray Testing", Springer 2015, section 1.5, and by Singh and Singh, "Explosives
detection systems for aviation security", Signal Processing 83 (2003) 31-55).

Material is read from the ratio of the attenuations, R = ln T(low) / ln T(high), which does not depend on
thickness for a narrow spectrum. The anchors between which colours blend come from NIST's mass attenuation
coefficients at 60 and 100 keV, the effective energies of the two halves of a sandwich detector at 160 kV:

    polyethylene 0.1970 / 0.1719 = 1.15    water 0.2059 / 0.1707 = 1.21
    aluminium    0.2778 / 0.1704 = 1.63    iron  1.205  / 0.3717 = 3.24
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class RatioScale:
    """Ratios R at which the three colours are pure; they rise or fall from organic to metal.

    Attributes:
        organic: orange at and beyond this ratio.
        mixed: green at this one.
        metal: blue at and beyond this one.
    """

    organic: float
    mixed: float
    metal: float

    def __post_init__(self) -> None:
        if not (self.organic < self.mixed < self.metal or self.organic > self.mixed > self.metal):
            raise ValueError(f"the ratios are {self}; expected them to rise or to fall from organic to metal")


KILOVOLT = RatioScale(organic=1.3, mixed=1.63, metal=2.5)
"""Baggage scanners around 160 kV. Organic up to water and above (R 1.3), aluminium green, titanium to
iron blue."""

MEGAVOLT = RatioScale(organic=1.229, mixed=1.193, metal=1.148)
"""Linacs at 6 and 9 MV: polyethylene, aluminium and iron at 40 g/cm2. Pairs attenuate more at high
energy, so that the
ratio falls with the atomic number."""

# A material is a filter: channel = T ** exponent, so that overlapping items of one material multiply as
# transmission does. Rows orange, green, blue; columns red, green, blue. Chosen to give (0.84, 0.57,
# 0.25), (0.33, 0.68, 0.35) and (0.27, 0.44, 0.73) at T = 0.5.
_EXPONENTS = np.array([[0.25, 0.80, 2.00], [1.60, 0.55, 1.50], [1.90, 1.20, 0.45]], dtype=np.float32)
_ORANGE, _GREEN, _BLUE = _EXPONENTS
_BLEND = np.stack([_ORANGE, _GREEN - _ORANGE, _BLUE - _GREEN], axis=1)
_FLOOR = 1e-4  # transmissions below are noise; it keeps the logarithm finite
_THIN = 0.02  # -ln T under which the ratio is noise and fades to that of organic matter
_BLACK, _CLEAR = (
    0.004,
    0.03,
)  # transmission at and below which a pixel is black, and from which it is not darkened


def pseudocolour(
    transmission: npt.NDArray[np.float32], *, scale: RatioScale = KILOVOLT
) -> npt.NDArray[np.float32]:
    """Render transmission at two energies as an operator sees it.

    Args:
        transmission: (H, W, 2) float32 in [0, 1], channel 0 the more penetrating (higher) energy, 1 = air.
        scale: the ratios of the materials at these energies.

    Returns:
        (H, W, 3) float32 RGB in [0, 1]; air is exactly white.

    Raises:
        ValueError: not two channels.
    """
    if transmission.ndim != 3 or transmission.shape[2] != 2:
        raise ValueError(f"transmission has shape {transmission.shape}; expected (H, W, 2), two energies")
    attenuation = -cv2.log(np.clip(transmission, np.float32(_FLOOR), np.float32(1.0)))
    high, low = cv2.split(attenuation)
    thin = np.float32(_THIN)
    ratio = (low + thin * np.float32(scale.organic)) / (high + thin)
    to_mixed = _ramp(ratio, scale.organic, scale.mixed)
    to_metal = _ramp(ratio, scale.mixed, scale.metal)
    mean = (high + low) * np.float32(-0.5)
    # Exponents are orange + to_mixed * (green - orange) + to_metal * (blue - green), all times the mean.
    rgb: npt.NDArray[np.float32] = np.asarray(
        cv2.exp(cv2.transform(cv2.merge([mean, mean * to_mixed, mean * to_metal]), _BLEND)), dtype=np.float32
    )
    rgb *= _ramp(transmission[:, :, 0], _BLACK, _CLEAR)[:, :, None]
    return rgb


def _ramp(values: npt.NDArray[np.float32], start: float, end: float) -> npt.NDArray[np.float32]:
    """Return 0 up to `start`, 1 from `end`, linear between; `end` may be the smaller."""
    steep = np.float32(1.0 / (end - start))
    ramp: npt.NDArray[np.float32] = np.clip(
        (values - np.float32(start)) * steep, np.float32(0.0), np.float32(1.0)
    )
    return ramp
