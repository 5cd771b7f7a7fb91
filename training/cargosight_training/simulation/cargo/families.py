"""The kinds of cargo, by name."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from cargosight_training.simulation.cargo import built_goods, bulky_goods, packed_goods
from cargosight_training.simulation.cargo.stage import Hold, Rng

Family = Callable[[Hold, Rng], None]
EMPTY = "empty"
"""The family of a hold without cargo."""
LIQUID = "liquid"
"""The family of what is in a tank."""

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "sacks": packed_goods.sacks,
        "big bags": packed_goods.big_bags,
        "drums": packed_goods.drums,
        "bales": packed_goods.bales,
        "cartons": packed_goods.cartons,
        "fruit": packed_goods.fruit,
        "bottles": packed_goods.bottles,
        "meat": packed_goods.meat,
        "tiles": packed_goods.tiles,
        "rolls": bulky_goods.rolls,
        "coils": bulky_goods.coils,
        "tyres": bulky_goods.tyres,
        "timber": bulky_goods.timber,
        "pipes": bulky_goods.pipes,
        "scrap": bulky_goods.scrap,
        "grain": bulky_goods.grain,
        "machinery": built_goods.machinery,
        "vehicles": built_goods.vehicles,
        "appliances": built_goods.appliances,
        "electronics": built_goods.electronics,
        "furniture": built_goods.furniture,
        "household": built_goods.household,
    }
)
"""What draws each kind of cargo into a hold."""

AIR_FAMILIES = (
    "cartons",
    "fruit",
    "electronics",
    "machinery",
    "drums",
    "sacks",
    "household",
    "rolls",
    "bottles",
)
"""What is flown."""
HEAVY = ("sacks", "big bags", "drums", "meat", "tiles", "rolls", "coils", "timber", "pipes", "scrap", "grain")
"""What is drawn twice as often as the rest: more of the weight that is shipped than of the volume."""

BULK = ("grain", "scrap")
"""What lies loose and fills the whole length of a hold."""
