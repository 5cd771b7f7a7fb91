"""Candidates for the map of the unusual on the same pass of one network, scored on the same pairs of scans.

The network's own head, banks of normal patches, a student of a large bank, Gaussians, and sums of them, each fitted
to clean training scans, are scored on held-out scans into which threats are projected. Which threats the network has
seen decides what the figures mean: train it on odd shapes and look-alikes alone where they shall speak of threats that
nobody taught it.
"""

import argparse
import hashlib
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from training.comparisons.anomaly_features import (
    WINDOW,
    Features,
    Pass,
    Surroundings,
    Window,
    backbone_patches,
    cells_of,
    neck_patches,
    network_input,
    training_windows,
)
from training.comparisons.anomaly_maps import LARGE_BANK, SMALL_BANK, Scorer, fit_candidates
from training.comparisons.anomaly_table import table
from training.comparisons.projected_pairs import (
    CleanScan,
    Drawn,
    clean_scans,
    kept_pairs,
    project_again,
    read_cargo_scan,
)

from cargosight_inference.arguments import path_argument
from cargosight_inference.progress import Progress
from cargosight_models.contract import file_fingerprint
from cargosight_models.errors import CargosightError, UsageError
from cargosight_models.geometry import BoolArray, FloatArray
from cargosight_training.datasets.coco import read_coco
from cargosight_training.datasets.records import ImageRecord
from cargosight_training.evaluation.anomaly_figures import anomaly_figures, truth_cells
from cargosight_training.evaluation.bootstrap import SAMPLES
from cargosight_training.export.timing import alternate
from cargosight_training.simulation.cargo.threats import THREATS, Builder

REPORTED_VISIBILITIES = (5.0, 1.0)
ALL_FAMILIES = "all families"
_TIMED_ROUNDS = 15


@dataclass(frozen=True, eq=False)
class Scored:
    """Scans of one kind, each once clean and as often as something was projected into it, with all maps.

    Attributes:
        maps: By candidate, one (h, w) for each entry.
        truths: Cells of the threat of each entry, none in a clean scan.
        groups: Of each entry.
        drawn: What was projected, None in a clean scan.
    """

    maps: Mapping[str, list[FloatArray]]
    truths: list[BoolArray]
    groups: list[str]
    drawn: list[Drawn | None]

    def add(self, maps: Mapping[str, FloatArray], truth: BoolArray, group: str, drawn: Drawn | None) -> None:
        """Take in one entry."""
        for name, cells in maps.items():
            self.maps[name].append(cells)
        self.truths.append(truth)
        self.groups.append(group)
        self.drawn.append(drawn)


