"""`cargosight inspect`: scans in, decisions out."""

import argparse
import json
import sys
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event, Thread

import cv2

from cargosight_inference.arguments import path_argument, pitch_argument
from cargosight_inference.default_model import default_model
from cargosight_inference.gallery.tables import absolute, read_table
from cargosight_inference.inputs import STDIN, Input, check_arguments, expand
from cargosight_inference.inspection import Decision, Inspection
from cargosight_inference.inspection_arguments import add_inspection_arguments
from cargosight_inference.inspector import Inspector
from cargosight_inference.pipeline import inspect_many, inspect_with_scans
from cargosight_inference.policy import Policy
from cargosight_inference.progress import Progress
from cargosight_inference.results import ResultWriter
from cargosight_inference.running_arguments import add_running_arguments, execution_of, running_of
from cargosight_inference.scans.scan import Scan
from cargosight_inference.session import ThreadPolicy
from cargosight_inference.spelling import spelled_out
from cargosight_inference.tuning import Running
from cargosight_models.catalog import find_model
from cargosight_models.errors import UsageError

SUMMARY = "Inspect scans: a decision for each, with the items found."

EXIT_OK = 0
EXIT_UNREADABLE = 3

_EPILOG = """\
One line is written for each scan: decision, path, items with their scores, time. Decisions are `clear`,
`refer` (to secondary inspection) and `unreadable` (the file itself).

The model is chosen by what was scanned (--subject baggage or cargo), or named (--model). Neither of them is
refused, and --subject unknown without --model is refused, since nothing is guessed from the image.

With --out, bag.jpg gives bag.overlay.png and bag.inspection.json, and a cargo scan of two energies
truck.materials.png, too: organic orange, light metal green, heavy metal blue, thin or unknown grey, opaque dark
red. Scans found in a folder keep their place
below it. Where two inputs would share a name, the later is called bag~ and eight hex digits that stand for
its path; so is one whose name is too long.

exit code: 0 all scans were inspected, 2 misuse, 3 a file was unreadable, 130 interrupted, 143
terminated."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `inspect`."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="file, folder (with its subfolders), glob pattern, or - for a list on stdin, one path a line",
    )
    parser.add_argument(
        "--out",
        type=path_argument,
        metavar="DIR",
        help="write an overlay PNG and an inspection JSON per scan",
    )
    parser.add_argument("--json", action="store_true", help="write JSON lines to stdout instead of text")
    add_inspection_arguments(parser)
    declared = parser.add_mutually_exclusive_group()
    declared.add_argument(
        "--declared", metavar="HEADING", help="what the manifest says all scans hold, such as 4011, or empty"
    )
    declared.add_argument(
        "--declared-table",
        type=path_argument,
        metavar="FILE",
        help="what it says of each scan: CSV with the first line path,heading, or JSON",
    )
    add_running_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Inspect what the arguments name; return the exit code."""
    check_arguments(arguments.paths)
    execution = execution_of(arguments)
    declared = _declared(arguments)
    model = find_model(default_model(arguments.subject) if arguments.model is None else arguments.model)
    running = running_of(arguments, model, execution)
    inspector = Inspector(
        model,
        subject=arguments.subject,
        operating_point=arguments.operating_point,
        threshold=arguments.threshold,
        threads=ThreadPolicy(intra_op=running.threads_alone),
        execution=execution,
        policy=Policy() if arguments.policy is None else Policy.read(arguments.policy),
        max_pixels=arguments.max_pixels,
        air_level=arguments.air_level,
        polarity=arguments.polarity,
        pixel_pitch_mm=pitch_argument(arguments.pitch),
        correct=arguments.correct,
        gallery=arguments.gallery,
        declared=declared,
    )
    # The scans are small and the decoder has a thread of its own: OpenCV's pool would only fight over the
    # CPU.
    cv2.setNumThreads(1)
    counts: dict[Decision, int] = {"clear": 0, "refer": 0, "unreadable": 0}
    undeclared, unmatched = 0, set(declared) if isinstance(declared, Mapping) else set()
    progress = Progress()
    with ExitStack() as stack:
        stack.callback(progress.erase)
        writer = stack.enter_context(ResultWriter(arguments.out)) if arguments.out else None
        stop = Event()
        places: deque[str] = deque()
        inputs = expand(arguments.paths, skip_folder=arguments.out, stop=stop)
        sources = _noting_places(inputs, places) if writer is not None else (found.path for found in inputs)
        stream = stack.enter_context(
            closing(_inspect(inspector, sources, stop, with_scans=writer is not None))
        )
        if progress.shows and STDIN not in arguments.paths:
            counter = Thread(target=_count, args=(arguments, progress, stop), name="cargosight-count")
            counter.start()
            stack.callback(counter.join)
        stack.callback(stop.set)
        for inspection, scan in stream:
            counts[inspection.decision] += 1
            undeclared += inspection.declared is None and inspection.error is None
            if inspection.path is not None:
                unmatched.discard(absolute(inspection.path))
            if writer is not None:
                writer.write(inspection, scan, places.popleft())
            _report(inspection, progress, as_json=arguments.json)
            progress.advance()
    if progress.done == 0:
        if arguments.paths == [STDIN]:
            raise UsageError("the list on stdin is empty: nothing to inspect")
        raise UsageError(
            f"nothing to inspect in {', '.join(arguments.paths)}; no file there looks like a scan"
        )
    _summarise(counts, progress, running)
    if arguments.declared_table is not None:
        _compare_with_table(arguments.declared_table, undeclared, sorted(unmatched))
    return EXIT_UNREADABLE if counts["unreadable"] else EXIT_OK


