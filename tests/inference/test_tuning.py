"""Which way of running is chosen, when it is measured, and what is kept."""

import json

import pytest

from cargosight_inference import tuning
from cargosight_inference.cli import main
from cargosight_inference.providers import CPU, Execution
from cargosight_inference.tuning import best, candidates, choose_running, measure, pinned
from cargosight_models.catalog import find_model
from cargosight_models.errors import UsageError
from tests.made import models


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("CARGOSIGHT_HOME", str(tmp_path / "home"))
    return find_model(models.make_blob_model(tmp_path / "blobs.onnx"))


def kept_files(tmp_path):
    return sorted((tmp_path / "home" / "running").glob("*.json"))


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1, [(1, 1)]),
        (2, [(1, 1), (1, 2), (2, 1)]),
        (6, [(1, 1), (1, 2), (1, 4), (1, 6), (6, 1)]),
        (384, [(1, 1 << power) for power in range(9)] + [(64, 1)]),
    ],
)
def test_candidates_fill_the_cores(count, expected):
    assert candidates(count) == expected


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({(1, 1): 10.0, (1, 2): 16.0, (2, 1): 19.0}, (2, 1)),
        ({(1, 1): 10.0, (1, 2): 18.5, (2, 1): 19.0}, (2, 1)),  # equals: each process also decodes
        ({(1, 1): 10.0, (1, 2): 19.5, (2, 1): 15.0}, (1, 2)),
        ({(1, 1): 10.0, (1, 2): 10.3, (2, 1): 10.4}, (1, 1)),  # more threads have to be worth it
    ],
)
def test_the_fastest_is_chosen_and_of_equals_the_cheapest(rates, expected):
    assert best(rates) == expected


def test_an_answer_is_kept_and_found_again(model, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "cores", lambda: 2)
    assert choose_running(model).origin == "default"
    assert not kept_files(tmp_path)
    first = measure(model, rounds=1, seconds=0.05)
    assert first.origin == "measured"
    assert set(first.scans_per_second) == {"1 x 1", "1 x 2", "2 x 1"}
    assert all(rate > 0 for rate in first.scans_per_second.values())
    again = choose_running(model)
    assert again.origin == "kept"
    assert (again.workers, again.threads_alone) == (first.workers, first.threads_alone)
    assert len(kept_files(tmp_path)) == 1


@pytest.mark.parametrize("what", ["processor_name", "cores", "onnxruntime", "model"])
def test_another_machine_or_model_is_measured_anew(model, tmp_path, monkeypatch, what):
    measure(model, rounds=1, seconds=0.01)
    assert choose_running(model).origin == "kept"
    assert choose_running(model, Execution(provider="openvino")).origin == "default"
    if what == "processor_name":
        monkeypatch.setattr(tuning, "processor_name", lambda: "another")
    elif what == "cores":
        monkeypatch.setattr(tuning, "cores", lambda: 3)
    elif what == "onnxruntime":
        monkeypatch.setattr(tuning.onnxruntime, "__version__", "99.0")
    else:
        changed = models.blob_contract(name="others")
        model = find_model(models.make_blob_model(tmp_path / "others.onnx", contract=changed))
    assert choose_running(model).origin == "default"


@pytest.mark.parametrize(
    "content", ["", "no JSON", "[]", '{"workers": 2}', '{"workers": 0, "threads_alone": 1}']
)
def test_what_was_kept_and_is_damaged_is_measured_anew(model, tmp_path, content):
    measure(model, rounds=1, seconds=0.01)
    (path,) = kept_files(tmp_path)
    if content.startswith('{"workers": 0'):
        content = json.dumps({**json.loads(path.read_text("utf-8")), "workers": 0})
    path.write_text(content, "utf-8")
    assert choose_running(model).origin == "default"


def test_a_folder_that_cannot_be_written_to_only_means_measuring_again(model, tmp_path):
    (tmp_path / "home").write_text("a file in its place", "utf-8")
    assert measure(model, rounds=1, seconds=0.01).origin == "measured"
    assert choose_running(model).origin == "default"


def test_pinned():
    assert pinned(16).threads_alone == 16
    with pytest.raises(UsageError, match="0 threads; expected 1 or more"):
        pinned(0)


def test_the_workers_of_batch_are_the_best_of_one_thread_each(model, monkeypatch):
    """Also where one process of more threads is faster than them."""
    rates = {(1, 1): 10.0, (1, 2): 30.0, (2, 1): 19.0}
    monkeypatch.setattr(tuning, "_rate", lambda *way, **_: rates[way[2:]])
    monkeypatch.setattr(tuning, "cores", lambda: 2)
    found = measure(model, CPU, rounds=1)
    assert (found.workers, found.threads_alone) == (2, 2)
    rates[2, 1] = 10.2  # not worth a second process
    assert measure(model, CPU, rounds=1).workers == 1


def test_the_benchmark_measures_for_the_execution_that_is_asked_for(model, tmp_path, capsys):
    asked = ["bench", "--model", str(model.path), "--only", "running"]
    assert main([*asked, "--precision", "bf16"]) == 2
    assert "cpu computes in fp32" in capsys.readouterr().err
    assert main([*asked, "--provider", "tensorrt"]) == 2
    assert "tensorrt is not available" in capsys.readouterr().err
    assert main([*asked, "--only", "start", "--provider", "openvino"]) == 2
    assert "of --only running alone" in capsys.readouterr().err
    assert not kept_files(tmp_path)


def test_inspect_uses_and_says_what_was_measured_or_pinned(model, tmp_path, capsys, monkeypatch):
    scan = models.write_blobs(tmp_path / "scan.png")
    asked = ["inspect", str(scan), "--model", str(model.path), "--threshold", "0.5"]
    assert main(asked) == 0
    assert "(1 thread, by default)" in capsys.readouterr().err
    monkeypatch.setattr(tuning, "_rate", lambda *way, **_: {(1, 1): 1.0, (1, 2): 2.0, (2, 1): 1.9}[way[2:]])
    monkeypatch.setattr(tuning, "cores", lambda: 2)
    measure(model, CPU, rounds=1)
    assert main(asked) == 0
    assert "(2 threads, measured before on this machine)" in capsys.readouterr().err
    assert main([*asked, "--threads", "1"]) == 0
    assert "(1 thread, as given)" in capsys.readouterr().err


@pytest.mark.parametrize("threads", ["0", "-1", "many", "257"])
def test_inspect_refuses_other_threads(model, tmp_path, capsys, threads):
    scan = models.write_blobs(tmp_path / "scan.png")
    assert main(["inspect", str(scan), "--model", str(model.path), "--threads", threads]) == 2
    assert "expected auto or 1 to 256" in capsys.readouterr().err


def test_inspect_refuses_a_missing_provider(model, tmp_path, capsys):
    scan = models.write_blobs(tmp_path / "scan.png")
    asked = ["inspect", str(scan), "--model", str(model.path), "--threshold", "0.5", "--provider", "tensorrt"]
    assert main(asked) == 2
    assert "the provider tensorrt is not available" in capsys.readouterr().err
    assert main([*asked[:-1], "cpu", "--precision", "bf16"]) == 2
    assert "cpu computes in fp32" in capsys.readouterr().err
