"""An archive that is gone in mid-run ends the run; inputs that are gone from an archive are rows."""

import errno
import os
import shutil
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no shard is tested")
import pyarrow.parquet as pq

from cargosight_inference.batch import fetching
from cargosight_inference.batch.fetching import Ready
from cargosight_inference.batch.missing import MissingGuard
from cargosight_inference.batch.places import BatchError
from cargosight_inference.batch.plan import Planned
from cargosight_inference.batch.shard import score_shard
from cargosight_inference.batch.sources import Denied, Item
from tests.made.batches import make_archive, planned

COUNT = 20


@pytest.fixture(scope="module")
def inspector(scoring):
    return scoring.inspector()


def faults(scored):
    return [row["fault"] for row in pq.ParquetFile(scored.file).read().to_pylist()]


def fail_at(monkeypatch, name, code):
    """Have the system refuse to read files of a name."""
    read = Path.read_bytes

    def failing(self):
        if self.name == name:
            raise OSError(code, os.strerror(code))
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", failing)


@pytest.mark.parametrize("mount_point_stays", [True, False])
@pytest.mark.parametrize("named", ["folder", "below", "pattern", "list"])
def test_an_archive_that_is_gone_ends_the_run(place, scoring, inspector, named, mount_point_stays):
    tmp_path = place.folder.parent
    mount = tmp_path / "mnt" / "archive"
    paths = make_archive(mount / "year", COUNT)
    (tmp_path / "list.txt").write_text("\n".join(map(str, paths)))
    words = {"folder": mount, "below": mount / "year", "pattern": mount / "**" / "*.png"}
    manifest = planned(place, scoring, [words.get(named, f"@{tmp_path / 'list.txt'}")], shard_size=COUNT)
    shutil.move(mount, tmp_path / "elsewhere")
    if mount_point_stays:
        mount.mkdir()
    with pytest.raises(
        BatchError, match=r"inputs are gone, 16 one .*the last of them .*bag15\.png.* mounted\?"
    ):
        score_shard(manifest, 0, place, inspector)
    assert [path.name for path in place.scratch.folder.iterdir() if path.name != "lock"] == []
    shutil.rmtree(mount, ignore_errors=True)
    shutil.move(tmp_path / "elsewhere", mount)
    assert faults(score_shard(manifest, 0, place, inspector)) == [None] * COUNT


def test_an_archive_that_goes_behind_inputs_that_went_well(tmp_path, place, scoring, inspector):
    make_archive(tmp_path / "in", COUNT)
    manifest = planned(place, scoring, [tmp_path / "in"], shard_size=COUNT)

    def advance(done):
        if done == 2:
            shutil.rmtree(tmp_path / "in")

    with pytest.raises(BatchError, match=r"the last of them .*bag17\.png"):
        score_shard(manifest, 0, place, inspector, advance=advance)


def test_an_archive_that_goes_shortly_before_the_end_of_a_shard(tmp_path, place, scoring, inspector):
    make_archive(tmp_path / "in", 3)
    manifest = planned(place, scoring, [tmp_path / "in"])

    def advance(done):
        shutil.rmtree(tmp_path / "in", ignore_errors=True)

    with pytest.raises(BatchError, match=r"inputs are gone, 2 one .* the last of them .*bag2\.png"):
        score_shard(manifest, 0, place, inspector, advance=advance)


@pytest.mark.parametrize("named", ["folder", "list"])
def test_a_folder_that_was_removed_from_an_archive_is_rows(tmp_path, place, scoring, inspector, named):
    paths = make_archive(tmp_path / "in" / "monday", COUNT) + make_archive(tmp_path / "in" / "tuesday", 2)
    (tmp_path / "list.txt").write_text("\n".join(map(str, paths)))
    word = tmp_path / "in" if named == "folder" else f"@{tmp_path / 'list.txt'}"
    manifest = planned(place, scoring, [word], shard_size=COUNT + 2)
    shutil.rmtree(tmp_path / "in" / "monday")
    assert faults(score_shard(manifest, 0, place, inspector)) == ["file"] * COUNT + [None] * 2


def test_an_archive_that_was_removed_for_good_is_told_by_a_file(tmp_path, place, scoring, inspector):
    make_archive(tmp_path / "in", COUNT)
    manifest = planned(place, scoring, [tmp_path / "in"], shard_size=COUNT)
    shutil.rmtree(tmp_path / "in")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "removed").touch()
    assert faults(score_shard(manifest, 0, place, inspector)) == ["file"] * COUNT


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN])
def test_a_disk_or_share_that_fails_is_no_fault_of_an_input(place, scoring, inspector, monkeypatch, code):
    make_archive(place.folder.parent / "in", 3)
    manifest = planned(place, scoring, [place.folder.parent / "in"])
    read = Path.read_bytes

    def failing(self):
        if self.name == "bag1.png":
            raise OSError(code, os.strerror(code))
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", failing)
    with pytest.raises(
        BatchError, match=rf"bag1\.png cannot be read: {os.strerror(code)}; its disk or share"
    ):
        score_shard(manifest, 0, place, inspector)


def test_a_file_that_may_not_be_read_is_a_row(tmp_path, place, scoring, inspector, monkeypatch):
    make_archive(tmp_path / "in", 2)
    manifest = planned(place, scoring, [tmp_path / "in"])

    fail_at(monkeypatch, "bag1.png", errno.EACCES)
    assert faults(score_shard(manifest, 0, place, inspector)) == [None, "file"]


def test_objects_that_may_all_not_be_read_end_the_run(place, monkeypatch):
    def denied(path):
        raise Denied(f"{path} may not be read: AccessDenied")

    monkeypatch.setattr(fetching, "open_input", denied)
    inputs = [Planned(at, Item(f"s3://archive/{at}.png")) for at in range(COUNT)]
    found = list(fetching.ready_inputs(inputs, place.scratch, 1))
    assert all(ready.is_denied for ready in found)
    guard = MissingGuard(["s3://archive"])
    for ready in found[:15]:
        guard.check(ready, ready.error)
    with pytest.raises(BatchError, match=r"16 inputs .* may not be read, .* s3://archive/15\.png"):
        guard.check(found[15], found[15].error)
    for ready in found[:15]:
        guard.check(ready, ready.error)
    guard.check(Ready(inputs[0], "fetched.png", is_temporary=True), None)
    for ready in found[:15]:
        guard.check(ready, ready.error)
