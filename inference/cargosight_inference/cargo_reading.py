"""What is read of every cargo scan beside the network: how much was penetrated, and whether the box is empty."""

from dataclasses import dataclass

from cargosight_inference.scans.container import Container, locate_container
from cargosight_inference.scans.load_state import LoadState, estimate_load
from cargosight_inference.scans.penetration import Penetration, measure_penetration
from cargosight_inference.scans.radiograph import Radiograph


@dataclass(frozen=True, eq=False)
class CargoReading:
    """One cargo scan as it was read.

    Attributes:
        container: where the cargo box is.
        penetration: what the beam did not get through.
        load: whether the box is empty.
        notes: what was found or assumed, one sentence each.
    """

    container: Container
    penetration: Penetration
    load: LoadState
    notes: tuple[str, ...]


def read_cargo(radiograph: Radiograph) -> CargoReading:
    """Read a radiograph: its cargo box, its penetration, its load state."""
    container = locate_container(radiograph)
    notes = radiograph.notes if container.found else (*radiograph.notes, container.reason)
    return CargoReading(
        container, measure_penetration(radiograph, container), estimate_load(radiograph, container), notes
    )
