"""Small trainings on simulated bags, by the installed commands."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.acceptance.processes import cargosight


def simulate(
    folder: Path, *, count: int, seed: int, classes: Sequence[str], size: str, clean_share: float = 0.3
) -> Path:
    """Simulate bags into a new folder; returns the annotation file."""
    cargosight(
        *("simulate", "baggage", "--out", folder, "--count", str(count), "--seed", str(seed)),
        *("--classes", ",".join(classes), "--size", size, "--clean-share", str(clean_share)),
        cwd=folder.parent,
    )
    (annotations,) = folder.glob("*.json")
    return annotations


def write_config(path: Path, *, out: Path, train: Path, val: Path | None, **sections: Any) -> Path:
    """Write the YAML file of a run on simulated scans.

    Args:
        path: of the file.
        out: folder of the run.
        train: annotation file.
        val: annotation file, None for no validation.
        sections: the other settings of the configuration; keys of `data` join those made here.
    """
    data = {
        "train": [{"file": str(train), "simulated": True}],
        "val": [{"file": str(val), "simulated": True}] if val else [],
        "cache": str(path.parent / "cache"),
    } | sections.pop("data", {})
    settings = {"name": path.stem, "out": str(out), "data": data, **sections}
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path
