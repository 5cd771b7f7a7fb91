"""The training loop: one page that reads aloud."""

import gc
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from cargosight_models.contract import DataTerms
from cargosight_models.errors import ConfigurationError
from cargosight_models.networks.backbones import Backbone
from cargosight_models.networks.detector import Detector, DetectorSettings, Found
from cargosight_models.networks.head import location_grid
from cargosight_training.config import PhaseConfig, TrainConfig
from cargosight_training.trainer import checkpoint
from cargosight_training.trainer.assignment import Locations
from cargosight_training.trainer.ema import WeightAverage
from cargosight_training.trainer.journal import Journal
from cargosight_training.trainer.loader import Batch, TrainingSamples, batches
from cargosight_training.trainer.losses import LossTerms, anomaly_loss, detector_loss, with_anomaly
from cargosight_training.trainer.machine import Machine
from cargosight_training.trainer.schedule import learning_rate

Evaluate = Callable[[Detector, int, float], None]
"""Called with the average weights, the number of steps done, and the CPU-hours spent on them. After a kill it may be
called again for the same step."""


class Trainer:
    """State of one run: network, average, optimiser, step.

    A step is a pure function of this state and of the configuration: batches are drawn by step, and chance inside the
    network is seeded by step.

    Args:
        config: the run.
        classes: class names, in the order of the class ids.
        machine: where it computes.
        training_data: what the weights will have been taught by, kept in the checkpoints.

    Raises:
        ConfigurationError: the batch cannot be shared among the processes, or the starting weights do not fit.
    """

    def __init__(
        self,
        config: TrainConfig,
        classes: tuple[str, ...],
        machine: Machine,
        *,
        training_data: tuple[DataTerms, ...] = (),
    ) -> None:
        if config.optimiser.batch % machine.world:
            raise ConfigurationError(
                f"optimiser.batch is {config.optimiser.batch}, which {machine.world} processes cannot share evenly: "
                f"set it to a multiple of {machine.world}"
            )
        torch.manual_seed(config.seed)
        self.config, self.classes, self.machine = config, classes, machine
        self.training_data = training_data
        model = config.model
        self.settings = DetectorSettings(
            len(classes),
            model.backbone,
            model.channels,
            model.head_depth,
            model.separable,
            model.colour,
            model.anomaly,
        )
        self.model = Detector(self.settings, pretrained=model.pretrained and model.weights is None)
        self.untouched = checkpoint.start_from(self.model, model.weights, classes) if model.weights else []
        self.model.to(machine.device).to(memory_format=torch.channels_last)
        self.average = WeightAverage(self.model, decay=config.optimiser.ema_decay)
        self.optimiser = _optimiser(self.model, config)
        self.scaler = torch.amp.GradScaler(machine.device.type, enabled=machine.precision == "fp16")
        self.step = 0
        self.cpu_hours = 0.0
        self._saved_at: int | None = None
        self._phase: PhaseConfig | None = None
        self._parallel: nn.Module = self.model

    def run(
        self,
        samples: TrainingSamples,
        *,
        evaluate: Evaluate | None = None,
        stop: Callable[[], bool] = lambda: False,
        stop_at: int | None = None,
    ) -> None:
        """Train from the current step to the end of the run, to ``stop_at``, or until ``stop`` says so.

        Raises:
            ConfigurationError: the gradient is no longer finite; the last checkpoint is kept.
        """
        journal = self._open_journal() if self.machine.rank == 0 else None
        if journal is not None and self.step:
            self._evaluate_if_due(journal, evaluate)  # a kill may have come before it was done
        machine = self.machine
        with closing(
            batches(samples, self.config, first=self.step, rank=machine.rank, world=machine.world)
        ) as drawn:
            while (
                self.step < self.config.total_steps
                and not machine.any_process(stop())
                and self.step != stop_at
            ):
                batch = next(drawn)
                self._enter_phase()
                lr, terms = self._train_one(batch)
                self.step += 1
                if journal is not None:
                    self._after_step(journal, lr, terms, batch, evaluate)
        if journal is not None:
            self.cpu_hours = journal.cpu_hours
            self._save_once()
            journal.close()

    def average_model(self) -> Detector:
        """A float32 network on the CPU with the average weights, ready to be exported."""
        model = Detector(self.settings)
        model.load_state_dict(self.average.state)
        return model.eval()

    @property
    def checkpoint_path(self) -> Path:
        """Where the run's state is kept."""
        return self.config.out / "last.pt"

    def save(self) -> None:
        """Write all that a resumed run needs."""
        checkpoint.save(
            self.checkpoint_path,
            {
                "settings": asdict(self.settings),
                "classes": list(self.classes),
                "training_data": [asdict(one) for one in self.training_data],
                "config": self.config.model_dump_json(),
                "step": self.step,
                "cpu_hours": self.cpu_hours,
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "scaler": self.scaler.state_dict(),
            },
        )
        self._saved_at = self.step

    def resume(self) -> str:
        """Take up where the checkpoint of this run stopped; returns the configuration it was made with, as JSON.

        Raises:
            ConfigurationError: there is no readable checkpoint, or it is of another network or other classes.
        """
        saved = checkpoint.load_run(self.checkpoint_path)
        old = {**asdict(DetectorSettings(classes=1)), **saved["settings"], "class names": saved["classes"]}
        new = {**asdict(self.settings), "class names": list(self.classes)}
        for what, expected in new.items():
            if old.get(what) != expected:
                raise ConfigurationError(
                    f"{self.checkpoint_path} is of a network whose {what} is {old.get(what)}, but the configuration "
                    f"makes it {expected}: resume a run with its own network, or begin another one with "
                    f"model.weights={self.checkpoint_path}"
                )
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        _set_groups(self.optimiser, self.config)  # the state brings the settings that it was saved with
        self.scaler.load_state_dict(saved["scaler"])
        self.step, self.cpu_hours = saved["step"], saved["cpu_hours"]
        self._saved_at = self.step
        return str(saved["config"])

    def _open_journal(self) -> Journal:
        config = self.config
        return Journal(
            config.out,
            total=config.total_steps,
            first=self.step,
            batch=config.optimiser.batch,
            tensorboard=config.log.tensorboard,
            cpu_hours=self.cpu_hours,
        )

    def _enter_phase(self) -> None:
        phase = self.config.phase_at(self.step)
        if phase is self._phase:
            return
        self._phase = phase
        self.model.train()
        self.model.freeze_stages(phase.frozen_stages, depthwise=phase.frozen_depthwise)
        for stage in cast(Backbone, self.model.backbone).stages()[: phase.frozen_stages]:
            stage.eval()  # its norms keep their statistics, too
        if self.machine.world > 1:  # wrapped anew, since it registers what is trainable when it is made
            self._parallel = self.model
            gc.collect()  # the hooks of the wrapper before go with it
            self._parallel = DistributedDataParallel(self.model)

    def _train_one(self, batch: Batch) -> tuple[float, LossTerms]:
        lr = learning_rate(self.step, self.config.total_steps, self.config.optimiser)
        for group in self.optimiser.param_groups:
            group["lr"] = lr * group["share"]
        seed = (self.config.seed * 1_000_003 + self.step) * self.machine.world + self.machine.rank
        torch.manual_seed(seed % 2**63)  # for networks with random layers
        images = batch.network_images(self.machine.device)
        with self.machine.autocast():
            found: Found = self._parallel(images)
        points, strides = location_grid(images.shape[2], images.shape[3], device=images.device)
        truth, lookalike_weight = batch.truth_on(images.device), self.config.loss.lookalike_weight
        terms = detector_loss(
            Locations(found.logits, found.boxes, points, strides),
            truth,
            exclusive_items=self.config.loss.exclusive_items,
            lookalike_weight=lookalike_weight,
        )
        if found.anomaly is not None:
            unusual = batch.unusual.to(images.device)
            part = anomaly_loss(
                found.anomaly[:, 0], unusual, truth.harmless, lookalike_weight=lookalike_weight
            )
            terms = with_anomaly(terms, part)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(self.scaler.scale(terms.total))
        self.scaler.unscale_(self.optimiser)
        norm = nn.utils.clip_grad_norm_(
            [p for p in self.model.parameters() if p.grad is not None], self.config.optimiser.clip
        )
        # The scaler skips steps whose gradient is too large for fp16, and tries a smaller scale.
        if not torch.isfinite(terms.total if self.scaler.is_enabled() else norm):
            raise ConfigurationError(
                f"step {self.step + 1} gives a loss of {terms.total:g} and a gradient that is not finite: lower "
                "optimiser.lr or optimiser.clip, or set machine.precision to fp32, and resume from the last checkpoint"
            )
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.average.update(self.model)
        return lr, terms

    def _after_step(
        self, journal: Journal, lr: float, terms: LossTerms, batch: Batch, evaluate: Evaluate | None
    ) -> None:
        log = self.config.log
        self.cpu_hours = journal.cpu_hours
        if self.step % log.every == 0:
            journal.row(self.step - 1, _row(lr, terms, batch))
        if self.step % log.checkpoint_every == 0:
            self._save_once()
        self._evaluate_if_due(journal, evaluate)

    def _save_once(self) -> None:
        if self._saved_at != self.step:
            self.save()

    def _evaluate_if_due(self, journal: Journal, evaluate: Evaluate | None) -> None:
        every, last = self.config.log.evaluate_every, self.step == self.config.total_steps
        if evaluate is None or not (last or (every and self.step % every == 0)):
            return
        self._save_once()  # so that a run that is killed meanwhile comes back to this step
        with journal.aside():
            evaluate(self.average_model(), self.step, self.cpu_hours)


