"""Our configurations trained for the same CPU time each, scored alike: mAP50 for what it costs.

The learning rate of a run follows its length, so a run that is merely cut off at its budget has not been annealed.
Each configuration is therefore measured first, a few steps of each of its phases; then the steps of all phases are
scaled alike, so that the whole run, warm-up and annealing included, fits the budget.
"""

import argparse
import csv
import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.comparisons.scoring import read_task, score_findings, slug, write_result

from cargosight_inference.arguments import path_argument
from cargosight_inference.progress import Progress
from cargosight_models.errors import CargosightError, ConfigurationError, UsageError
from cargosight_training.child_runs import ChildRun
from cargosight_training.config import PhaseConfig, TrainConfig
from cargosight_training.config_files import find_config, load_config
from cargosight_training.datasets.records import DataSet
from cargosight_training.evaluation.bootstrap import SAMPLES
from cargosight_training.evaluation.run import inspect_dataset, open_inspector
from cargosight_training.trainer.run import read_training_data

PROBE_STEPS = 30
"""Steps of each phase that are measured."""
SETTLING_STEPS = 10
"""Steps at the start of a phase that are done and not counted: its first batches are made before it begins. The log
has a row after so many steps, as rarely as can be, since the rows cost time too."""
TAIL_STEPS = 8
"""Steps behind the last phase, so that its loaders still work while it is measured."""
STOPPED = 130


@dataclass(frozen=True)
class Variant:
    """One configuration that takes part.

    Attributes:
        name: In the table.
        config: A YAML file or the name of a shipped one.
        settings: `key=value` in place of the file's.
    """

    name: str
    config: str
    settings: tuple[str, ...] = ()


VARIANTS = (
    Variant("nano from scratch", "baggage-nano"),
    Variant("tiny from scratch", "baggage-tiny"),
    Variant("lite0 pretrained", "baggage"),
    Variant("lite0 from scratch", "baggage", ("model.pretrained=false",)),
)


