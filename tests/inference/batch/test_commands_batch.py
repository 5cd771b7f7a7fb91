"""`cargosight batch`, as a person or a script uses it."""

import argparse
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")

from cargosight_inference.commands import batch
from cargosight_models.errors import UsageError
from tests.made.batches import check_whole, make_archive, start_command, wait_for_parts
from tests.made.models import make_blob_model

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX pipes and signals")
_LONG = 60.0


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "blobs.onnx"
    return str(make_blob_model(path, operating_points={"pfa=0.05": 0.5, "pfa=0.01": 0.95}))


def run(*words) -> int:
    parser = argparse.ArgumentParser()
    batch.add_arguments(parser)
    return batch.run(parser.parse_args([str(word) for word in words]))


def test_from_folder_to_parts(tmp_path, model, capsys):
    make_archive(tmp_path / "in", 7)
    words = (tmp_path / "in", "--out", tmp_path / "out", "--model", model, "--workers", 1, "--shard-size", 3)
    assert run(*words) == 0
    check_whole(tmp_path / "out", 7)
    told = capsys.readouterr().err
    assert "7 inputs in 3 shards" in told
    assert "complete: 7 inputs in 3 parts; 7 scans now: 4 clear, 3 refer" in told
    assert run(*words) == 0
    assert "complete already" in capsys.readouterr().err
    assert run("status", tmp_path / "out", "--json") == 0
    assert json.loads(capsys.readouterr().out)["state"] == "complete"


def test_of_one_thing_no_more_is_told(tmp_path, model, capsys):
    make_archive(tmp_path / "in", 1)
    words = (tmp_path / "in", "--out", tmp_path / "out", "--model", model, "--workers", 1)
    assert run(*words) == 0
    told = capsys.readouterr().err
    assert "1 input in 1 shard;" in told
    assert "complete: 1 input in 1 part; 1 scan now: 1 refer;" in told
    assert run(*words) == 0
    assert "the run is complete already: 1 input in 1 part\n" in capsys.readouterr().err


def test_an_unreadable_input_gives_its_exit_code(tmp_path, model):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bag.jpg").write_bytes(b"nonsense")
    words = (tmp_path / "in", "--out", tmp_path / "out", "--model", model, "--workers", 1)
    assert run(*words) == 3
    assert run(*words) == 3  # complete already; what is unreadable still is


def test_an_unreadable_input_of_another_process_counts(tmp_path, model):
    """Also where the process that ends the run scored nothing unreadable, or nobody left a summary."""
    paths = make_archive(tmp_path / "in", 2)
    paths[0].write_bytes(b"nonsense")
    out = tmp_path / "out"
    words = (tmp_path / "in", "--out", out, "--model", model, "--workers", 1, "--shard-size", 1)
    assert run(*words) == 3
    for left in ("_SUCCESS", "summary.json", "summary.md", "parts/part-000001.parquet"):
        (out / left).unlink()
    assert run(*words) == 3
    (out / "summary.json").unlink()
    assert run(*words) == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("--operating-point", "pfa=0.01"), r"operating_point \(pfa=0.05 there, pfa=0.01 now\)"),
        (("--max-pixels", "1000"), r"max_pixels"),
    ],
)
def test_another_fingerprint_is_refused(tmp_path, model, change, told):
    make_archive(tmp_path / "in", 2)
    words = (tmp_path / "in", "--out", tmp_path / "out", "--model", model, "--workers", 1)
    assert run(*words) == 0
    with pytest.raises(UsageError, match=told):
        run(*words, *change)


