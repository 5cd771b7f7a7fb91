"""The plan: every input in one shard once, whatever is killed, whoever plans beside it."""

import os
import signal
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no plan is tested")

from cargosight_inference.batch.changes import compare_sources
from cargosight_inference.batch.manifest import NAME, Manifest
from cargosight_inference.batch.places import BatchError, LocalPlace, Place, open_place
from cargosight_inference.batch.plan import plan, read_plan, read_shard
from cargosight_inference.batch.s3 import S3Place
from cargosight_inference.batch.sources import Item, Sources, read_sources
from cargosight_models.errors import MissingExtraError, UsageError
from tests.inference.batch.test_manifest import WHAT
from tests.made.s3 import BUCKET, s3_server  # noqa: F401 - a fixture

_SIZE = 10
_INPUTS = 95


class Made(Sources):
    """Inputs out of thin air."""

    def __init__(self, count: int = _INPUTS, *, name: str = "scan", stop: Event | None = None) -> None:
        super().__init__(("made",), {}, None, stop or Event())
        self.extra_columns = ("day", "path")
        self.count, self.name = count, name

    def __iter__(self) -> Iterator[Item]:
        for number in range(self.count):
            yield Item(f"{self.name}{number}.jpg", number, f"v{number}", {"day": f"d{number % 3}"})


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "s3":
        request.getfixturevalue("s3_server")
    url = str(tmp_path / "out") if request.param == "local" else f"s3://{BUCKET}/plans/{uuid4().hex}"
    with open_place(url) as opened:
        yield opened


def _check_whole(manifest: Manifest, place: Place, count: int = _INPUTS) -> None:
    """Every input once, in order, and no list of another plan."""
    planned = list(read_plan(manifest, place))
    assert [one.number for one in planned] == list(range(count))
    assert [one.item.size for one in planned] == list(range(count))
    lists = {manifest.shard_name(shard) for shard in range(manifest.shards)}
    assert set(place.names()) == lists | {NAME}


def test_every_input_is_in_one_list_with_what_was_told_of_it(place: Place) -> None:
    told: list[int] = []
    manifest = plan(Made(), place, what=WHAT, shard_size=_SIZE, told=told.append)
    assert (manifest.inputs, manifest.shards, told[-1]) == (_INPUTS, 10, _INPUTS)
    _check_whole(manifest, place)
    last = read_shard(manifest, place, 9)
    assert [one.number for one in last] == list(range(90, 95))
    assert last[0].item == Item("scan90.jpg", 90, "v90", {"day": "d0", "path": None})


def test_a_second_run_takes_the_plan_that_is_there(place: Place) -> None:
    manifest = plan(Made(), place, what=WHAT, shard_size=_SIZE)
    assert plan(Made(3, name="other"), place, what=WHAT) == manifest
    with pytest.raises(UsageError, match="precision"):
        plan(Made(), place, what=replace(WHAT, precision="int8"))
    _check_whole(manifest, place)


def test_planners_at_once_agree(place: Place) -> None:
    def one(number: int) -> Manifest:
        with open_place(place.url) as own:
            return plan(Made(name=f"from{number % 2}-"), own, what=WHAT, shard_size=_SIZE)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(one, range(4)))
    assert len({manifest.to_json() for manifest in found}) == 1
    manifest = plan(Made(), place, what=WHAT)
    _check_whole(manifest, place)


_KILLED = textwrap.dedent("""
    import os, signal, sys
    from threading import Lock
    from cargosight_inference.batch.places import open_place
    from cargosight_inference.batch.plan import plan
    from tests.inference.batch.test_plan import WHAT, Made, _SIZE
    url, point, when = sys.argv[1], sys.argv[2], int(sys.argv[3])
    place = open_place(url)
    publish, calls, lock = place.publish, 0, Lock()
    def kill():
        os.kill(os.getpid(), signal.SIGKILL)
    def killing(name, source):
        global calls
        if name.startswith("probe"):
            return publish(name, source)
        with lock:
            calls += 1
            if point == "before" and calls == when:
                kill()
            answer = publish(name, source)
            if point == "after" and calls == when:
                kill()
            return answer
    place.publish = killing
    def told(inputs):
        if point == "listing" and inputs >= when:
            kill()
    plan(Made(name=sys.argv[4]), place, what=WHAT, shard_size=_SIZE, told=told)
""")


