"""The folder for temporary files."""

from pathlib import Path

import pytest

from cargosight_inference.batch.scratch import Scratch


def test_a_folder_that_is_removed_again_and_again_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scratch, "_claim", lambda self: None)
    scratch = Scratch(tmp_path / "shared")
    with pytest.raises(FileNotFoundError, match="shared cannot be made, or is removed again and again"):
        scratch.path()


def test_a_folder_that_was_removed_once_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, tries = Scratch._claim, [1]
    monkeypatch.setattr(Scratch, "_claim", lambda self: None if tries.pop() else claim(self))
    tries[:] = [0, 1]
    scratch = Scratch(tmp_path / "shared")
    assert scratch.folder.is_dir()
    assert not tries
    scratch.close()
    assert not (tmp_path / "shared").exists()
