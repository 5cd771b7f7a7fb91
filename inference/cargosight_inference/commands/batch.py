"""`cargosight batch`: whole archives inspected again, into Parquet; `batch status` tells where a run stands."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from cargosight_inference.arguments import pitch_argument
from cargosight_inference.default_model import default_model
from cargosight_inference.inspection_arguments import add_inspection_arguments
from cargosight_inference.policy import Policy
from cargosight_inference.running_arguments import add_execution_arguments, execution_of
from cargosight_inference.spelling import spelled_out
from cargosight_inference.tuning import choose_running
from cargosight_models.catalog import look_up_model
from cargosight_models.errors import UsageError

if TYPE_CHECKING:
    from cargosight_inference.batch.engine import Engine
    from cargosight_inference.batch.manifest import Manifest
    from cargosight_inference.batch.places import Place
    from cargosight_inference.batch.running import Outcome
    from cargosight_inference.batch.scoring import Scoring
    from cargosight_inference.batch.stopping import Heard

SUMMARY = "Inspect whole archives into Parquet: stops and goes on without losing or doubling a scan."

EXIT_OK, EXIT_UNREADABLE = 0, 3

_STATUS, _COMPARE = "status", "compare"
_EPILOG = """\
Sources are folders, files and patterns, @FILE or - for a list of one path a line, tables (.csv, .tsv, .parquet) with a
column of paths whose other columns go along, s3://bucket/prefix, and other URLs that fsspec knows.

OUT gets manifest.json (what the run is made with), parts/part-000000.parquet … (one row for every input), summary.json
and summary.md, and _SUCCESS last. Stopped or killed at any point, the same command goes on from there; with another
model, threshold or policy it is refused. `cargosight batch status OUT` tells where a run stands, also from another
machine, `cargosight batch compare OUT OLD` what a run says otherwise than a former one. A folder that is called status
or compare is written ./status.

