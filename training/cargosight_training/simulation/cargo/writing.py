"""Series of simulated cargo scans as files, with boxes, masks and truth as COCO JSON.

As raw counts they are 16-bit TIFFs with a page for each energy; as pictures what a vendor's console shows: the more
penetrating energy in 8-bit grey, linear up to its air level.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_training.datasets.records import DataSet
from cargosight_training.datasets.writing import BoxedImage, SourceTerms, write_coco
from cargosight_training.simulation.cargo.container import (
    ContainerSettings,
    SimulatedContainer,
    simulate_container,
)
from cargosight_training.simulation.cargo.insertion import Builder, Inserted
from cargosight_training.simulation.series import Series, end_series, write_series
from cargosight_training.simulation.writing import encode_counts

SOURCE = "simulated-cargo"
ANNOTATIONS = "container.json"
_SUFFIXES = {"tiff": ".tif", "png": ".png", "jpeg": ".jpg"}
_NOTHING_SOUGHT = "threat"  # COCO needs a category; with no builders no class is labelled


def write_containers(
    out: Path,
    *,
    count: int,
    seed: int,
    settings: ContainerSettings | None = None,
    threats: Mapping[str, Builder],
    lookalikes: Mapping[str, Builder],
    form: str = "tiff",
    resume: bool = False,
    done: Callable[[], None] | None = None,
) -> DataSet:
    """Simulate `count` scans into `out/images/NNNNN.*` and their truth into `out/container.json`.

    Each image's row carries `truth`, look-alikes among it; each annotation carries the mask as run lengths and what
    is known of the threat.

    Args:
        out: folder; made if missing.
        count: how many, 1 or more.
        seed: of the series; scan number i depends on the seed, i, the settings and the builders alone.
        settings: what scans are made.
        threats: builders by class name; with none, the file labels no class.
        lookalikes: builders by name.
        form: `tiff`, `png` or `jpeg`.
        resume: go on with an interrupted series of the same seed, format, settings and builders' names.
        done: called after each scan.

    Raises:
        UsageError: a wrong number, or the folder holds a series or pictures that this one does not go on with.
    """
    wanted = settings or ContainerSettings()
    plan = {**asdict(wanted), "threats": list(threats), "lookalikes": list(lookalikes)}
    series = Series(out, ANNOTATIONS, "scans", count, seed, _SUFFIXES[form], plan)

    def make(index: int) -> tuple[bytes, BoxedImage]:
        scan = simulate_container(seed, index, wanted, threats=threats, lookalikes=lookalikes)
        path = series.picture(index)
        return encode_counts(scan.counts) if form == "tiff" else _picture(scan, path.suffix), _boxed(
            path, scan
        )

    images = list(write_series(series, make, resume=resume, done=done))
    terms = SourceTerms(SOURCE, labelled=tuple(threats), origin="simulated")
    dataset = write_coco(out / ANNOTATIONS, images, tuple(threats) or (_NOTHING_SOUGHT,), terms)
    end_series(series)
    return dataset


def _picture(scan: SimulatedContainer, suffix: str) -> bytes:
    grey = np.rint(np.clip(scan.transmission[:, :, 0], 0.0, 1.0) * np.float32(255.0)).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 90] if suffix == ".jpg" else []
    encoded: bytes = cv2.imencode(suffix, grey, quality)[1].tobytes()
    return encoded


def run_lengths(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return COCO's uncompressed run lengths of a mask (H, W): by columns, starting with the zeros."""
    flat = np.concatenate([[False], mask.ravel(order="F"), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
    if edges.size and edges[-1] == mask.size:
        counts.pop()
    return {"size": list(mask.shape), "counts": counts}


def _boxed(path: Path, scan: SimulatedContainer) -> BoxedImage:
    height, width = scan.counts.shape[:2]
    found = scan.truth.threats
    truth = {key: value for key, value in asdict(scan.truth).items() if key != "threats"}
    return BoxedImage(
        path,
        width,
        height,
        boxes=tuple(thing.box for thing in found),
        names=tuple(thing.name for thing in found),
        details=tuple(_detail(thing, mask) for thing, mask in zip(found, scan.masks, strict=True)),
        facts={"truth": truth},
    )


def _detail(thing: Inserted, mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    known = {key: value for key, value in asdict(thing).items() if key not in {"name", "box"}}
    return {"segmentation": run_lengths(mask), "area": int(mask.sum()), **known}
