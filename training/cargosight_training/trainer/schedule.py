"""Learning rate over a run."""

import math

from cargosight_training.config import OptimiserConfig


def learning_rate(step: int, total: int, settings: OptimiserConfig) -> float:
    """Learning rate at ``step`` (from 0) of ``total``: linear warm-up, then half a cosine down to ``lr * lr_end``."""
    if step < settings.warm_up:
        return settings.lr * (step + 1) / settings.warm_up
    done = min(1.0, (step - settings.warm_up) / max(1, total - settings.warm_up))
    return settings.lr * (settings.lr_end + (1.0 - settings.lr_end) * 0.5 * (1.0 + math.cos(math.pi * done)))
