"""The training loop: one page that reads aloud."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from cargosight_models.networks.detector import Detector, DetectorSettings
from cargosight_models.networks.head import location_grid
from cargosight_training.config import PhaseConfig, TrainConfig
from cargosight_training.trainer import checkpoint
from cargosight_training.trainer.ema import WeightAverage
from cargosight_training.trainer.journal import Journal
from cargosight_training.trainer.loader import Batch, TrainingSamples, batches
from cargosight_training.trainer.losses import LossTerms, detector_loss
from cargosight_training.trainer.machine import Machine
from cargosight_training.trainer.schedule import learning_rate

Evaluate = Callable[[Detector, int], None]
"""Called with the average weights and the number of steps done."""


class Trainer:
    """State of one run: network, average, optimiser, step.

    Args:
        config: the run.
        classes: class names, in the order of the class ids.
        machine: where it computes.
    """

    def __init__(self, config: TrainConfig, classes: tuple[str, ...], machine: Machine) -> None:
        torch.manual_seed(config.seed)
        self.config, self.classes, self.machine = config, classes, machine
        model = config.model
        self.settings = DetectorSettings(
            len(classes), model.backbone, model.channels, model.head_depth, model.separable
        )
        self.model = Detector(self.settings, pretrained=model.pretrained and model.weights is None)
        self.untouched = checkpoint.start_from(self.model, model.weights, classes) if model.weights else []
        self.model.to(device=machine.device, memory_format=torch.channels_last)
        self.average = WeightAverage(self.model, decay=config.optimiser.ema_decay)
        self.optimiser = _optimiser(self.model, config)
        self.scaler = torch.amp.GradScaler(machine.device.type, enabled=machine.precision == "fp16")
        self.step = 0
        self.cpu_hours = 0.0
        self._phase: PhaseConfig | None = None
        self._parallel: nn.Module = self.model

    def run(
        self, samples: TrainingSamples, *, evaluate: Evaluate | None = None, stop_at: int | None = None
    ) -> None:
        """Train from the current step to the end of the run, or to ``stop_at``."""
        config, first = self.config, self.step
        journal = Journal(
            config.out,
            total=config.total_steps,
            first=first,
            tensorboard=config.log.tensorboard,
            cpu_hours=self.cpu_hours,
        )
        clock = time.perf_counter()
        for batch in batches(samples, config, first=first, rank=self.machine.rank, world=self.machine.world):
            self._enter_phase()
            lr, terms = self._train_one(batch)
            self.step += 1
            if self.machine.rank == 0:
                if self.step % config.log.every == 0:
                    pace = config.log.every * config.optimiser.batch / (time.perf_counter() - clock)
                    journal.row(self.step - 1, _row(lr, terms, batch, pace))
                    clock = time.perf_counter()
                self.cpu_hours = journal.cpu_hours
                self._after_step(evaluate)
            if self.step == stop_at:
                break
        if self.machine.rank == 0:
            self.save()
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
                "config": self.config.model_dump_json(),
                "step": self.step,
                "cpu_hours": self.cpu_hours,
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "scaler": self.scaler.state_dict(),
            },
        )

    def resume(self) -> None:
        """Take up where the checkpoint of this run stopped.

        Raises:
            ConfigurationError: there is no readable checkpoint.
        """
        saved = checkpoint.load(self.checkpoint_path)
        self.model.load_state_dict(saved["model"])
        self.average.load_state_dict(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.scaler.load_state_dict(saved["scaler"])
        self.step, self.cpu_hours = saved["step"], saved["cpu_hours"]

    def _enter_phase(self) -> None:
        phase = self.config.phase_at(self.step)
        if phase is self._phase:
            return
        self._phase = phase
        self.model.train()
        self.model.freeze_stages(phase.frozen_stages, depthwise=phase.frozen_depthwise)
        if self.machine.world > 1:  # wrapped anew, since it registers what is trainable when it is made
            self._parallel = DistributedDataParallel(self.model)

    def _train_one(self, batch: Batch) -> tuple[float, LossTerms]:
        lr = learning_rate(self.step, self.config.total_steps, self.config.optimiser)
        for group in self.optimiser.param_groups:
            group["lr"] = lr * group["share"]
        device = self.machine.device
        images = batch.network_images(device)
        with self.machine.autocast():
            logits, boxes = self._parallel(images)
        points, strides = location_grid(images.shape[2], images.shape[3], device=device)
        terms = detector_loss(
            logits,
            boxes,
            points,
            strides,
            batch.boxes.to(device),
            batch.class_ids.to(device),
            batch.valid.to(device),
            batch.label_mask.to(device),
        )
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(terms.total).backward()
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(
            [p for p in self.model.parameters() if p.grad is not None], self.config.optimiser.clip
        )
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.average.update(self.model)
        return lr, terms

    def _after_step(self, evaluate: Evaluate | None) -> None:
        log, last = self.config.log, self.step == self.config.total_steps
        if self.step % log.checkpoint_every == 0:
            self.save()
        due = log.evaluate_every and self.step % log.evaluate_every == 0
        if evaluate is not None and (due or last):
            evaluate(self.average_model(), self.step)


def _row(lr: float, terms: LossTerms, batch: Batch, pace: float) -> dict[str, float]:
    return {
        "size": batch.images.shape[-1],
        "lr": lr,
        "loss": float(terms.total.detach()),
        "classes": float(terms.classes.detach()),
        "boxes": float(terms.boxes.detach()),
        "positives": float(terms.positives),
        "images_per_second": pace,
    }


def _optimiser(model: Detector, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; norms and biases do not decay, the backbone learns more slowly."""
    settings = config.optimiser
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        share = settings.backbone_lr if name.startswith("backbone.") and config.model.pretrained else 1.0
        decay = settings.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((share, decay), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": p, "share": share, "weight_decay": decay} for (share, decay), p in groups.items()],
        lr=settings.lr,
    )
