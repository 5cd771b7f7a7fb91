"""A whole run from a bucket into a bucket, on a real S3 server: killed, stopped, resumed, watched and compared."""

import io
import json
import os
import signal
import time

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: no run is tested")
pytest.importorskip("boto3", reason="boto3 is not installed: no bucket is tested")
import pyarrow.parquet as pq

from cargosight_inference.batch.manifest import read_manifest
from cargosight_inference.batch.parts import read_parts
from cargosight_inference.batch.places import open_place
from tests.made.batches import blob_scoring, make_archive, start_command
from tests.made.models import DARK, write_blobs
from tests.made.s3 import BUCKET, s3_server  # noqa: F401

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(os.name != "posix", reason="POSIX pipes and signals"),
]
_COUNT = 60
_LONG = 120.0
_IN = f"s3://{BUCKET}/in"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return blob_scoring(tmp_path_factory.mktemp("models")).model


@pytest.fixture(scope="module")
def archive(tmp_path_factory, s3_server):  # noqa: F811
    """Bags in a bucket, every third dark, number 40 no scan."""
    paths = make_archive(tmp_path_factory.mktemp("archive"), _COUNT)
    for number, path in enumerate(paths):
        content = b"nonsense" if number == 40 else path.read_bytes()
        s3_server.put(f"in/{number:05d}.png", content=content)
    return s3_server


def finish(*words):
    process = start_command(*words)
    out, told = process.communicate(timeout=_LONG)
    return process.returncode, told, out


def wait_for(url, count, process):
    end = time.monotonic() + _LONG
    with open_place(url) as place:
        while sum(1 for _ in place.names("parts/")) < count:
            assert time.monotonic() < end, "waited in vain for parts"
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)


def test_killed_stopped_and_resumed(archive, model):
    out = f"s3://{BUCKET}/out"
    words = [_IN, "--out", out, "--model", model, "--workers", 2, "--shard-size", 4, "--overlays"]
    words += ["--limit-rate", 12]
    for number in (signal.SIGKILL, signal.SIGTERM):
        process = start_command(*words)
        wait_for(out, 2 if number == signal.SIGKILL else 5, process)
        process.send_signal(number)
        process.communicate(timeout=_LONG)
        assert process.returncode == (-9 if number == signal.SIGKILL else 143)
    code, told, _ = finish(*words[:-2])
    assert code == 3, told
    with open_place(out) as place:
        manifest = read_manifest(place)
        assert manifest is not None
        rows = [row for table in read_parts(manifest, place) for row in table.to_pylist()]
        assert [row["number"] for row in rows] == list(range(_COUNT))
        assert [row["path"] for row in rows] == [f"{_IN}/{number:05d}.png" for number in range(_COUNT)]
        assert [row["number"] for row in rows if row["fault"]] == [40]
        referred = {row["overlay"] for row in rows if row["decision"] == "refer"}
        assert referred == set(place.names("overlays/"))
        assert len(referred) == _COUNT // 3
        assert json.loads(place.read("summary.json"))["decisions"]["refer"] == _COUNT // 3
        assert json.loads(place.read("_SUCCESS"))["inputs"] == _COUNT
        assert {name.split("/")[0].split("-")[0] for name in place.names()} == {
            "_SUCCESS",
            "manifest.json",
            "overlays",
            "parts",
            "plan",
            "summary.json",
            "summary.md",
        }
    code, told, _ = finish("status", out)
    assert code == 0, told


def test_two_runs_in_a_bucket_are_compared(archive, model, tmp_path):
    words = [_IN, "--model", model, "--workers", 1, "--shard-size", 20]
    old, new = f"s3://{BUCKET}/old", f"s3://{BUCKET}/new"
    assert finish(*words, "--out", old)[0] == 3
    archive.put("in/00001.png", content=write_blobs(tmp_path / "a.png", (64, 32, DARK)).read_bytes())
    code, told, _ = finish(*words, "--out", new, "--compare", old)
    assert code == 3, told
    with open_place(new) as place:
        (name,) = (name for name in place.names("compare/") if name.endswith(".parquet"))
        rows = pq.read_table(io.BytesIO(place.read(name))).to_pylist()
        assert [row["path"] for row in rows if row["change"] == "new_alarm"] == [f"{_IN}/00001.png"]
        page = place.read(name.replace(".parquet", ".html")).decode()
        assert page.count("<img ") == 1
