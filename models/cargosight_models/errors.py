"""The exception tree. Every message says what was found, what was expected and what to do."""

from typing import Literal


class CargosightError(Exception):
    """Base of every error that cargosight raises on purpose; the command line turns it into one sentence."""


class UsageError(CargosightError):
    """Arguments or options are wrong (exit code 2 on the command line)."""


class ScanError(CargosightError):
    """One file cannot be read as a scan. A run goes on: its inspection has the decision `unreadable`."""


class ContractError(CargosightError):
    """An ONNX file has no contract, one of a newer schema, or one that contradicts its graph."""


class CatalogError(CargosightError):
    """A model name is unknown, a SHA-256 does not match, or a sidecar belongs to another file."""


class DataSetError(CargosightError):
    """An annotation file or data set is wrong."""


class ConfigurationError(CargosightError):
    """A setting in a YAML file or a key=value argument is wrong."""


class ExportError(CargosightError):
    """A graph could not be written, or does not compute what its network computes."""


class EngineError(CargosightError):
    """A model with its settings cannot be put to work in a service, or fails at it; those at work are not touched."""


class WorkerDied(CargosightError):  # noqa: N818 - what happened, not what was wrong
    """A worker process ended before it answered, or was ended; the next call starts another.

    Attributes:
        how: `signal` or `exit` when it died of itself, `timeout` when it was ended for taking too long, `closed` when
            its owner did not want it any more.
    """

    def __init__(self, sentence: str, how: Literal["signal", "exit", "timeout", "closed"] = "exit") -> None:
        """Say what happened.

        Args:
            sentence: the message.
            how: in a word.
        """
        super().__init__(sentence)
        self.how = how


class UnreadablePicture(ScanError):  # noqa: N818
    """A scan has no picture, since its file cannot be read."""


class NoSuchTile(UsageError):  # noqa: N818
    """A picture, a level of it, or a place on that level does not exist."""


class MissingExtraError(CargosightError):
    """An optional extra is not installed."""

    def __init__(self, extra: str, needed_for: str) -> None:
        """Say what to install.

        Args:
            extra: the extra's name in the package metadata, such as `train`.
            needed_for: what was asked for, such as `cargosight export`.
        """
        super().__init__(
            f'{needed_for} needs packages that are not installed; run: pip install "cargosight[{extra}]"'
        )
        self.extra = extra
        self.needed_for = needed_for

    def __reduce__(self) -> tuple[type["MissingExtraError"], tuple[str, str]]:
        """Pickle by the two arguments, since `Exception` would pass the finished message as the first."""
        return type(self), (self.extra, self.needed_for)


def nearest_spelling(word: str, known: "list[str] | tuple[str, ...]") -> str:
    """Return ` (did you mean 'x'?)` for the nearest known word, or an empty string when none is near."""
    from difflib import get_close_matches  # only errors need it, imports should not pay for it

    near = get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
