"""Exponential moving average of a network's weights."""

import math

import torch
from torch import Tensor, nn


class WeightAverage:
    """Keeps ``average = d * average + (1 - d) * weights``; d rises from 0 so that early steps are forgotten.

    Args:
        model: the network that is trained.
        decay: d after many steps, in [0, 1).
        warm_up: steps after which d has risen to about 63 % of ``decay``.
    """

    def __init__(self, model: nn.Module, *, decay: float = 0.9995, warm_up: int = 1000) -> None:
        self.decay, self.warm_up, self.steps = decay, warm_up, 0
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after one step; counters and other integers are copied."""
        self.steps += 1
        d = self.decay * (1.0 - math.exp(-self.steps / self.warm_up))
        for key, value in model.state_dict().items():
            if value.is_floating_point():
                self.state[key].lerp_(value.detach(), 1.0 - d)
            else:
                self.state[key].copy_(value)

    def state_dict(self) -> dict[str, int | dict[str, Tensor]]:
        """Everything that a resumed run needs."""
        return {"steps": self.steps, "state": self.state}

    def load_state_dict(self, saved: dict[str, int | dict[str, Tensor]]) -> None:
        """Take up where ``saved`` stopped."""
        steps, state = saved["steps"], saved["state"]
        assert isinstance(steps, int) and isinstance(state, dict)
        self.steps = steps
        for key, value in state.items():
            self.state[key].copy_(value)
