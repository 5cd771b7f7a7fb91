"""Places: the first writer of a name wins, locally and in a bucket; what a killed process leaves goes."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from uuid import uuid4

import pytest

from cargosight_inference.batch.places import BatchError, LocalPlace, NoSuchName, Place, open_place
from cargosight_models.errors import MissingExtraError, UsageError
from tests.made.s3 import BUCKET, S3Server, s3_server  # noqa: F401 - a fixture

WRITERS = 8


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "s3":
        request.getfixturevalue("s3_server")
    url = str(tmp_path / "out") if request.param == "local" else f"s3://{BUCKET}/runs/{uuid4().hex}/"
    with open_place(url) as opened:
        yield opened


def test_what_is_published_can_be_read_and_never_changes(place: Place) -> None:
    assert place.publish("parts/part-000000.parquet", b"first")
    assert not place.publish("parts/part-000000.parquet", b"second")
    assert place.read("parts/part-000000.parquet") == b"first"
    assert place.exists("parts/part-000000.parquet")


def test_a_file_is_published_and_stays_with_its_owner(place: Place) -> None:
    source = place.scratch.path(".parquet")
    source.write_bytes(b"rows")
    assert place.publish("parts/a", source)
    assert not place.publish("parts/a", b"other")
    assert source.read_bytes() == b"rows" == place.read("parts/a")


def test_a_file_from_elsewhere_is_published(place: Place, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_bytes(b"{}")
    assert place.publish("summary.json", tmp_path / "summary.json")
    assert place.read("summary.json") == b"{}"


def test_of_writers_at_once_one_wins_and_each_knows_whether_it_did(place: Place) -> None:
    with ThreadPoolExecutor(WRITERS) as threads:
        for turn in range(5):
            ready = Barrier(WRITERS)

            def write(writer: int, name: str = f"parts/{turn}", ready: Barrier = ready) -> bool:
                ready.wait(30)
                return place.publish(name, str(writer).encode() * 1000)

            won = list(threads.map(write, range(WRITERS)))
            assert won.count(True) == 1
            assert place.read(f"parts/{turn}") == str(won.index(True)).encode() * 1000


def test_writers_of_several_processes(place: Place) -> None:
    program = (
        "import sys; from cargosight_inference.batch.places import open_place\n"
        "with open_place(sys.argv[1]) as place:\n"
        "    print(*(int(place.publish(f'parts/{n}', sys.argv[2].encode())) for n in range(10)))\n"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, place.url, str(writer)], stdout=subprocess.PIPE, text=True
        )
        for writer in range(3)
    ]
    won = [[word == "1" for word in writer.communicate(timeout=120)[0].split()] for writer in writers]
    for number, of_name in enumerate(zip(*won, strict=True)):
        assert of_name.count(True) == 1
        assert place.read(f"parts/{number}") == str(of_name.index(True)).encode()


def test_names_are_those_with_the_prefix(place: Place) -> None:
    assert list(place.names("parts/")) == []
    wanted = {f"parts/part-{number:06d}.parquet" for number in range(25)}
    for name in sorted(wanted | {"partsless", "plan-1/shard-000000.parquet", "manifest.json"}):
        place.publish(name, b"x")
    assert set(place.names("parts/")) == wanted
    assert set(place.names("parts/part-00002")) == {name for name in wanted if "-00002" in name}
    assert set(place.names("plan-")) == {"plan-1/shard-000000.parquet"}
    assert len(set(place.names())) == len(wanted) + 3


def test_progress_is_replaced_and_names_are_deleted(place: Place) -> None:
    place.replace("progress/worker-1.json", b"1")
    place.replace("progress/worker-1.json", b"2")
    assert place.read("progress/worker-1.json") == b"2"
    place.delete("progress/worker-1.json")
    place.delete("progress/worker-1.json")
    assert not place.exists("progress/worker-1.json")
    with pytest.raises(NoSuchName, match=r"there is no progress/worker-1\.json in"):
        place.read("progress/worker-1.json")
    assert place.publish("progress/worker-1.json", b"3")


def test_progress_is_written_while_its_folder_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who deletes the last name of a folder removes the folder, too, also between its making and a name in it."""
    rename, waiting = Path.replace, [True]

    def late(self: Path, target: Path) -> Path:
        if waiting:
            waiting.pop()
            target.parent.rmdir()
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", late)
    with open_place(tmp_path / "out") as place:
        place.replace("progress/1", b"1")
        assert place.read("progress/1") == b"1"
    assert not waiting


def test_a_folder_that_goes_again_and_again_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_place(tmp_path / "out") as place:
        monkeypatch.setattr(LocalPlace, "_make", lambda *given: None)
        with pytest.raises(BatchError, match="removed again and again"):
            place.replace("progress/1", b"1")
        with pytest.raises(BatchError, match="removed again and again"):
            place.publish("parts/1", b"1")


