"""Tiny training runs on made data sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import yaml

from cargosight_models.labels import Annotations
from cargosight_training.config import DataFile, TrainConfig
from cargosight_training.config_files import load_config
from cargosight_training.datasets.records import ImageRecord
from tests.made.datasets import MadeSource, make_dataset

SOURCES = (
    MadeSource("site-a", images=10, scanners=("1", "2"), clean=0.2),
    MadeSource("site-b", ("bar",), images=4),
)

Box = tuple[float, float, float, float]


def make_run(folder: Path, overrides: Sequence[str] = (), **changes: Any) -> tuple[Path, TrainConfig]:
    """Write a data set and the configuration of a tiny run into a folder; returns its file and the run.

    Args:
        folder: of everything that the run reads and writes.
        overrides: key=value settings of the returned configuration.
        changes: whole sections in place of those of the tiny run.
    """
    for name, seed in (("train", 1), ("val", 2)):
        if not (folder / name).exists():
            (folder / name).mkdir(parents=True)
            make_dataset(folder / name, SOURCES, name=name, seed=seed, size=(72, 56))
    settings: dict[str, Any] = {
        "name": "tiny",
        "out": str(folder / "run"),
        "data": {
            "train": [{"file": str(folder / "train" / "train.json")}],
            "val": [{"file": str(folder / "val" / "val.json")}],
            "cache": str(folder / "cache"),
            "cache_pixels": 96,
        },
        "model": {
            "backbone": "csp-nano",
            "pretrained": False,
            "channels": 8,
            "head_depth": 1,
            "separable": True,
        },
        "phases": [{"steps": 4, "size": 64, "strength": 0.5}, {"steps": 4, "size": 96}],
        "optimiser": {"batch": 2, "warm_up": 2},
        "export": {"shapes": [[96, 96]]},
        "log": {"every": 2, "checkpoint_every": 3, "evaluate_every": 0, "sheet": 2},
        "machine": {"device": "cpu", "precision": "fp32", "threads": 1, "workers": 0},
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(settings | changes, sort_keys=False), encoding="utf-8")
    return path, load_config(path, overrides)


def trained_on(config: TrainConfig, path: Path) -> TrainConfig:
    """The same run on another annotation file."""
    data = config.data.model_copy(update={"train": (DataFile(file=path),)})
    return config.model_copy(update={"data": data})


def write_picture(path: Path, picture: npt.NDArray[Any]) -> Path:
    """Write RGB or grey uint8 pixels as PNG, or transmission float32 as .npy."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if picture.dtype == np.float32:
        np.save(path, picture)
    else:
        cv2.imwrite(str(path), picture[..., ::-1] if picture.ndim == 3 else picture)
    return path


def record_of(
    path: Path,
    size: tuple[int, int],
    boxes: Sequence[Box] = (),
    class_ids: Sequence[int] = (),
    *,
    labelled: Sequence[bool] = (True, True, True),
    source: str = "site",
) -> ImageRecord:
    """A record of an image file; size as (width, height)."""
    return ImageRecord(
        image_id=1,
        path=path,
        width=size[0],
        height=size[1],
        source=source,
        scanner=None,
        labelled=np.array(labelled),
        annotations=Annotations(
            np.array(boxes, dtype=np.float32).reshape(-1, 4), np.array(class_ids, dtype=np.int64)
        ),
    )


def with_rectangle(
    width: int, height: int, box: tuple[int, int, int, int], *, value: float = 0.1, wide: bool = False
) -> npt.NDArray[Any]:
    """A white picture (H, W, 3) with one filled rectangle; uint8, or float32 where ``wide``."""
    picture = np.ones((height, width, 3), dtype=np.float32)
    x1, y1, x2, y2 = box
    picture[y1:y2, x1:x2] = value
    return picture if wide else np.rint(picture * 255).astype(np.uint8)


def extent(mask: npt.NDArray[np.bool_]) -> Box:
    """The bounding box x1, y1, x2, y2 of the true pixels of (H, W), in pixel-edge coordinates."""
    ys, xs = np.nonzero(mask)
    return float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)
