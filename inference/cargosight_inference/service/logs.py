"""Logs of the service: a line of JSON for each event, without images, passwords or tokens.

A line has `time` (UTC), `level`, `logger`, `event` (a word for programs) and `message` (a sentence), and what the event
is about: `lane`, `scan` (an id), `code` and so on, as given in `extra`.
"""

import copy
import logging
import math
import re
import sys
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal, TextIO

from pythonjsonlogger.json import JsonFormatter

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
HIDDEN = "(hidden)"
_OURS = (
    "cargosight",
    "cargosight_inference",
    "cargosight_models",
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
)
_LONGEST = 4_000
"""Letters of a text; of a longer one both ends are logged."""
_CUT = " (…) "
_LONGEST_LIST = 100
_DEEPEST = 5
_SECRETS = frozenset(
    {
        "authorization", "auth", "bearer", "cookie", "cookies", "credential", "credentials", "csrf", "csrftoken", "key",
        "passphrase", "passwd", "password", "passwords", "pwd", "secret", "secrets", "session", "sessionid", "token",
        "tokens",
    }
)  # fmt: skip
_HARMLESS = frozenset({"id", "name", "kind", "count", "days", "hours", "seconds", "minutes", "scope"})
"""Last words of a key that make it no secret: `token_id` numbers one."""
_PLAIN_FIELDS = frozenset(logging.makeLogRecord({}).__dict__)
_IN_TEXT = (
    (re.compile(r"\bcst_[A-Za-z0-9_\-]+"), HIDDEN),  # the service's own tokens
    (re.compile(r"(?i)\b(bearer)\s+[A-Za-z0-9._~+/=\-]{4,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\$argon2[a-z]*\$[^\s'\"]+"), HIDDEN),
    (re.compile(r"(://[^\s:/@]*:)[^\s/@]+@"), rf"\1{HIDDEN}@"),  # as in a database's URL
    (re.compile(r"(?i)\b(cookie:\s*)[^\r\n]+"), rf"\1{HIDDEN}"),
    (
        re.compile(
            r"(?i)((?:password|passwd|pwd|secret|token|csrf|session|cookie)['\"]?\s*[=:]\s*)"
            r"(?:\"[^\"]*\"|'[^']*'|[^\s,;&})\]]+)"
        ),
        rf"\1{HIDDEN}",
    ),
)


def configure_logs(level: Level = "INFO", stream: TextIO | None = None) -> None:
    """Send what the service and uvicorn log to a stream, in place of what a former call set up.

    Start uvicorn with `log_config=None`, else it sets up its own. Of other packages only warnings are logged.

    Args:
        level: of the service's own lines.
        stream: None for the standard error output.
    """
    root = logging.getLogger()
    for former in [handler for handler in root.handlers if isinstance(handler, _JsonHandler)]:
        root.removeHandler(former)
        former.close()
    root.addHandler(_JsonHandler(stream or sys.stderr))
    for name in _OURS:
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate = True
        for handler in list(logger.handlers):
            logger.removeHandler(handler)


class SecretFilter(logging.Filter):
    """Hides secrets and images in a record, wherever they came from; every record passes.

    Values under keys such as `password`, `token` or `cookie` are hidden at any depth, bytes and arrays are told by
    their size alone, and tokens, hashes of passwords and `password=…` are hidden within texts, too.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it pass."""
        for key in [key for key in record.__dict__ if key not in _PLAIN_FIELDS]:
            record.__dict__[key] = _harmless(key, record.__dict__[key])
        if isinstance(record.msg, Mapping):
            record.msg = _harmless("", record.msg)
        else:
            record.msg, record.args = _clean_text(record.getMessage()), None
        return True


class AccessFilter(logging.Filter):
    """Turns uvicorn's line for a request into fields, without the query, which may hold anything."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it pass."""
        if record.name == "uvicorn.access" and isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, path, _, status = record.args
            record.__dict__.update(
                event="http.request",
                client=client,
                method=method,
                path=str(path).partition("?")[0],
                status=status,
            )
            record.msg, record.args = "a request was answered", None
        return True


class _JsonLine(JsonFormatter):
    """A record as one line of JSON."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger"},
            json_default=str,
        )

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Put time and level first."""
        moment = datetime.fromtimestamp(record.created, UTC)
        log_data["time"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        super().add_fields(log_data, record, message_dict)
        log_data.setdefault("event", "log")
        log_data.pop("color_message", None)  # uvicorn's line again, for a terminal

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Hide what tracebacks hold, which come from no field of the record."""
        for key in ("exc_info", "stack_info"):
            if key in log_data:
                log_data[key] = _clean_text(str(log_data[key]))
        return log_data


class _JsonHandler(logging.StreamHandler[TextIO]):
    """The handler of `configure_logs`, to be told from others."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.addFilter(AccessFilter())
        self.addFilter(SecretFilter())
        self.setFormatter(_JsonLine())

    def handle(self, record: logging.LogRecord) -> bool:
        """Work on a copy: other handlers get the record as it was."""
        return super().handle(copy.copy(record))


def _is_secret(key: str) -> bool:
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", key).lower())
    return bool(words) and words[-1] not in _HARMLESS and not _SECRETS.isdisjoint(words)


def _harmless(key: str, value: object, depth: int = 0) -> object:
    """Return a value without secrets and images."""
    if _is_secret(key):
        return HIDDEN
    if value is None or isinstance(value, bool | int | float):
        # JSON has no word for what is not finite.
        return str(value) if isinstance(value, float) and not math.isfinite(value) else value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({memoryview(value).nbytes:,} bytes)"
    if hasattr(value, "__array_interface__") or hasattr(value, "__array__"):
        return f"(an array of {getattr(value, 'shape', 'unknown shape')})"
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _harmless_parts(value, depth + 1)
    return _clean_text(str(value))


def _harmless_parts(value: Mapping[Any, Any] | Collection[Any], depth: int) -> object:
    if depth > _DEEPEST:
        return "(…)"
    if isinstance(value, Mapping):
        return {str(name): _harmless(str(name), inner, depth) for name, inner in value.items()}
    items = [_harmless("", inner, depth) for inner in islice(value, _LONGEST_LIST)]
    return items if len(value) <= _LONGEST_LIST else [*items, f"(and {len(value) - _LONGEST_LIST:,} more)"]


def _clean_text(text: str) -> str:
    if len(text) > 2 * _LONGEST:  # long texts are searched in part
        text = f"{text[:_LONGEST]}{_CUT}{text[-_LONGEST:]}"
    for pattern, replacement in _IN_TEXT:
        text = pattern.sub(replacement, text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}{_CUT}{text[-_LONGEST // 2 :]}"
