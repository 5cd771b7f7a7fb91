"""Result folders: one process at a time."""

import json
import os
import signal
import subprocess
import sys

import pytest

from cargosight_inference import cli
from cargosight_inference.results import ResultWriter
from cargosight_models.errors import UsageError
from tests.made.models import DARK, make_blob_model, write_blobs

HOLDER = (
    "import sys, pathlib; from cargosight_inference.results import ResultWriter\n"
    "with ResultWriter(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
)


def test_a_folder_that_another_process_writes_into_is_refused(tmp_path, capsys):
    model = make_blob_model(tmp_path / "blobs.onnx", operating_points={"pfa=0.05": 0.5})
    bag, out = write_blobs(tmp_path / "bag.png"), tmp_path / "out"
    inspect = ["inspect", str(bag), "--model", str(model), "--out", str(out)]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        assert cli.main(inspect) == 2
        assert "another process writes results into" in capsys.readouterr().err
        holder.communicate(timeout=30)
    assert not list(out.glob("bag*"))
    assert cli.main(inspect) == 0
    assert (out / "bag.inspection.json").is_file()


def test_one_name_in_two_working_directories_is_two_inputs(tmp_path, monkeypatch, capsys):
    model = make_blob_model(tmp_path / "blobs.onnx", operating_points={"pfa=0.05": 0.5})
    for name, places in (("a", [(64, 32, DARK)]), ("b", [])):
        write_blobs(tmp_path / name / "bag.png", *places)
        monkeypatch.chdir(tmp_path / name)
        assert cli.main(["inspect", "bag.png", "--model", str(model), "--out", "../out"]) == 0
    assert len(list((tmp_path / "out").glob("*.inspection.json"))) == 2
    absolute = str(tmp_path / "b" / "bag.png")  # the same input under its other name replaces its own
    assert cli.main(["inspect", absolute, "--model", str(model), "--out", "../out"]) == 0
    found = [json.loads(file.read_text()) for file in (tmp_path / "out").glob("*.inspection.json")]
    assert sorted((one["absolute_path"], one["decision"]) for one in found) == [
        (str(tmp_path / "a" / "bag.png"), "refer"),
        (absolute, "clear"),
    ]


KILLED = (
    "import os, pathlib, signal, sys; from cargosight_inference.cli import main\n"
    "pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    "main(sys.argv[1:])"
)


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_what_a_killed_run_left_half_written_goes_with_the_next_run(tmp_path, capsys):
    model = make_blob_model(tmp_path / "blobs.onnx", operating_points={"pfa=0.05": 0.5})
    bag, out = write_blobs(tmp_path / "bag.png"), tmp_path / "out"
    inspect = ["inspect", str(bag), "--model", str(model), "--out", str(out)]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *inspect], capture_output=True, check=False, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    assert list(out.glob(".bag*"))
    assert cli.main(inspect) == 0
    assert not list(out.glob(".bag*"))
    assert (out / "bag.overlay.png").is_file()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / ".cargosight.lock").mkdir()  # as root may write anywhere else
    with pytest.raises(UsageError, match="cannot be written"), ResultWriter(tmp_path):
        pass