def test_another_policy_is_refused(tmp_path, model):
    make_archive(tmp_path / "in", 2)
    words = (tmp_path / "in", "--out", tmp_path / "out", "--model", model, "--workers", 1)
    assert run(*words) == 0
    policy = tmp_path / "policy.yaml"
    policy.write_text("refer_classes: [blue]\n")
    with pytest.raises(UsageError, match=r"policy\.refer_classes"):
        run(*words, "--policy", policy)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("in",), "no --out"),
        (("in", "--out", "out", "--json"), "status"),
        (("in", "--out", "out"), "the subject was not stated"),
        (("in", "--out", "out", "--subject", "baggage", "--workers", "0"), "0 workers"),
        (("status",), "wants one OUT"),
        (("status", "nowhere"), "no batch run"),
        (("status", "nowhere", "--watch", "0"), "more than 0"),
    ],
)
def test_misuse(tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    with pytest.raises(UsageError, match=told):
        run(*words)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_by_a_signal_and_resumed(tmp_path, model, number, code):
    make_archive(tmp_path / "in", 40, dict.fromkeys(range(40), "slow"))
    out = tmp_path / "out"
    words = (tmp_path / "in", "--out", out, "--model", model, "--workers", 2, "--shard-size", 4)
    process = start_command(*words)
    wait_for_parts(out, 2, process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, told = process.communicate(timeout=_LONG)
    assert process.returncode == code
    assert "the same command goes on from there" in told
    assert "Traceback" not in told
    assert not [child for child in children if child.is_running()]
    assert not (out / ".scratch").exists()
    assert run(*words) == 0
    check_whole(out, 40)


@pytest.mark.acceptance
def test_killed_at_random_points(tmp_path, model):
    """The run with its workers, some of them, or the run alone: every input is there once in the end."""
    make_archive(tmp_path / "in", 60, dict.fromkeys(range(0, 60, 2), "slow") | {31: "kills"})
    out, chance = tmp_path / "out", random.Random(5)
    words = (
        tmp_path / "in",
        "--out",
        out,
        "--model",
        model,
        "--workers",
        2,
        "--shard-size",
        5,
        "--retries",
        1,
    )
    for _ in range(4):
        process = start_command(*words)
        try:
            process.wait(chance.uniform(0.5, 2.5))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate(timeout=_LONG)
    process = start_command(*words)
    _, told = process.communicate(timeout=_LONG)
    assert process.returncode == 3, told
    rows = check_whole(out, 60)
    assert [row["number"] for row in rows if row["fault"]] == [31]


def test_workers_end_with_a_killed_run(tmp_path, model):
    """After the input that they are at, and not after their shard, which would take a minute."""
    (path,) = make_archive(tmp_path / "in", 1, {0: "slow"})
    listed, out = tmp_path / "list.txt", tmp_path / "out"
    listed.write_text(f"{path}\n" * 2400)
    words = (f"@{listed}", "--out", out, "--model", model, "--workers", 2, "--shard-size", 1200)
    process = start_command(*words)
    end = time.monotonic() + _LONG
    while "done" not in "".join(report.read_text() for report in (out / "progress").glob("*.json")):
        assert time.monotonic() < end, "waited in vain for progress"
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == 2
    process.kill()
    process.communicate(timeout=_LONG)
    _, alive = psutil.wait_procs(children, timeout=8.0)
    assert not alive


def test_what_the_sources_list_now_is_told(tmp_path, model, capsys):
    paths = make_archive(tmp_path / "in", 4)
    words = (tmp_path / "in", "--out", tmp_path / "out", "--model", model, "--workers", 1)
    assert run(*words, "--check-sources") == 0
    assert "list the same inputs as the plan" in capsys.readouterr().err
    paths[0].unlink()
    os.utime(paths[1], ns=(1, 1))
    (tmp_path / "in" / "z.png").write_bytes(paths[2].read_bytes())
    assert run(*words, "--check-sources") == 0
    told = capsys.readouterr().err
    assert "1 inputs added, 1 removed, 1 changed" in told
    assert "z.png" in told
    assert run(paths[2], *words[1:]) == 0
    assert "these are its inputs still" in capsys.readouterr().err


def test_the_drift_from_a_former_run(tmp_path, model):
    make_archive(tmp_path / "in", 4)
    words = (tmp_path / "in", "--model", model, "--workers", 1)
    assert run(*words, "--out", tmp_path / "old") == 0
    assert run(*words, "--out", tmp_path / "new") == 0
    assert json.loads((tmp_path / "new" / "summary.json").read_text())["drift"] is None
    assert run(*words, "--out", tmp_path / "new", "--former", tmp_path / "old") == 0
    drift = json.loads((tmp_path / "new" / "summary.json").read_text())["drift"]
    assert drift["alarm_rate"]["difference"] == 0.0
    with pytest.raises(UsageError, match="no batch run"):
        run(*words, "--out", tmp_path / "other", "--former", tmp_path / "nowhere")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("option", ["--former", "--compare"])
def test_a_former_run_that_is_not_complete_is_refused_at_once(tmp_path, model, option):
    make_archive(tmp_path / "in", 2)
    words = (tmp_path / "in", "--model", model, "--workers", 1)
    assert run(*words, "--out", tmp_path / "old") == 0
    (tmp_path / "old" / "_SUCCESS").unlink()
    with pytest.raises(UsageError, match=r"not complete: there is no _SUCCESS.*goes on from there"):
        run(*words, "--out", tmp_path / "new", option, tmp_path / "old")
    assert not (tmp_path / "new").exists()


def test_compared_with_a_former_run(tmp_path, model, capsys):
    make_archive(tmp_path / "in", 4)
    policy = tmp_path / "policy.yaml"
    policy.write_text("refer_classes: [blue]\n")
    words = (tmp_path / "in", "--model", model, "--workers", 1)
    assert run(*words, "--out", tmp_path / "old", "--policy", policy) == 0
    assert run(*words, "--out", tmp_path / "new", "--compare", tmp_path / "old") == 0
    told = capsys.readouterr().out
    assert "policy.refer_classes" in told
    assert "2  new alarms" in told
    page = told.splitlines()[-1]
    assert page.endswith("comparison.html")
    assert "2 new and 0 lost alarms" in Path(page).read_text()
    assert json.loads((tmp_path / "new" / "summary.json").read_text())["drift"] is not None
    assert run("compare", tmp_path / "new", tmp_path / "old") == 0
    assert capsys.readouterr().out == told
    assert run("compare", tmp_path / "new", tmp_path / "old", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["changes"]["new_alarm"], found["page"]) == (2, page)
    with pytest.raises(UsageError, match="--watch is of"):
        run("compare", tmp_path / "new", tmp_path / "old", "--watch", 1)
    with pytest.raises(UsageError, match="the new one first"):
        run("compare", tmp_path / "new")
