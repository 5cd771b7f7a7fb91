"""Signatures of threats, and of benign things that look like them, by family.

Areal densities of drawn parts. Sizes and masses are those of catalogues, the detail what a radiograph of 2 to 6 mm a
pixel shows.
"""

from collections.abc import Mapping
from types import MappingProxyType

from cargosight_inference.scans.projection import Signature
from cargosight_training.simulation.canvas import Pen
from cargosight_training.simulation.cargo import lookalikes, machines, threat_packs, threat_weapons
from cargosight_training.simulation.cargo.drawing import (
    LYING,
    STACKED,
    UPRIGHT,
    Builder,
    Paint,
    Pose,
    Rng,
    drawn,
)
from cargosight_training.simulation.cargo.hidden_vehicle import CAR_REACH, hidden_vehicle
from cargosight_training.simulation.cargo.shielded import shielded_source


def _family(
    name: str, paint: Paint, reach: tuple[float, float], pose: Pose = LYING, fine_mm: float = 2.0
) -> tuple[str, Builder]:
    def build(rng: Rng, pitch_mm: float) -> Signature:
        return drawn(name, paint, rng, pitch_mm, reach=reach, pose=pose, fine_mm=fine_mm)

    return name, build


def _vehicles_of_work(pen: Pen, rng: Rng) -> None:
    (machines.quad_bike if rng.random() < 0.5 else machines.forklift)(pen, rng)


THREATS: Mapping[str, Builder] = MappingProxyType(
    dict(
        [
            _family("handgun", threat_weapons.handguns, (480, 480), fine_mm=1.0),
            _family("rifle", threat_weapons.rifles, (800, 400), fine_mm=1.5),
            _family("ammunition", threat_weapons.ammunition, (500, 450), Pose("level", 0.35)),
            _family("explosives_charge", threat_weapons.explosives_charge, (460, 460), LYING),
            _family("shielded_source", shielded_source, (480, 480), Pose("quarters", 0.5)),
            _family("brick_packs", threat_packs.brick_packs, (800, 600), STACKED),
            _family("cash", threat_packs.cash, (480, 400), STACKED),
            _family("cigarettes", threat_packs.cigarettes, (760, 560), STACKED),
            _family("batteries", threat_packs.batteries, (660, 500), STACKED),
            _family("hidden_vehicle", hidden_vehicle, CAR_REACH, Pose("level", 0.12), 4.0),
        ]
    )
)
"""Builders of threats by family."""

LOOKALIKES: Mapping[str, Builder] = MappingProxyType(
    dict(
        [
            _family("power_drills", lookalikes.power_drills, (430, 430)),
            _family("tool_bundle", lookalikes.tool_bundle, (480, 330), fine_mm=1.5),
            _family("electric_motor", machines.electric_motor, (900, 620), UPRIGHT),
            _family("transformer", machines.transformer, (420, 420), UPRIGHT),
            _family("counterweights", lookalikes.counterweights, (400, 300), STACKED),
            _family("bearings_and_bottles", lookalikes.flasks_and_rollers, (460, 300)),
            _family("car_parts", lookalikes.car_parts, (1100, 900), fine_mm=2.5),
            _family("books", lookalikes.books, (800, 1050), STACKED),
            _family("tea_and_soap", lookalikes.tea_and_soap, (980, 980), STACKED),
            _family("tiles", lookalikes.tiles, (400, 1000), UPRIGHT),
            _family("shoe_boxes", lookalikes.shoe_boxes, (800, 500), STACKED),
            _family("biscuits", lookalikes.biscuits, (650, 480), STACKED),
            _family("car_batteries", lookalikes.car_batteries, (820, 500), UPRIGHT),
            _family("tin_cans", lookalikes.tin_cans, (500, 480), STACKED),
            _family("appliances", lookalikes.appliances, (480, 400), STACKED),
            _family("engine_on_pallet", machines.engine_on_pallet, (1000, 950), UPRIGHT, 3.0),
            _family("work_vehicle", _vehicles_of_work, (1800, 1150), Pose("level", 0.12), 4.0),
        ]
    )
)
"""Builders of benign things that a detector may take for threats, by family."""