def _compare_with_table(table: Path, undeclared: int, unmatched: list[str]) -> None:
    """Say which scans a table does not name, and which of its rows named no scan."""
    if undeclared:
        what = "scan is" if undeclared == 1 else "scans are"
        sys.stderr.write(f"{undeclared:,} {what} not in {table}: nothing to compare with\n")
    if unmatched:
        what = "row names" if len(unmatched) == 1 else "rows name"
        sys.stderr.write(
            f"{len(unmatched):,} {what} no scan that was inspected, in {table}; the first: {unmatched[0]}\n"
        )


def _declared(arguments: argparse.Namespace) -> str | Mapping[str, str] | None:
    """What was declared: a heading of all scans, or of each by path.

    Raises:
        UsageError: there is a gallery and nothing to compare with it, or the table is wrong.
    """
    if arguments.declared_table is not None:
        return {row.path: row.heading for row in read_table(arguments.declared_table)}
    if arguments.declared is None and arguments.gallery is not None:
        raise UsageError(
            "--gallery compares with what was declared; give --declared or --declared-table, too"
        )
    declared: str | None = arguments.declared
    return declared


def _inspect(
    inspector: Inspector, sources: Iterator[str], stop: Event, *, with_scans: bool
) -> Generator[tuple[Inspection, Scan | None], None, None]:
    if with_scans:
        # Two under way keep the session busy, and a cargo scan may be a hundred times the size of a bag's.
        yield from inspect_with_scans(inspector, sources, queue=2, stop=stop)
    else:
        # Scans are dropped as soon as they are preprocessed, so that large ones do not fill the queue.
        yield from ((inspection, None) for inspection in inspect_many(inspector, sources, stop=stop))


def _noting_places(inputs: Iterator[Input], places: deque[str]) -> Iterator[str]:
    """Yield the paths; results come in the same order, so that their places can be taken from the front."""
    for found in inputs:
        places.append(found.place)
        yield found.path


def _count(arguments: argparse.Namespace, progress: Progress, stop: Event) -> None:
    """Count the inputs by a walk of its own, so that the bar knows a total and no list is held."""
    total = 0
    for _ in expand(arguments.paths, skip_folder=arguments.out, stop=stop):
        total += 1
        if stop.is_set():
            return
    progress.total = total


def _report(inspection: Inspection, progress: Progress, *, as_json: bool) -> None:
    line = json.dumps(inspection.to_dict(), allow_nan=False) if as_json else spelled_out(describe(inspection))
    progress.erase()
    sys.stdout.write(line + "\n")
    sys.stdout.flush()  # who reads from a pipe decides on this bag while the next one is awaited


def describe(inspection: Inspection) -> str:
    """Return the line that the terminal shows for an inspection."""
    if inspection.error is not None:
        what = inspection.error
    elif len(inspection.findings) == 0:
        what = "nothing found"
    else:
        found = inspection.findings
        places = [f" at {place}" for place in inspection.positions or ()] or [""] * len(found)
        what = ", ".join(
            f"{label} {score:.2f}{place}"
            for label, score, place in zip(found.labels, found.scores.tolist(), places, strict=True)
        )
    if inspection.opaque_fraction is not None:
        what += f"; {inspection.load_state}, {inspection.opaque_fraction:.0%} not penetrated"
    if inspection.declared is not None:
        what += f"; {inspection.declared.in_words()}"
    return f"{inspection.decision:<10}  {inspection.path}  {what}  {inspection.timings_ms['total']:.0f} ms"


def _summarise(counts: dict[Decision, int], progress: Progress, running: Running) -> None:
    parts = [f"{count:,} {decision}" for decision, count in counts.items() if count]
    rate = progress.done / max(progress.elapsed, 1e-9)
    progress.erase()
    sys.stderr.write(
        f"{progress.done:,} {'scan' if progress.done == 1 else 'scans'}: {', '.join(parts)}; "
        f"{progress.elapsed:.1f} s, {rate:.1f} scans/s ({running.in_words()})\n"
    )
