"""A tenth of the simulated archive: planned, killed twenty times, resumed; and memory over its rows.

`cargosight bench --only archive --only soak` runs the whole.
"""

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

from cargosight_inference.benchmark.archive import (
    GROWTH_MB,
    PLAN_MB,
    PLAN_SECONDS,
    measure_archive,
    measure_soak,
)
from tests.acceptance.processes import HAS_PROC, tell

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not HAS_PROC, reason="memory is read from /proc"),
]
_START_SECONDS = 10.0
"""Of a process, on a machine that has much else to do."""


def test_killed_twenty_times_with_every_input_exactly_once(tmp_path):
    found = measure_archive(tmp_path, 100_000, 20)
    tell(str(found))
    assert found.wrong == 0
    assert found.kills == 20
    assert 0 < found.kills_while_planning < found.kills
    assert found.planning_seconds < PLAN_SECONDS / 10 + _START_SECONDS
    assert found.planning_peak_mb is not None
    assert found.planning_peak_mb < PLAN_MB


def test_memory_does_not_grow_with_the_rows(tmp_path):
    found = measure_soak(tmp_path, 40_000)
    tell(str(found))
    assert found.growth_mb < GROWTH_MB
