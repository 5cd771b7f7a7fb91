"""Reading YAML that people write: plain values alone, and nothing in it lost without a word."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cargosight_models.errors import ConfigurationError

if TYPE_CHECKING:
    import yaml


def read_yaml(path: Path) -> object:
    """Return what a YAML file holds.

    Raises:
        ConfigurationError: it cannot be read, is no UTF-8 or no YAML, gives a key twice, or is nested too deeply.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is no text file in UTF-8: {error}") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, origin: str) -> object:
    """Return the value of a YAML text.

    Args:
        text: one document.
        origin: what it is, as the subject of the error's sentence.

    Raises:
        ConfigurationError: it is no YAML, gives a key twice, since one of the two would be lost, or is nested too
            deeply.
    """
    import yaml  # an inspection without such a file does not pay for it

    try:
        value: object = yaml.load(text, _loader())
    except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
        # PyYAML lets out what a value's own constructor raises: a month of 13, `!!bool maybe`.
        raise ConfigurationError(f"{origin} is not valid YAML: {error}") from error
    except RecursionError:
        raise ConfigurationError(f"{origin} is nested too deeply to be read") from None
    return value


def _loader() -> "type[yaml.SafeLoader]":
    import yaml

    class Loader(yaml.SafeLoader):
        """Safe YAML with unique keys."""

    def unique_keys(loader: Loader, node: yaml.MappingNode) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen and name != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name!r} is given twice", key.start_mark
                )
            seen.add(name)
        loader.flatten_mapping(node)
        return loader.construct_mapping(node, deep=True)

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, unique_keys)
    return Loader
