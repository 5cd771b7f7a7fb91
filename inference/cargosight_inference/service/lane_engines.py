"""Which engine inspects each lane: from the settings, or as an engineer chose it while the service ran."""

from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from sqlalchemy import delete, insert, select

from cargosight_inference.default_model import default_model
from cargosight_inference.service.database.engine import Database, now
from cargosight_inference.service.database.tables import LANES
from cargosight_inference.service.engines import Engine, EngineFacts
from cargosight_inference.service.records import audit, events
from cargosight_inference.service.settings import LaneSettings, ServiceSettings
from cargosight_models.errors import EngineError


@dataclass(frozen=True, kw_only=True)
class LaneEngine:
    """The engine of one lane.

    Attributes:
        engine: what inspects.
        facts: None until it was loaded.
        problem: why it inspects nothing, None where it does or was not loaded yet.
    """

    engine: Engine
    facts: EngineFacts | None = None
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what consoles show of it, JSON-ready."""
        facts = self.facts
        return {
            "ready": facts is not None,
            "problem": self.problem,
            "model": self.engine.model if facts is None else facts.model,
            "fingerprint": None if facts is None else facts.fingerprint,
            "operating_point": self.engine.operating_point if facts is None else facts.operating_point,
            "thresholds": None if facts is None else dict(facts.thresholds),
            "precision": None if facts is None else facts.precision,
            "classes": [] if facts is None else list(facts.classes),
        }


class LaneEngines:
    """The engines of all lanes; threads may share it."""

    def __init__(self, settings: ServiceSettings, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._lanes = {lane.name: LaneEngine(engine=_of_settings(lane, settings)) for lane in settings.lanes}

    def restore(self) -> None:
        """Take up the engines that were chosen while the service ran before."""
        with self._database.reading() as connection:
            stored = {row.name: row.engine for row in connection.execute(select(LANES))}
        for name, text in stored.items():
            if name not in self._lanes:
                continue
            try:
                engine = Engine.from_json(text)
            except EngineError as error:
                self._lanes[name] = replace(self._lanes[name], problem=str(error))
                continue
            # What the settings say of the scanner holds; what was chosen is the model and its thresholds.
            chosen = {key: getattr(engine, key) for key in ("model", "operating_point", "threshold")}
            self._lanes[name] = LaneEngine(engine=replace(self._lanes[name].engine, **chosen))

    def of(self, lane: str) -> LaneEngine:
        """Return the engine of a lane."""
        with self._lock:
            return self._lanes[lane]

    def all(self) -> dict[str, LaneEngine]:
        """Return the engine of every lane."""
        with self._lock:
            return dict(self._lanes)

    def ready(self) -> list[str]:
        """Return the lanes whose scans can be inspected."""
        return [name for name, each in self.all().items() if each.facts is not None]

    def loaded(self, lane: str, engine: Engine, facts: EngineFacts) -> None:
        """Note that an engine was loaded for a lane and passed its checks.

        The audit chain has it, too: the file of a model may be another than at the last start.
        """
        after = LaneEngine(engine=engine, facts=facts)
        with self._database.writing() as connection:
            audit.append(
                connection, actor="service", action="model.loaded", lane=lane, detail={"model": _told(after)}
            )
        self._note(after)

    def failed(self, engine: Engine, problem: str) -> None:
        """Note that an engine could not be loaded."""
        self._note(LaneEngine(engine=engine, problem=problem))

    def _note(self, found: LaneEngine) -> None:
        with self._lock:
            for name, each in self._lanes.items():
                if each.engine == found.engine:
                    self._lanes[name] = found

    def change(self, lane: str, engine: Engine, facts: EngineFacts, by: str) -> None:
        """Let another engine, which has been loaded, inspect a lane from now on; durable when it returns."""
        before = self.of(lane)
        after = LaneEngine(engine=engine, facts=facts)
        with self._database.writing() as connection:
            connection.execute(delete(LANES).where(LANES.c.name == lane))
            connection.execute(insert(LANES).values(name=lane, engine=engine.to_json(), changed_at=now()))
            detail = {"before": _told(before), "after": _told(after), "golden": dict(facts.golden)}
            audit.append(connection, actor=by, action="model.change", lane=lane, detail=detail)
            events.append(connection, "model.changed", lane, {"model": after.to_dict()})
        with self._lock:
            self._lanes[lane] = after


def _told(each: LaneEngine) -> dict[str, Any]:
    told = each.to_dict()
    return {key: told[key] for key in ("model", "fingerprint", "operating_point", "thresholds")}


def _of_settings(lane: LaneSettings, settings: ServiceSettings) -> Engine:
    return Engine(
        subject=lane.subject,
        model=lane.model or default_model(lane.subject),
        operating_point=lane.operating_point,
        threshold=lane.threshold,
        policy=None if lane.policy is None else str(lane.policy),
        max_pixels=lane.max_pixels,
        air_level=lane.air_level,
        polarity=lane.polarity,
        pixel_pitch_mm=lane.pitch_mm,
        correct=lane.correct,
        threads=settings.threads,
    )
