"""A real Ray cluster of two nodes with one processor each, on this machine."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest


class TwoNodes:
    """A cluster.

    Attributes:
        address: of it.
    """

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self.address = str(cluster.address)
        self._second = self._add()

    def _add(self) -> Any:
        return self._cluster.add_node(num_cpus=1, object_store_memory=80_000_000)

    def kill_second(self) -> None:
        """End all processes of the second node by SIGKILL, its tasks first: by themselves they may get to their end."""
        (raylet,) = self._second.all_processes["raylet"]
        for process in psutil.Process(raylet.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._cluster.remove_node(self._second, allow_graceful=False)


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[TwoNodes]:
    """A cluster for one test module."""
    pytest.importorskip("ray", reason="ray is not installed: no cluster is tested")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        try:
            yield TwoNodes(cluster)
        finally:
            cluster.shutdown()
            os.environ.pop("RAY_ADDRESS", None)