def _row(lr: float, terms: LossTerms, batch: Batch) -> dict[str, float]:
    return {
        "size": batch.images.shape[-1],
        "lr": lr,
        "loss": float(terms.total.detach()),
        "classes": float(terms.classes.detach()),
        "boxes": float(terms.boxes.detach()),
        "anomaly": float(terms.anomaly.detach()),
        "positives": float(terms.positives),
    }


def _optimiser(model: Detector, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; norms and biases do not decay, the backbone learns more slowly."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        groups.setdefault((name.startswith("backbone."), parameter.ndim > 1), []).append(parameter)
    optimiser = torch.optim.AdamW(
        [
            {"params": parameters, "backbone": backbone, "decays": decays}
            for (backbone, decays), parameters in groups.items()
        ],
        lr=config.optimiser.lr,
    )
    _set_groups(optimiser, config)
    return optimiser


def _set_groups(optimiser: torch.optim.Optimizer, config: TrainConfig) -> None:
    """Each group's share of the learning rate and its decay, as the configuration has them."""
    settings = config.optimiser
    for group in optimiser.param_groups:
        slower = group["backbone"] and config.model.pretrained
        group["share"] = settings.backbone_lr if slower else 1.0
        group["weight_decay"] = settings.weight_decay if group["decays"] else 0.0
