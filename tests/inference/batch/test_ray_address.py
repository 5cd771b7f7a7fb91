"""Addresses at which no Ray cluster listens are told at once."""

import socket
import sys
from time import monotonic

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

from cargosight_inference.batch import ray_address
from cargosight_inference.batch.places import BatchError
from cargosight_inference.batch.ray_address import check_listened


def test_something_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_listened(f"127.0.0.1:{server.getsockname()[1]}")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "[::1]:1", f"{'a' * 70}.invalid:6379"])
def test_nothing_listens(address):
    with pytest.raises(BatchError, match="there is no Ray cluster at") as told:
        check_listened(address)
    assert address in str(told.value)
    assert "--ray-address auto" in str(told.value)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse where the queue is full")
def test_a_port_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(ray_address, "_CONNECT_SECONDS", 0.2)
    began = monotonic()
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()), pytest.raises(BatchError, match="timed out"):
            check_listened(f"127.0.0.1:{full.getsockname()[1]}")
    assert monotonic() - began < 5.0


@pytest.mark.parametrize("address", ["auto", "local", "session-7", "::1:6379"])
def test_other_names_are_left_to_ray(address):
    check_listened(address)
