"""A training that is killed again and again ends exactly as one that never was."""

import csv
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.acceptance.processes import COMMAND, HAS_PROC, cargosight, environment, tell
from tests.acceptance.training_runs import simulate, write_config

pytestmark = pytest.mark.acceptance

STEPS = 60
KILLS = 5
EVALUATED = 30
MEASURED = ("images_per_second", "cpu_hours")
"""Columns that tell of the machine and not of what is learnt."""

PATIENCE_S = 240.0


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("killed")
    classes = ("gun", "knife", "powerbank")
    train = simulate(place / "bags", count=24, seed=1, classes=classes, size="160x120")
    val = simulate(place / "others", count=6, seed=2, classes=classes, size="160x120")
    for name in ("whole", "killed"):
        write_config(
            place / f"{name}.yaml",
            out=place / name,
            train=train,
            val=val,
            name="bags",
            data={"cache_pixels": 160},
            model={"backbone": "csp-nano", "pretrained": False, "channels": 16, "head_depth": 1},
            phases=[
                {"steps": 20, "size": 96, "strength": 0.5, "frozen_stages": 1},
                {"steps": STEPS - 20, "size": 128},
            ],
            optimiser={"batch": 4, "warm_up": 5},
            export={"shapes": [[128, 160]]},
            log={"every": 1, "checkpoint_every": 4, "evaluate_every": EVALUATED, "sheet": 2},
            machine={"device": "cpu", "threads": 1, "workers": 2},
        )
    return place


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    run = cargosight("train", "whole.yaml", cwd=place)
    tell(f"{STEPS} steps without a kill: {run.seconds:.0f} s")
    return place / "whole"


@pytest.fixture(scope="module")
def killed(place: Path, whole: Path) -> Path:
    """The same run, killed at five random steps and some random moment later."""
    chance = random.Random()
    seed = int.from_bytes(os.urandom(4), "little")
    chance.seed(seed)
    steps = sorted(chance.sample(range(1, STEPS - 1), KILLS))
    tell(f"seed {seed}: killed after the steps {steps}")
    started = time.perf_counter()
    for number, step in enumerate(steps):
        kill_after(place, "killed", step, delay=chance.uniform(0.0, 0.4), resume=number > 0)
    cargosight("train", "killed.yaml", "--resume", cwd=place)
    tell(f"killed and resumed {KILLS} times: {time.perf_counter() - started:.0f} s")
    return place / "killed"


def kill_after(place: Path, name: str, step: int, *, delay: float, resume: bool) -> None:
    """Start a run, or go on with it, and kill it some time after a step is in its log."""
    words = [COMMAND, "train", f"{name}.yaml", *(["--resume"] if resume else [])]
    with (
        (place / f"{name}.errors").open("ab") as errors,
        subprocess.Popen(
            words,
            cwd=place,
            env=environment(place / "home"),
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
        ) as process,
    ):
        deadline = time.monotonic() + PATIENCE_S
        while not any(int(row["step"]) >= step for row in rows(place / name / "log.csv")):
            assert process.poll() is None, (place / f"{name}.errors").read_text(encoding="utf-8")[-3000:]
            assert time.monotonic() < deadline, f"step {step} was not reached in {PATIENCE_S:.0f} s"
            time.sleep(0.01)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def rows(path: Path) -> list[dict[str, str]]:
    """The whole rows of a CSV file so far."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    read = csv.DictReader([line for line in lines if line.endswith("\n")])
    return [row for row in read if row["step"] and None not in row.values()]


def learnt(path: Path) -> list[dict[str, str]]:
    """The rows without what was measured on the machine."""
    return [{key: value for key, value in row.items() if key not in MEASURED} for row in rows(path)]


def assert_same(one: object, other: object, where: str) -> None:
    """Compare nested values; tensors bit for bit."""
    assert type(one) is type(other), where
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        assert one.dtype == other.dtype, where
        assert torch.equal(one, other), f"{where} differs by up to {(one - other).abs().max()}"
    elif isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other), where
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{where}.{number}")
    else:
        assert one == other, where


@pytest.mark.parametrize("part", ["step", "model", "average", "optimiser", "scaler", "classes", "settings"])
def test_the_state_is_the_same_bit_for_bit(part: str, whole: Path, killed: Path) -> None:
    one, other = (torch.load(folder / "last.pt", weights_only=True) for folder in (whole, killed))
    assert one["step"] == STEPS
    assert_same(one[part], other[part], part)


def test_the_weights_were_learnt_at_all(place: Path, whole: Path) -> None:
    """Equal files would also be those of a run that does nothing."""
    losses = [float(row["loss"]) for row in rows(whole / "log.csv")]
    assert len(set(losses)) == STEPS
    assert np.mean(losses[-10:]) < np.mean(losses[:10])


def test_the_log_is_the_same_row_for_row(whole: Path, killed: Path) -> None:
    assert [int(row["step"]) for row in rows(whole / "log.csv")] == list(range(STEPS))
    assert learnt(killed / "log.csv") == learnt(whole / "log.csv")


def test_the_evaluations_are_the_same(whole: Path, killed: Path) -> None:
    assert [int(row["step"]) for row in rows(whole / "evaluations.csv")] == [EVALUATED, STEPS]
    assert learnt(killed / "evaluations.csv") == learnt(whole / "evaluations.csv")


@pytest.mark.parametrize("name", ["best.onnx", "last.onnx"])
def test_the_model_files_are_the_same_byte_for_byte(name: str, whole: Path, killed: Path) -> None:
    assert (killed / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.skipif(not HAS_PROC, reason="reads /proc")
def test_no_process_is_left_behind(killed: Path) -> None:
    """The loaders of a killed run find out within seconds that it is gone."""
    deadline = time.monotonic() + 30.0
    while left := processes_of(killed):
        assert time.monotonic() < deadline, left
        time.sleep(0.5)


def processes_of(run: Path) -> list[str]:
    """Running processes whose configuration is that of a run."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if f"{run.name}.yaml".encode() in words and (entry / "cwd").readlink() == run.parent:
                found.append(entry.name)
        except OSError:  # it has ended meanwhile, or is another user's
            continue
    return found
