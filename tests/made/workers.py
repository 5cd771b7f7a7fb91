"""Workers at work on made bags, and workers in trouble."""

import os
import threading
from contextlib import contextmanager
from pathlib import Path

import psutil

from cargosight_inference.service.engines import Engine
from cargosight_inference.service.worker import WorkerProcess
from cargosight_models.errors import WorkerDied
from tests.made.models import DARK, make_blob_model, write_blobs
from tests.made.waiting import until

LONG = 60.0
"""Seconds: a failure, never a wait."""


def blob_engine(folder: Path) -> Engine:
    """Write the blob model and return an engine of it."""
    return Engine(subject="baggage", model=str(make_blob_model(folder / "blobs.onnx")), threshold=0.5)


def dark_bag(folder: Path) -> Path:
    """Write a bag that the blob model refers, as the service keeps it: the file's name says nothing."""
    return write_blobs(folder / "bag.png", (64, 32, DARK)).rename(folder / "0123abc")


def inspect(worker: WorkerProcess, engine: Engine, path: Path, **changes):
    return worker.inspect(engine, path, **{"name": "lane/bag.png", "timeout_s": LONG} | changes)


def has_ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def without_times(found: dict) -> dict:
    return {name: value for name, value in found.items() if name != "timings_ms"}


@contextmanager
def stuck(worker: WorkerProcess, engine: Engine, folder: Path, **options):
    """While the block runs, a call in another thread waits for a pipe that gives nothing; yields what it raises."""
    pipe = folder / "policy.yaml"
    os.mkfifo(pipe)
    waiting = Engine(subject="baggage", model=engine.model, threshold=0.5, policy=str(pipe))
    raised: list[Exception] = []

    def call() -> None:
        try:
            worker.load(waiting, **options)
        except (WorkerDied, RuntimeError) as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    end = until(lambda: reading_end(pipe), told="the worker to read")
    try:
        yield raised
    finally:
        os.close(end)
        thread.join(LONG)
        assert not thread.is_alive()


def reading_end(pipe: Path) -> int | None:
    """Open a pipe for writing, as soon as somebody reads from it."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def picture(worker: WorkerProcess, path: Path, folder: Path, **changes):
    options = {
        "subject": "baggage",
        "max_pixels": 10**6,
        "air_level": None,
        "polarity": None,
        "timeout_s": LONG,
    }
    return worker.picture(path, folder=folder, **options | {"pixel_pitch_mm": (1.0, 2.0)} | changes)
