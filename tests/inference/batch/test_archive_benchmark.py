"""The benchmark of an archive, on a small one."""

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

from cargosight_inference import Inspector
from cargosight_inference.benchmark.archive import TINY, make_archive, measure_archive
from tests.acceptance.processes import HAS_PROC

pytestmark = pytest.mark.acceptance


@pytest.mark.skipif(not HAS_PROC, reason="memory is read from /proc")
def test_an_archive_is_killed_and_resumed(tmp_path):
    found = measure_archive(tmp_path, 2500, 5)
    assert (found.rows, found.wrong) == (2500, 0)
    assert found.kills <= 5
    assert found.kills_while_planning <= 1
    assert found.kills - found.kills_while_planning >= 1
    assert found.planning_cpu_seconds > 0.0
    assert found.planning_peak_mb is not None


def test_the_tiny_network_finds_what_is_dark(tmp_path):
    table = make_archive(tmp_path, 1200)
    lines = table.read_text().splitlines()
    assert len(lines) == 1201
    inspector = Inspector(TINY, threshold=0.9)
    paths = [line.split(",")[0] for line in lines[1:]]
    assert len(set(paths)) == 1200
    assert inspector.inspect(paths[0]).decision == "refer"
    assert inspector.inspect(paths[1101]).decision == "clear"
