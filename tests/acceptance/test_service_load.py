"""A shorter form of `cargosight bench --only service`: nothing is lost, events come in time, memory stays."""

from pathlib import Path

import pytest

from cargosight_inference.benchmark.service_load import measure_service
from tests.acceptance.processes import HAS_PROC, tell

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not HAS_PROC, reason="the memory of processes is read from /proc"),
]


def test_fifty_scans_a_minute_with_ten_consoles(tmp_path: Path) -> None:
    found = measure_service(tmp_path, minutes=1.0)
    tell(str(found))
    assert (found.scans, found.refused, found.lost, found.missed) == (50, 0, 0, 0)
    assert found.event_p95 < 2.0
    assert found.memory_last_mb < found.memory_first_mb + 30.0
