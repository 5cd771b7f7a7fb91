"""An archive in one go: every scan gets one line, in order, and memory does not grow with their number."""

import json
import os
from pathlib import Path

import pytest

from tests.acceptance.bundled import require_bundled
from tests.acceptance.processes import HAS_PROC, Run, cargosight, tell
from tests.made import scans
from tests.made.models import make_blob_model

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not HAS_PROC, reason="memory is read from /proc"),
]

HOSTILE_EVERY = 100
PEAK_MB = 250.0
FLAT_MB = 5.0
"""The most that memory may rise after the first third: the allocator's arenas move by a few MB."""

UNREADABLE = 3


def make_archive(folder: Path, amount: int) -> list[Path]:
    """Fill a folder with names of few different files and return them in natural order.

    Every hundredth is hostile. Most good ones are JPEGs of 900 x 600; among them are some that stand upright,
    so that the model's shapes alternate, and some in grey.
    """
    sources = folder.parent / f"{folder.name}-sources"
    sources.mkdir()
    good = [scans.write_scan(sources, "jpeg", 600, 900, seed) for seed in range(9)]
    good.append(scans.write_scan(sources, "jpeg", 900, 600, 9))
    good.append(scans.write_scan(sources, "jpeg grey", 600, 900, 10))
    bad = scans.broken_files(sources / "hostile")
    whole = good[0].read_bytes()
    for name, content in {"cut.jpg": whole[: len(whole) // 2], "late.jpg": whole[:-2]}.items():
        (sources / name).write_bytes(content)
        bad.append(sources / name)
    folder.mkdir()
    paths = []
    for number in range(1, amount + 1):
        is_bad = number % HOSTILE_EVERY == 0
        source = bad[number // HOSTILE_EVERY % len(bad)] if is_bad else good[number % len(good)]
        path = folder / f"bag{number}{source.suffix}"
        os.link(source, path)
        paths.append(path)
    return paths


def check_lines(run: Run, paths: list[Path]) -> None:
    """One line for each path, in order, and only the hostile ones unreadable."""
    assert len(run.lines) == len(paths)
    for number, (line, path) in enumerate(zip(run.lines, paths, strict=True), start=1):
        found = json.loads(line)
        assert found["path"] == str(path)
        assert (found["decision"] == "unreadable") == (number % HOSTILE_EVERY == 0), found
    assert "Traceback" not in run.errors


def check_memory(run: Run) -> None:
    """A low peak, and nothing that grows: what a third of the archive took, all of it takes."""
    early, late = run.resident_mb(0.05, 1 / 3), run.resident_mb(0.9, 1.0)
    tell(
        f"{len(run.lines)} scans: {run.seconds:.0f} s, {early:.1f} MB in the first third, {late:.1f} MB at the "
        f"end, peak {run.peak_mb:.1f} MB"
    )
    assert run.peak_mb < PEAK_MB
    assert late - early < FLAT_MB


def test_ten_thousand_scans(tmp_path: Path) -> None:
    """With a model that costs next to nothing, so that the pipeline itself is what is watched."""
    paths = make_archive(tmp_path / "archive", 10_000)
    model = make_blob_model(tmp_path / "blobs.onnx")
    words = ("inspect", "--json", tmp_path / "archive", "--model", model, "--threshold", "0.3")
    run = cargosight(*words, cwd=tmp_path, code=UNREADABLE)
    check_lines(run, paths)
    check_memory(run)
    decisions = {json.loads(line)["decision"] for line in run.lines}
    assert decisions >= {"refer", "unreadable"}


def test_the_bundled_model_on_a_thousand_scans(tmp_path: Path) -> None:
    """With the network that is shipped, whose session holds most of the memory."""
    require_bundled()
    paths = make_archive(tmp_path / "archive", 1_500)
    run = cargosight(
        "inspect", "--json", tmp_path / "archive", "--subject", "baggage", cwd=tmp_path, code=UNREADABLE
    )
    check_lines(run, paths)
    check_memory(run)
    fingerprints = {json.loads(line)["fingerprint"] for line in run.lines}
    assert fingerprints == {require_bundled().sha256}
