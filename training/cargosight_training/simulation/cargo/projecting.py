"""One threat into one scan: where it goes, and the truth that is kept beside the result."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.projection import Projection, Signature, project
from cargosight_inference.scans.scan import Scan
from cargosight_models.errors import UsageError

AIR_COUNTS = 65535
"""What air is written as: full scale, since transmission is 1 there."""

_TRIES = 200
_LOADED = 0.9  # mean signal, of 1 in air, below which something lies at a place already


@dataclass(frozen=True)
class Wish:
    """What a projection should be like.

    Attributes:
        seed: of place and noise.
        at: column and row of the threat's first pixel; None to draw a place.
        visibility: least, see `Projection`; None for any.
        photons: effective count in air of a pixel, None to add no noise.
        null: whether nothing is to be projected, at the place where the threat would be.
        within: x1, y1, x2, y2 in which a drawn place must lie, None for anywhere in the scan.
        tries: places that are drawn, at most, before the wish is given up.
    """

    seed: int = 0
    at: tuple[int, int] | None = None
    visibility: float | None = None
    photons: float | None = None
    null: bool = False
    within: tuple[float, float, float, float] | None = None
    tries: int = _TRIES

    def noise(self) -> np.random.Generator | None:
        """Return the generator of the noise, the same one for every try."""
        return None if self.photons is None else np.random.default_rng((self.seed, 2))


@dataclass(frozen=True, eq=False)
class Placed:
    """A projection and its place.

    Attributes:
        projection: what was made.
        place: column and row of the signature's first pixel.
        threat_box: x1, y1, x2, y2 of the threat, also where only nothing was projected.
    """

    projection: Projection
    place: tuple[int, int]
    threat_box: tuple[float, float, float, float]


def place_threat(scan: Scan, signature: Signature, wish: Wish) -> Placed:
    """Project a threat where it is wished, or where something lies already and it is visible enough.

    Raises:
        UsageError: it does not fit, none of it lies inside, or nowhere reaches the visibility.
    """
    if wish.at is not None:
        left, top = wish.at
        made = project(scan, signature, left, top, photons=wish.photons, rng=wish.noise())
        _check_shown(scan, signature, made, wish.at)
        if wish.visibility is not None and made.visibility < wish.visibility:
            raise UsageError(
                f"{signature.name!r} has the visibility {made.visibility:.2f} at column {left}, row {top}; "
                f"{wish.visibility:g} or more was asked for; choose another place, or ask for less"
            )
        return _finish(scan, signature, wish, made, wish.at)
    made, place = _search(scan, signature, wish)
    _check_shown(scan, signature, made, place)
    return _finish(scan, signature, wish, made, place)


def _check_shown(scan: Scan, signature: Signature, made: Projection, place: tuple[int, int]) -> None:
    if not made.mask.any():
        raise UsageError(
            f"no part of {signature.name!r} that weakens the beam lies inside the scan of {scan.width} x {scan.height} "
            f"at column {place[0]}, row {place[1]}; choose another place, or a denser thing"
        )


def _search(scan: Scan, signature: Signature, wish: Wish) -> tuple[Projection, tuple[int, int]]:
    height, width = signature.shape
    x1, y1, x2, y2 = (round(edge) for edge in wish.within or (0, 0, scan.width, scan.height))
    if width > x2 - x1 or height > y2 - y1:
        raise UsageError(
            f"{signature.name!r} has {width} x {height} pixels, the room for it {x2 - x1} x {y2 - y1}; expected one "
            "that fits; give a coarser pitch, another seed, or a place with --at, where what lies outside is cut off"
        )
    random, least, best = np.random.default_rng((wish.seed, 1)), wish.visibility or 0.0, 0.0
    # Things lie on or in the load; only where a scan shows none of it, air will do.
    for air_will_do in (False, True):
        for _ in range(wish.tries):
            left = int(random.integers(x1, x2 - width + 1))
            top = int(random.integers(y1, y2 - height + 1))
            if not air_will_do and _signal(scan, left, top, signature) > _LOADED:
                continue
            made = project(scan, signature, left, top, photons=wish.photons, rng=wish.noise())
            if made.visibility >= least:
                return made, (left, top)
            best = max(best, made.visibility)
    raise UsageError(
        f"no place of {2 * wish.tries} shows {signature.name!r} with the visibility {least:g}, the best {best:.2f}; "
        "ask for less, or choose another threat or seed"
    )


def _signal(scan: Scan, left: int, top: int, signature: Signature) -> float:
    """Return the mean signal of a window, 1 in air."""
    height, width = signature.shape
    window = scan.pixels[top : top + height, left : left + width]
    if scan.kind == "transmission":
        return float(window[:, :, 0].mean())
    share = float(window.mean()) / 255.0
    return share if scan.polarity == "air_bright" else 1.0 - share


def _finish(scan: Scan, signature: Signature, wish: Wish, made: Projection, place: tuple[int, int]) -> Placed:
    if not wish.null:
        return Placed(made, place, made.box)
    empty = replace(signature.thinned(0.0), name="nothing")
    nothing = project(scan, empty, *place, photons=wish.photons, rng=wish.noise())
    return Placed(nothing, place, made.box)


def truth(placed: Placed, signature: Signature, wish: Wish) -> dict[str, Any]:
    """Return what is known of a projection, for JSON.

    Boxes are x1, y1, x2, y2 in pixels of the scan; the mask is COCO's uncompressed RLE: run lengths down the columns,
    the first of pixels outside.
    """
    made = placed.projection
    shown = signature.thinned(0.0) if wish.null else signature
    total = np.sum(list(shown.loads.values()), axis=0)
    somewhere = np.sum(list(signature.loads.values()), axis=0) > 0.0
    cm2 = (signature.pitch_mm / 10.0) ** 2
    return {
        "threat": signature.name,
        "null": wish.null,
        "seed": wish.seed,
        "place": list(placed.place),
        "box": None if wish.null else list(placed.threat_box),
        "box_of_threat_if_projected": list(placed.threat_box),
        "visibility": made.visibility,
        "approximate": made.approximate,
        "pitch_mm": signature.pitch_mm,
        "photons": wish.photons,
        "mean_areal_density_g_cm2": float(total[somewhere].mean()) if somewhere.any() else 0.0,
        "mass_kg": float(total.sum(dtype=np.float64)) * cm2 / 1000.0,
        "materials_kg": {
            found.name: float(load.sum(dtype=np.float64)) * cm2 / 1000.0
            for found, load in shown.loads.items()
        },
        "mask": {"size": list(made.mask.shape), "counts": run_lengths(made.mask)},
        "assumptions": list(made.scan.assumptions),
    }


def run_lengths(mask: npt.NDArray[np.bool_]) -> list[int]:
    """Return the lengths of runs of equal pixels down the columns of a mask (H, W), the first of False ones."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(flat)) + 1
    edges = np.concatenate([[0], changes, [flat.size]])
    runs: list[int] = np.diff(edges).tolist()
    return [0, *runs] if flat.size and flat[0] else runs