def _plan_killed(place: Place, point: str, when: int, name: str = "scan") -> None:
    root = Path(__file__).parents[3]
    child = subprocess.run(
        [sys.executable, "-c", _KILLED, place.url, point, str(when), name],
        timeout=120,
        check=False,
        capture_output=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])},
    )
    assert child.returncode == -signal.SIGKILL, child.stderr.decode()


@pytest.mark.parametrize(
    ("point", "when"),
    [("listing", 40), ("before", 1), ("after", 4), ("after", 10), ("before", 11), ("after", 11)],
    ids=[
        "listing",
        "before the first list",
        "amid lists",
        "all lists",
        "before the manifest",
        "after the manifest",
    ],
)
def test_a_plan_that_is_killed_is_made_whole_by_the_next_run(tmp_path: Path, point: str, when: int) -> None:
    with open_place(tmp_path / "out") as place:
        _plan_killed(place, point, when)
        assert place.exists(NAME) == (point == "after" and when == 11)
        _check_whole(plan(Made(), place, what=WHAT, shard_size=_SIZE), place)
    assert not (tmp_path / "out" / ".scratch").exists()


@pytest.mark.acceptance
def test_several_kills_with_other_inputs_each_time_leave_one_plan(place: Place) -> None:
    _plan_killed(place, "after", 3, "former")
    _plan_killed(place, "after", 10, "other")
    _plan_killed(place, "after", 5)
    assert len({name.split("/")[0] for name in place.names("plan-")}) == 3
    _check_whole(plan(Made(), place, what=WHAT, shard_size=_SIZE), place)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("summary.md", r"holds summary\.md, which is not of a batch run"),
        ("plan-b.pdf", r"holds plan-b\.pdf"),
        ("plan-2026/shard-000000.parquet", "holds plan-2026/"),
        ("scans/bag.jpg", "holds scans/"),
    ],
)
def test_an_output_with_what_is_of_no_run_is_refused(place: Place, name: str, told: str) -> None:
    place.publish(name, b"somebody's")
    with pytest.raises(UsageError, match=told):
        plan(Made(), place, what=WHAT, shard_size=_SIZE)
    assert {name: place.read(name) for name in place.names()} == {name: b"somebody's"}


def test_what_a_killed_planning_leaves_and_hidden_names_are_no_strangers(place: Place) -> None:
    for name in (
        f"probe-{uuid4().hex}",
        "progress/host-1-0123abcd.json",
        "plan-0123456789abcdef/shard-000000.parquet",
    ):
        place.publish(name, b"left")
    if isinstance(place, LocalPlace):
        (place.folder / ".git").mkdir()
    else:
        assert isinstance(place, S3Place)
        for key in (".hidden", ""):  # the second is how consoles mark a folder
            place._client.put_object(Bucket=place.bucket, Key=f"{place.prefix}/{key}", Body=b"")
    plan(Made(), place, what=WHAT, shard_size=_SIZE)
    assert not place.exists("plan-0123456789abcdef/shard-000000.parquet")


def test_of_old_plans_nothing_but_their_lists_is_removed(place: Place) -> None:
    manifest = plan(Made(), place, what=WHAT, shard_size=_SIZE)
    kept = {"plan-b.pdf", "plan-2026/shard-000000.parquet", "plan-0123456789abcdef/notes.txt"}
    gone = {"plan-0123456789abcdef/shard-000000.parquet", "plan-0123456789abcdef/shard-1000000.parquet"}
    for name in kept | gone:
        place.publish(name, b"somebody's")
    assert plan(Made(), place, what=WHAT) == manifest
    lists = {manifest.shard_name(shard) for shard in range(manifest.shards)}
    assert set(place.names()) == lists | kept | {NAME}


