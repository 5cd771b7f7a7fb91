"""The maps of an inspection as a file: `.npz` of uint8 arrays (h, w), one cell for a square of the scan's pixels.

anomaly     255 times how unlike normal cargo the cell is, rounded
opaque      1 where nothing got through, 0 elsewhere
material    number of the cell's class, by position in the inspection's `materials`
"""

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cargosight_inference.durable import write_durably
from cargosight_inference.inspection import Inspection
from cargosight_inference.tiles import CELL
from cargosight_models.errors import NoSuchTile

Cells = npt.NDArray[np.uint8]
MAP_NAMES = ("anomaly", "opaque", "material")


def maps_of(inspection: Inspection) -> dict[str, Cells]:
    """Return the maps that an inspection has, by name."""
    found: dict[str, Cells] = {}
    if inspection.anomaly_map is not None:
        found["anomaly"] = np.rint(inspection.anomaly_map * np.float32(255.0)).astype(np.uint8)
    if inspection.opaque_cells is not None:
        found["opaque"] = inspection.opaque_cells.astype(np.uint8)
    if inspection.material_map is not None:
        found["material"] = inspection.material_map
    return found


def sizes(maps: dict[str, Cells], height: int) -> dict[str, list[int]]:
    """Return [rows, columns, side of a cell in scan pixels] of each map.

    Cells lie from the upper left corner on. What is left of the scan at the right and lower edge, less than a cell,
    belongs to the last column and row where there is no cell of its own for it.

    Args:
        maps: from `maps_of`.
        height: of the scan in pixels.
    """
    return {
        name: [*cells.shape, CELL if name == "anomaly" else max(1, height // cells.shape[0])]
        for name, cells in maps.items()
    }


def write_maps(path: Path, maps: dict[str, Cells]) -> None:
    """Write maps durably; where there are none, nothing, and a file of an earlier attempt goes.

    Raises:
        OSError: the file cannot be written.
    """
    if not maps:
        path.unlink(missing_ok=True)
        return
    held = io.BytesIO()
    np.savez_compressed(held, allow_pickle=False, **maps)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, held.getbuffer())


def read_map(path: Path, name: str) -> Cells:
    """Return one map (h, w).

    Raises:
        NoSuchTile: the inspection has no such map, or its file is damaged.
    """
    if name not in MAP_NAMES:
        raise NoSuchTile(f"there is no map {name!r}; expected one of {', '.join(MAP_NAMES)}")
    try:
        with np.load(path, allow_pickle=False) as held:
            cells: Cells = held[name]
    except (FileNotFoundError, KeyError) as error:
        raise NoSuchTile(f"this inspection has no map {name!r}") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise NoSuchTile("the maps of this inspection are damaged; inspect the scan again") from error
    return cells
