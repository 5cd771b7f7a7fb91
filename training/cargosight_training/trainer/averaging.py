"""The mean of several networks' weights, for runs that began from the same weights.

Such runs lie near each other, and their mean is often better than any of them (Wortsman et al., Model soups, ICML
2022). The mean of runs from different starts is worth nothing.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from cargosight_models.contract import DataTerms
from cargosight_models.errors import ConfigurationError
from cargosight_models.networks.detector import Detector
from cargosight_training.export.contract import joined_terms
from cargosight_training.trainer.checkpoint import load_detector, training_data_of


def mean_detector(paths: Sequence[Path]) -> tuple[Detector, tuple[str, ...]]:
    """Return a network with the mean of the weights of some files, and its class names; of one file, just its own.

    Args:
        paths: weights files or checkpoints (their average weights), at least one. One that is named twice counts
            twice.

    Raises:
        ConfigurationError: a file is no checkpoint, or the networks differ; the message says in what.
    """
    first, classes = load_detector(paths[0])
    if len(paths) == 1:
        return first, classes
    states = [first.state_dict()]
    for path in paths[1:]:
        other, other_classes = load_detector(path)
        difference = _difference((first, classes), (other, other_classes))
        if difference:
            raise ConfigurationError(
                f"{paths[0]} and {path} cannot be averaged, since their networks differ: {difference}; give weights of "
                "runs that began from the same weights"
            )
        states.append(other.state_dict())
    first.load_state_dict({key: _mean([state[key] for state in states]) for key in states[0]})
    return first, classes


def training_data_of_all(paths: Sequence[Path]) -> tuple[DataTerms, ...]:
    """What taught the weights of some files, each source with its terms once; empty where no file says.

    Raises:
        ConfigurationError: a file is no checkpoint, or what it says is malformed.
    """
    return joined_terms({path: training_data_of(path) for path in paths})


def _mean(values: list[Tensor]) -> Tensor:
    if not values[0].is_floating_point():
        return values[0]  # counts of batches, which say nothing
    return torch.stack(values).double().mean(dim=0).to(values[0].dtype)


def _difference(one: tuple[Detector, tuple[str, ...]], other: tuple[Detector, tuple[str, ...]]) -> str:
    """In what two networks differ, in words; equal settings give tensors of equal shapes."""
    before, after = (asdict(detector.settings) for detector, _ in (one, other))
    parts = [
        f"{name} {value} and {after[name]}"
        for name, value in before.items()
        if name != "classes" and value != after[name]
    ]
    if one[1] != other[1]:  # their order counts, too
        parts.append(f"classes {', '.join(one[1])} and {', '.join(other[1])}")
    return "; ".join(parts)