def make_parser() -> argparse.ArgumentParser:
    """The options of the script."""
    known = "; ".join(f"{one.name}: {' '.join((one.config, *one.settings))}" for one in VARIANTS)
    parser = argparse.ArgumentParser(prog="python -m training.comparisons.equal_time", description=__doc__)
    parser.add_argument(
        "--variant",
        action="append",
        metavar="'NAME: CONFIG key=value ...'",
        help=f"what takes part; may be repeated (default: {known}); a name of these stands for the whole",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="key=value", help="a setting of every variant"
    )
    parser.add_argument("--val", type=path_argument, nargs="+", required=True, metavar="FILE.json")
    parser.add_argument(
        "--images", type=path_argument, metavar="DIR", help="default: `images` beside each file"
    )
    parser.add_argument(
        "--out", type=path_argument, required=True, metavar="DIR", help="of runs, results and the table"
    )
    parser.add_argument(
        "--cpu-seconds", type=float, default=7200.0, help="budget of each run (default: 7200)"
    )
    parser.add_argument(
        "--without", metavar="GROUP", help="leave this source or source/scanner out of training"
    )
    parser.add_argument(
        "--samples", type=int, default=SAMPLES, help=f"bootstrap samples (default: {SAMPLES})"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Train, score, write results and table; returns the exit code, 130 when a run was stopped."""
    args = make_parser().parse_args(argv)
    try:
        return run(args)
    except CargosightError as error:
        sys.stderr.write(f"equal_time: {error}\n")
        return 2


def run(args: argparse.Namespace) -> int:
    """Train every variant that is not trained yet, and score all of them.

    Raises:
        CargosightError: An option, a setting or the data is wrong, or a run fails.
    """
    if args.cpu_seconds <= 0:
        raise UsageError(f"--cpu-seconds {args.cpu_seconds} found; expected more than 0")
    planned = []
    for variant in chosen_variants(args.variant):
        name = variant.name + ("" if args.without is None else f" without {args.without}")
        config = load_config(find_config(variant.config), [*variant.settings, *args.set])
        planned.append((name, prepared(config, args.out / slug(name), args.out, without=args.without)))
    for name, config in planned:
        if not train_and_score(name, config, args):
            sys.stderr.write("stopped; the same command goes on from here\n")
            return STOPPED
    sys.stdout.write((args.out / "table.md").read_text(encoding="utf-8"))
    return 0


def train_and_score(name: str, config: TrainConfig, args: argparse.Namespace) -> bool:
    """One variant from its first step to its row in the table; returns False when it was stopped.

    Raises:
        CargosightError: A setting or the data is wrong, or the run fails.
    """
    task = read_task(
        [(file.file, file.images) for file in config.data.train if not file.simulated],
        args.val,
        images=args.images,
        left_out=args.without,
    )
    paces = measure_paces(config)
    if paces is None:
        return False
    child = ChildRun(scaled(config, paces, args.cpu_seconds))
    sys.stderr.write(f"{name}: {child.config.total_steps} steps in {child.folder}\n")
    if not child.train():
        return False
    phases = [phase.model_dump(mode="json") for phase in child.config.phases]
    result = {
        "rival": False,
        "left_out": args.without,
        "budget_cpu_seconds": args.cpu_seconds,
        "used_cpu_seconds": child.cpu_hours * 3600,
        "settings": {
            "backbone": config.model.backbone,
            "pretrained": config.model.pretrained,
            "batch": config.optimiser.batch,
            "phases": phases,
            "cpu_seconds_per_step": paces,
            "images": len(read_training_data(child.config)),
        },
        "scored": {set_name: _scored(child, dataset, args) for set_name, dataset in task.scored.items()},
    }
    write_result(args.out, name, result)
    return True


def chosen_variants(texts: Sequence[str] | None) -> tuple[Variant, ...]:
    """The variants that the option names, all of VARIANTS without it.

    Raises:
        UsageError: A text is neither a known name nor `NAME: CONFIG ...`.
    """
    if not texts:
        return VARIANTS
    known = {variant.name: variant for variant in VARIANTS}
    return tuple(known[text] if text in known else _variant(text, tuple(known)) for text in texts)


def _variant(text: str, known: tuple[str, ...]) -> Variant:
    name, colon, rest = text.partition(":")
    config, *settings = shlex.split(rest) or [""]
    if not colon or not name.strip() or not config:
        raise UsageError(
            f"--variant {text!r} found; expected one of {', '.join(known)}, or 'NAME: CONFIG key=value ...'"
        )
    return Variant(name.strip(), config, tuple(settings))


def prepared(config: TrainConfig, folder: Path, out: Path, *, without: str | None) -> TrainConfig:
    """The configuration as it takes part: nothing chosen by validation scans, no random weights frozen."""
    left_out = config.data.without if without is None else (*config.data.without, without)
    cache = (
        config.data.cache if without is None else out / "cache"
    )  # other pictures, the same for every variant
    random = not config.model.pretrained and config.model.weights is None
    return config.model_copy(
        update={
            "out": folder,
            "data": config.data.model_copy(update={"val": (), "without": left_out, "cache": cache}),
            "log": config.log.model_copy(update={"evaluate_every": 0, "sheet": 0}),
            "phases": tuple(_thawed(phase) if random else phase for phase in config.phases),
        }
    )


def _thawed(phase: PhaseConfig) -> PhaseConfig:
    return phase.model_copy(update={"frozen_stages": 0})


def measure_paces(config: TrainConfig) -> list[float] | None:
    """CPU-seconds of a step in each phase, from a short run that is kept nowhere; None when it was stopped.

    They are written into the folder of the run and taken from there when it goes on, so that its length stays.

    Raises:
        ConfigurationError: The run fails.
    """
    kept = config.out / "paces.json"
    if kept.is_file():
        paces: list[float] = json.loads(kept.read_text(encoding="utf-8"))
        return paces
    steps = [PROBE_STEPS] * len(config.phases)
    steps[-1] += TAIL_STEPS
    phases = (phase.model_copy(update={"steps": n}) for phase, n in zip(config.phases, steps, strict=True))
    probe = ChildRun(
        config.model_copy(
            update={
                "out": config.out / "probe",
                "phases": tuple(phases),
                "log": config.log.model_copy(update={"every": SETTLING_STEPS}),
            }
        )
    )
    if not probe.train():
        return None
    with (probe.folder / "log.csv").open(newline="", encoding="utf-8") as log:
        seconds = {int(row["step"]) + 1: float(row["cpu_hours"]) * 3600 for row in csv.DictReader(log)}
    paces = paces_from(seconds, len(config.phases))
    shutil.rmtree(probe.folder)
    kept.write_text(json.dumps(paces) + "\n", encoding="utf-8")
    return paces


def paces_from(seconds: Mapping[int, float], phases: int) -> list[float]:
    """CPU-seconds of a step in each phase.

    Args:
        seconds: CPU time after so many steps of the probe.
        phases: How many phases of PROBE_STEPS it had.

    Raises:
        ConfigurationError: The log is short of steps.
    """
    paces = []
    for phase in range(phases):
        first, last = phase * PROBE_STEPS + SETTLING_STEPS, (phase + 1) * PROBE_STEPS
        if first not in seconds or last not in seconds:
            raise ConfigurationError(
                f"the log of the measured steps has no row of step {first} or {last}: delete the folder `probe` and "
                "start again"
            )
        paces.append((seconds[last] - seconds[first]) / (last - first))
    return paces


def scaled(config: TrainConfig, paces: Sequence[float], cpu_seconds: float) -> TrainConfig:
    """The configuration with the steps of all phases scaled alike to a budget.

    Warm-up takes at most a tenth of the run, and the average of the weights reaches back over at most a ninth of it.
    """
    whole = sum(phase.steps * pace for phase, pace in zip(config.phases, paces, strict=True))
    share = cpu_seconds / whole
    phases = tuple(
        phase.model_copy(update={"steps": max(1, round(phase.steps * share))}) for phase in config.phases
    )
    total = sum(phase.steps for phase in phases)
    optimiser = config.optimiser.model_copy(
        update={
            "warm_up": min(config.optimiser.warm_up, total // 10),
        }
    )
    return config.model_copy(update={"phases": phases, "optimiser": optimiser})


def _scored(child: ChildRun, dataset: DataSet, args: argparse.Namespace) -> dict[str, Any]:
    bar = Progress(len(dataset))
    try:
        inspected = inspect_dataset(
            open_inspector(str(child.model)), dataset, progress=lambda _done, _total: bar.advance()
        )
    finally:
        bar.erase()
    return score_findings(
        inspected.images, inspected.classes, inspected.findings, samples=args.samples, seed=0
    )


if __name__ == "__main__":
    sys.exit(main())
