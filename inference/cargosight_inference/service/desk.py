"""The desk: all parts of a running service, held together."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Any

from sqlalchemy import select

from cargosight_inference.service.accepting import LaneLimits, Reception
from cargosight_inference.service.bus import Bus
from cargosight_inference.service.database.engine import Database, as_text
from cargosight_inference.service.database.errors import DatabaseError
from cargosight_inference.service.database.migrate import migrate
from cargosight_inference.service.database.tables import SCANS
from cargosight_inference.service.drawing import Drawing
from cargosight_inference.service.folders import FolderWatch, WatchedFolder
from cargosight_inference.service.inspecting import Inspecting, Office, chosen
from cargosight_inference.service.lane_engines import LaneEngines
from cargosight_inference.service.lane_folders import limits_of, watched_folders
from cargosight_inference.service.measuring import Measuring
from cargosight_inference.service.metrics import Metrics
from cargosight_inference.service.model_choice import permitted_model
from cargosight_inference.service.picturing import FOLDER, Picturing
from cargosight_inference.service.records import accounts, audit, events, scans
from cargosight_inference.service.records.scans import ScanRecords
from cargosight_inference.service.settings import ServiceSettings
from cargosight_inference.service.storage import Storage
from cargosight_inference.service.viewers import Viewers
from cargosight_models.errors import ConfigurationError, EngineError, UsageError
from cargosight_models.locking import exclusive

_LOG = logging.getLogger("cargosight.service")
_TICK_SECONDS = 0.25
_TIDY_SECONDS = 3600.0


class Desk:
    """A running service without its web server: a context manager that starts and ends all threads.

    Attributes:
        settings: of the service.
        database: of the service, migrated.
        storage: bytes of the scans.
        register: of the scans.
        reception: through which scans are accepted.
        metrics: of the service.
        bus: told of every record.
        viewers: who looks at which scan.
        folders: that are watched.
        removed_lanes: that have scans, and are in the settings no more.
        first_password: of the first administrator where it was made at this start.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        """Prepare; nothing is opened yet."""
        self.settings = settings
        self.metrics = Metrics()
        self.measuring = Measuring(self.metrics)
        self.bus = Bus()
        self.viewers = Viewers()
        self.folders: list[FolderWatch] = []
        self.removed_lanes: tuple[str, ...] = ()
        self.first_password: str | None = None
        self._open = ExitStack()
        self._stop = Event()

    def __enter__(self) -> "Desk":
        """Open the data folder and the database, and start working.

        Raises:
            UsageError: another service has the data folder.
            ConfigurationError: the data folder cannot be made, the database's URL is none, or two lanes share a folder.
            DatabaseError: the database is newer than this version, locked, or cannot be read.
        """
        with ExitStack() as stack:
            self._start(stack)
            self._open = stack.pop_all()
        return self

    def _start(self, stack: ExitStack) -> None:
        settings, data = self.settings, self.settings.data
        folders = watched_folders(settings)
        try:
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigurationError(
                f"the data folder {data} cannot be made ({reason}); expected a folder that the service may write into"
            ) from error
        held = f"another service works in {data}; stop it, or give this one a folder of its own (data)"
        stack.enter_context(exclusive(data / "service.lock", held=held))
        self.database = Database(settings.database_url)
        stack.callback(self.database.close)
        backup = migrate(self.database, data / "backups")
        if backup is not None:
            _LOG.info("database migrated", extra={"backup": backup.name})
        self.storage = Storage(data, least_free_mb=settings.least_free_mb)
        self.storage.remove_parts()
        self._remove_orphans()
        self.removed_lanes = tuple(self._removed())
        for warning in self.warnings():
            _LOG.warning(warning)
        self.register = ScanRecords(self.database, settings)
        self.engines = LaneEngines(settings, self.database)
        self.engines.restore()
        with self.database.writing() as connection:
            self.first_password = accounts.ensure_administrator(connection, datetime.now(UTC))
        self.office = Office(
            settings=settings,
            database=self.database,
            engines=self.engines,
            bus=self.bus,
            measuring=self.measuring,
        )
        self.measuring.remember(self.database, [lane.name for lane in settings.lanes])
        self.reception = Reception(self.storage, self.register, tally=_Tally(self))
        self._drawing = Drawing(settings, self.database, self.engines)
        stack.callback(self._drawing.close)
        self._inspecting = Inspecting(self.office)
        self._inspecting.start()
        stack.callback(self._inspecting.stop)
        self._picturing = Picturing(self.office)
        self._picturing.start()
        stack.callback(self._picturing.stop)
        for folder in folders:
            self._watch(folder, stack)
        self._start_clock(stack)

    def _watch(self, folder: WatchedFolder, stack: ExitStack) -> None:
        if self.settings.lane(folder.lane).folder is None:  # another's may be a share that is not there yet
            folder.inbox.mkdir(parents=True, exist_ok=True)
        watch = FolderWatch(folder, self.reception)
        watch.start()
        self.folders.append(watch)
        stack.callback(watch.stop)

    def _remove_orphans(self) -> None:
        orphans = self.storage.orphans(self._named)
        if orphans.found > orphans.removed:
            kept = {"found": orphans.found, "removed": orphans.removed}
            _LOG.warning(
                "stored scans that no record names are kept: is this the right database?", extra=kept
            )

    def _start_clock(self, stack: ExitStack) -> None:
        clock = Thread(target=self._watch_the_clock, name="cargosight-clock", daemon=True)
        clock.start()
        stack.callback(clock.join)
        stack.callback(self._stop.set)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End all threads; what is under way is taken up again at the next start."""
        self._open.close()

    def _named(self, stored: Sequence[str]) -> set[str]:
        """Return which of some stored scans a row names."""
        with self.database.reading() as connection:
            return set(connection.execute(select(SCANS.c.stored).where(SCANS.c.stored.in_(stored))).scalars())

    def limits(self, lane: str) -> LaneLimits:
        """Return what a lane takes."""
        return limits_of(self.settings, self.settings.lane(lane))

    def wake(self) -> None:
        """Say that a scan was accepted: consoles hear of it, and it is worked on."""
        self.bus.notify()
        self._picturing.wake()
        self._inspecting.wake()

    def lane_model(self, lane: str) -> dict[str, Any]:
        """Return what inspects a lane, JSON-ready."""
        return self.engines.of(lane).to_dict()

    def inspecting(self, lane: str) -> int:
        """Return how many scans of a lane are being inspected now."""
        return self._inspecting.under_way(lane)

    def change_engine(
        self, lane: str, *, model: str | None, operating_point: str | None, threshold: float | None, by: str
    ) -> dict[str, Any]:
        """Let another model or other thresholds inspect a lane, if they load and pass the golden scan.

        Args:
            lane: name.
            model: catalog name, or path of an `.onnx` file in the folder of models, None for the present one.
            operating_point: of the model, its default when None.
            threshold: in [0, 1] for all classes, in place of an operating point.
            by: account.

        Returns:
            What inspects the lane now, JSON-ready.

        Raises:
            EngineError: it fails, or is a file that lies elsewhere; the one before goes on, and what was asked for is
                recorded.
            UsageError: both an operating point and a threshold, or one that is none; that is recorded, too.
        """
        asked = {"model": model, "operating_point": operating_point, "threshold": threshold}
        before = self.engines.of(lane).engine
        try:
            if model is not None:
                own = self.settings.lane(lane).model
                model = permitted_model(model, self.settings.models, (own, before.model))
            after = chosen(before, model=model, operating_point=operating_point, threshold=threshold)
            self._inspecting.change(self.settings.lane(lane), after, by)
        except (EngineError, UsageError) as error:
            detail = {"asked": asked, "reason": str(error)}
            with self.database.writing() as connection:
                audit.append(connection, actor=by, action="model.refused", lane=lane, detail=detail)
            raise
        return self.lane_model(lane)

    def inspect_again(self, scan: int) -> None:
        """Inspect a scan with its lane's present engine."""
        with self.database.writing() as connection:
            scans.inspect_again(connection, scan)
        self._inspecting.wake()

    def overlay(self, scan: int) -> bytes:
        """Return the latest inspection of a scan drawn over it, as a PNG.

        Raises:
            MissingRecordError: there is no such scan, or it was not inspected yet.
            UnreadablePicture: it cannot be read.
            WorkerDied: the process that draws was lost.
        """
        return self._drawing.overlay(scan)

    def picture_folder(self, scan: int) -> Path:
        """Return the folder of a scan's picture."""
        return self.settings.data / FOLDER / str(scan)

    def maps_path(self, relative: str) -> Path:
        """Return the file of an inspection's maps."""
        return self.settings.data / relative

    def render_metrics(self) -> bytes:
        """Return the metrics as Prometheus reads them."""
        under_way = {lane.name: self.inspecting(lane.name) for lane in self.settings.lanes}
        return self.measuring.render(self.database, under_way)

    def problems(self) -> list[str]:
        """Return why the service is not ready, a sentence each; none when it is."""
        found = [
            f"lane {name}: {each.problem or 'the model is being loaded'}"
            for name, each in self.engines.all().items()
            if each.facts is None
        ]
        for watch in self.folders:
            problem = watch.problem if watch.alive else "its folder is watched no more; restart the service"
            if problem is not None:
                found.append(f"lane {watch.lane}: {problem}")
        try:
            with self.database.reading() as connection:
                events.span(connection)
        except DatabaseError as error:
            found.append(str(error))
        return found

    def warnings(self) -> list[str]:
        """Return what somebody should see to although every lane is served, a sentence each."""
        removed = [
            f"the lane {name} is in the settings no more, and {_so_many(count)} there; nothing of them is lost: put "
            "the lane back to go on with them"
            for name, count in (self._removed() if self.removed_lanes else {}).items()
            if count
        ]
        noticed = [(watch.lane, watch.notice) for watch in self.folders]
        return removed + [f"lane {lane}: {notice}" for lane, notice in noticed if notice is not None]

    def _removed(self) -> dict[str, int]:
        """Return how many scans wait in each lane that the settings do not name."""
        with self.database.reading() as connection:
            return scans.of_other_lanes(connection, [lane.name for lane in self.settings.lanes])

    def _watch_the_clock(self) -> None:
        """Show scans whose deadline has passed, and forget what is too old."""
        tidied = -_TIDY_SECONDS
        while not self._stop.wait(_TICK_SECONDS):
            try:
                for lane in self.settings.lanes:
                    if scans.show_overdue(self.database, lane, datetime.now(UTC)):
                        self.bus.notify()
                if monotonic() - tidied >= _TIDY_SECONDS:
                    self._tidy()
                    tidied = monotonic()
            except DatabaseError as error:
                _LOG.warning("the clock waits for the database", extra={"reason": str(error)})

    def _tidy(self) -> None:
        moment = datetime.now(UTC)
        with self.database.writing() as connection:
            events.forget_before(connection, as_text(moment - timedelta(days=self.settings.keep_event_days)))
            accounts.forget_ended_sessions(connection, moment)


def _so_many(scans_waiting: int) -> str:
    return "1 scan waits" if scans_waiting == 1 else f"{scans_waiting:,} scans wait"


class _Tally:
    """Counts what the reception does, and sets to work what it accepted."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def accepted(self, lane: str, *, duplicate: bool) -> None:
        """Count a scan that was accepted."""
        self._desk.metrics.accepted(lane, duplicate=duplicate)
        self._desk.wake()

    def refused(self, lane: str, code: str) -> None:
        """Count one that was not."""
        self._desk.metrics.refused(lane, code)
