"""Logs: one line of JSON for each event, and nothing in it that must not be there."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cargosight_inference.service.logs import HIDDEN, SecretFilter, configure_logs

LOG = logging.getLogger("cargosight_inference.service.test")
OURS = (
    "",
    "cargosight_inference",
    "cargosight_models",
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
)


class Lines:
    """What was logged."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (json.loads(line) for line in self.text.splitlines())

    def last(self) -> dict[str, Any]:
        return list(self)[-1]


@pytest.fixture
def lines():
    """The service's logs; the loggers are as they were afterwards."""
    loggers = [logging.getLogger(name) for name in OURS]
    former = [(logger, logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    lines = Lines()
    configure_logs("INFO", lines.stream)
    yield lines
    for logger, level, propagate, handlers in former:
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers


def test_a_line_says_when_what_and_about_which_scan(lines):
    LOG.info(
        "a scan was accepted", extra={"event": "scan.accepted", "lane": "lane-1", "scan": 7, "code": None}
    )
    line = lines.last()
    assert list(line)[:2] == ["time", "level"]
    assert line["time"].endswith("Z")
    assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)
    assert {key: line[key] for key in ("level", "logger", "event", "message", "lane", "scan", "code")} == {
        "level": "INFO",
        "logger": LOG.name,
        "event": "scan.accepted",
        "message": "a scan was accepted",
        "lane": "lane-1",
        "scan": 7,
        "code": None,
    }


def test_a_message_with_line_ends_stays_one_line(lines):
    LOG.warning('name is %s\n{"level": "INFO"}', "a\nb\u2028c")
    (line,) = lines
    assert line["message"] == 'name is a\nb\u2028c\n{"level": "INFO"}'
    assert line["event"] == "log"


def test_the_level_holds_for_the_service_and_others_only_warn(lines):
    LOG.debug("not logged")
    logging.getLogger("sqlalchemy.engine").info("not logged")
    logging.getLogger("sqlalchemy.engine").warning("logged")
    logging.getLogger("uvicorn.error").info("logged")
    assert [line["message"] for line in lines] == ["logged", "logged"]


def test_configuring_again_takes_the_former_ones_place(lines):
    configure_logs("WARNING", lines.stream)
    LOG.info("not logged")
    LOG.warning("logged once")
    assert [line["message"] for line in lines] == ["logged once"]


def test_a_request_is_fields_without_its_query(lines):
    logging.getLogger("uvicorn.access").info(
        '%s - "%s %s HTTP/%s" %d',
        "127.0.0.1:5000",
        "GET",
        "/api/v1/scans?number=MSKU&token=cst_abc",
        "1.1",
        200,
    )
    line = lines.last()
    assert (line["event"], line["client"], line["method"], line["path"], line["status"]) == (
        "http.request", "127.0.0.1:5000", "GET", "/api/v1/scans", 200,
    )  # fmt: skip
    assert "MSKU" not in lines.text


SECRET = "Sup3rSecretValue"


@pytest.mark.parametrize(
    "extra",
    [
        {"password": SECRET},
        {"new_password": SECRET},
        {"one_time_password": SECRET},
        {"apiToken": SECRET},
        {"X-CSRF-Token": SECRET},
        {"headers": {"Authorization": SECRET, "cookie": SECRET}},
        {"body": {"list": [{"deep": {"session": SECRET}}]}},
        {"tokens": [SECRET]},
        {"secret": SECRET.encode()},
        {"url": f"postgresql+psycopg://cargosight:{SECRET}@host/db"},
        {"note": f"password={SECRET}; more"},
        {"note": f"Cookie: a={SECRET}; cargosight_session={SECRET}"},
        {"header": f"Bearer {SECRET}"},
        {"text": f"{{'name': 'x', 'password': '{SECRET}'}}"},
        {"text": f'{{"token": "{SECRET}"}}'},
        {"stored": f"$argon2id$v=19$m=65536,t=3,p=4${SECRET}"},
        {"value": f"cst_{SECRET}"},
        {"picture": SECRET.encode()},
        {"picture": memoryview(SECRET.encode())},
        {"pixels": np.frombuffer(SECRET.encode(), np.uint8)},
        {"parts": [SECRET.encode(), {"tile": bytearray(SECRET.encode())}]},
    ],
)  # fmt: skip
def test_secrets_and_images_are_not_logged(extra, lines):
    LOG.info("something happened", extra=extra)
    line = lines.last()
    assert SECRET not in lines.text
    assert str(list(SECRET.encode())[:4])[1:-1] not in lines.text
    assert set(extra) <= set(line)


def test_secrets_are_not_logged_within_messages_and_tracebacks(lines):
    LOG.info("login with password=%s", SECRET)
    LOG.info({"event": "login", "password": SECRET, "lane": "lane-1"})
    assert lines.last()["lane"] == "lane-1"
    try:
        raise ValueError(f"no such token: cst_{SECRET} for secret='{SECRET}'")
    except ValueError:
        LOG.exception("it failed")
    assert "ValueError: no such token" in lines.last()["exc_info"]
    assert SECRET not in lines.text
    assert HIDDEN in lines.text


def test_what_only_sounds_like_a_secret_is_logged(lines):
    LOG.info(
        "token 3 was revoked", extra={"token_id": 3, "session_hours": 12.0, "keyboard": "us", "monkey": 1}
    )
    line = lines.last()
    assert (line["token_id"], line["session_hours"], line["keyboard"], line["monkey"]) == (3, 12.0, "us", 1)
    assert line["message"] == "token 3 was revoked"


def test_bytes_and_arrays_are_told_by_their_size(lines):
    LOG.info("read", extra={"chunk": bytes(12_345), "pixels": np.zeros((3, 4), np.uint16)})
    assert (lines.last()["chunk"], lines.last()["pixels"]) == ("(12,345 bytes)", "(an array of (3, 4))")


def test_long_and_deep_things_are_cut_and_every_line_is_json(lines):
    deep: Any = "end"
    for _ in range(50):
        deep = [deep]
    LOG.info(
        "x" * 1_000_000 + "end",
        extra={"deep": deep, "many": list(range(1000)), "nan": float("nan"), "odd": {1: {2}}},
    )
    line = lines.last()
    assert line["message"].endswith("end")
    assert len(line["message"]) < 5_000
    assert line["many"][-1] == "(and 900 more)"
    assert line["nan"] == "nan"
    assert line["odd"] == {"1": [2]}


@pytest.mark.parametrize("text", ["a-" * 40_000, "password" * 10_000, "://a:" * 20_000, "token='" * 10_000])
def test_no_text_takes_long(text):
    record = logging.makeLogRecord({"msg": text})
    assert SecretFilter().filter(record)
    assert len(str(record.msg)) < 5_000


def test_other_handlers_get_the_record_as_it_was(lines):
    seen: list[logging.LogRecord] = []

    class Other(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    other = Other()
    logging.getLogger().addHandler(other)
    try:
        LOG.info("%s scans", 3, extra={"chunk": b"abc"})
    finally:
        logging.getLogger().removeHandler(other)
    assert (seen[0].msg, seen[0].args, seen[0].chunk) == ("%s scans", (3,), b"abc")  # type: ignore[attr-defined]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
        max_leaves=20,
    )
)
def test_whatever_is_given_the_line_can_be_written_as_json(value):
    record = logging.makeLogRecord({"msg": "m", "about": value})
    assert SecretFilter().filter(record)
    json.dumps(record.__dict__["about"], allow_nan=False)