def test_a_stop_leaves_no_manifest(tmp_path: Path) -> None:
    stop = Event()
    with open_place(tmp_path / "out") as place:
        with pytest.raises(UsageError, match="stopped before the run began"):
            plan(Made(stop=stop), place, what=WHAT, shard_size=_SIZE, told=lambda inputs: stop.set())
        assert not place.exists(NAME)


@pytest.mark.parametrize(
    ("inputs", "size", "shards"),
    [(1, 20, 1), (95, 20, 5), (1600, 100, 16), (15_999, 1000, 16), (17_000, 1000, 17)],
)
def test_few_inputs_are_divided_more_finely(tmp_path: Path, inputs: int, size: int, shards: int) -> None:
    with open_place(tmp_path / "out") as place:
        manifest = plan(Made(inputs), place, what=WHAT)
        assert (manifest.shard_size, manifest.shards) == (size, shards)
        _check_whole(manifest, place, inputs)


def test_nothing_to_plan_is_told(tmp_path: Path) -> None:
    with open_place(tmp_path / "out") as place:
        with pytest.raises(UsageError, match="no scans found in made"):
            plan(Made(0), place, what=WHAT)
        with pytest.raises(UsageError, match="expected 1 or more"):
            plan(Made(), place, what=WHAT, shard_size=0)


def test_without_the_extra_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cargosight_inference.batch.plan.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"cargosight\[batch\]"):
        plan(Made(), open_place(tmp_path / "out"), what=WHAT)


def test_a_list_that_is_gone_or_damaged_is_told(tmp_path: Path) -> None:
    with open_place(tmp_path / "out") as place:
        manifest = plan(Made(), place, what=WHAT, shard_size=_SIZE)
        (tmp_path / "out" / manifest.shard_name(1)).write_bytes(b"PAR1")
        place.delete(manifest.shard_name(2))
        place.delete(manifest.shard_name(3))
        place.publish(manifest.shard_name(3), place.read(manifest.shard_name(4)))
        for shard, sentence in [
            (1, "is damaged"),
            (2, "though the manifest"),
            (3, "does not hold the inputs 30 to 39"),
        ]:
            with pytest.raises(BatchError, match=sentence):
                read_shard(manifest, place, shard)


def test_paths_that_are_no_text_come_back_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    (folder / "line\nfeed.jpg").write_bytes(b"x")
    with open_place(tmp_path / "out") as place:
        manifest = plan(read_sources([str(folder)]), place, what=WHAT)
        found = [one.item.path for one in read_plan(manifest, place)]
    assert sorted(found) == sorted(str(path) for path in folder.iterdir())


def test_sources_that_changed_since_the_plan_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (folder / name).write_bytes(b"x")
    sources = read_sources([str(folder)])
    with open_place(tmp_path / "out") as place:
        manifest = plan(sources, place, what=WHAT)
        assert not compare_sources(sources, manifest, place)
        (folder / "a.jpg").unlink()
        (folder / "b.jpg").write_bytes(b"more")
        (folder / "d.jpg").write_bytes(b"x")
        (folder / "e.jpg").write_bytes(b"x")
        found = compare_sources(sources, manifest, place)
    assert (found.added, found.removed, found.changed) == (2, 1, 1)
    assert "2 inputs added, 1 removed, 1 changed" in str(found)
    assert any(example.endswith("b.jpg") for example in found.examples)


def test_a_longer_plan_takes_no_more_memory(tmp_path: Path) -> None:
    peaks = []
    for count in (2_000, 10_000):
        with open_place(tmp_path / str(count)) as place:
            tracemalloc.start()
            plan(Made(count), place, what=WHAT, shard_size=500)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000
