"""Which settings make two runs learn differently."""

from collections.abc import Mapping
from typing import Any

from cargosight_training.config import TrainConfig

_FREE = ("out", "machine", "log", "data.cache", "data.val", "data.terms")
"""Settings that change nothing of what is learnt."""


def differences(old: TrainConfig, new: TrainConfig) -> dict[str, tuple[Any, Any]]:
    """The settings of two runs that make them learn differently, by dotted key: the old and the new value."""
    before, after = (_flat(config.model_dump(mode="json")) for config in (old, new))
    return {
        key: (before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
        and not any(key == free or key.startswith(f"{free}.") for free in _FREE)
    }


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted key; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
