"""What each of the processes of a test run does; torchrun starts it with the folder of the run."""

import sys
from pathlib import Path

import torch
from torch import nn

from cargosight_inference.cli import main
from cargosight_training.config import TrainConfig
from cargosight_training.config_files import load_config
from cargosight_training.trainer.loop import Trainer
from cargosight_training.trainer.machine import set_up
from cargosight_training.trainer.run import make_samples, read_training_data


class SteadyTrainer(Trainer):
    """Norms keep their statistics and the optimiser is plain descent.

    Batch norm sees only its own process's share of a batch, and Adam makes a whole step of a rounding error where the
    gradient is near 0: with neither, several processes must do what one does.
    """

    def __init__(self, config: TrainConfig, classes: tuple[str, ...], machine: object) -> None:
        super().__init__(config, classes, machine)  # type: ignore[arg-type]
        groups = [{"params": g["params"], "share": g["share"]} for g in self.optimiser.param_groups]
        self.optimiser = torch.optim.SGD(groups, lr=config.optimiser.lr, momentum=0.9)

    def _enter_phase(self) -> None:
        super()._enter_phase()
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def run_part(trainer_class: type[Trainer], config: TrainConfig, save_to: Path) -> None:
    """Train and write the weights of this process."""
    machine = set_up(config.machine)
    data = read_training_data(config)
    trainer = trainer_class(config, data.classes.names, machine)
    trainer.run(make_samples(config, data))
    torch.save(trainer.model.state_dict(), save_to.with_suffix(f".{machine.rank}.pt"))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    plain = load_config(folder / "run.yaml", [f"out={folder / 'plain'}"])
    steady = load_config(folder / "run.yaml", [f"out={folder / 'steady'}"])
    run_part(Trainer, plain, folder / "plain")
    run_part(SteadyTrainer, steady, folder / "steady")
    sys.exit(main(["train", str(folder / "run.yaml"), f"out={folder / 'command'}"]))
