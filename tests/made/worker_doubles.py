"""Workers without a process, for tests of what stands around them."""

from collections.abc import Mapping
from pathlib import Path
from threading import Event
from typing import Any, ClassVar

from cargosight_inference.service.engines import Engine, EngineFacts
from cargosight_models.errors import EngineError, UnreadablePicture, WorkerDied
from tests.made.records import result

DESCRIPTION = {"width": 40, "height": 30, "kind": "display_grey", "brightest": 0.9, "air_level": None}


def fingerprint_of(model: str) -> str:
    return (model.encode().hex() * 64)[:64]


class MadeWorker:
    """Answers as a worker would, by the name of the scan.

    `gun…` has a gun; `forgets…` ends the worker, which then has lost its engines; `kills…` ends the worker;
    `picture-kills…` ends it while the picture is made; `broken…` has no
    picture. Engines whose model is called `bad…` do not load. Inspections wait for `go`.

    Attributes:
        go: inspections wait for it; set at first.
        inspected: names in the order in which they were inspected, of all workers.
    """

    go: ClassVar[Event] = Event()
    inspected: ClassVar[list[str]] = []

    def __init__(self, *, memory_mb: int | None = None) -> None:
        self.engines: set[Engine] = set()
        self.lost: dict[Engine, str] = {}
        self.closed = Event()

    def close(self) -> None:
        self.closed.set()

    def load(self, engine: Engine, golden: Path | None = None, expect: str | None = None) -> EngineFacts:
        if engine.model.startswith("bad"):
            raise EngineError(f"the model {engine.model} is damaged")
        self.engines.add(engine)
        self.lost.pop(engine, None)
        point = engine.operating_point or "pfa=0.05"
        return facts(model=engine.model, operating_point=point)

    def drop(self, engine: Engine) -> None:
        self.engines.discard(engine)

    def inspect(self, engine: Engine, path: Path, *, name: str, **_: Any) -> dict[str, Any]:
        assert engine in self.engines
        while not self.go.wait(0.01):
            if self.closed.is_set():
                raise WorkerDied("the worker was closed", "closed")
        if name.startswith("forgets"):
            self.lost = dict.fromkeys(self.engines, "the model file changed on disk")
        if name.startswith(("kills", "forgets")):
            raise WorkerDied("the worker was ended by SIGSEGV", "signal")
        self.inspected.append(name)
        findings = [("gun", 0.9)] if name.startswith("gun") else []
        made = facts(model=engine.model, operating_point=engine.operating_point or "pfa=0.05")
        return result(*findings, fingerprint=made.fingerprint, point=made.operating_point)

    def picture(self, path: Path, **_: Any) -> Mapping[str, Any]:
        content = path.read_bytes()
        if b"broken" in content:
            raise UnreadablePicture("the file is damaged")
        if b"picture-kills" in content:
            raise WorkerDied("the worker was ended by SIGSEGV", "signal")
        return DESCRIPTION


def facts(*, model: str = "baggage", operating_point: str = "pfa=0.05") -> EngineFacts:
    """Return what a made worker says of an engine."""
    return EngineFacts(
        model=model,
        fingerprint=fingerprint_of(model),
        operating_point=operating_point,
        thresholds={"gun": 0.5},
        precision="fp32",
        classes=("gun",),
        policy={},
        golden={"scan": "made"},
    )
