"""The processes of workers: what is left when one dies, and when its owner does."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from cargosight_inference.service.engines import Engine
from cargosight_inference.service.worker import WorkerProcess
from cargosight_models.errors import EngineError, UnreadablePicture, WorkerDied
from tests.made import scans
from tests.made.models import make_blob_model
from tests.made.waiting import until
from tests.made.workers import (
    LONG,
    blob_engine,
    dark_bag,
    has_ended,
    inspect,
    picture,
    reading_end,
    stuck,
    without_times,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX pipes and signals")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("secret")


@pytest.fixture(scope="module")
def engine(folder) -> Engine:
    return blob_engine(folder)


@pytest.fixture(scope="module")
def bag(folder) -> Path:
    return dark_bag(folder)


@pytest.fixture
def worker(engine, bag):
    """One that may die."""
    with WorkerProcess() as worker:
        worker.load(engine, bag, "refer")
        yield worker


class TestDying:
    def test_killed_between_calls(self, worker, engine, bag):
        before, pid = inspect(worker, engine, bag), worker.pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: not worker.alive, told="the end")
        assert worker.pid is None
        assert without_times(inspect(worker, engine, bag)) == without_times(before)
        assert worker.pid not in (None, pid)

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
    def test_killed_in_a_call(self, worker, engine, bag, tmp_path, number):
        pid = worker.pid
        with stuck(worker, engine, tmp_path) as raised:
            os.kill(pid, number)
            until(lambda: raised, told="the error")
        (error,) = raised
        assert (type(error), error.how) == (WorkerDied, "signal")
        assert number.name in str(error)
        assert has_ended(pid)
        assert inspect(worker, engine, bag)["decision"] == "refer"

    def test_over_its_time(self, worker, engine, bag, tmp_path):
        pid = worker.pid
        with stuck(worker, engine, tmp_path, timeout_s=0.5) as raised:
            until(lambda: raised, told="the error")
        (error,) = raised
        assert (error.how, has_ended(pid)) == ("timeout", True)
        assert "had not done load after 0.5 s" in str(error)
        assert inspect(worker, engine, bag)["decision"] == "refer"

    def test_stopped_so_that_it_does_not_even_listen(self, worker, engine, bag):
        pid = worker.pid
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(WorkerDied, match=r"had not done inspect after 0\.3 s"):
            inspect(worker, engine, bag, timeout_s=0.3)
        assert has_ended(pid)

    def test_ctrl_c_and_sigterm_are_the_owners_business(self, worker, engine, bag):
        pid = worker.pid
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, number)
        assert inspect(worker, engine, bag)["decision"] == "refer"
        assert worker.pid == pid

    def test_a_model_that_changed_meanwhile_does_not_inspect_under_its_name(self, engine, bag, tmp_path):
        model = make_blob_model(tmp_path / "model.onnx")
        changing = Engine(subject="baggage", model=str(model), threshold=0.5)
        with WorkerProcess() as worker:
            worker.load(engine, bag)
            worker.load(changing, bag)
            make_blob_model(model, score_scale=0.9)
            assert inspect(worker, changing, bag)["findings"][0]["score"] == 1.0  # what was loaded goes on
            os.kill(worker.pid, signal.SIGKILL)
            until(lambda: not worker.alive, told="the end")
            for _ in range(2):
                with pytest.raises(
                    EngineError, match=r"blobs changed on disk .*\(fingerprint\); load it anew"
                ):
                    inspect(worker, changing, bag)
            assert inspect(worker, engine, bag)["decision"] == "refer"
            assert "changed on disk" in worker.lost[changing]
            worker.load(changing, bag)
            assert not worker.lost
            assert inspect(worker, changing, bag)["findings"][0]["score"] == pytest.approx(0.9)
            model.unlink()
            os.kill(worker.pid, signal.SIGKILL)
            until(lambda: not worker.alive, told="the end")
            with pytest.raises(EngineError, match=r"there is no model file model\.onnx"):
                inspect(worker, changing, bag)

    def test_one_that_cannot_start(self):
        with WorkerProcess(memory_mb=150) as worker, pytest.raises(WorkerDied, match="during start"):
            worker.start()

    def test_a_limit_of_memory_gives_the_scan_up_and_not_the_worker(self, tmp_path):
        path = tmp_path / "large.npy"
        np.lib.format.open_memmap(path, "w+", np.uint16, (20_000, 10_000)).flush()
        with WorkerProcess(memory_mb=1000) as worker:
            worker.start()
            pid = worker.pid
            with pytest.raises(UnreadablePicture, match="memory"):
                picture(worker, path, tmp_path / "picture", max_pixels=10**9)
            small = scans.write_scan(tmp_path)
            assert picture(worker, small, tmp_path / "picture")["width"] == 160
            assert worker.pid == pid


class TestOwners:
    def test_one_caller_at_a_time_and_closing_from_another_thread(self, worker, engine, bag, tmp_path):
        pid = worker.pid
        with stuck(worker, engine, tmp_path) as raised:
            with pytest.raises(RuntimeError, match="works for another thread"):
                inspect(worker, engine, bag)
            assert not raised
            worker.close()
            until(lambda: raised, told="the error")
        assert raised[0].how == "closed"
        assert has_ended(pid)
        with pytest.raises(WorkerDied, match="closed") as caught:
            inspect(worker, engine, bag)
        assert caught.value.how == "closed"
        worker.close()

    def test_it_outlives_the_thread_that_started_it(self, engine, bag):
        with WorkerProcess() as worker:
            thread = threading.Thread(target=worker.load, args=(engine, bag))
            thread.start()
            thread.join(LONG)
            pid = worker.pid
            assert inspect(worker, engine, bag)["decision"] == "refer"
            assert worker.pid == pid

    def test_nothing_is_started_before_it_is_asked(self):
        with WorkerProcess() as worker:
            assert (worker.alive, worker.pid) == (False, None)
            worker.start()
            pid = worker.pid
            worker.start()
            assert (worker.alive, worker.pid) == (True, pid)
        assert has_ended(pid)

    @pytest.mark.parametrize("state", ["idle", "stuck"])
    def test_it_ends_with_an_owner_that_was_killed(self, engine, tmp_path, state):
        pipe = tmp_path / "policy.yaml"
        os.mkfifo(pipe)
        code = """
