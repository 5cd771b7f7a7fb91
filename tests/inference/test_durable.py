"""Files and folders that appear whole or not at all."""

import pytest

from cargosight_inference.durable import build_durably, write_durably


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_replaces_what_was_there(tmp_path):
    path = tmp_path / "file"
    for content in (b"first", memoryview(b"second")):
        write_durably(path, content)
        assert path.read_bytes() == content
    assert names(tmp_path) == ["file"]


def test_a_file_that_cannot_be_written_leaves_nothing_half(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(IsADirectoryError):
        write_durably(tmp_path / "taken", b"content")
    assert names(tmp_path) == ["taken"]


def test_a_folder_replaces_what_was_there(tmp_path):
    target = tmp_path / "a" / "folder"
    for name in ("first", "second"):
        build_durably(target, lambda folder, name=name: write_durably(folder / name, b""))
        assert names(target) == [name]
    assert names(target.parent) == ["folder"]


def test_a_failure_leaves_the_former_folder(tmp_path):
    target = tmp_path / "folder"
    build_durably(target, lambda folder: write_durably(folder / "first", b""))

    def fail(folder):
        (folder / "second").write_bytes(b"")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        build_durably(target, fail)
    assert names(target) == ["first"]
    assert names(tmp_path) == ["folder"]


def test_a_kill_between_the_two_renames_is_mended(tmp_path):
    """The former folder is there again while the new one is made, and after a failure."""
    former = tmp_path / ".folder.former"
    former.mkdir()
    (former / "first").write_bytes(b"")

    def fail(folder):
        assert names(tmp_path / "folder") == ["first"]
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        build_durably(tmp_path / "folder", fail)
    assert names(tmp_path) == ["folder"]
