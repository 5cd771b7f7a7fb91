"""Runs in processes of their own: their end, their failure, and signals passed on."""

import os
import signal
import threading
import time

import pytest

from cargosight_models.errors import ConfigurationError
from cargosight_training import child_runs
from cargosight_training.child_runs import ChildRun
from cargosight_training.config import load_config


def child_of(folder, monkeypatch, program):
    config = folder / "c.yaml"
    config.write_text(
        "{name: a, out: unused, data: {train: [{file: a.json}]}, phases: [{steps: 4, size: 64}]}"
    )
    monkeypatch.setattr(child_runs, "_PROGRAM", program)
    return ChildRun(load_config(config, [f"out={folder / 'run'}"]))


def test_a_child_that_reaches_its_end_is_finished(tmp_path, monkeypatch):
    program = (
        "import sys, pathlib; out = pathlib.Path(sys.argv[2]).parent; print('hello')\n"
        "assert sys.argv[1] == 'train' and 'steps: 4' in (out / 'config.yaml').read_text()\n"
        "(out / 'best.onnx').touch(); (out / 'evaluations.csv').write_text('step,cpu_hours\\n4,0.25\\n')"
    )
    child = child_of(tmp_path, monkeypatch, program)
    assert not child.finished
    assert child.cpu_hours == 0.0
    assert child.train()
    assert child.finished
    assert child.cpu_hours == 0.25


def test_a_child_without_a_model_has_failed(tmp_path, monkeypatch):
    child = child_of(tmp_path, monkeypatch, "")
    with pytest.raises(ConfigurationError, match="exit code 0 and without a model"):
        child.train()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_to_the_child(tmp_path, monkeypatch, number):
    ready = tmp_path / "ready"
    program = (
        "import signal, sys, time, pathlib\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(130))\n"
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(20); sys.exit(3)"
    )
    child = child_of(tmp_path, monkeypatch, program)

    def send():
        for _ in range(400):
            if ready.exists():
                os.kill(os.getpid(), number)
                return
            time.sleep(0.05)

    sender = threading.Thread(target=send)
    sender.start()
    before = signal.getsignal(number)
    assert child.train() is False
    sender.join()
    assert signal.getsignal(number) is before
