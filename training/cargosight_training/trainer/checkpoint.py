"""Checkpoints, written so that a kill at any moment leaves a whole one, and half-precision weights."""

import os
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cargosight_models.contract import DataTerms
from cargosight_models.errors import ConfigurationError, ContractError
from cargosight_models.networks.detector import Detector, DetectorSettings
from cargosight_training.export.folding import kept_in_half


def save(path: Path, content: dict[str, Any]) -> None:
    """Write atomically: a reader finds the old file or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        torch.save(content, out)
        out.flush()
        os.fsync(out.fileno())
    partial.replace(path)


def load(path: Path) -> dict[str, Any]:
    """Read what `save` wrote; nothing in it is executed.

    Raises:
        ConfigurationError: the file cannot be read or is no checkpoint.
    """
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except OSError as error:
        raise ConfigurationError(f"cannot read the weights file {path}: {error.strerror}") from error
    except pickle.UnpicklingError as error:  # its own message advises to load without a check
        raise ConfigurationError(
            f"{path} is not a checkpoint of this program: name best.pt or last.pt of a run"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0] or "it ends too early"
        raise ConfigurationError(f"{path} is not a checkpoint of this program: {reason}") from error
    if not isinstance(content, dict) or not {"settings", "classes"} <= content.keys():
        raise ConfigurationError(f"{path} is not a checkpoint of this program: it names no network settings")
    return content


RUN_STATE = frozenset({"config", "step", "cpu_hours", "model", "average", "optimiser", "scaler"})
"""What a run needs to be resumed, beside its network settings and classes."""


def load_run(path: Path) -> dict[str, Any]:
    """Read the checkpoint of a run that is to be resumed.

    Raises:
        ConfigurationError: the file cannot be read, is no checkpoint, or holds weights alone.
    """
    content = load(path)
    missing = sorted(RUN_STATE - content.keys())
    if missing:
        raise ConfigurationError(
            f"{path} holds no run that can go on: it lacks {', '.join(missing)}; weights start a run anew with "
            f"model.weights={path} and another `out`"
        )
    return content


def save_weights(
    path: Path,
    model: nn.Module,
    settings: DetectorSettings,
    classes: tuple[str, ...],
    *,
    training_data: tuple[DataTerms, ...] = (),
) -> None:
    """Write a network's weights in half precision, with what is needed to build it again, and what taught it.

    What a model file keeps in full precision, such as biases, is kept so here, too (see `folding.kept_in_half`).
    """
    state = {k: v.half() if kept_in_half(v) else v for k, v in model.state_dict().items()}
    save(
        path,
        {
            "settings": asdict(settings),
            "classes": list(classes),
            "training_data": [asdict(one) for one in training_data],
            "weights": state,
        },
    )


def load_detector(path: Path) -> tuple[Detector, tuple[str, ...]]:
    """Build the network of a weights file or a checkpoint (its average weights), in float32.

    Raises:
        ConfigurationError: the file is no checkpoint, or its weights and its settings do not fit each other.
    """
    content = load(path)
    try:
        detector = Detector(DetectorSettings(**content["settings"]))
        detector.load_state_dict(_weights_of(content))
    except (TypeError, KeyError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(
            f"the network of {path} cannot be built: {reason}; it is damaged, or of another version"
        ) from error
    return detector.eval(), tuple(content["classes"])


def training_data_of(path: Path) -> tuple[DataTerms, ...]:
    """What taught the weights of a file, terms included; empty from a file that does not say.

    Raises:
        ConfigurationError: the file is no checkpoint, or what it says is malformed.
    """
    rows = load(path).get("training_data", ())
    try:
        return tuple(DataTerms(**row) for row in rows)
    except (TypeError, ContractError) as error:
        raise ConfigurationError(f"{path} is damaged: its training data is malformed ({error})") from error


def start_from(model: Detector, path: Path, classes: tuple[str, ...]) -> list[str]:
    """Copy all weights that fit from a weights file or checkpoint; class outputs follow their class names.

    Returns:
        Names of the parameters that kept their initial values.

    Raises:
        ConfigurationError: the file is no checkpoint, or nothing in it fits.
    """
    content = load(path)
    found = {k: v.float() if v.is_floating_point() else v for k, v in _weights_of(content).items()}
    old_classes = list(content["classes"])
    own = model.state_dict()
    kept = []
    for key, value in own.items():
        if key.startswith("head.class_out.") and key in found and found[key].shape[1:] == value.shape[1:]:
            for row, name in enumerate(classes):
                if name in old_classes:
                    value[row] = found[key][old_classes.index(name)]
        elif key in found and found[key].shape == value.shape:
            value.copy_(found[key])
        else:
            kept.append(key)
    if len(kept) == len(own):
        raise ConfigurationError(
            f"no weight in {path} fits this network: the file is of a {content['settings'].get('backbone')} with "
            f"{content['settings'].get('channels')} channels, the network is a {model.settings.backbone} with "
            f"{model.settings.channels}"
        )
    model.load_state_dict(own)
    return kept


def _weights_of(content: dict[str, Any]) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = content["weights"] if "weights" in content else content["average"]["state"]
    return weights
