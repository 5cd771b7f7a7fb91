"""Messages through pipes: whole, in time, or a clear end."""

import os
import struct
import threading
from time import monotonic

import pytest

from cargosight_inference.service.messages import Pipes


@pytest.fixture
def ends():
    """Both ends, and the descriptors: read here, written there, read there, written here."""
    here_reads, there_writes = os.pipe()
    there_reads, here_writes = os.pipe()
    handles = [here_reads, there_writes, there_reads, here_writes]
    yield Pipes(here_reads, here_writes), Pipes(there_reads, there_writes), handles
    for handle in handles:
        if handle is not None:
            os.close(handle)


def shut(handles: list[int | None], place: int) -> None:
    os.close(handles[place])
    handles[place] = None


def test_head_and_body_come_through(ends):
    here, there, _ = ends
    head = {"name": os.fsdecode(b"\xff") + "\N{SNOWMAN}", "number": 0.1, "list": [None, True]}
    here.send(head, b"\0\xff")
    here.send({})
    assert there.receive() == (head, b"\0\xff")
    assert there.receive() == ({}, b"")


def test_a_message_that_is_larger_than_a_pipe(ends):
    here, there, _ = ends
    found = []
    thread = threading.Thread(target=lambda: found.append(there.receive()))
    thread.start()
    body = os.urandom(5_000_000)
    here.send({"text": "x" * 1_000_000}, body, deadline=monotonic() + 60)
    thread.join(60)
    assert found == [({"text": "x" * 1_000_000}, body)]


def test_nobody_listens_and_nobody_answers(ends):
    here, there, _ = ends
    with pytest.raises(TimeoutError):
        there.receive(deadline=monotonic() + 0.05)
    with pytest.raises(TimeoutError):
        here.send({}, bytes(1_000_000), deadline=monotonic() + 0.05)


def test_the_other_side_ends(ends):
    here, there, handles = ends
    here.send({"last": 1})
    shut(handles, 3)
    there.wait_for_end()
    assert there.receive() == ({"last": 1}, b"")
    with pytest.raises(EOFError):
        there.receive()
    shut(handles, 0)
    with pytest.raises(EOFError):
        there.send({})


@pytest.mark.parametrize(
    "nonsense",
    [
        b"Traceback (most recent call last)",
        struct.pack(">II", 2, 0) + b"[]",
        struct.pack(">II", 3, 0) + b"{a}",
    ],
)
def test_what_is_no_message(ends, nonsense):
    here, _, handles = ends
    os.write(handles[1], nonsense)
    with pytest.raises(ValueError):
        here.receive(deadline=monotonic() + 60)
