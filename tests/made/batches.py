"""Batch runs over made archives."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from cargosight_inference.batch.local import LocalEngine
from cargosight_inference.batch.manifest import Manifest
from cargosight_inference.batch.places import Place
from cargosight_inference.batch.plan import plan
from cargosight_inference.batch.running import Outcome, run_batch
from cargosight_inference.batch.scoring import Scoring
from cargosight_inference.batch.shard import score_shard
from cargosight_inference.batch.sources import read_sources
from cargosight_inference.batch.tables import TableOptions
from tests.made import poisoned_worker
from tests.made.models import DARK, make_blob_model, write_blobs

POISONED = (sys.executable, str(Path(poisoned_worker.__file__)))
"""The command of a worker that files can end."""
REFERRED_EVERY = 3
ROOT = Path(__file__).resolve().parents[2]
_LONG = 60.0


def blob_scoring(folder: Path, **changes: Any) -> Scoring:
    """Write the blob model and return the settings of an inspector of it."""
    model = make_blob_model(folder / "blobs.onnx", operating_points={"pfa=0.05": 0.5, "pfa=0.01": 0.95})
    return Scoring(**{"model": str(model), "subject": "baggage"} | changes)


def make_archive(folder: Path, count: int, names: dict[int, str] | None = None) -> list[Path]:
    """Fill a folder with `count` bags, every third dark; `names` puts a word before the names of some."""
    paths = []
    for number in range(count):
        word = (names or {}).get(number, "bag")
        path = folder / f"{number:05d}" / f"{word}{number}.png"
        paths.append(write_blobs(path, *([(64, 32, DARK)] if number % REFERRED_EVERY == 0 else [])))
    return paths


def planned(
    place: Place, scoring: Scoring, sources: Sequence[Path | str], *, shard_size: int = 10
) -> Manifest:
    """Plan a run."""
    found = read_sources([str(source) for source in sources], table=TableOptions(), skip=place.url)
    return plan(found, place, what=scoring.fingerprint(scoring.inspector()), shard_size=shard_size)


def run(place: Place, manifest: Manifest, scoring: Scoring, *, workers: int = 2, **options: Any) -> Outcome:
    """Run it by local processes that files can end; `options` are those of the engine and of `run_batch`."""
    own = {"overlays", "stop", "told", "notice", "summarise"}
    engine = LocalEngine(
        workers,
        **{"command": POISONED, "retries": 1}
        | {name: value for name, value in options.items() if name not in own},
    )
    return run_batch(
        manifest, place, engine, scoring, **{name: options[name] for name in own if name in options}
    )


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Return all rows of a run in the order of its parts."""
    found: list[dict[str, Any]] = []
    for part in sorted((folder / "parts").iterdir()):
        found += pq.ParquetFile(part).read().to_pylist()
    return found


def without_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows without what differs from run to run."""
    return [{name: value for name, value in row.items() if name != "timings_ms"} for row in rows]


def check_whole(folder: Path, count: int) -> list[dict[str, Any]]:
    """Every input has exactly one row, in order, and nothing temporary is left; return the rows."""
    rows = rows_of(folder)
    assert [row["number"] for row in rows] == list(range(count))
    assert len({row["path"] for row in rows}) == count
    named = {path.name for path in folder.iterdir() if not path.name.startswith("plan-")}
    assert named - {"overlays", "summary.json", "summary.md", ".scratch"} == {
        "_SUCCESS",
        "manifest.json",
        "parts",
    }
    # This process may still hold its own folder there; nobody else does.
    for left in folder.glob(".scratch/*/*"):
        assert left.name == "lock"
        assert left.parent.name.startswith(f"{os.getpid()}-")
    return rows


def start_command(*words: object) -> subprocess.Popen[str]:
    """Start `cargosight batch` in a process of its own, with workers that files can end."""
    # From here, for the tests that it imports; run from an installed wheel it needs nothing.
    where = {**os.environ, "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(ROOT)])}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.made.batch_command", *map(str, words)],
        cwd=ROOT,
        env=where,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_parts(out: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until a run has so many parts."""
    end = time.monotonic() + _LONG
    while len(list((out / "parts").glob("*"))) < count:
        assert time.monotonic() < end, "waited in vain for parts"
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def made_run(place: Place, manifest: Manifest, scoring: Scoring) -> None:
    """Score every shard in this process and publish the parts: a finished run, but for its marker."""
    inspector = scoring.inspector()
    for shard in range(manifest.shards):
        scored = score_shard(manifest, shard, place, inspector)
        place.publish(manifest.part_name(shard), scored.file)
        scored.file.unlink()
