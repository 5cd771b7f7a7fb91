"""What is read of every cargo scan beside the network.

How much was penetrated, whether the box is empty, dense compact regions, of two energies the materials, and how long
the container is.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cargosight_inference.scans.container import Box, Container, locate_container
from cargosight_inference.scans.load_state import LoadState, estimate_load
from cargosight_inference.scans.material import MATERIAL_CLASSES, Materials, classify_materials, has_materials
from cargosight_inference.scans.penetration import Penetration, measure_penetration
from cargosight_inference.scans.position import container_length
from cargosight_inference.scans.radiograph import Radiograph, corrected, radiograph_of
from cargosight_inference.scans.scan import Scan
from cargosight_inference.scans.shielding import DenseRegion, dense_regions
from cargosight_models.errors import ScanError, UsageError

LEAST_SIDE = 24
"""Pixels on a side of a scan: at 10 mm each, a quarter of a metre. Of less nobody can say that it is clear."""


@dataclass(frozen=True, eq=False)
class CargoReading:
    """One cargo scan as it was read.

    Attributes:
        container: where the cargo box is.
        penetration: what the beam did not get through.
        load: whether the box is empty.
        dense: dense compact regions of the box, the highest score first; none of a scan whose order of grey is
            guessed from a palette, and where no box was found.
        materials: shares of each of `MATERIAL_CLASSES` in the area of the box; None of less than two energies.
        material_map: uint8 (h, w), the class of each block of the reduced radiograph; None with them.
        length_m: of the container in metres; None where the scan does not say how large its pixels are, since many
            consoles stretch the axis of motion, and where the picture ends before the container does.
        notes: what was found or assumed, one sentence each.
    """

    container: Container
    penetration: Penetration
    load: LoadState
    dense: tuple[DenseRegion, ...]
    materials: dict[str, float] | None
    material_map: npt.NDArray[np.uint8] | None
    length_m: float | None
    notes: tuple[str, ...]

    @property
    def box(self) -> Box | None:
        """The cargo box in scan pixels, None where none was found."""
        return self.container.box if self.container.found else None


def radiograph_to_inspect(scan: Scan, *, correct: bool) -> Radiograph:
    """Return the radiograph of a scan, mended where that is asked and can be done.

    Raises:
        ScanError: the scan is too small to show any cargo.
    """
    if min(scan.height, scan.width) < LEAST_SIDE:
        raise ScanError(
            f"the scan is {scan.width} x {scan.height} pixels; expected {LEAST_SIDE} or more on a side, since less "
            "shows no cargo: give the whole scan"
        )
    radiograph = radiograph_of(scan)
    if not correct:
        return radiograph
    try:
        return corrected(radiograph)
    except UsageError as error:  # of one scan; it is inspected as it is, and the others go on
        return replace(radiograph, notes=(*radiograph.notes, f"not corrected: {error}"))


def read_cargo(radiograph: Radiograph) -> CargoReading:
    """Read a radiograph: its cargo box, and what can be told of the load in it."""
    container = locate_container(radiograph)
    penetration = measure_penetration(radiograph, container)
    materials = None
    if has_materials(radiograph):
        materials = classify_materials(radiograph, container, penetration)
    ordered = container.found and radiograph.meaning != "palette"
    return CargoReading(
        container,
        penetration,
        estimate_load(radiograph, container),
        dense_regions(radiograph, container) if ordered else (),
        None if materials is None else _shares(materials),
        None if materials is None else materials.map,
        _length_m(radiograph, container),
        (*radiograph.notes, *_about(container)),
    )


def _about(container: Container) -> tuple[str, ...]:
    """Return what an operator has to know of how the box was found."""
    if not container.found:
        return (container.reason,)
    if container.bodies > 1:
        return (
            f"{container.bodies} bodies stand one behind the other; they are read as one box, and places count along "
            "all of it",
        )
    return ()


def _shares(materials: Materials) -> dict[str, float]:
    return {name: materials.share(name) for name in MATERIAL_CLASSES}


def _length_m(radiograph: Radiograph, container: Container) -> float | None:
    """Return the length of the kind of container that it seems to be, or else the width of its box."""
    pitch = radiograph.scan.pixel_pitch_mm
    if pitch is None or not container.found or container.cut_left or container.cut_right:
        return None
    named = container_length(radiograph, container).metres
    return named if named is not None else (container.box[2] - container.box[0]) * pitch[0] / 1000.0
