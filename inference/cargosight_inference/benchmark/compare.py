"""This package beside its bare parts and beside others, in one run and in turns: speed, memory, cold start."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cargosight_inference.benchmark.children import Contender, Round, Team, is_installed
from cargosight_inference.benchmark.measures import Spread
from cargosight_inference.benchmark.wrapped import can_wrap, wrap_for_ultralytics
from cargosight_inference.processor import cores
from cargosight_inference.session import MOST_THREADS
from cargosight_models.catalog import ModelFile
from cargosight_models.errors import UsageError

ULTRALYTICS, ANOMALIB = "ultralytics", "anomalib"
SESSION, BARE = "session.run", "bare calls"


@dataclass(frozen=True)
class Rivals:
    """How the others are found.

    Attributes:
        python: interpreter of the environment in which they are installed.
        weights: the network that ultralytics runs: a configuration of its own with random weights, which needs no
            download and costs the same, or a file.
        size: longer side of its input in pixels.
        anomalib_model: an exported model (`.pt`); one with random weights is made where it is None.
        anomalib_size: side in pixels of the one that is made.
    """

    python: str
    weights: str = "yolo11n.yaml"
    size: int = 640
    anomalib_model: str | None = None
    anomalib_size: int = 192


@dataclass(frozen=True)
class Measured:
    """One contender.

    Attributes:
        name: of it.
        images_per_second: by the clock, by round.
        cpu_ms: CPU-time of one image, by round.
        peak_mb: most resident memory, of its processes together.
        first_seconds: from the start of fresh processes until each has given its first result.
        facts: what it says of itself, such as the size of its network.
    """

    name: str
    images_per_second: Spread
    cpu_ms: Spread
    peak_mb: float
    first_seconds: Spread
    facts: dict[str, Any]


@dataclass(frozen=True)
class Ratio:
    """One configuration of ours beside another contender.

    Attributes:
        ours: name of ours.
        other: name of the other.
        images_per_second: ours over the other's, of the same round.
        cpu: CPU-time, likewise.
        memory: peaks, ours over the other's.
        first: medians of the times to the first result, ours over the other's.
    """

    ours: str
    other: str
    images_per_second: Spread
    cpu: Spread
    memory: float
    first: float


@dataclass(frozen=True)
class Compared:
    """All contenders of one run.

    Attributes:
        images: how many each process went through in a round.
        rounds: how often.
        measured: the contenders.
        ratios: of each configuration of ours to each of the others.
        notes: what was left out, and why.
    """

    images: int
    rounds: int
    measured: tuple[Measured, ...]
    ratios: tuple[Ratio, ...]
    notes: tuple[str, ...]


def measure_compare(
    model: ModelFile, paths: Sequence[Path], folder: Path, *, rounds: int, starts: int, rivals: Rivals
) -> Compared:
    """Run all contenders in turns, round by round, each in a process of its own.

    Args:
        model: ours.
        paths: of images that OpenCV reads.
        folder: for files that are made on the way.
        rounds: how often each goes through all images.
        starts: fresh processes of each for the time to the first result, 1 or more.
        rivals: how the others are found.
    """
    ours = _ours(model, paths)
    others, notes = _others(model, paths, folder, rivals)
    contenders = [*ours, *others]
    first = {contender.name: _starts(contender, starts - 1) for contender in contenders}
    seen: dict[str, list[Round]] = {contender.name: [] for contender in contenders}
    facts: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        teams = [(contender, stack.enter_context(Team(contender))) for contender in contenders]
        for contender, team in teams:
            first[contender.name].append(team.seconds)
            facts[contender.name] = {k: v for k, v in team.facts.items() if k not in ("first", "peak")}
            team.run()  # all are warm now
        for _ in range(rounds):
            for contender, team in teams:
                seen[contender.name].append(team.run())
    measured = tuple(
        Measured(
            name,
            Spread.of([one.per_second for one in found]),
            Spread.of([one.cpu_ms for one in found]),
            found[-1].peak_mb,
            Spread.of(first[name]),
            facts[name],
        )
        for name, found in seen.items()
    )
    by_name = {one.name: one for one in measured}
    whole = [contender.name for contender in ours if contender.kind == "pipeline"]
    ratios = tuple(
        _ratio(by_name[mine], by_name[other.name], seen)
        for mine in whole
        for other in contenders
        if other.name not in whole
    )
    return Compared(len(paths), rounds, measured, ratios, tuple(notes))


def _ours(model: ModelFile, paths: Sequence[Path]) -> list[Contender]:
    path = str(model.path.absolute())
    found = [
        Contender(name, kind, paths, {"model": path, "threads": 1})
        for name, kind in ((SESSION, "session"), (BARE, "bare"))
    ]
    found.append(Contender("cargosight, 1 thread", "pipeline", paths, {"model": path, "threads": 1}))
    if (most := min(cores(), MOST_THREADS)) > 1:
        several = {"model": path, "threads": most}
        found.append(Contender(f"cargosight, {most} threads", "pipeline", paths, several))
        # As `cargosight batch` runs by itself.
        name, each = f"cargosight, {most} processes", {"model": path, "threads": 1}
        found.append(Contender(name, "pipeline", paths, each, copies=most))
    return found


def _others(
    model: ModelFile, paths: Sequence[Path], folder: Path, rivals: Rivals
) -> tuple[list[Contender], list[str]]:
    """Return the rivals that are installed, and why others are not among them."""
    found: list[Contender] = []
    notes: list[str] = []
    if is_installed(ULTRALYTICS, rivals.python):
        settings = {"model": _absolute(rivals.weights), "size": rivals.size}
        name = f"{ULTRALYTICS}, {Path(rivals.weights).stem} at {rivals.size}"
        found.append(Contender(name, ULTRALYTICS, paths, settings, rivals.python))
        if can_wrap():
            try:
                wrapped = wrap_for_ultralytics(model.path, folder / "same-network.onnx")
            except UsageError as error:
                notes.append(str(error))
            else:
                side = max(max(shape) for shape in _shapes(model))
                same = {"model": str(wrapped), "size": side}
                found.append(
                    Contender(f"{ULTRALYTICS}, our network", ULTRALYTICS, paths, same, rivals.python)
                )
        else:
            notes.append(
                f"{ULTRALYTICS} on our network wants the package onnx here: install cargosight[train]"
            )
    else:
        notes.append(f"{ULTRALYTICS} is not installed under {rivals.python}, so it was not measured")
    if is_installed(ANOMALIB, rivals.python):
        made = rivals.anomalib_model is None
        settings = {
            "model": _made_anomalib(rivals, paths, folder) if made else _absolute(str(rivals.anomalib_model))
        }
        what = f"stfpm at {rivals.anomalib_size}" if rivals.anomalib_model is None else rivals.anomalib_model
        found.append(Contender(f"{ANOMALIB}, {what}", ANOMALIB, paths, settings, rivals.python))
    else:
        notes.append(f"{ANOMALIB} is not installed under {rivals.python}, so it was not measured")
    return found, notes


def _absolute(weights: str) -> str:
    """Return a file's path as a process in another folder finds it; a name that is no file stays."""
    return str(Path(weights).absolute()) if Path(weights).is_file() else weights


def _shapes(model: ModelFile) -> tuple[tuple[int, int], ...]:
    from cargosight_inference.session import Session

    return Session(model).contract.input.shapes


def _made_anomalib(rivals: Rivals, paths: Sequence[Path], folder: Path) -> str:
    """Let a process of its own write a model with random weights."""
    settings = {"size": rivals.anomalib_size, "folder": str(folder)}
    with Team(Contender(ANOMALIB, "make anomalib", paths[:1], settings, rivals.python)):
        pass
    return str(folder / "weights" / "torch" / "stfpm.pt")


def _starts(contender: Contender, count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        with Team(contender) as team:
            seconds.append(team.seconds)
    return seconds


def _ratio(ours: Measured, other: Measured, seen: dict[str, list[Round]]) -> Ratio:
    pairs = list(zip(seen[ours.name], seen[other.name], strict=True))
    return Ratio(
        ours.name,
        other.name,
        Spread.of([mine.per_second / theirs.per_second for mine, theirs in pairs]),
        Spread.of([mine.cpu_ms / theirs.cpu_ms for mine, theirs in pairs]),
        ours.peak_mb / other.peak_mb,
        ours.first_seconds.median / other.first_seconds.median,
    )
