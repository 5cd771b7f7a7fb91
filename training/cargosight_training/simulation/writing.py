"""Series of simulated bags as files: pictures or raw transmission, with boxes as COCO JSON."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from cargosight_models.errors import UsageError
from cargosight_training.datasets.records import DataSet
from cargosight_training.datasets.writing import BoxedImage, SourceTerms, write_coco
from cargosight_training.simulation.baggage import BAGGAGE_CLASSES, BagSettings, SimulatedBag, simulate_bag
from cargosight_training.simulation.canvas import Plane
from cargosight_training.simulation.series import Series, end_series, write_series

Format = Literal["png", "jpeg", "tiff"]
SOURCE = "simulated-baggage"
ANNOTATIONS = "baggage.json"
AIR_COUNTS = 60_000
"""What a pixel of air holds in a 16-bit transmission file; the full scale is 65,535."""
_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif"}


def write_bags(
    out: Path,
    *,
    count: int,
    seed: int,
    form: Format = "png",
    settings: BagSettings | None = None,
    resume: bool = False,
    done: Callable[[], None] | None = None,
) -> DataSet:
    """Simulate `count` bags into `out/images/NNNNN.*` and their boxes into `out/baggage.json`.

    Args:
        out: folder; made if missing.
        count: how many, 1 or more.
        seed: of the series; bag number i depends on the seed, i and the settings alone.
        form: `png` or `jpeg` for the picture that a scanner would show, `tiff` for the 16-bit transmission.
        settings: what bags are made.
        resume: go on with an interrupted series of the same seed, format and settings.
        done: called after each bag.

    Raises:
        UsageError: a wrong number, or the folder holds a series or pictures that this one does not go on with.
    """
    if form not in get_args(Format):
        raise UsageError(f"the format is {form!r}; expected one of {', '.join(get_args(Format))}")
    wanted = settings or BagSettings()
    series = Series(out, ANNOTATIONS, "bags", count, seed, _SUFFIXES[form], asdict(wanted))

    def make(index: int) -> tuple[bytes, BoxedImage]:
        bag = simulate_bag(seed, index, wanted)
        path = series.picture(index)
        return encode_bag(path.suffix, bag), _boxed(path, bag)

    images = list(write_series(series, make, resume=resume, done=done))
    dataset = write_coco(
        out / ANNOTATIONS, images, BAGGAGE_CLASSES.names, SourceTerms(SOURCE, origin="simulated")
    )
    end_series(series)
    return dataset


def encode_bag(suffix: str, bag: SimulatedBag) -> bytes:
    """Return one bag as a file: for `.tif` of the transmission, for `.png` or `.jpg` of the picture."""
    if suffix == ".tif":
        return encode_transmission(bag.transmission)
    picture: npt.NDArray[Any] = bag.picture if bag.picture.ndim == 2 else bag.picture[:, :, ::-1]
    quality = [cv2.IMWRITE_JPEG_QUALITY, 90] if suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 6]
    _, buffer = cv2.imencode(suffix, np.ascontiguousarray(picture), quality)
    encoded: bytes = buffer.tobytes()
    return encoded


def encode_transmission(transmission: Plane, air_counts: int = AIR_COUNTS) -> bytes:
    """Return a 16-bit TIFF with a page for each energy, the higher first, Deflate-compressed.

    Args:
        transmission: (H, W, C) in [0, 1].
        air_counts: what air is written as.
    """
    return encode_counts(np.rint(transmission * np.float32(air_counts)).astype(np.uint16))


def encode_counts(counts: npt.NDArray[np.uint16]) -> bytes:
    """Return (H, W, C) counts as a 16-bit TIFF of C pages, Deflate-compressed."""
    pages = [np.ascontiguousarray(counts[:, :, channel]) for channel in range(counts.shape[2])]
    deflate, differences = 8, 2
    options = [cv2.IMWRITE_TIFF_COMPRESSION, deflate, cv2.IMWRITE_TIFF_PREDICTOR, differences]
    _, buffer = cv2.imencodemulti(".tif", pages, options)
    encoded: bytes = buffer.tobytes()
    return encoded


def _boxed(path: Path, bag: SimulatedBag) -> BoxedImage:
    height, width = bag.transmission.shape[:2]
    x1, y1, x2, y2 = bag.annotations.boxes.T.tolist()
    names = tuple(BAGGAGE_CLASSES.names[i] for i in bag.annotations.class_ids.tolist())
    return BoxedImage(path, width, height, tuple(zip(x1, y1, x2, y2, strict=True)), names)
