"""The installed command in a process of its own, watched while it runs.

Linux tells a process's memory in /proc; the peak is taken from there too, since the one that `wait4` reports
is never below that of the process that started it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event, Thread, Timer

ROOT = Path(__file__).resolve().parents[2]
"""Of the checkout."""

COMMAND = str(Path(sys.executable).parent / "cargosight")
"""The console script of the environment that runs the tests."""

HAS_PROC = sys.platform == "linux"

Word = str | bytes | os.PathLike[str]

_POLL_S = 0.05
_MB_PER_KIB = 1024 / 1e6


@dataclass(frozen=True)
class Sample:
    """One look at a running process.

    Attributes:
        lines: that had come from its stdout.
        resident_mb: its memory at that moment.
        peak_mb: the most memory that it had held so far.
    """

    lines: int
    resident_mb: float
    peak_mb: float


@dataclass
class Run:
    """A command and what came of it.

    Attributes:
        code: exit code; minus the signal's number after a signal.
        lines: of stdout, without their ends.
        errors: all of stderr.
        seconds: from start to end.
        samples: of its memory, in the order of time.
    """

    code: int = 0
    lines: list[bytes] = field(default_factory=list)
    errors: str = ""
    seconds: float = 0.0
    samples: list[Sample] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of stdout."""
        return b"\n".join(self.lines).decode("utf-8", "backslashreplace")

    @property
    def peak_mb(self) -> float:
        """The most memory that was seen."""
        return max(sample.peak_mb for sample in self.samples)

    def resident_mb(self, first: float, last: float) -> float:
        """The most memory held while the output was between two shares of its length, both in [0, 1]."""
        total = len(self.lines)
        held = [s.resident_mb for s in self.samples if first * total <= s.lines <= last * total]
        assert held, f"no look at the process between {first:.0%} and {last:.0%} of {total} lines"
        return max(held)


def environment(home: Path) -> dict[str, str]:
    """Variables of a process: one thread for arithmetic, a home of its own for installed models."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CARGOSIGHT"))
    }
    return {**kept, "OMP_NUM_THREADS": "1", "CARGOSIGHT_HOME": str(home)}


def run(words: Sequence[Word], *, cwd: Path, code: int | None = 0, timeout: float = 600.0) -> Run:
    """Run a command to its end, and look at its memory now and then.

    Args:
        words: program and arguments.
        cwd: where it runs; `home` below it holds its installed models.
        code: exit code to insist on, None for any.
        timeout: seconds after which it is killed and the test fails.
    """
    done, late = Run(), Event()
    started = time.perf_counter()
    with (
        TemporaryFile() as errors,
        subprocess.Popen(
            list(words),
            cwd=cwd,
            env=environment(cwd / "home"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as process,
    ):
        assert process.stdout is not None
        watcher = Thread(target=_watch, args=(process, done))
        clock = Timer(timeout, lambda: (late.set(), process.kill()))
        watcher.start()
        clock.start()
        for line in process.stdout:
            done.lines.append(line.removesuffix(b"\n"))
        done.code = process.wait()
        clock.cancel()
        watcher.join()
        done.seconds = time.perf_counter() - started
        errors.seek(0)
        done.errors = errors.read().decode("utf-8", "backslashreplace")
    what = f"{words!r}\n{b' | '.join(done.lines[-5:])!r}\n{done.errors[-3000:]}"
    assert not late.is_set(), f"not done after {timeout:.0f} s: {what}"
    assert code is None or done.code == code, f"ended with {done.code}, expected {code}: {what}"
    return done


def cargosight(*words: Word, cwd: Path, code: int | None = 0, timeout: float = 600.0) -> Run:
    """Run the installed `cargosight`; see `run`."""
    return run([COMMAND, *words], cwd=cwd, code=code, timeout=timeout)


def _watch(process: "subprocess.Popen[bytes]", done: Run) -> None:
    while process.returncode is None:
        found = memory_of(process.pid)
        if found is not None:
            done.samples.append(Sample(len(done.lines), *found))
        time.sleep(_POLL_S)


def memory_of(pid: int) -> tuple[float, float] | None:
    """Memory that a process holds and the most it held, in MB; None where there is none to be told."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    sizes = {name: rest for name, _, rest in (line.partition(":") for line in lines)}
    if "VmRSS" not in sizes:  # a process that has ended and was not yet waited for
        return None
    held, most = (int(sizes[name].split()[0]) * _MB_PER_KIB for name in ("VmRSS", "VmHWM"))
    return held, most


def tell(text: str) -> None:
    """Say what was measured; pytest shows it with -s or -rP, and when the test fails."""
    sys.stdout.write(f"\n{text}\n")
