"""Result folders: one process at a time."""

import subprocess
import sys

import pytest

from cargosight_inference import cli
from cargosight_inference.results import ResultWriter
from cargosight_models.errors import UsageError
from tests.made.models import make_blob_model, write_blobs

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


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / ".cargosight.lock").mkdir()  # as root may write anywhere else
    with pytest.raises(UsageError, match="cannot be written"), ResultWriter(tmp_path):
        pass
