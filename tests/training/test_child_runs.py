"""Runs in processes of their own: their end, their failure, and signals passed on."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cargosight_models.errors import ConfigurationError
from cargosight_training import child_runs
from cargosight_training.child_runs import ChildRun
from cargosight_training.config_files import load_config


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


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has gone")
def test_a_run_ends_with_a_parent_that_is_killed(tmp_path):
    head = child_runs._PROGRAM.partition("from cargosight")[0]
    child = f"import os\n{head}print(os.getpid(), flush=True)\nimport time; time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as killed:
        run = Path(f"/proc/{int(killed.stdout.readline())}/stat")
        assert run.exists()
        killed.kill()
    deadline = time.monotonic() + 10
    while run.exists() and " Z " not in run.read_text():
        assert time.monotonic() < deadline, "the run goes on without its parent"
        time.sleep(0.02)