import sys
from cargosight_inference.service.engines import Engine
from cargosight_inference.service.worker import WorkerProcess
worker = WorkerProcess()
worker.start()
print(worker.pid, flush=True)
if sys.argv[1] == "stuck":
    worker.load(Engine(subject="baggage", model=sys.argv[2], threshold=0.5, policy=sys.argv[3]))
sys.stdin.read()
"""
        with subprocess.Popen(
            [sys.executable, "-c", code, state, engine.model, str(pipe)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as owner:
            child = int(owner.stdout.readline())
            end = until(lambda: reading_end(pipe), told="the worker to read") if state == "stuck" else None
            assert not has_ended(child)
            owner.kill()
        until(lambda: has_ended(child), told="the worker's end")
        if end is not None:
            os.close(end)

    def test_ctrl_c_during_a_call(self, engine, bag, tmp_path):
        """The call ends at once, and the next one is not answered with what the former would have got."""
        pipe = tmp_path / "policy.yaml"
        os.mkfifo(pipe)
        code = """
import sys
from dataclasses import replace
from pathlib import Path
from cargosight_inference.service.engines import Engine
from cargosight_inference.service.worker import WorkerProcess
engine = Engine(subject="baggage", model=sys.argv[1], threshold=0.5)
with WorkerProcess() as worker:
    worker.load(engine, Path(sys.argv[2]))
    try:
        worker.load(replace(engine, policy=sys.argv[3]))
    except KeyboardInterrupt:
        print(worker.inspect(engine, Path(sys.argv[2]), name="next", timeout_s=60)["path"])
"""
        with subprocess.Popen(
            [sys.executable, "-c", code, engine.model, str(bag), str(pipe)], stdout=subprocess.PIPE
        ) as owner:
            end = until(lambda: reading_end(pipe), told="the worker to read")
            owner.send_signal(signal.SIGINT)
            assert owner.stdout.readline() == b"next\n"
            os.close(end)
            assert owner.wait(LONG) == 0

    @pytest.mark.parametrize("closed", ["", "<&-", "2>&-", "<&- >&- 2>&-"])
    def test_streams_that_the_owner_closed_change_nothing(self, engine, bag, tmp_path, closed):
        code = """
import json, sys
from pathlib import Path
from cargosight_inference.service.engines import Engine
from cargosight_inference.service.worker import WorkerProcess
engine = Engine(subject="baggage", model=sys.argv[1], threshold=0.5)
with WorkerProcess() as worker:
    worker.load(engine, Path(sys.argv[2]))
    found = worker.inspect(engine, Path(sys.argv[2]), name="bag", timeout_s=60)
Path(sys.argv[3]).write_text(found["decision"])
"""
        arguments = [sys.executable, "-c", code, engine.model, str(bag), str(tmp_path / "found")]
        subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *arguments], check=True, timeout=LONG)
        assert (tmp_path / "found").read_text(encoding="utf-8") == "refer"

    def test_the_kernel_ends_one_that_holds_pythons_lock(self):
        """Whose owner is gone, and which no thread of its own can end."""
        code = (
            "from cargosight_inference.service.worker_main import ending_after; ending_after(0.2); 7 ** 10**9"
        )
        done = subprocess.run([sys.executable, "-c", code], check=False, timeout=LONG)
        assert done.returncode == -signal.SIGALRM

    def test_what_libraries_print_is_no_answer(self, engine, bag, tmp_path, monkeypatch, capfd):
        """Neither at their import nor later."""
        (tmp_path / "cv2").mkdir()
        (tmp_path / "cv2" / "__init__.py").write_text(
            "import os, sys\n"
            "print('chatter of Python', flush=True)\n"
            "os.write(1, b'chatter of C\\n')\n"
            f"sys.path.remove({str(tmp_path)!r}); del sys.modules['cv2']\n"
            "import cv2\n"
            "sys.modules['cv2'] = cv2\n",
            encoding="utf-8",
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        with WorkerProcess() as worker:
            worker.load(engine, bag)
            assert inspect(worker, engine, bag)["decision"] == "refer"
        assert "chatter of Python\nchatter of C\n" in capfd.readouterr().err
