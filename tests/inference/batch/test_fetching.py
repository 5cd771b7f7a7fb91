"""Inputs that are fetched: what is too large is not, whether or not the storage tells how large it is."""

import io
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no input is fetched")

from cargosight_inference.batch import fetching
from cargosight_inference.batch.plan import Planned
from cargosight_inference.batch.sources import Item

CHUNK = 1 << 20


class Body(io.BytesIO):
    """An open object of a storage that may not tell its size."""

    def __init__(self, content, size):
        super().__init__(content)
        self.size, self.version = size, None


@pytest.fixture
def fetched(place, monkeypatch):
    def fetch(content, size):
        body = Body(content, size)
        monkeypatch.setattr(fetching, "open_input", lambda path: body)
        (ready,) = fetching.ready_inputs([Planned(0, Item("memory://a/b.png"))], place.scratch, 0)
        return ready, body

    return fetch


@pytest.mark.parametrize("told", [True, False])
def test_what_may_be_a_scan_is_fetched(fetched, place, told):
    content = b"x" * (64 << 20)
    ready, _ = fetched(content, len(content) if told else None)
    assert ready.error is None
    assert ready.is_temporary
    assert Path(ready.file).read_bytes() == content


@pytest.mark.parametrize("told", [True, False])
def test_what_is_too_large_is_not_fetched(fetched, place, told):
    content = b"x" * ((64 << 20) + 5 * CHUNK)
    ready, body = fetched(content, len(content) if told else None)
    assert "more than the largest scan that is read has" in ready.error
    assert not ready.is_temporary
    assert body.closed
    assert [path.name for path in place.scratch.folder.iterdir() if path.name != "lock"] == []