exit code: 0 every scan was inspected, 2 misuse or a failure that stopped the run, 3 an input was unreadable, 130
interrupted, 143 terminated; the last two, and most failures, leave a run that goes on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `batch`."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="what to inspect; or: status OUT; or: compare OUT OLD"
    )
    parser.add_argument("--out", metavar="DIR|URL", help="local folder or s3://bucket/prefix of the run")
    _add_inspection(parser)
    _add_running(parser)
    parser.add_argument(
        "--path-column", default="path", metavar="NAME", help="column of paths in tables (default: path)"
    )
    parser.add_argument(
        "--columns", metavar="NAME[,NAME]", help="columns of tables that go along (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="of status and compare: JSON instead of text")
    parser.add_argument(
        "--watch", type=float, metavar="SECONDS", help="of status: again and again until the run is complete"
    )


def _add_inspection(parser: argparse.ArgumentParser) -> None:
    add_inspection_arguments(parser)
    parser.add_argument(
        "--declared-column",
        metavar="NAME",
        help="column of tables with the heading that was declared of a cargo scan, `empty` for no load",
    )
    add_execution_arguments(parser)


def _add_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="what scores the shards")
    parser.add_argument("--ray-address", metavar="ADDRESS", help="of a Ray cluster (default: one is started)")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes of one thread each (default: what `cargosight bench --only running` found best here, else one "
        "for each core)",
    )
    parser.add_argument(
        "--shard-size",
        type=int,
        metavar="N",
        help="inputs of a part, which is one worker's (default: 1000, fewer where there are few inputs)",
    )
    parser.add_argument("--overlays", action="store_true", help="draw the scans that are referred")
    parser.add_argument(
        "--former", metavar="DIR|URL", help="output of a former run: the summary tells the drift from it"
    )
    parser.add_argument(
        "--compare",
        metavar="DIR|URL",
        help="output of a former run: tell what changed since, as a table, Parquet and a page with thumbnails",
    )
    parser.add_argument(
        "--check-sources",
        action="store_true",
        help="list the sources again and tell what was added, removed or changed since the run was planned",
    )
    parser.add_argument("--limit-rate", type=float, metavar="N", help="scans per second over all workers")
    parser.add_argument(
        "--retries",
        type=int,
        default=2,
        metavar="N",
        help="times that a scan which ended its worker, or a storage that failed, is tried again (default: 2)",
    )
    parser.add_argument(
        "--stall-timeout",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="end a worker that finishes no scan for so long (default: 300)",
    )
    parser.add_argument(
        "--worker-memory", type=int, metavar="MB", help="limit of a worker's address space (default: none)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run or resume a batch, or tell where one stands; return the exit code."""
    from cargosight_inference.batch.plan import check_extra

    check_extra()
    if arguments.out is None and arguments.sources[0] == _STATUS:
        return _status(arguments)
    if arguments.out is None and arguments.sources[0] == _COMPARE:
        return _compare_alone(arguments)
    if arguments.out is None:
        raise UsageError("there is no --out; give the folder or s3://bucket/prefix that the run writes into")
    if arguments.json or arguments.watch is not None:
        raise UsageError("--json is of `cargosight batch status` and `compare`, --watch of `status`")
    from cargosight_inference.batch.parts import check_complete
    from cargosight_inference.batch.places import open_place
    from cargosight_inference.batch.stopping import listening
    from cargosight_inference.batch.summary import count_unreadable

    for url in (arguments.former, arguments.compare):
        if url is not None:
            with open_place(url) as former:
                check_complete(former)  # told now, and not after a day
    scoring = _scoring(arguments)
    engine = _engine(arguments, scoring)
    with listening() as heard, open_place(arguments.out) as place:
        outcome = _run(arguments, scoring, engine, place, heard)
        if outcome is None or not outcome.complete:
            return heard.exit_code
        if arguments.compare is not None:
            _compare(place, arguments.compare)
        # Of the whole run: this process may have scored a part of it, or none.
        return EXIT_UNREADABLE if count_unreadable(place) else EXIT_OK


def _run(
    arguments: argparse.Namespace, scoring: "Scoring", engine: "Engine", place: "Place", heard: "Heard"
) -> "Outcome | None":
    """Plan and score; None where it was stopped before there was a plan."""
    from cargosight_inference.batch.changes import compare_sources
    from cargosight_inference.batch.display import Display
    from cargosight_inference.batch.plan import plan
    from cargosight_inference.batch.running import run_batch
    from cargosight_inference.batch.sources import read_sources, shown
    from cargosight_inference.batch.tables import TableOptions

    columns = None if arguments.columns is None else tuple(arguments.columns.split(","))
    sources = read_sources(
        arguments.sources,
        table=TableOptions(arguments.path_column, columns),
        skip=place.url,
        stop=heard.stop,
        scratch=place.scratch,
    )
    if scoring.declared_column not in (None, *sources.extra_columns):
        raise UsageError(
            f"no table of inputs has a column {scoring.declared_column!r}; they have "
            f"{', '.join(sources.extra_columns) or 'none but paths'}"
        )
    inspector = scoring.inspector()
    what = scoring.fingerprint(inspector)
    del inspector  # the workers have theirs
    with Display() as display:
        try:
            manifest = plan(sources, place, what=what, shard_size=arguments.shard_size, told=display.planned)
        except UsageError:
            if heard.stop.is_set():
                display.say("stopped before the run was planned; the same command plans it anew")
                return None
            raise
        inputs, shards = _counted(manifest.inputs, "input"), _counted(manifest.shards, "shard")
        display.say(f"{inputs} in {shards}; parts go to {place.url}")
        if arguments.check_sources:
            display.say(str(compare_sources(sources, manifest, place)))
        elif manifest.sources != sources.words:
            display.say(
                f"the run was planned from {', '.join(map(shown, manifest.sources))}, and these are its inputs still; "
                "--check-sources tells what differs"
            )
        outcome = run_batch(
            manifest,
            place,
            engine,
            scoring,
            overlays=arguments.overlays,
            stop=heard.stop.is_set,
            told=display.told,
            notice=display.say,
            summarise=lambda manifest, place: _summarise(arguments, manifest, place),
        )
        if outcome.was_complete and (arguments.former or arguments.compare) is not None:
            _summarise(arguments, manifest, place)
        display.say(_ended(outcome))
    return outcome


def _summarise(arguments: argparse.Namespace, manifest: "Manifest", place: "Place") -> None:
    from cargosight_inference.batch.places import open_place
    from cargosight_inference.batch.summary import write_summary

    url = arguments.former or arguments.compare
    if url is None:
        write_summary(manifest, place)
        return
    with open_place(url) as former:
        write_summary(manifest, place, former)


def _compare_alone(arguments: argparse.Namespace) -> int:
    from cargosight_inference.batch.places import open_place

    if len(arguments.sources) != 3:
        raise UsageError("compare wants two outputs, the new one first: cargosight batch compare OUT OLD")
    if arguments.watch is not None:
        raise UsageError("--watch is of `cargosight batch status OUT`")
    with open_place(arguments.sources[1]) as place:
        _compare(place, arguments.sources[2], as_json=arguments.json)
    return EXIT_OK


def _compare(place: "Place", url: str, *, as_json: bool = False) -> None:
    """Compare a complete run with a former one: a table on the standard output, Parquet and a page in the place."""
    from cargosight_inference.batch.compare import compare_runs
    from cargosight_inference.batch.compare_page import write_page
    from cargosight_inference.batch.compare_text import described
    from cargosight_inference.batch.parts import open_run
    from cargosight_inference.batch.places import open_place

    with open_place(url) as former:
        found = compare_runs(open_run(place), place, former)
    page = write_page(found, place)
    if as_json:
        sys.stdout.write(f"{json.dumps(found.to_dict() | {'page': f'{place.url}/{page}'})}\n")
    else:
        sys.stdout.write(f"{described(found)}\n\n{spelled_out(place.url)}/{page}\n")


def _ended(outcome: "Outcome") -> str:
    tally = outcome.tally
    inputs, parts = _counted(tally.inputs, "input"), _counted(tally.shards, "part")
    if outcome.was_complete:
        return f"the run is complete already: {inputs} in {parts}"
    words = [
        f"{tally.counts[name]:,} {name}" for name in ("clear", "refer", "unreadable") if tally.counts[name]
    ]
    if tally.counts["changed"]:
        words.append(f"{tally.counts['changed']:,} changed since the run was planned")
    if tally.counts["fault_worker"]:
        whose = "its" if tally.counts["fault_worker"] == 1 else "their"
        words.append(f"{tally.counts['fault_worker']:,} ended {whose} worker")
    done = tally.counts["clear"] + tally.counts["refer"] + tally.counts["unreadable"]
    rate = done / max(tally.elapsed, 1e-9)
    told = f"{_counted(done, 'scan')} now: {', '.join(words) or 'none'}; {tally.elapsed:.1f} s, {rate:.1f} scans/s"
    if outcome.complete:
        return f"complete: {inputs} in {parts}; {told}"
    return f"stopped with {tally.done_shards:,} of {parts}; {told}; the same command goes on from there"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _status(arguments: argparse.Namespace) -> int:
    from cargosight_inference.batch.places import open_place
    from cargosight_inference.batch.status import read_status

    if len(arguments.sources) != 2:
        raise UsageError("status wants one OUT: cargosight batch status OUT")
    if arguments.watch is not None and not arguments.watch > 0.0:
        raise UsageError(f"--watch {arguments.watch:g} found; expected more than 0 seconds")
    with open_place(arguments.sources[1]) as place:
        while True:
            status = read_status(place)
            text = json.dumps(status.to_dict()) if arguments.json else status.describe()
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()
            if arguments.watch is None or status.complete:
                return EXIT_OK
            Event().wait(arguments.watch)


def _scoring(arguments: argparse.Namespace) -> "Scoring":
    from cargosight_inference.batch.scoring import Scoring

    if arguments.gallery is not None and arguments.declared_column is None:
        raise UsageError("--gallery compares with what was declared; give --declared-column, too")
    model = default_model(arguments.subject) if arguments.model is None else arguments.model
    return Scoring(
        # Workers may run elsewhere; a catalog name is no path.
        model=str(Path(model).absolute()) if model.endswith(".onnx") else model,
        subject=arguments.subject,
        operating_point=arguments.operating_point,
        threshold=arguments.threshold,
        policy=asdict(Policy() if arguments.policy is None else Policy.read(arguments.policy)),
        max_pixels=arguments.max_pixels,
        air_level=arguments.air_level,
        polarity=arguments.polarity,
        pixel_pitch_mm=pitch_argument(arguments.pitch),
        correct=arguments.correct,
        declared_column=arguments.declared_column,
        gallery=None if arguments.gallery is None else str(arguments.gallery.absolute()),
        execution=execution_of(arguments),
    )


def _engine(arguments: argparse.Namespace, scoring: "Scoring") -> "Engine":
    from cargosight_inference.batch.local import LocalEngine

    options = {
        "retries": arguments.retries,
        "stall_timeout_s": arguments.stall_timeout,
        "limit_rate": arguments.limit_rate,
        "memory_mb": arguments.worker_memory,
    }
    if arguments.engine == "ray":
        from cargosight_inference.batch.ray_engine import RayEngine

        workers = arguments.workers
        if workers is None and arguments.ray_address is None:
            workers = _workers(scoring)
        return RayEngine(workers, address=arguments.ray_address, **options)
    if arguments.ray_address is not None:
        raise UsageError("--ray-address is of --engine ray")
    return LocalEngine(_workers(scoring) if arguments.workers is None else arguments.workers, **options)


def _workers(scoring: "Scoring") -> int:
    """Return how many processes of one thread each: what was measured best on this machine, else one for each core."""
    return choose_running(look_up_model(scoring.model), scoring.execution).workers
