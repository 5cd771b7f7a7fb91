"""A long run by a local process takes no more memory at its end than after a third."""

import contextlib
import sys

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

import psutil

from cargosight_inference.batch.places import open_place
from tests.made.batches import POISONED, blob_scoring, make_archive, planned, run

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(sys.platform != "linux", reason="resident memory settles differently elsewhere"),
]


def test_memory_stays(tmp_path):
    """What a third of the inputs took in worker and run, all of them take; the allocator may round."""
    scoring = blob_scoring(tmp_path)
    paths = make_archive(tmp_path / "in", 3)
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{path}\n" for path in paths * 1000))
    marks: list[tuple[int, int, int]] = []

    def look(tally):
        """Called after each shard at least, while the worker lives; not all of them in time on a slow disk."""
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if POISONED[-1] in child.cmdline():
                    mark = (tally.done_shards, child.memory_info().rss, psutil.Process().memory_info().rss)
                    marks.append(mark)

    with open_place(tmp_path / "out") as place:
        manifest = planned(place, scoring, [f"@{listed}"], shard_size=100)
        run(place, manifest, scoring, workers=1, told=look)
    early = [mark for mark in marks if 5 <= mark[0] <= 15]
    late = [mark for mark in marks if mark[0] > 25]
    assert early
    assert late
    for of_whom in (1, 2):
        assert max(mark[of_whom] for mark in late) - max(mark[of_whom] for mark in early) < 3e6
