"""Drawing overlays for reports, in a process of its own that is started when the first is asked for."""

from threading import Lock

from cargosight_inference.service.database.engine import Database
from cargosight_inference.service.lane_engines import LaneEngines
from cargosight_inference.service.records import inspections, scans
from cargosight_inference.service.records.errors import MissingRecordError
from cargosight_inference.service.settings import ServiceSettings
from cargosight_inference.service.worker import WorkerProcess


class Drawing:
    """Draws one overlay at a time; threads may share it."""

    def __init__(self, settings: ServiceSettings, database: Database, engines: LaneEngines) -> None:
        self._settings = settings
        self._database = database
        self._engines = engines
        self._worker = WorkerProcess(memory_mb=settings.worker_memory_mb)
        self._lock = Lock()

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def overlay(self, scan: int) -> bytes:
        """Return the latest inspection of a scan drawn over it, as a PNG.

        Raises:
            MissingRecordError: there is no such scan, it was not inspected yet, or its lane is in the settings no more.
            UnreadablePicture: it cannot be read.
            WorkerDied: the process was lost.
        """
        with self._database.reading() as connection:
            row = scans.get(connection, scan)
            if row is None or row.inspection_id is None:
                raise MissingRecordError(f"there is no inspection of a scan {scan} yet")
            inspection = inspections.get(connection, row.inspection_id)
            maps = inspections.maps_of(connection, scan, row.inspection_id)
        if inspection is None:
            raise MissingRecordError(f"there is no inspection of a scan {scan} yet")
        engine = self._engines.all().get(row.lane)
        if engine is None:
            raise MissingRecordError(
                f"the lane {row.lane} is in the settings no more; put it back to draw its scans"
            )
        with self._lock:
            return self._worker.overlay(
                engine.engine,
                self._settings.data / row.stored,
                inspection=inspection,
                maps=None if maps is None else self._settings.data / maps,
                timeout_s=self._settings.inspection_timeout_seconds,
            )
