"""Text from outside that is shown: one line, nothing that is obeyed, nothing that a drawing routine dies of."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.spelling import spelled_out


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("bag 7 Ä.png", "bag 7 Ä.png"),
        ("a\nclear b.png", "a\\nclear b.png"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("gnp.\u202egab", "gnp.\\u202egab"),
        (os.fsdecode(b"cut-\xf0\x9f\xa7.png"), "cut-\\udcf0\\udc9f\\udca7.png"),
    ],
)
def test_what_is_obeyed_or_breaks_is_spelled_out(name: str, shown: str) -> None:
    assert spelled_out(name) == shown


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters()))
def test_the_result_is_one_line_of_valid_text(name: str) -> None:
    shown = spelled_out(name)
    shown.encode("utf-8")  # raises for surrogates
    assert len(shown.splitlines()) <= 1
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)
