"""The command as a process of the system: its standard streams, and the signals that it gets."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.made.models import make_blob_model, write_blobs

COMMAND = [sys.executable, "-m", "cargosight_inference"]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX streams and signals")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "blobs.onnx"
    return str(make_blob_model(path, operating_points={"pfa=0.05": 0.5}))


def shell(line: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with the arguments; `line` says what happens to its streams, which are buffered as usual."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {line}', "sh", *COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"} | environment,
    )


@pytest.mark.parametrize(("closed", "lines"), [("<&-", 1), (">&-", 0), ("2>&-", 1), ("<&- >&- 2>&-", 0)])
def test_a_closed_stream_changes_nothing_else(model, tmp_path, closed, lines):
    bag, out = write_blobs(tmp_path / "bag.png"), tmp_path / "out"
    done = shell(closed, "inspect", str(bag), "--model", model, "--out", str(out))
    assert done.returncode == 0
    assert done.stdout.count("bag.png") == lines
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in out.glob("bag*")) == ["bag.inspection.json", "bag.overlay.png"]
    assert json.loads((out / "bag.inspection.json").read_text())["decision"] == "clear"


def test_a_closed_stdin_is_no_list(model):
    done = shell("<&-", "inspect", "-", "--model", model)
    assert done.returncode == 2
    assert "the standard input is closed; expected a list of paths" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110
@pytest.mark.parametrize("arguments", [["--help"], ["inspect", "--help"], ["--version"]])
def test_help_that_cannot_be_written_is_a_sentence(arguments):
    done = shell(">/dev/full", *arguments)
    assert done.returncode == 2
    assert done.stderr == "cargosight: stopped by the system: No space left on device\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110
def test_a_full_disk_under_the_messages_is_no_crash(model, tmp_path):
    bag = write_blobs(tmp_path / "bag.png")
    done = shell("2>/dev/full", "inspect", str(bag), "--model", model)
    assert done.returncode == 2
    assert done.stdout.count("bag.png") == 1
    assert shell("2>/dev/full", "inspect", str(tmp_path / "none")).returncode == 2
    assert shell(">/dev/full 2>/dev/full", "inspect", str(bag), "--model", model).returncode == 2


def test_what_the_terminal_cannot_show_is_written_as_an_escape(model, tmp_path):
    folder = tmp_path / "\N{LATIN SMALL LETTER E WITH ACUTE}"
    shutil.copytree(Path(model).parent, folder)
    (folder / "card.md").write_text("3 \N{MULTIPLICATION SIGN} 4", encoding="utf-8")
    copy = str(folder / Path(model).name)
    for options, shown in (([], "\\xe9"), (["--card"], "3 \\xd7 4")):
        done = shell("", "models", "show", copy, *options, PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stderr) == (0, "")
        assert shown in done.stdout


def test_sigterm_ends_a_run_in_order(model, tmp_path):
    """What was inspected before it is written whole; nothing half-written stays."""
    bag, out = write_blobs(tmp_path / "bag.png"), tmp_path / "out"
    with subprocess.Popen(
        [*COMMAND, "inspect", "-", "--model", model, "--out", str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdin.write(f"{bag}\n")
        process.stdin.flush()
        assert "bag.png" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=30)
    assert process.returncode == 143
    assert error.strip() == "cargosight: terminated"
    assert not list(out.glob("*.part"))


def test_sigterm_on_a_measurement_takes_its_processes_along(model, tmp_path):
    path = write_blobs(tmp_path / "bag.jpg")
    with subprocess.Popen(
        [*COMMAND, "bench", str(path), "--model", model, "--only", "memory", "--scans", "10000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not _children(process.pid):
            assert process.poll() is None
        time.sleep(1.0)  # until its start is over
        (child,) = _children(process.pid)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 143
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def _children(parent: int) -> list[int]:
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in found.stdout.split()]
