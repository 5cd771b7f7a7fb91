"""Reading a run's configuration: from YAML files and ``key=value`` overrides, with sentences for what is wrong."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cargosight_models.errors import ConfigurationError, nearest_spelling
from cargosight_models.shipped import find_file, shipped_files
from cargosight_models.strict_yaml import parse_yaml, read_yaml
from cargosight_training.config import TrainConfig

_PHASES = re.compile("^phases:", re.MULTILINE)
"""What tells an experiment from other files that come with the package."""


def shipped_configs() -> dict[str, Path]:
    """The experiments that come with the package, by name."""
    return shipped_files(_PHASES)


def find_config(name_or_path: str) -> Path:
    """The file of an experiment: a path, or the name of a shipped one.

    Raises:
        ConfigurationError: there is neither; the shipped names are listed.
    """
    return find_file(name_or_path, _PHASES)


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a YAML experiment and apply ``key.sub=value`` overrides (values are YAML).

    Relative paths in the file are taken from the working directory, as those on the command line are.

    Raises:
        ConfigurationError: the file cannot be read, a key is unknown (the nearest spelling is named) or a value
            is out of range.
    """
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{path} holds {type(raw).__name__}, expected a mapping of settings")
    for override in overrides:
        _apply(raw, override)
    return _checked(raw, path)


def config_from_json(text: str, origin: Path) -> TrainConfig:
    """The configuration that `TrainConfig.model_dump_json` wrote; settings added since then have their defaults.

    Args:
        text: the JSON.
        origin: the file that it was in, for the message.

    Raises:
        ConfigurationError: it holds a setting that this version does not know, or a wrong value.
    """
    return _checked(json.loads(text), origin)


def _checked(raw: object, origin: Path) -> TrainConfig:
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"{origin}: " + "; ".join(map(_sentence, _own_errors(error)))) from error


def _own_errors(error: ValidationError) -> list[ErrorDetails]:
    """The errors without those of a list that is short only because its entries have errors of their own."""
    every = error.errors()

    def follows_from_an_entry(short: ErrorDetails) -> bool:
        place = short["loc"]
        return any(one["loc"][: len(place)] == place and len(one["loc"]) > len(place) for one in every)

    return [one for one in every if one["type"] != "too_short" or not follows_from_an_entry(one)]


def dump_config(config: TrainConfig) -> str:
    """The whole configuration as YAML that `load_config` reads back to an equal one."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _apply(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigurationError(
            f"override {override!r} is not of the form key=value, such as optimiser.lr=0.001"
        )
    value = parse_yaml(text, f"the value of override {override!r}")
    *parents, last = key.split(".")
    place: Any = raw
    for name in parents:
        if isinstance(place, dict):
            if place.get(name) is None:  # absent, or a heading with nothing below it
                place[name] = {}
            place = place[name]
        else:
            place = place[_index(place, name, key)]
    if isinstance(place, dict):
        place[last] = value
    else:
        place[_index(place, last, key)] = value


def _index(place: object, name: str, key: str) -> int:
    if not isinstance(place, list):
        raise ConfigurationError(f"override {key}: there is no {name!r} in the value {place!r}")
    if not name.isdecimal() or int(name) >= len(place):
        raise ConfigurationError(
            f"override {key}: {name!r} is no place in a list of {len(place)}; expected 0 to {len(place) - 1}"
        )
    return int(name)


def _sentence(error: ErrorDetails) -> str:
    """One pydantic error as a sentence; an unknown key is answered with the nearest known one."""
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        known = _known_keys(error["loc"][:-1])
        hint = nearest_spelling(str(error["loc"][-1]), known)
        return f"unknown key {where!r}{hint}; known are {', '.join(known)}"
    if error["type"] == "missing":
        return f"{where} is missing: name it in the file or as {where}=value"
    if error["type"] == "value_error":
        return f"{where}: {error['ctx']['error']}" if where else str(error["ctx"]["error"])
    found = repr(error["input"])
    return f"{where}: {error['msg']}, found {found if len(found) <= 80 else found[:77] + '...'}"


def _known_keys(loc: tuple[str | int, ...]) -> list[str]:
    """The keys of the settings class at a place such as ("phases", 0)."""
    part: type[BaseModel] = TrainConfig
    for name in loc:
        if isinstance(name, str):
            part = _part_of(part.model_fields[name].annotation) or part
    return list(part.model_fields)


def _part_of(annotation: object) -> type[BaseModel] | None:
    """The settings class inside an annotation such as ``tuple[PhaseConfig, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _part_of(inner)
        if found is not None:
            return found
    return None
