"""One simulated scan of a container, truck, rail car or air cargo, with the truth of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.beams import Plane, linac
from cargosight_models.errors import UsageError, nearest_spelling
from cargosight_models.labels import Annotations
from cargosight_training.simulation.cargo.detector import (
    Counts,
    Exposure,
    choose_exposure,
    expose,
    transmitted,
    wobbled,
)
from cargosight_training.simulation.cargo.families import EMPTY, FAMILIES
from cargosight_training.simulation.cargo.insertion import Builder, Exposed, Inserted, insert
from cargosight_training.simulation.cargo.scenes import VEHICLES, Scene, compose
from cargosight_training.simulation.cargo.stage import Rng

_NONE: Mapping[str, Builder] = MappingProxyType({})
_USUAL = ("container 20", "container 40", "chassis 20", "chassis 40", "truck")


@dataclass(frozen=True, kw_only=True)
class ContainerSettings:
    """What scans are made.

    Attributes:
        families: kinds of cargo to draw from, of `FAMILIES` and `empty`.
        vehicles: kinds of vehicle to draw from, of `VEHICLES`; roads weigh three times as much as rail and air.
        empty_share: share of scans without cargo, in [0, 1].
        threat_share: share of scans with one to three threats, in [0, 1].
        lookalike_share: share of scans with one to three things that look like threats, in [0, 1].
        least_visibility: threats that stand out less than this many deviations are put elsewhere or left out; 0
            leaves them where they are.
        megavolts: pairs of energies, the more penetrating first.
        photons: least and greatest effective count of a pixel in air.
        pitch_mm: least and greatest side of a pixel.
    """

    families: tuple[str, ...] = (*FAMILIES,)
    vehicles: tuple[str, ...] = (*VEHICLES,)
    empty_share: float = 0.15
    threat_share: float = 0.5
    lookalike_share: float = 0.5
    least_visibility: float = 0.0
    megavolts: tuple[tuple[float, float], ...] = ((6.0, 4.0), (9.0, 6.0))
    photons: tuple[float, float] = (2e3, 1e5)
    pitch_mm: tuple[float, float] = (4.0, 6.0)

    def __post_init__(self) -> None:
        for name in ("empty_share", "threat_share", "lookalike_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"{name} is {getattr(self, name)}; expected a share from 0 to 1")
        if not self.least_visibility >= 0.0:
            raise UsageError(f"least_visibility is {self.least_visibility}; expected 0 or more")
        _demand_known("kind of cargo", self.families, (*FAMILIES, EMPTY))
        _demand_known("kind of vehicle", self.vehicles, (*VEHICLES,))
        _demand_range("photons", self.photons, 100.0, 1e9)
        _demand_range("pitch_mm", self.pitch_mm, 2.0, 20.0)
        if not self.megavolts or not all(len(pair) == 2 and pair[0] > pair[1] for pair in self.megavolts):
            raise UsageError(
                f"the energies are {self.megavolts}; expected pairs of MV, the more penetrating first, such as (6, 4)"
            )


@dataclass(frozen=True)
class Truth:
    """What a simulated scan shows.

    Attributes:
        seed: of the series.
        index: of the scan in it.
        vehicle: kind of vehicle.
        families: kinds of cargo, `empty` alone for none.
        load: whether there is cargo.
        megavolts: energies of both channels.
        photons: effective count of a pixel in air at the first.
        air: counts in air of both channels.
        pitch_mm: side of a pixel in the middle plane of the load.
        opaque_share: share of pixels behind which nothing can be seen.
        threats: what was hidden.
        lookalikes: what looks like threats and is none.
    """

    seed: int
    index: int
    vehicle: str
    families: tuple[str, ...]
    load: Literal["empty", "loaded"]
    megavolts: tuple[float, float]
    photons: float
    air: tuple[float, float]
    pitch_mm: float
    opaque_share: float
    threats: tuple[Inserted, ...]
    lookalikes: tuple[Inserted, ...]


@dataclass(frozen=True, eq=False)
class SimulatedContainer:
    """One simulated scan.

    Attributes:
        counts: uint16 (H, W, 2), what the detector counted, channel 0 the more penetrating energy.
        transmission: float32 (H, W, 2) in [0, 1], the counts over the true air level.
        annotations: boxes of all threats, class ids by the order of the mapping of threats.
        masks: bool (N, H, W), pixels of each threat; its box is that of its mask.
        truth: the rest.
    """

    counts: Counts
    transmission: Plane
    annotations: Annotations
    masks: npt.NDArray[np.bool_]
    truth: Truth


def simulate_container(
    seed: int,
    index: int = 0,
    settings: ContainerSettings | None = None,
    *,
    threats: Mapping[str, Builder] = _NONE,
    lookalikes: Mapping[str, Builder] = _NONE,
) -> SimulatedContainer:
    """Return scan number `index` of the series `seed`; the same numbers always give the same scan.

    Args:
        seed: of the series, 0 or more.
        index: of the scan, 0 or more.
        settings: what scans are made.
        threats: builders by class name; what they make is boxed.
        lookalikes: builders by name; what they make is listed in the truth and is no box.

    Raises:
        UsageError: the seed or the index is below 0.
    """
    if min(seed, index) < 0:
        raise UsageError(f"the seed is {seed} and the index {index}; expected 0 or more")
    settings = ContainerSettings() if settings is None else settings
    # Streams of their own: how much randomness one step takes must not decide what another draws.
    building, looking, hiding, shaking = (np.random.default_rng([seed, index, stream]) for stream in range(4))
    scene = compose(
        building,
        _vehicle(building, settings),
        settings.families,
        empty_share=settings.empty_share,
        pitch=settings.pitch_mm,
    )
    exposure = choose_exposure(looking, settings.megavolts, settings.photons)
    exposed = _exposed(scene, exposure, looking)
    hidden, masks = _hide(hiding, scene, exposed, threats, settings.threat_share, settings.least_visibility)
    similar, _ = _hide(hiding, scene, exposed, lookalikes, settings.lookalike_share, 0.0)
    counts = np.dstack(
        [
            expose(signal, exposure, channel, shaking, np.random.default_rng([seed, index, 4]))
            for channel, signal in enumerate(exposed.signals)
        ]
    )
    air = np.array(exposure.air, dtype=np.float32)
    truth = Truth(
        seed=seed,
        index=index,
        vehicle=scene.vehicle,
        families=scene.families,
        load="empty" if scene.families == (EMPTY,) else "loaded",
        megavolts=exposure.megavolts,
        photons=exposure.photons,
        air=exposure.air,
        pitch_mm=scene.fan.pitch,
        opaque_share=float((exposed.signals[0] < exposure.opaque).mean()),
        threats=hidden,
        lookalikes=similar,
    )
    transmission = np.minimum(counts / air, np.float32(1.0)).astype(np.float32)
    return SimulatedContainer(counts, transmission, _annotations(hidden, threats), masks, truth)


def _vehicle(rng: Rng, settings: ContainerSettings) -> str:
    weights = np.array([3.0 if name in _USUAL else 1.0 for name in settings.vehicles])
    return settings.vehicles[int(rng.choice(len(weights), p=weights / weights.sum()))]


def _exposed(scene: Scene, exposure: Exposure, rng: Rng) -> Exposed:
    loads = wobbled(scene.stage.loads(scene.fan), rng, float(rng.uniform(0.1, 1.2)))
    beams = tuple(linac(mv) for mv in exposure.megavolts)
    signals = tuple(transmitted(beam, loads) for beam in beams)
    return Exposed(loads, signals, beams, exposure.photons, exposure.opaque)


def _hide(
    rng: Rng, scene: Scene, exposed: Exposed, builders: Mapping[str, Builder], share: float, least: float
) -> tuple[tuple[Inserted, ...], npt.NDArray[np.bool_]]:
    height, width = exposed.signals[0].shape
    found, masks = [], []
    count = int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])) if builders and rng.random() < share else 0
    for _ in range(count):
        name = list(builders)[int(rng.integers(len(builders)))]
        put = insert(rng, scene, exposed, name, builders[name], least_visibility=least)
        if put is not None:
            found.append(put[0])
            masks.append(put[1])
    return tuple(found), np.array(masks, dtype=np.bool_).reshape(-1, height, width)


def _annotations(hidden: tuple[Inserted, ...], threats: Mapping[str, Builder]) -> Annotations:
    if not hidden:
        return Annotations.empty()
    names = list(threats)
    return Annotations(
        np.array([thing.box for thing in hidden], dtype=np.float32),
        np.array([names.index(thing.name) for thing in hidden], dtype=np.int64),
    )


def _demand_known(what: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
    if not names:
        raise UsageError(f"no {what} was given; name at least one, or leave the setting out for all")
    for name in names:
        if name not in known:
            raise UsageError(
                f"unknown {what} {name!r}{nearest_spelling(name, known)}; expected one of {', '.join(known)}"
            )


def _demand_range(name: str, found: tuple[float, float], least: float, most: float) -> None:
    if not (len(found) == 2 and least <= found[0] <= found[1] <= most):
        raise UsageError(f"{name} is {found}; expected two rising numbers from {least:g} to {most:g}")
