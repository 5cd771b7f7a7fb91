"""Contenders in processes of their own, told when to run, so that several can be measured in turns."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any

from cargosight_inference.benchmark.contender import MARK
from cargosight_models.errors import UsageError

_PROGRAM = Path(__file__).with_name("contender.py")
_INSTALLED = "import sys; from importlib.util import find_spec; print(find_spec(sys.argv[1]) is not None)"


@dataclass(frozen=True)
class Contender:
    """What is measured.

    Attributes:
        name: in the report.
        kind: of `contender.MAKERS`.
        paths: of the images.
        settings: of its kind.
        python: interpreter that it runs under.
        copies: processes at once, each with all the images.
    """

    name: str
    kind: str
    paths: Sequence[Path]
    settings: Mapping[str, Any] = field(default_factory=dict)
    python: str = sys.executable
    copies: int = 1


@dataclass(frozen=True)
class Round:
    """All images once, by each of the processes.

    Attributes:
        images: that all of them went through together.
        wall: seconds by the clock, of the slowest.
        cpu: CPU-seconds of the processes, all their threads together.
        peak_mb: most resident memory so far, the sum of theirs.
    """

    images: int
    wall: float
    cpu: float
    peak_mb: float

    @property
    def per_second(self) -> float:
        """Images a second by the clock."""
        return self.images / self.wall

    @property
    def cpu_ms(self) -> float:
        """CPU-milliseconds of one image."""
        return self.cpu / self.images * 1e3


class Team:
    """The processes of a contender: started at once, and told to run at once.

    Attributes:
        seconds: from their start until each has given its first result.
        facts: what the first of them says of itself.
    """

    def __init__(self, contender: Contender) -> None:
        """Start them, and wait for their first results.

        Raises:
            UsageError: one failed; the message ends with what it said last.
        """
        with ThreadPoolExecutor(contender.copies) as pool:  # each start waits for a first result
            starts = [pool.submit(_Child, contender) for _ in range(contender.copies)]
        failures = [error for start in starts if (error := start.exception()) is not None]
        self._children = [start.result() for start in starts if start.exception() is None]
        if failures:
            self.end()
            raise failures[0]
        self.seconds = max(child.seconds for child in self._children)
        self.facts = self._children[0].facts

    def __enter__(self) -> "Team":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def run(self, copies: int | None = None) -> Round:
        """Let them go through all images and wait.

        Args:
            copies: how many of them run, all when None.
        """
        running = self._children[:copies]
        for child in running:
            child.begin()
        found = [child.finish() for child in running]
        return Round(
            images=sum(one.images for one in found),
            wall=max(one.wall for one in found),
            cpu=sum(one.cpu for one in found),
            peak_mb=sum(one.peak_mb for one in found),
        )

    def end(self) -> None:
        """Let them end; what does not is killed."""
        for child in self._children:
            child.end()


class _Child:
    """One process of a contender.

    Attributes:
        seconds: from the process's start to its first result.
        facts: what it says of itself.
    """

    def __init__(self, contender: Contender) -> None:
        """Start it, and wait for its first result.

        Raises:
            UsageError: it failed; the message ends with what it said last.
        """
        self._name, self._images = contender.name, len(contender.paths)
        self._folder = tempfile.TemporaryDirectory(prefix="cargosight-contender-")
        # Not a second pipe: it could fill up while the first one is read.
        self._errors = (Path(self._folder.name) / "errors").open("w+", encoding="utf-8", errors="replace")
        settings = {
            **contender.settings,
            "kind": contender.kind,
            "paths": [str(path.absolute()) for path in contender.paths],
        }
        # What ultralytics writes about itself stays in a folder that goes.
        environment = os.environ | {"YOLO_CONFIG_DIR": self._folder.name}
        started = perf_counter()
        try:
            self._process = subprocess.Popen(
                [_absolute(contender.python), str(_PROGRAM), json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                errors="replace",
                env=environment,
                cwd=self._folder.name,
            )
        except OSError as error:
            self._errors.close()
            self._folder.cleanup()
            raise UsageError(
                f"the interpreter {contender.python} of {self._name} cannot be started: {error.strerror}; give the "
                "path of a Python"
            ) from error
        try:
            self.facts = self._next()
        except BaseException:
            self.end()
            raise
        self.seconds = perf_counter() - started

    def begin(self) -> None:
        """Let it go through all images; `finish` waits for it."""
        if self._process.stdin is None:
            raise AssertionError("a pipe was asked for")
        try:
            self._process.stdin.write("run\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._failed() from error

    def finish(self) -> Round:
        """Wait for the round that was begun."""
        found = self._next()
        return Round(self._images, float(found["wall"]), float(found["cpu"]), float(found["peak"]))

    def end(self) -> None:
        """Let it end; what does not is killed."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait(timeout=10)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
            self._process.wait()
        finally:
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._errors.close()
            self._folder.cleanup()

    def _next(self) -> dict[str, Any]:
        """Return what stands on the next line that is meant for us; it may log to the same output."""
        if self._process.stdout is None:
            raise AssertionError("a pipe was asked for")
        for line in self._process.stdout:
            if line.startswith(MARK):
                found: dict[str, Any] = json.loads(line.removeprefix(MARK))
                return found
        raise self._failed()

    def _failed(self) -> UsageError:
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines() or ["it said nothing"]
        return UsageError(f"{self._name} failed with code {self._process.returncode}: {said[-1][:500]}")


def _absolute(python: str) -> str:
    """Return an interpreter as the process finds it, which starts in another folder."""
    return str(Path(python).absolute()) if Path(python).name != python else python


def is_installed(package: str, python: str) -> bool:
    """Return whether an interpreter finds a package.

    Raises:
        UsageError: there is no such interpreter, or it is none.
    """
    try:
        done = subprocess.run(
            [python, "-c", _INSTALLED, package], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise UsageError(
            f"the interpreter {python} cannot be started: {error.strerror}; give the path of a Python"
        ) from error
    found = done.stdout.strip()
    if done.returncode != 0 or found not in ("True", "False"):
        raise UsageError(
            f"{python} does not run Python code (exit code {done.returncode}); give the path of a Python"
        )
    return found == "True"