def test_a_check_leaves_nothing(place: Place) -> None:
    place.check()
    assert list(place.names()) == []


def test_what_an_earlier_run_left_is_published_again(place: Place) -> None:
    for content in (b"1", b"2", b"2"):
        place.publish_again("summary.json", content)
        assert place.read("summary.json") == content
    source = place.scratch.path(".parquet")
    source.write_bytes(b"rows")
    place.publish_again("summary.json", source)
    place.publish_again("summary.json", source)
    assert place.read("summary.json") == b"rows"


def test_who_is_overtaken_in_publishing_again_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.publish("summary.json", b"1")
    monkeypatch.setattr(
        type(place), "delete", lambda *given: None
    )  # and written by another one, the same as ever
    place.publish_again("summary.json", b"1")
    with pytest.raises(BatchError, match=r"another process writes summary\.json"):
        place.publish_again("summary.json", b"2")
    monkeypatch.undo()


@pytest.mark.parametrize("name", ["../a", "/a", "a//b", ".hidden", "a/.b", ""])
def test_a_name_outside_of_the_place_is_refused(place: Place, name: str) -> None:
    with pytest.raises(ValueError, match="a name in a place"):
        place.publish(name, b"x")


def test_storages_that_cannot_keep_the_first_writer_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gs://b/out is in a storage without a conditional put"):
        open_place("gs://b/out")
    with pytest.raises(UsageError, match="empty output path"):
        open_place("")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file; expected a folder"):
        open_place(tmp_path / "file")


def test_a_bucket_that_overwrites_is_found_out(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    from cargosight_inference.batch.s3 import S3Place

    place = S3Place(f"s3://{BUCKET}/overwriting")
    put = S3Place._put

    def careless(self: S3Place, name: str, source: Path | bytes, **condition: object) -> None:
        put(self, name, source)

    monkeypatch.setattr(S3Place, "_put", careless)
    with pytest.raises(UsageError, match="does not keep the first of two writers"):
        place.check()


def test_a_put_whose_answer_was_lost_is_known_as_ones_own(
    s3_server: S3Server,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from cargosight_inference.batch.s3 import S3Place

    place = S3Place(f"s3://{BUCKET}/lost")
    put = S3Place._put

    def twice(self: S3Place, name: str, source: Path | bytes, **condition: object) -> None:
        put(self, name, source, **condition)  # type: ignore[arg-type]
        put(self, name, source, **condition)  # type: ignore[arg-type]  # as a client tries again

    monkeypatch.setattr(S3Place, "_put", twice)
    assert place.publish("a", b"mine")


def test_a_bucket_that_does_not_exist_is_told(s3_server: S3Server) -> None:  # noqa: F811
    with open_place("s3://no-such-bucket/out") as place, pytest.raises(BatchError, match="NoSuchBucket"):
        place.publish("a", b"1")
    with pytest.raises(UsageError, match="names no bucket"):
        open_place("s3://")


def test_without_the_extra_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from cargosight_inference.batch import s3

    s3.forget_client()
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtraError, match=r"cargosight\[s3\]"):
        open_place("s3://b/out")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with open_place(tmp_path / "out") as place:
        (tmp_path / "out" / "parts").touch()
        with pytest.raises(BatchError, match=r"does not let the run write parts/a"):
            place.publish("parts/a", b"1")


def test_an_output_folder_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems answer the making of a folder as if that above it were not there, such as /proc."""

    def refuse(self: Path, *given: object, **named: object) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))

    with open_place(tmp_path / "out") as place:
        monkeypatch.setattr(Path, "mkdir", refuse)
        with pytest.raises(
            BatchError, match=r"out cannot be made: No such file or directory; give one that can"
        ):
            place.check()
        with pytest.raises(BatchError, match=r"does not let the run write a: the folder .* cannot be made"):
            place.publish("a", b"1")
        monkeypatch.undo()


def test_an_output_that_is_a_link_to_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match=r"out is a symbolic link to .*gone, which does not exist"):
        open_place(tmp_path / "out")
    (tmp_path / "gone").mkdir()
    with open_place(tmp_path / "out") as place:
        place.check()


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    program = textwrap.dedent("""
        import os, signal, sys
        from cargosight_inference.batch.places import open_place
        place = open_place(sys.argv[1])
        place.scratch.path().write_bytes(b"half a part")
        print("ready", flush=True)
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    with open_place(tmp_path) as place:
        place.publish("a", b"1")
        assert len(list((tmp_path / ".scratch").iterdir())) == 2
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    with open_place(tmp_path) as place:
        place.publish("b", b"2")
        assert [folder.name.split("-")[0] for folder in (tmp_path / ".scratch").iterdir()] == [
            str(os.getpid())
        ]
        assert sorted(place.names()) == ["a", "b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
