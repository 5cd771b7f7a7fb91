"""Two processes by torchrun with gloo, all in one start of them, since starting is what takes time."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from cargosight_models.networks.detector import Detector, DetectorSettings
from cargosight_training.config import TrainConfig
from cargosight_training.config_files import dump_config
from cargosight_training.trainer import checkpoint
from cargosight_training.trainer.journal import read_rows
from tests.made import two_processes
from tests.made.runs import make_run

pytestmark = pytest.mark.acceptance

SETTINGS = [
    "optimiser.batch=4",
    "optimiser.warm_up=0",
    "optimiser.lr=0.01",
    "phases=[{steps: 3, size: 64}, {steps: 3, size: 64, frozen_stages: 2}]",
    "data.val=[]",
]


@dataclass(frozen=True)
class Launched:
    folder: Path
    config: TrainConfig
    said: str

    def weights(self, name: str, rank: int) -> dict[str, torch.Tensor]:
        return torch.load(self.folder / f"{name}.{rank}.pt", weights_only=True)


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Launched:
    folder = tmp_path_factory.mktemp("two")
    _, config = make_run(folder, SETTINGS)
    (folder / "run.yaml").write_text(dump_config(config))
    launcher = subprocess.Popen(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
            *(two_processes.__file__, str(folder)),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = launcher.communicate(timeout=180)
    finally:
        launcher.terminate()  # it ends the two processes as well, should they hang
        launcher.wait(60)
    assert launcher.returncode == 0, said[-4000:]
    return Launched(folder, config, said)


def test_both_processes_hold_the_same_weights(launched: Launched) -> None:
    """Norm statistics are each process's own; everything that is learnt is shared, also after stages froze."""
    for name in ("plain", "steady"):
        first, second = launched.weights(name, 0), launched.weights(name, 1)
        learnt = [key for key in first if "running_" not in key and "num_batches" not in key]
        assert len(learnt) > 50
        for key in learnt:
            assert torch.equal(first[key], second[key]), key


def test_two_processes_do_what_one_does(launched: Launched) -> None:
    """With norms that keep their statistics; with batch norm each process normalises by its own half of a batch."""
    torch.set_num_threads(1)
    config = launched.config.model_copy(update={"out": launched.folder / "one"})
    two_processes.run_part(two_processes.SteadyTrainer, config, launched.folder / "one")
    one, two = launched.weights("one", 0), launched.weights("steady", 0)
    torch.manual_seed(config.seed)
    start = Detector(DetectorSettings(3, "csp-nano", 8, 1, separable=True)).state_dict()
    learnt = {key for key in one if "running_" not in key and "num_batches" not in key}
    for key in learnt:
        assert torch.allclose(one[key], two[key], rtol=1e-4, atol=1e-6), key
    moved = max(float((one[key] - start[key]).abs().max()) for key in learnt)
    assert moved > 1e-3  # there was something to differ in


def test_only_the_first_process_writes(launched: Launched) -> None:
    out = launched.folder / "command"
    assert [row["step"] for row in read_rows(out / "log.csv")] == ["1", "3", "5"]
    assert [row["step"] for row in read_rows(out / "evaluations.csv")] == ["6"]
    assert checkpoint.load(out / "last.pt")["step"] == 6
    assert (out / "best.onnx").exists()
    assert launched.said.count("trained to the end") == 1
    assert launched.said.count("step 6/6") == 3  # one line in each of the three runs
    assert launched.said.count("pictures for the cache") == 1  # built by one process, for all runs
