"""Exponential moving average of a network's weights."""

import torch
from torch import Tensor, nn


class WeightAverage:
    """Keeps ``average = d * average + (1 - d) * weights``, with ``d = min(decay, (1 + t) / (10 + t))`` at step t.

    d rises with the steps that are done, so that early weights are forgotten and a short run averages over the same
    share of its steps as a long one: about the last ninth (the rule of TensorFlow's ExponentialMovingAverage with
    ``num_updates``).

    Args:
        model: the network that is trained.
        decay: d after many steps, in [0, 1).
    """

    def __init__(self, model: nn.Module, *, decay: float = 0.9995) -> None:
        self.decay, self.steps = decay, 0
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the weights after one step; counters and other integers are copied."""
        self.steps += 1
        d = min(self.decay, (1 + self.steps) / (10 + self.steps))
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
