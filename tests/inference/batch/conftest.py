"""What the tests of batch runs share."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cargosight_inference.batch.places import LocalPlace
    from cargosight_inference.batch.scoring import Scoring


@pytest.fixture(scope="module")
def scoring(tmp_path_factory: pytest.TempPathFactory) -> "Scoring":
    """The settings of an inspector that finds dark blobs."""
    from tests.made.batches import blob_scoring  # here: it needs pyarrow, without which the tests are skipped

    return blob_scoring(tmp_path_factory.mktemp("models"))


@pytest.fixture
def place(tmp_path: Path) -> "Iterator[LocalPlace]":
    """The output of a run, empty."""
    from cargosight_inference.batch.places import LocalPlace, open_place

    with open_place(tmp_path / "out") as opened:
        assert isinstance(opened, LocalPlace)
        yield opened
