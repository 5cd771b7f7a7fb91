"""An inspection loads nothing of the training stack; importing the package loads nothing at all."""

import json
import os
import subprocess
import sys

import pytest

import cargosight_inference
from tests.made.models import DARK, make_blob_model, write_blobs

HEAVY = (
    "torch",
    "torchvision",
    "albumentations",
    "pydantic",
    "onnx",
    "matplotlib",
    "pyarrow",
    "fsspec",
    "boto3",
    "ray",
)

BLOCK = f"""
import importlib.abc, json, sys

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY!r}:
            raise ImportError(f"{{name}} is blocked in this test")

sys.meta_path.insert(0, Block())
"""

INSPECT = (
    BLOCK
    + """
from cargosight_inference import Inspector, draw_overlay, inspect_with_scans
inspector = Inspector(sys.argv[1], threshold=0.5)
(inspection, scan), = inspect_with_scans(inspector, [sys.argv[2]])
picture = draw_overlay(scan, inspection)
import cargosight_inference.cli
import cargosight_inference.commands.bench, cargosight_inference.commands.inspect
import cargosight_inference.commands.models
print(json.dumps([inspection.decision, picture.shape[2], sorted(sys.modules)]))
"""
)

PROJECT = (
    BLOCK
    + """
import numpy as np
from cargosight_inference.scans.attenuation import STEEL
from cargosight_inference.scans.projection import Signature, project
from cargosight_inference.scans.scan import Scan
scan = Scan.in_memory(np.full((40, 50, 2), 0.3, np.float32), kind="transmission", subject="cargo")
made = project(scan, Signature("plate", {STEEL: np.full((9, 9), 20.0, np.float32)}, 4.0), 10, 10)
print(json.dumps([made.box, sorted(sys.modules)]))
"""
)

IMPORT = "import cargosight_inference, json, sys; print(json.dumps(sorted(sys.modules)))"


def run(code: str, *arguments: str, env: dict[str, str] | None = None):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=env,
    )
    return json.loads(done.stdout)


def test_an_inspection_runs_where_the_training_stack_cannot_be_imported(tmp_path):
    model = make_blob_model(tmp_path / "blobs.onnx")
    path = write_blobs(tmp_path / "bag.png", (64, 32, DARK))
    decision, channels, modules = run(INSPECT, str(model), str(path))
    assert (decision, channels) == ("refer", 3)
    assert not {name.split(".")[0] for name in modules} & {*HEAVY, "tqdm", "psutil", "scipy", "pandas"}


def test_a_projection_runs_where_the_training_stack_cannot_be_imported():
    """As the drills of a console will."""
    box, modules = run(PROJECT)
    assert box == [10.0, 10.0, 19.0, 19.0]
    assert not {name.split(".")[0] for name in modules} & {*HEAVY, "cargosight_training"}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_onnx_runtime_reports_to_nobody(tmp_path):
    """Its telemetry would hold a database of its own open."""
    model = make_blob_model(tmp_path / "blobs.onnx")
    path = write_blobs(tmp_path / "bag.png")
    code = """
import json, sys
from pathlib import Path
from cargosight_inference import Inspector
Inspector(sys.argv[1], threshold=0.5).inspect(sys.argv[2])
opened = [str(entry.resolve()) for entry in Path("/proc/self/fd").iterdir()]
print(json.dumps([name for name in opened if "onnxruntime" in name]))
"""
    silencing = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "GITHUB_ACTIONS")
    env = {name: value for name, value in os.environ.items() if name not in silencing} | {
        "HOME": str(tmp_path)
    }
    assert run(code, str(model), str(path), env=env) == []
    assert not (tmp_path / ".cache").exists()


def test_importing_the_package_loads_nothing_heavy():
    assert not {"numpy", "cv2", "onnxruntime", *HEAVY} & set(run(IMPORT))


def test_the_service_itself_loads_nothing_that_its_workers_run():
    pytest.importorskip("fastapi", reason="the extra service is not installed")
    code = "import cargosight_inference.service.api.server, json, sys; print(json.dumps(sorted(sys.modules)))"
    assert not {"onnxruntime", "torch", "pyarrow"} & set(run(code))


@pytest.mark.parametrize("name", cargosight_inference.__all__)
def test_every_public_name_is_there(name):
    assert getattr(cargosight_inference, name) is not None
    assert name in dir(cargosight_inference)


def test_the_public_names_are_these():
    assert cargosight_inference.__all__ == [
        "Decision",
        "Findings",
        "Inspection",
        "Inspector",
        "NetworkInput",
        "Policy",
        "ReadOptions",
        "Scan",
        "Session",
        "ThreadPolicy",
        "decode_findings",
        "draw_overlay",
        "inspect_many",
        "inspect_with_scans",
        "read_scan",
        "read_scan_bytes",
    ]


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cargosight_inference.nothing  # noqa: B018
