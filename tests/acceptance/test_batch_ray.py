"""A batch run on a real Ray cluster of two nodes: the rows of the local engine, also when a node is lost."""

import os
import signal
import subprocess
import time

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")
pytest.importorskip("ray", reason="ray is not installed: no cluster is tested")

from cargosight_inference.batch.places import BatchError, open_place
from cargosight_inference.batch.ray_engine import RayEngine
from cargosight_inference.batch.running import run_batch
from tests.made.batches import (
    POISONED,
    blob_scoring,
    check_whole,
    make_archive,
    planned,
    rows_of,
    run,
    start_command,
    wait_for_parts,
    without_times,
)
from tests.made.ray_cluster import two_nodes  # noqa: F401

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(os.name != "posix", reason="POSIX pipes and signals"),
    # Ray leaves pipes and sockets to the end of the interpreter.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray", "ignore::DeprecationWarning:ray"),
]
_LONG = 120.0


@pytest.fixture(scope="module")
def scoring(tmp_path_factory):
    return blob_scoring(tmp_path_factory.mktemp("models"))


@pytest.fixture
def place(tmp_path):
    with open_place(tmp_path / "out") as opened:
        yield opened


def test_rows_equal_those_of_local_processes(tmp_path, place, scoring, two_nodes):  # noqa: F811
    """Also of files that end their worker, and what is told of them."""
    paths = make_archive(tmp_path / "in", 36, {2: "kills", 8: "once", 14: "contradicts", 20: "leaves"})
    paths[30].write_bytes(b"nonsense")
    notices: list[str] = []
    engine = RayEngine(address=two_nodes.address, retries=1, command=POISONED)
    manifest = planned(place, scoring, [tmp_path / "in"], shard_size=6)
    outcome = run_batch(manifest, place, engine, scoring, overlays=True, notice=notices.append)
    assert outcome.complete
    rows = check_whole(place.folder, 36)
    assert {row["number"]: row["fault"] for row in rows if row["fault"]} == {
        2: "worker",
        14: "model",
        20: "worker",
        30: "file",
    }
    assert any("kills2.png cannot be inspected" in notice for notice in notices)
    with open_place(tmp_path / "local") as local:
        there = planned(local, scoring, [tmp_path / "in"], shard_size=6)
        other = run(local, there, scoring, overlays=True)
        assert without_times(rows_of(local.folder)) == without_times(rows)
        assert other.tally.counts == outcome.tally.counts
        pictures = {name: local.read(name) for name in local.names("overlays/")}
        assert pictures == {name: place.read(name) for name in place.names("overlays/")}
        assert len(pictures) == sum(row["decision"] == "refer" for row in rows)


def test_a_node_that_does_not_see_the_run_is_told(tmp_path, place, scoring, two_nodes):  # noqa: F811
    make_archive(tmp_path / "in", 4)
    manifest = planned(place, scoring, [tmp_path / "in"])
    model = tmp_path / "gone.onnx"
    elsewhere = type(scoring)(**{**scoring.to_dict(), "model": str(model)})
    with pytest.raises(BatchError, match="every node has to reach"):
        run_batch(manifest, place, RayEngine(address=two_nodes.address), elsewhere)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_by_a_signal_and_resumed_by_local_processes(tmp_path, scoring, two_nodes, number):  # noqa: F811
    make_archive(tmp_path / "in", 40, dict.fromkeys(range(40), "slow"))
    out = tmp_path / "out"
    words = [tmp_path / "in", "--out", out, "--model", scoring.model, "--shard-size", 2]
    process = start_command(*words, "--engine", "ray", "--ray-address", two_nodes.address)
    wait_for_parts(out, 2, process)
    process.send_signal(number)
    _, told = process.communicate(timeout=_LONG)
    assert process.returncode == (143 if number == signal.SIGTERM else 130), told
    assert "the same command goes on from there" in told
    assert "Traceback" not in told
    end = time.monotonic() + _LONG
    while (out / ".scratch").exists():
        assert time.monotonic() < end, "what the workers had begun is still there"
        time.sleep(0.1)
    process = start_command(*words)
    _, told = process.communicate(timeout=_LONG)
    assert process.returncode == 0, told
    check_whole(out, 40)


def test_a_node_is_killed_in_mid_run(tmp_path, place, scoring, two_nodes):  # noqa: F811
    """Last of the module: the cluster has one node afterwards."""
    make_archive(tmp_path / "in", 300, dict.fromkeys(range(300), "slow"))
    manifest = planned(place, scoring, [tmp_path / "in"], shard_size=5)
    engine = RayEngine(address=two_nodes.address, command=POISONED)
    notices: list[str] = []
    killed: list[int] = []

    def kill(tally) -> None:
        if not killed and len(tally.workers) == 2:
            killed.append(tally.done_shards)
            two_nodes.kill_second()

    outcome = run_batch(manifest, place, engine, scoring, told=kill, notice=notices.append)
    assert killed
    assert killed[0] < manifest.shards
    assert outcome.complete
    rows = check_whole(place.folder, 300)
    assert not [row for row in rows if row["fault"]]
    assert any("was lost" in notice for notice in notices), notices


def test_a_ray_of_its_own_is_started_and_ended(tmp_path, scoring):
    make_archive(tmp_path / "in", 6)
    words = [tmp_path / "in", "--out", tmp_path / "out", "--model", scoring.model, "--engine", "ray"]
    process = start_command(*words, "--workers", 1)
    _, told = process.communicate(timeout=_LONG)
    assert process.returncode == 0, told
    check_whole(tmp_path / "out", 6)
    assert isinstance(process, subprocess.Popen)