def make_parser() -> argparse.ArgumentParser:
    """The options of the script."""
    parser = argparse.ArgumentParser(
        prog="python -m training.comparisons.anomaly_candidates", description=__doc__
    )

    def add_files(name: str, what: str, *, required: bool = False) -> None:
        parser.add_argument(
            name, type=path_argument, nargs="+", metavar="FILE.json", help=what, required=required
        )

    parser.add_argument(
        "--model-weights",
        type=path_argument,
        required=True,
        metavar="FILE.pt",
        help="a checkpoint, or weights",
    )
    add_files("--train", "scans whose cargo is normal; annotated items are left out", required=True)
    parser.add_argument("--real", type=path_argument, metavar="FILE.json", help="held-out real scans")
    parser.add_argument(
        "--simulated", type=path_argument, metavar="FILE.json", help="held-out simulated ones"
    )
    parser.add_argument(
        "--out", type=path_argument, required=True, metavar="DIR", help="of features and tables"
    )
    parser.add_argument("--train-scans", type=int, default=80, help="of each training file (default: 80)")
    parser.add_argument("--scans", type=int, default=60, help="held-out ones of each kind (default: 60)")
    parser.add_argument(
        "--per-family", type=int, default=12, help="projections of each family in each kind (default: 12)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)")
    parser.add_argument("--samples", type=int, default=SAMPLES, help=f"of the bootstrap (default: {SAMPLES})")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns the exit code."""
    args = make_parser().parse_args(argv)
    torch.set_num_threads(1)
    try:
        compare(args)
    except CargosightError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def compare(args: argparse.Namespace, families: Mapping[str, Builder] = THREATS) -> dict[str, Any]:
    """Fit and score all candidates, and write `candidates.json` and `candidates.md`.

    Args:
        args: Of `make_parser`.
        families: Builders of the threats to project.

    Returns:
        What the JSON file says.

    Raises:
        CargosightError: An option, a file or the network is of no use.
    """
    held = {"real": args.real, "simulated": args.simulated}
    if not any(held.values()):
        raise UsageError("neither --real nor --simulated is given; name held-out scans of at least one kind")
    network = Pass(args.model_weights)
    kept = args.out / f"features-{file_fingerprint(args.model_weights)[:12]}"
    kept.mkdir(parents=True, exist_ok=True)
    records = training_records(args.train, args.train_scans, args.seed)
    windows = fitted_windows(network, records, kept, seed=args.seed)
    scorers = fit_candidates(windows, small=SMALL_BANK, large=LARGE_BANK)
    document: dict[str, Any] = {
        "weights": str(args.model_weights),
        "train_scans": len(records),
        "milliseconds": milliseconds(network, scorers),
        "kinds": {},
    }
    for kind, path in held.items():
        if path is None:
            continue
        scans = clean_scans(path, limit=args.scans, seed=args.seed)
        pairs = kept_pairs(
            args.out / f"pairs-{kind}.json",
            scans,
            per_family=args.per_family,
            seed=args.seed,
            families=families,
        )
        scored = score_pairs(network, scorers, scans, pairs, kept=kept / kind, families=families)
        document["kinds"][kind] = figures_of(scored, tuple(families), samples=args.samples, seed=args.seed)
    (args.out / "candidates.json").write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")
    (args.out / "candidates.md").write_text(table(document), encoding="utf-8")
    return document


def training_records(files: Sequence[Path], most: int, seed: int) -> list[ImageRecord]:
    """At most so many scans of each file, drawn without order, real and simulated ones in turn.

    Raises:
        DataSetError: A file is wrong.
    """
    drawn = []
    for path in files:
        images = read_coco(path).images
        order = np.random.default_rng(seed).permutation(len(images))[:most]
        drawn.append([images[place] for place in order])
    # Two of each in turn, so that the scans with even places and those with odd ones hold all files alike.
    longest = max(len(images) for images in drawn)
    return [one for start in range(0, longest, 2) for images in drawn for one in images[start : start + 2]]


def fitted_windows(
    network: Pass, records: Sequence[ImageRecord], kept: Path, *, seed: int
) -> list[tuple[int, Window, Window]]:
    """Windows of the training scans, from disk where they were kept for the same scans."""
    path = kept / "windows.npz"
    names = [f"{record.path} {seed}" for record in records]
    if path.is_file():
        with np.load(path) as stored:
            if stored["names"].tolist() == names:
                return _windows_of(stored)
    bar = Progress(len(records))
    made = []
    for place, clean, odd in training_windows(network, records, seed=seed):
        if made and made[-1][0] != place:
            bar.advance()
        made.append((place, clean, odd))
    bar.erase()
    columns: dict[str, Any] = {"names": np.array(names), "places": np.array([place for place, _, _ in made])}
    for row, (_, *both) in enumerate(made):
        for label, window in zip(("clean", "odd"), both, strict=True):
            features = window.features
            columns |= {
                f"{label} {row} head": features.head,
                f"{label} {row} neck": features.neck,
                f"{label} {row} backbone": features.backbone,
                f"{label} {row} usable": window.usable,
                f"{label} {row} odd": window.odd,
            }
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        np.savez(out, **columns)
    partial.replace(path)
    return made


def _windows_of(stored: Mapping[str, Any]) -> list[tuple[int, Window, Window]]:
    def window(label: str, row: int) -> Window:
        parts = [stored[f"{label} {row} {name}"] for name in ("head", "neck", "backbone", "usable", "odd")]
        return Window(Features(*parts[:3]), *parts[3:])

    return [
        (int(place), window("clean", row), window("odd", row)) for row, place in enumerate(stored["places"])
    ]


def score_pairs(
    network: Pass,
    scorers: Mapping[str, Scorer],
    scans: Sequence[CleanScan],
    pairs: Sequence[Drawn],
    *,
    kept: Path,
    families: Mapping[str, Builder],
) -> Scored:
    """Map every clean scan and every projection with every candidate.

    Of a scan with a projection only the threat's surroundings go through the network again; the rest of its map is
    the clean scan's.

    Args:
        network: Where features come from.
        scorers: The candidates.
        scans: Clean ones.
        pairs: What is projected into them.
        kept: Folder of features, which are taken from there when they were computed before.
        families: Builders of threats.
    """
    kept.mkdir(exist_ok=True)
    scored = Scored({name: [] for name in scorers}, [], [], [])
    bar = Progress(len(scans))
    for place, clean in enumerate(scans):
        seen = _seen(network, clean, None, kept / kept_name(clean, None), families)
        rows, columns = seen.truth.shape
        whole = {
            name: np.ascontiguousarray(score(seen.features)[:rows, :columns])
            for name, score in scorers.items()
        }
        scored.add(whole, seen.truth, clean.group, None)
        for one in (pair for pair in pairs if pair.scan == place):
            seen = _seen(network, clean, one, kept / kept_name(clean, one), families)
            window = Surroundings.of(seen.box, seen.truth.shape)
            maps = {name: window.pasted(whole[name], score(seen.features)) for name, score in scorers.items()}
            scored.add(maps, seen.truth, clean.group, one)
        bar.advance()
    bar.erase()
    return scored


def kept_name(clean: CleanScan, one: Drawn | None) -> str:
    """The file for what was seen of a scan, another one for everything that could be projected into it."""
    what = f"{clean.path.absolute()} {one}"
    return f"{clean.path.stem}-{hashlib.sha256(what.encode()).hexdigest()[:16]}.npz"


@dataclass(frozen=True, eq=False)
class _Seen:
    """What a network saw of a clean scan, or of a threat in it: features, cells of the threat, and its box."""

    features: Features
    truth: BoolArray
    box: tuple[float, float, float, float]


def _seen(
    network: Pass, clean: CleanScan, one: Drawn | None, path: Path, families: Mapping[str, Builder]
) -> _Seen:
    """Look at a scan, or take from disk what was seen of it before."""
    if path.is_file():
        with np.load(path) as stored:
            features = Features(stored["head"], stored["neck"], stored["backbone"])
            return _Seen(features, stored["truth"], tuple(stored["box"].tolist()))
    scan = read_cargo_scan(clean.path)
    if one is None:
        made = _Seen(network.features(network_input(scan)), np.zeros(cells_of(scan), np.bool_), (0, 0, 0, 0))
    else:
        projection = project_again(scan, one, families)
        window = Surroundings.of(projection.box, cells_of(scan))
        features = network.features(window.cut(network_input(projection.scan)))
        made = _Seen(features, truth_cells(projection.mask), projection.box)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        np.savez(out, truth=made.truth, box=np.array(made.box), **vars(made.features))
    partial.replace(path)
    return made


def figures_of(scored: Scored, families: Sequence[str], *, samples: int, seed: int) -> dict[str, Any]:
    """Figures by least visibility, candidate and family; JSON-ready.

    Projections for which a place was sought where they stand out are counted at that visibility alone: beside the
    others there would be too many of them. Families have no intervals.
    """
    found: dict[str, Any] = {}
    for least in REPORTED_VISIBILITIES:
        rows: dict[str, Any] = {name: {} for name in scored.maps}
        for family in (ALL_FAMILIES, *families):
            places = [
                place
                for place, one in enumerate(scored.drawn)
                if one is None or (_counts(one, least) and family in {ALL_FAMILIES, one.family})
            ]
            if all(scored.drawn[place] is None for place in places):
                continue
            for name, maps in scored.maps.items():
                figures = anomaly_figures(
                    [maps[place] for place in places],
                    [scored.truths[place] for place in places],
                    [scored.groups[place] for place in places],
                    samples=samples if family == ALL_FAMILIES else 0,
                    seed=seed,
                )
                rows[name][family] = figures.to_dict()
        found[f"{least:g}"] = rows
    return found


def _counts(one: Drawn, least: float) -> bool:
    return one.visibility >= least and (least == max(REPORTED_VISIBILITIES) or one.wished <= least)


def milliseconds(network: Pass, scorers: Mapping[str, Scorer]) -> dict[str, float]:
    """CPU-time in ms for a tile of 512 x 512 on one thread: of backbone and neck, and of each candidate beside them.

    Medians of rounds in which all take their turn. The head is a convolution of the network, the others are matrix
    products over patches that are laid out already.
    """
    tensor = np.random.default_rng(0).random((1, 3, WINDOW, WINDOW), dtype=np.float32)
    below8, below16, above8, above16 = network.pyramid(tensor)
    features = network.features(tensor)
    jobs: dict[str, Any] = {
        "backbone and neck": lambda: network.pyramid(tensor),
        "patches": lambda: (neck_patches(above8, above16), backbone_patches(below8, below16)),
        "head": lambda: network.head(above8),
    }
    for name, score in scorers.items():
        if name != "head":
            jobs[name] = lambda score=score: score(features)
    rounds = alternate(list(jobs.values()), _TIMED_ROUNDS)
    taken = {name: statistics.median(row[place] for row in rounds) * 1e3 for place, name in enumerate(jobs)}
    for name in taken:
        if name.startswith("head + "):
            taken[name] += taken["head"]
    return taken


if __name__ == "__main__":
    sys.exit(main())
