"""How scanners show a bag: colours, contrast, sharpening, tint, borders, grey.

The colours come from `pseudocolour`, as for any dual-energy scan. A look then bends them: vendors agree on
orange for organic, green for mixed and blue for metal, but not on the shade. In -log RGB (what the dyes of a
picture absorb) the three colours span the space, so one 3 x 3 matrix takes the three reference colours to the
look's own.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.pseudocolour import pseudocolour
from cargosight_models.geometry import FloatArray
from cargosight_training.simulation import materials as m
from cargosight_training.simulation.canvas import Plane

Rng = np.random.Generator
Colour = tuple[float, float, float]
Picture = npt.NDArray[np.uint8]
_REFERENCE_DEPTH = 0.7
_DARKEST = 2.0 / 255.0
_FAINTEST = 1e-4


@dataclass(frozen=True)
class Look:
    """One way of showing a scan.

    Attributes:
        name: family of the look.
        grey: show the mean transmission in grey, without colour.
        organic: RGB in [0, 1] of organic matter at an optical depth of 0.7; None keeps the colours of
            `pseudocolour`.
        mixed: the same for aluminium.
        metal: the same for steel.
        opaque: RGB of what nothing penetrates; None is nearly black.
        gain: factor on the optical depth; above 1 thin things show more.
        knee: optical depth at which the shown depth is half the real one, so that thick metal keeps its
            colour; 0 for none.
        gamma: exponent on the shown brightness.
        sharpen: strength of the edge enhancement.
        material_blur: pixels over which the material is averaged; the brightness keeps its sharpness.
        tint: RGB of air.
        border: black or grey strip at the right and lower edge, in pixels, and its grey value.
        foot: rows of speckle at the lower edge.
    """

    name: str
    grey: bool = False
    organic: Colour | None = None
    mixed: Colour | None = None
    metal: Colour | None = None
    opaque: Colour | None = None
    gain: float = 1.0
    knee: float = 7.0
    gamma: float = 1.0
    sharpen: float = 0.9
    material_blur: float = 1.0
    tint: Colour = (1.0, 1.0, 1.0)
    border: tuple[int, int, float] = (0, 0, 0.0)
    foot: int = 0

    def __post_init__(self) -> None:
        colours = (self.organic, self.mixed, self.metal)
        if any(colour is None for colour in colours) != all(colour is None for colour in colours):
            raise ValueError(
                f"the look {self.name!r} gives some of organic, mixed and metal; give all three or none"
            )
        if self.gain <= 0.0 or self.gamma <= 0.0:
            raise ValueError(
                f"the look {self.name!r} has gain {self.gain}, gamma {self.gamma}; expected positive"
            )


LOOKS = (
    Look("standard"),
    Look("amber", organic=(0.95, 0.62, 0.35), mixed=(0.45, 0.78, 0.42), metal=(0.2, 0.5, 0.78), gain=0.9),
    Look(
        "pale",
        organic=(0.93, 0.66, 0.38),
        mixed=(0.55, 0.82, 0.4),
        metal=(0.3, 0.55, 0.85),
        gain=0.85,
        sharpen=0.5,
    ),
    Look(
        "vivid",
        organic=(0.95, 0.45, 0.2),
        mixed=(0.25, 0.75, 0.35),
        metal=(0.15, 0.3, 0.85),
        gain=1.25,
        sharpen=1.5,
    ),
    Look(
        "deep",
        organic=(0.85, 0.5, 0.3),
        mixed=(0.3, 0.65, 0.45),
        metal=(0.15, 0.4, 0.7),
        opaque=(0.05, 0.05, 0.75),
        sharpen=0.4,
    ),
    Look(
        "mint",
        organic=(0.9, 0.65, 0.45),
        mixed=(0.35, 0.8, 0.6),
        metal=(0.15, 0.4, 0.75),
        gain=1.15,
        sharpen=1.3,
    ),
    Look("grey", grey=True, gain=1.1, knee=0.0, sharpen=0.4),
)


def choose_look(rng: Rng, *, grey_share: float = 0.2) -> Look:
    """Return a look of a random family with its settings shifted at random."""
    base = LOOKS[-1] if rng.random() < grey_share else LOOKS[int(rng.integers(0, len(LOOKS) - 1))]
    tint = (1.0, 1.0, 1.0)
    if rng.random() < 0.3:
        shade = rng.uniform(0.84, 0.98)
        tint = (float(shade * rng.uniform(0.95, 1.0)), float(shade), float(shade * rng.uniform(0.98, 1.0)))
    border = (0, 0, 0.0)
    if rng.random() < 0.2:
        right, low = rng.integers(0, 12, 2)
        border = (int(right), int(low), float(rng.choice([0.0, 0.5])))
    colours: dict[str, Any] = {
        key: None if colour is None else _shifted(colour, rng)
        for key, colour in (("organic", base.organic), ("mixed", base.mixed), ("metal", base.metal))
    }
    return replace(
        base,
        **colours,
        gain=float(base.gain * np.exp(rng.normal(0.0, 0.18))),
        knee=float(base.knee * np.exp(rng.normal(0.0, 0.3))),
        gamma=float(np.exp(rng.normal(0.0, 0.1))),
        sharpen=float(base.sharpen * rng.uniform(0.0, 2.0)),
        material_blur=float(rng.uniform(0.5, 1.5)),
        opaque=base.opaque if rng.random() < 0.6 else None,
        tint=tint,
        border=border,
        foot=int(rng.integers(1, 4)) if base.grey and rng.random() < 0.4 else 0,
    )


def clear_of(look: Look, boxes: FloatArray, width: int, height: int) -> Look:
    """Return the look with a border that covers none of the boxes (N, 4) of a picture of that size."""
    right, low, value = look.border
    if len(boxes):
        right = min(right, max(0, int(width - boxes[:, 2].max())))
        low = min(low, max(0, int(height - boxes[:, 3].max())))
    return replace(look, border=(right, low, value))


def _shifted(colour: Colour, rng: Rng) -> Colour:
    red, green, blue = np.clip(np.asarray(colour) + rng.normal(0.0, 0.035, 3), 0.05, 0.98).tolist()
    return red, green, blue


def show(transmission: Plane, look: Look, rng: Rng) -> Picture:
    """Return the picture of a transmission (H, W, 2): uint8 (H, W, 3) RGB, or (H, W) for a grey look."""
    depth = -np.asarray(cv2.log(np.maximum(transmission, np.float32(_FAINTEST))), dtype=np.float32)
    high = depth.mean(axis=2, dtype=np.float32) if look.grey else depth[:, :, 0]
    if look.sharpen > 0.0:
        soft = np.asarray(cv2.GaussianBlur(high, (0, 0), 1.5), dtype=np.float32)
        high = np.maximum(high + (high - soft) * np.float32(look.sharpen), np.float32(0.0))
    through = None if look.grey else np.asarray(cv2.exp(-high), dtype=np.float32)
    high = high * np.float32(look.gain)
    if look.knee > 0.0:
        high = high / (np.float32(1.0) + high / np.float32(look.knee))
    if through is None:
        bright = np.asarray(cv2.exp(-high), dtype=np.float32)[:, :, None]
    else:
        ratio = _ratio(depth, look.material_blur)
        bright = _coloured(
            np.asarray(cv2.exp(-np.dstack([high, high * ratio])), dtype=np.float32), through, look
        )
    if look.gamma != 1.0:
        bright = np.asarray(cv2.pow(bright, look.gamma), dtype=np.float32).reshape(bright.shape)
    tint = np.float32(np.mean(look.tint)) if look.grey else np.asarray(look.tint, dtype=np.float32)
    picture: Picture = np.rint(np.clip(bright * tint, 0.0, 1.0) * np.float32(255.0)).astype(np.uint8)
    _edge_of_screen(picture, look, rng)
    return np.ascontiguousarray(picture[:, :, 0]) if look.grey else picture


def _ratio(depth: Plane, blur: float) -> Plane:
    """Return the ratio (H, W) of the depths at the low and the high energy, averaged over `blur` pixels.

    Vendors average so: a single pixel's ratio is mostly noise in thin matter. Where nothing of the low energy
    is left, only metal can have stopped it while the high energy still passes.
    """
    soft = np.asarray(cv2.GaussianBlur(depth, (0, 0), max(blur, 0.3)), dtype=np.float32)
    ratio = (soft[:, :, 1] + np.float32(1e-3)) / (soft[:, :, 0] + np.float32(1e-3))
    lost = np.clip((depth[:, :, 1] - np.float32(4.5)) * np.float32(1.0), 0.0, 1.0)
    metal: Plane = np.maximum(ratio, lost * np.float32(m.STEEL.ratio))
    return metal


def _coloured(shown: Plane, through: Plane, look: Look) -> Plane:
    rgb = np.asarray(pseudocolour(shown), dtype=np.float32)
    if look.organic is not None and look.mixed is not None and look.metal is not None:
        dyes = -np.asarray(cv2.log(np.maximum(rgb, np.float32(_DARKEST))), dtype=np.float32)
        matrix = _dye_matrix(look.organic, look.mixed, look.metal)
        rgb = np.asarray(cv2.exp(-np.maximum(cv2.transform(dyes, matrix), np.float32(0.0))), dtype=np.float32)
    weight = np.clip((through - np.float32(0.006)) / np.float32(0.04), 0.0, 1.0)[:, :, None]
    opaque = np.asarray(look.opaque or (0.02, 0.02, 0.06), dtype=np.float32)
    blended: Plane = opaque + weight * (rgb - opaque)
    return blended


def _dye_matrix(organic: Colour, mixed: Colour, metal: Colour) -> npt.NDArray[np.float32]:
    """Return the (3, 3) matrix that takes the dyes of `pseudocolour` to the wanted ones."""
    ratios = np.array([m.WATER.ratio, m.ALUMINIUM.ratio, m.STEEL.ratio])
    depths = np.stack([np.full(3, _REFERENCE_DEPTH), _REFERENCE_DEPTH * ratios], axis=1)
    patch = np.exp(-depths, dtype=np.float64).astype(np.float32)[None]
    have = -np.log(np.maximum(np.asarray(pseudocolour(patch), dtype=np.float64)[0], _DARKEST))
    want = -np.log(np.array([organic, mixed, metal]))
    # A little ridge towards the identity keeps black black when two reference colours are alike.
    ridge = 0.02 * np.eye(3)
    solved = np.linalg.solve(have.T @ have + ridge, have.T @ want + ridge)
    matrix: npt.NDArray[np.float32] = solved.T.astype(np.float32)
    return matrix


def _edge_of_screen(picture: Picture, look: Look, rng: Rng) -> None:
    right, low, value = look.border
    if right:
        picture[:, -right:] = round(255 * value)
    if low:
        picture[-low:] = round(255 * value)
    if look.foot:
        speckle = rng.random((look.foot, picture.shape[1], 1)) < 0.5
        picture[-look.foot :][np.broadcast_to(speckle, picture[-look.foot :].shape)] = 30
