"""`cargosight evaluate --projections`: threats projected into clean scans of cargo, beside the clean scans."""

import argparse
import json
import sys
from pathlib import Path

from cargosight_inference.inspector import Inspector
from cargosight_inference.progress import Progress
from cargosight_models.errors import DataSetError, UsageError
from cargosight_training.datasets.cache import read_record
from cargosight_training.datasets.records import DataSet
from cargosight_training.evaluation.projections.figures import ProjectionFigures, figures
from cargosight_training.evaluation.projections.page import page
from cargosight_training.evaluation.projections.scoring import (
    ScoredVariants,
    open_for_projections,
    score_variants,
)
from cargosight_training.evaluation.projections.tables import markdown
from cargosight_training.simulation.cargo.threats import THREATS

MOST_THREATS = 30


def evaluate_projections(args: argparse.Namespace, folds: list[tuple[str, DataSet]]) -> int:
    """Score, count and write; returns the exit code.

    Args:
        args: of `cargosight evaluate`.
        folds: models, each with clean scans that it never saw.

    Raises:
        CargosightError: a model or the data is wrong; no result was written.
    """
    if not 1 <= args.threats <= MOST_THREATS:
        raise UsageError(f"--threats {args.threats} found; expected 1 to {MOST_THREATS}")
    origins = {image.origin for _, dataset in folds for image in dataset.images}
    if len(origins) > 1:
        raise DataSetError(
            f"{' and '.join(sorted(origins))} scans were to share one figure; evaluate each origin by itself"
        )
    if not args.left_out:  # where each model has families of its own to show
        _check_apart(folds)
    _check_readable(folds)
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    families = tuple(THREATS)
    parts = _scored(args, folds, families)
    found = figures(parts, families, samples=args.samples, seed=args.seed)
    origin = next(iter(origins))
    text = markdown(found, origin)
    if args.json:
        sys.stdout.write(json.dumps(_document(found, origin), allow_nan=False) + "\n")
    else:
        sys.stdout.write(text)
    if args.out is not None:
        document = json.dumps(_document(found, origin), indent=1, allow_nan=False)
        texts = {"json": document + "\n", "md": text, "html": page(found, parts, origin, seed=args.seed)}
        for ending, content in texts.items():
            path = args.out / f"projections.{ending}"
            path.write_text(content, encoding="utf-8")
            if not args.json:
                sys.stdout.write(f"wrote {path}\n")
    return 0


def _scored(
    args: argparse.Namespace, folds: list[tuple[str, DataSet]], families: tuple[str, ...]
) -> list[ScoredVariants]:
    opened = [_opened(model) for model, _ in folds]
    shown = [_not_taught(inspector, families) if args.left_out else families for inspector in opened]
    bar = Progress(sum(len(dataset.images) for _, dataset in folds))
    try:
        return [
            score_variants(
                inspector,
                dataset,
                threats=args.threats,
                families=those,
                seed=args.seed,
                progress=lambda _: bar.advance(),
            )
            for inspector, those, (_, dataset) in zip(opened, shown, folds, strict=True)
        ]
    finally:
        bar.erase()


def _check_apart(folds: list[tuple[str, DataSet]]) -> None:
    """Refuse a scan that two folds have: it would count twice."""
    seen: set[Path] = set()
    for _, dataset in folds:
        paths = {image.path.resolve() for image in dataset.images}
        twice = sorted(paths & seen)
        if twice:
            raise DataSetError(
                f"{twice[0]} is in two folds ({len(twice)} such scans); expected each scan in the one fold whose model "
                "never saw it"
            )
        seen |= paths


def _check_readable(folds: list[tuple[str, DataSet]]) -> None:
    """Refuse scans that cannot be read before hours go into the others."""
    broken = []
    for _, dataset in folds:
        for image in dataset.images:
            try:
                read_record(image, "cargo")
            except DataSetError as error:
                broken.append(str(error))
    if broken:
        others = f" (and {len(broken) - 1} other scans)" if len(broken) > 1 else ""
        raise DataSetError(f"{broken[0]}{others}; take what cannot be read out of the list")


def _opened(model: str) -> Inspector:
    inspector = open_for_projections(model)
    if inspector.subject != "cargo":
        raise UsageError(
            f"the model {inspector.contract.name} inspects {inspector.subject}; threats are projected into "
            "scans of cargo: name a model for cargo"
        )
    return inspector


def _not_taught(inspector: Inspector, families: tuple[str, ...]) -> tuple[str, ...]:
    contract = inspector.contract
    left_out = tuple(family for family in families if family not in contract.classes)
    if not left_out:
        raise UsageError(
            f"--left-out: the model {contract.name} was taught every family that can be projected; expected one whose "
            "`data.classes` leave some out"
        )
    return left_out


def _document(found: ProjectionFigures, origin: str) -> dict[str, object]:
    return {"origin": "projected", "clean_scans_are": origin, **found.to_dict()}
