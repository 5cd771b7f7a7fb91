"""What was taken is moved under a name that is free, also to another disk, and never through a link."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cargosight_inference.service import moving
from cargosight_inference.service.moving import free_name
from tests.made.watched_folders import SCAN, names


@pytest.mark.parametrize("name", ["bag.png", "notes.txt"])
def test_a_folder_on_another_disk_gets_a_copy(name, place, monkeypatch):
    real = {"rename": os.rename, "replace": os.replace}

    def across(call: str) -> Callable[[Path, Path], None]:
        def moved(source: str | Path, target: str | Path) -> None:
            if Path(source).parent != Path(target).parent and Path(source).parent == place.inbox:
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            real[call](source, target)

        return moved

    for call in real:
        monkeypatch.setattr(os, call, across(call))
    content = SCAN if name == "bag.png" else b"no scan"
    place.put(name, content)
    place.put(f"{name}.json", b"{}")
    place.poll(4)
    target = place.processed if name == "bag.png" else place.failed
    assert (target / name).read_bytes() == content
    assert (target / f"{name}.json").read_bytes() == b"{}"
    assert not [found for found in names(target) if found.startswith(".")]
    assert names(place.inbox) == []


def test_a_link_in_the_failed_folder_is_not_written_through(place):
    victim = place.folder / "victim"
    victim.write_text("precious")
    place.failed.mkdir()
    (place.failed / "notes.txt.error.txt").symlink_to(victim)
    (place.failed / moving._PART).symlink_to(victim)
    place.put("notes.txt", b"no scan")
    place.poll(4)
    assert victim.read_text() == "precious"
    assert not (place.failed / "notes.txt.error.txt").is_symlink()


NAME = st.binary(min_size=1, max_size=255).filter(
    lambda name: not {0, 47} & set(name) and name not in (b".", b"..")
)


@given(NAME)
@example(b"." * 255)
@example(b"a." + b"b" * 253)
@example(b"\xff" * 255)
def test_free_names_fit_and_are_free(one_folder, name):
    text = os.fsdecode(name)
    first = free_name(one_folder, text)
    made = []
    for _ in range(4):
        found = free_name(one_folder, text)
        assert "/" not in found
        assert len(os.fsencode(found)) <= 255 - len(".error.txt")
        (one_folder / found).touch(exist_ok=False)
        made.append(found)
    assert len(set(made)) == 4
    for found in made:
        (one_folder / found).unlink()
    assert free_name(one_folder, text) == first


@pytest.fixture(scope="module")
def one_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("names")


def test_a_name_that_was_given_very_often_is_found_free_at_once(tmp_path, monkeypatch):
    (tmp_path / "scan.png").touch()
    for number in range(2, 3000):
        (tmp_path / f"scan~{number}.png").touch()
    looks: list[str] = []
    real = os.path.lexists
    monkeypatch.setattr(os.path, "lexists", lambda path: looks.append(path) or real(path))
    assert free_name(tmp_path, "scan.png") == "scan~3000.png"
    assert len(looks) < 40
