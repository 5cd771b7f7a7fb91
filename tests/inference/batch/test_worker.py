"""A worker's process as the run sees it."""

import os
import signal
from time import monotonic, sleep

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

from cargosight_inference.batch.engine import Job
from cargosight_inference.batch.worker import COMMAND, Worker
from tests.made.batches import blob_scoring

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX pipes and signals")
_LONG = 60.0


def first_message(worker):
    end = monotonic() + _LONG
    while monotonic() < end:
        for message in worker.messages():
            return message
        sleep(0.01)
    raise AssertionError("the worker said nothing")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_do_nothing_to_a_worker_that_is_starting(tmp_path, number):
    job = Job(url=str(tmp_path / "nowhere"), scoring=blob_scoring(tmp_path), fingerprint="0" * 64)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    worker = Worker(COMMAND, {"job": job.to_dict(), "rate": None}, tmp_path / "counter", None)
    try:
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
        for _ in range(5):
            os.kill(worker.pid, number)
            sleep(0.02)
        assert "refused" in (first_message(worker) or {})
    finally:
        assert worker.close() == "ended with exit code 0"
